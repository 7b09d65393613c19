// SPDX-License-Identifier: MIT
#include "recognise/recognise.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "recognise/http1.hpp"
#include "recognise/http2.hpp"
#include "recognise/iso.hpp"
#include "recognise/postgres.hpp"
#include "recognise/proxy_header.hpp"
#include "recognise/ssh.hpp"
#include "recognise/tls.hpp"

namespace baton::recognise {
namespace {

using Answer = Verdict<What>;

template <class Facts>
Answer widened(Verdict<Facts> verdict) {
  if (auto* facts = std::get_if<Facts>(&verdict)) return What{std::move(*facts)};
  if (const auto* more = std::get_if<NeedMore>(&verdict)) return *more;
  return std::get<Not>(verdict);
}

Answer ask_patterns(Bytes octets, const std::vector<Pattern>& patterns) {
  for (const Pattern& pattern : patterns) {
    Answer answer = widened(recognise_pattern(octets, pattern));
    if (!std::holds_alternative<Not>(answer)) return answer;
  }
  return Not{"no pattern"};
}

/// The preface of HTTP/2 looks like a request line of HTTP up to its version.
Answer ask_http(Bytes octets, std::size_t most) {
  Answer answer = widened(recognise_http2(octets, most));
  return std::holds_alternative<Not>(answer) ? widened(recognise_http1(octets, most)) : answer;
}

Answer ask(Protocol protocol, Bytes octets, const Questions& questions) {
  switch (protocol) {
    case Protocol::Iso:
    case Protocol::Rdp:
      return widened(recognise_iso(octets));
    case Protocol::Tls:
      return widened(recognise_tls(octets, questions.most_octets));
    case Protocol::Http1:
    case Protocol::Http2:
      return ask_http(octets, questions.most_octets);
    case Protocol::Ssh:
      return widened(recognise_ssh(octets));
    case Protocol::Postgres:
      return widened(recognise_postgres(octets, questions.most_octets));
    case Protocol::Pattern:
      return ask_patterns(octets, questions.patterns);
    case Protocol::Silent:
      // One octet, and it is not.
      return octets.empty() ? Answer{NeedMore{1}} : Not{"it has spoken"};
    case Protocol::Unknown:
      break;
  }
  return Not{"nothing to ask"};
}

/// The first that does not say Not.
Answer ask_all(Bytes octets, const Questions& questions) {
  for (const Protocol protocol : questions.protocols) {
    Answer answer = ask(protocol, octets, questions);
    if (!std::holds_alternative<Not>(answer)) return answer;
  }
  return What{Unknown{}};
}

/// The header in front, and what is behind it; NeedMore, or facts that end it here.
using Front = std::variant<NeedMore, Facts>;

Front read_front(Bytes octets, const Questions& questions) {
  Facts facts;
  if (questions.proxy == ProxyUse::Never) return facts;
  auto verdict = recognise_proxy_header(octets, questions.most_octets);
  if (const auto* more = std::get_if<NeedMore>(&verdict)) return *more;
  if (auto* header = std::get_if<ProxyHeader>(&verdict))
    facts.proxy = std::move(*header);
  else if (questions.proxy == ProxyUse::Required)
    facts.what = Unknown{"no PROXY header"};
  return facts;
}

std::size_t front_octets(const Facts& facts) noexcept { return facts.proxy ? facts.proxy->octets : 0; }

bool asks_http(const Questions& questions) noexcept {
  return std::ranges::any_of(questions.protocols,
                             [](Protocol each) { return each == Protocol::Http1 || each == Protocol::Http2; });
}

}  // namespace

std::variant<NeedMore, Facts> recognise(Bytes octets, const Questions& questions) {
  Front front = read_front(octets, questions);
  if (const auto* more = std::get_if<NeedMore>(&front)) return *more;
  Facts facts = std::get<Facts>(std::move(front));
  if (!fault_of(facts).empty()) return facts;
  const std::size_t skipped = front_octets(facts);
  Answer answer = ask_all(octets.subspan(skipped), questions);
  if (const auto* more = std::get_if<NeedMore>(&answer)) return NeedMore{skipped + more->at_least};
  if (auto* what = std::get_if<What>(&answer)) facts.what = std::move(*what);
  return facts;
}

Facts at_deadline(Bytes octets, const Questions& questions) {
  auto known = recognise(octets, questions);
  if (auto* facts = std::get_if<Facts>(&known)) return std::move(*facts);
  Front front = read_front(octets, questions);
  Facts facts;
  if (auto* read = std::get_if<Facts>(&front))
    facts = std::move(*read);
  else if (!octets.empty() || questions.proxy == ProxyUse::Required) {
    facts.what = Unknown{"the PROXY header did not come in time"};
    return facts;
  }
  const Bytes rest = octets.subspan(front_octets(facts));
  if (questions.protocols.empty()) return facts;  // the header was all that was waited for
  if (rest.empty())
    facts.what = Silent{};
  else if (asks_http(questions) && starts_with_preface(rest))
    facts.what = Http2{};
  else
    facts.what = Unknown{"what it began did not end in time"};
  return facts;
}

std::string_view protocol_name(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::Iso:
      return "iso";
    case Protocol::Rdp:
      return "rdp";
    case Protocol::Tls:
      return "tls";
    case Protocol::Http1:
      return "http1";
    case Protocol::Http2:
      return "http2";
    case Protocol::Ssh:
      return "ssh";
    case Protocol::Postgres:
      return "postgres";
    case Protocol::Pattern:
      return "pattern";
    case Protocol::Silent:
      return "silent";
    case Protocol::Unknown:
      return "unknown";
  }
  return "unknown";
}

namespace {

struct ProtocolOf {
  Protocol operator()(const Unknown&) const noexcept { return Protocol::Unknown; }
  Protocol operator()(const Silent&) const noexcept { return Protocol::Silent; }
  Protocol operator()(const Iso& iso) const noexcept { return iso.is_rdp ? Protocol::Rdp : Protocol::Iso; }
  Protocol operator()(const Tls&) const noexcept { return Protocol::Tls; }
  Protocol operator()(const Http1&) const noexcept { return Protocol::Http1; }
  Protocol operator()(const Http2&) const noexcept { return Protocol::Http2; }
  Protocol operator()(const Ssh&) const noexcept { return Protocol::Ssh; }
  Protocol operator()(const Postgres&) const noexcept { return Protocol::Postgres; }
  Protocol operator()(const PatternMatch&) const noexcept { return Protocol::Pattern; }
};

}  // namespace

Protocol protocol_of(const What& what) noexcept { return std::visit(ProtocolOf{}, what); }

std::string_view fault_of(const Facts& facts) noexcept {
  if (facts.proxy && !facts.proxy->fault.empty()) return facts.proxy->fault;
  return std::visit(
      [](const auto& each) -> std::string_view {
        if constexpr (requires { each.fault; })
          return each.fault;
        else
          return {};
      },
      facts.what);
}

std::string_view name_of(const What& what) noexcept {
  if (const auto* tls = std::get_if<Tls>(&what)) return tls->server_name;
  if (const auto* http = std::get_if<Http1>(&what)) return http->host;
  if (const auto* http = std::get_if<Http2>(&what)) return http->host;
  return {};
}

}  // namespace baton::recognise
