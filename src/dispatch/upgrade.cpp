// SPDX-License-Identifier: MIT
#include "dispatch/upgrade.hpp"

#include <baton/soc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>

#include "dispatch/journal.hpp"
#include "os/descriptors.hpp"
#include "os/socket.hpp"

namespace baton::dispatch {
namespace {

using nlohmann::json;

/// From "accepts nobody" to "running". It takes milliseconds.
constexpr std::chrono::seconds longest_pause{5};
/// One message has so many end points with their blobs, in its frame.
constexpr std::size_t most_at_once = 128;
/// Clients in the group: the pause is no longer, and the other one needs no more descriptors, however many wait. The
/// rest follow when it runs, as those do who come back later. Each takes descriptors until it has moved.
std::size_t most_in_group() noexcept { return std::clamp<std::size_t>(os::descriptor_limit() / 8, 1, 1024); }
constexpr std::chrono::seconds time_to_say{1};
/// How soon a full link is tried again, and the outcomes are asked for that a dead process leaves undecided for a
/// moment.
constexpr std::chrono::milliseconds look_again{5};

/// While it lives, the calls of this thread wait for nothing.
class NoWaiting {
 public:
  NoWaiting() noexcept {
    constexpr timespec now{};
    ::soc_deadline(&now);
  }
  ~NoWaiting() { ::soc_deadline(nullptr); }
  NoWaiting(const NoWaiting&) = delete;
  NoWaiting& operator=(const NoWaiting&) = delete;
};

std::string how_it_ended(const os::Ending& ending) {
  return ending.killed
             ? "it was ended by signal " + std::to_string(ending.value)
             : "it ended with status " + std::to_string(ending.value) + " before it was ready: its log says why";
}

void stop_watching(asio::posix::stream_descriptor& watched) {
  if (watched.is_open()) (void)watched.release();
}

}  // namespace

Upgrade::Upgrade(asio::io_context& loop, std::vector<std::string> words, Duration time, Owner& owner)
    : loop_{loop},
      words_{std::move(words)},
      time_{time},
      owner_{owner},
      watched_child_{loop},
      watched_name_{loop},
      watched_link_{loop},
      timer_{loop},
      again_{loop} {}

Upgrade::~Upgrade() {
  *alive_ = false;
  stop_watching(watched_child_);
  stop_watching(watched_name_);
  stop_watching(watched_link_);
  if (goes_on()) os::kill_child(child_);
}

std::expected<void, std::string> Upgrade::start(FdRef control) {
  auto name = LinkListener::listen(Selector{});
  const auto address = name ? name->local_address() : std::unexpected{name.error()};
  if (!address) return std::unexpected{"no TSAP for the takeover: " + address.error().text()};
  std::vector<std::string> environment = os::environment_without(takes_over_variable);
  environment.push_back(std::string{takes_over_variable} + "=" + address->selector().hex());
  auto child = os::spawn(words_, environment, control);
  if (!child)
    return std::unexpected{"cannot start " + words_.front() + ": " + std::strerror(os::number(child.error()))};
  child_ = std::move(*child);
  name_ = std::move(*name);
  journal().info("upgrade: {} is started, process {}", words_.front(), child_.process);
  watched_child_.assign(child_.pidfd.get());
  watch_child();
  watched_name_.assign(name_->native_handle());
  watch_name();
  set_time(time_, "it was not ready in time ([limits] upgrade)");
  return {};
}

void Upgrade::call_off(std::string why) {
  if (goes_on()) fail(std::move(why));
}

void Upgrade::set_time(Duration time, const char* what) {
  timer_.expires_after(time);
  timer_.async_wait([this, step = step_, what, alive = alive_](const std::error_code& cancelled) {
    // Not where the steps that it is for are over.
    const bool waits = *alive && !cancelled && goes_on() && step_ != Step::Failing;
    if (waits && (step_ < Step::Holding) == (step < Step::Holding)) fail(what);
  });
}

void Upgrade::watch_child() {
  watched_child_.async_wait(asio::posix::stream_descriptor::wait_read,
                            [this, alive = alive_](const std::error_code& error) {
                              if (*alive && !error) child_ended();
                            });
}

void Upgrade::child_ended() {
  // What it has said comes first.
  if (link_ && step_ < Step::Failing) hear_all();
  const auto ending = os::reap(child_);
  stop_watching(watched_child_);
  child_.pidfd.reset();
  if (step_ == Step::Over && ending)
    journal().warn("upgrade: process {} has ended, while this one still drains", child_.process);
  if (step_ < Step::Failing) fail(ending ? how_it_ended(*ending) : "it has ended");
  if (step_ == Step::Failing) finish_failing();
}

void Upgrade::watch_name() {
  watched_name_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, alive = alive_](const std::error_code& error) {
                             if (*alive && !error && step_ == Step::Starting) meet();
                           });
}

/// Every user that may give work to batond can connect; only the process that was started is heard.
void Upgrade::meet() {
  while (!link_) {
    auto link = name_->accept(Deadline::now());
    if (!link) {
      if (!link.error().would_block()) return fail("no link to it: " + link.error().text());
      return watch_name();
    }
    const auto peer = os::peer_credentials(FdRef{link->native_handle()});
    if (peer && peer->pid == child_.process) link_ = std::move(*link);
  }
  watched_link_.assign(link_->native_handle());
  advance();
}

