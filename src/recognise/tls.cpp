// SPDX-License-Identifier: MIT
#include "recognise/tls.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "recognise/host_name.hpp"

namespace baton::recognise {
namespace {

constexpr std::size_t record_header = 5;     // RFC 8446 §5.1: type, version, length
constexpr std::size_t handshake_header = 4;  // §4: type, length of three octets
constexpr std::size_t max_fragment = 16384;  // §5.1
constexpr std::byte handshake_record{22};
constexpr std::byte client_hello{1};
constexpr std::size_t random_octets = 32;
constexpr std::size_t max_session_id = 32;

namespace extension {
constexpr std::uint16_t server_name = 0;          // RFC 6066
constexpr std::uint16_t alpn = 16;                // RFC 7301
constexpr std::uint16_t supported_versions = 43;  // RFC 8446 §4.2.1
constexpr std::uint16_t encrypted_client_hello = 0xFE0D;
}  // namespace extension

// RFC 8446 §6.2
namespace alert {
constexpr std::uint8_t unexpected_message = 10;
constexpr std::uint8_t illegal_parameter = 47;
constexpr std::uint8_t decode_error = 50;
constexpr std::uint8_t protocol_version = 70;
}  // namespace alert

Tls fault(std::string_view what, std::uint8_t description) {
  Tls facts;
  facts.fault = what;
  facts.alert = description;
  return facts;
}
Tls undecodable(std::string_view what) { return fault(what, alert::decode_error); }

/// RFC 8701 §2: 0x0A0A, 0x1A1A ... 0xFAFA.
bool is_grease(std::uint16_t value) noexcept { return (value & 0x0F0F) == 0x0A0A && value >> 8 == (value & 0xFF); }
bool is_grease(Bytes name) noexcept { return name.size() == 2 && is_grease(ByteReader{name}.u16()); }

/// RFC 5246 E.2, RFC 6176: octet for octet plausible, so that no other protocol is taken for it.
Verdict<Tls> recognise_ssl_2(Bytes octets) {
  constexpr std::size_t header = 11;  // length, type, version, three lengths
  constexpr std::size_t most_challenge = 32;
  if (octets.size() < 3) return NeedMore{3};
  if (octets[2] != client_hello) return Not{"no TLS record"};
  if (octets.size() < header) return NeedMore{header};
  ByteReader reader{octets};
  const std::size_t length = reader.u16() & 0x7FFFU;
  reader.u8();
  const std::uint16_t version = reader.u16();
  const std::size_t ciphers = reader.u16();
  const std::size_t session = reader.u16();
  const std::size_t challenge = reader.u16();
  const bool plausible = (version == 0x0002 || version >> 8 == 3) && ciphers > 0 && ciphers % 3 == 0 &&
                         (session == 0 || session == 16) && challenge >= 16 && challenge <= most_challenge &&
                         length == header - 2 + ciphers + session + challenge;
  if (!plausible) return Not{"no TLS record"};
  return fault("a ClientHello in the form of SSL 2", alert::protocol_version);
}

/// The ClientHello that the records at the front hold, as far as it has come.
class HelloReader {
 public:
  HelloReader(Bytes octets, std::size_t most) : octets_{octets.first(std::min(octets.size(), most))}, most_{most} {}

  /// Facts are given for a fault only; nothing: body() has the whole hello.
  std::optional<Verdict<Tls>> read();
  [[nodiscard]] Bytes body() const noexcept { return hello().first(*total_).subspan(handshake_header); }

 private:
  [[nodiscard]] Bytes hello() const noexcept { return joined_.empty() ? single_ : Bytes{joined_}; }
  Verdict<Tls> need(std::size_t octets) const {
    if (octets > most_) return fault("the ClientHello is too long", alert::illegal_parameter);
    return NeedMore{octets};
  }
  std::optional<Verdict<Tls>> read_first_header() const;
  /// Adds a fragment; faults of the handshake header.
  std::optional<Verdict<Tls>> add(Bytes fragment);

