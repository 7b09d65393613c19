// SPDX-License-Identifier: MIT
// Nothing secret leaves a process by its trace or its status: a move with a secret in every place that takes octets.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "hostile.hpp"
#include "os/process.hpp"
#include "os/runtime_folder.hpp"
#include "os/status_query.hpp"

namespace baton::system_tests {
namespace {

constexpr std::string_view secret = "xyzzy-PASSWORD-xyzzy";

/// Any eight octets of the secret in a row, as they are or in hexadecimal.
bool tells(const std::string& text) {
  constexpr char digits[] = "0123456789abcdef";
  for (std::size_t i = 0; i + 8 <= secret.size(); ++i) {
    const std::string part{secret.substr(i, 8)};
    std::string hex;
    for (const char each : part) {
      hex += digits[(static_cast<unsigned char>(each) >> 4U) & 0xfU];
      hex += digits[static_cast<unsigned char>(each) & 0xfU];
    }
    if (text.find(part) != std::string::npos || text.find(hex) != std::string::npos) return true;
  }
  return false;
}

class HostileReader : public Hostile {
 protected:
  void SetUp() override {
    ::setenv("BATON_TRACE", trace_.c_str(), 1);
    Hostile::SetUp();
    ::unsetenv("BATON_TRACE");
    answer_status(1);
  }
  void TearDown() override {
    answer_status(0);
    Hostile::TearDown();
    ::unlink(trace_.c_str());
  }
  void answer_status(int on) {
    for (Agent* const each : {&*listener_, &*server_}) EXPECT_EQ(each->call([on] { return soc_status(on); }).value, 0);
  }
  [[nodiscard]] std::string trace() const {
    std::ifstream file{trace_};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  static std::string status_of(const Agent& agent) {
    const auto folder = os::open_existing(os::Place::Environment, "status");
    if (!folder) return {};
    return os::ask_status(folder->ref(), std::to_string(agent.pid()).c_str(),
                          os::monotonic_now() + std::chrono::seconds{10})
        .value_or(std::string{});
  }
  const std::string trace_ = "/tmp/baton-trace-" + std::to_string(::getpid());
};

TEST_F(HostileReader, FindsNoOctetsOfUsersInTraceAndStatus) {
  // Connection data both ways, in the disconnect, user data on the link.
  const auto set = [](int of, int option) {
    return soc_setsockopt(of, SOL_TRANSPORT, option, secret.data(), static_cast<int>(secret.size()));
  };
  auto connecting = listener_->start([=] {
    const int number = named_iso();
    const sockaddr_iso address = iso_address("S");
    if (set(number, TPOPT_CONN_DATA) < 0 || set(number, TPOPT_DISC_DATA) < 0) return -1;
    return soc_connect(number, &address, sizeof address) < 0 ? -1 : number;
  });
  const int accepted = server_
                           ->call([=, listening = listening_] {
                             const int number = soc_accept(listening, nullptr, nullptr);
                             return set(number, TPOPT_CFRM_DATA) < 0 ? -1 : number;
                           })
                           .value;
  const int connected = connecting.get().value;
  ASSERT_GE(accepted, 0);
  ASSERT_GE(connected, 0);
  EXPECT_EQ(listener_->call([=] { return soc_send(connected, secret.data(), secret.size(), 0); }).value,
            static_cast<ssize_t>(secret.size()));
  EXPECT_EQ(server_
                ->call([=] {
                  char octets[64];
                  return soc_recv(accepted, octets, sizeof octets, 0);
                })
                .value,
            static_cast<ssize_t>(secret.size()));
  // A whole move that brings octets, and one that is refused.
  for (const bool refused : {false, true}) {
    const Connection client = connect_client();
    write_all(client.client.get(), secret);
    const Step sent =
        listener_->call([=, number = client.number] { return system_tests::offer(connected, number, AF_INET, secret); })
            .value;
    EXPECT_TRUE(sent.ok()) << sent.text;
    const Step seen = server_->call([=] { return system_tests::receive_offer(accepted); }).value;
    EXPECT_EQ(std::string_view(seen.octets, secret.size()), secret);
    EXPECT_STEP(server_->call([=] { return system_tests::answer(accepted, seen.header, 0); }).value);
    EXPECT_STEP(await_answer_over(*listener_, connected, client));
    EXPECT_STEP(call_over(*listener_, connected, client));
    if (!refused) {
      EXPECT_STEP(server_->call([=] { return system_tests::take(accepted, seen.header); }).value);
    }
    close_in(*server_, {seen.header.fd_server});
    EXPECT_ERRNO(EAGAIN, look_for_offer(*server_, accepted, MSG_DONTWAIT));  // answers the CALL of what it gave up
    EXPECT_EQ(outcome_over(*listener_, connected, client).error, refused ? ECONNABORTED : 0);
    close_in(*listener_, {client.number});
  }
  // Express, and garbage that is a secret.
  const Connection client = connect_client();
  EXPECT_EQ(server_->call([=] { return soc_credit(accepted, 1); }).value, 1);
  EXPECT_EQ(listener_
                ->call([=, number = client.number] {
                  soc_move move{};
                  move.fd = number;
                  move.data = const_cast<char*>(secret.data());
                  move.length = secret.size();
                  return soc_give(connected, &move, 1);
                })
                .value,
            1);
  const int taken = server_
                        ->call([=] {
                          static char room[64];
                          soc_move move{};
                          move.data = room;
                          move.length = sizeof room;
                          return soc_take(accepted, &move, 1, 20'000) == 1 ? move.fd : -1;
                        })
                        .value;
  EXPECT_EQ(listener_
                ->call([=] {
                  soc_move move{};
                  return soc_outcomes(connected, &move, 1, 20'000);
                })
                .value,
            1);
  RawPeer peer{folder_.path(), "S"};
  const int broken = accept_from(peer);
  EXPECT_TRUE(peer.send(as_bytes(secret)));
  EXPECT_ERRNO(EPROTO, look_for_offer(*server_, broken));
  const std::string listeners_status = status_of(*listener_);
  const std::string servers_status = status_of(*server_);
  close_in(*listener_, {connected});
  close_in(*server_, {taken, accepted, broken});
  const std::string text = trace();
  for (const char* event : {"OFFER", "CALL", "TAKEN", "not taken", "link broken", "CALL express"})
    EXPECT_NE(text.find(event), std::string::npos) << event;
  EXPECT_FALSE(tells(text));
  EXPECT_NE(listeners_status.find("\"moved\""), std::string::npos);
  EXPECT_NE(servers_status.find("\"taken\""), std::string::npos);
  EXPECT_FALSE(tells(listeners_status) || tells(servers_status));
  EXPECT_TRUE(tells("a line with " + std::string{secret}));  // the look itself
}

}  // namespace
}  // namespace baton::system_tests
