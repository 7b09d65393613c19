// SPDX-License-Identifier: MIT
// baton: cotp/octets_for_tests.hpp: octets as the tests of this room and of transport write them.
//
// TpduBuilder knows RFC 905 §13 on its own and shares nothing with the encoder under test; it builds wrong TPDUs just
// as willingly. Tests only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace baton::cotp {

using Octets = std::vector<std::byte>;

/// "03 00 0016 e0": hexadecimal digits in pairs, blanks where they please.
inline Octets hex(std::string_view text) {
  std::string digits;
  for (const char each : text)
    if (each != ' ') digits += each;
  Octets octets;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
    octets.push_back(static_cast<std::byte>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return octets;
}

inline std::string to_hex(Bytes octets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte each : octets) {
    text += digits[std::to_integer<std::size_t>(each >> 4)];
    text += digits[std::to_integer<std::size_t>(each & std::byte{15})];
  }
  return text;
}

inline Octets repeated(std::size_t count, std::uint8_t value) { return Octets(count, std::byte{value}); }

class TpduBuilder {
 public:
  explicit TpduBuilder(std::initializer_list<int> after_length_indicator) {
    for (const int each : after_length_indicator) header_.push_back(static_cast<std::byte>(each));
  }
  static TpduBuilder request(int source_reference = 0x0102, int class_and_option = 0) {
    return TpduBuilder{{0xE0, 0, 0, source_reference >> 8, source_reference & 255, class_and_option}};
  }
  static TpduBuilder confirm(int destination, int source, int class_and_option = 0) {
    return TpduBuilder{{0xD0, destination >> 8, destination & 255, source >> 8, source & 255, class_and_option}};
  }

  TpduBuilder& parameter(int code, const Octets& value) {
    header_.push_back(static_cast<std::byte>(code));
    header_.push_back(static_cast<std::byte>(value.size()));
    header_.insert(header_.end(), value.begin(), value.end());
    return *this;
  }
  TpduBuilder& parameter(int code, std::string_view digits) { return parameter(code, hex(digits)); }
  /// Octets of the header that are no parameter.
  TpduBuilder& raw(std::string_view digits) {
    const Octets octets = hex(digits);
    header_.insert(header_.end(), octets.begin(), octets.end());
    return *this;
  }
  TpduBuilder& user_data(const Octets& octets) {
    user_data_ = octets;
    return *this;
  }
  TpduBuilder& length_indicator(int value) {
    length_indicator_ = value;
    return *this;
  }

  [[nodiscard]] Octets octets() const {
    Octets all;
    all.push_back(static_cast<std::byte>(length_indicator_ < 0 ? static_cast<int>(header_.size()) : length_indicator_));
    all.insert(all.end(), header_.begin(), header_.end());
    all.insert(all.end(), user_data_.begin(), user_data_.end());
    return all;
  }

 private:
  Octets header_;
  Octets user_data_;
  int length_indicator_ = -1;
};

}  // namespace baton::cotp
