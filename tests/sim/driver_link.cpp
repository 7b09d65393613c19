// SPDX-License-Identifier: MIT
// Reading, replying and closing: endpoint/link_pump.cpp and link.cpp.
#include <algorithm>

#include "codec.hpp"
#include "driver.hpp"

namespace baton::sim {

using handoff::FrameType;
using handoff::ListenerState;
using handoff::ServerState;

/// A child of the dead peer may hold a full link: nobody will make room.
bool Driver::nobody_reads() const {
  return world_.processes[peer()].life == Life::Dead && !mutated(Mutant::WaitsForTheDead);
}

bool Driver::has_room() const {
  const End& there = end_of(world_, other(port_));
  if (!there.held() || there.deaf || nobody_reads()) return true;
  return there.queue.size() + side().outbox.size() < setup_.capacity;
}

bool Driver::flush() {
  Side& mine = side();
  while (!mine.outbox.empty()) {
    if (!mine.send_broken) {
      const Sent sent = sim::send(setup_, world_, port_, mine.outbox.front());
      if (sent == Sent::Full && !nobody_reads()) return false;
      if (sent == Sent::Broken) mine.send_broken = true;
    }
    mine.outbox.erase(mine.outbox.begin());
  }
  return true;
}

void Driver::flush_waiting() {
  flush();
  if (!side().number) close_at_last();
}

bool Driver::can_flush() const { return end().open && !side().outbox.empty() && has_room_for_one(); }

bool Driver::has_room_for_one() const {
  const End& there = end_of(world_, other(port_));
  return side().send_broken || nobody_reads() || !there.held() || there.deaf || there.queue.size() < setup_.capacity;
}

Sent Driver::send(const Frame& frame) {
  Side& mine = side();
  if (mine.ended || mine.send_broken) return Sent::Broken;
  if (!flush()) return Sent::Full;
  const Sent sent = sim::send(setup_, world_, port_, frame);
  if (sent == Sent::Broken) mine.send_broken = true;
  return sent == Sent::Full && nobody_reads() ? Sent::Broken : sent;
}

void Driver::not_sent() {
  // What has come first; the call reads all of it, and here one message is enough.
  if (!end().queue.empty() && can_receive()) return receive(Table::Room);
  if (can_notice_death()) notice_death();
}

void Driver::reply(Frame frame) {
  if (side().ended) return;
  side().outbox.push_back(std::move(frame));
  flush();
}

bool Driver::can_receive() const {
  const End& mine = end();
  if (!mine.open || mine.side.ended) return false;
  if (!mine.queue.empty()) return true;
  return at_end(world_, port_) && !(mine.deaf && mine.side.closing);
}

bool Driver::next_brings_descriptors() const {
  return !end().queue.empty() && end().queue.front().type == FrameType::Call;
}

void Driver::receive(Table table) {
  receive_one(table);
  if (side().number) return;
  side().inbox.clear();  // nobody will ask for it
  close_at_last();
}

void Driver::receive_one(Table table) {
  End& mine = end();
  if (mine.queue.empty()) return receive_end();
  mine.side.peer_known = true;
  const Frame frame = arrive(mine.queue.front());
  if (frame.type == FrameType::Call) return receive_call(frame, table);
  mine.queue.erase(mine.queue.begin());
  switch (frame.type) {
    case FrameType::Offer:
      mine.side.awaited.emplace_back().move = frame.move;
      return;
    case FrameType::Answer:
      return on_answer(frame);
    case FrameType::Taken:
      return on_taken(frame);
    case FrameType::Cancel:
      return on_cancel(frame.move);
    case FrameType::Cancelled:
      return on_cancelled(frame.move);
    case FrameType::Credit:
      mine.side.credit = static_cast<std::uint8_t>(mine.side.credit + frame.more);
      return;
    case FrameType::Held:
      return on_held(frame);
    case FrameType::Commit:
      return on_commit(frame);
    case FrameType::Abort:
      return on_abort(frame.move);
    case FrameType::Complete:
      return on_complete(frame);
    case FrameType::Hello:
    case FrameType::Call:
      return world_.require(false, "a frame that nobody sent");
  }
}

void Driver::receive_end() {
  Side& mine = side();
  mine.ended = true;
  end_awaited();
  if (!mutated(Mutant::HeldWaitsForDeath)) group_off();
  for (std::size_t at = mine.given.size(); at-- > 0;)
    if (mine.given[at].machine.state() != ListenerState::Held)
      act(at, mutated(Mutant::TakesBackOnLinkEnd) ? mine.given[at].machine.server_gone()
                                                  : mine.given[at].machine.link_ended());
}

/// What S has not been called to take, and what has not been committed, comes no more.
void Driver::end_awaited() {
  Side& mine = side();
  if (awaits_commit()) drop_group();
  for (std::size_t at = mine.awaited.size(); at-- > 0;) {
    mine.awaited[at].machine.link_ended();
    if (mine.awaited[at].machine.ended()) forget(at);  // the program sees its call fail and closes the number
  }
}

bool Driver::in_doubt() const {
  return std::ranges::any_of(side().given, [](const Given& given) { return given.machine.in_doubt(); });
}

/// Reads what has come before anyone is cut off; replies are queued.
void Driver::drain() {
  while (can_receive() && !end().queue.empty() && !side().out_of_room) {
    receive_one(Table::Room);
    side().inbox.clear();
  }
}

void Driver::close() {
  Side& mine = side();
  const bool takes = !mine.awaited.empty() || !mine.arrived.empty() || mine.placeholders > 0 || mine.taken_group;
  // Who could still call is cut off first; but not those whose outcome is awaited.
  mine.closing = takes && (!in_doubt() || mutated(Mutant::DeafWhileInDoubt));
  if (mine.closing) end().deaf = true;
  for (Id move = 0; move < setup_.plans.size(); ++move)  // all that comes here is S's program's to refuse
    if (setup_.plans[move].link == port_.link && setup_.plans[move].giver_end != port_.end)
      books_given_up(setup_, world_, process(), move);
  if (!mutated(Mutant::DropsUnansweredOnClose)) drain();
  if (can_receive() && end().queue.empty()) receive_end();
  wind_up();
}

void Driver::wind_up() {
  Side& mine = side();
  while (!mine.awaited.empty()) decline(0);
  give_up_group();
  if (mine.sending.group != none) stop_sending();  // the call that waits sees that the link is closed
  if (mine.given_group) send_abort(static_cast<Id>(mine.given_group->id()));
  group_off();
  for (const Arrival& arrival : mine.arrived) {
    reply_taken(arrival.item.move, handoff::TakeOutcome::Declined);
    close_descriptor(world_, process(), arrival.item.connection);
  }
  mine.arrived.clear();
  for (std::size_t at = mine.given.size(); at-- > 0;)
    if (!mine.given[at].machine.in_doubt()) act(at, mine.given[at].machine.cancel());
  mine.inbox.clear();
  mine.placeholders = 0;
  mine.promised = 0;
  flush();
  mine.number = false;
  // Express end points in doubt have no number: what comes back is the library's to close.
  for (const Given& given : mine.given)
    if (given.express && given.group == none) world_.connections[given.connection].right.excused = true;
  close_at_last();
}

/// The link's own duplicate goes with the last move in doubt, and the last reply. Whoever called in the meantime is
/// answered first.
void Driver::close_at_last() {
  if (in_doubt() || !end().open) return;
  side().closing = true;
  end().deaf = true;
  drain();
  while (!side().awaited.empty()) decline(0);
  give_up_group();
  if (!flush() && !mutated(Mutant::DropsRepliesOnClose)) return;
  close_end(world_, port_);
  const bool ended = side().ended;
  side() = Side{};
  side().number = false;
  side().ended = ended;
}

void Driver::close_plainly() {
  side().lost = true;
  for (Id move = 0; move < setup_.plans.size(); ++move)
    if (setup_.plans[move].link == port_.link && setup_.plans[move].giver_end != port_.end) {
      books_given_up(setup_, world_, process(), move);
      world_.attempts[move].unheard = true;
    }
  close_end(world_, port_);
}

void Driver::notice_loss() {
  Side& mine = side();
  mine.lost = false;
  mine.number = false;
  mine.ended = true;
  for (std::size_t at = mine.given.size(); at-- > 0;)
    if (mine.given[at].machine.in_doubt()) abandon(at);
  wind_up();
  side() = Side{};
  side().number = false;
  side().ended = true;
}

/// Nothing that the dead peer said is left in the link.
bool Driver::read_to_the_end() const {
  const Side& mine = side();
  if (mine.ended || !end().open || end().queue.empty()) return true;
  return mine.out_of_room && mutated(Mutant::BlockedLinkCountsAsRead);
}

bool Driver::server_death_shows() const {
  return (read_to_the_end() || mutated(Mutant::IgnoresTakenOfTheDead)) &&
         std::ranges::any_of(side().given, [](const Given& given) { return given.server_known; });
}

bool Driver::listener_death_shows() const {
  const Side& mine = side();
  if (!mine.peer_known || mine.ended || mine.out_of_room) return false;
  if (awaits_commit() && mutated(Mutant::DeathBeforeCommit)) return true;
  return (read_to_the_end() || mutated(Mutant::LinkEndBeforeCall)) &&
         (awaits_commit() || std::ranges::any_of(mine.awaited, [](const Awaited& awaited) {
            return awaited.machine.state() == ServerState::Offered || awaited.machine.state() == ServerState::Accepted;
          }));
}

bool Driver::can_notice_death() const {
  return world_.processes[peer()].life == Life::Dead && !side().lost &&
         (server_death_shows() || listener_death_shows());
}

void Driver::notice_death() {
  Side& mine = side();
  const bool listener = listener_death_shows();
  if (server_death_shows()) {
    group_off();
    for (std::size_t at = mine.given.size(); at-- > 0;)
      if (mine.given[at].server_known) act(at, mine.given[at].machine.server_gone());
  }
  if (listener) end_awaited();
  if (!mine.number) close_at_last();
}

}  // namespace baton::sim
