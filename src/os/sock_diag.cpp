// SPDX-License-Identifier: MIT
#include "os/sock_diag.hpp"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "os/socket.hpp"

namespace baton::os {
namespace {

/// Port and address of `from`, as the kernel wants them: both big endian.
bool fill(const Address& from, __be16& port, __be32 (&address)[4]) noexcept {
  port = htons(from.port());
  if (from.family() == AF_INET) {
    std::memcpy(&address, from.bytes().data() + offsetof(sockaddr_in, sin_addr), sizeof(in_addr));
    return true;
  }
  if (from.family() == AF_INET6) {
    std::memcpy(&address, from.bytes().data() + offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr));
    return true;
  }
  return false;
}

/// The answer to one request: the message itself, or the error it brings.
Result<DiagQueues> parse(Bytes answer) noexcept {
  nlmsghdr header;
  if (answer.size() < sizeof header) return failure(EPROTO);
  std::memcpy(&header, answer.data(), sizeof header);
  const Bytes payload = answer.subspan(NLMSG_HDRLEN);
  if (header.nlmsg_type == NLMSG_ERROR && payload.size() >= sizeof(nlmsgerr)) {
    nlmsgerr error;
    std::memcpy(&error, payload.data(), sizeof error);
    return failure(error.error < 0 ? -error.error : EPROTO);
  }
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || payload.size() < sizeof(inet_diag_msg)) return failure(EPROTO);
  inet_diag_msg found;
  std::memcpy(&found, payload.data(), sizeof found);
  return DiagQueues{.receive = found.idiag_rqueue, .send = found.idiag_wqueue};
}

}  // namespace

Result<SockDiag> SockDiag::open(FdRef socket) noexcept {
  const auto local = local_address(socket);
  if (!local) return std::unexpected{local.error()};
  const auto peer = peer_address(socket);
  if (!peer) return std::unexpected{peer.error()};
  const auto name = cookie(socket);
  if (!name) return std::unexpected{name.error()};

  inet_diag_req_v2 request{};
  request.sdiag_family = static_cast<__u8>(local->family());
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = ~0U;
  if (!fill(*local, request.id.idiag_sport, request.id.idiag_src) ||
      !fill(*peer, request.id.idiag_dport, request.id.idiag_dst))
    return failure(EAFNOSUPPORT);
  // A socket bound to an interface is only found with it; any other one is found with any.
  request.id.idiag_if = bound_interface(socket);
  request.id.idiag_cookie[0] = static_cast<__u32>(*name);
  request.id.idiag_cookie[1] = static_cast<__u32>(*name >> 32);

  UniqueFd netlink{adopt, ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
  if (!netlink.valid()) return failure();
  return SockDiag{std::move(netlink), request};
}

Result<DiagQueues> SockDiag::queues() noexcept {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof message;
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST;
  message.request = request_;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(netlink_.get(), &message, sizeof message, 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) <
      0)
    return failure();
  // The kernel has queued its answer before sendto returns: nothing waits here.
  alignas(nlmsghdr) std::array<std::byte, 1024> answer;
  const ssize_t size = recv(netlink_.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  if (size < 0) return failure(errno == EAGAIN ? EPROTO : errno);
  return parse(Bytes{answer}.first(static_cast<std::size_t>(size)));
}

}  // namespace baton::os
