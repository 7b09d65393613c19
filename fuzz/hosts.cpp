// SPDX-License-Identifier: MIT
// Any text as a hosts file, and as one address; what is understood, written out again, has to be understood the same.
#include <algorithm>
#include <string>

#include "fuzz/input.hpp"
#include "tsap/hosts.hpp"

namespace baton::tsap {
namespace {

std::string written(const HostAddress& address) { return '[' + address.host + "]:" + std::to_string(address.port); }
/// Within brackets everything but their end stands for itself.
bool can_be_written(const HostAddress& address) { return !address.host.contains(']'); }

void run_address(std::string_view text) {
  const auto address = parse_host_address(text);
  if (!address) return;
  BATON_REQUIRE(!address->host.empty());
  if (can_be_written(*address)) BATON_REQUIRE(parse_host_address(written(*address)) == address);
}

void run_hosts(std::string_view text) {
  const Hosts hosts = parse_hosts(text);
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  BATON_REQUIRE(hosts.entries.size() + (hosts.bad_line > 0 ? 1 : 0) <= lines && hosts.bad_line <= lines);
  std::string again;
  for (const Hosts::Entry& entry : hosts.entries) {
    BATON_REQUIRE(!entry.name.is_unspecified() && !entry.addresses.empty());
    const Hosts::Entry* first = hosts.find(entry.name);
    BATON_REQUIRE(first != nullptr && first <= &entry && first->name == entry.name);
    if (!std::ranges::all_of(entry.addresses, can_be_written)) return;
    if (entry.name.text().starts_with('#')) again += '\\';
    again += entry.name.trimmed();
    for (const HostAddress& address : entry.addresses) again += ' ' + written(address);
    again += '\n';
  }
  const Hosts second = parse_hosts(again);
  BATON_REQUIRE(second.bad_line == 0 && second.entries.size() == hosts.entries.size());
  for (std::size_t i = 0; i < second.entries.size(); ++i)
    BATON_REQUIRE(second.entries[i].name == hosts.entries[i].name &&
                  second.entries[i].addresses == hosts.entries[i].addresses);
}

}  // namespace
}  // namespace baton::tsap

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  baton::tsap::run_hosts(text);
  baton::tsap::run_address(text);
  return 0;
}
