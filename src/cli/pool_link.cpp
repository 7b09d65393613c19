// SPDX-License-Identifier: MIT
#include "cli/pool_link.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "baton/soc.h"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::cli {
namespace {

constexpr Duration first_pause = std::chrono::milliseconds{20};
constexpr Duration longest_pause = std::chrono::seconds{1};
constexpr Duration asking_time = std::chrono::seconds{30};

}  // namespace

void PoolLink::attend() {
  if (state_ == State::Away) {
    if (os::monotonic_now() < retry_at_) return;
    // One for several attempts: to be bound costs a file in the runtime folder.
    if (!link_) link_ = number_to_ask_with();
    if (!link_) return retry_later();
    state_ = State::Asking;
    retry_at_ = os::monotonic_now() + asking_time;
  }
  if (state_ == State::Asking && !answered()) return;
  read();
}

bool PoolLink::answered() {
  if (ask(*link_, pool_)) {
    if (::soc_credit(link_->get(), credit_) < 0) {
      lost(longest_pause);
      return false;
    }
    state_ = State::Open;
    pause_ = {};
    if (!std::exchange(complaint_, {}).empty()) tell_("TSAP " + pool_.printable() + " takes it now");
    return true;
  }
  const int error = errno;
  if (error == EWOULDBLOCK && os::monotonic_now() < retry_at_) return false;
  complain();
  if (error == EWOULDBLOCK)
    lost(Duration{0});
  else
    retry_later();
  return false;
}

void PoolLink::complain() {
  std::string complaint = "it waits for TSAP " + pool_.printable() + ": " + ::soc_error_text();
  if (complaint != complaint_) tell_(complaint);
  complaint_ = std::move(complaint);
}

void PoolLink::read() {
  pollfd entry{link_->get(), POLLIN, 0};
  const bool events = ::soc_poll_ms(&entry, 1, 0) > 0;
  waiting_ = static_cast<std::size_t>(std::max(::soc_pending(link_->get()), 0));
  if (events && waiting_ == 0 && (entry.revents & POLLHUP) != 0) lost(Duration{0});
}

std::optional<os::HandedOver> PoolLink::take() {
  while (state_ == State::Open) {
    soc_move move{};
    const int taken = ::soc_take(link_->get(), &move, 1, 0);
    const int error = errno;
    waiting_ = static_cast<std::size_t>(std::max(::soc_pending(link_->get()), 0));
    // Want of descriptors goes by.
    if (taken == 0 || (taken < 0 && (error == EMFILE || error == ENFILE))) return std::nullopt;
    if (taken < 0) {
      // Octets that the dispatcher has read cannot be put back before the program's eyes: it has all back, and no
      // hurry.
      lost(error == EMSGSIZE ? longest_pause : Duration{0});
      return std::nullopt;
    }
    os::HandedOver one{UniqueFd{adopt, move.fd},
                       os::told_addresses({static_cast<const std::byte*>(move.blob), move.blob_length})};
    std::free(move.blob);
    if (move.flags != 0) {  // a group is for a program that takes over from another one: its listener has all back
      lost(longest_pause);
      return std::nullopt;
    }
    const FdRef socket = one.connection.ref();
    if (os::tcp_domain(socket) != AF_UNSPEC && !os::is_listening(socket)) return one;
  }
  return std::nullopt;
}

void PoolLink::leave() {
  if (!link_) return;
  lost(Duration{0});
  pause_ = {};
  retry_at_ = Instant{0};
}

void PoolLink::lost(Duration pause) {
  pause_ = std::max(pause_, pause);
  link_.reset();
  waiting_ = 0;
  retry_later();
}

void PoolLink::retry_later() {
  state_ = State::Away;
  pause_ = std::clamp(pause_ * 2, first_pause, longest_pause);
  retry_at_ = os::monotonic_now() + pause_;
}

}  // namespace baton::cli
