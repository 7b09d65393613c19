// SPDX-License-Identifier: MIT
#include "recognise/ending.hpp"

#include <array>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "cotp/tpdu.hpp"
#include "cotp/tpkt.hpp"

namespace baton::recognise {
namespace {

using Octets = std::vector<std::byte>;

void put(Octets& octets, Bytes more) { octets.insert(octets.end(), more.begin(), more.end()); }
void put(Octets& octets, std::string_view text) { put(octets, as_bytes(text)); }
template <std::unsigned_integral Number>
void put_number(Octets& octets, Number number) {
  std::array<std::byte, sizeof(Number)> room{};
  ByteWriter{room}.number(number);
  put(octets, room);
}

// RFC 8446 §6.2; RFC 6066 §3 for the name
std::uint8_t alert_of(Ending why) noexcept {
  constexpr std::uint8_t access_denied = 49;
  constexpr std::uint8_t internal_error = 80;
  constexpr std::uint8_t unrecognized_name = 112;
  switch (why) {
    case Ending::NoRoute:
      return unrecognized_name;
    case Ending::NoWorker:
      return internal_error;
    case Ending::Refused:
      return access_denied;
  }
  return internal_error;
}

std::uint16_t status_of(Ending why) noexcept {
  constexpr std::uint16_t forbidden = 403;
  constexpr std::uint16_t misdirected = 421;
  constexpr std::uint16_t unavailable = 503;
  switch (why) {
    case Ending::NoRoute:
      return misdirected;
    case Ending::NoWorker:
      return unavailable;
    case Ending::Refused:
      return forbidden;
  }
  return unavailable;
}

std::string_view phrase_of(std::uint16_t status) noexcept {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    default:
      return "Service Unavailable";
  }
}

std::string_view sentence_of(Ending why) noexcept {
  switch (why) {
    case Ending::NoRoute:
      return "No server of this name is reached here.";
    case Ending::NoWorker:
      return "No server can take this connection now.";
    case Ending::Refused:
      return "This connection is refused.";
  }
  return {};
}

struct End {
  Ending why;
  std::chrono::seconds retry_after;

