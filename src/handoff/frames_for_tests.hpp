// SPDX-License-Identifier: MIT
// baton: handoff/frames_for_tests.hpp: frames as the tests of this room write them.
//
// Builder knows the layout on its own and shares nothing with the encoder under test. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "handoff/frames.hpp"

namespace baton::handoff {

using Octets = std::vector<std::byte>;

/// Writes frames from the layout alone and shares nothing with the encoder under test; wrong ones just as willingly.
class Builder {
 public:
  explicit Builder(int type, std::uint64_t move = 0, int flags = 0, int version = 1)
      : type_{type}, flags_{flags}, version_{version}, move_{move} {}

  template <std::integral T>
  static void append(Octets& to, T value, int size) {
    const auto bits = static_cast<std::uint64_t>(value);
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) to.push_back(static_cast<std::byte>(bits >> shift));
  }
  Builder& field(int tag, const Octets& value) {
    append(payload_, tag, 2);
    append(payload_, value.size(), 4);
    return raw(value);
  }
  Builder& raw(const Octets& octets) {
    payload_.insert(payload_.end(), octets.begin(), octets.end());
    return *this;
  }
  [[nodiscard]] Octets octets() const {
    Octets frame{std::byte{255}};
    for (const int each : {version_, type_, flags_}) append(frame, each, 1);
    append(frame, payload_.size(), 4);
    append(frame, move_, 8);
    frame.insert(frame.end(), payload_.begin(), payload_.end());
    return frame;
  }

 private:
  int type_;
  int flags_;
  int version_;
  std::uint64_t move_;
  Octets payload_;
};

