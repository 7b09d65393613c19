// SPDX-License-Identifier: MIT
// What a dispatcher gives to the batond that follows, and takes from the one before.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "dispatch/dispatcher.hpp"
#include "dispatch/journal.hpp"
#include "dispatch/listening.hpp"
#include "os/resolve_host.hpp"

namespace baton::dispatch {

Inheritance Dispatcher::inheritance() const {
  Inheritance all;
  for (const auto& [name, socket] : activated_) ++all.systemd[name];
  for (const OpenEntrance& each : entrances_)
    if (each.entrance->accepts() && !each.key.starts_with(systemd_prefix)) all.listeners.insert(each.key);
  for (const auto& pool : pools_) {
    auto& before = all.pools.emplace_back();
    before.name = pool->settings().name;
    before.drained_targets = pool->drained_targets();
    if (pool->settings().kind == routing::PoolKind::Workers) before.tsap = as_text(pool->settings().tsap.octets());
    for (const WorkerView& worker : pool->view()) {
      if (!worker.up || worker.process == 0) continue;
      ++before.workers;
      if (worker.draining) before.drained.push_back(worker.process);
    }
  }
  return all;
}

os::Result<std::vector<Heirloom>> Dispatcher::listening_sockets() const {
  std::vector<Heirloom> all;
  const auto add = [&all](Heirloom::Kind kind, const std::string& name, FdRef socket) -> os::Result<void> {
    auto twin = os::duplicate(socket);
    if (!twin) return std::unexpected{twin.error()};
    all.push_back({kind, name, std::move(*twin)});
    return {};
  };
  for (const auto& [name, socket] : activated_)
    if (auto added = add(Heirloom::Kind::Systemd, name, socket.ref()); !added) return std::unexpected{added.error()};
  // An entrance of systemd's has a duplicate of its socket: the same one does not move twice.
  for (const OpenEntrance& each : entrances_) {
    if (!each.entrance->accepts() || each.key.starts_with(systemd_prefix)) continue;
    if (auto added = add(Heirloom::Kind::Listener, each.key, each.entrance->listener()); !added)
      return std::unexpected{added.error()};
  }
  return all;
}

std::vector<VisitorPtr> Dispatcher::freeze() {
  frozen_ = true;
  std::vector<VisitorPtr> all;
  const auto add = [&all](std::vector<VisitorPtr> some) { std::ranges::move(some, std::back_inserter(all)); };
  for (OpenEntrance& each : entrances_) {
    each.entrance->hold_back();
    add(each.entrance->take_waiting());
  }
  for (auto& entrance : retired_entrances_) add(entrance->take_waiting());
  for (auto& pool : held_) std::ranges::move(std::exchange(pool, {}), std::back_inserter(all));
  held_count_ = 0;
  return all;
}

void Dispatcher::thaw(std::vector<VisitorPtr> back) {
  if (!std::exchange(frozen_, false)) return;
  for (auto& pool : pools_) {
    const auto bound = pool->bind();
    if (bound) continue;
    journal().error("{}: batond tries again until it has it", pool_failure(pool->settings(), bound.error()));
    pool->regain_name();
  }
  for (VisitorPtr& visitor : back) {
    if (!visitor->connection.is_open()) {
      ++counters_.dissolved;
      continue;
    }
    visitor->told.clear();
    // Who was held before is so again.
    if (visitor->hold_until != Clock::time_point{})
      route(std::move(visitor), true);
    else
      resume(std::move(visitor));
  }
  for (VisitorPtr& visitor : std::exchange(kept_, {})) route(std::move(visitor), true);
  for (OpenEntrance& each : entrances_) each.entrance->go_on();
}

void Dispatcher::release_names() {
  for (auto& pool : pools_) pool->release_name();
}

void Dispatcher::pass_on(std::function<void(VisitorPtr)> successor) {
  frozen_ = false;
  successor_ = std::move(successor);
  for (OpenEntrance& each : entrances_) each.entrance->stop();
  activated_.clear();
  for (auto& pool : pools_) pool->retire();
  for (VisitorPtr& visitor : std::exchange(kept_, {})) successor_(std::move(visitor));
}

void Dispatcher::give_up(VisitorPtr visitor) {
  if (!visitor->connection.is_open()) {
    ++counters_.dissolved;
    return;
  }
  ++counters_.no_worker;
  say_farewell(std::move(visitor), recognise::Ending::NoWorker);
}

std::expected<void, std::string> Dispatcher::bind_pools() {
  for (auto& pool : pools_)
    if (auto bound = pool->bind(); !bound) return std::unexpected{pool_failure(pool->settings(), bound.error())};
  return {};
}

void Dispatcher::inherit(const Heirloom& of, UniqueFd listener) {
  std::string key = of.name;
  if (of.kind == Heirloom::Kind::Systemd) {
    key = systemd_key(of.name, activated_.count(of.name));
    if (auto twin = os::duplicate(listener.ref()))
      activated_.emplace(of.name, std::move(*twin));
    else
      journal().error("{}: a reload will miss it: {}", key, std::strerror(os::number(twin.error())));
  }
  const auto here = std::ranges::find(entrances_, key, &OpenEntrance::key);
  if (here == entrances_.end()) {
    journal().info("{}: the configuration has no such listener: {}", key,
                   of.kind == Heirloom::Kind::Systemd ? "kept for a reload that brings it" : "closed");
    return;
  }
  here->entrance->listen_on(std::move(listener));
  journal().info("listener {}: listening on {}, as before", here->entrance->manner().settings.name,
                 os::printable(here->entrance->address()));
}

void Dispatcher::resume(VisitorPtr visitor) {
  if (Entrance* const entrance = entrance_for(visitor->listener))
    entrance->resume(std::move(visitor));
  else
    give_up(std::move(visitor));
}

/// The first of that listener. Where the configuration has it no more: one that accepts nobody, and asks what all
/// routes ask. None: no descriptor.
Entrance* Dispatcher::entrance_for(const std::string& listener) {
  const auto is_it = [&](const Entrance& entrance) { return entrance.manner().settings.name == listener; };
  for (OpenEntrance& each : entrances_)
    if (is_it(*each.entrance)) return each.entrance.get();
  for (auto& each : retired_entrances_)
    if (is_it(*each)) return each.get();
  routing::Configuration with = plan_->configuration;
  const routing::Listener settings{.name = listener};
  with.listeners.push_back(settings);
  const std::size_t index = with.listeners.size() - 1;
  auto opened = Entrance::open(loop_, UniqueFd{},
                               {settings, routing::questions_of(with, index), routing::routes_silence(with, index)},
                               undecided_, *this);
  if (!opened) return nullptr;
  retired_entrances_.push_back(std::move(*opened));
  if (!std::exchange(ticking_, true)) tick();
  return retired_entrances_.back().get();
}

}  // namespace baton::dispatch
