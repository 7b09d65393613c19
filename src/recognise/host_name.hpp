// SPDX-License-Identifier: MIT
// baton: recognise/host_name.hpp: host names of clients in the one form in which routes compare them.
//
// That form: lower case, no port, no dot at the end; an IP address without brackets, as RFC 5952 writes it.
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::recognise {

/// A whole name (RFC 1035 §2.3.4).
inline constexpr std::size_t max_host_name = 255;

/// ASCII letters only, as host names and protocol names are compared (RFC 9110 §4.2.3; RFC 6066 §3).
[[nodiscard]] std::string lower_case(std::string_view text);

/// A DNS name or an address literal. Nothing: longer than max_host_name, empty, a label is empty, or octets that no
/// name has (RFC 3986 §3.2.2 reg-name, without percent-encoding). Underscores pass: they occur.
[[nodiscard]] std::optional<std::string> normalise_name(std::string_view name);

/// host [":" port] of a Host field, an :authority or a request target (RFC 9110 §7.2, RFC 3986 §3.2). Empty stays
/// empty. Nothing: malformed; user information before an @ is (RFC 9110 §4.2.4).
[[nodiscard]] std::optional<std::string> normalise_authority(std::string_view authority);

/// Whether a path has a segment that is "." or "..", percent-encoded or not (RFC 3986 §3.3): a prefix of such a path
/// tells nothing of where it leads.
[[nodiscard]] bool has_dot_segments(std::string_view path) noexcept;

}  // namespace baton::recognise
