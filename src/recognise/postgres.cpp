// SPDX-License-Identifier: MIT
#include "recognise/postgres.hpp"

#include <algorithm>
#include <optional>

namespace baton::recognise {
namespace {

constexpr std::size_t longest_packet = 10000;
constexpr std::size_t head_octets = 8;  // length, code
constexpr std::uint32_t cancel_request = 80877102;
constexpr std::uint32_t tls_request = 80877103;
constexpr std::uint32_t gss_request = 80877104;
constexpr std::uint16_t major_version = 3;
constexpr std::size_t shortest_cancel_key = 4;
constexpr std::size_t longest_cancel_key = 256;

Postgres of_kind(Postgres::Kind kind) {
  Postgres facts;
  facts.kind = kind;
  return facts;
}
Postgres faulty(std::string_view what) {
  Postgres facts;
  facts.fault = what;
  return facts;
}

/// The next string, without its zero octet.
std::optional<std::string_view> next_string(std::string_view& rest) noexcept {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return text;
}

/// Pairs of name and value, then a zero octet. Of a name that occurs twice the last counts, as in the server.
Postgres read_startup(std::uint16_t minor, std::string_view rest) {
  Postgres facts;
  facts.minor = minor;
  while (true) {
    const auto name = next_string(rest);
    if (!name) return faulty("the start-up packet is malformed");
    if (name->empty()) break;
    const auto value = next_string(rest);
    if (!value) return faulty("the start-up packet is malformed");
    if (*name == "user") facts.user = *value;
    if (*name == "database") facts.database = *value;
    if (*name == "replication") facts.replication = *value != "false" && *value != "off" && *value != "0";
  }
  if (!rest.empty()) return faulty("the start-up packet is malformed");
  if (facts.user.empty()) return faulty("the start-up packet names no user");
  if (facts.database.empty()) facts.database = facts.user;
  return facts;
}

}  // namespace

Verdict<Postgres> recognise_postgres(Bytes octets, std::size_t most) {
  if (octets.empty()) return NeedMore{1};
  // No packet is longer than 16 bits can say.
  if (octets[0] != std::byte{0}) return Not{"no start-up packet of PostgreSQL"};
  if (octets.size() < 2) return NeedMore{2};
  if (octets[1] != std::byte{0}) return Not{"no start-up packet of PostgreSQL"};
  if (octets.size() < head_octets) return NeedMore{head_octets};
  ByteReader reader{octets};
  const std::size_t length = reader.u32();
  const std::uint32_t code = reader.u32();
  if (code == tls_request && length == head_octets) return of_kind(Postgres::Kind::TlsRequest);
  if (code == gss_request && length == head_octets) return of_kind(Postgres::Kind::GssRequest);
  const bool cancels = code == cancel_request && length >= head_octets + 4 + shortest_cancel_key &&
                       length <= head_octets + 4 + longest_cancel_key;
  if (!cancels && code >> 16 != major_version) return Not{"no version of PostgreSQL's protocol"};
  if (length <= head_octets || length > longest_packet) return Not{"no length of a start-up packet"};
  if (length > most) return faulty("the start-up packet is too long");
  if (octets.size() < length) return NeedMore{length};
  if (cancels) {
    Postgres facts = of_kind(Postgres::Kind::CancelRequest);
    facts.process = reader.u32();
    return facts;
  }
  return read_startup(static_cast<std::uint16_t>(code & 0xFFFF), as_text(octets.first(length).subspan(head_octets)));
}

}  // namespace baton::recognise
