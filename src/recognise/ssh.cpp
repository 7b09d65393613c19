// SPDX-License-Identifier: MIT
#include "recognise/ssh.hpp"

#include <algorithm>

namespace baton::recognise {
namespace {

constexpr std::string_view start = "SSH-";
constexpr std::size_t longest_line = 255;  // CR LF included

Ssh faulty(std::string_view what) {
  Ssh facts;
  facts.fault = what;
  return facts;
}

}  // namespace

Verdict<Ssh> recognise_ssh(Bytes octets) {
  const std::string_view text = as_text(octets.first(std::min(octets.size(), longest_line)));
  // Only a server may say other lines before it.
  if (!start.starts_with(text.substr(0, start.size()))) return Not{"no identification string of SSH"};
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos)
    return text.size() < longest_line ? Verdict<Ssh>{NeedMore{text.size() + 1}}
                                      : faulty("the identification string is too long");
  // §5: old clients end it with LF alone.
  std::string_view line = text.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  line.remove_prefix(start.size());
  line = line.substr(0, line.find(' '));  // comments
  const std::size_t dash = line.find('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == line.size())
    return faulty("the identification string is malformed");
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  if (!std::ranges::all_of(line, visible)) return faulty("the identification string is malformed");
  return Ssh{.version = std::string{line.substr(0, dash)}, .software = std::string{line.substr(dash + 1)}};
}

}  // namespace baton::recognise
