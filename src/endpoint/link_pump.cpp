// SPDX-License-Identifier: MIT
// Reading and sending on a link, and waiting for it.
#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "endpoint/link.hpp"
#include "endpoint/outcome_reader.hpp"
#include "link/admission.hpp"
#include "os/message_head.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"
#include "os/wait.hpp"

namespace baton::endpoint {
namespace {

// One message fits: a frame is at most 128 KiB, a TPDU at most 65531 octets. One more octet shows what is longer.
using Buffer = std::array<std::byte, handoff::max_frame + 1>;

/// Each thread reads into a buffer of its own, kept for its next message.
struct Workspace {
  Buffer buffer;
  os::Received received;
};
Workspace& workspace() {
  thread_local const auto instance = std::make_unique<Workspace>();
  return *instance;
}

std::size_t total(std::span<const iovec> octets) {
  std::size_t sum = 0;
  for (const iovec& part : octets) sum += part.iov_len;
  return sum;
}

}  // namespace

Link::Pumped Link::pump(const Lock&) {
  if (ended_ || broken_) return Pumped::Ended;
  flush_outbox();
  if (inbox_.size() >= read_ahead || outbox_.size() >= max_outbox) return Pumped::Full;
  const Pumped pumped = receive_one();
  if (pumped == Pumped::Progress || pumped == Pumped::Ended) {
    gate_.open();
    if (reader_stalled_) {
      reader_stalled_ = false;
      outcome_reader_look_again();
    }
  }
  if (pumped != Pumped::Progress && in_doubt_ > 0) detect_dead_servers();
  return pumped;
}

void Link::pump_all(const Lock& lock) {
  while (pump(lock) == Pumped::Progress) {
  }
}

Link::Pumped Link::receive_one() {
  if (expects_descriptors()) {
    std::array<std::byte, handoff::preview_size> head;
    const auto peeked = os::peek_head(descriptor(), head);
    if (peeked)
      if (const auto preview = handoff::preview_call(Bytes{head}.first(*peeked))) return receive_call(*preview);
  }
  Workspace& space = workspace();
  const auto outcome = os::receive_message(descriptor(), space.buffer, space.received, {.dont_wait = true});
  if (!outcome) {
    const int error = os::number(outcome.error());
    if (error == EAGAIN || error == EINTR) return Pumped::Nothing;
    // Comes once, when the dead peer left data unread; what it had queued is still there (unix(7)).
    if (error == ECONNRESET) {
      send_broken_ = true;
      return Pumped::Progress;
    }
    break_off(error == EBADF || error == ENOTSOCK ? "lost" : "receive");
    return Pumped::Ended;
  }
  if (space.received.end) {
    ended_ = true;
    (void)machine_.carrier_ended();
    trace(0, '-', "link ended");
    end_moves();
    for (auto it = given_.begin(); it != given_.end();) {
      const auto move = (it++)->second;
      act(move, move->machine.link_ended());
    }
    return Pumped::Ended;
  }
  const Bytes message = Bytes{space.buffer}.first(space.received.size);
  if (space.received.data_truncated || space.received.size > handoff::max_frame)
    break_off("message too long");
  else if (!handoff::is_frame(message))
    handle_tpdu(message);
  else if (!handle_frame(message, space.received))
    break_off("frame");
  // Descriptors that nobody asked for are closed here.
  space.received.descriptors.clear();
  space.received.sender_pidfd.reset();
  return broken_ ? Pumped::Ended : Pumped::Progress;
}

void Link::handle_tpdu(Bytes message) {
  const auto event = machine_.receive(message, message.size(), os::monotonic_now());
  if (!event) return break_off("misplaced message");
  if (const auto* data = std::get_if<transport::DataArrived>(&*event)) {
    Unit unit;
    const Bytes payload = message.subspan(data->payload_offset, data->payload_length);
    unit.octets.assign(payload.begin(), payload.end());
    unit.end_of_tsdu = data->end_of_tsdu;
    inbox_.push_back(std::move(unit));
  } else if (std::holds_alternative<transport::ProtocolError>(*event)) {
    flush_outbox();
    break_off("TPDU");
  }
  flush_outbox();
}

bool Link::handle_frame(Bytes message, os::Received& received) {
  const auto frame = handoff::decode(message);
  if (!frame) return false;
  if (machine_.state() != transport::State::Open) return false;
  if (os::trace_enabled())
    os::TraceLine{cookie_, frame->move, '-', "received"}.text(
        "frame", handoff::name_of(static_cast<handoff::FrameType>(handoff::type_of(message))));
  if (const auto* hello = std::get_if<handoff::Hello>(&frame->body)) {
    (void)process_of(received);
    handle_hello(*hello);
    return true;
  }
  if (!peer_hello_) return false;
  if (const auto* offer = std::get_if<handoff::Offer>(&frame->body)) return on_offer(*frame, *offer);
  if (const auto* answer = std::get_if<handoff::Answer>(&frame->body))
    on_answer(*frame, *answer, received);
  else if (const auto* call = std::get_if<handoff::Call>(&frame->body))
    on_call(*frame, *call, received, 0);  // nothing was expected: each is refused
  else if (const auto* taken = std::get_if<handoff::Taken>(&frame->body))
    on_taken(*taken, received);
  else if (std::holds_alternative<handoff::Cancel>(frame->body))
    on_cancel(frame->move);
  else if (std::holds_alternative<handoff::Cancelled>(frame->body))
    on_cancelled(frame->move);
  else if (const auto* credit = std::get_if<handoff::Credit>(&frame->body)) {
    (void)process_of(received);
    credit_ = std::min<std::size_t>(credit_ + credit->more, 1U << 20U);
  }
  return true;  // a type that this version does not act on is ignored
}

void Link::handle_hello(const handoff::Hello& hello) {
  if (hello.lowest_version > handoff::protocol_version || hello.highest_version < handoff::protocol_version)
    return break_off("no common version");
  peer_hello_ = hello;
  credit_ = hello.credit;
}

void Link::break_off(const char* why) {
  if (broken_) return;
  broken_ = true;
  os::TraceLine{cookie_, 0, '-', "link broken"}.text("why", why);
  end_moves();
  for (auto it = given_.begin(); it != given_.end();) {
    const auto move = (it++)->second;
    act(move, move->machine.link_ended());
  }
}

std::shared_ptr<Process> Link::process_of(os::Received& received) {
  const pid_t pid = received.sender ? received.sender->pid : 0;
  // While a process has not been reaped its number is not used again: the pidfd of the last message is this sender's
  // too.
  if (peer_process_ && peer_process_->pid == pid && peer_process_->pidfd.valid() && !peer_process_->has_exited())
    return peer_process_;
  auto process = std::make_shared<Process>();
  process->pid = pid;
  if (received.sender_pidfd.valid()) {
    process->pidfd = std::move(received.sender_pidfd);
  } else if (pid > 0) {
    if (auto opened = os::open_pidfd(pid)) process->pidfd = std::move(*opened);
  }
  peer_process_ = process;
  return process;
}

void Link::detect_dead_servers() {
  std::vector<std::shared_ptr<GivenMove>> gone;
  const Process* last = nullptr;
  bool last_dead = false;
  for (const auto& [id, move] : given_) {
    if (!move->machine.in_doubt() || !move->server) continue;
    if (move->server.get() != last) {
      last = move->server.get();
      last_dead = last->has_exited();
    }
    if (last_dead) gone.push_back(move);
  }
  if (gone.empty()) return;
  // A dead process queues nothing more: what it had queued before counts.
  if (!ended_ && !broken_)
    while (receive_one() == Pumped::Progress) {
    }
  for (const auto& move : gone) act(move, move->machine.server_gone());
  gate_.open();
}

os::Result<std::size_t> Link::send_now(std::span<const iovec> octets, std::span<const int> descriptors) {
  const auto sent = os::send_message(descriptor(), octets, descriptors, {.dont_wait = true});
  if (!sent && (os::number(sent.error()) == EPIPE || os::number(sent.error()) == ECONNRESET)) send_broken_ = true;
  return sent;
}

bool Link::flush_outbox() {
  while (!machine_.output().empty()) {
    const Bytes tpdu = machine_.output();
    outbox_.emplace_back(tpdu.begin(), tpdu.end());
    machine_.consume_output();
  }
  while (!outbox_.empty()) {
    const iovec octets{outbox_.front().data(), outbox_.front().size()};
    if (!send_broken_) {
      const auto sent = send_now({&octets, 1}, {});
      if (!sent && os::number(sent.error()) == EAGAIN) return false;
    }
    outbox_.pop_front();
  }
  return true;
}

void Link::reply(Bytes frame) {
  outbox_.emplace_back(frame.begin(), frame.end());
  flush_outbox();
}

Result<void> Link::send(Lock& lock, std::span<const iovec> octets, std::span<const int> descriptors,
                        const Waiting& waiting) {
  for (;;) {
    if (send_broken_ || broken_ || ended_) {
      pump_all(lock);
      return std::unexpected{end_failure()};
    }
    if (flush_outbox()) {
      const auto sent = send_now(octets, descriptors);
      if (sent) {
        BATON_CHECK(*sent == total(octets));
        return {};
      }
      switch (os::number(sent.error())) {
        case EINTR:
        case EPIPE:
        case ECONNRESET:
          continue;
        case EAGAIN:
          break;
        case ETOOMANYREFS: {
          // Later, not never (unix(7)): nothing says when, so look again soon.
          if (waiting.nonblocking) return fail(Fault::WouldBlock);
          const Instant soon = os::monotonic_now() + std::chrono::milliseconds{1};
          auto waited = pause(lock, Waiting{false, std::min(soon, waiting.deadline)}, 0);
          if (!waited && (waited.error().fault != Fault::TimedOut || os::monotonic_now() >= waiting.deadline))
            return waited;
          continue;
        }
        default:
          return fail(sent.error());
      }
    }
    // Whoever would block on sending reads meanwhile: the peer may be waiting for the same.
    if (pump(lock) == Pumped::Progress) continue;
    if (auto waited = pause(lock, waiting, POLLIN | POLLOUT); !waited) return waited;
  }
}

Result<void> Link::send_frame(Lock& lock, Bytes frame, const Waiting& waiting) {
  BATON_CHECK(!frame.empty());
  const iovec octets{const_cast<std::byte*>(frame.data()), frame.size()};
  return send(lock, {&octets, 1}, {}, waiting);
}

Result<void> Link::say_hello(Lock& lock, const Waiting& waiting) {
  if (hello_sent_) return {};
  std::array<std::byte, handoff::small_frame> room;
  handoff::Hello hello;
  hello.process = static_cast<std::uint32_t>(os::process_id());
  hello.user = os::effective_user();
  if (auto sent = send_frame(lock, handoff::encode(room, hello), waiting); !sent) return sent;
  hello_sent_ = true;
  return {};
}

Result<void> Link::pause(Lock& lock, const Waiting& waiting, short events) {
  if (waiting.nonblocking) return fail(Fault::WouldBlock);
  if (auto entered = gate_.enter(); !entered) return fail(entered.error());
  thread_local std::vector<pollfd> entries;
  entries.clear();
  // With the inbox full, what is in the socket has to wait: only the gate tells of news.
  const bool full = inbox_.size() >= read_ahead;
  entries.push_back({descriptor().get(), static_cast<short>(full ? events & ~POLLIN : events), 0});
  if (ended_ || broken_) entries.back().fd = -1;
  add_wait_entries(lock, entries);
  lock.unlock();
  const auto ready = os::poll_until(entries, waiting.deadline);
  lock.lock();
  gate_.leave();
  if (!ready) return fail(ready.error());
  if (*ready == 0) return fail(Fault::TimedOut);
  return {};
}

void Link::add_wait_entries(const Lock&, std::vector<pollfd>& entries) {
  entries.push_back({gate_.descriptor().get(), POLLIN, 0});
  if (in_doubt_ == 0) return;
  const Process* last = nullptr;
  for (const auto& [id, move] : given_) {
    if (!move->machine.in_doubt() || !move->server || move->server.get() == last) continue;
    last = move->server.get();
    if (last->pidfd.valid()) entries.push_back({last->pidfd.get(), POLLIN, 0});
  }
}

bool Link::readable(const Lock&) const noexcept {
  if (!inbox_.empty() || !arrived_.empty() || ended_ || broken_) return true;
  return std::ranges::any_of(awaited_, [](const auto& entry) {
    const auto state = entry.second->machine.state();
    return state == handoff::ServerState::Called || state == handoff::ServerState::Cancelled ||
           entry.second->no_descriptor;
  });
}

bool Link::read_outcomes() {
  Lock lock = this->lock();
  while (in_doubt_ > 0 && !ended_ && !broken_) {
    if (number_ >= 0) {
      // The program still reads this link: what is meant for it must wake it, not us.
      std::array<std::byte, handoff::header_size> head;
      const auto peeked = os::peek_head(own_.ref(), head);
      const auto type = static_cast<handoff::FrameType>(peeked ? handoff::type_of(Bytes{head}.first(*peeked)) : 0);
      const bool ours =
          peeked && (*peeked == 0 || type == handoff::FrameType::Taken || type == handoff::FrameType::Cancelled ||
                     type == handoff::FrameType::Credit || type == handoff::FrameType::Hello);
      if (peeked && !ours) {
        reader_stalled_ = true;
        break;
      }
    } else {
      inbox_.clear();  // nobody will ask for it
    }
    if (pump(lock) != Pumped::Progress) break;
  }
  if (in_doubt_ > 0) detect_dead_servers();
  const bool closed_in_doubt = std::ranges::any_of(given_, [&](const auto& entry) {
    return entry.second->machine.in_doubt() && (number_ < 0 || entry.second->number_gone);
  });
  if (closed_in_doubt) return true;
  watched_ = false;
  reader_stalled_ = false;
  own_.reset();
  return false;
}

void Link::add_reader_entries(std::vector<pollfd>& entries) {
  const Lock lock = this->lock();
  if (!reader_stalled_ && !ended_ && !broken_) entries.push_back({own_.ref().get(), POLLIN, 0});
  const Process* last = nullptr;
  for (const auto& [id, move] : given_) {
    if (!move->machine.in_doubt() || !move->server || move->server.get() == last) continue;
    last = move->server.get();
    if (last->pidfd.valid()) entries.push_back({last->pidfd.get(), POLLIN, 0});
  }
}

}  // namespace baton::endpoint
