// SPDX-License-Identifier: MIT
// baton: recognise/postgres.hpp: is it PostgreSQL, and for which user and database?
//
// StartupMessage, SSLRequest, GSSENCRequest, CancelRequest (PostgreSQL documentation, chapter Frontend/Backend
// Protocol, section Message Formats): the four that begin a connection. Behind an SSLRequest the client waits for an
// octet of the server's, so nothing more can be known of it. A client with sslnegotiation=direct begins with TLS.
// Threads: pure functions.
#pragma once

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// Decides within 10,000 octets, the longest start-up packet that servers accept, or within `most`.
[[nodiscard]] Verdict<Postgres> recognise_postgres(Bytes octets, std::size_t most = default_most_octets);

}  // namespace baton::recognise
