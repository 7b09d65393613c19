// SPDX-License-Identifier: MIT
#include "endpoint/host_table.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>

#include "os/host.hpp"
#include "os/text_file.hpp"
#include "tsap/hosts.hpp"

namespace baton::endpoint {
namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20U;

/// An address that stands in a table as one, and not as a name.
struct Known {
  os::Address address;
  tsap::Nsel name;
};

struct Tables {
  std::mutex mutex;
  std::vector<Known> known;  // of both tables, in the order in which they count
  tsap::Hosts said;
  tsap::Hosts file;
  std::string path;
  std::uint64_t stamp = 0;
};

Tables& tables() {
  static auto* const instance = new Tables;
  return *instance;
}

std::string hosts_path() {
  const char* const named = ::secure_getenv("BATON_HOSTS");
  return named != nullptr ? named : "/etc/baton/hosts";
}

/// Under the lock, after a change: an accept asks for a name, so what can be worked out before is.
void list_known(Tables& all) {
  all.known.clear();
  for (const tsap::Hosts* hosts : {&all.said, &all.file})
    for (const tsap::Hosts::Entry& entry : hosts->entries)
      for (const tsap::HostAddress& listed : entry.addresses)
        if (const auto found = os::resolve_host(listed.host, listed.port, os::Lookup::AddressesOnly))
          for (const os::Address& address : *found) all.known.push_back({address, entry.name});
}

/// Under the lock.
void refresh(Tables& all) {
  std::string path = hosts_path();
  const std::uint64_t stamp = os::file_stamp(path);
  if (stamp == all.stamp && path == all.path) return;
  const auto text = os::read_text_file(path, largest_file);
  all.file = text ? tsap::parse_hosts(*text) : tsap::Hosts{};
  all.path = std::move(path);
  all.stamp = stamp;
  list_known(all);
}

std::string lower_case(std::string_view text) {
  std::string lower{text};
  for (char& each : lower)
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each - 'A' + 'a');
  return lower;
}

/// Without the port: a client has another one than the server on its host.
Bytes host_part(const os::Address& address) {
  const auto octets = address.bytes();
  switch (address.family()) {
    case AF_INET:
      return octets.subspan(offsetof(sockaddr_in, sin_addr), sizeof(in_addr));
    case AF_INET6:
      return octets.subspan(offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr));
    default:
      return {};
  }
}

tsap::Nsel invented_name(const os::Address& address) {
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const std::byte octet : host_part(address))
    hash = (hash ^ std::to_integer<std::uint64_t>(octet)) * 1099511628211U;
  std::string name = "@";
  for (int i = 0; i < 7; ++i, hash >>= 5U) name += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[hash % 32];
  return tsap::Nsel::parse(name).value_or(tsap::Nsel{});
}

}  // namespace

tsap::Nsel local_nsel() {
  if (const char* named = ::secure_getenv("BATON_NSEL"))
    if (const auto nsel = tsap::Nsel::parse_padded(named)) return *nsel;
  return tsap::Nsel::from_host_name(os::host_name());
}

Result<std::vector<os::Address>> addresses_of(const tsap::Nsel& host, os::Lookup lookup) {
  std::vector<tsap::HostAddress> listed;
  {
    Tables& all = tables();
    const std::lock_guard lock{all.mutex};
    refresh(all);
    if (const auto* said = all.said.find(host))
      listed = said->addresses;
    else if (const auto* entry = all.file.find(host))
      listed = entry->addresses;
  }
  if (listed.empty()) listed.push_back({lower_case(host.trimmed()), tsap::default_port});
  std::vector<os::Address> addresses;
  for (const tsap::HostAddress& each : listed)
    if (const auto found = os::resolve_host(each.host, each.port, lookup))
      addresses.insert(addresses.end(), found->begin(), found->end());
  if (addresses.empty()) return fail(Fault::UnknownHost);
  return addresses;
}

tsap::Nsel name_of(const os::Address& address) {
  Tables& all = tables();
  const std::lock_guard lock{all.mutex};
  refresh(all);
  const auto entry = std::ranges::find_if(all.known, [&](const Known& each) {
    return each.address.family() == address.family() && std::ranges::equal(host_part(each.address), host_part(address));
  });
  return entry == all.known.end() ? invented_name(address) : entry->name;
}

Result<void> set_host(const std::string& name, const std::optional<std::string>& addresses) {
  const auto nsel = tsap::Nsel::parse_padded(name);
  auto parsed = addresses ? tsap::parse_host_addresses(*addresses) : std::vector<tsap::HostAddress>{};
  if (!nsel || !parsed) return fail(Fault::Argument);
  Tables& all = tables();
  const std::lock_guard lock{all.mutex};
  std::erase_if(all.said.entries, [&](const tsap::Hosts::Entry& entry) { return entry.name == *nsel; });
  if (addresses) all.said.entries.push_back({*nsel, std::move(*parsed)});
  list_known(all);
  return {};
}

std::string described_hosts() {
  Tables& all = tables();
  const std::lock_guard lock{all.mutex};
  refresh(all);
  std::string text = all.path;
  if (all.stamp == 0) text += " (not there)";
  if (all.file.bad_line != 0) text += " (line " + std::to_string(all.file.bad_line) + " is not understood)";
  return text;
}

}  // namespace baton::endpoint
