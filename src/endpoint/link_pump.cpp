// SPDX-License-Identifier: MIT
// Reading and sending on a link.
#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "base/fault_point.hpp"
#include "endpoint/gathered.hpp"
#include "endpoint/link.hpp"
#include "endpoint/outcome_reader.hpp"
#include "link/admission.hpp"
#include "os/message_head.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/tcp.hpp"
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

}  // namespace

Link::Pumped Link::pump(const Lock&) {
  if (ended_ || broken_ || !descriptor().valid()) {
    // The end of the link decides no move that is in doubt; the death of its server, which may come later, does.
    if (!given_.empty()) detect_dead_servers();
    return Pumped::Ended;
  }
  flush_outbox();
  if (inbox_full()) return Pumped::Full;
  // For now: there may be more, once the peer reads what it is told, or in the next turn.
  if (outbox_.size() >= max_outbox || turn_over()) return Pumped::Nothing;
  const Pumped pumped = receive_one();
  if (pumped == Pumped::Progress) ++turn_;
  if (pumped == Pumped::Progress || pumped == Pumped::Ended) {
    fetched();
  }
  return pumped;
}

void Link::fetched() {
  gate_.open();
  if (!reader_stalled_) return;
  reader_stalled_ = false;
  outcome_reader_look_again();
}

void Link::read_queued() {
  std::size_t left = os::unread_octets(descriptor());
  while (left > 0) {
    const std::uint64_t before = octets_received_;
    if (receive_one() != Pumped::Progress) return;
    left -= std::min<std::size_t>(left, octets_received_ - before);
  }
  // Behind the last message there may be a reset, and the end.
  if (receive_one() == Pumped::Progress) (void)receive_one();
}

Link::Pumped Link::pump_all(const Lock& lock) {
  for (;;)
    if (const Pumped pumped = pump(lock); pumped != Pumped::Progress) return pumped;
}

Link::Pumped Link::nothing_received(int error) {
  if (error == EAGAIN || error == EINTR) return Pumped::Nothing;
  // Comes once, when the dead peer left data unread; what it had queued is still there (unix(7)).
  if (error == ECONNRESET) {
    send_broken_ = true;
    return Pumped::Progress;
  }
  break_off("receive");
  return Pumped::Ended;
}

Link::Pumped Link::receive_one() {
  if (expects_descriptors()) {
    std::array<std::byte, handoff::preview_size> head;
    const auto peeked = os::peek_head(descriptor(), head);
    // What arrives after this look may be a CALL: it waits for the next one.
    if (!peeked) return nothing_received(os::number(peeked.error()));
    if (const auto preview = handoff::preview_call(Bytes{head}.first(*peeked))) return receive_call(*preview);
  }
  Workspace& space = workspace();
  const auto outcome = os::receive_message(descriptor(), space.buffer, space.received, {.dont_wait = true});
  if (!outcome) return nothing_received(os::number(outcome.error()));
  if (space.received.end && closing_) return Pumped::Nothing;  // our own refusal looks like an end
  if (space.received.end) {
    ended_ = true;
    (void)machine_.carrier_ended();
    trace(0, '-', "link ended");
    end_moves();
    end_given();
    return Pumped::Ended;
  }
  octets_received_ += space.received.size;
  const Bytes message = Bytes{space.buffer}.first(space.received.size);
  if (space.received.data_truncated || space.received.size > handoff::max_frame)
    break_off("message too long");
  else if (!handoff::is_frame(message))
    handle_tpdu(message);
  else if (!handle_frame(message, space.received))
    break_off("frame");
  // Descriptors that nobody asked for are closed here.
  space.received.discard_descriptors();
  space.received.sender_pidfd.reset();
  return broken_ ? Pumped::Ended : Pumped::Progress;
}

