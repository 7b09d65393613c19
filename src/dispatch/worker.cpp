// SPDX-License-Identifier: MIT
#include "dispatch/worker.hpp"

#include <baton/soc.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

namespace baton::dispatch {
namespace {

/// How soon a link at its end is looked at again while the outcomes of some moves are not decided: the worker's
/// descriptors are closed before its death can be known (pidfd_open(2)).
constexpr std::chrono::milliseconds look_again{5};
/// Parts of what a worker says that are dropped in one turn of the loop, so that the others have theirs.
constexpr int most_dropped = 64;

bool is_of_the_link(const Error& error) { return error.ended() || error == std::errc::bad_file_descriptor; }

/// Express moves that the worker takes now. Nothing: the link has ended.
std::optional<std::size_t> credit_of(const Link& link) {
  int credit = 0;
  socklen_t size = sizeof credit;
  if (::soc_getsockopt(link.native_handle(), SOL_TRANSPORT, TPOPT_CREDIT, &credit, &size) == 0)
    return static_cast<std::size_t>(credit);
  if (errno == ECONNRESET) return std::nullopt;
  return 0;
}

}  // namespace

Worker::Worker(asio::io_context& loop, Link link, std::uint64_t id, Owner& owner)
    : loop_{loop}, link_{std::move(link)}, watched_{loop, link_.native_handle()}, retry_{loop}, id_{id}, owner_{owner} {
  // The link may have brought something with its confirmation: it does not poll readable for that.
  asio::post(loop_, [this, alive = alive_] {
    if (*alive) read_outcomes();
  });
}

Worker::~Worker() {
  *alive_ = false;
  if (watched_.is_open()) (void)watched_.release();
}

pid_t Worker::process() const {
  const auto partner = link_.partner();
  return partner ? partner->process : 0;
}

void Worker::give(VisitorPtr visitor) {
  collected_.push_back(std::move(visitor));
  if (std::exchange(flushing_, true)) return;
  asio::post(loop_, [this, alive = alive_] {
    if (*alive) flush();
  });
}

std::size_t Worker::recall(std::size_t most) {
  std::size_t asked = 0;
  bool read = false;
  for (const auto& [id, visitor] : under_way_) {
    if (asked == most) break;
    if (visitor->asked_back) continue;
    read = true;
    if (link_.recall(id).value_or(0) == 0) continue;
    visitor->asked_back = true;
    ++asked;
  }
  asked_back_ += asked;
  if (!read) return 0;
  // To recall is to read, also where nothing can be asked for. Not from within the caller's walk over the workers.
  asio::post(loop_, [this, alive = alive_] {
    if (*alive && watched_.is_open()) read_outcomes();
  });
  return asked;
}

void Worker::drain() {
  closing_ = true;
  if (under_way() == 0) end();
}

void Worker::watch() {
  if (std::exchange(watching_, true)) return;
  watched_.async_wait(asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const std::error_code& error) {
    if (!*alive) return;
    watching_ = false;
    if (!error) read_outcomes();
  });
}

void Worker::flush() {
  flushing_ = false;
  std::vector<Outgoing> batch;
  std::vector<VisitorPtr> visitors;
  std::vector<VisitorPtr> all = std::exchange(collected_, {});
  for (auto next = all.begin(); next != all.end();) {
    const auto count = std::min<std::ptrdiff_t>(all.end() - next, Link::max_batch);
    batch.clear();
    visitors.assign(std::move_iterator{next}, std::move_iterator{next + count});
    next += count;
    for (const VisitorPtr& visitor : visitors)
      batch.push_back(
          {.connection = std::move(visitor->connection), .blob = tells_ ? Octets{visitor->told} : Octets{}});
    send_batch(batch, visitors);
  }
  // To give is to read: what came meanwhile does not poll readable any more.
  read_outcomes();
}

