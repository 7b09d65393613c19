// SPDX-License-Identifier: MIT
#include "codec.hpp"

#include <algorithm>
#include <variant>

namespace baton::sim {
namespace {

using handoff::FrameType;

constexpr std::int16_t refused = -1;

/// On the wire no move has the number 0: there it means that a CALL is for no group.
handoff::MoveId to_wire(Id move) { return handoff::MoveId{move} + 1; }
Id from_wire(handoff::MoveId move) { return static_cast<Id>(move - 1); }

handoff::CallItem to_call_item(const Item& item) {
  handoff::CallItem out;
  out.image.position = {item.position.consumed, item.position.written, 1};
  out.image.cookie = item.cookie;
  out.descriptor = item.connection;
  return out;
}

Bytes write(std::vector<std::byte>& room, const Frame& frame) {
  room.resize(std::max(
      {handoff::small_frame, handoff::call_size(frame.items.size()), handoff::taken_size(frame.items.size())}));
  const handoff::MoveId move = to_wire(frame.move);
  switch (frame.type) {
    case FrameType::Offer:
      return handoff::encode_head(room, move, handoff::Description{}, 0);
    case FrameType::Answer:
      return handoff::encode(room, move, handoff::Answer{frame.accepted ? std::int16_t{1} : refused, -1, 0});
    case FrameType::Call: {
      std::vector<handoff::CallItem> items;
      for (const Item& item : frame.items) items.push_back(to_call_item(item));
      const handoff::CallExtras extras{frame.group == none ? handoff::MoveId{0} : to_wire(frame.group), {}};
      return handoff::encode_call(room, move, frame.express, items, {}, 0, extras);
    }
    case FrameType::Taken: {
      std::vector<handoff::TakenItem> items;
      for (const Item& item : frame.items) items.push_back({to_wire(item.move), item.outcome, -1});
      return handoff::encode(room, items);
    }
    case FrameType::Cancel:
      return handoff::encode(room, move, handoff::Cancel{});
    case FrameType::Cancelled:
      return handoff::encode(room, move, handoff::Cancelled{});
    case FrameType::Credit:
      return handoff::encode(room, handoff::Credit{frame.more});
    case FrameType::Held:
      return handoff::encode(room, move, handoff::Held{frame.more});
    case FrameType::Commit:
      return handoff::encode(room, move, handoff::Commit{frame.more});
    case FrameType::Abort:
      return handoff::encode(room, move, handoff::Abort{});
    case FrameType::Complete:
      return handoff::encode(room, move, handoff::Complete{frame.more});
    case FrameType::Hello:
      break;
  }
  return {};
}

Frame read(const handoff::Frame& decoded, FrameType type, std::span<const Item> beside) {
  Frame frame;
  frame.type = type;
  frame.move = from_wire(decoded.move);
  if (const auto* answer = std::get_if<handoff::Answer>(&decoded.body)) frame.accepted = answer->bind_ok == 1;
  if (const auto* credit = std::get_if<handoff::Credit>(&decoded.body)) {
    frame.more = static_cast<std::uint8_t>(credit->more);
    frame.move = none;
  }
  const auto count = [&](const auto* body) {
    if (body != nullptr) frame.more = static_cast<std::uint8_t>(body->count);
  };
  count(std::get_if<handoff::Held>(&decoded.body));
  count(std::get_if<handoff::Commit>(&decoded.body));
  count(std::get_if<handoff::Complete>(&decoded.body));
  if (const auto* call = std::get_if<handoff::Call>(&decoded.body)) {
    frame.express = call->express;
    if (call->group != 0) frame.group = from_wire(call->group);
    for (std::size_t i = 0; i < call->items.size(); ++i) {
      const handoff::CallItem item = call->items[i];
      Item& in = frame.items.emplace_back();
      in.move = from_wire(decoded.move + i);
      in.connection = i < beside.size() ? beside[i].connection : none;
      in.cookie = static_cast<Id>(item.image.cookie);
      in.position = {static_cast<std::uint8_t>(item.image.position.consumed),
                     static_cast<std::uint8_t>(item.image.position.written)};
    }
  }
  if (const auto* taken = std::get_if<handoff::Taken>(&decoded.body)) {
    frame.move = none;
    for (std::size_t i = 0; i < taken->items.size(); ++i) {
      Item& in = frame.items.emplace_back();
      in.move = from_wire(taken->items[i].move);
      in.outcome = taken->items[i].outcome;
    }
  }
  return frame;
}

}  // namespace

bool travel(Frame& frame) {
  std::vector<std::byte> room;
  const Bytes written = write(room, frame);
  frame.octets.assign(written.begin(), written.end());
  Frame plain = frame;
  plain.octets.clear();
  const auto preview = handoff::preview_call(written);
  const bool announced = frame.type != FrameType::Call ||
                         (preview && preview->count == frame.items.size() && preview->express == frame.express);
  return !written.empty() && announced && arrive(frame) == plain;
}

Frame arrive(const Frame& frame) {
  if (frame.octets.empty()) return frame;
  const auto decoded = handoff::decode(frame.octets);
  if (!decoded) return {};
  return read(*decoded, static_cast<FrameType>(handoff::type_of(frame.octets)), frame.items);
}

}  // namespace baton::sim
