// SPDX-License-Identifier: MIT
// Express moves and groups: soc_give, soc_outcomes, soc_take, soc_credit, soc_hold, soc_commit, soc_abort, soc_ready,
// soc_decline; and soc_cancel, soc_recall, soc_abandon.
#include <algorithm>
#include <cstring>
#include <vector>

#include "base/fault_point.hpp"
#include "baton/soc.h"
#include "capi/faults.hpp"
#include "capi/moving.hpp"
#include "capi/resolve.hpp"
#include "os/socket.hpp"

using namespace baton;
using namespace baton::capi;
using endpoint::Fault;

namespace {

using Moves = std::vector<std::shared_ptr<endpoint::GivenMove>>;

/// The moves from the first on that can be made, up to the first that cannot; no more than one message holds.
Moves make_all(const std::shared_ptr<endpoint::Link>& link, std::span<soc_move> asked,
               handoff::ListenerMachine::Manner manner, std::vector<std::byte>& octets, endpoint::Failure& why) {
  Moves moves;
  std::size_t in_frame = 0;
  const handoff::MoveId first = next_ids(*link, asked.size());
  for (soc_move& each : asked) {
    if (each.length > handoff::max_user_data - octets.size() || each.blob_length > SOC_BLOB_MAX) {
      why = {Fault::TooLong, {}};
      break;
    }
    if (each.blob_length <= handoff::max_blob_in_frame) in_frame += each.blob_length;
    if (!moves.empty() && in_frame > handoff::max_frame) break;
    auto move = make_move(link, each.fd, manner, first + moves.size());
    if (!move) {
      why = move.error();
      (void)report(why);
      each.error = errno;
      break;
    }
    (*move)->item.user_data = each.length;
    (*move)->blob = {static_cast<const std::byte*>(each.blob), each.blob == nullptr ? 0 : each.blob_length};
    const auto* data = static_cast<const std::byte*>(each.data);
    octets.insert(octets.end(), data, data + each.length);
    each.id = (*move)->id;
    each.error = 0;
    moves.push_back(std::move(*move));
  }
  return moves;
}

/// Into the link's group, or each for itself.
int give(int link, soc_move* moves, int count, handoff::ListenerMachine::Manner manner) {
  if (moves == nullptr || count < 1 || count > SOC_MOVES_MAX) return report(Fault::Argument);
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  std::vector<std::byte> octets;
  endpoint::Failure why{Fault::Argument, {}};
  const Moves made = make_all(at->link, {moves, static_cast<std::size_t>(count)}, manner, octets, why);
  if (made.empty()) return report(why);
  BATON_FAULT_POINT(give_taken_over);
  auto lock = at->link->lock();
  const endpoint::Waiting waiting = waiting_for_move(link, *at->socket);
  const auto given = manner == handoff::ListenerMachine::Manner::Held ? at->link->hold(lock, made, octets, waiting)
                                                                      : at->link->give(lock, made, octets, waiting);
  lock.unlock();
  for (const auto& move : made) move->blob = {};
  for (std::size_t i = given ? *given : 0; i < made.size(); ++i) unmake_move(*made[i]);
  return given ? static_cast<int>(*given) : report(given.error());
}

int kind_of(handoff::Kind kind) { return kind == handoff::Kind::ListeningSocket ? SOC_LISTENING : SOC_CONNECTION; }

/// What soc_take says of one that has come.
void tell(endpoint::Link::Arrival& arrival, soc_move& told) {
  void* const room = told.data;
  if (!arrival.user_data.empty()) std::memcpy(room, arrival.user_data.data(), arrival.user_data.size());
  told = {};
  told.data = room;
  told.length = static_cast<std::uint32_t>(arrival.user_data.size());
  told.id = arrival.id;
  told.kind = kind_of(arrival.item.kind);
  if (arrival.whole > 0) {
    told.fd = -1;
    told.flags = SOC_GROUP_END;
    told.length = arrival.whole;
    return;
  }
  told.blob_length = arrival.item.blob;
  told.blob = arrival.blob.release();
  if (arrival.group != 0) {
    told.fd = arrival.parked;
    told.flags = SOC_HELD;
    return;
  }
  told.fd = arrival.end_point.release().release();
  arrival.settle(told.fd);
}

}  // namespace

