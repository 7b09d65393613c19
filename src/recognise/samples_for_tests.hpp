// SPDX-License-Identifier: MIT
// baton: recognise/samples_for_tests.hpp: what clients of each protocol say first, and the laws of verdict.hpp.
//
// The builders know the protocols on their own, and share nothing with the recognisers. Tests and fuzzers only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// Big endian, `octets` of them.
inline std::string number(std::uint64_t value, std::size_t octets) {
  std::string text;
  for (std::size_t i = octets; i > 0; --i) text += static_cast<char>(value >> (8 * (i - 1)) & 0xFF);
  return text;
}
/// `text` behind its length, which has `octets` octets.
inline std::string sized(std::string_view text, std::size_t octets) {
  return number(text.size(), octets) + std::string{text};
}

inline std::string extension(unsigned type, std::string_view data) { return number(type, 2) + sized(data, 2); }
inline std::string server_name(std::string_view name) {
  return extension(0, sized(std::string(1, '\0') + sized(name, 2), 2));
}
inline std::string alpn(std::initializer_list<std::string_view> names) {
  std::string list;
  for (const std::string_view each : names) list += sized(each, 1);
  return extension(16, sized(list, 2));
}
inline std::string supported_versions(std::initializer_list<unsigned> versions) {
  std::string list;
  for (const unsigned each : versions) list += number(each, 2);
  return extension(43, sized(list, 1));
}

/// The handshake message, without records.
inline std::string client_hello(std::string_view extensions, std::string_view ciphers = "\x13\x01\x13\x02") {
  const std::string body = number(0x0303, 2) + std::string(32, 'r') + sized(std::string(32, 's'), 1) +
                           sized(ciphers, 2) + sized(std::string(1, '\0'), 1) + sized(extensions, 2);
  return number(1, 1) + sized(body, 3);
}
/// In records of at most `fragment` octets.
inline std::string in_records(std::string_view message, std::size_t fragment = 16384) {
  std::string records;
  for (; !message.empty(); message.remove_prefix(std::min(fragment, message.size())))
    records += "\x16\x03\x01" + sized(message.substr(0, fragment), 2);
  return records;
}

/// An HTTP/2 frame.
inline std::string frame(unsigned type, unsigned flags, std::uint32_t stream, std::string_view payload) {
  return number(payload.size(), 3) + number(type, 1) + number(flags, 1) + number(stream, 4) + std::string{payload};
}
inline constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A packet that begins a PostgreSQL connection.
inline std::string postgres_packet(std::uint32_t code, std::string_view rest) {
  return number(8 + rest.size(), 4) + number(code, 4) + std::string{rest};
}

inline constexpr std::string_view proxy_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
inline std::string proxy_vector(unsigned type, std::string_view value) { return number(type, 1) + sized(value, 2); }
/// A PROXY header of version 2.
inline std::string proxy_2(unsigned command, unsigned family, std::string_view rest) {
  return std::string{proxy_signature} + number(0x20 | command, 1) + number(family, 1) + sized(rest, 2);
}

/// Asks `ask` for every prefix. Empty, or the law that is broken. `step`: not every prefix but each such many.
template <class Ask>
std::string broken_law(Bytes octets, Ask ask, std::size_t step = 1) {
  using Answer = decltype(ask(octets));
  std::vector<Answer> decided;  // none or one
  std::size_t promised = 0;
  for (std::size_t size = 0; size <= octets.size();
       size = size + step > octets.size() && size < octets.size() ? octets.size() : size + step) {
    Answer answer = ask(octets.first(size));
    const auto* more = std::get_if<NeedMore>(&answer);
    const std::string where = " at " + std::to_string(size) + " of " + std::to_string(octets.size()) + " octets";
    if (!decided.empty()) {
      if (!(decided.front() == answer)) return "contradicts what it said" + where;
      continue;
    }
    if (more == nullptr) {
      if (size < promised)
        return "decides before the octets that it asked for, " + std::to_string(promised) + "," + where;
      decided.push_back(std::move(answer));
    } else {
      if (more->at_least <= size) return "asks for octets that it has" + where;
      promised = std::max(promised, more->at_least);
    }
  }
  return {};
}

}  // namespace baton::recognise
