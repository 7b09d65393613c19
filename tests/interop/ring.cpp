// SPDX-License-Identifier: MIT
#include "ring.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace baton::interop {
namespace {

using test::checked;
using test::fail_call;
using test::Offered;
using test::redirect_header;
using test::require;

constexpr std::size_t nsel_length = 8;

std::string name_of(unsigned number) { return "ring" + std::to_string(number); }

msghdr message(cmsg_redhdr& header, iovec& octets) {
  msghdr result{};
  result.msg_control = &header;
  result.msg_controllen = sizeof header;
  result.msg_iov = &octets;
  result.msg_iovlen = octets.iov_len > 0 ? 1 : 0;
  return result;
}

/// What a call that does not wait has brought.
Came came(ssize_t result, const char* what) {
  if (result >= 0) return Came::One;
  if (errno == EWOULDBLOCK) return Came::Nothing;
  if (errno != ECONNRESET) fail_call(what);
  return Came::End;
}

}  // namespace

sockaddr_iso iso_address(std::string_view host, std::string_view tsel) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(tsel.size());
  std::memset(address.siso_addr.isoa_genaddr, ' ', nsel_length);
  std::ranges::copy(host, address.siso_addr.isoa_genaddr);
  std::ranges::copy(tsel, address.siso_addr.isoa_genaddr + nsel_length);
  return address;
}

std::string_view tsel_of(const sockaddr_iso& address) noexcept {
  return {address.siso_addr.isoa_genaddr + nsel_length, address.siso_tlen};
}

Ring::Ring(const test::Steps& steps, const Gathering& gathering, unsigned number, unsigned processes) : steps_{steps} {
  if (processes < 2) return;
  const auto accept_and_confirm = [&] {
    in_ = steps_.accept(listening_);
    pollfd entry{in_, POLLIN, 0};
    checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");
  };
  const unsigned next = (number + 1) % processes;
  listening_ = steps_.listen(name_of(number));
  gathering.listening.at(number).send(0);
  (void)gathering.listening.at(next).receive();
  // A connect waits until it is accepted and confirmed, so one process has to begin.
  if (number != 0) accept_and_confirm();
  out_ = steps_.connect(name_of(next));
  if (number == 0) accept_and_confirm();
}

void Ring::leave() {
  for (const int number : {out_, in_, listening_})
    if (number >= 0) checked(soc_close(number), "soc_close of the ring's links");
}

Came Ring::try_offer(Offered& offered, MutableBytes room) const {
  offered.header = redirect_header(TPOPT_REDI_DATA);
  iovec part{room.data(), room.size()};
  msghdr data = message(offered.header, part);
  const auto received = soc_recvmsg(in_, &data, 0);
  const Came result = came(received, "soc_recvmsg(REDI_DATA)");
  if (result != Came::One) return result;
  require(offered.header.domain == AF_ISO && offered.number() >= 0, "the offer is of an ISO end point");
  require((offered.header.redhdr_red_liso.flags & RED_OFFERED) != 0, "the offer is flagged");
  offered.octets = static_cast<std::size_t>(received);
  return result;
}

bool Ring::try_take(Offered& offered) const {
  offered.header.cmsg_type = TPOPT_REDI_CALL;
  socklen_t size = sizeof offered.header;
  const int result = soc_getsockopt(in_, SOL_TRANSPORT, TPOPT_REDI_CALL, &offered.header, &size);
  if (result < 0 && errno != EWOULDBLOCK) fail_call("soc_getsockopt(REDI_CALL)");
  if (result < 0) return false;
  check_taken(offered);
  return true;
}

void Ring::check_taken(const Offered& offered) const {
  require(offered.header.handoff_ok == 1 && offered.header.domain == AF_ISO, "the end point is taken");
  require((offered.header.redhdr_red_liso.flags & RED_TAKEN) != 0, "the end point is flagged as taken");
  require(steps_.waiter().is_prepared(offered.number()), "the end point keeps its mode");
}

Came Ring::try_answer(int& number) const {
  cmsg_redhdr header = redirect_header(TPOPT_REDI_BDOK);
  iovec nothing{};
  msghdr data = message(header, nothing);
  const Came result = came(soc_recvmsg(out_, &data, 0), "soc_recvmsg(REDI_BDOK)");
  if (result != Came::One) return result;
  require(header.bind_ok == REDBIND_OK && header.domain == AF_ISO, "the next process accepts the end point");
  number = header.redhdr_red_liso.fd;
  return result;
}

void Ring::call_and_close(int number) const {
  steps_.call(out_, {number, AF_ISO});
  checked(soc_close(number), "soc_close of the accept descriptor");
}

}  // namespace baton::interop