void Upgrade::watch_link() {
  // A full link does not poll readable when it has room again.
  if (step_ == Step::Holding || step_ == Step::Committing) {
    again_.expires_after(look_again);
    again_.async_wait([this, alive = alive_](const std::error_code& cancelled) {
      if (*alive && !cancelled && step_ < Step::Failing && watched_link_.is_open()) advance();
    });
  }
  if (std::exchange(watches_link_, true)) return;
  watched_link_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, alive = alive_](const std::error_code& error) {
                             if (!*alive) return;
                             watches_link_ = false;
                             if (!error && watched_link_.is_open()) advance();
                           });
}

/// As far as it goes now. Each call reads the link, and what it has read for another does not poll readable.
void Upgrade::advance() {
  for (std::size_t before = heard_ + 1, in_doubt = 0; link_ && (heard_ != before || in_doubt_.size() != in_doubt);) {
    before = heard_;
    in_doubt = in_doubt_.size();
    hear_all();
    // Where the link has ended there is nothing more to give: the process's death tells why.
    if (step_ == Step::Holding && watched_link_.is_open()) hold();
    if (step_ == Step::Committing && watched_link_.is_open()) commit();
    if (step_ == Step::Confirming) collect_outcomes();
  }
  if (link_) hear_all();
  if (step_ < Step::Failing && watched_link_.is_open()) watch_link();
}

void Upgrade::hear_all() {
  while (step_ < Step::Failing) {
    const auto message = hear(*link_, inbox_, Deadline::now());
    if (message) {
      ++heard_;
      heard(*message);
      continue;
    }
    const Error& error = message.error();
    // EIO: a frame of a move is in front.
    if (error.would_block() || error.number() == EIO) return;
    // Its death tells more.
    if (!error.ended()) return fail("the link to it: " + error.text());
    stop_watching(watched_link_);
    return;
  }
}

void Upgrade::heard(const json& message) {
  const std::string is = text_at(message, "say");
  if (is == "failed") return fail(text_at(message, "why"));
  if (is == "hello" && step_ == Step::Starting) {
    version_ = text_at(message, "version");
    const auto protocol = message.find("protocol");
    if (protocol == message.end() || *protocol != upgrade_protocol)
      return fail("batond " + version_ + " speaks another protocol of upgrades: end this one, and start that");
    step_ = Step::Preparing;
    json told = to_json(owner_.inheritance());
    told["say"] = "inheritance";
    if (auto said = say(*link_, told, Deadline{time_to_say}); !said)
      return fail("the link to it: " + said.error().text());
    return;
  }
  if (is == "prepared" && step_ == Step::Preparing) return hand_over();
  if (is == "running" && step_ == Step::Confirming) return running();
  fail("it says \"" + is + "\" where it may not");
}

void Upgrade::hand_over() {
  auto sockets = owner_.listening_sockets();
  if (!sockets) return fail(std::move(sockets.error()));
  frozen_at_ = Clock::now();
  step_ = Step::Holding;
  set_time(longest_pause, "it did not take over in time");
  sockets_ = sockets->size();
  std::ranges::move(*sockets, std::back_inserter(heirlooms_));
  const std::size_t most = most_in_group();
  for (VisitorPtr& visitor : owner_.freeze()) {
    ++clients_;
    if (visitors_.size() < most) {
      visitor->told = told_of(*visitor);
      visitors_.push_back(std::move(visitor));
    } else {
      back_.push_back(std::move(visitor));
    }
  }
  owner_.release_names();
}

/// Gives into the group what there is credit for.
void Upgrade::hold() {
  const NoWaiting now;
  while (!heirlooms_.empty() || !visitors_.empty()) {
    std::array<soc_move, most_at_once> moves{};
    std::array<std::string, most_at_once> told;
    const bool listening = !heirlooms_.empty();
    const std::size_t count = std::min(most_at_once, listening ? heirlooms_.size() : visitors_.size());
    for (std::size_t i = 0; i < count; ++i) {
      told[i] = listening ? told_of(heirlooms_[i]) : visitors_[i]->told;
      moves[i].fd = listening ? heirlooms_[i].socket.get() : visitors_[i]->connection.native_handle();
      moves[i].blob = told[i].data();
      moves[i].blob_length = static_cast<std::uint32_t>(told[i].size());
    }
    const int held = ::soc_hold(link_->native_handle(), moves.data(), static_cast<int>(count));
    if (held < 0 && errno == EAGAIN) return;
    if (held < 0 && (listening || moves[0].error == 0)) return group_is_off(Error::last());
    if (held < 0) {
      // Of this one alone: gone by itself, or none that can move. It stays.
      back_.push_back(std::move(visitors_.front()));
      visitors_.pop_front();
    }
    for (int i = 0; i < held; ++i) {
      VisitorPtr visitor;
      if (listening) {
        (void)heirlooms_.front().socket.release();  // the library's now
        heirlooms_.pop_front();
      } else {
        visitor = std::move(visitors_.front());
        (void)std::move(visitor->connection).release();
        visitors_.pop_front();
      }
      in_doubt_.emplace(moves[static_cast<std::size_t>(i)].id, std::move(visitor));
    }
  }
  step_ = Step::Committing;
}

