// SPDX-License-Identifier: MIT
#include "dispatch/configuration.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "dispatch/toml_section.hpp"
#include "tsap/hosts.hpp"

namespace baton::dispatch {
namespace {

using recognise::Protocol;

constexpr std::int64_t most_u32 = std::numeric_limits<std::uint32_t>::max();

constexpr std::array<std::string_view, 4> policy_words{"round-robin", "first", "least-moves", "hash"};
constexpr std::array policies{routing::Policy::RoundRobin, routing::Policy::First, routing::Policy::LeastMoves,
                              routing::Policy::Hash};
constexpr std::array<std::string_view, 3> proxy_words{"never", "optional", "required"};
constexpr std::array proxy_uses{recognise::ProxyUse::Never, recognise::ProxyUse::Optional,
                                recognise::ProxyUse::Required};
constexpr std::array<std::string_view, 4> log_words{"error", "warning", "info", "debug"};
constexpr std::array log_levels{routing::LogLevel::Error, routing::LogLevel::Warning, routing::LogLevel::Info,
                                routing::LogLevel::Debug};

// "http" is both versions; the others are protocol_name().
constexpr std::array<std::string_view, 11> protocol_words{"http", "http1",    "http2",   "tls",    "iso",    "rdp",
                                                          "ssh",  "postgres", "pattern", "silent", "unknown"};
constexpr std::array protocols{Protocol::Http1,   Protocol::Http1,  Protocol::Http2,  Protocol::Tls,
                               Protocol::Iso,     Protocol::Rdp,    Protocol::Ssh,    Protocol::Postgres,
                               Protocol::Pattern, Protocol::Silent, Protocol::Unknown};
static_assert(protocols.size() == protocol_words.size());

void read_protocols(Section& section, std::string_view key, std::vector<Protocol>& into) {
  for (const std::size_t index : section.words(key, protocol_words)) {
    into.push_back(protocols[index]);
    if (protocol_words[index] == "http") into.push_back(Protocol::Http2);
  }
}

/// "host:port", the port not left out: what it would be is not obvious.
std::optional<tsap::HostAddress> parse_target(std::string_view text) {
  const bool has_port = text.starts_with('[') ? text.contains("]:") : std::ranges::count(text, ':') == 1;
  return has_port ? tsap::parse_host_address(text) : std::nullopt;
}

constexpr std::string_view unix_prefix = "unix:";
/// "unix:/run/app.sock", the prefix left out: what fits into sockaddr_un (unix(7)). Empty: it is none.
std::string parse_socket_path(std::string_view text) {
  constexpr std::size_t longest = 107;
  const bool fits = text.starts_with('/') && text.size() <= longest && !text.contains('\0');
  return fits ? std::string{text} : std::string{};
}

std::optional<routing::ListenAddress> parse_listen_address(std::string_view text) {
  if (text.starts_with(':')) return parse_listen_address("*" + std::string{text});
  const auto target = parse_target(text);
  if (!target) return std::nullopt;
  if (target->host == "*") return routing::ListenAddress{.address = std::nullopt, .port = target->port};
  const auto address = recognise::IpAddress::parse(target->host);
  if (!address) return std::nullopt;
  return routing::ListenAddress{.address = address, .port = target->port};
}

/// "NAME" or X'0a0b'.
std::optional<tsap::Selector> parse_selector(std::string_view text) {
  const auto pattern = routing::parse_selector_pattern(text);
  if (!pattern || pattern->prefix) return std::nullopt;
  return tsap::Selector::from_text(pattern->text);
}

std::optional<std::string> as_it_is(std::string_view text) { return std::string{text}; }

void read_networks(Section& section, std::string_view key, std::vector<recognise::Network>& into) {
  section.read_list(key, into, recognise::Network::parse, "is no network",
                    "write an address and its bits, such as \"192.0.2.0/24\" or \"2001:db8::/32\"");
}

void read_service(Section section, routing::Service& service) {
  section.read("control", service.control);
  std::vector<routing::ListenAddress> metrics;
  section.read_list("metrics", metrics, parse_listen_address, "is no address and port",
                    "write \"127.0.0.1:9102\", or \":9102\" for all addresses");
  if (metrics.size() > 1)
    section.document().error(section.path() + ".metrics", "there are several", "give one address");
  if (metrics.size() == 1) service.metrics = metrics.front();
  if (const auto level = section.word("log", log_words)) service.log = log_levels[*level];
  section.finish();
}

void read_limits(Section section, routing::Limits& limits) {
  section.read("undecided", limits.undecided, 0, most_u32);
  section.read("undecided_per_source", limits.undecided_per_source, 0, most_u32);
  section.read("answer", limits.answer);
  section.read("upgrade", limits.upgrade);
  section.finish();
}

routing::Listener read_listener(std::string name, Section section) {
  routing::Listener listener{.name = std::move(name)};
  section.read_list("address", listener.addresses, parse_listen_address, "is no address and port",
                    "write \"192.0.2.1:443\", \"[2001:db8::1]:443\", or \":443\" for all addresses");
  section.read("systemd", listener.systemd);
  read_protocols(section, "protocol", listener.protocols);
  if (const auto use = section.word("proxy", proxy_words)) listener.proxy = proxy_uses[*use];
  read_networks(section, "proxy_from", listener.proxy_from);
  section.read("wait", listener.wait);
  section.read("silence", listener.silence);
  section.read("most_octets", listener.most_octets, 0, most_u32);
  section.read("backlog", listener.backlog, 0, std::numeric_limits<int>::max());
  section.finish();
  return listener;
}

/// "10 0? ?? 4d": digits in pairs, a question mark for a digit that does not count.
bool parse_octets(std::string_view text, recognise::Pattern& pattern) {
  std::string digits;
  for (const char each : text)
    if (each != ' ') digits += each;
  if (digits.size() % 2 != 0) return false;
  constexpr std::string_view hex = "0123456789abcdef";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i % 2 == 0) {
      pattern.octets.emplace_back();
      pattern.mask.emplace_back();
    }
    const char digit = digits[i] >= 'A' && digits[i] <= 'F' ? static_cast<char>(digits[i] - 'A' + 'a') : digits[i];
    const std::size_t value = digit == '?' ? 0 : hex.find(digit);
    if (value == std::string_view::npos) return false;
    pattern.octets.back() = pattern.octets.back() << 4 | static_cast<std::byte>(value);
    pattern.mask.back() = pattern.mask.back() << 4 | (digit == '?' ? std::byte{0} : std::byte{15});
  }
  return true;
}