void Link::handle_tpdu(Bytes message) {
  const auto event = machine_.receive(message, message.size(), os::monotonic_now());
  if (!event) return break_off("misplaced message");
  if (const auto* data = std::get_if<transport::DataArrived>(&*event)) {
    const bool continues = std::exchange(in_tsdu_, !data->end_of_tsdu);
    // An empty DT only ends a TSDU (RFC 905 6.3.3); an empty TSDU says nothing that a read could give.
    if (data->payload_length == 0) {
      if (!continues) return;
      if (!inbox_.empty() && inbox_.back().kind == Unit::Kind::UserData) {
        inbox_.back().end_of_tsdu = true;
        return;
      }
    }
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
  // After a DR there may still be frames about moves: only before the connection is open there are none.
  switch (machine_.state()) {
    case transport::State::Idle:
    case transport::State::AwaitingConfirm:
    case transport::State::Indicated:
      return false;
    case transport::State::Open:
    case transport::State::Closing:
    case transport::State::Closed:
      break;
  }
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
    return on_call(*frame, *call, received, 0);  // nothing was expected: each is refused
  else if (const auto* taken = std::get_if<handoff::Taken>(&frame->body))
    on_taken(*taken, received);
  else if (std::holds_alternative<handoff::Cancel>(frame->body))
    on_cancel(frame->move);
  else if (std::holds_alternative<handoff::Cancelled>(frame->body))
    on_cancelled(frame->move, received);
  else if (const auto* held = std::get_if<handoff::Held>(&frame->body))
    on_held(frame->move, held->count, received);
  else if (const auto* complete = std::get_if<handoff::Complete>(&frame->body))
    return on_complete(frame->move, complete->count);
  else if (const auto* commit = std::get_if<handoff::Commit>(&frame->body))
    return on_commit(frame->move, commit->count);
  else if (std::holds_alternative<handoff::Abort>(frame->body))
    on_abort(frame->move, received);
  else if (const auto* credit = std::get_if<handoff::Credit>(&frame->body)) {
    (void)process_of(received);
    credit_ = std::min<std::size_t>(credit_ + credit->more, max_credit);
  }
  return true;  // a type that this version does not act on is ignored
}

void Link::handle_hello(const handoff::Hello& hello) {
  if (peer_hello_) return;  // agreed is agreed
  if (hello.lowest_version > handoff::protocol_version || hello.highest_version < handoff::protocol_version)
    return break_off("no common version");
  peer_hello_ = hello;
  credit_ = std::min<std::size_t>(hello.credit, max_credit);
}

void Link::break_off(const char* why) {
  if (broken_) return;
  broken_ = true;
  os::TraceLine{cookie_, 0, '-', "link broken"}.text("why", why);
  end_moves();
  end_given();
}

std::shared_ptr<Process> Link::process_of(os::Received& received) {
  const pid_t pid = received.sender ? received.sender->pid : 0;
  const bool same_number = peer_process_ && peer_process_->pid == pid;
  // A number is used again only after its process is gone. Where the table is full no pidfd comes along: then it is the
  // one known so far.
  const bool known =
      same_number && (peer_process_->pidfd.valid() ? !received.sender_pidfd.valid() || !peer_process_->has_exited()
                                                   : !received.sender_pidfd.valid());
  if (!known) {
    peer_process_ = std::make_shared<Process>();
    peer_process_->pid = pid;
    peer_process_->pidfd = std::move(received.sender_pidfd);
  }
  (void)ensure_pidfd(*peer_process_);
  return peer_process_;
}

Result<void> Link::ensure_pidfd(Process& process) {
  // Processes of another pid namespace have no number here: of their death only the link tells.
  if (process.pidfd.valid() || process.pid <= 0) return {};
  auto opened = os::open_pidfd(process.pid);
  if (!opened && os::number(opened.error()) == ESRCH) return fail(Fault::LinkEnded);
  if (!opened) return fail(opened.error());
  process.pidfd = std::move(*opened);
  return {};
}

void Link::detect_dead_servers() {
  std::vector<std::shared_ptr<GivenMove>> gone;
  const Process* last = nullptr;
  bool last_dead = false;
  for (const auto& [id, move] : given_) {
    if (!move->server || move->sending || refusal_waits(*move)) continue;
    if (move->server.get() != last) {
      last = move->server.get();
      last_dead = last->has_exited();
    }
    if (last_dead) gone.push_back(move);
  }
  if (gone.empty()) return;
  // A dead process queues nothing more: what it had queued before counts.
  if (!ended_ && !broken_) read_queued();
  // A CALL of its own that waits for room may stand before its TAKEN.
  if (out_of_room_ && !ended_ && !broken_) return;
  if (std::ranges::any_of(gone, [](const auto& move) { return move->machine.state() == handoff::ListenerState::Held; }))
    group_off({Fault::LinkEnded, {}});
  for (const auto& move : gone) act(move, move->machine.server_gone());
  gate_.open();
}

bool Link::depends_on_listener() const noexcept {
  return awaits_commit() || std::ranges::any_of(awaited_, [](const auto& entry) {
           const auto state = entry.second->machine.state();
           return state == handoff::ServerState::Offered || state == handoff::ServerState::Accepted;
         });
}

bool Link::detect_dead_listener() {
  if (!depends_on_listener() || listener_alive()) return false;
  if (!ended_ && !broken_) read_queued();
  // No CALL will come any more, even if a forked child of L keeps the link open.
  if (!out_of_room_) end_moves();
  gate_.open();
  return true;
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
      if (!sent && !send_broken_) return false;  // EAGAIN, or a shortage that passes
    }
    outbox_.pop_front();
  }
  return true;
}

