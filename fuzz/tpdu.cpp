// SPDX-License-Identifier: MIT
// Octets as one TPDU: decoding, the head that decoding asks for, and encoding again what has come out.
#include <array>
#include <variant>

#include "cotp/tpdu.hpp"
#include "cotp/tpkt.hpp"
#include "fuzz/input.hpp"

namespace baton::cotp {
namespace {

using fuzz::same;

bool equal(const ConnectFields& a, const ConnectFields& b) {
  return a.destination_reference == b.destination_reference && a.source_reference == b.source_reference &&
         a.preferred_class == b.preferred_class && a.size == b.size && a.preferred_size == b.preferred_size &&
         same(a.calling, b.calling) && same(a.called, b.called) && same(a.user_data, b.user_data);
}
bool equal(const ConnectionRequest& a, const ConnectionRequest& b) {
  return equal(static_cast<const ConnectFields&>(a), b) && a.alternatives == b.alternatives;
}
bool equal(const DisconnectRequest& a, const DisconnectRequest& b) {
  return a.destination_reference == b.destination_reference && a.source_reference == b.source_reference &&
         a.reason == b.reason && same(a.additional_info, b.additional_info);
}
bool equal(const ErrorReport& a, const ErrorReport& b) {
  return a.destination_reference == b.destination_reference && a.cause == b.cause &&
         same(a.invalid_tpdu, b.invalid_tpdu);
}

/// `fits`: whether a TPDU of ours may say it.
template <typename T>
void encode_again(const T& value, bool fits) {
  std::array<std::byte, 256> room{};
  const std::size_t size = encode(value, room);
  BATON_REQUIRE((size > 0) == fits);
  if (!fits) return;
  const auto again = decode(Bytes{room}.first(size));
  BATON_REQUIRE(again.has_value() && std::holds_alternative<T>(*again));
  BATON_REQUIRE(equal(std::get<T>(*again), value));
}

struct EncodeAgain {
  std::size_t length;
  void operator()(const ConnectionRequest& request) const { encode_again(request, true); }
  void operator()(const ConnectionConfirm& confirm) const { encode_again(confirm, true); }
  void operator()(const DisconnectRequest& request) const {
    encode_again(request, request.additional_info.size() <= max_disconnect_info);
  }
  void operator()(const ErrorReport& report) const {
    encode_again(report, report.invalid_tpdu.size() <= max_connect_octets);
  }
  void operator()(const Data& data) const {
    BATON_REQUIRE(data.payload_offset + data.payload_length == length);
    BATON_REQUIRE(data.payload_length > 0 || data.end_of_tsdu);
    BATON_REQUIRE(decode(encode_data_header(data.end_of_tsdu), length).has_value());
  }
};

/// The head that is needed, asked for as a carrier does, with three octets at first: no more than two questions.
std::size_t asked_head(Bytes tpdu) {
  const std::size_t first = head_needed({}, tpdu.size());
  BATON_REQUIRE(first <= data_header_octets && first <= tpdu.size());
  const std::size_t second = head_needed(tpdu.first(first), tpdu.size());
  BATON_REQUIRE(second >= first && second <= tpdu.size() && second <= 255);
  BATON_REQUIRE(head_needed(tpdu.first(second), tpdu.size()) == second);
  return second;
}

void run(Bytes tpdu) {
  const auto length = decode_tpkt(tpdu);
  BATON_REQUIRE(!length || (*length >= min_tpdu_octets && *length <= max_tpdu_octets));

  const std::size_t head = asked_head(tpdu);
  if (head > 0) BATON_REQUIRE(decode(tpdu.first(head - 1), tpdu.size()).error().fault == Fault::Incomplete);
  const auto decoded = decode(tpdu.first(head), tpdu.size());
  const auto whole = decode(tpdu);
  BATON_REQUIRE(decoded.has_value() == whole.has_value());
  if (!decoded) {
    const DecodeError& error = decoded.error();
    BATON_REQUIRE(error.fault != Fault::Incomplete && error.fault == whole.error().fault);
    BATON_REQUIRE(!describe(error.fault).empty());
    BATON_REQUIRE(error.offending.size() <= max_connect_octets && error.offending.size() <= head);
    BATON_REQUIRE(same(error.offending, tpdu.first(error.offending.size())));
    encode_again(ErrorReport{error.source_reference, error.cause, error.offending}, true);
    return;
  }
  BATON_REQUIRE(decoded->index() == whole->index());
  std::visit(EncodeAgain{tpdu.size()}, *decoded);
}

}  // namespace
}  // namespace baton::cotp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::cotp::run(std::as_bytes(std::span{data, size}));
  return 0;
}
