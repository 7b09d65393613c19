// SPDX-License-Identifier: MIT
#include "dispatch/conversation.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

namespace baton::dispatch {
namespace {

using nlohmann::json;

constexpr std::size_t most_octets = std::size_t{16} << 20;

}  // namespace

std::expected<void, Error> say(Link& link, const json& message, Deadline deadline) {
  const std::string text = message.dump(-1, ' ', false, json::error_handler_t::replace);
  for (Octets rest{text}; !rest.empty();) {
    const auto sent = link.send(rest, deadline);
    if (!sent) return std::unexpected{sent.error()};
    rest = rest.from(*sent);
  }
  return {};
}

std::expected<json, Error> hear(Link& link, Inbox& inbox, Deadline deadline) {
  for (;;) {
    std::array<std::byte, 16384> room;
    const auto received = link.receive(room, deadline);
    if (!received) return std::unexpected{received.error()};
    inbox.octets += text_of(Octets{std::span{room}.first(received->size)});
    if (inbox.octets.size() > most_octets) return std::unexpected{Error{EPROTO, "a message without an end"}};
    if (!received->end_of_message) continue;
    json message = json::parse(std::exchange(inbox.octets, {}), nullptr, false);
    if (!message.is_object()) return std::unexpected{Error{EPROTO, "a message that is no JSON object"}};
    return message;
  }
}

std::string text_at(const json& message, const char* key) {
  const auto found = message.find(key);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

}  // namespace baton::dispatch
