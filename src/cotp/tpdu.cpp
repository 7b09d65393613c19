// SPDX-License-Identifier: MIT
#include "cotp/tpdu.hpp"

#include <algorithm>

namespace baton::cotp {
namespace {

namespace code {
constexpr std::uint8_t request = 0xE0;
constexpr std::uint8_t confirm = 0xD0;
constexpr std::uint8_t disconnect = 0x80;
constexpr std::uint8_t data = 0xF0;
constexpr std::uint8_t error = 0x70;
constexpr std::uint8_t type_mask = 0xF0;
}  // namespace code

// RFC 905 §13.3.4; F0 from X.224 (1995) §13.3.4c.
namespace parameter {
constexpr std::uint8_t tpdu_size = 0xC0;
constexpr std::uint8_t calling = 0xC1;
constexpr std::uint8_t invalid_tpdu = 0xC1;
constexpr std::uint8_t called = 0xC2;
constexpr std::uint8_t alternative_classes = 0xC7;
constexpr std::uint8_t additional_info = 0xE0;
constexpr std::uint8_t preferred_size = 0xF0;
}  // namespace parameter

// Octets of the fixed part that LI counts.
constexpr std::size_t connect_fixed = 6;
constexpr std::size_t disconnect_fixed = 6;
constexpr std::size_t error_fixed = 4;
constexpr std::size_t data_fixed = 2;

constexpr std::uint8_t reserved_length = 255;
constexpr std::size_t class_octet = 6;

std::uint8_t octet(Bytes bytes, std::size_t at) noexcept { return std::to_integer<std::uint8_t>(bytes[at]); }

bool is_connect(std::uint8_t tpdu_code) noexcept {
  const auto type = tpdu_code & code::type_mask;
  return type == code::request || type == code::confirm;
}

bool length_indicator_fits(std::uint8_t indicator, std::size_t tpdu_length) noexcept {
  return indicator != 0 && indicator != reserved_length && indicator < tpdu_length;
}

RejectCause cause_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::Incomplete:
    case Fault::LengthIndicator:
    case Fault::TooLong:
    case Fault::ParameterOverrun:
    case Fault::EmptyData:
      return RejectCause::NotSpecified;
    case Fault::UnknownType:
      return RejectCause::InvalidTpduType;
    case Fault::UnknownParameter:
      return RejectCause::InvalidParameterCode;
    case Fault::Credit:
    case Fault::ClassOrOption:
    case Fault::ParameterValue:
    case Fault::TpduNumber:
      return RejectCause::InvalidParameterValue;
  }
  return RejectCause::NotSpecified;
}

/// `octets` counts from LI to the bad octet, both included.
std::unexpected<DecodeError> fail(Fault fault, Bytes head, std::size_t octets) noexcept {
  DecodeError error;
  error.fault = fault;
  error.cause = cause_of(fault);
  error.offending = head.first(std::min(octets, head.size()));
  if (head.size() >= 2) error.in_error_report = octet(head, 1) == code::error;
  // Where the length is wrong the rest may not be at hand, and the answer must not depend on how much of it is.
  if (octets > 1 && head.size() > connect_fixed && is_connect(octet(head, 1)) && octet(head, 0) >= connect_fixed) {
    ByteReader references{head.subspan(4, 2)};
    error.source_reference = references.u16();
  }
  return std::unexpected{error};
}

/// One parameter: code, length, value. `at` is where its code stands, counted from LI.
struct Parameter {
  std::uint8_t code = 0;
  Bytes value;
  std::size_t at = 0;
};

/// Walks through the variable part of a header.
class ParameterReader {
 public:
  ParameterReader(Bytes header, std::size_t from) noexcept : header_{header}, at_{from} {}

  [[nodiscard]] bool at_end() const noexcept { return at_ == header_.size(); }
  [[nodiscard]] std::size_t at() const noexcept { return at_; }

  /// Nothing: the parameter at at() runs past the header.
  std::optional<Parameter> next() noexcept {
    ByteReader reader{header_.subspan(at_)};
    Parameter found{.code = reader.u8(), .value = {}, .at = at_};
    found.value = reader.take(reader.u8());
    if (!reader.ok()) return std::nullopt;
    at_ += 2 + found.value.size();
    return found;
  }

 private:
  Bytes header_;
  std::size_t at_;
};

enum class Verdict { Good, BadCode, BadLength, BadValue };

Verdict read_size(Bytes value, ConnectFields& fields) noexcept {
  if (value.size() != 1) return Verdict::BadLength;
  const auto size = tpdu_size_from_code(octet(value, 0));
  if (!size) return Verdict::BadValue;
  fields.size = size;
  return Verdict::Good;
}