  Octets operator()(const Unknown&) const { return {}; }
  Octets operator()(const Silent&) const { return {}; }
  Octets operator()(const Ssh&) const { return {}; }
  Octets operator()(const PatternMatch&) const { return {}; }
  Octets operator()(const Tls& tls) const;
  Octets operator()(const Http1& http) const;
  Octets operator()(const Http2& http) const;
  Octets operator()(const Iso& iso) const;
  Octets operator()(const Postgres& postgres) const;
};

/// A record of type alert (RFC 8446 §5.1, §6): level fatal, description.
Octets End::operator()(const Tls& tls) const {
  const std::uint8_t description = tls.fault.empty() ? alert_of(why) : tls.alert;
  return {std::byte{21},
          std::byte{3},
          std::byte{3},
          std::byte{0},
          std::byte{2},
          std::byte{2},
          static_cast<std::byte>(description)};
}

Octets End::operator()(const Http1& http) const {
  const std::uint16_t status = http.fault.empty() ? status_of(why) : http.status;
  std::string body{http.fault.empty() ? sentence_of(why) : http.fault};
  body += '\n';
  std::string text = "HTTP/1.1 " + std::to_string(status) + ' ' + std::string{phrase_of(status)} + "\r\n";
  if (status == 503) text += "Retry-After: " + std::to_string(retry_after.count()) + "\r\n";  // RFC 9110 §10.2.3
  text +=
      "Content-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n";
  if (http.method != "HEAD") text += body;  // RFC 9110 §9.3.2
  Octets octets;
  put(octets, text);
  return octets;
}

// RFC 9113 §4.1, §6
enum FrameType : std::uint8_t { HeadersFrame = 1, SettingsFrame = 4, GoAwayFrame = 7 };

void put_frame(Octets& octets, FrameType type, std::uint8_t flags, std::uint32_t stream, Bytes payload) {
  put_number(octets, static_cast<std::uint32_t>(payload.size() << 8 | type));
  put_number(octets, flags);
  put_number(octets, stream);
  put(octets, payload);
}

/// A response without a body, its fields as literals that enter no table (RFC 7541 §6.2.2, names of Appendix A).
void put_response(Octets& octets, std::uint32_t stream, std::uint16_t status, std::chrono::seconds retry_after) {
  constexpr std::uint8_t end_stream_and_headers = 0x1 | 0x4;
  constexpr std::byte status_name{8};
  constexpr std::byte long_index{15};
  constexpr std::byte retry_after_name{53 - 15};
  const auto put_value = [](Octets& block, const std::string& value) {
    block.push_back(static_cast<std::byte>(value.size()));
    put(block, value);
  };
  Octets block{status_name};
  put_value(block, std::to_string(status));
  if (status == 503) {
    block.insert(block.end(), {long_index, retry_after_name});
    put_value(block, std::to_string(retry_after.count()));
  }
  put_frame(octets, HeadersFrame, end_stream_and_headers, stream, block);
}

/// The server's preface, SETTINGS (§3.4), comes before anything else.
Octets End::operator()(const Http2& http) const {
  constexpr std::uint32_t no_error = 0;
  constexpr std::uint32_t protocol_error = 1;
  Octets octets;
  put_frame(octets, SettingsFrame, 0, 0, {});
  const bool answers = http.fault.empty() && http.stream != 0;
  if (answers) put_response(octets, http.stream, status_of(why), retry_after);
  Octets last;
  put_number(last, answers ? http.stream : 0U);
  put_number(last, http.fault.empty() ? no_error : protocol_error);
  put_frame(octets, GoAwayFrame, 0, 0, last);
  return octets;
}

cotp::DisconnectReason reason_of(Ending why) noexcept {
  switch (why) {
    case Ending::NoRoute:
      return cotp::DisconnectReason::AddressUnknown;
    case Ending::NoWorker:
      return cotp::DisconnectReason::CongestionAtTsap;
    case Ending::Refused:
      break;
  }
  return cotp::DisconnectReason::NotSpecified;
}

Octets End::operator()(const Iso& iso) const {
  std::array<std::byte, cotp::max_error_octets> tpdu{};
  std::size_t size = 0;
  if (iso.fault.empty() || iso.selector_too_long) {
    const auto reason = iso.fault.empty() ? reason_of(why) : cotp::DisconnectReason::AddressUnknown;
    size = cotp::encode(cotp::DisconnectRequest{.destination_reference = iso.source_reference,
                                                .source_reference = 0,
                                                .reason = reason,
                                                .additional_info = {}},
                        tpdu);
  } else {
    size = cotp::encode(cotp::ErrorReport{iso.source_reference, iso.cause, as_bytes(iso.offending)}, tpdu);
  }
  std::array<std::byte, cotp::tpkt_header_octets + cotp::max_error_octets> packet{};
  const std::size_t length = cotp::encode_packet(Bytes{tpdu}.first(size), packet);
  BATON_CHECK(length > 0);
  return {packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(length)};
}

// PostgreSQL documentation, appendix PostgreSQL Error Codes.
std::string_view sqlstate_of(Ending why) noexcept {
  switch (why) {
    case Ending::NoRoute:
      return "08004";  // the server rejected establishment of the connection
    case Ending::NoWorker:
      return "57P03";  // cannot connect now
    case Ending::Refused:
      return "28000";  // invalid authorization specification
  }
  return "08004";
}

/// ErrorResponse: fields of one octet and a string, section Error and Notice Message Fields.
Octets End::operator()(const Postgres& postgres) const {
  // Its client expects no answer but the end of the connection.
  if (postgres.kind == Postgres::Kind::CancelRequest) return {};
  const bool faulty = !postgres.fault.empty();
  std::string fields;
  const auto add = [&fields](char field, std::string_view value) {
    fields += field;
    fields += value;
    fields += '\0';
  };
  add('S', "FATAL");
  add('V', "FATAL");
  add('C', faulty ? "08P01" : sqlstate_of(why));
  add('M', faulty ? postgres.fault : sentence_of(why));
  fields += '\0';
  Octets octets{std::byte{'E'}};
  put_number(octets, static_cast<std::uint32_t>(sizeof(std::uint32_t) + fields.size()));
  put(octets, fields);
  return octets;
}

}  // namespace

std::vector<std::byte> ending(const Facts& facts, Ending why, std::chrono::seconds retry_after) {
  return std::visit(End{why, retry_after}, facts.what);
}

}  // namespace baton::recognise
