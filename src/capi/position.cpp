// SPDX-License-Identifier: MIT
// soc_position: the stream position of a connection, for logs; and soc_deadline.
#include <cerrno>

#include "baton/soc.h"
#include "capi/faults.hpp"
#include "capi/resolve.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/tcp_position.hpp"

using namespace baton;
using namespace baton::capi;
using endpoint::Fault;

namespace {

/// Readings of a stream under traffic: each finds it unchanged for an instant, or not.
constexpr int most_readings = 8;

int give_position(FdRef end_point, soc_stream_position* position) {
  os::Result<os::StreamPosition> read = os::failure(EAGAIN);
  for (int i = 0; i < most_readings && !read && os::number(read.error()) == EAGAIN; ++i)
    read = os::read_position(end_point);
  if (read) {
    *position = {.consumed = read->consumed, .written = read->written, .unread = read->unread};
    return 0;
  }
  switch (os::number(read.error())) {
    case EINVAL:
      return report(Fault::NotConnected);
    case ENOTSOCK:
    case EOPNOTSUPP:
    case ENOPROTOOPT:
      return report(Fault::Unsupported);
    default:
      return report_errno(os::number(read.error()));
  }
}

}  // namespace

extern "C" {

int soc_position(int s, struct soc_stream_position* position) {
  if (position == nullptr) return report_errno(EFAULT);
  const Target target = resolve(s);
  if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target);
      given != nullptr && (*given)->stands_in(s))
    return report(Fault::Busy);
  if (std::holds_alternative<std::shared_ptr<endpoint::AwaitedMove>>(target)) return report(Fault::NotConfirmed);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
    const auto connection = (*socket)->connection();
    if (!connection) return report(connection.error());
    if ((*connection)->carrier() != handoff::Carrier::Tcp) return report(Fault::Unsupported);
  }
  return give_position(FdRef{s}, position);
}

int soc_deadline(const struct timespec* until) {
  if (until == nullptr) {
    thread_deadline().reset();
    return 0;
  }
  constexpr long second = 1'000'000'000;
  if (until->tv_sec < 0 || until->tv_nsec < 0 || until->tv_nsec >= second) return report(Fault::Argument);
  constexpr auto most_seconds = std::chrono::floor<std::chrono::seconds>(never).count() - 1;
  thread_deadline() = until->tv_sec > most_seconds
                          ? never
                          : std::chrono::seconds{until->tv_sec} + std::chrono::nanoseconds{until->tv_nsec};
  return 0;
}

}  // extern "C"
