// SPDX-License-Identifier: MIT
#include "cli/iso_form.hpp"

#include <utility>

#include "cli/iso_names.hpp"

namespace baton::cli {
namespace {

constexpr std::string_view blanks = " \t\r";

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string for_terminal(std::string_view octets) {
  std::string text;
  // Tabs, and everything above ASCII: letters in UTF-8.
  for (const char c : octets)
    if (const auto octet = static_cast<unsigned char>(c); octet >= 0x80 || c == '\t')
      text += c;
    else
      text += visible({&c, 1});
  return text;
}

}  // namespace

std::expected<std::string, std::string> octets_of_hex(std::string_view line) {
  std::string octets;
  for (std::size_t at = line.find_first_not_of(blanks); at != std::string_view::npos;
       at = line.find_first_not_of(blanks, at + 2)) {
    const int high = digit(line[at]);
    const int low = at + 1 < line.size() ? digit(line[at + 1]) : -1;
    if (high < 0 || low < 0)
      return std::unexpected{"'" + visible(line.substr(at, 2)) + "' is no octet of two hexadecimal digits"};
    octets += static_cast<char>(high * 16 + low);
  }
  return octets;
}

std::string hex_of_octets(std::string_view octets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(3 * octets.size());
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    if (!text.empty()) text += ' ';
    text += digits[octet >> 4];
    text += digits[octet & 15];
  }
  return text;
}

void TsduCutter::line(std::string text, Cut& cut) {
  ++lines_;
  const auto left_out = [&](const std::string& why) {
    cut.problems.push_back("line " + std::to_string(lines_) + " is left out: " + why);
  };
  if (form_ == Form::Hex) {
    auto octets = octets_of_hex(text);
    if (!octets) return left_out(octets.error());
    text = std::move(*octets);
  }
  if (text.empty()) return left_out("a TSDU has at least one octet");
  cut.tsdus.push_back(std::move(text));
}

Cut TsduCutter::feed(std::string_view octets) {
  Cut cut;
  switch (form_) {
    case Form::Raw:
      if (!octets.empty()) cut.tsdus.emplace_back(octets);
      return cut;
    case Form::One:
      held_ += octets;
      return cut;
    case Form::Text:
    case Form::Hex:
      break;
  }
  for (std::size_t end = octets.find('\n'); end != std::string_view::npos; end = octets.find('\n')) {
    held_ += octets.substr(0, end);
    line(std::exchange(held_, {}), cut);
    octets.remove_prefix(end + 1);
  }
  held_ += octets;
  return cut;
}

Cut TsduCutter::finish() {
  Cut cut;
  if (held_.empty()) return cut;
  if (form_ == Form::One)
    cut.tsdus.push_back(std::exchange(held_, {}));
  else
    line(std::exchange(held_, {}), cut);
  return cut;
}

std::string TsduPrinter::part(std::string_view octets, bool end) {
  std::string text;
  switch (form_) {
    case Form::Raw:
    case Form::One:
      return std::string{octets};
    case Form::Text:
      text = to_terminal_ ? for_terminal(octets) : std::string{octets};
      break;
    case Form::Hex:
      if (in_line_ && !octets.empty()) text = " ";
      text += hex_of_octets(octets);
      break;
  }
  in_line_ = !end && (in_line_ || !octets.empty());
  if (end) text += '\n';
  return text;
}

}  // namespace baton::cli
