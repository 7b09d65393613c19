// SPDX-License-Identifier: MIT
// baton: endpoint/host_table.hpp: which addresses an NSEL stands for, and which NSEL an address has.
//
// In this order: what the program has said (set_host), the hosts file (BATON_HOSTS, else /etc/baton/hosts; read again
// when it changes), the resolver, with the NSEL in lower case as a host name. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "endpoint/fault.hpp"
#include "os/resolve_host.hpp"
#include "os/socket.hpp"
#include "tsap/nsel.hpp"

namespace baton::endpoint {

/// This host's NSEL: BATON_NSEL, else from the host's name.
[[nodiscard]] tsap::Nsel local_nsel();

/// Addresses to try, in order. UnknownHost: there is none, or with Lookup::AddressesOnly only names are known.
[[nodiscard]] Result<std::vector<os::Address>> addresses_of(const tsap::Nsel& host, os::Lookup lookup);

/// What the tables call the host with this address; else '@' and seven characters that are the same for the same
/// address.
[[nodiscard]] tsap::Nsel name_of(const os::Address& address);

/// Puts a host in front of the file, for this process; nullopt takes it out again. Argument.
Result<void> set_host(const std::string& name, const std::optional<std::string>& addresses);

/// Where hosts are looked for, for messages: the file, and its first line that is not understood.
[[nodiscard]] std::string described_hosts();

}  // namespace baton::endpoint
