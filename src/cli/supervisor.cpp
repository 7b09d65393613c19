// SPDX-License-Identifier: MIT
#include "cli/supervisor.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "os/like_accepted.hpp"
#include "os/named_socket.hpp"
#include "os/option.hpp"
#include "os/process.hpp"
#include "os/tcp_entrance.hpp"
#include "os/wait.hpp"

namespace baton::cli {
namespace {

// Where a bell was not heard: whoever has the port now is no program of ours.
constexpr Duration bell_pause = std::chrono::seconds{1};
// Nothing tells that a call was given up; until it is noticed, the listening socket is held.
constexpr Duration look_again = std::chrono::milliseconds{200};

bool is_readable(FdRef descriptor) noexcept {
  pollfd entry{descriptor.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0;
}

}  // namespace

ExitStatus Supervisor::run() {
  while (!program_ended_) {
    wait();
    program_.hear_signals();
    answer_calls();
    if (!listening_.empty()) link_.attend();
    retry_waiting();
    look_after_bells();
    ring();
    if (!listening_.empty()) continue;
    link_.leave();  // what waits would wait for nobody
    kept_.clear();
  }
  return program_.status();
}

// In one piece, for the server writes there too.
void Supervisor::tell(const std::string& sentence) { err_ << "baton serve: " + sentence + ".\n" << std::flush; }

void Supervisor::wait() {
  // What waits on the link is told by bells, so that the link has nothing to tell.
  std::vector<pollfd> entries{{program_.trap().get(), POLLIN, 0},
                              {program_.signals().get(), POLLIN, 0},
                              {link_.waiting() > 0 ? -1 : link_.number(), POLLIN, 0}};
  Instant until = listening_.empty() ? never : link_.due();
  if (bells_.size() < kept_.size() + link_.waiting() && !listening_.empty()) until = std::min(until, ring_again_);
  for (const Rung& each : bells_) entries.push_back({each.bell.descriptor().get(), each.bell.events(), 0});
  for (const Waiting& each : waiting_) {
    entries.push_back({each.listening.get(), POLLIN, 0});
    until = std::min({until, each.deadline, os::monotonic_now() + look_again});
  }
  (void)os::poll_until(entries, until);
}

void Supervisor::answer_calls() {
  for (;;) {
    pollfd entry{program_.trap().get(), POLLIN, 0};
    if (::poll(&entry, 1, 0) <= 0) return;
    if ((entry.revents & POLLIN) == 0) {
      program_ended_ = (entry.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
      return;
    }
    if (const auto call = os::next_trapped(program_.trap()); call && *call) on_call(**call);
  }
}

void Supervisor::on_call(const os::TrappedCall& call) {
  auto socket = os::socket_of(program_.trap(), call);
  if (!socket && socket.error() == os::Errno{EPERM} && !std::exchange(has_complained_, true))
    tell(
        "the server's process may not be looked into (ptrace(2)), so it gets no connections: run baton serve as the "
        "user that the server becomes, or as root");
  if (!socket || os::tcp_domain(socket->ref()) == AF_UNSPEC) return (void)os::pass(program_.trap(), call);
  if (call.kind == os::TrappedCall::Kind::Accept) return on_accept(call, std::move(*socket));
  // Done here, so that it is known afterwards where the socket listens.
  const auto listens = os::listen_on(socket->ref(), call.backlog);
  if (listens) learn(socket->ref());
  (void)os::answer(program_.trap(), call, listens ? 0 : -os::number(listens.error()));
}

void Supervisor::on_accept(const os::TrappedCall& call, UniqueFd listening) {
  const auto cookie = os::cookie(listening.ref());
  constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (!cookie || !is_meant(listening.ref()) || (call.flags & ~flags) != 0) return (void)os::pass(program_.trap(), call);
  learn(listening.ref());
  std::erase_if(waiting_, [&](const Waiting& each) { return each.call.thread == call.thread; });
  if (serve(call, listening.ref(), *cookie) == Given::Yes) return;
  if (os::is_nonblocking(listening.ref())) return (void)os::answer(program_.trap(), call, -EAGAIN);
  const Duration patience = os::receive_timeout(listening.ref());
  const Instant deadline = patience > Duration{0} ? os::monotonic_now() + patience : never;
  waiting_.push_back({call, std::move(listening), deadline});
}

/// Calls that wait: served, given up meanwhile, or at their end.
void Supervisor::retry_waiting() {
  const Instant now = os::monotonic_now();
  std::erase_if(waiting_, [&](const Waiting& each) {
    if (!os::still_waits(program_.trap(), each.call)) return true;
    if (serve(each.call, each.listening.ref(), os::cookie(each.listening.ref()).value_or(0)) == Given::Yes) return true;
    if (now < each.deadline) return false;
    (void)os::answer(program_.trap(), each.call, -EAGAIN);
    return true;
  });
}

Supervisor::Given Supervisor::serve(const os::TrappedCall& call, FdRef listening, std::uint64_t cookie) {
  for (;;) {
    if (auto kept = kept_for(cookie)) {
      if (give(call, listening, std::move(*kept))) return Given::Yes;
      continue;
    }
    // The socket may be in blocking mode, which is the program's: accept is called only where it does not wait.
    bool rung = false;
    if (is_readable(listening)) {
      auto accepted = os::accept_for_others(listening);
      rung = accepted && take_back_bell(accepted->peer);
      if (accepted && !rung) {
        if (give(call, listening, {std::move(accepted->connection), cookie})) return Given::Yes;
        continue;
      }
      if (!accepted && accepted.error() != os::Errno{EAGAIN} && accepted.error() != os::Errno{ECONNABORTED}) {
        (void)os::answer(program_.trap(), call, -os::number(accepted.error()));
        return Given::Yes;
      }
    }
    if (link_.waiting() > 0)
      if (auto taken = link_.take()) {
        os::make_like_accepted(taken->connection.ref(), listening, 0);
        if (give(call, listening, {std::move(taken->connection), 0, taken->told})) return Given::Yes;
        continue;
      }
    if (!rung) return Given::NoConnection;  // else another one may stand behind the bell
  }
}

/// False: its client has gone, so it is none.
bool Supervisor::give(const os::TrappedCall& call, FdRef listening, Kept kept) {
  const FdRef connection = kept.connection.ref();
  const auto peer = os::peer_address(connection);
  if (!peer) return false;
  (void)os::set_nonblocking(connection, (call.flags & SOCK_NONBLOCK) != 0);
  const int family = os::shown_family(listening);
  const auto told = os::as_shown(kept.told, family);
  auto given = os::tell_peer(program_.trap(), call, told ? told->client : os::as_shown(*peer, family));
  if (given) given = os::give_answer(program_.trap(), call, connection);
  if (given) return true;
  kept_.push_back(std::move(kept));
  (void)os::answer(program_.trap(), call, -os::number(given.error()));
  return true;
}

std::optional<Supervisor::Kept> Supervisor::kept_for(std::uint64_t cookie) {
  const auto found = std::ranges::find_if(
      kept_, [cookie](const Kept& each) { return each.listening == 0 || each.listening == cookie; });
  if (found == kept_.end()) return std::nullopt;
  Kept kept = std::move(*found);
  kept_.erase(found);
  return kept;
}

bool Supervisor::take_back_bell(const os::Address& peer) {
  return std::erase_if(bells_, [&peer](const Rung& each) { return each.bell.address() == peer; }) > 0;
}

bool Supervisor::is_meant(FdRef listening) {
  const auto local = os::local_address(listening);
  return local && os::is_listening(listening) && (meant_.empty() || std::ranges::any_of(meant_, [&](const auto& each) {
                                                    return os::is_address(*local, each.host, each.port);
                                                  }));
}

void Supervisor::learn(FdRef listening) {
  const auto cookie = os::cookie(listening);
  if (!cookie || !is_meant(listening) ||
      std::ranges::any_of(listening_, [&](const Listening& each) { return each.cookie == *cookie; }))
    return;
  if (const auto to = os::reached_at(listening)) listening_.push_back({*cookie, *to});
}

void Supervisor::forget(std::uint64_t cookie) {
  std::erase_if(listening_, [cookie](const Listening& each) { return each.cookie == cookie; });
  std::erase_if(kept_, [cookie](const Kept& each) { return each.listening == cookie; });
}

/// A bell for each connection that waits.
void Supervisor::ring() {
  while (bells_.size() < kept_.size() + link_.waiting() && !listening_.empty()) {
    if (os::monotonic_now() < ring_again_) return;
    const std::uint64_t wanted = bells_.size() < kept_.size() ? kept_[bells_.size()].listening : 0;
    const auto found =
        std::ranges::find_if(listening_, [wanted](const Listening& each) { return each.cookie == wanted; });
    const Listening at = found == listening_.end() ? listening_.front() : *found;
    auto bell = os::Bell::ring(at.reached_at);
    if (bell)
      bells_.push_back({std::move(*bell), at.cookie});
    else if (bell.error() == os::Errno{ECONNREFUSED})
      forget(at.cookie);
    else
      ring_again_ = os::monotonic_now() + bell_pause;  // want of descriptors and the like
  }
}

void Supervisor::look_after_bells() {
  std::erase_if(bells_, [this](Rung& each) {
    const auto heard = each.bell.look();
    if (heard == os::Bell::Heard::NobodyListens) forget(each.listening);
    if (heard == os::Bell::Heard::ByAnother) ring_again_ = os::monotonic_now() + bell_pause;
    return heard != os::Bell::Heard::NotYet;
  });
}

}  // namespace baton::cli