/// "ff 01": hexadecimal digits in pairs, blanks where they please.
inline Octets hex(std::string_view text) {
  std::string digits;
  for (const char each : text)
    if (each != ' ') digits += each;
  Octets octets;
  for (std::size_t at = 0; at < digits.size(); at += 2)
    octets.push_back(static_cast<std::byte>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return octets;
}

inline Octets filled(std::size_t count, int value = 0x5A) { return Octets(count, static_cast<std::byte>(value)); }
inline Octets copy(Bytes octets) { return {octets.begin(), octets.end()}; }
inline Octets operator+(Octets left, const Octets& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// What stands in front of the records of a CALL or TAKEN.
inline Octets records_head(std::size_t size, std::size_t count) {
  Octets head;
  Builder::append(head, size, 2);
  Builder::append(head, count, 2);
  return head;
}

inline constexpr int hello_type = 1, offer_type = 2, answer_type = 3, call_type = 4, taken_type = 5, cancel_type = 6,
                     cancelled_type = 7, credit_type = 8, held_type = 9, commit_type = 10, abort_type = 11,
                     complete_type = 12;
inline constexpr int versions_tag = 1, description_tag = 6, user_data_tag = 7, answer_tag = 8, call_tag = 9,
                     taken_tag = 10, blobs_tag = 11, iso_addresses_tag = 12, iso_images_tag = 13, group_tag = 14,
                     memfds_tag = 15, count_tag = 16;
inline constexpr int express = 1, held = 2;
inline constexpr std::size_t call_record = 53, taken_record = 13;
/// Before the sizes of the ISO image and of the blob were appended.
inline constexpr std::size_t old_call_record = 44;
inline constexpr std::uint64_t move = 0x0102030405060708;

inline const Octets versions = hex("0103");
inline const Octets description = hex("01 06 01 00000011 00000002 00010000 fffffffe") +
                                  hex("20010db8 00000000 00000000 00000001 01bb 00000003") +
                                  hex("fe800000 00000000 00000000 00000002 c001 00000004");
inline const Octets answer_field = hex("fffb 00000021 00001234");
// Kind and family are the octets 34 and 35; then the number, and what belongs to the end point of user data, ISO images
// and blobs, and whether the blob comes apart.
inline const Octets first_item = hex("0000000000000102 0000000100000000 01 1122334455667788 01 00000000000003e8") +
                                 hex("01 04 0000000c 00000002 00000000 00000000 00");
inline const Octets second_item = hex("ffffffffffffffff 0000000000000000 08 8877665544332211 00 7fffffffffffffff") +
                                  hex("03 07 00000400 00000001 00000003 00000000 00");
inline const Octets quiet_item = hex("0000000000000102 0000000100000000 01 1122334455667788 01 00000000000003e8") +
                                 hex("01 04 0000000c 00000000 00000000 00000000 00");
inline const Octets iso_item = hex("0000000000000102 0000000100000000 01 1122334455667788 01 00000000000003e8") +
                               hex("01 07 0000000c 00000000 00000005 00000000 00");
/// NSEL and 32 octets, of which the first counts that many.
inline const Octets iso_addresses = hex("02") + hex("484f535430303031 0102") + Octets(30) + hex("20") +
                                    hex("4020202020202020") + Octets(32, std::byte{0x41});
inline const Octets taken_item = hex("0102030405060708 00 00000007");

inline Octets hello_frame() {
  return Builder{hello_type}
      .field(versions_tag, versions)
      .field(2, hex("80000001"))
      .field(3, hex("00000010"))
      .field(4, hex("00004000"))
      .field(5, hex("00001234 000003e8"))
      .octets();
}
inline Octets offer_frame() {
  return Builder{offer_type, move}.field(description_tag, description).field(user_data_tag, hex("aabbcc")).octets();
}
inline Octets express_frame() {
  return Builder{call_type, move, express}
      .field(call_tag, records_head(call_record, 2) + first_item + second_item)
      .field(iso_images_tag, hex("e0e1e2"))
      .field(user_data_tag, hex("d0d1d2"))
      .octets();
}
inline Octets iso_offer_frame() {
  Octets iso = description;
  iso[1] = std::byte{7};
  return Builder{offer_type, move}.field(description_tag, iso).field(iso_addresses_tag, iso_addresses).octets();
}
inline Octets iso_call_frame() {
  return Builder{call_type, move}
      .field(call_tag, records_head(call_record, 1) + iso_item)
      .field(iso_images_tag, hex("e0e1e2e3e4"))
      .octets();
}
inline Octets taken_frame() {
  return Builder{taken_type, move}
      .field(taken_tag, records_head(taken_record, 2) + taken_item + hex("0102030405060709 04 ffffffff"))
      .octets();
}

struct Sample {
  const char* name;
  Octets octets;
};
/// A whole frame of each kind.
inline std::vector<Sample> samples() {
  return {
      {"HELLO", hello_frame()},
      {"OFFER", offer_frame()},
      {"ANSWER", Builder{answer_type, move}.field(answer_tag, answer_field).octets()},
      {"CALL", Builder{call_type, move}.field(call_tag, records_head(call_record, 1) + quiet_item).octets()},
      {"CALL, express", express_frame()},
      {"OFFER, ISO", iso_offer_frame()},
      {"CALL, ISO", iso_call_frame()},
      {"TAKEN", taken_frame()},
      {"CANCEL", Builder{cancel_type, move}.octets()},
      {"CANCELLED", Builder{cancelled_type, move}.octets()},
      {"CREDIT", Builder{credit_type}.field(3, hex("00000007")).octets()},
      {"HELD", Builder{held_type, move}.field(count_tag, hex("000007d1")).octets()},
      {"COMMIT", Builder{commit_type, move}.field(count_tag, hex("000007d1")).octets()},
      {"ABORT", Builder{abort_type, move}.octets()},
      {"COMPLETE", Builder{complete_type, move}.field(count_tag, hex("000007d1")).octets()},
  };
}

/// Where each field of a whole frame begins, and last where the frame ends.
inline std::vector<std::size_t> field_starts(const Octets& octets) {
  std::vector<std::size_t> starts{16};
  while (starts.back() < octets.size()) {
    ByteReader reader{Bytes{octets}.subspan(starts.back() + 2)};
    starts.push_back(starts.back() + 6 + reader.u32());
  }
  return starts;
}
inline void set_payload_length(Octets& octets) {
  Octets length;
  Builder::append(length, octets.size() - 16, 4);
  std::ranges::copy(length, octets.begin() + 4);
}

/// The octets stay, because what is decoded are views into them.
template <typename T>
T decoded(Octets given) {
  static std::deque<Octets> kept;
  const auto frame = decode(kept.emplace_back(std::move(given)));
  EXPECT_TRUE(frame.has_value()) << (frame ? 0 : static_cast<int>(frame.error()));
  const T* found = frame ? std::get_if<T>(&frame->body) : nullptr;
  EXPECT_NE(found, nullptr);
  return found != nullptr ? *found : T{};
}

inline void expect_error(const Octets& octets, FrameError error) {
  const auto frame = decode(octets);
  ASSERT_FALSE(frame.has_value());
  EXPECT_EQ(static_cast<int>(frame.error()), static_cast<int>(error));
}

/// True where both give the same frame.
inline bool same(const Octets& left, const Octets& right) {
  const auto a = decode(left);
  const auto b = decode(right);
  if (!a || !b || a->move != b->move || a->body.index() != b->body.index()) return false;
  const auto bytes_equal = [](Bytes x, Bytes y) { return std::ranges::equal(x, y); };
  const auto items_equal = [](const auto& x, const auto& y) {
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (x[i] != y[i]) return false;
    return true;
  };
  return std::visit(
      [&]<typename T>(const T& x) {
        const T& y = std::get<T>(b->body);
        if constexpr (std::is_same_v<T, Hello>)
          return x == y;
        else if constexpr (std::is_same_v<T, Offer>)
          return x.description == y.description && bytes_equal(x.user_data, y.user_data);
        else if constexpr (std::is_same_v<T, Answer>)
          return x.bind_ok == y.bind_ok && x.server_descriptor == y.server_descriptor &&
                 x.transport_reference == y.transport_reference;
        else if constexpr (std::is_same_v<T, Call>)
          return x.express == y.express && items_equal(x.items, y.items) && bytes_equal(x.user_data, y.user_data) &&
                 bytes_equal(x.iso_images, y.iso_images);
        else if constexpr (std::is_same_v<T, Taken>)
          return items_equal(x.items, y.items);
        else if constexpr (std::is_same_v<T, Credit>)
          return x.more == y.more;
        else if constexpr (std::is_same_v<T, Unsupported>)
          return x.type == y.type;
        else
          return true;
      },
      a->body);
}

}  // namespace baton::handoff
