// SPDX-License-Identifier: MIT
#include "raw_server.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "os/event.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"

namespace baton::cli_tests {
namespace {

/// False: `stop` came first.
bool readable(FdRef what, FdRef stop) {
  std::array<pollfd, 2> entries{
      {{.fd = what.get(), .events = POLLIN, .revents = 0}, {.fd = stop.get(), .events = POLLIN, .revents = 0}}};
  while (::poll(entries.data(), entries.size(), -1) < 0) {
  }
  return entries[1].revents == 0;
}

}  // namespace

RawServer::RawServer(Reply reply)
    : reply_{std::move(reply)}, listening_{test::tcp_listen(AF_INET)}, port_{test::port_of(listening_.ref())} {
  auto stop = os::event_descriptor();
  test::require(stop.has_value(), "eventfd");
  stop_ = std::move(*stop);
  thread_ = std::thread{[this] { serve(); }};
}

RawServer::~RawServer() {
  os::signal_event(stop_.ref());
  thread_.join();
}

std::string RawServer::address() const { return "127.0.0.1:" + std::to_string(port_); }

void RawServer::serve() {
  while (readable(listening_.ref(), stop_.ref())) {
    const UniqueFd client{adopt, ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!client.valid()) continue;
    ++connections_;
    talk(client.ref());
  }
}

void RawServer::talk(FdRef client) {
  std::string request;
  std::array<char, 4096> room;
  // Requests are short and come whole, or octet by octet: complete when the length in the header says so.
  const auto length = [&] {
    return request.size() < 4
               ? std::size_t{4}
               : std::size_t{static_cast<unsigned char>(request[2])} * 256 + static_cast<unsigned char>(request[3]);
  };
  while (request.size() < length()) {
    if (!readable(client, stop_.ref())) return;
    const ssize_t size = ::recv(client.get(), room.data(), room.size(), 0);
    if (size <= 0) return;
    request.append(room.data(), static_cast<std::size_t>(size));
  }
  const auto reply = reply_(request);
  if (reply && reply->empty()) return;
  if (reply && ::send(client.get(), reply->data(), reply->size(), MSG_NOSIGNAL) < 0) return;
  while (readable(client, stop_.ref()) && ::recv(client.get(), room.data(), room.size(), 0) > 0) {
  }
  // The client has ended this connection; did it begin the next one before?
  pollfd entry{.fd = listening_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&entry, 1, 0) > 0) ++overlapping_;
}

}  // namespace baton::cli_tests
