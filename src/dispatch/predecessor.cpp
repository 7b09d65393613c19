// SPDX-License-Identifier: MIT
#include "dispatch/predecessor.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "dispatch/journal.hpp"
#include "os/descriptors.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"
#include "os/spawn.hpp"

namespace baton::dispatch {
namespace {

using nlohmann::json;

/// For each step of the other one, which needs milliseconds and ends us where we wait in vain.
constexpr std::chrono::seconds patience{30};
/// End points that may be on their way here at once. Each is a descriptor.
std::size_t room() noexcept { return std::clamp<std::size_t>(os::descriptor_limit() / 8, 1, 256); }

std::string lost(const Error& error) {
  return error.ended() || error.number() == ECANCELED ? "the batond that it was to follow has ended or goes on itself"
                                                      : "the batond that it was to follow: " + error.text();
}

}  // namespace

bool Predecessor::is_there() { return std::getenv(takes_over_variable) != nullptr; }

std::expected<std::unique_ptr<Predecessor>, std::string> Predecessor::meet(asio::io_context& loop) {
  const auto name = Selector::from_hex(std::getenv(takes_over_variable));
  ::unsetenv(takes_over_variable);  // not for those that this process starts
  if (!name) return std::unexpected{std::string{takes_over_variable} + " is for batond itself: unset it"};
  UniqueFd control{adopt, os::inherited_number};
  (void)os::set_close_on_exec(control.ref(), true);
  auto link = Link::connect(*name, Deadline{patience});
  if (!link) return std::unexpected{lost(link.error())};
  // The name of a batond that has died is free: somebody else may have it.
  const auto peer = os::peer_credentials(FdRef{link->native_handle()});
  if (!peer || peer->pid != ::getppid())
    return std::unexpected{std::string{"the process at the TSAP that "} + takes_over_variable +
                           " names has not started this one, or has ended"};
  std::unique_ptr<Predecessor> predecessor{new Predecessor{loop, std::move(*link), std::move(control)}};
  if (auto heard = predecessor->hear_inheritance(); !heard) return std::unexpected{std::move(heard.error())};
  return predecessor;
}

Predecessor::Predecessor(asio::io_context& loop, Link link, UniqueFd control)
    : link_{std::move(link)}, control_{std::move(control)}, watched_{loop}, pause_{loop}, group_{link_} {}

Predecessor::~Predecessor() {
  *alive_ = false;
  if (watched_.is_open()) (void)watched_.release();
}

std::expected<void, std::string> Predecessor::hear_inheritance() {
  const json hello{{"say", "hello"}, {"protocol", upgrade_protocol}, {"version", BATON_VERSION}};
  if (auto said = say(link_, hello, Deadline{patience}); !said) return std::unexpected{lost(said.error())};
  const auto told = hear(link_, inbox_, Deadline{patience});
  if (!told) return std::unexpected{lost(told.error())};
  inheritance_ = inheritance_of(*told);
  return {};
}

void Predecessor::failed(const std::string& why) {
  (void)say(link_, {{"say", "failed"}, {"why", why}}, Deadline{patience});
}

std::expected<void, std::string> Predecessor::prepared() {
  if (auto credit = link_.credit(room()); !credit) return std::unexpected{lost(credit.error())};
  if (auto said = say(link_, {{"say", "prepared"}}, Deadline{patience}); !said)
    return std::unexpected{lost(said.error())};
  if (auto collected = group_.collect(Deadline{patience}); !collected) return std::unexpected{lost(collected.error())};
  for (const Held& held : group_.items()) {
    auto legacy = legacy_of(held.blob);
    if (!legacy) return std::unexpected{std::move(legacy.error())};
    if (held.listening == (legacy->visitor != nullptr))
      return std::unexpected{"an end point is not what it is said to be"};
    legacies_.push_back(std::move(*legacy));
  }
  return {};
}

std::expected<Predecessor::Estate, std::string> Predecessor::commit() {
  auto taken = group_.ready(Deadline{patience});
  if (!taken) return std::unexpected{lost(taken.error())};
  Estate estate;
  for (std::size_t i = 0; i < taken->size() && i < legacies_.size(); ++i) {
    Taken& each = (*taken)[i];
    Legacy& legacy = legacies_[i];
    if (legacy.visitor && each.connection.is_open()) {
      legacy.visitor->connection = std::move(each.connection);
      estate.visitors.push_back(std::move(legacy.visitor));
    } else if (!legacy.visitor && each.listener.is_open()) {
      legacy.listening.socket = UniqueFd{adopt, std::move(each.listener).release()};
      estate.sockets.push_back(std::move(legacy.listening));
    }
  }
  legacies_.clear();
  return estate;
}

void Predecessor::running(std::function<void(VisitorPtr)> late) {
  late_ = std::move(late);
  (void)link_.credit(room());
  // If it has died meanwhile, all is here.
  (void)say(link_, {{"say", "running"}}, Deadline{patience});
  watched_.assign(link_.native_handle());
  take_late();
}

void Predecessor::watch() {
  watched_.async_wait(asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const std::error_code& error) {
    if (*alive && !error) take_late();
  });
}

void Predecessor::take_late() {
  for (;;) {
    auto taken = link_.take(Deadline::now());
    if (!taken) {
      if (taken.error().would_block()) return watch();
      // Nothing is lost: what could not be taken waits.
      if (os::lacks_room(taken.error().number())) return pause_.begin([this] { take_late(); });
      if (!taken.error().ended()) journal().error("the batond before: {}", taken.error().text());
      (void)watched_.release();
      link_.close();
      journal().info("the batond before has ended");
      return;
    }
    for (Taken& each : *taken) {
      auto legacy = legacy_of(each.blob.octets());
      if (!legacy || !legacy->visitor || !each.connection.is_open()) {
        journal().error("the batond before: a client that is not described as this one expects is closed");
        continue;
      }
      legacy->visitor->connection = std::move(each.connection);
      late_(std::move(legacy->visitor));
    }
  }
}

}  // namespace baton::dispatch
