// SPDX-License-Identifier: MIT
// What the answers of the control socket say: control.hpp.
#include <unistd.h>

#include <chrono>

#include "dispatch/control.hpp"
#include "os/resolve_host.hpp"

namespace baton::dispatch {
namespace {

using nlohmann::json;

const char* kind_name(routing::PoolKind kind) {
  switch (kind) {
    case routing::PoolKind::Workers:
      return "workers";
    case routing::PoolKind::Tsaps:
      return "tsaps";
    case routing::PoolKind::Connect:
      break;
  }
  return "connect";
}

json view_of(const WorkerView& worker) {
  return {{"id", worker.id},
          {"name", worker.name},
          {"process", worker.process},
          {"weight", worker.weight},
          {"credit", worker.credit},
          {"under_way", worker.under_way},
          {"up", worker.up},
          {"late", worker.late},
          {"draining", worker.draining},
          {"moved", worker.counters.moved},
          {"refused", worker.counters.refused},
          {"lost", worker.counters.lost},
          {"asked_back", worker.asked_back},
          {"recalled", worker.counters.recalled}};
}

json view_of(const Pool& pool) {
  const PoolCounters counters = pool.counters();
  json workers = json::array();
  for (const WorkerView& worker : pool.view()) workers.push_back(view_of(worker));
  return {{"name", pool.settings().name},
          {"kind", kind_name(pool.settings().kind)},
          {"moved", counters.moves.moved},
          {"refused", counters.moves.refused},
          {"lost", counters.moves.lost},
          {"recalled", counters.moves.recalled},
          {"dissolved", counters.moves.dissolved},
          {"copying", pool.copying()},
          {"copied", counters.copied},
          {"copied_octets", counters.copied_octets},
          {"connect_failures", counters.connect_failures},
          {"workers", std::move(workers)}};
}

json view_of(const Entrance& entrance) {
  const EntranceCounters& counters = entrance.counters();
  return {{"name", entrance.manner().settings.name},
          {"address", os::printable(entrance.address())},
          {"waiting", entrance.waiting()},
          {"accepted", counters.accepted},
          {"gone", counters.gone},
          {"too_many", counters.too_many},
          {"unwelcome", counters.unwelcome},
          {"late", counters.late}};
}

/// The others, where there are any, without a name.
json called_of(const CalledCounts& counts) {
  json all = json::array();
  for (const auto& [name, count] : counts.listed())
    all.push_back({{"tsap", name}, {"moved", count.moved}, {"refused", count.refused}});
  const CalledCount& others = counts.others();
  if (others.moved + others.refused > 0)
    all.push_back({{"tsap", nullptr}, {"moved", others.moved}, {"refused", others.refused}});
  return all;
}

}  // namespace

json status_of(const Dispatcher& dispatcher, const ServiceView& service) {
  const DispatcherCounters& counters = dispatcher.counters();
  json listeners = json::array();
  for (const auto& each : dispatcher.entrances()) listeners.push_back(view_of(*each.entrance));
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - service.started);
  return {{"ok", true},
          {"process", ::getpid()},
          {"version", BATON_VERSION},
          {"configuration", service.configuration},
          {"uptime_s", uptime.count()},
          {"draining", dispatcher.is_draining()},
          {"undecided", dispatcher.undecided()},
          {"held", dispatcher.held()},
          {"parting", dispatcher.farewell().under_way()},
          {"counters",
           {{"arrived", counters.arrived},
            {"moved", counters.moved},
            {"moved_ns", counters.moved_ns},
            {"no_route", counters.no_route},
            {"no_worker", counters.no_worker},
            {"refused", counters.refused},
            {"at_fault", counters.at_fault},
            {"dissolved", counters.dissolved},
            {"came_back", counters.again},
            {"told", dispatcher.farewell().said()},
            {"reset", dispatcher.farewell().reset()}}},
          {"listeners", std::move(listeners)},
          {"called_tsaps", called_of(dispatcher.called_counts())}};
}

json routes_of(const Dispatcher& dispatcher) {
  const Plan& plan = dispatcher.plan();
  json routes = json::array();
  for (std::size_t i = 0; i < plan.configuration.routes.size(); ++i) {
    const std::string& name = plan.names[i];
    const auto& counted = dispatcher.route_counters();
    const auto count = counted.find(name);
    json pool;
    if (plan.targets[i] < plan.configuration.pools.size()) pool = plan.configuration.pools[plan.targets[i]].name;
    const bool called = std::holds_alternative<routing::ToCalledTsap>(plan.configuration.routes[i].action);
    routes.push_back({{"name", name},
                      {"pool", std::move(pool)},
                      {"to_called_tsap", called},
                      {"connections", count == counted.end() ? std::uint64_t{0} : count->second}});
  }
  return {{"ok", true}, {"routes", std::move(routes)}, {"called_tsaps", called_of(dispatcher.called_counts())}};
}

json workers_of(const Dispatcher& dispatcher) {
  json pools = json::array();
  for (const auto& pool : dispatcher.pools()) pools.push_back(view_of(*pool));
  return {{"ok", true}, {"pools", std::move(pools)}};
}

}  // namespace baton::dispatch
