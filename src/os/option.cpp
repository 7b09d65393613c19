// SPDX-License-Identifier: MIT
#include "os/option.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace baton::os {
namespace {

struct Value {
  std::array<std::byte, 64> octets{};
  socklen_t size = 64;
};

bool read(const Option& option, FdRef socket, Value& value) noexcept {
  return ::getsockopt(socket.get(), option.level, option.name, value.octets.data(), &value.size) == 0;
}

}  // namespace

std::optional<int> int_option(const Option& option, FdRef socket) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(socket.get(), option.level, option.name, &value, &size) != 0) return std::nullopt;
  return value;
}

void copy_option(const Option& option, FdRef from, FdRef to) noexcept {
  Value wanted;
  Value present;
  if (!read(option, from, wanted) || !read(option, to, present)) return;
  if (wanted.size == present.size && std::memcmp(wanted.octets.data(), present.octets.data(), wanted.size) == 0) return;
  (void)::setsockopt(to.get(), option.level, option.name, wanted.octets.data(), wanted.size);
}

Duration receive_timeout(FdRef socket) noexcept {
  timeval value{};
  socklen_t size = sizeof value;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &value, &size) != 0) return {};
  return std::chrono::seconds{value.tv_sec} + std::chrono::microseconds{value.tv_usec};
}

}  // namespace baton::os
