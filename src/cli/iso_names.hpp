// SPDX-License-Identifier: MIT
// baton: cli/iso_names.hpp: selectors, hosts and addresses as people write them on a command line.
//
// Threads: pure functions. The error of each is a sentence without its full stop.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "tsap/hosts.hpp"
#include "tsap/selector.hpp"

namespace baton::cli {

/// What connect calls and listen takes where no TSEL is named, so that the two find each other.
inline constexpr std::string_view default_selector = "BATON";

/// A TSEL in one of four forms, tried in this order:
///   0x0102     hexadecimal, an even number of digits; 0x alone is the empty selector
///   X'0102'    the same, as messages show it
///   'TEXT'     these characters, as messages show them: for a text that looks like one of the others
///   TEXT       these characters
[[nodiscard]] std::expected<tsap::Selector, std::string> parse_selector(std::string_view text);

/// A form that a shell passes on as it stands: TEXT where that is possible, else 0x0102.
[[nodiscard]] std::string shell_word(const tsap::Selector& selector);

/// Whom connect is to reach.
struct Place {
  enum class Kind {
    Local,    ///< this host: AF_UNIX
    Nsel,     ///< a name that the hosts file may know: 1 to 8 characters of an NSEL, without a port
    Address,  ///< a host by name or address
  };
  Kind kind = Kind::Local;
  std::string nsel{};           ///< Nsel
  tsap::HostAddress address{};  ///< Address

  /// For messages, and for soc_set_host where it is an address: "192.0.2.7:102", "[2001:db8::7]:102".
  [[nodiscard]] std::string text() const;
};

/// Nothing, "." and "local" are this host; else HOST[:PORT], IPv6 with a port in brackets.
[[nodiscard]] std::expected<Place, std::string> parse_place(std::string_view text);

/// ADDRESS[:PORT] on which to listen, as BATON_ISO_LISTEN has it; port 0 lets the kernel choose.
[[nodiscard]] std::expected<std::string, std::string> parse_listen_address(std::string_view text);

/// Of a peer's octets, for a terminal: visible ASCII and blanks as they are, anything else as \xHH.
[[nodiscard]] std::string visible(std::string_view octets);

}  // namespace baton::cli