Verdict read_preferred_size(Bytes value, ConnectFields& fields) noexcept {
  if (value.empty() || value.size() > 4) return Verdict::BadLength;
  std::uint32_t units = 0;
  for (const std::byte each : value) units = units << 8 | std::to_integer<std::uint32_t>(each);
  if (units == 0) return Verdict::BadValue;
  fields.preferred_size = units;
  return Verdict::Good;
}

/// The parameters that CR and CC share. Of a duplicate the last counts (RFC 905 §13.2.3).
Verdict read_shared(const Parameter& given, ConnectFields& fields) noexcept {
  switch (given.code) {
    case parameter::tpdu_size:
      return read_size(given.value, fields);
    case parameter::preferred_size:
      return read_preferred_size(given.value, fields);
    case parameter::calling:
      fields.calling = given.value;
      return Verdict::Good;
    case parameter::called:
      fields.called = given.value;
      return Verdict::Good;
    default:
      return Verdict::BadCode;
  }
}

/// Each octet holds a class in its upper half (RFC 905 §13.3.4).
bool read_alternatives(Bytes value, ClassSet& classes) noexcept {
  classes = {};
  for (const std::byte each : value) {
    const auto number = std::to_integer<std::uint8_t>(each);
    if ((number & 0x0F) != 0 || number >> 4 > max_class) return false;
    classes.insert(static_cast<std::uint8_t>(number >> 4));
  }
  return true;
}

/// Length, class, options and credit; the same for CR and CC.
std::expected<void, DecodeError> read_fixed(Bytes head, std::size_t tpdu_length, ConnectFields& fields) noexcept {
  if (tpdu_length > max_connect_octets) return fail(Fault::TooLong, head, 1);
  if (octet(head, 0) < connect_fixed) return fail(Fault::LengthIndicator, head, 1);
  ByteReader reader{head.subspan(2)};
  fields.destination_reference = reader.u16();
  fields.source_reference = reader.u16();
  const std::uint8_t class_and_option = reader.u8();
  fields.preferred_class = class_and_option >> 4;
  if (fields.preferred_class > max_class) return fail(Fault::ClassOrOption, head, class_octet + 1);
  // Classes 2 to 4 have credits and options, and a CR may prefer one of them while 0 will do.
  if (fields.preferred_class == 0) {
    if ((octet(head, 1) & 0x0F) != 0) return fail(Fault::Credit, head, 2);
    if ((class_and_option & 0x0F) != 0) return fail(Fault::ClassOrOption, head, class_octet + 1);
  }
  return {};
}

std::expected<Tpdu, DecodeError> decode_request(Bytes head, std::size_t tpdu_length) noexcept {
  ConnectionRequest request;
  if (const auto fixed = read_fixed(head, tpdu_length, request); !fixed) return std::unexpected{fixed.error()};
  const Bytes header = head.first(octet(head, 0) + std::size_t{1});
  ParameterReader parameters{header, 1 + connect_fixed};
  while (!parameters.at_end()) {
    const auto given = parameters.next();
    if (!given) return fail(Fault::ParameterOverrun, header, parameters.at() + 2);
    if (given->code == parameter::alternative_classes) {
      // The one variable parameter whose bad value is an error in a CR; beside class 0 it says nothing.
      if (request.preferred_class != 0 && !read_alternatives(given->value, request.alternatives))
        return fail(Fault::ParameterValue, head, given->at + 2 + given->value.size());
      continue;
    }
    // RFC 905 §13.2.3: unknown in a CR: ignore. Bad value: ours to choose; many peers send C0 values of their own.
    static_cast<void>(read_shared(*given, request));
  }
  const Bytes user_data = head.subspan(header.size());
  // More than RFC 1006 §5 allows is dropped whole: half of it would be worse than none, and a CR is never refused for
  // it.
  if (user_data.size() <= max_connect_data) request.user_data = user_data;
  return request;
}

std::expected<Tpdu, DecodeError> decode_confirm(Bytes head, std::size_t tpdu_length) noexcept {
  ConnectionConfirm confirm;
  if (const auto fixed = read_fixed(head, tpdu_length, confirm); !fixed) return std::unexpected{fixed.error()};
  const Bytes header = head.first(octet(head, 0) + std::size_t{1});
  ParameterReader parameters{header, 1 + connect_fixed};
  while (!parameters.at_end()) {
    const auto given = parameters.next();
    if (!given) return fail(Fault::ParameterOverrun, header, parameters.at() + 2);
    switch (read_shared(*given, confirm)) {
      case Verdict::Good:
        break;
      case Verdict::BadCode:
        return fail(Fault::UnknownParameter, head, given->at + 1);
      case Verdict::BadLength:
        return fail(Fault::ParameterValue, head, given->at + 2);
      case Verdict::BadValue:
        return fail(Fault::ParameterValue, head, given->at + 2 + given->value.size());
    }
  }
  confirm.user_data = head.subspan(header.size());
  if (confirm.user_data.size() > max_connect_data)
    return fail(Fault::TooLong, head, header.size() + max_connect_data + 1);
  return confirm;
}

