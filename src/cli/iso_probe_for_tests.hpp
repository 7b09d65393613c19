// SPDX-License-Identifier: MIT
// baton: cli/iso_probe_for_tests.hpp: peers that answer the questions of a probe as they please. Tests only.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "cli/iso_form.hpp"
#include "cli/iso_probe.hpp"

namespace baton::cli::test {

/// "03 00 00 16 ...": octets of hexadecimal digits.
inline std::vector<std::byte> octets_of(std::string_view digits) {
  const std::string text = octets_of_hex(digits).value();
  const Bytes octets = as_bytes(text);
  return {octets.begin(), octets.end()};
}

/// The answer that these octets of a whole TPKT are.
inline Answer answer_of(std::string_view digits) { return read_answer(octets_of(digits), probe_reference); }
inline Answer answer_without_octets(Answer::Kind kind) {
  Answer answer;
  answer.kind = kind;
  return answer;
}

inline constexpr std::string_view called_text = "PLC";
inline ProbeSettings settings(bool malformed = false) {
  return {.called = *tsap::Selector::from_text(called_text),
          .calling = *tsap::Selector::from_text("ME"),
          .malformed = malformed};
}

/// What a peer that answers in this way is found to be.
inline std::vector<Finding> findings_of(const std::function<Answer(const Question&)>& peer, bool malformed = false) {
  std::vector<Finding> findings;
  for (const Question& each : questions(settings(malformed))) findings.push_back({each, peer(each)});
  return findings;
}

/// A CC of class 0 with a size and both TSELs.
inline Answer confirm(int size_code) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto code = static_cast<std::size_t>(size_code);
  return answer_of(std::string{"03 00 00 17 12 d0 0b 47 00 01 00 c0 01 "} + digits[code / 16] + digits[code % 16] +
                   " c1 02 4d 45 c2 03 50 4c 43");
}

}  // namespace baton::cli::test
