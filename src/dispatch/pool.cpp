// SPDX-License-Identifier: MIT
#include "dispatch/pool.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/bytes.hpp"
#include "dispatch/listening.hpp"
#include "dispatch/proxy_header.hpp"
#include "os/socket.hpp"
#include "os/unix_stream.hpp"

namespace baton::dispatch {
namespace {

constexpr std::chrono::milliseconds first_pause{100};  // before a TSAP that is not there is tried again
constexpr std::chrono::milliseconds longest_pause{5000};
constexpr std::chrono::seconds target_down_for{1};
/// Connections that a target of PoolKind::Connect takes: as many as there are.
constexpr std::uint32_t no_bound = 1U << 30U;

Selector selector_of(const tsap::Selector& selector) {
  return Selector::from_octets(selector.octets()).value_or(Selector{});
}

void add_up(WorkerCounters& sum, const WorkerCounters& more) {
  sum.moved += more.moved;
  sum.refused += more.refused;
  sum.lost += more.lost;
  sum.recalled += more.recalled;
  sum.dissolved += more.dissolved;
}

bool same_targets(const std::vector<routing::Target>& a, const std::vector<routing::Target>& b) {
  return std::ranges::equal(a, b, [](const routing::Target& x, const routing::Target& y) {
    return x.tsap == y.tsap && x.host == y.host && x.path == y.path && x.port == y.port;
  });
}

std::string name_of(const routing::Target& target) {
  if (!target.path.empty()) return "unix:" + target.path;
  if (target.host.empty()) return target.tsap.printable();
  const bool six = target.host.find(':') != std::string::npos;
  return (six ? "[" + target.host + "]" : target.host) + ":" + std::to_string(target.port);
}

}  // namespace

std::string pool_failure(const routing::Pool& settings, const Error& error) {
  return "pool " + settings.name + ": cannot take workers at " + settings.tsap.printable() + ": " +
         (error.number() == EMFILE ? std::strerror(EMFILE) + advice_for(EMFILE) : error.text());
}

struct Pool::Attempt {
  explicit Attempt(asio::io_context& loop) : watched{loop}, timer{loop} {}
  ~Attempt() {
    if (watched.is_open()) (void)watched.release();
  }

