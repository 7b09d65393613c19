// SPDX-License-Identifier: MIT
// How a configuration comes into force: all that is new is opened first, then everything changes at once.
#include <algorithm>
#include <asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "dispatch/dispatcher.hpp"
#include "dispatch/journal.hpp"
#include "dispatch/listening.hpp"
#include "os/process.hpp"
#include "os/resolve_host.hpp"

namespace baton::dispatch {
namespace {

/// How long clients wait for the workers of the batond before: they pause before they connect again.
constexpr std::chrono::seconds workers_come_within{10};
/// How long a start waits for names to be looked up; what has not been found by then comes later.
constexpr std::chrono::seconds hosts_come_within{5};

}  // namespace

/// What a new configuration is going to have. An entrance or a pool that is there already is only named.
struct Dispatcher::Opening {
  struct Place {
    std::string key;
    Entrance::Manner manner;
    std::unique_ptr<Entrance> entrance;  // none: the one of that key goes on
  };
  std::vector<Place> entrances;
  std::vector<std::unique_ptr<Pool>> pools;  // none: the one that serves these settings goes on
};

std::expected<void, std::string> Dispatcher::apply(routing::Configuration configuration, const Inheritance& coming) {
  auto opening = open_all(configuration, coming);
  if (!opening) return std::unexpected{std::move(opening.error())};
  // Those who are held find their way by the new routes.
  std::vector<VisitorPtr> held;
  for (auto& pool : held_) std::ranges::move(pool, std::back_inserter(held));
  held_count_ = 0;
  plan_ = std::make_unique<Plan>(std::move(configuration));
  adopt(std::move(*opening));
  held_.clear();
  held_.resize(pools_.size());
  workers_.assign(pools_.size(), {});
  undecided_.set_limits(plan_->configuration.limits);
  for (VisitorPtr& visitor : held) route(std::move(visitor), true);
  if (!std::exchange(ticking_, true)) tick();
  return {};
}

std::expected<Dispatcher::Opening, std::string> Dispatcher::open_all(const routing::Configuration& configuration,
                                                                     const Inheritance& coming) {
  Opening opening;
  for (std::size_t i = 0; i < configuration.listeners.size(); ++i)
    if (auto opened = open_entrances(configuration, i, coming, opening); !opened)
      return std::unexpected{std::move(opened.error())};
  for (const routing::Pool& settings : configuration.pools)
    if (auto opened = open_pool(settings, coming, opening); !opened) return std::unexpected{std::move(opened.error())};
  return opening;
}

std::expected<void, std::string> Dispatcher::open_entrances(const routing::Configuration& configuration,
                                                            std::size_t listener, const Inheritance& coming,
                                                            Opening& opening) {
  const routing::Listener& settings = configuration.listeners[listener];
  const Entrance::Manner manner{settings, routing::questions_of(configuration, listener),
                                routing::routes_silence(configuration, listener)};
  for (std::size_t i = 0; i < settings.addresses.size(); ++i) {
    const std::string key = listening_key(settings, i);
    const auto make = [&] {
      return coming.listeners.contains(key) ? os::Result<UniqueFd>{}
                                            : listen_at(settings.addresses[i], settings.backlog);
    };
    if (auto opened = open_entrance(key, manner, make, opening); !opened) return opened;
  }
  if (settings.systemd.empty()) return {};
  if (const auto count = coming.systemd.find(settings.systemd); count != coming.systemd.end()) {
    for (std::size_t number = 0; number < count->second; ++number) {
      auto opened =
          open_entrance(systemd_key(settings.systemd, number), manner, [] { return os::Result<UniqueFd>{}; }, opening);
      if (!opened) return opened;
    }
    return {};
  }
  const auto [first, last] = activated_.equal_range(settings.systemd);
  if (first == last)
    return std::unexpected{"listener " + settings.name + ": systemd has passed no socket of the name \"" +
                           settings.systemd + "\", " + names_of_systemd(coming) +
                           ": start batond by a socket unit with FileDescriptorName=" + settings.systemd};
  std::size_t number = 0;
  for (auto each = first; each != last; ++each) {
    auto opened = open_entrance(
        systemd_key(settings.systemd, number++), manner, [&] { return os::duplicate(each->second.ref()); }, opening);
    if (!opened) return opened;
  }
  return {};
}

/// "but "a" and "b"": what it has passed to this batond, or to the one before.
std::string Dispatcher::names_of_systemd(const Inheritance& before) const {
  std::set<std::string> names;
  for (const auto& [name, socket] : activated_) names.insert(name);
  for (const auto& [name, count] : before.systemd) names.insert(name);
  if (names.empty()) return "and none of another";
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "but \"" : ", \"") + name + '"';
  return text;
}

