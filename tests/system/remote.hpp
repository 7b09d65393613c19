// SPDX-License-Identifier: MIT
// baton: system/remote.hpp: AF_ISO connections from another host, which L listens for and S may get.
#pragma once

#include <algorithm>
#include <cstring>

#include "parties.hpp"
#include "raw_iso.hpp"

namespace baton::system_tests {

/// What a read gave.
struct Read {
  ssize_t size = -1;
  int error = 0;
  int flags = 0;
  char octets[4096] = {};
  [[nodiscard]] std::string text() const { return {octets, static_cast<std::size_t>(std::max<ssize_t>(size, 0))}; }
};
/// One soc_recvmsg with room for `most` octets, at most 4096.
Read read_once(int number, std::size_t most = sizeof(Read::octets), int flags = 0);

/// An option's value.
struct Option {
  int result = -1;
  int error = 0;
  socklen_t size = 0;
  char octets[256] = {};
  [[nodiscard]] std::string text() const { return {octets, size}; }
  [[nodiscard]] int number() const {
    int value = 0;
    std::memcpy(&value, octets, sizeof value);
    return value;
  }
};
Option get_option(int number, int name);

class Remote : public Parties {
 protected:
  /// L listens for "APP", locally and for other hosts; nobody else does.
  void SetUp() override;

  /// A client has sent its CR, and L has accepted, not confirmed. The CR may be any.
  Connection requested(const std::string& request = connection_request("APP"));
  /// ... and confirmed.
  Connection opened(const std::string& request = connection_request("APP"));
  /// A TSDU each way between the client and `number` of `agent`.
  static void expect_talks(Agent& agent, int number, const Connection& connection);
  static Read read_in(Agent& agent, int number, std::size_t most = sizeof(Read::octets), int flags = 0);
  static Option option_in(Agent& agent, int number, int name);

  int iso_listening_ = -1;
  unsigned short iso_port_ = 0;
};

}  // namespace baton::system_tests
