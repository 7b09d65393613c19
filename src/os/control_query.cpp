// SPDX-License-Identifier: MIT
#include "os/control_query.hpp"

#include <fcntl.h>
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

/// ETIMEDOUT at the deadline.
Result<void> await(FdRef connection, short events, Instant deadline) noexcept {
  pollfd entry{.fd = connection.get(), .events = events, .revents = 0};
  const Result<int> ready = poll_until({&entry, 1}, deadline);
  if (!ready) return std::unexpected{ready.error()};
  if (*ready == 0) return failure(ETIMEDOUT);
  return {};
}

/// One more part behind `text`; false at the end of file.
Result<bool> read_part(FdRef connection, std::string& text, Instant deadline) {
  std::array<char, 16384> part;
  for (;;) {
    if (auto readable = await(connection, POLLIN, deadline); !readable) return std::unexpected{readable.error()};
    const ssize_t size = ::recv(connection.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) continue;
    if (size < 0) return failure();
    text.append(part.data(), static_cast<std::size_t>(size));
    return size > 0;
  }
}

Result<void> send_all(FdRef connection, std::string_view octets, Instant deadline) noexcept {
  while (!octets.empty()) {
    if (auto writable = await(connection, POLLOUT, deadline); !writable) return writable;
    const ssize_t size = ::send(connection.get(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EAGAIN) continue;
    if (size < 0) return failure();
    octets.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

}  // namespace

Result<UniqueFd> connect_for_requests(FdRef folder, const char* name, Instant deadline) {
  const Result<FoundSocket> found = find_socket(folder, name);
  if (!found) return std::unexpected{found.error()};
  UniqueFd socket{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket.valid()) return failure();
  if (auto limited = limit_connect(socket.ref(), deadline); !limited) return std::unexpected{limited.error()};
  if (auto connected = connect_to(socket.ref(), *found); !connected)
    return failure(connected.error() == Errno{EAGAIN} ? ETIMEDOUT : number(connected.error()));
  return socket;
}

Result<UniqueFd> connect_for_requests(const std::string& path, Instant deadline) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const UniqueFd folder{adopt, ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!folder.valid()) return failure();
  return connect_for_requests(folder.ref(), name.c_str(), deadline);
}

Result<std::string> read_to_end(FdRef connection, std::size_t most, Instant deadline) {
  std::string text;
  for (;;) {
    const Result<bool> more = read_part(connection, text, deadline);
    if (!more) return std::unexpected{more.error()};
    if (!*more) return text;
    if (text.size() > most) return failure(EMSGSIZE);
  }
}

Result<std::string> ask_line(FdRef connection, std::string_view request, Instant deadline) {
  if (auto sent = send_all(connection, std::string{request} + "\n", deadline); !sent)
    return std::unexpected{sent.error()};
  std::string text;
  for (std::size_t looked = 0;;) {
    const Result<bool> more = read_part(connection, text, deadline);
    if (!more) return std::unexpected{more.error()};
    if (!*more) return failure(ECONNRESET);
    if (const std::size_t end = text.find('\n', looked); end != std::string::npos) return text.substr(0, end);
    looked = text.size();
    if (looked > longest_answer) return failure(EMSGSIZE);
  }
}

}  // namespace baton::os
