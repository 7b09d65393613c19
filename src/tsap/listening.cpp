// SPDX-License-Identifier: MIT
#include "tsap/listening.hpp"

#include "tsap/hosts.hpp"

namespace baton::tsap {

std::optional<ListeningAddress> parse_listening_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const bool any = colon == 0;
  // Several colons are an IPv6 address, whose port stands behind brackets.
  if (!any && text.find(':') != colon && text[colon - 1] != ']') return std::nullopt;
  const auto parsed = parse_host_address(any ? "any" + std::string{text} : std::string{text});
  if (!parsed || parsed->port == 0) return std::nullopt;
  return ListeningAddress{any ? std::string{} : parsed->host, parsed->port};
}

}  // namespace baton::tsap
