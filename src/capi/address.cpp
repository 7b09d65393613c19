// SPDX-License-Identifier: MIT
#include "capi/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "baton/soc.h"

namespace baton::capi {
namespace {

void copy_out(const void* address, std::size_t size, void* name, socklen_t* length) {
  std::memcpy(name, address, std::min<std::size_t>(size, *length));
  *length = static_cast<socklen_t>(size);
}

}  // namespace

endpoint::Result<tsap::IsoAddress> read_address(const void* name, int length) {
  if (name == nullptr) return endpoint::fail(os::Errno{EFAULT});
  if (length < static_cast<int>(sizeof(sockaddr_iso))) return endpoint::fail(endpoint::Fault::BadAddress);
  sockaddr_iso address;
  std::memcpy(&address, name, sizeof address);
  if (address.siso_family != AF_ISO) return endpoint::fail(endpoint::Fault::BadAddress);
  const auto area = std::as_bytes(std::span{address.siso_addr.isoa_genaddr});
  const auto decoded = tsap::decode_address(area, address.siso_tlen);
  if (!decoded) return endpoint::fail(endpoint::Fault::BadAddress);
  return *decoded;
}

void write_address(const tsap::IsoAddress& address, void* name, socklen_t* length) {
  sockaddr_iso written{};
  written.siso_len = sizeof written;
  written.siso_family = AF_ISO;
  const auto area = std::as_writable_bytes(std::span{written.siso_addr.isoa_genaddr});
  written.siso_tlen = static_cast<unsigned char>(tsap::encode_address(address, area).value_or(0));
  written.siso_addr.isoa_len = static_cast<unsigned char>(tsap::Nsel::size + written.siso_tlen);
  copy_out(&written, sizeof written, name, length);
}

void write_address(const handoff::PeerAddress& address, handoff::Family family, void* name, socklen_t* length) {
  if (family == handoff::Family::Inet) {
    sockaddr_in written{};
    written.sin_family = AF_INET;
    written.sin_port = htons(address.port);
    std::memcpy(&written.sin_addr, address.octets.data(), sizeof written.sin_addr);
    return copy_out(&written, sizeof written, name, length);
  }
  sockaddr_in6 written{};
  written.sin6_family = AF_INET6;
  written.sin6_port = htons(address.port);
  written.sin6_scope_id = address.scope;
  std::memcpy(&written.sin6_addr, address.octets.data(), sizeof written.sin6_addr);
  copy_out(&written, sizeof written, name, length);
}

}  // namespace baton::capi
