// SPDX-License-Identifier: MIT
#include "raw_peer.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdio>
#include <cstring>

#include "handoff/frames.hpp"
#include "transport/connection.hpp"
#include "tsap/selector.hpp"

namespace baton::system_tests {
namespace {

template <class Encode>
std::vector<std::byte> encoded(std::size_t room, Encode encode) {
  std::vector<std::byte> frame(room);
  frame.resize(encode(MutableBytes{frame}).size());
  return frame;
}

}  // namespace

RawPeer::RawPeer(const std::string& folder, std::string_view tsel)
    : socket_{adopt, ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)} {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder + "/tsap/" + tsap::Selector::from_text(tsel)->hex();
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
  connected_ = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void RawPeer::request() {
  transport::ConnectRequest request;
  request.local_reference = 77;
  request.proposed_size = cotp::TpduSize::Octets65531;
  request.connect_time = std::chrono::seconds{30};
  const auto machine = transport::Connection::initiate(request, Instant{});
  (void)send(machine->output());
}

bool RawPeer::send(Bytes message, int descriptor) const {
  iovec part{const_cast<std::byte*>(message.data()), message.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  }
  return ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL) == static_cast<ssize_t>(message.size());
}

std::vector<std::byte> RawPeer::receive() const {
  constexpr int limit_ms = 20'000;
  pollfd entry{socket_.get(), POLLIN, 0};
  if (::poll(&entry, 1, limit_ms) != 1) return {};
  std::vector<std::byte> message(handoff::max_frame);
  const ssize_t size = ::recv(socket_.get(), message.data(), message.size(), 0);
  message.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return message;
}

std::vector<std::byte> RawPeer::receive_frame(std::uint8_t type) const {
  for (;;) {
    auto message = receive();
    if (message.empty() || handoff::type_of(message) == type) return message;
  }
}

std::vector<std::byte> hello_frame(std::uint8_t lowest, std::uint8_t highest) {
  handoff::Hello hello;
  hello.lowest_version = lowest;
  hello.highest_version = highest;
  return encoded(handoff::small_frame, [&](MutableBytes room) { return handoff::encode(room, hello); });
}
std::vector<std::byte> offer_frame(std::uint64_t move) {
  handoff::Description description;
  description.descriptor = 9;
  return encoded(handoff::small_frame,
                 [&](MutableBytes room) { return handoff::encode_head(room, move, description, 0); });
}
std::vector<std::byte> answer_frame(std::uint64_t move) {
  return encoded(handoff::small_frame,
                 [&](MutableBytes room) { return handoff::encode(room, move, handoff::Answer{1, 5, 1}); });
}
std::vector<std::byte> call_frame(std::uint64_t move, bool express, std::size_t count) {
  const std::vector<handoff::CallItem> items(count);
  return encoded(handoff::call_size(count),
                 [&](MutableBytes room) { return handoff::encode_call(room, move, express, items, {}, 0); });
}
std::vector<std::byte> taken_frame(std::uint64_t move) {
  const handoff::TakenItem item{move, handoff::TakeOutcome::Taken, 5};
  return encoded(handoff::small_frame, [&](MutableBytes room) { return handoff::encode(room, {&item, 1}); });
}
std::vector<std::byte> cancel_frame(std::uint64_t move) {
  return encoded(handoff::small_frame,
                 [&](MutableBytes room) { return handoff::encode(room, move, handoff::Cancel{}); });
}
std::vector<std::byte> cancelled_frame(std::uint64_t move) {
  return encoded(handoff::small_frame,
                 [&](MutableBytes room) { return handoff::encode(room, move, handoff::Cancelled{}); });
}
std::vector<std::byte> credit_frame(std::uint32_t more) {
  return encoded(handoff::small_frame, [&](MutableBytes room) { return handoff::encode(room, handoff::Credit{more}); });
}

}  // namespace baton::system_tests
