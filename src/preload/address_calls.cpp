// SPDX-License-Identifier: MIT
// getpeername, getsockname: of a connection whose client came by a proxy they give what the proxy has said, as accept
// did.
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "preload/export.hpp"
#include "preload/numbers.hpp"
#include "preload/real.hpp"
#include "preload/section.hpp"
#include "preload/told.hpp"

using namespace baton;
using namespace baton::preload;

namespace {

std::optional<os::ToldAddresses> told_of(int number) {
  if (!active() || Numbers::kind(number) != Kind::Told || in_section()) return std::nullopt;
  const Section section;
  return section.ours() ? told().find(number) : std::nullopt;
}

using Call = int (*)(int, sockaddr*, socklen_t*);

int ask(Call call, os::Address os::ToldAddresses::* which, int number, sockaddr* address, socklen_t* size) {
  const auto known = address != nullptr && size != nullptr ? told_of(number) : std::nullopt;
  const socklen_t room = known ? *size : 0;
  // The kernel says whether the connection is there still, and whether there is room.
  const int outcome = call(number, address, size);
  if (outcome != 0 || !known) return outcome;
  const os::Address& said = (*known).*which;
  std::memcpy(address, said.data(), std::min(room, said.size()));
  *size = said.size();
  return 0;
}

}  // namespace

extern "C" {

BATON_EXPORT int getpeername(int number, sockaddr* address, socklen_t* size) {
  return ask(real().getpeername, &os::ToldAddresses::client, number, address, size);
}

BATON_EXPORT int getsockname(int number, sockaddr* address, socklen_t* size) {
  return ask(real().getsockname, &os::ToldAddresses::destination, number, address, size);
}

}  // extern "C"