/// The last parameter `wanted`. What is not shaped like a parameter ends the search: the connection is over anyway.
Bytes find_parameter(Bytes header, std::size_t from, std::uint8_t wanted) noexcept {
  Bytes found;
  ParameterReader parameters{header, from};
  while (!parameters.at_end()) {
    const auto given = parameters.next();
    if (!given) break;
    if (given->code == wanted) found = given->value;
  }
  return found;
}

std::expected<Tpdu, DecodeError> decode_disconnect(Bytes head) noexcept {
  if (octet(head, 0) < disconnect_fixed) return fail(Fault::LengthIndicator, head, 1);
  const Bytes header = head.first(octet(head, 0) + std::size_t{1});
  ByteReader reader{header.subspan(2)};
  DisconnectRequest request;
  request.destination_reference = reader.u16();
  request.source_reference = reader.u16();
  request.reason = static_cast<DisconnectReason>(reader.u8());
  request.additional_info = find_parameter(header, 1 + disconnect_fixed, parameter::additional_info);
  return request;
}

std::expected<Tpdu, DecodeError> decode_error(Bytes head) noexcept {
  if (octet(head, 0) < error_fixed) return fail(Fault::LengthIndicator, head, 1);
  const Bytes header = head.first(octet(head, 0) + std::size_t{1});
  ByteReader reader{header.subspan(2)};
  ErrorReport report;
  report.destination_reference = reader.u16();
  report.cause = static_cast<RejectCause>(reader.u8());
  report.invalid_tpdu = find_parameter(header, 1 + error_fixed, parameter::invalid_tpdu);
  return report;
}

std::expected<Tpdu, DecodeError> decode_data(Bytes head, std::size_t tpdu_length) noexcept {
  if (octet(head, 0) != data_fixed) return fail(Fault::LengthIndicator, head, 1);
  const std::uint8_t mark = octet(head, 2);
  if ((mark & 0x7F) != 0) return fail(Fault::TpduNumber, head, data_header_octets);
  Data data;
  data.payload_length = tpdu_length - data_header_octets;
  data.end_of_tsdu = mark != 0;
  if (data.payload_length == 0 && !data.end_of_tsdu) return fail(Fault::EmptyData, head, data_header_octets);
  return data;
}

void put_parameter(ByteWriter& writer, std::uint8_t parameter_code, Bytes value) noexcept {
  writer.u8(parameter_code);
  writer.u8(static_cast<std::uint8_t>(value.size()));
  writer.put(value);
}

/// F0 has the fewest octets that hold its value.
void put_preferred_size(ByteWriter& writer, std::uint32_t units) noexcept {
  std::array<std::byte, 4> octets{};
  ByteWriter number{octets};
  number.u32(units);
  const auto first = std::ranges::find_if(octets, [](std::byte each) { return each != std::byte{0}; });
  put_parameter(writer, parameter::preferred_size, Bytes{first, octets.end()});
}

std::size_t encode_connect(std::uint8_t tpdu_code, const ConnectFields& fields, ClassSet alternatives,
                           MutableBytes room) noexcept {
  if (fields.user_data.size() > max_connect_data || fields.preferred_class > max_class) return 0;
  // A selector that does not fit here could not be written with a length of one octet either.
  ByteWriter writer{room.first(std::min(room.size(), max_connect_octets))};
  writer.u8(0);  // LI, known below
  writer.u8(tpdu_code);
  writer.u16(fields.destination_reference);
  writer.u16(fields.source_reference);
  writer.u8(static_cast<std::uint8_t>(fields.preferred_class << 4));
  if (fields.size) {
    const auto size = static_cast<std::byte>(*fields.size);
    put_parameter(writer, parameter::tpdu_size, Bytes{&size, 1});
  }
  if (fields.preferred_size != 0) put_preferred_size(writer, fields.preferred_size);
  if (!fields.calling.empty()) put_parameter(writer, parameter::calling, fields.calling);
  if (!fields.called.empty()) put_parameter(writer, parameter::called, fields.called);
  if (!alternatives.empty()) {
    std::array<std::byte, max_class + 1> list{};
    std::size_t count = 0;
    for (std::uint8_t each = 0; each <= max_class; ++each)
      if (alternatives.contains(each)) list[count++] = static_cast<std::byte>(each << 4);
    put_parameter(writer, parameter::alternative_classes, Bytes{list}.first(count));
  }
  const std::size_t header = writer.size();
  writer.put(fields.user_data);
  if (!writer.ok()) return 0;
  room[0] = static_cast<std::byte>(header - 1);
  return writer.size();
}

}  // namespace

