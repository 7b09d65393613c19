// SPDX-License-Identifier: MIT
#include "raw_peer.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "endpoint/position.hpp"
#include "handoff/frames.hpp"
#include "handoff/iso_image.hpp"
#include "os/socket.hpp"
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

sockaddr_un address_of(const std::string& folder, std::string_view tsel) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder + "/tsap/" + tsap::Selector::from_text(tsel)->hex();
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
  return address;
}

}  // namespace

RawListener::RawListener(const std::string& folder, std::string_view tsel)
    : socket_{adopt, ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)} {
  ::mkdir((folder + "/tsap").c_str(), 0700);
  const sockaddr_un address = address_of(folder, tsel);
  ::unlink(address.sun_path);
  EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(socket_.get(), 16), 0);
}

RawPeer RawListener::accept() const {
  RawPeer peer{UniqueFd{adopt, ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)}};
  const auto request = peer.receive();
  auto machine = transport::Connection::await(88, {.maximum_size = cotp::TpduSize::Octets65531});
  const auto event = machine->receive(request, request.size(), Instant{});
  EXPECT_TRUE(event && std::holds_alternative<transport::Indication>(*event));
  EXPECT_TRUE(machine->confirm().has_value());
  EXPECT_TRUE(peer.send(machine->output()));
  return peer;
}

RawPeer::RawPeer(const std::string& folder, std::string_view tsel)
    : socket_{adopt, ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)} {
  const sockaddr_un address = address_of(folder, tsel);
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
  return send_with(message, descriptor < 0 ? std::span<const int>{} : std::span{&descriptor, 1});
}

bool RawPeer::send_with(Bytes message, std::span<const int> descriptors, int flags) const {
  iovec part{const_cast<std::byte*>(message.data()), message.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  return ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | flags) == static_cast<ssize_t>(message.size());
}

std::vector<std::byte> RawPeer::receive() const {
  UniqueFd closed;
  return receive(closed);
}

std::vector<std::byte> RawPeer::receive(UniqueFd& descriptor) const {
  constexpr int limit_ms = 20'000;
  pollfd entry{socket_.get(), POLLIN, 0};
  if (::poll(&entry, 1, limit_ms) != 1) return {};
  std::vector<std::byte> message(handoff::max_frame);
  iovec part{message.data(), message.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  if (const cmsghdr* const rights = CMSG_FIRSTHDR(&header); size > 0 && rights != nullptr) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(rights), sizeof number);
    descriptor = UniqueFd{adopt, number};
  }
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

std::vector<std::byte> data_message(std::size_t octets) {
  std::vector<std::byte> message(3 + octets, std::byte{'x'});
  message[0] = std::byte{2};
  message[1] = std::byte{0xf0};
  message[2] = std::byte{0x80};
  return message;
}
std::vector<std::byte> call_frame_of(std::uint64_t move, bool express, std::span<const handoff::CallItem> items,
                                     Bytes iso_images) {
  return encoded(handoff::call_size(items.size()) + iso_images.size(),
                 [&](MutableBytes room) { return handoff::encode_call(room, move, express, items, iso_images, 0); });
}

handoff::CallItem described(int socket, handoff::Family family) {
  handoff::CallItem item;
  item.family = family;
  item.image.cookie = os::cookie(FdRef{socket}).value_or(0);
  if (const auto position = os::read_position(FdRef{socket})) item.image.position = endpoint::to_image(*position);
  return item;
}

std::vector<std::byte> local_image() {
  handoff::IsoImage image;
  image.carrier = handoff::Carrier::Local;
  image.connection.local_reference = 5;
  image.connection.remote_reference = 6;
  image.connection.confirmed = true;
  image.connection.size = cotp::TpduSize::Octets65531;
  return encoded(handoff::max_iso_image_head, [&](MutableBytes room) { return handoff::encode(room, image); });
}

handoff::TakeOutcome outcome_in(const std::vector<std::byte>& taken) {
  const auto frame = handoff::decode(taken);
  const auto* const body = frame ? std::get_if<handoff::Taken>(&frame->body) : nullptr;
  EXPECT_NE(body, nullptr);
  return body != nullptr ? body->items[0].outcome : handoff::TakeOutcome::Taken;
}

std::uint64_t move_in(const std::vector<std::byte>& frame) {
  const auto decoded = handoff::decode(frame);
  EXPECT_TRUE(decoded.has_value());
  return decoded ? decoded->move : 0;
}

}  // namespace baton::system_tests