void Upgrade::commit() {
  if (::soc_commit(link_->native_handle(), 0) == 0) {
    step_ = Step::Confirming;
    return;
  }
  if (errno == EAGAIN || errno == ETIMEDOUT) return;
  group_is_off(Error::last());
}

void Upgrade::group_is_off(const Error& why) {
  hear_all();  // its own sentence, if there is one
  if (step_ != Step::Holding && step_ != Step::Committing) return;
  // Its death tells more, if it is that; the library may have noticed it first, and then knows of no group.
  if (why.ended() || why == std::errc::no_such_file_or_directory)
    stop_watching(watched_link_);
  else
    fail("it did not take over: " + why.text());
}

void Upgrade::collect_outcomes() {
  while (!in_doubt_.empty()) {
    auto outcomes = link_->outcomes(Deadline::now());
    if (!outcomes && outcomes.error() == std::errc::no_message && step_ != Step::Failing) return hear_all();
    if (!outcomes && outcomes.error() == std::errc::no_message) {
      std::array<std::byte, 4096> unwanted;
      if (link_->receive(unwanted, Deadline::now())) continue;
    }
    if (!outcomes) return;
    for (Outcome& outcome : *outcomes) {
      auto entry = in_doubt_.extract(outcome.id);
      if (entry.empty() || outcome.moved() || !entry.mapped()) continue;  // of a listening socket there is a second one
      entry.mapped()->connection = std::move(outcome.connection);
      back_.push_back(std::move(entry.mapped()));
    }
  }
}

void Upgrade::running() {
  collect_outcomes();
  if (!in_doubt_.empty()) return fail("it runs, and does not say what it has");
  step_ = Step::Over;
  timer_.cancel();
  const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - frozen_at_);
  journal().info(
      "upgrade: process {}, batond {}, has taken over {} listening sockets and {} clients that wait, in {} us",
      child_.process, version_, sockets_, clients_, pause.count());
  stop_watching(watched_name_);
  name_.reset();
  stop_watching(watched_link_);
  late_ = std::make_unique<Worker>(loop_, std::move(*link_), 0, static_cast<Worker::Owner&>(*this));
  link_.reset();
  owner_.upgraded({{"ok", true},
                   {"process", child_.process},
                   {"version", version_},
                   {"sockets", sockets_},
                   {"clients", clients_},
                   {"pause_us", pause.count()}});
  for (VisitorPtr& visitor : std::exchange(back_, {})) pass_on(std::move(visitor));
}

void Upgrade::fail(std::string why) {
  if (!goes_on() || step_ == Step::Failing) return;
  why_ = why.empty() ? "it did not say why" : std::move(why);
  if (link_ && (step_ == Step::Holding || step_ == Step::Committing)) (void)::soc_abort(link_->native_handle());
  step_ = Step::Failing;
  timer_.cancel();
  stop_watching(watched_name_);
  stop_watching(watched_link_);
  // What it has taken is its own until it is dead, and the names are.
  os::kill_child(child_);
  if (!child_.pidfd.valid()) finish_failing();
}

void Upgrade::finish_failing() {
  if (link_) collect_outcomes();
  if (!in_doubt_.empty()) {
    timer_.expires_after(look_again);
    timer_.async_wait([this, alive = alive_](const std::error_code& cancelled) {
      if (*alive && !cancelled && step_ == Step::Failing) finish_failing();
    });
    return;
  }
  step_ = Step::Failed;
  link_.reset();
  name_.reset();
  heirlooms_.clear();
  std::ranges::move(visitors_, std::back_inserter(back_));
  visitors_.clear();
  owner_.upgrade_failed(std::exchange(back_, {}), why_);
}

void Upgrade::pass_on(VisitorPtr visitor) {
  if (!late_) return owner_.not_taken(std::move(visitor));
  visitor->told = told_of(*visitor);
  waiting_.push_back(std::move(visitor));
  offer_waiting();
}

void Upgrade::offer_waiting() {
  while (late_ && late_->is_up() && late_->credit() > 0 && !waiting_.empty()) {
    VisitorPtr visitor = std::move(waiting_.front());
    waiting_.pop_front();
    late_->give(std::move(visitor));
  }
}

void Upgrade::moved(Worker&, VisitorPtr) {}

void Upgrade::came_back(Worker&, VisitorPtr visitor, int error) {
  if (error != EAGAIN || !late_ || !late_->is_up()) return owner_.not_taken(std::move(visitor));
  waiting_.push_back(std::move(visitor));
}

void Upgrade::has_credit(Worker&) { offer_waiting(); }

void Upgrade::ended(Worker&) {
  late_.reset();
  for (VisitorPtr& visitor : std::exchange(waiting_, {})) owner_.not_taken(std::move(visitor));
}

}  // namespace baton::dispatch
