// SPDX-License-Identifier: MIT
// Reading and writing: soc_read, soc_recv, soc_write, soc_send and their relatives.
#include <span>

#include "baton/soc.h"
#include "capi/faults.hpp"
#include "capi/messages.hpp"
#include "capi/resolve.hpp"
#include "endpoint/in_use.hpp"
#include "os/plain_calls.hpp"

namespace plain = baton::os::plain;
using namespace baton;
using namespace baton::capi;
using endpoint::Fault;

namespace {

/// A call that reads or writes: the AF_ISO connection's own way, or the kernel's for a plain end point. For a number
/// that a move stands for, the kernel's as soon as the end point is back.
template <class OnIso, class OnKernel>
ssize_t dispatch(int s, Use use, int flags, OnIso on_iso, OnKernel on_kernel) {
  for (;;) {
    Target target = Plain{};
    {
      // Counted before the number is looked up: a data stop that begins now sees the count, or we see the stop.
      const endpoint::UseGuard guard{s};
      target = resolve(s);
      if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
        const auto connection = (*socket)->connection();
        if (!connection) return report(connection.error());
        return on_iso(**connection);
      }
      if (std::holds_alternative<Plain>(target)) return through(on_kernel());
      // Offered, and still the program's.
      if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target);
          given != nullptr && !(*given)->iso && !(*given)->out_of_reach())
        return through(on_kernel());
      if (std::holds_alternative<Inherited>(target)) {
        // The parent's end point may be used by whoever has it; the parent's link may not.
        if (endpoint::find(s).object->kind() != endpoint::Object::Kind::Socket) return through(on_kernel());
        return report(Fault::OtherProcess);
      }
    }
    if (std::holds_alternative<std::shared_ptr<endpoint::AwaitedMove>>(target))
      return report(use == Use::Read && !waiting_of(s, flags).may_block() ? Fault::WouldBlock : Fault::NotConfirmed);
    const auto& given = std::get<std::shared_ptr<endpoint::GivenMove>>(target);
    if (auto back = await_give_back(*given, use, waiting_of(s, flags)); !back) return report(back.error());
  }
}

ssize_t read_iso(int s, endpoint::IsoConnection& connection, std::span<const iovec> room, int flags) {
  if ((flags & ~(MSG_DONTWAIT | MSG_PEEK)) != 0) return report(Fault::Unsupported);
  auto lock = connection.lock();
  for (;;) {
    const auto data = connection.receive_user_data(lock, room, (flags & MSG_PEEK) != 0, waiting_of(s, flags));
    if (!data) return report(data.error());
    if (data->size > 0 || !data->end_of_tsdu) return static_cast<ssize_t>(data->size);
    // Only the end of a TSDU that has been read: without MSG_EOR it would look like the end of the connection.
    if ((flags & MSG_PEEK) != 0)
      (void)connection.receive_user_data(lock, room, false, endpoint::Waiting{true, never, -1});
  }
}

ssize_t write_iso(int s, endpoint::IsoConnection& connection, std::span<const iovec> octets, int flags) {
  // The manual: flags are not supported; MSG_DONTWAIT and MSG_NOSIGNAL say what holds or can be had anyway.
  if ((flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) != 0) return report(Fault::Unsupported);
  auto lock = connection.lock();
  const auto sent = connection.send_user_data(lock, octets, waiting_of(s, flags));
  return sent ? static_cast<ssize_t>(*sent) : report(sent.error());
}

bool valid(const iovec* parts, int count) { return count >= 0 && count <= IOV_MAX && (parts != nullptr || count == 0); }

}  // namespace

