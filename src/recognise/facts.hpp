// SPDX-License-Identifier: MIT
// baton: recognise/facts.hpp: what the first octets of a connection say, one value per protocol.
//
// Facts own their text and outlive the octets; all of it together is no longer than these were, or than the header
// block that they hold (HTTP/2). A `fault` says that it is this protocol, and that no server could make anything of it:
// such a client gets the protocol's answer to bad input, whatever the routes say. A fault is a literal; empty: none.
// Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cotp/reasons.hpp"
#include "cotp/tpdu_size.hpp"
#include "recognise/ip_address.hpp"
#include "tsap/selector.hpp"

namespace baton::recognise {

/// The words that configurations use are in protocol_name().
enum class Protocol : std::uint8_t {
  Iso,       ///< ISO transport over TCP (RFC 1006) that is not RDP
  Rdp,       ///< Remote Desktop, which begins with a CR of its own kind ([MS-RDPBCGR] §2.2.1.1)
  Tls,       ///< RFC 8446 and the versions before it
  Http1,     ///< RFC 9112, without TLS
  Http2,     ///< RFC 9113 with prior knowledge, without TLS
  Ssh,       ///< RFC 4253
  Postgres,  ///< PostgreSQL's protocol 3
  Pattern,   ///< first octets that a configuration names
  Silent,    ///< the client waits for the server to speak first
  Unknown,   ///< none of those asked for
};
inline constexpr std::size_t protocol_count = 10;

[[nodiscard]] std::string_view protocol_name(Protocol protocol) noexcept;

struct Iso {
  tsap::Selector called{};
  tsap::Selector calling{};
  std::optional<cotp::TpduSize> size{};
  std::uint8_t preferred_class = 0;    ///< 0 to 4
  bool class_0 = true;                 ///< class 0 may be answered (RFC 905 table 3)
  std::uint16_t source_reference = 0;  ///< what an answer is addressed to
  bool is_rdp = false;                 ///< the rest is only of interest then
  std::string rdp_cookie{};            ///< the user's name, or the token of a balancer: behind `mstshash=` or `msts=`
  std::optional<std::uint32_t> rdp_protocols{};  ///< requestedProtocols of the negotiation request
  std::string_view fault{};
  bool selector_too_long = false;  ///< the fault is a called TSEL above 32 octets: nobody can have that address
  cotp::RejectCause cause = cotp::RejectCause::NotSpecified;  ///< of the ER that answers any other fault
  std::string offending{};                                    ///< the octets that the ER returns, at most 128
  friend bool operator==(const Iso&, const Iso&) = default;
};

struct Tls {
  std::string server_name{};              ///< host_name of the server_name extension, normalised; empty: none
  std::vector<std::string> alpn{};        ///< in the client's order, GREASE (RFC 8701) left out
  std::vector<std::uint16_t> versions{};  ///< those offered, GREASE left out: 0x0304 is TLS 1.3
  bool encrypted_hello = false;  ///< the encrypted_client_hello extension is there: the name may be the outer one
  std::string_view fault{};
  std::uint8_t alert = 0;  ///< the description with which a fault is answered (RFC 8446 §6)
  friend bool operator==(const Tls&, const Tls&) = default;
};

struct Http1 {
  std::string method{};
  std::string target{};
  std::string host{};         ///< of an absolute target, else of the Host field, normalised; may be empty
  std::string path{};         ///< the target without scheme, authority and query; percent-encoding left as it is
  std::uint8_t minor = 1;     ///< HTTP/1.minor
  bool dot_segments = false;  ///< the path has segments that lead elsewhere
  std::string_view fault{};
  std::uint16_t status = 400;  ///< with which a fault is answered
  friend bool operator==(const Http1&, const Http1&) = default;
};

struct Http2 {
  std::uint32_t stream = 0;  ///< of the first request; 0: none yet, or none that could be read
  std::string method{};
  std::string host{};  ///< of :authority, else of the host field, normalised
  std::string path{};  ///< of :path, without the query
  bool dot_segments = false;
  std::string_view fault{};
  friend bool operator==(const Http2&, const Http2&) = default;
};

struct Ssh {
  std::string version{};   ///< "2.0"
  std::string software{};  ///< softwareversion
  std::string_view fault{};
  friend bool operator==(const Ssh&, const Ssh&) = default;
};

struct Postgres {
  enum class Kind : std::uint8_t { Startup, TlsRequest, GssRequest, CancelRequest };
  Kind kind = Kind::Startup;
  std::uint16_t minor = 0;  ///< protocol version 3.minor, in a Startup
  std::string user{};
  std::string database{};     ///< that of the user's name where none is given
  bool replication = false;   ///< a connection for replication was asked for
  std::uint32_t process = 0;  ///< in a CancelRequest
  std::string_view fault{};
  friend bool operator==(const Postgres&, const Postgres&) = default;
};

struct PatternMatch {
  std::string name;
  friend bool operator==(const PatternMatch&, const PatternMatch&) = default;
};

struct Silent {
  friend bool operator==(const Silent&, const Silent&) = default;
};

struct Unknown {
  std::string_view fault{};  ///< why it may not be routed all the same; a literal
  friend bool operator==(const Unknown&, const Unknown&) = default;
};

/// What a proxy in front of us says of the client (PROXY protocol, versions 1 and 2).
struct ProxyHeader {
  std::size_t octets = 0;  ///< its length: what the client said begins behind it
  std::uint8_t version = 1;
  /// Nothing where the proxy speaks for itself (LOCAL, UNKNOWN) or for a client without IP address: the connection's
  /// own addresses count.
  std::optional<IpAddress> source{};
  std::optional<IpAddress> destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::string authority{};    ///< PP2_TYPE_AUTHORITY: usually the SNI of a TLS connection that ended at the proxy
  std::string alpn{};         ///< PP2_TYPE_ALPN: the protocol that was agreed there
  std::string unique_id{};    ///< PP2_TYPE_UNIQUE_ID
  bool tls = false;           ///< PP2_TYPE_SSL says that the client came over TLS
  bool certified = false;     ///< and had a certificate that was verified
  std::string common_name{};  ///< PP2_SUBTYPE_SSL_CN of it
  std::string_view fault{};
  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

using What = std::variant<Unknown, Silent, Iso, Tls, Http1, Http2, Ssh, Postgres, PatternMatch>;

struct Facts {
  std::optional<ProxyHeader> proxy{};
  What what{};
  friend bool operator==(const Facts&, const Facts&) = default;
};

[[nodiscard]] Protocol protocol_of(const What& what) noexcept;
/// Empty: none.
[[nodiscard]] std::string_view fault_of(const Facts& facts) noexcept;
/// The name by which the client asked for a server: SNI or host; empty where there is none.
[[nodiscard]] std::string_view name_of(const What& what) noexcept;

}  // namespace baton::recognise