void Link::reply(Bytes frame) {
  say_hello();
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
          if (!waiting.may_block()) return fail(Fault::WouldBlock);
          const Instant soon = os::monotonic_now() + std::chrono::milliseconds{1};
          auto waited = pause(lock, Waiting{false, std::min(soon, waiting.deadline), -1}, 0);
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
    // A child of the dead peer may hold the full link: nobody will make room.
    if (!listener_alive()) return std::unexpected{end_failure()};
    ++senders_;
    auto waited = pause(lock, waiting, POLLIN | POLLOUT);
    --senders_;
    if (!waited) return waited;
  }
}

Result<void> Link::send_frame(Lock& lock, Bytes frame, const Waiting& waiting) {
  BATON_CHECK(!frame.empty());
  const iovec octets{const_cast<std::byte*>(frame.data()), frame.size()};
  return send(lock, {&octets, 1}, {}, waiting);
}

void Link::say_hello() {
  if (hello_sent_) return;
  hello_sent_ = true;
  std::array<std::byte, handoff::small_frame> room;
  handoff::Hello hello;
  hello.process = static_cast<std::uint32_t>(os::process_id());
  hello.user = os::effective_user();
  hello.features = handoff::feature_restart;
  const Bytes frame = handoff::encode(room, hello);
  outbox_.emplace_back(frame.begin(), frame.end());
}

bool Link::read_outcomes() {
  Lock lock = this->lock();
  if (number_ < 0) flush_outbox();
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
    BATON_FAULT_POINT(reader_round);
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Full) reader_stalled_ = true;
    if (pumped != Pumped::Progress) break;
  }
  detect_dead_servers();
  BATON_FAULT_POINT(reader_done);
  const bool closed_in_doubt = std::ranges::any_of(given_, [&](const auto& entry) {
    return entry.second->machine.in_doubt() && (number_ < 0 || entry.second->number_gone);
  });
  if (closed_in_doubt || (number_ < 0 && !leave(lock))) return true;
  watched_ = false;
  reader_stalled_ = false;
  own_.reset();
  gate_.open();
  return false;
}

Instant Link::add_reader_entries(std::vector<pollfd>& entries) {
  const Lock lock = this->lock();
  if (in_doubt_ == 0 && (number_ >= 0 || !has_unsent_replies())) return Instant{};
  const short events = wait_events(lock, reader_stalled_ || closing_ ? short{0} : short{POLLIN});
  if (!ended_ && !broken_ && events != 0) entries.push_back({own_.ref().get(), events, 0});
  add_process_entries(entries);
  return in_doubt_ > 0 ? never : replies_until_;
}

}  // namespace baton::endpoint