extern "C" {

ssize_t soc_recvfrom(int s, void* buf, size_t len, int flags, void* from, socklen_t* fromlen) {
  const iovec room{buf, len};
  return dispatch(
      s, Use::Read, flags,
      [&](endpoint::IsoConnection& connection) { return read_iso(s, connection, {&room, 1}, flags); },
      [&] { return plain::recvfrom(s, buf, len, flags, from, fromlen); });
}

ssize_t soc_recv(int s, void* buf, size_t len, int flags) { return soc_recvfrom(s, buf, len, flags, nullptr, nullptr); }

ssize_t soc_read(int s, void* buf, size_t nbytes) {
  const iovec room{buf, nbytes};
  return dispatch(
      s, Use::Read, 0, [&](endpoint::IsoConnection& connection) { return read_iso(s, connection, {&room, 1}, 0); },
      [&] { return plain::read(s, buf, nbytes); });
}

ssize_t soc_readv(int s, const struct iovec* iov, int iovcnt) {
  if (!valid(iov, iovcnt)) return report_errno(EINVAL);
  return dispatch(
      s, Use::Read, 0,
      [&](endpoint::IsoConnection& connection) {
        return read_iso(s, connection, {iov, static_cast<std::size_t>(iovcnt)}, 0);
      },
      [&] { return plain::readv(s, iov, iovcnt); });
}

ssize_t soc_sendto(int s, const void* msg, size_t len, int flags, const void* to, int tolen) {
  const iovec octets{const_cast<void*>(msg), len};
  return dispatch(
      s, Use::Write, flags,
      [&](endpoint::IsoConnection& connection) { return write_iso(s, connection, {&octets, 1}, flags); },
      [&] { return plain::sendto(s, msg, len, flags, to, static_cast<socklen_t>(tolen)); });
}

ssize_t soc_send(int s, const void* msg, size_t len, int flags) { return soc_sendto(s, msg, len, flags, nullptr, 0); }

ssize_t soc_write(int s, const void* buf, size_t nbytes) {
  const iovec octets{const_cast<void*>(buf), nbytes};
  return dispatch(
      s, Use::Write, 0, [&](endpoint::IsoConnection& connection) { return write_iso(s, connection, {&octets, 1}, 0); },
      [&] { return plain::write(s, buf, nbytes); });
}

ssize_t soc_writev(int s, const struct iovec* iov, int iovcnt) {
  if (!valid(iov, iovcnt)) return report_errno(EINVAL);
  return dispatch(
      s, Use::Write, 0,
      [&](endpoint::IsoConnection& connection) {
        return write_iso(s, connection, {iov, static_cast<std::size_t>(iovcnt)}, 0);
      },
      [&] { return plain::writev(s, iov, iovcnt); });
}

ssize_t soc_sendmsg(int s, const struct msghdr* msg, int flags) {
  if (msg == nullptr) return report_errno(EFAULT);
  if (const auto handled = send_control(s, *msg, flags)) return *handled;
  return dispatch(
      s, Use::Write, flags,
      [&](endpoint::IsoConnection& connection) {
        return write_iso(s, connection, {msg->msg_iov, msg->msg_iovlen}, flags);
      },
      [&] { return plain::sendmsg(s, msg, flags); });
}

ssize_t soc_recvmsg(int s, struct msghdr* msg, int flags) {
  if (msg == nullptr) return report_errno(EFAULT);
  if (const auto handled = receive_control(s, *msg, flags)) return *handled;
  return dispatch(
      s, Use::Read, flags,
      [&](endpoint::IsoConnection& connection) -> ssize_t {
        if ((flags & ~(MSG_DONTWAIT | MSG_PEEK)) != 0) return report(Fault::Unsupported);
        auto lock = connection.lock();
        const std::span<const iovec> room{msg->msg_iov, msg->msg_iovlen};
        const auto data = connection.receive_user_data(lock, room, (flags & MSG_PEEK) != 0, waiting_of(s, flags));
        if (!data) return report(data.error());
        msg->msg_flags = data->end_of_tsdu ? MSG_EOR : 0;
        return static_cast<ssize_t>(data->size);
      },
      [&] { return plain::recvmsg(s, msg, flags); });
}

}  // extern "C"