std::expected<void, std::string> Dispatcher::open_entrance(std::string key, Entrance::Manner manner,
                                                           const std::function<os::Result<UniqueFd>()>& make,
                                                           Opening& opening) {
  Opening::Place place{std::move(key), std::move(manner), nullptr};
  if (std::ranges::find(opening.entrances, place.key, &Opening::Place::key) != opening.entrances.end())
    return std::unexpected{"listener " + place.manner.settings.name + ": another listener has " + place.key};
  const auto here = std::ranges::find(entrances_, place.key, &OpenEntrance::key);
  if (here == entrances_.end()) {
    auto listener = make();
    if (listener && listener->valid())
      if (auto set = os::set_nonblocking(listener->ref(), true); !set) listener = std::unexpected{set.error()};
    auto opened = listener ? Entrance::open(loop_, std::move(*listener), place.manner, undecided_, *this)
                           : std::unexpected{listener.error()};
    if (!opened) {
      const int error = os::number(opened.error());
      return std::unexpected{"listener " + place.manner.settings.name + ": cannot listen at " + place.key + ": " +
                             std::strerror(error) + advice_for(error)};
    }
    place.entrance = std::move(*opened);
  }
  opening.entrances.push_back(std::move(place));
  return {};
}

std::expected<void, std::string> Dispatcher::open_pool(const routing::Pool& settings, const Inheritance& coming,
                                                       Opening& opening) {
  const auto serves = [&](const std::unique_ptr<Pool>& pool) { return pool && pool->serves(settings); };
  if (std::ranges::any_of(pools_, serves)) {
    opening.pools.push_back(nullptr);
    return {};
  }
  const bool has_name = settings.kind == routing::PoolKind::Workers;
  const auto before = std::ranges::find_if(coming.pools, [&](const Inheritance::PoolBefore& each) {
    return has_name ? each.tsap == as_text(settings.tsap.octets()) : each.tsap.empty() && each.name == settings.name;
  });
  const bool expected = before != coming.pools.end();
  const bool later = has_name && expected;
  auto pool = Pool::open(loop_, settings, last_id_, later ? Pool::Name::Later : Pool::Name::Now, *this);
  if (!pool) return std::unexpected{pool_failure(settings, pool.error())};
  if (settings.kind == routing::PoolKind::Connect) {
    // Whichever of its targets has come or gone with the configuration.
    for (const auto& here : pools_) {
      if (here->settings().name != settings.name) continue;
      (*pool)->drain_targets(here->drained_targets());
      (*pool)->know_hosts_of(*here);
    }
    if (expected) (*pool)->drain_targets(before->drained_targets);
  } else if (expected) {
    (*pool)->expect(before->workers, before->drained, Clock::now() + workers_come_within);
  }
  opening.pools.push_back(std::move(*pool));
  return {};
}

void Dispatcher::await_hosts() {
  const Instant until = os::monotonic_now() + hosts_come_within;
  for (const auto& pool : pools_) pool->await_hosts(until);
}

void Dispatcher::adopt(Opening opening) {
  std::vector<OpenEntrance> entrances;
  for (Opening::Place& place : opening.entrances) {
    if (!place.entrance) {
      const auto here = std::ranges::find(entrances_, place.key, &OpenEntrance::key);
      place.entrance = std::move(here->entrance);
      entrances_.erase(here);
      place.entrance->set_manner(std::move(place.manner));
    } else if (place.entrance->accepts()) {
      journal().info("listener {}: listening on {}", place.entrance->manner().settings.name,
                     os::printable(place.entrance->address()));
    }
    entrances.push_back({std::move(place.key), std::move(place.entrance)});
  }
  for (OpenEntrance& gone : entrances_) {
    gone.entrance->stop();
    retired_entrances_.push_back(std::move(gone.entrance));
  }
  entrances_ = std::move(entrances);

  std::vector<std::unique_ptr<Pool>> pools;
  for (std::size_t i = 0; i < opening.pools.size(); ++i) {
    const routing::Pool& settings = plan_->configuration.pools[i];
    if (!opening.pools[i]) {
      const auto here = std::ranges::find_if(pools_, [&](const auto& pool) { return pool->serves(settings); });
      opening.pools[i] = std::move(*here);
      pools_.erase(here);
      opening.pools[i]->set_settings(settings);
      opening.pools[i]->look_up_hosts();
    }
    pools.push_back(std::move(opening.pools[i]));
  }
  for (std::unique_ptr<Pool>& gone : pools_) {
    gone->retire();
    retired_pools_.push_back(std::move(gone));
  }
  pools_ = std::move(pools);
}

}  // namespace baton::dispatch
