// SPDX-License-Identifier: MIT
// baton: preload/told.hpp: connections whose addresses the dispatcher has told: their clients came by a proxy.
//
// getpeername(2) and getsockname(2) answer as told, by each number of the connection, in this process and in those that
// it forks. Known by number and SO_COOKIE: a number closed behind the library's back and used again is noticed.
// Threads: in a Section.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/unique_fd.hpp"
#include "os/told_addresses.hpp"

namespace baton::preload {

class Told {
 public:
  void learn(FdRef connection, const os::ToldAddresses& addresses);
  /// What was told of `number`.
  [[nodiscard]] std::optional<os::ToldAddresses> find(int number);
  /// `number` is another one for the connection `of`.
  void duplicated(int of, int number);
  /// The number is closed.
  void forget(int number);

 private:
  struct Known {
    std::uint64_t cookie = 0;
    std::shared_ptr<const os::ToldAddresses> addresses;
  };
  void add(int number, Known known);

  std::unordered_map<int, Known> known_;
};

[[nodiscard]] Told& told() noexcept;

}  // namespace baton::preload