std::string_view describe(Fault fault) noexcept {
  switch (fault) {
    case Fault::Incomplete:
      return "more octets are needed";
    case Fault::LengthIndicator:
      return "the header length is wrong";
    case Fault::TooLong:
      return "the TPDU, or its user data, is too long";
    case Fault::UnknownType:
      return "the TPDU type does not exist in class 0";
    case Fault::Credit:
      return "a credit in class 0";
    case Fault::ClassOrOption:
      return "the class does not exist, or has no options";
    case Fault::ParameterOverrun:
      return "a parameter runs past the header";
    case Fault::UnknownParameter:
      return "a parameter that a confirmation cannot have";
    case Fault::ParameterValue:
      return "a parameter has a bad value";
    case Fault::TpduNumber:
      return "a data TPDU with a number in class 0";
    case Fault::EmptyData:
      return "a data TPDU without data that does not end its TSDU";
  }
  return "an unknown fault";
}

std::size_t head_needed(Bytes head, std::size_t tpdu_length) noexcept {
  const std::size_t least = std::min(tpdu_length, data_header_octets);
  if (head.size() < 2 || tpdu_length < 2) return least;
  const std::uint8_t indicator = octet(head, 0);
  const std::uint8_t tpdu_code = octet(head, 1);
  // What is wrong already needs no more octets to be refused.
  if (!length_indicator_fits(indicator, tpdu_length) || tpdu_length > max_tpdu_octets) return least;
  if (is_connect(tpdu_code)) return tpdu_length > max_connect_octets ? least : tpdu_length;
  if (tpdu_code == code::disconnect || tpdu_code == code::error) return std::max(indicator + std::size_t{1}, least);
  return least;
}

std::expected<Tpdu, DecodeError> decode(Bytes head, std::size_t tpdu_length) noexcept {
  head = head.first(std::min(head.size(), tpdu_length));
  if (head.size() < head_needed(head, tpdu_length)) return fail(Fault::Incomplete, head, head.size());
  if (head.empty() || !length_indicator_fits(octet(head, 0), tpdu_length)) return fail(Fault::LengthIndicator, head, 1);
  if (tpdu_length > max_tpdu_octets) return fail(Fault::TooLong, head, 1);
  const std::uint8_t tpdu_code = octet(head, 1);
  switch (tpdu_code & code::type_mask) {
    case code::request:
      return decode_request(head, tpdu_length);
    case code::confirm:
      return decode_confirm(head, tpdu_length);
    case code::disconnect:
      if (tpdu_code == code::disconnect) return decode_disconnect(head);
      break;
    case code::error:
      if (tpdu_code == code::error) return decode_error(head);
      break;
    case code::data:
      if (tpdu_code == code::data) return decode_data(head, tpdu_length);
      break;
    default:
      break;
  }
  return fail(Fault::UnknownType, head, 2);
}

std::size_t encode(const ConnectionRequest& request, MutableBytes room) noexcept {
  return encode_connect(code::request, request, request.alternatives, room);
}

std::size_t encode(const ConnectionConfirm& confirm, MutableBytes room) noexcept {
  return encode_connect(code::confirm, confirm, {}, room);
}

std::size_t encode(const DisconnectRequest& request, MutableBytes room) noexcept {
  const std::size_t info = request.additional_info.size();
  if (info > max_disconnect_info) return 0;
  ByteWriter writer{room};
  writer.u8(static_cast<std::uint8_t>(disconnect_fixed + (info == 0 ? 0 : 2 + info)));
  writer.u8(code::disconnect);
  writer.u16(request.destination_reference);
  writer.u16(request.source_reference);
  writer.u8(static_cast<std::uint8_t>(request.reason));
  if (info != 0) put_parameter(writer, parameter::additional_info, request.additional_info);
  return writer.ok() ? writer.size() : 0;
}

std::size_t encode(const ErrorReport& report, MutableBytes room) noexcept {
  const std::size_t returned = report.invalid_tpdu.size();
  if (returned > max_connect_octets) return 0;
  ByteWriter writer{room};
  writer.u8(static_cast<std::uint8_t>(error_fixed + 2 + returned));
  writer.u8(code::error);
  writer.u16(report.destination_reference);
  writer.u8(static_cast<std::uint8_t>(report.cause));
  put_parameter(writer, parameter::invalid_tpdu, report.invalid_tpdu);
  return writer.ok() ? writer.size() : 0;
}

}  // namespace baton::cotp
