// SPDX-License-Identifier: MIT
// A connection goes to and fro between a program of this build and one of earlier sources, while its client sends.
//
//   skew PARTY_OF_THIS_BUILD PARTY_OF_EARLIER_SOURCES
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "support/octets.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/sockets.hpp"

namespace baton::test {
namespace {

std::string party_of_this_build;
std::string party_of_earlier_sources;

constexpr unsigned moves = 400;
constexpr std::uint64_t stream = 1;

/// Becomes the program; of this process's descriptors it gets those named and 0 to 2.
[[noreturn]] void become(const std::string& program, std::vector<std::string> arguments, std::vector<int> descriptors) {
  for (const int each : descriptors) checked(::fcntl(each, F_SETFD, 0), "fcntl");
  arguments.insert(arguments.begin(), program);
  std::vector<char*> argv;
  for (std::string& each : arguments) argv.push_back(each.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  fail_call("execv");
}

struct Case {
  const char* name;
  const std::string& first;
  const std::string& second;
  const char* manner;
};
std::string name_of(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

class Skew : public ::testing::TestWithParam<Case> {};

TEST_P(Skew, AConnectionGoesToAndFro) {
  const Case& with = GetParam();
  const RuntimeDir folder;
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
  UniqueFd reading{adopt, ready[0]};
  UniqueFd writing{adopt, ready[1]};
  const UniqueFd listener = tcp_listen(AF_INET);
  const UniqueFd client = tcp_connect(AF_INET, port_of(listener.ref()));
  UniqueFd accepted{adopt, ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  ASSERT_TRUE(accepted.valid());

  const auto number = [](const UniqueFd& descriptor) { return std::to_string(descriptor.get()); };
  std::vector<Child> roles;
  roles.emplace_back("second", [&] {
    become(with.second, {"second", with.manner, std::to_string(moves), number(writing)}, {writing.get()});
  });
  roles.emplace_back("first", [&] {
    become(with.first, {"first", with.manner, std::to_string(moves), number(reading), number(accepted)},
           {reading.get(), accepted.get()});
  });
  reading.reset();
  writing.reset();
  accepted.reset();

  // A piece for each holder: the next is sent when the echo of the one before is whole.
  Producer sending{stream};
  Checker receiving{stream};
  std::array<std::byte, 1000> piece;
  for (unsigned i = 0; i <= moves; ++i) {
    sending.peek(piece);
    write_all(client.ref(), piece);
    sending.written(piece);
    while (receiving.tally().octets < sending.tally().octets) {
      std::array<std::byte, 1000> echo;
      const std::size_t size = read_some(client.ref(), echo);
      ASSERT_GT(size, 0U) << "after " << i << " moves: " << finish(roles);
      receiving.read(Bytes{echo}.first(size));
    }
  }
  ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
  EXPECT_EQ(read_some(client.ref(), piece), 0U);
  EXPECT_EQ(finish(roles), "");
  EXPECT_EQ(sending.tally(), receiving.tally());
}

INSTANTIATE_TEST_SUITE_P(
    BothWays, Skew,
    ::testing::Values(Case{"ThisBuildListensForLinks_Seed", party_of_earlier_sources, party_of_this_build, "seed"},
                      Case{"ThisBuildConnects_Seed", party_of_this_build, party_of_earlier_sources, "seed"},
                      Case{"ThisBuildListensForLinks_Express", party_of_earlier_sources, party_of_this_build,
                           "express"},
                      Case{"ThisBuildConnects_Express", party_of_this_build, party_of_earlier_sources, "express"}),
    name_of);

}  // namespace
}  // namespace baton::test

int main(int argc, char* argv[]) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: skew PARTY_OF_THIS_BUILD PARTY_OF_EARLIER_SOURCES\n");
    return 2;
  }
  baton::test::party_of_this_build = argv[1];
  baton::test::party_of_earlier_sources = argv[2];
  return RUN_ALL_TESTS();
}