/// Gives as many as the worker takes; the others come back at once.
void Worker::send_batch(std::vector<Outgoing>& batch, std::vector<VisitorPtr>& visitors) {
  std::size_t begin = 0;
  int error = EAGAIN;  // why the rest did not go
  while (begin < batch.size()) {
    const auto given =
        at_end_ ? std::unexpected{Error{ECONNRESET}} : link_.give(std::span{batch}.subspan(begin), Deadline::now());
    if (given) {
      if (under_way_.empty()) last_progress_ = Clock::now();
      // The rest is what it had before: what comes in addition is news.
      credit_ -= std::min(credit_, *given);
      for (std::size_t i = begin; i < begin + *given; ++i) under_way_.emplace(batch[i].id, std::move(visitors[i]));
      begin += *given;
      continue;
    }
    error = given.error().number();
    if (error == EOPNOTSUPP && std::exchange(tells_, false)) {
      // Its baton is too old for that.
      for (Outgoing& each : batch) each.blob = {};
      continue;
    }
    if (given.error().would_block() || is_of_the_link(given.error())) break;
    // Of this connection alone: gone by itself, or none that can move.
    visitors[begin]->connection = std::move(batch[begin].connection);
    owner_.came_back(*this, std::move(visitors[begin]), error);
    ++begin;
    error = EAGAIN;
  }
  if (begin < batch.size() && error != EAGAIN) {
    at_end_ = true;
    error = ECANCELED;  // it was not asked
  }
  for (std::size_t i = begin; i < batch.size(); ++i) {
    visitors[i]->connection = std::move(batch[i].connection);
    owner_.came_back(*this, std::move(visitors[i]), error);
  }
}

bool Worker::read_link() {
  says_more_ = false;
  int dropped = 0;
  for (bool more = false;;) {
    auto outcomes = link_.outcomes(Deadline::now());
    if (outcomes) {
      last_progress_ = Clock::now();
      progressed_ = true;
      for (Outcome& outcome : *outcomes) take_outcome(std::move(outcome));
      more = false;
      continue;
    }
    const Error& error = outcomes.error();
    if (error.ended()) at_end_ = true;
    if (!more && error != std::errc::no_message) {
      if (at_end_) return true;
      // ENOENT, nothing is under way: then the link's own state tells whether it has ended.
      const auto credit = credit_of(link_);
      if (!credit) at_end_ = true;
      fresh_credit_ = credit.value_or(0);
      // To ask for the credit is to read, too.
      more = link_.pending().value_or(0) > 0;
      if (!more) return true;
      continue;
    }
    // A worker has nothing to say here; what it says all the same is in the way of outcomes.
    if (++dropped > most_dropped) {
      says_more_ = true;
      return true;
    }
    std::array<std::byte, 4096> unwanted;
    if (!link_.receive(unwanted, Deadline::now())) return false;
    more = false;
  }
}

void Worker::read_outcomes() {
  if (!read_link()) at_end_ = true;  // it offers end points of its own: not what this link is for
  tell_credit();
  if (under_way() == 0 && (at_end_ || closing_)) return end();
  if (!at_end_ && says_more_) {
    // What the library has read ahead does not poll readable.
    asio::post(loop_, [this, alive = alive_] {
      if (*alive && watched_.is_open()) read_outcomes();
    });
    return;
  }
  if (!at_end_) return watch();
  closing_ = true;
  retry_.expires_after(look_again);
  retry_.async_wait([this, alive = alive_](const std::error_code& error) {
    if (!error && *alive) read_outcomes();
  });
}

void Worker::take_outcome(Outcome outcome) {
  auto entry = under_way_.extract(outcome.id);
  if (entry.empty()) return;
  VisitorPtr visitor = std::move(entry.mapped());
  if (std::exchange(visitor->asked_back, false)) --asked_back_;
  if (outcome.moved()) {
    ++counters_.moved;
    owner_.moved(*this, std::move(visitor));
    return;
  }
  const int error = outcome.error->number();
  if (error == EUCLEAN)
    ++counters_.dissolved;
  else if (error == ECONNRESET)
    ++counters_.lost;
  else if (error == ECANCELED)
    ++counters_.recalled;
  else
    ++counters_.refused;
  visitor->connection = std::move(outcome.connection);
  owner_.came_back(*this, std::move(visitor), error);
}

void Worker::tell_credit() {
  const std::size_t before = std::exchange(credit_, 0);
  if (!closing_ && !at_end_) credit_ = fresh_credit_;
  if (credit_ > before || (credit_ > 0 && std::exchange(progressed_, false))) owner_.has_credit(*this);
}

void Worker::end() {
  closing_ = true;
  if (!watched_.is_open()) return;
  (void)watched_.release();
  link_.close();
  asio::post(loop_, [this, alive = alive_] {
    if (*alive) owner_.ended(*this);
  });
}

}  // namespace baton::dispatch