  std::optional<Connecting<Link>> connecting;
  asio::posix::stream_descriptor watched;
  asio::steady_timer timer;
  std::chrono::milliseconds pause = first_pause;
};

std::expected<std::unique_ptr<Pool>, Error> Pool::open(asio::io_context& loop, routing::Pool settings,
                                                       std::uint64_t& last_id, Name name, Owner& owner) {
  std::unique_ptr<Pool> pool{new Pool{loop, std::move(settings), last_id, owner}};
  if (pool->settings_.kind == routing::PoolKind::Workers) {
    if (name == Name::Later) return pool;
    if (auto bound = pool->bind(); !bound) return std::unexpected{std::move(bound.error())};
  } else {
    pool->add_targets();
  }
  return pool;
}

Pool::Pool(asio::io_context& loop, routing::Pool settings, std::uint64_t& last_id, Owner& owner)
    : loop_{loop}, settings_{std::move(settings)}, last_id_{last_id}, owner_{owner}, links_pause_{loop} {}

Pool::~Pool() {
  *alive_ = false;
  for (const auto& passage : passages_) passage->stop();
  if (watched_links_) (void)watched_links_->release();
}

bool Pool::serves(const routing::Pool& settings) const {
  if (retired_ || settings.kind != settings_.kind) return false;
  // A TSAP has one owner, whatever the pool is called.
  if (settings.kind == routing::PoolKind::Workers) return settings.tsap == settings_.tsap;
  return settings.name == settings_.name && same_targets(settings.targets, settings_.targets);
}

std::expected<void, Error> Pool::bind() {
  if (settings_.kind != routing::PoolKind::Workers || links_) return {};
  auto links = LinkListener::listen(selector_of(settings_.tsap));
  if (!links) return std::unexpected{std::move(links.error())};
  links_ = std::move(*links);
  watched_links_.emplace(loop_, links_->native_handle());
  watch_links();
  return {};
}

void Pool::release_name() {
  links_pause_.cancel();
  if (watched_links_) (void)watched_links_->release();
  watched_links_.reset();
  links_.reset();
}

void Pool::regain_name() {
  if (retired_ || bind()) return;
  links_pause_.begin([this] { regain_name(); });
}

void Pool::expect(std::size_t workers, std::vector<pid_t> drained, Clock::time_point until) {
  expected_ = workers;
  drained_ = std::move(drained);
  expected_until_ = until;
}

bool Pool::expects(Clock::time_point now) const {
  if (now >= expected_until_) return false;
  const auto come = std::ranges::count_if(members_, &Member::announced);
  return static_cast<std::size_t>(come) < expected_;
}

void Pool::watch_links() {
  watched_links_->async_wait(asio::posix::stream_descriptor::wait_read,
                             [this, alive = alive_](const std::error_code& error) {
                               if (*alive && !error && links_) accept_links();
                             });
}

void Pool::accept_links() {
  for (;;) {
    auto link = links_->accept(Deadline::now());
    if (link) {
      // A CR that came by TCP, which another process of this host has passed on, makes no worker of its sender.
      if (os::tcp_domain(FdRef{link->native_handle()}) == AF_UNSPEC) add(std::move(*link), {}, std::nullopt);
      continue;
    }
    if (link.error().would_block()) return watch_links();
    // Want of descriptors, as a rule: what waits stays.
    return links_pause_.begin([this] {
      if (links_) watch_links();
    });
  }
}

void Pool::add(Link link, std::string name, std::optional<std::size_t> target) {
  const std::uint64_t id = ++last_id_;
  Member& member = members_.emplace_back();
  member.id = id;
  member.target = target;
  if (name.empty())
    if (const auto partner = link.partner()) {
      const auto selector = tsap::Selector::from(as_bytes(partner->selector.text()));
      name = selector ? selector->printable() : std::string{};
    }
  member.name = std::move(name);
  member.key = routing::stable_key(member.name);
  member.worker = std::make_unique<Worker>(loop_, std::move(link), id, static_cast<Worker::Owner&>(*this));
}

void Pool::add_targets() {
  for (std::size_t i = 0; i < settings_.targets.size(); ++i) {
    const routing::Target& target = settings_.targets[i];
    if (settings_.kind == routing::PoolKind::Tsaps) {
      attempts_.push_back(std::make_shared<Attempt>(loop_));
      try_target(i);
      continue;
    }
    if (target.path.empty())
      hosts_.push_back(std::make_unique<HostAddresses>(loop_, target.host, target.port,
                                                       "pool " + settings_.name + ": " + name_of(target),
                                                       [this, i] { target_is_elsewhere(i); }));
    else
      hosts_.push_back(std::make_unique<HostAddresses>(loop_, os::unix_address(target.path)));
    Member& member = members_.emplace_back();
    member.id = ++last_id_;
    member.target = i;
    member.name = name_of(target);
    member.key = routing::stable_key(member.name);
  }
}

bool Pool::is_reachable(const Member& member, Clock::time_point now) const {
  return now >= member.down_until && !hosts_[*member.target]->all().empty();
}

void Pool::target_is_elsewhere(std::size_t target) {
  for (Member& member : members_)
    if (member.target == target) member.down_until = {};
  owner_.has_room(*this);
}

void Pool::look_up_hosts() {
  for (const auto& host : hosts_) host->look_up_now();
}

void Pool::await_hosts(Instant until) {
  for (const auto& host : hosts_) host->await(until);
}

void Pool::know_hosts_of(const Pool& before) {
  for (std::size_t i = 0; i < hosts_.size(); ++i)
    for (std::size_t j = 0; j < before.hosts_.size(); ++j)
      if (name_of(settings_.targets[i]) == name_of(before.settings_.targets[j]))
        hosts_[i]->know(before.hosts_[j]->all());
}

void Pool::try_target(std::size_t target) {
  if (retired_) return;
  Attempt& attempt = *attempts_[target];
  auto connecting = Link::begin_connect(selector_of(settings_.targets[target].tsap));
  if (!connecting) return target_failed(target);
  attempt.connecting.emplace(std::move(*connecting));
  finish_target(target);
}

void Pool::finish_target(std::size_t target) {
  Attempt& attempt = *attempts_[target];
  auto link = attempt.connecting->finish(Deadline::now());
  if (attempt.watched.is_open()) (void)attempt.watched.release();
  if (link) {
    attempt.connecting.reset();
    attempt.pause = first_pause;
    return add(std::move(*link), name_of(settings_.targets[target]), target);
  }
  if (!link.error().would_block()) return target_failed(target);
  attempt.watched.assign(attempt.connecting->native_handle());
  const auto event = attempt.connecting->events() == POLLOUT ? asio::posix::stream_descriptor::wait_write
                                                             : asio::posix::stream_descriptor::wait_read;
  attempt.watched.async_wait(event, [this, target, alive = alive_](const std::error_code& error) {
    if (*alive && !error && attempts_[target]->connecting) finish_target(target);
  });
}

void Pool::target_failed(std::size_t target) {
  Attempt& attempt = *attempts_[target];
  attempt.connecting.reset();
  ++gone_.connect_failures;
  attempt.timer.expires_after(attempt.pause);
  attempt.pause = std::min(2 * attempt.pause, longest_pause);
  attempt.timer.async_wait([this, target, alive = alive_](const std::error_code& error) {
    if (*alive && !error) try_target(target);
  });
}

std::uint32_t Pool::weight_of(const Member& member) const {
  return member.target && *member.target < settings_.targets.size() ? settings_.targets[*member.target].weight : 1;
}

void Pool::states(std::vector<routing::WorkerState>& states, Duration answer, Clock::time_point now) const {
  states.clear();
  for (const Member& member : members_) {
    routing::WorkerState& state = states.emplace_back();
    state.id = member.id;
    state.key = member.key;
    state.weight = weight_of(member);
    state.draining = member.draining || retired_;
    if (member.worker) {
      const bool silent = member.worker->is_silent_for(answer, now);
      state.up = member.worker->is_up();
      state.credit = silent ? 0 : static_cast<std::uint32_t>(member.worker->credit());
      state.moves = static_cast<std::uint32_t>(member.worker->under_way());
    } else {
      state.up = is_reachable(member, now);
      state.credit = no_bound;
      state.moves = static_cast<std::uint32_t>(member.copying);
    }
  }
}

void Pool::give(std::size_t index, VisitorPtr visitor) {
  Member& member = *std::next(members_.begin(), static_cast<std::ptrdiff_t>(index));
  if (member.worker) {
    visitor->told = is_told_by_proxy(*visitor) ? proxy_header_for(*visitor) : std::string{};
    return member.worker->give(std::move(visitor));
  }
  ++member.copying;
  auto first = settings_.proxy_v2 ? proxy_header_for(*visitor) : std::string{};
  passages_.push_back(std::make_shared<Passage>(loop_, std::move(visitor), member.id, std::move(first),
                                                static_cast<Passage::Owner&>(*this)));
  passages_.back()->start(hosts_[*member.target]->all());
}

bool Pool::look_who_is_late(Duration answer, Clock::time_point now) {
  bool any = false;
  for (Member& member : members_) {
    const bool late = member.worker && member.worker->is_silent_for(answer, now);
    any = any || late;
    if (std::exchange(member.late, late) != late) owner_.worker_late(*this, view_of(member), late);
  }
  return any;
}

void Pool::recall(std::size_t room, Duration answer, Clock::time_point now) {
  for (const Member& member : members_)
    if (member.worker) room -= std::min(room, member.worker->asked_back());
  for (Member& member : members_)
    if (member.worker && member.worker->is_silent_for(answer, now)) room -= member.worker->recall(room);
}

bool Pool::has_worker(std::uint64_t worker) const {
  return std::ranges::any_of(
      members_, [&](const Member& member) { return member.id == worker && member.worker && member.worker->is_up(); });
}

bool Pool::set_draining(std::uint64_t worker, bool on) {
  Member* const member = member_of(worker);
  if (member == nullptr) return false;
  member->draining = on;
  if (!on) owner_.has_room(*this);
  return true;
}

std::vector<std::string> Pool::drained_targets() const {
  std::vector<std::string> names;
  for (const Member& member : members_)
    if (!member.worker && member.draining) names.push_back(member.name);
  return names;
}

void Pool::drain_targets(const std::vector<std::string>& names) {
  for (Member& member : members_)
    if (!member.worker && std::ranges::find(names, member.name) != names.end()) member.draining = true;
}

void Pool::retire() {
  retired_ = true;
  release_name();
  for (auto& attempt : attempts_) {
    attempt->timer.cancel();
    if (attempt->watched.is_open()) (void)attempt->watched.release();
    attempt->connecting.reset();
  }
  members_.remove_if([](const Member& member) { return !member.worker; });
  hosts_.clear();
  for (Member& member : members_) member.worker->drain();
}

std::size_t Pool::under_way() const {
  std::size_t sum = 0;
  for (const Member& member : members_)
    if (member.worker) sum += member.worker->under_way();
  return sum;
}

WorkerView Pool::view_of(const Member& member) const {
  WorkerView view;
  view.id = member.id;
  view.name = member.name;
  view.weight = weight_of(member);
  view.late = member.late;
  view.draining = member.draining;
  if (member.worker) {
    view.process = member.worker->process();
    view.credit = member.worker->credit();
    view.under_way = member.worker->under_way();
    view.asked_back = member.worker->asked_back();
    view.up = member.worker->is_up();
    view.counters = member.worker->counters();
  } else {
    view.under_way = member.copying;
    view.up = is_reachable(member, Clock::now());
  }
  return view;
}

std::vector<WorkerView> Pool::view() const {
  std::vector<WorkerView> all;
  for (const Member& member : members_) all.push_back(view_of(member));
  return all;
}

PoolCounters Pool::counters() const {
  PoolCounters sum = gone_;
  for (const Member& member : members_)
    if (member.worker) add_up(sum.moves, member.worker->counters());
  return sum;
}

Pool::Member* Pool::member_of(const Worker& worker) { return member_of(worker.id()); }

Pool::Member* Pool::member_of(std::uint64_t id) {
  const auto found = std::ranges::find(members_, id, &Member::id);
  return found == members_.end() ? nullptr : &*found;
}

void Pool::moved(Worker&, VisitorPtr visitor) { owner_.moved(*this, std::move(visitor)); }

void Pool::came_back(Worker& worker, VisitorPtr visitor, int error) {
  owner_.came_back(*this, worker.id(), std::move(visitor), error);
}

void Pool::has_credit(Worker& worker) {
  Member* const member = member_of(worker);
  if (member != nullptr && !std::exchange(member->announced, true)) {
    // Before it gets anything: it has credit only now.
    // One link of a process, not all that it has.
    if (const auto drained = std::ranges::find(drained_, worker.process()); drained != drained_.end()) {
      drained_.erase(drained);
      member->draining = true;
    }
    owner_.worker_up(*this, member->name, worker.process());
  }
  owner_.has_room(*this);
}

void Pool::ended(Worker& worker) {
  Member* const member = member_of(worker);
  if (member == nullptr) return;
  add_up(gone_.moves, worker.counters());
  const std::optional<std::size_t> target = member->target;
  if (member->announced) owner_.worker_down(*this, member->name, worker.counters());
  members_.remove_if([&worker](const Member& each) { return each.worker.get() == &worker; });
  if (target && !retired_) target_failed(*target);
}

void Pool::passage_refused(Passage& passage, VisitorPtr visitor, int error) {
  const std::uint64_t target = passage.target();
  ++gone_.connect_failures;
  if (Member* const member = member_of(target)) {
    --member->copying;
    member->down_until = Clock::now() + target_down_for;
    hosts_[*member->target]->look_up();
  }
  passages_.remove_if([&passage](const auto& each) { return each.get() == &passage; });
  owner_.unreachable(*this, target, std::move(visitor), error);
}

void Pool::passage_over(Passage& passage) {
  if (Member* const member = member_of(passage.target())) --member->copying;
  ++gone_.copied;
  gone_.copied_octets += passage.octets();
  passages_.remove_if([&passage](const auto& each) { return each.get() == &passage; });
}

}  // namespace baton::dispatch
