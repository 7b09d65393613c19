// SPDX-License-Identifier: MIT
#include "recognise/http1.hpp"

#include <algorithm>
#include <optional>

#include "recognise/host_name.hpp"

namespace baton::recognise {
namespace {

constexpr std::size_t max_method = 32;
constexpr std::string_view version_start = "HTTP/1.";
constexpr std::uint16_t head_too_large = 431;  // RFC 6585 §5
constexpr std::string_view blanks = " \t";

/// RFC 9110 §5.6.2
bool is_token_character(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.contains(c);
}
/// Octets above ASCII are no URI's, and occur.
bool is_target_character(char c) noexcept { return static_cast<unsigned char>(c) > ' ' && c != '\x7f'; }

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::uint8_t minor = 0;
  std::size_t end = 0;  ///< of the line, in octets from the start
};

/// RFC 9112 §3: method SP request-target SP HTTP-version CRLF.
Verdict<RequestLine> read_request_line(std::string_view text) {
  const NeedMore more{text.size() + 1};
  RequestLine line;
  std::size_t at = 0;
  // §2.2: an empty line before it is to be ignored.
  if (text.starts_with('\r')) ++at;
  if (text.substr(at).starts_with('\n'))
    ++at;
  else if (at == 1)
    return text.size() == 1 ? Verdict<RequestLine>{more} : Not{"no request line"};

  const std::size_t method = at;
  while (at < text.size() && is_token_character(text[at]) && at - method <= max_method) ++at;
  if (at - method > max_method) return Not{"no method of HTTP"};
  if (at == text.size()) return more;
  if (text[at] != ' ' || at == method) return Not{"no method of HTTP"};
  line.method = text.substr(method, at - method);
  // "SSH-2.0 / HTTP/1.1" is an identification string, if a wrong one (RFC 4253 §4.2).
  if (line.method.starts_with("SSH-")) return Not{"no method of HTTP"};

  const std::size_t target = ++at;
  while (at < text.size() && is_target_character(text[at])) ++at;
  if (at == text.size()) return more;
  if (text[at] != ' ' || at == target) return Not{"no request line"};
  line.target = text.substr(target, at - target);

  ++at;
  const std::string_view version = text.substr(at, version_start.size());
  if (!version_start.starts_with(version)) return Not{"no version of HTTP/1"};
  at += version_start.size();
  if (at >= text.size()) return more;
  if (text[at] < '0' || text[at] > '9') return Not{"no version of HTTP/1"};
  line.minor = static_cast<std::uint8_t>(text[at] - '0');
  ++at;
  if (text.substr(at).starts_with('\r')) ++at;
  if (at >= text.size()) return more;
  if (text[at] != '\n') return Not{"no version of HTTP/1"};
  line.end = at + 1;
  return line;
}

/// Where the empty line that ends the fields ends; npos: not yet. `text` begins at the first field.
std::size_t end_of_head(std::string_view text) noexcept {
  if (text.starts_with("\r\n")) return 2;
  if (text.starts_with('\n')) return 1;
  const std::size_t strict = text.find("\n\r\n");
  const std::size_t lenient = text.substr(0, strict == std::string_view::npos ? strict : strict + 1).find("\n\n");
  if (lenient != std::string_view::npos) return lenient + 2;
  return strict == std::string_view::npos ? strict : strict + 3;
}

std::string_view trimmed(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

bool is_host(std::string_view name) noexcept {
  constexpr std::string_view host = "host";
  return std::ranges::equal(name, host, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

/// The fields, from the first to the empty line; the value of Host, where there is one.
std::string_view read_fields(std::string_view text, std::optional<std::string_view>& host) noexcept {
  while (true) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return {};
    // RFC 9112 §2.2; RFC 9110 §5.5
    if (line.contains('\r') || line.contains('\0')) return "a header field holds a control character";
    if (blanks.contains(line.front())) return "a folded header field";  // §5.2
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    // §5.1: no blank before the colon
    if (colon == std::string_view::npos || name.empty() || !std::ranges::all_of(name, is_token_character))
      return "a header field without a proper name";
    if (is_host(name)) {
      if (host) return "two Host fields";  // §3.2
      host = trimmed(line.substr(colon + 1));
    }
    text.remove_prefix(end + 1);
  }
}

/// RFC 9112 §3.2: the four forms of a target. The authority in it, where there is one.
std::optional<std::string_view> authority_in(const RequestLine& line) noexcept {
  if (line.method == "CONNECT") return line.target;
  if (line.target.front() == '/') return std::nullopt;
  const std::size_t scheme = line.target.find("://");
  if (scheme == std::string_view::npos || line.target.substr(0, scheme).contains('/')) return std::nullopt;
  const std::string_view rest = line.target.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

std::string_view read_path(const RequestLine& line) noexcept {
  if (line.method == "CONNECT") return {};
  const auto authority = authority_in(line);
  if (!authority) return path_of(line.target);
  const auto end = static_cast<std::size_t>(authority->data() - line.target.data()) + authority->size();
  const std::string_view path = path_of(line.target.substr(end));
  return path.empty() ? "/" : path;  // RFC 9110 §4.2.3
}

Http1 read_request(const RequestLine& line, std::string_view fields) {
  Http1 facts;
  facts.method = line.method;
  facts.target = line.target;
  facts.minor = line.minor;
  facts.path = read_path(line);
  facts.dot_segments = has_dot_segments(facts.path);
  std::optional<std::string_view> field;
  facts.fault = read_fields(fields, field);
  if (!facts.fault.empty()) return facts;
  // §3.2: a request of HTTP/1.1 has a Host, even if the target wins over it (§3.2.2).
  if (!field && line.minor > 0) facts.fault = "no Host field";
  const auto in_target = authority_in(line);
  auto named = normalise_authority(field.value_or(""));
  auto host = in_target ? normalise_authority(*in_target) : named;
  if (!named || !host) facts.fault = "the host is malformed";
  if (in_target && in_target->empty()) facts.fault = "a target without a host";
  if (facts.fault.empty()) facts.host = std::move(*host);
  return facts;
}

}  // namespace

std::string_view path_of(std::string_view target) noexcept { return target.substr(0, target.find_first_of("?#")); }

Verdict<Http1> recognise_http1(Bytes octets, std::size_t most) {
  const std::string_view text = as_text(octets.first(std::min(octets.size(), most)));
  const auto first = read_request_line(text);
  if (const auto* refused = std::get_if<Not>(&first)) return *refused;
  if (std::holds_alternative<NeedMore>(first))
    return text.size() < most ? Verdict<Http1>{std::get<NeedMore>(first)} : Not{"the request line is too long"};
  const auto& line = std::get<RequestLine>(first);
  const std::string_view fields = text.substr(line.end);
  const std::size_t end = end_of_head(fields);
  if (end != std::string_view::npos) return read_request(line, fields.substr(0, end));
  if (text.size() < most) return NeedMore{text.size() + 1};
  Http1 facts;
  facts.method = line.method;
  facts.fault = "the header fields are too long";
  facts.status = head_too_large;
  return facts;
}

}  // namespace baton::recognise
