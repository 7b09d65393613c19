// SPDX-License-Identifier: MIT
#include "dispatch/listening.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "os/tcp_entrance.hpp"

namespace baton::dispatch {
namespace {

os::Address address_of(const routing::ListenAddress& at) {
  if (at.address && at.address->is_v4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(at.port);
    std::memcpy(&address.sin_addr, at.address->octets().data(), sizeof address.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(at.port);
  if (at.address) std::memcpy(&address.sin6_addr, at.address->octets().data(), sizeof address.sin6_addr);
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

}  // namespace

os::Result<UniqueFd> listen_at(const routing::ListenAddress& at, int backlog) {
  if (at.address) return os::listen_for_others(address_of(at), backlog, os::Families::One);
  auto both = os::listen_for_others(address_of(at), backlog, os::Families::Both);
  if (both || os::number(both.error()) != EAFNOSUPPORT) return both;
  return os::listen_for_others(address_of({recognise::IpAddress{}, at.port}), backlog, os::Families::One);
}

std::string text_of(const routing::ListenAddress& at) {
  const std::string port = std::to_string(at.port);
  if (!at.address) return ":" + port;
  return (at.address->is_v4() ? at.address->text() : "[" + at.address->text() + "]") + ":" + port;
}

std::string listening_key(const routing::Listener& listener, std::size_t address) {
  const routing::ListenAddress& at = listener.addresses[address];
  if (at.port != 0) return text_of(at);
  const auto first = listener.addresses.begin();
  const auto same_before = std::count(first, first + static_cast<std::ptrdiff_t>(address), at);
  return text_of(at) + " (" + listener.name + ")" +
         (same_before == 0 ? std::string{} : " " + std::to_string(same_before + 1));
}

std::string systemd_key(const std::string& name, std::size_t number) {
  return std::string{systemd_prefix} + name + " " + std::to_string(number);
}

std::string advice_for(int error) {
  switch (error) {
    case EADDRINUSE:
      return ": another process has it";
    case EACCES:
      return ": ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE or a socket unit";
    case EADDRNOTAVAIL:
      return ": this host does not have the address";
    case EMFILE:
      return ": raise LimitNOFILE= or `ulimit -n`";
    default:
      return {};
  }
}

}  // namespace baton::dispatch