  Bytes octets_;
  std::size_t most_;
  Bytes single_;                      // the first fragment, where one is enough
  std::vector<std::byte> joined_;     // all fragments, where it is not
  std::optional<std::size_t> total_;  // length of the hello, its header included
};

/// Says Not as early as an octet allows it: other protocols wait for it.
std::optional<Verdict<Tls>> HelloReader::read_first_header() const {
  if (octets_.empty()) return NeedMore{1};
  if (octets_[0] != handshake_record) return Not{"no TLS handshake record"};
  if (octets_.size() < 2) return NeedMore{2};
  // The minor version is to be ignored (RFC 8446 §5.1).
  if (octets_[1] != std::byte{3}) return Not{"no version of TLS"};
  if (octets_.size() < record_header) return NeedMore{record_header};
  const std::size_t length = ByteReader{octets_.subspan(3, 2)}.u16();
  if (length == 0 || length > max_fragment) return Not{"no length of a TLS record"};
  if (octets_.size() < record_header + 1) return NeedMore{record_header + 1};
  if (octets_[record_header] != client_hello) return Not{"a TLS record that begins with no ClientHello"};
  return std::nullopt;
}

std::optional<Verdict<Tls>> HelloReader::add(Bytes fragment) {
  if (single_.empty()) {
    single_ = fragment;
  } else {
    if (joined_.empty()) joined_.assign(single_.begin(), single_.end());
    joined_.insert(joined_.end(), fragment.begin(), fragment.end());
  }
  if (total_ || hello().size() < handshake_header) return std::nullopt;
  const Bytes size = hello().subspan(1, 3);
  std::size_t body = 0;
  for (const std::byte octet : size) body = body << 8 | std::to_integer<std::size_t>(octet);
  total_ = handshake_header + body;
  if (record_header + *total_ > most_) return fault("the ClientHello is too long", alert::illegal_parameter);
  return std::nullopt;
}

std::optional<Verdict<Tls>> HelloReader::read() {
  if (auto early = read_first_header()) return early;
  for (std::size_t at = 0;;) {
    if (octets_.size() < at + record_header) return need(at + record_header);
    if (octets_[at] != handshake_record || octets_[at + 1] != std::byte{3})
      return fault("another record within the ClientHello", alert::unexpected_message);
    const std::size_t length = ByteReader{octets_.subspan(at + 3, 2)}.u16();
    // RFC 8446 §5.1: no empty fragments of handshake messages.
    if (length == 0 || length > max_fragment) return undecodable("a record within the ClientHello has a bad length");
    const std::size_t start = at + record_header;
    const std::size_t before = hello().size();
    if (auto wrong = add(octets_.subspan(start, std::min(length, octets_.size() - start)))) return wrong;
    if (total_ && hello().size() >= *total_) return std::nullopt;
    // The hello's end, or that of its header, if this record has it; else all of the record and the next header.
    const std::size_t wanted = total_.value_or(handshake_header) - before;
    if (start + length > octets_.size() || wanted <= length)
      return need(wanted <= length ? start + wanted : start + length + record_header);
    at = start + length;
  }
}

/// What read_extensions() has seen: each extension may occur once (RFC 8446 §4.2).
struct Seen {
  bool name = false;
  bool alpn = false;
  bool versions = false;
};

std::string_view read_server_name(Bytes data, Tls& facts) {
  ByteReader outer{data};
  ByteReader list{outer.take(outer.u16())};
  if (!outer.ok() || !outer.at_end() || list.at_end()) return "the server_name extension is malformed";
  while (list.ok() && !list.at_end()) {
    const std::uint8_t type = list.u8();
    const Bytes name = list.take(list.u16());
    if (!list.ok()) break;
    if (type != 0) continue;  // RFC 6066 §3 knows host_name alone
    if (!facts.server_name.empty()) return "two host names in the server_name extension";
    auto normal = normalise_name(as_text(name));
    if (!normal) return "the server name is no host name";
    facts.server_name = std::move(*normal);
  }
  return list.ok() ? std::string_view{} : "the server_name extension is malformed";
}

std::string_view read_alpn(Bytes data, Tls& facts) {
  ByteReader outer{data};
  ByteReader list{outer.take(outer.u16())};
  if (!outer.ok() || !outer.at_end() || list.at_end()) return "the ALPN extension is malformed";
  while (list.ok() && !list.at_end()) {
    const Bytes name = list.take(list.u8());
    // RFC 7301 §3.1: no empty names.
    if (!list.ok() || name.empty()) return "the ALPN extension is malformed";
    if (!is_grease(name)) facts.alpn.emplace_back(as_text(name));
  }
  return {};
}

std::string_view read_versions(Bytes data, Tls& facts) {
  ByteReader outer{data};
  ByteReader list{outer.take(outer.u8())};
  if (!outer.ok() || !outer.at_end() || list.at_end() || list.remaining() % 2 != 0)
    return "the supported_versions extension is malformed";
  facts.versions.clear();
  while (!list.at_end())
    if (const std::uint16_t version = list.u16(); !is_grease(version)) facts.versions.push_back(version);
  return {};
}

std::string_view read_extension(std::uint16_t type, Bytes data, Tls& facts, Seen& seen) {
  constexpr std::string_view twice = "an extension occurs twice";
  switch (type) {
    case extension::server_name:
      return std::exchange(seen.name, true) ? twice : read_server_name(data, facts);
    case extension::alpn:
      return std::exchange(seen.alpn, true) ? twice : read_alpn(data, facts);
    case extension::supported_versions:
      return std::exchange(seen.versions, true) ? twice : read_versions(data, facts);
    case extension::encrypted_client_hello:
      facts.encrypted_hello = true;
      return {};
    default:
      return {};
  }
}

Tls read_hello(Bytes body) {
  Tls facts;
  ByteReader reader{body};
  facts.versions.push_back(reader.u16());
  reader.take(random_octets);
  const Bytes session = reader.take(reader.u8());
  const Bytes ciphers = reader.take(reader.u16());
  const Bytes compression = reader.take(reader.u8());
  if (!reader.ok() || session.size() > max_session_id || ciphers.empty() || ciphers.size() % 2 != 0 ||
      compression.empty())
    return undecodable("the ClientHello is malformed");
  if (reader.at_end()) return facts;  // before TLS 1.3 there may be no extensions (RFC 5246 §7.4.1.2)
  ByteReader extensions{reader.take(reader.u16())};
  if (!reader.ok() || !reader.at_end()) return undecodable("the length of the extensions is wrong");
  Seen seen;
  while (!extensions.at_end()) {
    const std::uint16_t type = extensions.u16();
    const Bytes data = extensions.take(extensions.u16());
    if (!extensions.ok()) return undecodable("an extension runs past the ClientHello");
    const std::string_view wrong = read_extension(type, data, facts, seen);
    if (!wrong.empty()) return fault(wrong, alert::illegal_parameter);
  }
  return facts;
}

}  // namespace

Verdict<Tls> recognise_tls(Bytes octets, std::size_t most) {
  if (!octets.empty() && (octets[0] & std::byte{0x80}) != std::byte{0}) return recognise_ssl_2(octets);
  HelloReader hello{octets, most};
  if (auto early = hello.read()) return std::move(*early);
  return read_hello(hello.body());
}

}  // namespace baton::recognise
