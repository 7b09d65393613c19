// SPDX-License-Identifier: MIT
#include "preload/door.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <span>
#include <utility>

#include "baton/soc.h"
#include "os/descriptors.hpp"
#include "os/epoll.hpp"
#include "os/event.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/timer.hpp"
#include "preload/numbers.hpp"
#include "preload/real.hpp"
#include "tsap/address.hpp"

namespace baton::preload {
namespace {

constexpr Duration first_pause = std::chrono::milliseconds{20};
constexpr Duration longest_pause = std::chrono::seconds{1};
constexpr Duration asking_time = std::chrono::seconds{30};
constexpr int high_number = 4096;

// A program that has come back to its sockets so many times in a row, each time so soon, does so whatever others do:
// what is announced may stay while it is away.
constexpr int trusted_returns = 1000;
constexpr Duration soon = std::chrono::milliseconds{50};

/// On this host.
sockaddr_iso address_of(const tsap::Selector& selector) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  const auto area = std::as_writable_bytes(std::span{address.siso_addr.isoa_genaddr});
  address.siso_tlen = static_cast<unsigned char>(tsap::encode_address({{}, selector}, area).value_or(0));
  return address;
}

/// Out of the way of the program, which may count on low numbers.
int keep_high(UniqueFd descriptor) noexcept {
  const auto half = static_cast<int>(os::descriptor_limit() / 2);
  if (auto high = os::duplicate_high(descriptor.ref(), std::min(half, high_number))) descriptor = std::move(*high);
  const int number = descriptor.release();
  if (number >= 0) Numbers::set(number, Kind::Own);
  return number;
}

void close_own(int number) noexcept {
  if (number < 0) return;
  Numbers::set(number, Kind::None);
  real().close(number);
}

}  // namespace

Door& door() noexcept {
  static auto* const made = new Door;  // never destroyed: threads may call while the process exits
  return *made;
}

void Door::lead_to(const tsap::Selector& pool, int credit) {
  pool_ = pool;
  credit_ = credit;
}

void Door::enter(State state) noexcept {
  state_ = state;
  expects_ = false;
}

void Door::attend() {
  if (state_ == State::Asking) ask();
  if (state_ == State::Away && !pool_.empty() && os::monotonic_now() >= retry_at_) start();
}

void Door::expect() {
  has_returned();
  attend();
  if (state_ == State::Open) announce();
}

void Door::announce() {
  const int room = serves_many_ ? credit_ : std::clamp(Waiting::threads(), 1, credit_);
  if (::soc_credit(link_, room) < 0) return lost(errno == EMFILE || errno == ENFILE ? longest_pause : Duration{0});
  (void)::soc_credit(link_, 0);
  expects_ = true;
}

/// Or has received what was announced.
bool Door::has_announced() { return state_ == State::Open && (::soc_credit(link_, 0) > 0 || ::soc_pending(link_) > 0); }

void Door::has_returned() {
  const Instant since = std::exchange(away_since_, never);
  if (since == never) return;
  quick_returns_ = os::monotonic_now() - since < soon ? std::min(quick_returns_ + 1, trusted_returns) : 0;
}

void Door::has_served_many() noexcept {
  serves_many_ = credit_ > 1;
  expects_ = false;
}

bool Door::passed_by() {
  expects_ = false;  // before it asks: who begins to wait now looks after the link itself
  const bool returns = serves_many_ || Waiting::threads() > 0 || (credit_ > 1 && quick_returns_ == trusted_returns);
  const bool leaves = !returns && has_announced();
  if (leaves) leave();
  away_since_ = os::monotonic_now();
  return leaves;
}

void Door::turned_from() {
  expects_ = false;
  if (Waiting::threads() == 0 && has_announced()) leave();
}

/// One for several attempts: to be bound costs a file in the runtime folder.
bool Door::make_link() {
  link_ = ::soc_socket(AF_ISO, SOCK_STREAM, 0);
  if (link_ < 0) return false;
  Numbers::set(link_, Kind::Own);
  const sockaddr_iso any = address_of({});
  if (os::set_nonblocking(FdRef{link_}, true) && ::soc_bind(link_, &any, sizeof any) == 0) return true;
  close_link();
  return false;
}

void Door::start() {
  if (!furnish() || (link_ < 0 && !make_link())) return retry_later();
  enter(State::Asking);
  retry_at_ = os::monotonic_now() + asking_time;
  os::set_timer(retry_.ref(), retry_at_);
  ask();
  // Only now is the number's open file the one that stays.
  if (state_ != State::Away) attach_link();
}

void Door::ask() {
  const sockaddr_iso address = address_of(pool_);
  if (::soc_connect(link_, &address, sizeof address) == 0) return opened();
  if (errno == EWOULDBLOCK) return;
  detach_link();
  retry_later();
}

void Door::opened() {
  // Nothing is announced but by announce().
  (void)::soc_credit(link_, 0);
  enter(State::Open);
  pause_ = {};
  os::set_timer(retry_.ref(), never);
}

