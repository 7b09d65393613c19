// SPDX-License-Identifier: MIT
#include "dispatch/host_addresses.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "dispatch/journal.hpp"
#include "os/resolve_host.hpp"
#include "os/wait.hpp"

namespace baton::dispatch {
namespace {

constexpr std::chrono::milliseconds first_pause{1000};
constexpr std::chrono::milliseconds longest_pause{30000};

std::string text_of(const std::vector<os::Address>& addresses) {
  std::string text;
  for (const os::Address& each : addresses) text += (text.empty() ? "" : ", ") + os::printable(each);
  return text;
}

/// In whatever order: a resolver turns the list from one answer to the next.
bool same(const std::vector<os::Address>& a, const std::vector<os::Address>& b) {
  return std::ranges::is_permutation(a, b);
}

std::string_view reason_of(int error) {
  if (error == ENOENT) return "there is no such host";
  if (error == EAGAIN) return "the resolver does not answer";
  return std::strerror(error);
}

}  // namespace

HostAddresses::HostAddresses(asio::io_context& loop, std::string host, std::uint16_t port, std::string user,
                             std::function<void()> changed)
    : host_{std::move(host)},
      port_{port},
      user_{std::move(user)},
      changed_{std::move(changed)},
      watched_{loop},
      timer_{loop},
      pause_{first_pause} {
  auto number = os::resolve_host(host_, port_, os::Lookup::AddressesOnly);
  has_name_ = !number;
  if (number)
    addresses_ = std::move(*number);
  else
    ask();
}

HostAddresses::HostAddresses(asio::io_context& loop, const os::Address& address)
    : addresses_{address}, watched_{loop}, timer_{loop}, pause_{first_pause} {}

HostAddresses::~HostAddresses() {
  *alive_ = false;
  if (watched_.is_open()) (void)watched_.release();
}

void HostAddresses::look_up() {
  if (!has_name_ || lookup_ || waiting_) return;
  if (Clock::now() >= earliest_) return ask();
  waiting_ = true;
  timer_.expires_at(earliest_);
  timer_.async_wait([this, alive = alive_](const std::error_code& cancelled) {
    if (*alive && !cancelled && waiting_) ask();
  });
}

void HostAddresses::look_up_now() {
  if (!has_name_) return;
  again_ = lookup_.has_value();  // what is under way may have been answered already
  if (again_) return;
  timer_.cancel();
  ask();
}

void HostAddresses::ask() {
  waiting_ = false;
  earliest_ = Clock::now() + first_pause;
  auto begun = HostLookup::begin(host_, port_);
  if (!begun) return not_found(os::number(begun.error()));
  lookup_ = std::move(*begun);
  watched_.assign(lookup_->done().get());
  watched_.async_wait(asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const std::error_code& error) {
    if (*alive && !error) take_answer();
  });
}

void HostAddresses::await(Instant until) {
  while (lookup_ && lookup_->answer() == nullptr) {
    pollfd entry{.fd = lookup_->done().get(), .events = POLLIN, .revents = 0};
    const auto ready = os::poll_until(std::span{&entry, 1}, until);
    if (ready ? *ready == 0 : os::number(ready.error()) != EINTR) return;
  }
  take_answer();
}

void HostAddresses::take_answer() {
  if (!lookup_ || lookup_->answer() == nullptr) return;
  HostLookup::Addresses answer = *lookup_->answer();
  (void)watched_.release();
  lookup_.reset();
  if (std::exchange(again_, false)) return ask();
  if (answer)
    found(std::move(*answer));
  else
    not_found(os::number(answer.error()));
}

void HostAddresses::found(std::vector<os::Address> addresses) {
  pause_ = first_pause;
  const bool is_news = !same(addresses, addresses_);
  if (std::exchange(missed_, false) || (is_news && !addresses_.empty()))
    journal().info("{}: it is at {}", user_, text_of(addresses));
  addresses_ = std::move(addresses);
  if (is_news) changed_();
}

void HostAddresses::not_found(int error) {
  if (!std::exchange(missed_, true))
    journal().error("{}: {}: {} until it is found; it is looked up again every {} s at most", user_, reason_of(error),
                    addresses_.empty() ? "it gets no connection" : "its address before is taken",
                    std::chrono::duration_cast<std::chrono::seconds>(longest_pause).count());
  earliest_ = Clock::now() + pause_;
  pause_ = std::min(2 * pause_, longest_pause);
  look_up();
}

}  // namespace baton::dispatch
