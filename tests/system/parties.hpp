// SPDX-License-Identifier: MIT
// baton: system/parties.hpp: client, listener and server of a test, connected.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "agent.hpp"
#include "base/unique_fd.hpp"
#include "steps.hpp"
#include "support/runtime_dir.hpp"

namespace baton::system_tests {

/// A client of the listener: its socket is the test's, the other end has `number` in the listener.
struct Connection {
  UniqueFd client;
  int number = -1;
  int family = AF_INET;
};

/// Listener and server are agents; the link between them is open, the listener listens on TCP.
class Parties : public ::testing::Test {
 protected:
  void SetUp() override;

  /// Another link between the two: the numbers in L and S.
  struct LinkNumbers {
    int in_listener = -1;
    int in_server = -1;
  };
  LinkNumbers open_link(Agent& from, Agent& to, int listening);
  Connection connect_client(int family = AF_INET);

  /// The steps up to and with the one named; each must succeed. What S was told is in `offered_`.
  void offered(const Connection& connection);
  void answered(const Connection& connection);
  void stopped(const Connection& connection);
  void called(const Connection& connection);
  /// A whole move with L asking for the outcome; S's number.
  int moved(const Connection& connection);

  /// L's and S's steps on the fixture's link.
  Step offer(const Connection& connection, int domain = 0);
  Step receive_offer();
  Step answer(short bind_ok = 0);
  Step await_answer(const Connection& connection);
  Step call(const Connection& connection);
  Step take();
  Step outcome(const Connection& connection);

  /// Octets pass both ways between the client and `number` of `agent`.
  void expect_serves(Agent& agent, int number, const Connection& connection);
  /// What the client meets next: end of file, or a reset.
  static void expect_end(const Connection& connection);
  static void expect_reset(const Connection& connection);

  /// A move and its closing make lazily made descriptors; after them numbers can be compared.
  void warm_up();
  void remember_descriptors();
  /// A move still works on the link, and neither process has more descriptors than before.
  void expect_unharmed();

  soc_statistics statistics(Agent& agent);
  void close_in(Agent& agent, std::initializer_list<int> numbers);

  test::RuntimeDir folder_;
  std::optional<Agent> listener_;
  std::optional<Agent> server_;
  int front_ = -1;      // L: listens on TCP, IPv4
  int front6_ = -1;     // ... and IPv6
  int listening_ = -1;  // S: listens at TSEL "S"
  LinkNumbers link_;
  cmsg_redhdr offered_ = {};

 private:
  unsigned short port_ = 0;
  unsigned short port6_ = 0;
  std::size_t listener_descriptors_ = 0;
  std::size_t server_descriptors_ = 0;
};

/// A call that must succeed.
#define EXPECT_STEP(expression)                                                                         \
  do {                                                                                                  \
    const ::baton::system_tests::Step step_ = (expression);                                             \
    EXPECT_TRUE(step_.ok()) << #expression << ": " << std::strerror(step_.error) << ": " << step_.text; \
  } while (false)
/// A call that must fail, with this errno.
#define EXPECT_ERRNO(expected, expression)                                                                       \
  do {                                                                                                           \
    const ::baton::system_tests::Step step_ = (expression);                                                      \
    EXPECT_EQ(step_.result, -1) << #expression;                                                                  \
    EXPECT_EQ(step_.error, expected) << #expression << ": " << std::strerror(step_.error) << ": " << step_.text; \
  } while (false)

/// Reads from a plain socket of the test until `size` octets or the end, at most 20 s.
std::string read_some(int number, std::size_t size);
void write_all(int number, std::string_view octets);
/// What one read gives: octets, 0, or -errno. At most 20 s; -ETIME.
long read_outcome(int number);

}  // namespace baton::system_tests
