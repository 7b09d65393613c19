// SPDX-License-Identifier: MIT
#include "recognise/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/proxy_protocol.hpp"

namespace baton::recognise {
namespace {

constexpr std::string_view start_1 = "PROXY ";
constexpr std::size_t longest_line = 107;  // §2.1, CR LF included
constexpr std::string_view start_2 = proxy_v2::signature;
constexpr std::size_t fixed_2 = 16;

// §2.2: the lower half of octet 13, and octet 14.
namespace command {
constexpr unsigned local = 0;
constexpr unsigned proxy = 1;
}  // namespace command
namespace family {
constexpr std::uint8_t tcp_v4 = proxy_v2::tcp_over_ipv4;
constexpr std::uint8_t udp_v4 = 0x12;
constexpr std::uint8_t tcp_v6 = proxy_v2::tcp_over_ipv6;
constexpr std::uint8_t udp_v6 = 0x22;
constexpr std::uint8_t unix_stream = 0x31;
constexpr std::uint8_t unix_datagram = 0x32;
constexpr std::size_t unix_octets = 216;
}  // namespace family

// §2.2.1 to §2.2.6
namespace type {
constexpr std::uint8_t alpn = 0x01;
constexpr std::uint8_t authority = 0x02;
constexpr std::uint8_t crc32c = 0x03;
constexpr std::uint8_t unique_id = 0x05;
constexpr std::uint8_t ssl = 0x20;
constexpr std::uint8_t ssl_common_name = 0x22;
constexpr std::size_t longest_unique_id = 128;
constexpr std::uint8_t client_tls = 0x01;
constexpr std::uint8_t client_certificate = 0x02 | 0x04;  // of this connection, or of the session
}  // namespace type

ProxyHeader faulty(std::uint8_t version, std::string_view what) {
  ProxyHeader header;
  header.version = version;
  header.fault = what;
  return header;
}

/// The next word up to a blank; fails with an empty word.
std::string_view next_word(std::string_view& line) noexcept {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(word.size() + 1, line.size()));
  return word;
}

bool read_port(std::string_view text, std::uint16_t& port) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size();
}

/// §2.1: "PROXY TCP4 SOURCE DESTINATION PORT PORT"; behind UNKNOWN anything may follow. `line` is what stands behind
/// the first word.
ProxyHeader read_line(std::string_view line) {
  constexpr std::string_view malformed = "the PROXY line is malformed";
  ProxyHeader header;
  const std::string_view protocol = next_word(line);
  if (protocol == "UNKNOWN") return header;
  if (protocol != "TCP4" && protocol != "TCP6") return faulty(1, malformed);
  const bool v4 = protocol == "TCP4";
  const auto address = [v4](std::string_view text) -> std::optional<IpAddress> {
    return text.contains(':') == v4 ? std::nullopt : IpAddress::parse(text);
  };
  header.source = address(next_word(line));
  header.destination = address(next_word(line));
  const bool ports = read_port(next_word(line), header.source_port) && read_port(line, header.destination_port);
  if (!header.source || !header.destination || !ports) return faulty(1, malformed);
  return header;
}

Verdict<ProxyHeader> recognise_line(Bytes octets) {
  const std::string_view text = as_text(octets.first(std::min(octets.size(), longest_line)));
  if (!start_1.starts_with(text.substr(0, start_1.size()))) return Not{"no PROXY header"};
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos)
    return text.size() < longest_line ? Verdict<ProxyHeader>{NeedMore{text.size() + 1}}
                                      : faulty(1, "the PROXY line is too long");
  ProxyHeader header = read_line(text.substr(start_1.size(), end - start_1.size()));
  header.octets = end + 2;
  return header;
}

/// CRC-32C (RFC 3720 B.4), bit by bit: a header is short and comes once a connection.
std::uint32_t crc32c(Bytes octets, std::uint32_t crc) noexcept {
  constexpr std::uint32_t polynomial = 0x82F63B78;
  for (const std::byte octet : octets) {
    crc ^= std::to_integer<std::uint32_t>(octet);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? polynomial : 0U);
  }
  return crc;
}

/// §2.2.4: over the whole header, the checksum itself taken as zero.
bool checksum_right(Bytes header, Bytes checksum) noexcept {
  const auto at = static_cast<std::size_t>(checksum.data() - header.data());
  constexpr std::array<std::byte, 4> zero{};
  std::uint32_t crc = crc32c(header.first(at), ~0U);
  crc = crc32c(header.subspan(at + zero.size()), crc32c(zero, crc));
  return ~crc == ByteReader{checksum}.u32();
}

