// SPDX-License-Identifier: MIT
// baton: dispatch/host_lookup.hpp: a host's name on its way through the system's resolver, which may wait for the
// network.
//
// A thread asks; few of them run at a time, and the other questions wait for their turn. Threads: the one of the event
// loop, which learns of the end by a descriptor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"

namespace baton::dispatch {

class HostLookup {
 public:
  using Addresses = os::Result<std::vector<os::Address>>;

  /// Errors: want of descriptors; EAGAIN, there is no thread to be had.
  [[nodiscard]] static os::Result<HostLookup> begin(std::string host, std::uint16_t port);

  /// Readable once the answer is there.
  [[nodiscard]] FdRef done() const noexcept;
  /// As os::resolve_host() gives it; null while it is not there.
  [[nodiscard]] const Addresses* answer() const noexcept;

 private:
  struct Question;
  explicit HostLookup(std::shared_ptr<Question> question) : question_{std::move(question)} {}

  std::shared_ptr<Question> question_;  // which outlives this where its thread still waits
};

}  // namespace baton::dispatch