extern "C" {

int soc_give(int link, struct soc_move* moves, int count) {
  return give(link, moves, count, handoff::ListenerMachine::Manner::Express);
}

int soc_hold(int link, struct soc_move* moves, int count) {
  return give(link, moves, count, handoff::ListenerMachine::Manner::Held);
}

int soc_commit(int link, int timeout_ms) {
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const auto committed = at->link->commit_group(lock, waiting_ms(timeout_ms));
  return committed ? 0 : report(committed.error());
}

int soc_abort(int link) {
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const auto aborted = at->link->abort_group(lock);
  return aborted ? 0 : report(aborted.error());
}

int soc_ready(int link, int timeout_ms) {
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const auto taken = at->link->await_commit(lock, waiting_ms(timeout_ms));
  return taken ? static_cast<int>(*taken) : report(taken.error());
}

int soc_decline(int link) {
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const auto declined = at->link->decline_group(lock);
  return declined ? 0 : report(declined.error());
}

int soc_outcomes(int link, struct soc_move* moves, int count, int timeout_ms) {
  if (moves == nullptr || count < 1) return report(Fault::Argument);
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const auto ended = at->link->await_outcomes(lock, static_cast<std::size_t>(count), waiting_ms(timeout_ms));
  if (!ended) {
    const Fault fault = ended.error().fault;
    return fault == Fault::TimedOut || fault == Fault::WouldBlock ? 0 : report(ended.error());
  }
  lock.unlock();
  for (std::size_t i = 0; i < ended->size(); ++i) {
    endpoint::GivenMove& move = *(*ended)[i];
    soc_move& told = moves[i];
    told = {};
    told.id = move.id;
    told.kind = kind_of(move.item.kind);
    // An end point that came back is the program's again, under its number.
    told.fd = move.real.valid() ? move.number : -1;
    BATON_FAULT_POINT(outcome_collected);
    unmake_move(move);
    if (move.machine.state() != handoff::ListenerState::Moved) {
      (void)report(move.failure);
      told.error = errno;
    }
  }
  return static_cast<int>(ended->size());
}

int soc_take(int link, struct soc_move* moves, int count, int timeout_ms) {
  if (moves == nullptr || count < 1) return report(Fault::Argument);
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const std::span<soc_move> told{moves, static_cast<std::size_t>(count)};
  std::vector<std::size_t> rooms;
  for (const soc_move& each : told) rooms.push_back(each.data == nullptr ? 0 : each.length);
  auto arrivals = at->link->take_arrivals(lock, rooms, waiting_ms(timeout_ms));
  if (!arrivals) {
    const Fault fault = arrivals.error().fault;
    return fault == Fault::TimedOut || fault == Fault::WouldBlock ? 0 : report(arrivals.error());
  }
  for (std::size_t i = 0; i < arrivals->size(); ++i) {
    tell((*arrivals)[i], told[i]);
    BATON_FAULT_POINT(item_placed);
  }
  return static_cast<int>(arrivals->size());
}

int soc_credit(int link, int count) {
  if (count < 0) return report(Fault::Argument);
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const auto held = at->link->announce_credit(lock, static_cast<std::size_t>(count));
  return held ? static_cast<int>(*held) : report(held.error());
}

int soc_cancel(int link, int fd) {
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  const auto move = at->link->outcome_move(lock, fd);
  if (!move) return report(move.error());
  const auto cancelled = at->link->cancel(lock, *move);
  return cancelled ? 0 : report(cancelled.error());
}

int soc_recall(int link, uint64_t id) {
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  return static_cast<int>(at->link->recall(lock, id));
}

int soc_abandon(int link, uint64_t id) {
  const auto at = resolve_link(link);
  if (!at) return report(at.error());
  auto lock = at->link->lock();
  return static_cast<int>(at->link->abandon(lock, id));
}

}  // extern "C"
