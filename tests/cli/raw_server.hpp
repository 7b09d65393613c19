// SPDX-License-Identifier: MIT
// baton: cli/raw_server.hpp: a TCP server on 127.0.0.1 that answers the first octets of each connection as it is told.
//
// Serves one connection after another on a thread of its own, until it goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/unique_fd.hpp"

namespace baton::cli_tests {

class RawServer {
 public:
  /// What to say to the octets of a request. Nothing: not a word, but the connection stays until the client closes.
  /// Empty: closed at once. Else: sent, then closed when the client has closed.
  using Reply = std::function<std::optional<std::string>(std::string_view request)>;
  explicit RawServer(Reply reply);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  /// "127.0.0.1:40213".
  [[nodiscard]] std::string address() const;
  [[nodiscard]] int connections() const { return connections_; }
  /// Connections that came while another one was open.
  [[nodiscard]] int overlapping() const { return overlapping_; }

 private:
  void serve();
  void talk(FdRef client);

  Reply reply_;
  UniqueFd listening_;
  UniqueFd stop_;
  std::uint16_t port_;
  std::atomic<int> connections_ = 0;
  std::atomic<int> overlapping_ = 0;
  std::thread thread_;
};

}  // namespace baton::cli_tests
