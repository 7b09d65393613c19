// SPDX-License-Identifier: MIT
// baton: endpoint/fault.hpp: why a call on an end point did not succeed.
//
// The C API turns each into errno and a sentence in one table (capi/faults.cpp).
#pragma once

#include <expected>

#include "os/result.hpp"

namespace baton::endpoint {

enum class Fault {
  System,         // the kernel's own errno, in Failure::system
  WouldBlock,     // non-blocking, and nothing to be had now
  Interrupted,    // a signal
  BadDescriptor,  // not open
  NotIso,         // no AF_ISO socket
  NotConnection,  // an AF_ISO socket, but no connection
  Unsupported,    // not of this kind of socket
  Argument,       // a value that no call may have
  Header,         // cmsg_len, cmsg_level, cmsg_type or the control length is wrong
  BadAddress,     // not an AF_ISO address
  ForeignHost,    // the NSEL is not this host's
  UnknownHost,    // the NSEL stands for no address
  PortAddress,    // BATON_ISO_LISTEN is no address and port
  PortTaken,      // ... is somebody else's
  PortDenied,     // ... is not for this user
  AlreadyNamed,   // bind: the socket has a name
  NotNamed,       // connect, listen: bind first
  NotConfirmed,   // the connection is not (yet) open
  AlreadyConnected,
  Refused,         // nobody listens, or the listener closed
  PartnerRefused,  // a partner on another host sent a DR: Failure::detail is its reason
  NoAnswer,        // ... closed instead of answering
  ReadFirst,       // more is read ahead than moves along
  NotLocal,        // the connection goes to another host: no moves are agreed over it
  TimedOut,
  LinkEnded,      // the partner is gone
  Protocol,       // the partner sent what no partner may send
  FrameExpected,  // the next unit is user data
  DataExpected,   // the next unit is a frame of a move
  TooLong,        // more octets than fit
  Overflow,       // a number that the seed's `short` cannot hold
  OtherProcess,   // made by a process that this one was forked from
  WrongFamily,    // the end point is of another family than said
  OtherFamily,    // ... of one that does not move
  OverItself,     // the end point is the link of the move
  NotConnected,   // the end point to move is not connected
  Listening,      // a listening socket
  NotStream,      // not SOCK_STREAM over TCP
  UpperLayer,     // kTLS or another layer above TCP; MPTCP
  Urgent,         // urgent data is pending: the position cannot be told
  Busy,           // another call is using it, or it is in a data stop
  Watched,        // strict mode: an epoll set still watches the end point
  AlreadyMoving,  // in another move
  NoSuchMove,
  OutOfOrder,   // not the step that comes next
  Cancelled,    // the move was called off
  RefusedMove,  // the server did not take it; the end point is back
  Touched,      // somebody read or wrote in between
  InDoubt,      // the outcome will come
  NoCredit,
  PeerTooOld,  // ... to understand groups, blobs and listening sockets
  Moved,       // the end point now lives in another process
};

struct Failure {
  Fault fault = Fault::System;
  os::Errno system{};
  int detail = 0;  // PartnerRefused: the DR's reason
};

template <class T>
using Result = std::expected<T, Failure>;

[[nodiscard]] inline std::unexpected<Failure> fail(Fault fault) noexcept { return std::unexpected{Failure{fault, {}}}; }
[[nodiscard]] inline std::unexpected<Failure> fail(os::Errno error) noexcept {
  switch (os::number(error)) {
    case EAGAIN:
      return fail(Fault::WouldBlock);
    case EINTR:
      return fail(Fault::Interrupted);
    case EBADF:
      return fail(Fault::BadDescriptor);
    default:
      return std::unexpected{Failure{Fault::System, error}};
  }
}

}  // namespace baton::endpoint