bool Door::ready() {
  if (state_ != State::Open) return false;
  pollfd entry{link_, POLLIN, 0};
  const bool events = ::soc_poll_ms(&entry, 1, 0) > 0;
  // What it has read stands no more in the link: another thread's bell, and this one's next wait, are to ring for it.
  tell_more();
  // It may have been asked for back what was announced.
  expects_ = false;
  if (!events) return false;
  if (more_told_) return true;
  if ((entry.revents & POLLHUP) == 0) return true;  // a connection waits for a descriptor
  lost(Duration{0});
  return false;
}

os::Result<std::optional<os::HandedOver>> Door::take() {
  if (state_ != State::Open) return std::nullopt;
  soc_move move{};
  const int taken = ::soc_take(link_, &move, 1, 0);
  const int error = errno;
  tell_more();
  if (taken > 0) {
    os::HandedOver one{UniqueFd{adopt, move.fd},
                       os::told_addresses({static_cast<const std::byte*>(move.blob), move.blob_length})};
    std::free(move.blob);
    if (move.flags == 0) {
      away_since_ = os::monotonic_now();
      expects_ = false;  // before it asks, as in passed_by()
      if (Waiting::threads() > 0) announce();
      return one;
    }
    // A group is for a program that takes over from another one: its listener has all back.
    lost(longest_pause);
    return std::nullopt;
  }
  if (taken == 0) return std::nullopt;
  if (error == EMFILE || error == ENFILE) return os::failure(error);
  // Octets that the dispatcher has read cannot be put back before the program's eyes: it has all back, and no hurry.
  lost(error == EMSGSIZE ? longest_pause : Duration{0});
  return std::nullopt;
}

/// What one message brought may be many connections, and the link then shows nothing to read.
void Door::tell_more() {
  const bool more = ::soc_pending(link_) > 0;
  if (more == more_told_) return;
  more_told_ = more;
  if (more)
    os::signal_event(more_.ref());
  else
    os::reset_event(more_.ref());
}

void Door::lost(Duration pause) {
  pause_ = std::max(pause_, pause);
  close_link();
  if (more_told_) os::reset_event(more_.ref());
  more_told_ = false;
  retry_later();
}

void Door::close_link() {
  detach_link();
  Numbers::set(link_, Kind::None);
  ::soc_close(link_);
  link_ = -1;
}

void Door::retry_later() {
  enter(State::Away);
  pause_ = std::clamp(pause_ * 2, first_pause, longest_pause);
  retry_at_ = os::monotonic_now() + pause_;
  if (retry_.valid()) os::set_timer(retry_.ref(), retry_at_);
}

void Door::leave() {
  if (link_ < 0) return;
  lost(Duration{0});
  pause_ = {};
  retry_at_ = Instant{0};
  os::set_timer(retry_.ref(), never);
}

void Door::give_up() {
  leave();
  begin_anew();
}

void Door::begin_anew() {
  for (const int bell : bells_) close_own(bell);
  bells_.clear();
  free_bells_.clear();
  common_ = -1;
  close_own(link_);
  link_ = -1;
  close_own(more_.release());
  close_own(retry_.release());
  more_told_ = false;
  enter(State::Away);
  retry_at_ = Instant{0};
  pause_ = {};
  serves_many_ = false;
  quick_returns_ = 0;
  away_since_ = never;
}

bool Door::furnish() {
  if (!more_.valid()) {
    auto event = os::event_descriptor();
    if (!event) return false;
    more_ = UniqueFd{adopt, keep_high(std::move(*event))};
  }
  if (!retry_.valid()) {
    auto timer = os::timer_descriptor();
    if (!timer) return false;
    retry_ = UniqueFd{adopt, keep_high(std::move(*timer))};
  }
  return true;
}

void Door::attach_link() {
  for (const int bell : bells_) (void)os::epoll_add(FdRef{bell}, FdRef{link_});
}

/// Before it is closed: a child may hold the same open file, and then it would stay in the sets.
void Door::detach_link() {
  for (const int bell : bells_) (void)os::epoll_remove(FdRef{bell}, FdRef{link_});
}

int Door::make_bell() {
  if (!furnish()) return -1;
  auto set = os::epoll_set();
  if (!set || !os::epoll_add(set->ref(), more_.ref()) || !os::epoll_add(set->ref(), retry_.ref())) return -1;
  if (state_ != State::Away && !os::epoll_add(set->ref(), FdRef{link_})) return -1;
  bells_.push_back(keep_high(std::move(*set)));
  return bells_.back();
}

int Door::lend_bell() {
  if (free_bells_.empty()) return make_bell();
  const int bell = free_bells_.back();
  free_bells_.pop_back();
  return bell;
}

void Door::give_back(int bell) {
  if (bell >= 0) free_bells_.push_back(bell);
}

int Door::common_bell() {
  if (common_ < 0) common_ = make_bell();
  return common_;
}

}  // namespace baton::preload