recognise::Pattern read_pattern(std::string name, Section section) {
  recognise::Pattern pattern{.name = std::move(name), .octets = {}, .mask = {}};
  Document& document = section.document();
  std::string text;
  std::string octets;
  section.read("text", text);
  section.read("octets", octets);
  if (section.has("text") == section.has("octets")) {
    document.error(section.path() + ".octets", "it has not one of text and octets",
                   "give text = \"...\", or octets = \"...\" in hexadecimal");
  } else if (section.has("text")) {
    const Bytes bytes = as_bytes(text);
    pattern.octets.assign(bytes.begin(), bytes.end());
    pattern.mask.assign(bytes.size(), std::byte{0xFF});
  } else if (!parse_octets(octets, pattern)) {
    pattern.octets.clear();
    pattern.mask.clear();
    document.error(section.path() + ".octets", "it is not hexadecimal",
                   "write digits in pairs, ? for one that does not count: \"10 ?? 00 04\"");
  }
  section.finish();
  return pattern;
}

/// Text, or a table of `key` and weight.
template <class Read>
void read_targets(Section& section, std::string_view list, std::string_view key, routing::Pool& pool, Read read) {
  const toml::node* found = section.node(list);
  if (found == nullptr) return;
  Document& document = section.document();
  const std::string path = section.path() + '.' + std::string{list};
  const auto read_one = [&](const toml::node& node, const std::string& place) {
    document.stands(place, node.source());
    routing::Target target;
    if (const auto text = node.value_exact<std::string>()) {
      if (read(*text, place, target)) pool.targets.push_back(std::move(target));
    } else if (const toml::table* table = node.as_table()) {
      Section entry{document, *table, place};
      std::string text_of_entry;
      entry.read(key, text_of_entry);
      entry.read("weight", target.weight, 0, most_u32);
      entry.finish();
      if (read(text_of_entry, place + '.' + std::string{key}, target)) pool.targets.push_back(std::move(target));
    } else {
      document.error(place, "it is neither text nor a table",
                     "write \"...\" or { " + std::string{key} + " = \"...\", weight = 2 }");
    }
  };
  if (const toml::array* all = found->as_array())
    for (std::size_t i = 0; i < all->size(); ++i) read_one((*all)[i], path + '[' + std::to_string(i) + ']');
  else
    read_one(*found, path);
}

