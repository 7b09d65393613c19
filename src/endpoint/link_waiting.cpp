// SPDX-License-Identifier: MIT
// Waiting for a link: for what is in it, for room, and for the processes that moves depend on.
#include <algorithm>
#include <cerrno>

#include "endpoint/link.hpp"
#include "os/local_queue.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/wait.hpp"

namespace baton::endpoint {

bool Link::inbox_full() const noexcept {
  // Frames that may stand behind user data are what reading ahead is for; a connection without moves has none, and
  // what has not been read ahead need not move with it.
  return inbox_.size() >= (hello_sent_ || peer_hello_ ? read_ahead : 1);
}

short Link::wait_events(const Lock&, short events) const noexcept {
  if (inbox_full() || outbox_.size() >= max_outbox) events &= static_cast<short>(~POLLIN);
  if (!outbox_.empty() && !send_broken_) events |= POLLOUT;
  return events;
}

Result<void> Link::pause(Lock& lock, const Waiting& waiting, short events) {
  if (out_of_room_) return fail(os::Errno{EMFILE});
  const bool late = overdue(waiting);
  // What a death changes shows in the next look of the caller.
  if (!waiting.may_block()) return detect_deaths() ? Result<void>{} : fail(Fault::WouldBlock);
  if (late) return fail(Fault::TimedOut);
  if (number_ < 0) return fail(Fault::BadDescriptor);  // closed by another thread
  if (auto entered = gate_.enter(); !entered) return fail(entered.error());
  thread_local std::vector<pollfd> entries;
  entries.clear();
  entries.push_back({ended_ || broken_ ? -1 : number_, wait_events(lock, events), 0});
  add_wait_entries(lock, entries);
  lock.unlock();
  const auto ready = os::poll_until(entries, waiting.deadline);
  lock.lock();
  gate_.leave();
  if (!ready) return fail(ready.error());
  if (*ready == 0) return fail(Fault::TimedOut);
  // Behind the link and the gate stand the processes.
  if (std::any_of(entries.begin() + 2, entries.end(), [](const pollfd& entry) { return entry.revents != 0; }))
    (void)detect_deaths();
  return {};
}

bool Link::detect_deaths() {
  const std::size_t given = given_.size();
  detect_dead_servers();
  return detect_dead_listener() || given_.size() != given;
}

void Link::add_wait_entries(const Lock& lock, std::vector<pollfd>& entries) {
  IsoConnection::add_wait_entries(lock, entries);
  add_process_entries(entries);
}

void Link::add_process_entries(std::vector<pollfd>& entries) const {
  const Process* last = nullptr;
  const auto add = [&](const Process* process) {
    if (process == nullptr || process == last) return;
    last = process;
    if (process->pidfd.valid()) entries.push_back({process->pidfd.get(), POLLIN, 0});
  };
  // As in detect_dead_servers(): whose death changes nothing is not waited for.
  for (const auto& [id, move] : given_)
    if (!move->sending && !refusal_waits(*move)) add(move->server.get());
  if (depends_on_listener() || senders_ > 0) add(peer_process_.get());
}

void Link::renew_parked(const Lock&, int number, std::uint64_t& parked_cookie, const std::shared_ptr<Object>& move) {
  const FdRef parked{number};
  if (number < 0 || parked_cookie == 0 || !os::is_shut_down(parked) || os::cookie(parked) != parked_cookie) return;
  const auto flags = os::descriptor_flags(parked);
  const auto fresh = flags ? os::parked_socket(flags->nonblocking, flags->close_on_exec) : os::failure(EBADF);
  // Short of descriptors: it stays as it is until the next look. No octet is at stake.
  const auto cookie = fresh ? os::cookie(fresh->ref()) : os::failure(EBADF);
  if (!cookie) return;
  // Both stand for the move while the number changes from one to the other.
  insert_alias(*cookie, move);
  if (!os::replace(fresh->ref(), number, flags->close_on_exec)) return erase_alias(*cookie, *move);
  endpoint::erase(parked_cookie);
  insert(number, *cookie, move);
  parked_cookie = *cookie;
}

void Link::renew_parked(const Lock& lock, const std::shared_ptr<GivenMove>& move) {
  if (!move->express && !move->number_gone && !move->machine.ended())
    renew_parked(lock, move->number, move->parked_cookie, move);
}

void Link::renew_parked(const Lock& lock, const std::shared_ptr<AwaitedMove>& move) {
  if (!move->machine.ended()) renew_parked(lock, move->number, move->parked_cookie, move);
}

std::size_t Link::pending(const Lock& lock) const noexcept {
  const auto called = std::ranges::count_if(awaited_, [](const auto& entry) {
    return entry.second->machine.state() == handoff::ServerState::Called || entry.second->no_descriptor;
  });
  // Of a group: ready to be committed, to be taken, or off.
  const std::size_t group = (given_group_ && given_group_->state() == handoff::GroupState::Ready ? 1U : 0U) +
                            (taken_group_ && !awaits_commit() ? 1U : 0U) + (given_group_over_ ? 1U : 0U) +
                            (taken_group_over_ ? 1U : 0U);
  return inbox_.size() + arrived_.size() + outcomes_.size() + static_cast<std::size_t>(called) + group +
         (credit_has_come(lock) ? 1U : 0U);
}

bool Link::readable(const Lock& lock) const noexcept {
  if (pending(lock) > 0 || ended_ || broken_ || out_of_room_) return true;
  // The outcome of a call that the program has not asked for; closing the number says that it will not.
  return std::ranges::any_of(finished_, [](const auto& entry) { return !entry.second->collected; });
}

IsoConnection::Question Link::ask(const Lock& lock, pollfd& entry) {
  const bool reading = (entry.events & POLLIN) != 0;
  if (reading && machine_.state() == transport::State::Indicated) (void)confirm(lock, {});
  pump_all(lock);
  (void)detect_deaths();
  Question question{.kernel = {entry.fd, reading ? short{POLLIN} : short{0}, 0}};
  switch (machine_.state()) {
    case transport::State::AwaitingConfirm:
      question.kernel.events = POLLIN;
      question.until = machine_.deadline().value_or(never);
      // An overdue request: connect gives the result.
      if (ended(lock) || os::monotonic_now() >= question.until) entry.revents = POLLOUT | POLLHUP;
      break;
    case transport::State::Open:
      if (reading && readable(lock)) {
        entry.revents = POLLIN;
        if (credit_has_come(lock)) wanted_credit_ = 0;  // once: nobody has to give
      }
      question.kernel.events |= entry.events & POLLOUT;
      question.mask = entry.events & POLLOUT;  // the library's own replies wait for room too
      break;
    case transport::State::Idle:
    case transport::State::Indicated:
      break;
    case transport::State::Closing:
    case transport::State::Closed:
      entry.revents = static_cast<short>(POLLHUP | (entry.events & (POLLIN | POLLOUT)));
      break;
  }
  if (ended(lock)) entry.revents |= static_cast<short>(POLLHUP | (entry.events & POLLIN));
  question.kernel.events = wait_events(lock, question.kernel.events);
  if (entry.revents == 0) return question;
  // Ready as it is; whether it can be written to only the kernel knows.
  const bool ask_for_room = (entry.events & POLLOUT) != 0 && machine_.state() == transport::State::Open;
  return {.kernel = {ask_for_room ? entry.fd : -1, POLLOUT, 0}, .mask = ask_for_room ? short{POLLOUT} : short{0}};
}

}  // namespace baton::endpoint