/// §2.2.6: what the client had at the proxy: flags, the outcome of the certificate's check, vectors.
bool read_ssl(Bytes value, ProxyHeader& header) {
  ByteReader reader{value};
  const std::uint8_t client = reader.u8();
  const bool verified = reader.u32() == 0;
  header.tls = (client & type::client_tls) != 0;
  header.certified = header.tls && verified && (client & type::client_certificate) != 0;
  while (reader.ok() && !reader.at_end()) {
    const std::uint8_t kind = reader.u8();
    const Bytes text = reader.take(reader.u16());
    if (kind == type::ssl_common_name) header.common_name = as_text(text);
  }
  return reader.ok();
}

/// Nothing of it is believed before all of it is read.
std::string_view read_vectors(Bytes whole, Bytes vectors, ProxyHeader& header) {
  ByteReader reader{vectors};
  while (!reader.at_end()) {
    const std::uint8_t kind = reader.u8();
    const Bytes value = reader.take(reader.u16());
    if (!reader.ok()) return "a vector runs past the PROXY header";
    switch (kind) {
      case type::alpn:
        header.alpn = as_text(value);
        break;
      case type::authority:
        header.authority = as_text(value);
        break;
      case type::unique_id:
        if (value.size() > type::longest_unique_id) return "the unique id in the PROXY header is too long";
        header.unique_id = as_text(value);
        break;
      case type::crc32c:
        if (value.size() != 4 || !checksum_right(whole, value)) return "the checksum of the PROXY header is wrong";
        break;
      case type::ssl:
        if (!read_ssl(value, header)) return "the TLS part of the PROXY header is malformed";
        break;
      default:  // §2.2.7: unknown and private ones are passed over
        break;
    }
  }
  return {};
}

bool read_addresses(ByteReader& reader, std::size_t size, ProxyHeader& header) {
  header.source = IpAddress::from(reader.take(size));
  header.destination = IpAddress::from(reader.take(size));
  header.source_port = reader.u16();
  header.destination_port = reader.u16();
  return reader.ok();
}

/// `whole`: the header from its signature to its end.
ProxyHeader read_binary(Bytes whole) {
  const auto octet = [whole](std::size_t at) { return std::to_integer<std::uint8_t>(whole[at]); };
  ProxyHeader header;
  header.version = 2;
  header.octets = whole.size();
  // §2.2: LOCAL: the proxy speaks for itself; the addresses are to be passed over, and so is what goes with them.
  if ((octet(12) & 0x0FU) == command::local) return header;
  ByteReader reader{whole.subspan(fixed_2)};
  bool complete = true;
  switch (octet(13)) {
    case family::tcp_v4:
    case family::udp_v4:
      complete = read_addresses(reader, 4, header);
      break;
    case family::tcp_v6:
    case family::udp_v6:
      complete = read_addresses(reader, 16, header);
      break;
    case family::unix_stream:
    case family::unix_datagram:
      reader.take(family::unix_octets);
      complete = reader.ok();
      break;
    default:  // UNSPEC: how long the addresses are is not known, so nothing behind them is either
      return header;
  }
  const std::string_view wrong =
      complete ? read_vectors(whole, reader.take_rest(), header) : "the addresses run past the PROXY header";
  if (wrong.empty()) return header;
  ProxyHeader refused = faulty(2, wrong);
  refused.octets = whole.size();
  return refused;
}

Verdict<ProxyHeader> recognise_binary(Bytes octets, std::size_t most) {
  if (octets.size() < fixed_2) return NeedMore{fixed_2};
  const auto version_and_command = std::to_integer<unsigned>(octets[12]);
  if (version_and_command >> 4 != 2 || (version_and_command & 0x0F) > command::proxy)
    return faulty(2, "no version or command of the PROXY protocol");
  const std::size_t length = fixed_2 + ByteReader{octets.subspan(14, 2)}.u16();
  if (length > most) return faulty(2, "the PROXY header is too long");
  if (octets.size() < length) return NeedMore{length};
  return read_binary(octets.first(length));
}

}  // namespace

Verdict<ProxyHeader> recognise_proxy_header(Bytes octets, std::size_t most) {
  if (octets.empty()) return NeedMore{1};
  if (as_text(octets.first(1)) != start_2.substr(0, 1)) return recognise_line(octets);
  const std::string_view text = as_text(octets.first(std::min(octets.size(), start_2.size())));
  if (!start_2.starts_with(text)) return Not{"no PROXY header"};
  if (text.size() < start_2.size()) return NeedMore{text.size() + 1};
  return recognise_binary(octets, most);
}

}  // namespace baton::recognise