void read_kind(Section& section, routing::Pool& pool) {
  Document& document = section.document();
  const auto bad_selector = [&document](std::string path, const std::string& text) {
    document.error(std::move(path), '"' + text + "\" is no TSEL", "write a name of 1 to 32 octets, or X'0102'");
  };
  std::string tsap;
  section.read("tsap", tsap);
  const std::string& own = section.has("tsap") ? tsap : pool.name;
  if (const auto selector = parse_selector(own))
    pool.tsap = *selector;
  else
    bad_selector(section.has("tsap") ? section.path() + ".tsap" : section.path(), own);

  read_targets(section, "tsaps", "tsap", pool, [&](const std::string& text, std::string path, routing::Target& target) {
    const auto selector = parse_selector(text);
    if (selector) target.tsap = *selector;
    if (!selector) bad_selector(std::move(path), text);
    return selector.has_value();
  });
  read_targets(section, "connect", "address", pool,
               [&](const std::string& text, std::string path, routing::Target& target) {
                 if (text.starts_with(unix_prefix)) {
                   target.path = parse_socket_path(std::string_view{text}.substr(unix_prefix.size()));
                   if (target.path.empty())
                     document.error(std::move(path), '"' + text + "\" names no socket",
                                    "write \"unix:/run/app.sock\": an absolute path of at most 107 octets");
                   return !target.path.empty();
                 }
                 auto address = parse_target(text);
                 if (!address) {
                   document.error(std::move(path), '"' + text + "\" is no host and port",
                                  "write \"127.0.0.1:8080\", \"[::1]:8080\", \"name:8080\", or \"unix:/run/app.sock\"");
                   return false;
                 }
                 target.host = std::move(address->host);
                 target.port = address->port;
                 return true;
               });
  if (section.has("tsaps")) pool.kind = routing::PoolKind::Tsaps;
  if (section.has("connect")) pool.kind = routing::PoolKind::Connect;
  if (section.has("tsap") + section.has("tsaps") + section.has("connect") > 1)
    document.error(section.path(), "it has several of tsap, tsaps and connect",
                   "give one: a pool has workers that connect, or servers that have bound a TSAP, or addresses");
}

routing::Pool read_pool(std::string name, Section section) {
  routing::Pool pool{.name = std::move(name)};
  read_kind(section, pool);
  if (const auto policy = section.word("policy", policy_words)) pool.policy = policies[*policy];
  section.read_list("fallback", pool.fallback, as_it_is, "", "");
  section.read("hold", pool.hold);
  section.read("tries", pool.tries, 0, most_u32);
  section.read("proxy_protocol", pool.proxy_v2);
  section.finish();
  return pool;
}

void read_match(Section& section, routing::Match& match) {
  constexpr std::string_view name_advice = "write \"www.example.org\", or \"*.example.org\" for all below it";
  constexpr std::string_view text_advice = "a star may only be last";
  section.read_list("listener", match.listeners, as_it_is, "", "");
  read_protocols(section, "protocol", match.protocols);
  read_networks(section, "source", match.sources);
  section.read_list("sni", match.sni, routing::parse_name_pattern, "is no host name", name_advice);
  section.read_list("alpn", match.alpn, as_it_is, "", "");
  section.read_list("host", match.host, routing::parse_name_pattern, "is no host name", name_advice);
  section.read_list("path", match.path, as_it_is, "", "");
  section.read_list("tsap", match.called, routing::parse_selector_pattern, "is no TSEL",
                    "write a name of at most 32 octets, X'0102', or either with a star behind it");
  section.read_list("calling_tsap", match.calling, routing::parse_selector_pattern, "is no TSEL",
                    "write a name of at most 32 octets, X'0102', or either with a star behind it");
  section.read_list("rdp_user", match.rdp_user, routing::parse_text_pattern, "has a star within it", text_advice);
  section.read_list("database", match.database, routing::parse_text_pattern, "has a star within it", text_advice);
  section.read_list("user", match.user, routing::parse_text_pattern, "has a star within it", text_advice);
  section.read_list("pattern", match.patterns, as_it_is, "", "");
}

