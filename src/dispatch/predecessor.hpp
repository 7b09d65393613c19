// SPDX-License-Identifier: MIT
// baton: dispatch/predecessor.hpp: the batond that comes: takes over from the one that started it.
//
//   meet() --> prepare --> prepared(), which waits for the group --> TSAPs are bound --> commit(): it is all here -->
//   running()
//     |            |                    |                                |                 |
//     +------------+--------------------+--------------------------------+-----------------+--> failed(): the other
//                                                                                                goes on
// Until running() it waits in its calls: it serves nobody yet. Invariant: before commit() has succeeded everything is
// the predecessor's; if it dies till then there is nothing to take over. Threads: the one of the event loop.
#pragma once

#include <baton/group.hpp>
#include <baton/link.hpp>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "dispatch/accept_pause.hpp"
#include "dispatch/conversation.hpp"
#include "dispatch/inheritance.hpp"

namespace baton::dispatch {

class Predecessor {
 public:
  /// All that has been taken over.
  struct Estate {
    std::vector<Heirloom> sockets{};
    std::vector<VisitorPtr> visitors{};
  };

  /// Whether a batond has started this process to follow it.
  [[nodiscard]] static bool is_there();
  /// Says hello, and hears what it has. Failures, here as below: a sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<Predecessor>, std::string> meet(asio::io_context& loop);
  ~Predecessor();
  Predecessor(const Predecessor&) = delete;
  Predecessor& operator=(const Predecessor&) = delete;

  [[nodiscard]] const Inheritance& inheritance() const noexcept { return inheritance_; }
  /// Its listening control socket, once.
  [[nodiscard]] UniqueFd take_control() noexcept { return std::move(control_); }

  /// It goes on, and says why; this process is to end.
  void failed(const std::string& why);
  /// Nothing can fail any more but what it has: waits for that. Then its TSAPs are free.
  [[nodiscard]] std::expected<void, std::string> prepared();
  [[nodiscard]] std::expected<Estate, std::string> commit();
  /// This process serves. Those who come back to the predecessor later: `late`.
  void running(std::function<void(VisitorPtr)> late);

  /// It has not ended.
  [[nodiscard]] bool is_open() const noexcept { return link_.is_open(); }

 private:
  Predecessor(asio::io_context& loop, Link link, UniqueFd control);
  [[nodiscard]] std::expected<void, std::string> hear_inheritance();
  void watch();
  void take_late();

  Link link_;
  UniqueFd control_;
  asio::posix::stream_descriptor watched_;  // the link's number, which it does not own
  AcceptPause pause_;
  HeldGroup group_;
  Inbox inbox_;
  Inheritance inheritance_;
  std::vector<Legacy> legacies_;
  std::function<void(VisitorPtr)> late_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
