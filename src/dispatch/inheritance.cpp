// SPDX-License-Identifier: MIT
#include "dispatch/inheritance.hpp"

#include <array>
#include <baton/selector.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace baton::dispatch {
namespace {

using nlohmann::json;

constexpr std::array<const char*, 3> kinds{"listener", "systemd", "metrics"};

/// The value of `key` where it is there and of that type: nothing throws.
template <class Value>
Value value_at(const json& object, const char* key, Value otherwise = {}) {
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  if constexpr (std::is_same_v<Value, std::string>) {
    return found->is_string() ? found->get<std::string>() : otherwise;
  } else {
    return found->is_number_integer() ? found->get<Value>() : otherwise;
  }
}

/// The steady clock is the same for all processes of the host (clock_gettime(2), CLOCK_MONOTONIC).
std::int64_t ticks_of(Clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

Clock::time_point time_of(std::int64_t ticks) {
  return Clock::time_point{std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds{ticks})};
}

std::string text_of(const json& told) { return told.dump(-1, ' ', false, json::error_handler_t::replace); }

std::expected<VisitorPtr, std::string> visitor_of(const json& told) {
  auto visitor = std::make_unique<Visitor>();
  visitor->listener = value_at<std::string>(told, "listener");
  visitor->accepted = time_of(value_at<std::int64_t>(told, "accepted_ns"));
  const auto peer = recognise::IpAddress::parse(value_at<std::string>(told, "peer"));
  const auto source = recognise::IpAddress::parse(value_at<std::string>(told, "source"));
  if (!peer || !source) return std::unexpected{"a client is described without its address"};
  visitor->peer = *peer;
  visitor->source = *source;
  visitor->peer_port = value_at<std::uint16_t>(told, "port");
  if (const auto until = value_at<std::int64_t>(told, "hold_until_ns")) visitor->hold_until = time_of(until);
  if (const auto version = value_at<std::uint8_t>(told, "proxy")) {
    auto& proxy = visitor->facts.proxy.emplace(recognise::ProxyHeader{.version = version});
    if (auto to = recognise::IpAddress::parse(value_at<std::string>(told, "proxied_to"))) {
      proxy.source = *source;
      proxy.destination = *to;
      proxy.source_port = value_at<std::uint16_t>(told, "proxied_from_port");
      proxy.destination_port = value_at<std::uint16_t>(told, "proxied_to_port");
    }
  }
  return visitor;
}

}  // namespace

json to_json(const Inheritance& inheritance) {
  json pools = json::array();
  for (const auto& pool : inheritance.pools) {
    const auto tsap = Selector::from_text(pool.tsap).value_or(Selector{});
    pools.push_back({{"name", pool.name},
                     {"tsap", tsap.hex()},
                     {"workers", pool.workers},
                     {"drained", pool.drained},
                     {"drained_targets", pool.drained_targets}});
  }
  return {{"listeners", inheritance.listeners},
          {"systemd", inheritance.systemd},
          {"pools", std::move(pools)},
          {"control", inheritance.control},
          {"metrics", inheritance.metrics}};
}

Inheritance inheritance_of(const json& told) {
  Inheritance inheritance;
  const json nothing;
  const auto part = [&](const json& of, const char* key) -> const json& {
    const auto found = of.find(key);
    return found == of.end() ? nothing : *found;
  };
  for (const json& each : part(told, "listeners"))
    if (each.is_string()) inheritance.listeners.insert(each.get<std::string>());
  for (const auto& [name, count] : part(told, "systemd").items())
    if (count.is_number_unsigned()) inheritance.systemd[name] = count.get<std::size_t>();
  for (const json& each : part(told, "pools")) {
    const auto tsap = Selector::from_hex(value_at<std::string>(each, "tsap"));
    if (!tsap) continue;
    auto& pool = inheritance.pools.emplace_back();
    pool.name = value_at<std::string>(each, "name");
    pool.tsap = tsap->text();
    pool.workers = value_at<std::size_t>(each, "workers");
    for (const json& process : part(each, "drained"))
      if (process.is_number_integer()) pool.drained.push_back(process.get<pid_t>());
    for (const json& target : part(each, "drained_targets"))
      if (target.is_string()) pool.drained_targets.push_back(target.get<std::string>());
  }
  inheritance.control = value_at<std::string>(told, "control");
  inheritance.metrics = value_at<std::string>(told, "metrics");
  return inheritance;
}

std::string told_of(const Heirloom& heirloom) {
  return text_of({{"is", kinds[static_cast<std::size_t>(heirloom.kind)]}, {"name", heirloom.name}});
}

std::string told_of(const Visitor& visitor) {
  json told{{"is", "client"},
            {"listener", visitor.listener},
            {"accepted_ns", ticks_of(visitor.accepted)},
            {"peer", visitor.peer.text()},
            {"port", visitor.peer_port},
            {"source", visitor.source.text()}};
  if (visitor.hold_until != Clock::time_point{}) told["hold_until_ns"] = ticks_of(visitor.hold_until);
  if (const auto& proxy = visitor.facts.proxy) {
    told["proxy"] = proxy->version;
    // Its source is the visitor's. Of the rest of a header nothing is asked once it has been read.
    if (proxy->source && proxy->destination) {
      told["proxied_to"] = proxy->destination->text();
      told["proxied_from_port"] = proxy->source_port;
      told["proxied_to_port"] = proxy->destination_port;
    }
  }
  return text_of(told);
}

std::expected<Legacy, std::string> legacy_of(Bytes blob) {
  const json told = json::parse(as_text(blob), nullptr, false);
  if (!told.is_object()) return std::unexpected{"an end point comes without its description"};
  const std::string is = value_at<std::string>(told, "is");
  Legacy legacy;
  if (is == "client") {
    auto visitor = visitor_of(told);
    if (!visitor) return std::unexpected{std::move(visitor.error())};
    legacy.visitor = std::move(*visitor);
    return legacy;
  }
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (is != kinds[i]) continue;
    legacy.listening.kind = static_cast<Heirloom::Kind>(i);
    legacy.listening.name = value_at<std::string>(told, "name");
    return legacy;
  }
  return std::unexpected{"\"" + is + "\" is none of the end points that this batond knows"};
}

}  // namespace baton::dispatch
