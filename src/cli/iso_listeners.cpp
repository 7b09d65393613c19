// SPDX-License-Identifier: MIT
#include "cli/iso_listeners.hpp"

#include <cstdlib>
#include <ostream>

#include "os/process.hpp"

namespace baton::cli {

std::expected<Listeners, std::string> Listeners::open(const std::vector<tsap::Selector>& called,
                                                      const std::string& address) {
  // The library reads it at the first listen of the process.
  if (!address.empty() && ::setenv("BATON_ISO_LISTEN", address.c_str(), 1) != 0)
    return std::unexpected{"no memory for the environment"};
  Listeners listeners;
  listeners.called_ = called;
  for (const tsap::Selector& each : called) {
    auto number = listen_as(each);
    if (!number) return std::unexpected{number.error()};
    listeners.numbers_.push_back(std::move(*number));
  }
  return listeners;
}

std::string Listeners::announcement() const {
  std::string text = "listening on " + listening_address(numbers_.front()).value_or("this host");
  const char* separator = called_.size() == 1 ? ", TSEL " : ", TSELs ";
  for (const tsap::Selector& each : called_) {
    text += separator + each.printable();
    separator = ", ";
  }
  return text;
}

void Listeners::add_entries(std::vector<pollfd>& entries) const {
  if (next_attempt_ != never) return;
  for (const IsoNumber& each : numbers_) entries.push_back({.fd = each.get(), .events = POLLIN, .revents = 0});
}

std::vector<IsoNumber> Listeners::accept(std::size_t most, std::ostream& err) {
  std::vector<IsoNumber> accepted;
  if (next_attempt_ != never && os::monotonic_now() < next_attempt_) return accepted;
  next_attempt_ = never;
  for (const IsoNumber& each : numbers_)
    while (accepted.size() < most) {
      auto number = accept_from(each);
      if (!number) {
        err << "baton iso: no connection can be accepted: " << number.error() << ".\n" << std::flush;
        next_attempt_ = os::monotonic_now() + std::chrono::seconds{1};
        return accepted;
      }
      if (!*number) break;
      accepted.push_back(std::move(**number));
    }
  return accepted;
}

}  // namespace baton::cli
