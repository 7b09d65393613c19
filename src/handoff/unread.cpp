// SPDX-License-Identifier: MIT
#include "handoff/unread.hpp"

namespace baton::handoff {
namespace {

constexpr MoveId the_move = 1;  // a link of its own: there is no other

}  // namespace

TakeOutcome UnreadGiver::said(Bytes message) noexcept {
  const auto frame = decode(message);
  const auto* const taken = frame ? std::get_if<Taken>(&frame->body) : nullptr;
  return taken == nullptr || taken->items.size() != 1 ? TakeOutcome::Declined : taken->items[0].outcome;
}

std::optional<TakeOutcome> UnreadGiver::silent() const noexcept {
  return deaf_ ? std::optional{TakeOutcome::Declined} : std::nullopt;
}

Bytes encode_unread_call(MutableBytes room, CallItem item) {
  item.kind = Kind::UnreadConnectRequest;
  return encode_call(room, the_move, true, {&item, 1}, {}, 0);
}

std::optional<UnreadCall> unread_call_in(Bytes message) noexcept {
  const auto frame = decode(message);
  const auto* const call = frame ? std::get_if<Call>(&frame->body) : nullptr;
  if (call == nullptr || !call->express || call->group != 0 || call->items.size() != 1 || call->memfds != 0)
    return std::nullopt;
  const UnreadCall found{frame->move, call->items[0]};
  const bool carried_by_tcp = found.item.family == Family::Inet || found.item.family == Family::Inet6;
  if (found.item.kind != Kind::UnreadConnectRequest || !carried_by_tcp) return std::nullopt;
  return found;
}

std::optional<TakeOutcome> refusal_of(const UnreadArrival& arrival) noexcept {
  if (arrival.descriptors != 1) return TakeOutcome::NoDescriptor;
  if (arrival.known) return TakeOutcome::WrongCookie;  // one end point cannot be two
  if (!arrival.has_room) return TakeOutcome::NoCredit;
  return std::nullopt;
}

Bytes encode_unread_answer(MutableBytes room, const UnreadCall& call, TakeOutcome outcome) {
  const TakenItem answer{call.move, outcome, outcome == TakeOutcome::Taken ? call.item.descriptor : -1};
  return encode(room, std::span{&answer, 1});
}

}  // namespace baton::handoff
