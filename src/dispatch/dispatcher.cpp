// SPDX-License-Identifier: MIT
#include "dispatch/dispatcher.hpp"

#include <algorithm>
#include <asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <variant>

#include "dispatch/journal.hpp"
#include "os/tcp_abort.hpp"

namespace baton::dispatch {
namespace {

constexpr std::chrono::milliseconds tick_time{50};

// Workers say again and again for how many they have room, and in between for none: that is no reason to fall back.
constexpr std::chrono::milliseconds busy_for_a_moment{100};
constexpr std::chrono::seconds between_complaints{5};

std::string client_of(const Visitor& visitor) {
  return visitor.source.text() + (visitor.facts.proxy ? " by proxy" : ":" + std::to_string(visitor.peer_port));
}

/// By which the client asked for a server; empty where there is none.
std::string name_of(const Visitor& visitor) {
  const auto* const iso = std::get_if<recognise::Iso>(&visitor.facts.what);
  if (iso != nullptr && !iso->called.empty()) return iso->called.printable();
  return std::string{recognise::name_of(visitor.facts.what)};
}

}  // namespace

Dispatcher::Dispatcher(asio::io_context& loop, ActivatedSockets activated)
    : loop_{loop},
      activated_{std::move(activated)},
      undecided_{routing::Limits{}},
      farewell_{loop},
      called_tsap_{loop, *this},
      plan_{std::make_unique<Plan>(routing::Configuration{})},
      ticker_{loop} {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::arrived(VisitorPtr visitor) {
  const bool again = std::exchange(visitor->counted, true);
  if (!again) ++counters_.arrived;
  if (!recognise::fault_of(visitor->facts).empty()) {
    ++counters_.at_fault;
    return say_farewell(std::move(visitor), recognise::Ending::NoRoute);
  }
  route(std::move(visitor), again);
}

void Dispatcher::route(VisitorPtr visitor, bool again) {
  if (frozen_) return kept_.push_back(std::move(visitor));
  if (successor_) return successor_(std::move(visitor));
  const auto found = plan_->router.find({visitor->listener, visitor->source, visitor->facts});
  if (!found) {
    ++counters_.no_route;
    return say_farewell(std::move(visitor), recognise::Ending::NoRoute);
  }
  if (!again) ++route_counters_[plan_->names[*found]];
  const routing::Configuration& configuration = plan_->configuration;
  const bool to_called = std::holds_alternative<routing::ToCalledTsap>(configuration.routes[*found].action);
  if (to_called && is_own_tsap(visitor->facts.what)) return tsap_refused(std::move(visitor), ECONNREFUSED);
  if (to_called) return called_tsap_.give(std::move(visitor), configuration.limits.answer);
  const std::size_t pool = plan_->targets[*found];
  if (pool >= pools_.size()) {
    ++counters_.refused;
    return say_farewell(std::move(visitor), recognise::Ending::Refused);
  }
  const bool tried_enough = refusals(*visitor) >= configuration.pools[pool].tries;
  if (!tried_enough && place(visitor, pool)) return;
  if (!tried_enough) return hold(std::move(visitor), pool);
  not_taken(std::move(visitor), pool);
}

/// By workers that are there still, or had it when they died. Who leaves a pool gives back what it has not looked at.
std::size_t Dispatcher::refusals(const Visitor& visitor) const {
  constexpr std::size_t most_that_leave = 64;
  if (visitor.left.size() >= most_that_leave) return visitor.refused.size();
  return visitor.refused.size() - static_cast<std::size_t>(std::ranges::count_if(visitor.left, [&](auto worker) {
           return std::ranges::none_of(pools_, [&](const auto& pool) { return pool->has_worker(worker); });
         }));
}

/// Where workers of a pool connect: no client calls there.
bool Dispatcher::is_own_tsap(const recognise::What& what) const {
  const auto* const iso = std::get_if<recognise::Iso>(&what);
  return iso != nullptr && std::ranges::any_of(pools_, [iso](const std::unique_ptr<Pool>& pool) {
           return pool->settings().kind == routing::PoolKind::Workers && pool->settings().tsap == iso->called;
         });
}

bool Dispatcher::place(VisitorPtr& visitor, std::size_t pool) {
  const Clock::time_point now = Clock::now();
  bool expects = false;
  for (const std::size_t each : plan_->balancers.order(pool)) {
    // Those of a pool that are still to come go before those of a pool behind it.
    workers_[each].clear();
    if (!expects) pools_[each]->states(workers_[each], plan_->configuration.limits.answer, now);
    expects = expects || pools_[each]->expects(now);
  }
  const bool patient = plan_->configuration.pools[pool].hold > busy_for_a_moment &&
                       (visitor->busy_since == Clock::time_point{} || now - visitor->busy_since < busy_for_a_moment);
  const auto placement = plan_->balancers.place(pool, workers_, visitor->source, visitor->refused, patient);
  if (!placement && placement.error() == routing::NoWorker::AllBusy && visitor->busy_since == Clock::time_point{})
    visitor->busy_since = now;
  if (!placement) return false;
  pools_[placement->pool]->give(placement->worker, std::move(visitor));
  if (!std::exchange(ticking_, true)) tick();
  return true;
}

bool Dispatcher::expects(std::size_t pool, Clock::time_point now) const {
  return std::ranges::any_of(plan_->balancers.order(pool),
                             [&](std::size_t each) { return pools_[each]->expects(now); });
}

void Dispatcher::hold(VisitorPtr visitor, std::size_t pool) {
  const Clock::time_point now = Clock::now();
  if (visitor->hold_until == Clock::time_point{}) visitor->hold_until = now + plan_->configuration.pools[pool].hold;
  if (expects(pool, now)) visitor->hold_until = std::max(visitor->hold_until, now + tick_time);
  if (now >= visitor->hold_until || held_count_ >= plan_->configuration.limits.undecided)
    return not_taken(std::move(visitor), pool);
  held_[pool].push_back(std::move(visitor));
  ++held_count_;
  if (!std::exchange(ticking_, true)) tick();
}

void Dispatcher::tick() {
  ticker_.expires_after(tick_time);
  ticker_.async_wait([this](const std::error_code& error) {
    if (error) return;
    recall_from_silent();
    retry_held();
    tell_of_not_taken();
    forget_retired();
    look_whether_done();
    const auto busy = [](const std::unique_ptr<Pool>& each) { return each->under_way() > 0; };
    ticking_ = held_count_ > 0 || draining_ || !not_taken_.empty() || !retired_pools_.empty() ||
               !retired_entrances_.empty() || std::ranges::any_of(pools_, busy);
    if (ticking_) tick();
  });
}

/// No more than others have room for: else a client that its worker takes late would find none at all.
void Dispatcher::recall_from_silent() {
  if (frozen_) return;
  const Clock::time_point now = Clock::now();
  const Duration answer = plan_->configuration.limits.answer;
  const std::size_t with_successor = successor_ ? plan_->configuration.limits.undecided : 0;
  const auto room_in = [&](std::size_t pool) {
    std::size_t room = 0;
    pools_[pool]->states(workers_[pool], answer, now);
    for (const routing::WorkerState& worker : workers_[pool])
      if (worker.up && !worker.draining) room += worker.credit;
    return room;
  };
  for (std::size_t pool = 0; pool < pools_.size(); ++pool) {
    if (!pools_[pool]->look_who_is_late(answer, now)) continue;
    std::size_t room = with_successor;
    for (const std::size_t each : plan_->balancers.order(pool)) room += room_in(each);
    pools_[pool]->recall(room, answer, now);
  }
  for (const auto& retired : retired_pools_) {
    if (!retired->look_who_is_late(answer, now)) continue;
    // The routes of now decide where they go.
    std::size_t room = with_successor;
    for (std::size_t pool = 0; pool < pools_.size(); ++pool) room += room_in(pool);
    retired->recall(room, answer, now);
  }
}

/// In the order of their coming. Where one that nobody has refused finds no worker, those behind it do not either.
void Dispatcher::retry_held() {
  const Clock::time_point now = Clock::now();
  for (std::size_t pool = 0; pool < held_.size(); ++pool) {
    std::deque<VisitorPtr> all = std::exchange(held_[pool], {});
    bool nobody = false;
    const bool some_are_to_come = !all.empty() && expects(pool, now);
    for (VisitorPtr& visitor : all) {
      // Its time begins when they have come.
      if (some_are_to_come) visitor->hold_until = now + plan_->configuration.pools[pool].hold;
      if (!nobody && place(visitor, pool)) {
        --held_count_;
        continue;
      }
      nobody = nobody || visitor->refused.empty();
      if (now < visitor->hold_until) {
        held_[pool].push_back(std::move(visitor));
        continue;
      }
      --held_count_;
      not_taken(std::move(visitor), pool);
    }
  }
}

void Dispatcher::not_taken(VisitorPtr visitor, std::size_t pool) {
  ++counters_.no_worker;
  ++not_taken_[pools_[pool]->settings().name].clients;
  tell_of_not_taken();
  if (!std::exchange(ticking_, true)) tick();
  say_farewell(std::move(visitor), recognise::Ending::NoWorker);
}

/// The first at once; those after it together.
void Dispatcher::tell_of_not_taken() {
  const Clock::time_point now = Clock::now();
  std::erase_if(not_taken_, [&](const auto& each) {
    return each.second.clients == 0 && now - each.second.told >= between_complaints;
  });
  for (auto& [name, of_pool] : not_taken_) {
    if (of_pool.clients == 0 || now - of_pool.told < between_complaints) continue;
    std::size_t up = 0;
    std::size_t members = 0;
    for (const auto& pool : pools_) {
      if (pool->settings().name != name) continue;
      for (const WorkerView& each : pool->view()) {
        ++members;
        up += each.up ? 1 : 0;
      }
    }
    journal().warn("pool {}: no worker took {}; {} of {} are up", name,
                   of_pool.clients == 1 ? "a client" : std::to_string(of_pool.clients) + " clients", up, members);
    of_pool = {.clients = 0, .told = now};
  }
}

void Dispatcher::has_room(Pool&) {
  if (held_count_ == 0 || std::exchange(retrying_, true)) return;
  asio::post(loop_, [this] {
    retrying_ = false;
    retry_held();
  });
}

void Dispatcher::say_farewell(VisitorPtr visitor, recognise::Ending why) {
  if (journal().should_log(spdlog::level::debug)) {
    const std::string_view fault = recognise::fault_of(visitor->facts);
    constexpr std::array<const char*, 3> reasons{"no route", "no worker", "refused by its route"};
    journal().debug("ended: client={} listener={} protocol={} name={} reason=\"{}\"", client_of(*visitor),
                    visitor->listener, recognise::protocol_name(recognise::protocol_of(visitor->facts.what)),
                    name_of(*visitor), fault.empty() ? reasons[static_cast<std::size_t>(why)] : fault);
  }
  farewell_.say(std::move(visitor), why);
}

void Dispatcher::cannot_accept(const Entrance& entrance, int error) {
  const Clock::time_point now = Clock::now();
  if (now - said_no_descriptors_ < between_complaints) return;
  said_no_descriptors_ = now;
  journal().error("listener {}: cannot accept: {}: raise LimitNOFILE= or `ulimit -n`; clients wait meanwhile",
                  entrance.manner().settings.name, std::strerror(error));
}

void Dispatcher::moved(Pool& pool, VisitorPtr visitor) { note_moved(*visitor, &pool); }

void Dispatcher::tsap_took(VisitorPtr visitor) {
  if (const auto* const iso = std::get_if<recognise::Iso>(&visitor->facts.what)) called_counts_.moved(iso->called);
  note_moved(*visitor, nullptr);
}

void Dispatcher::note_moved(const Visitor& visitor, const Pool* pool) {
  ++counters_.moved;
  const auto took = Clock::now() - visitor.accepted;
  counters_.moved_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds{took}.count());
  if (journal().should_log(spdlog::level::debug))
    journal().debug("moved: client={} listener={} protocol={} name={} {} us={}", client_of(visitor), visitor.listener,
                    recognise::protocol_name(recognise::protocol_of(visitor.facts.what)), name_of(visitor),
                    pool != nullptr ? "pool=" + pool->settings().name : "tsap",
                    std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

void Dispatcher::tsap_refused(VisitorPtr visitor, int error) {
  if (const auto* const iso = std::get_if<recognise::Iso>(&visitor->facts.what)) called_counts_.refused(iso->called);
  if (error == ECONNREFUSED) {
    ++counters_.no_route;
    return say_farewell(std::move(visitor), recognise::Ending::NoRoute);
  }
  if (error == EUCLEAN) {
    ++counters_.dissolved;
    return os::abort_connection(FdRef{visitor->connection.native_handle()});
  }
  ++counters_.no_worker;
  if (const Clock::time_point now = Clock::now(); now - said_tsap_refuses_ >= between_complaints) {
    said_tsap_refuses_ = now;
    journal().warn("the server at TSAP {} does not take a client: {}", name_of(*visitor), std::strerror(error));
  }
  say_farewell(std::move(visitor), recognise::Ending::NoWorker);
}

void Dispatcher::note_back(const Pool& pool, std::uint64_t worker, const Visitor& visitor, int error) {
  ++counters_.again;
  if (journal().should_log(spdlog::level::debug))
    journal().debug("came back: client={} pool={} worker={} reason=\"{}\"", client_of(visitor), pool.settings().name,
                    worker, std::strerror(error));
}

void Dispatcher::came_back(Pool& pool, std::uint64_t worker, VisitorPtr visitor, int error) {
  note_back(pool, worker, *visitor, error);
  if (!visitor->connection.is_open()) {
    ++counters_.dissolved;
    return;
  }
  // A worker had it: should it be held again, its time begins anew. Without credit it was not.
  if (error != EAGAIN) visitor->hold_until = {};
  // It has been recalled, or its worker's link has ended before it went there: the worker has not refused it.
  if (frozen_ || successor_ || error == ECANCELED) return route(std::move(visitor), true);
  // No credit, or a full link: it may take it later.
  if (error != EAGAIN) {
    visitor->refused.push_back(worker);
    if (error == ECONNABORTED) visitor->left.push_back(worker);
    return route(std::move(visitor), true);
  }
  const auto found = plan_->router.find({visitor->listener, visitor->source, visitor->facts});
  if (!found || plan_->targets[*found] >= pools_.size()) return route(std::move(visitor), true);
  hold(std::move(visitor), plan_->targets[*found]);
}

void Dispatcher::unreachable(Pool& pool, std::uint64_t target, VisitorPtr visitor, int error) {
  note_back(pool, target, *visitor, error);
  // To another, or held, with the time that it has left, until one is there again.
  route(std::move(visitor), true);
}

void Dispatcher::worker_up(Pool& pool, const std::string& name, pid_t process) {
  journal().info("pool {}: worker {} is up, process {}", pool.settings().name, name, process);
}

void Dispatcher::worker_down(Pool& pool, const std::string& name, const WorkerCounters& counters) {
  journal().info("pool {}: worker {} is gone: {} moved, {} refused, {} came back at its end", pool.settings().name,
                 name, counters.moved, counters.refused, counters.lost);
}

void Dispatcher::worker_late(Pool& pool, const WorkerView& worker, bool late) {
  const std::string& name = pool.settings().name;
  if (late)
    journal().warn(
        "pool {}: worker {}, process {}, has not answered for {} clients within `answer`: it gets no more until it "
        "does; "
        "these wait for it, or for its end",
        name, worker.name, worker.process, worker.under_way);
  else
    journal().info("pool {}: worker {}, process {}, answers again", name, worker.name, worker.process);
}

bool Dispatcher::set_draining(const std::string& pool, std::uint64_t worker, bool on) {
  const auto found = std::ranges::find(pools_, pool, [](const auto& each) { return each->settings().name; });
  if (found == pools_.end()) return false;
  if (worker != 0) return (*found)->set_draining(worker, on);
  for (const WorkerView& each : (*found)->view()) (void)(*found)->set_draining(each.id, on);
  return true;
}

void Dispatcher::drain(std::function<bool()> busy, std::function<void()> done) {
  draining_ = true;
  busy_ = std::move(busy);
  done_ = std::move(done);
  for (OpenEntrance& each : entrances_) each.entrance->stop();
  activated_.clear();
  if (!std::exchange(ticking_, true)) tick();
}

void Dispatcher::look_whether_done() {
  if (!draining_ || !done_ || held_count_ > 0 || farewell_.under_way() > 0 || called_tsap_.under_way() > 0) return;
  const auto waits = [](const OpenEntrance& each) { return each.entrance->waiting() > 0; };
  const auto busy = [](const std::unique_ptr<Pool>& each) { return each->under_way() > 0 || each->copying() > 0; };
  if (std::ranges::any_of(entrances_, waits) || !retired_entrances_.empty()) return;
  if (std::ranges::any_of(pools_, busy) || std::ranges::any_of(retired_pools_, busy) || busy_()) return;
  std::exchange(done_, {})();
}

void Dispatcher::forget_retired() {
  std::erase_if(retired_pools_, [](const auto& each) { return each->is_idle(); });
  std::erase_if(retired_entrances_, [](const auto& each) { return each->waiting() == 0; });
}

}  // namespace baton::dispatch
