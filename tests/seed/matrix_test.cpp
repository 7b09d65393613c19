// SPDX-License-Identifier: MIT
// The steps of the seed in every combination of family, way of waiting, and what the client is doing meanwhile.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "seed/matrix_roles.hpp"
#include "support/runtime_dir.hpp"

namespace baton::test {
namespace {

class Matrix : public ::testing::TestWithParam<Cell> {};

std::vector<Cell> all_cells() {
  std::vector<Cell> cells;
  for (const int family : {AF_INET, AF_INET6})
    for (const Waits waits : {Waits::Blocking, Waits::Select, Waits::SocPoll, Waits::Epoll})
      for (const Doing doing : {Doing::ClientIdle, Doing::ClientSends, Doing::ClientReceives, Doing::HalfClosed,
                                Doing::PartRead, Doing::UnsentOutput})
        cells.push_back({family, waits, doing});
  return cells;
}

std::string name_of_cell(const ::testing::TestParamInfo<Cell>& info) {
  return std::string{info.param.family == AF_INET ? "Ipv4_" : "Ipv6_"} + name_of(info.param.waits) + "_" +
         name_of(info.param.doing);
}

TEST_P(Matrix, EveryOctetArrivesOnceAndTheClientSeesOneConnection) {
  const Cell cell = GetParam();
  const RuntimeDir folder;
  const Stage stage;
  std::vector<Child> roles;
  roles.emplace_back("server", [&] { run_server(cell, stage); });
  roles.emplace_back("listener", [&] { run_listener(cell, stage); });
  roles.emplace_back("client", [&] { run_client(cell, stage); });
  ASSERT_EQ(finish(roles), "");
  for (unsigned move = 0; move < moves; ++move) {
    const Account& account = (*stage.accounts)[move];
    EXPECT_EQ(account.client_sent, account.served_received) << "move " << move;
    EXPECT_EQ(account.served_sent, account.client_received) << "move " << move;
    EXPECT_EQ(account.client_sent, tally_of_stream(upward(move), account.client_sent.octets));
    EXPECT_EQ(account.served_sent, tally_of_stream(downward(move), account.served_sent.octets));
    EXPECT_GT(account.client_sent.octets, 0U);
    EXPECT_GT(account.served_sent.octets, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Seed, Matrix, ::testing::ValuesIn(all_cells()), name_of_cell);

}  // namespace
}  // namespace baton::test