void read_action(Section& section, routing::Route& route) {
  std::string pool;
  bool called = false;
  bool refuse = false;
  section.read("pool", pool);
  section.read("to_called_tsap", called);
  section.read("refuse", refuse);
  if (section.has("pool") + called + refuse > 1)
    section.document().error(section.path(), "it has several of pool, to_called_tsap and refuse", "give one");
  route.action = routing::ToPool{std::move(pool)};
  if (refuse) route.action = routing::Refuse{};
  if (!called) return;
  route.action = routing::ToCalledTsap{};
  if (route.match.protocols.empty()) route.match.protocols.push_back(Protocol::Iso);
}

void read_routes(Section& root, std::vector<routing::Route>& routes) {
  const toml::node* found = root.node("route");
  if (found == nullptr) return;
  Document& document = root.document();
  const toml::array* all = found->as_array();
  if (all == nullptr) {
    document.error("route", "it is no list of tables", "write [[route]]");
    return;
  }
  for (std::size_t i = 0; i < all->size(); ++i) {
    const std::string path = "route[" + std::to_string(i) + ']';
    const toml::table* table = (*all)[i].as_table();
    if (table == nullptr) {
      document.stands(path, (*all)[i].source());
      document.error(path, "it is no table", "write [[route]]");
      continue;
    }
    Section section{document, *table, path};
    routing::Route route;
    section.read("name", route.name);
    read_match(section, route.match);
    read_action(section, route);
    section.finish();
    routes.push_back(std::move(route));
  }
}

/// A table that there is once.
template <class Value>
void read_single(Section& root, std::string_view key, void (*read)(Section, Value&), Value& into) {
  const toml::node* found = root.node(key);
  if (found == nullptr) return;
  if (const toml::table* table = found->as_table())
    read(Section{root.document(), *table, std::string{key}}, into);
  else
    root.document().error(std::string{key}, "it is no table", "write [" + std::string{key} + ']');
}

void read_root(Section root, routing::Configuration& configuration) {
  read_single(root, "batond", read_service, configuration.service);
  read_single(root, "limits", read_limits, configuration.limits);
  for (auto& [name, section] : root.sections("listener"))
    configuration.listeners.push_back(read_listener(name, std::move(section)));
  for (auto& [name, section] : root.sections("pattern"))
    configuration.patterns.push_back(read_pattern(name, std::move(section)));
  for (auto& [name, section] : root.sections("pool"))
    configuration.pools.push_back(read_pool(name, std::move(section)));
  read_routes(root, configuration.routes);
  root.finish();
}

}  // namespace

bool ReadConfiguration::usable() const noexcept {
  return std::ranges::none_of(
      findings, [](const LocatedFinding& each) { return each.finding.severity == routing::Severity::Error; });
}

ReadConfiguration read_configuration(std::string_view text) {
  ReadConfiguration read;
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    const Position at{error.source().begin.line, error.source().begin.column};
    read.findings.push_back({at,
                             {routing::Severity::Error, "", "this is not TOML: " + std::string{error.description()},
                              "see https://toml.io for how it is written"}});
    return read;
  }
  Document document;
  read_root(Section{document, parsed.table(), ""}, read.configuration);
  read.findings = document.located(routing::check(read.configuration));
  return read;
}

std::string printable(const LocatedFinding& found, std::string_view file) {
  const auto& [severity, path, what, advice] = found.finding;
  std::string text{file};
  text += ':' + std::to_string(found.position.line) + ':' + std::to_string(found.position.column);
  text += severity == routing::Severity::Error ? ": error: " : ": warning: ";
  if (!path.empty()) text += path + ": ";
  return text + what + ": " + advice;
}

}  // namespace baton::dispatch
