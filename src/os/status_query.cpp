// SPDX-License-Identifier: MIT
#include "os/status_query.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "os/named_socket.hpp"
#include "os/process.hpp"
#include "os/wait.hpp"

namespace baton::os {
namespace {

/// connect(2) waits while the backlog is full, at most as long as SO_SNDTIMEO says (unix(7), socket(7)).
Result<void> limit_connect(FdRef socket, Instant deadline) noexcept {
  using std::chrono::microseconds;
  const auto left = std::max(std::chrono::duration_cast<microseconds>(deadline - monotonic_now()), microseconds{1});
  const timeval limit{.tv_sec = left.count() / 1'000'000, .tv_usec = left.count() % 1'000'000};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) return failure();
  return {};
}

}  // namespace

Result<std::string> ask_status(FdRef folder, const char* name, Instant deadline) {
  const Result<FoundSocket> found = find_socket(folder, name);
  if (!found) return std::unexpected{found.error()};
  const UniqueFd socket{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket.valid()) return failure();
  if (auto limited = limit_connect(socket.ref(), deadline); !limited) return std::unexpected{limited.error()};
  if (auto connected = connect_to(socket.ref(), *found); !connected)
    return failure(connected.error() == Errno{EAGAIN} ? ETIMEDOUT : number(connected.error()));
  std::string answer;
  std::array<char, 4096> part;
  for (;;) {
    pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
    const Result<int> ready = poll_until({&readable, 1}, deadline);
    if (!ready) return std::unexpected{ready.error()};
    if (*ready == 0) return failure(ETIMEDOUT);
    const ssize_t size = ::recv(socket.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) continue;
    if (size < 0) return failure();
    if (size == 0) return answer;
    answer.append(part.data(), static_cast<std::size_t>(size));
    if (answer.size() > longest_status) return failure(EMSGSIZE);
  }
}

}  // namespace baton::os
