// SPDX-License-Identifier: MIT
#include "capi/faults.hpp"

#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "cotp/reasons.hpp"
#include "endpoint/host_table.hpp"
#include "link/admission.hpp"
#include "os/runtime_folder.hpp"

namespace baton::capi {
namespace {

using endpoint::Fault;

struct Row {
  int error;
  const char* sentence;
};

/// The one table. A new Fault without a row does not compile (-Wswitch).
Row row_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::System:
      return {0, nullptr};
    case Fault::WouldBlock:
      return {EWOULDBLOCK,
              "nothing to be had now and the socket is non-blocking: wait with soc_poll or select, call again"};
    case Fault::Interrupted:
      return {EINTR, "a signal or soc_wake ended the call: call again if you want to go on waiting"};
    case Fault::BadDescriptor:
      return {EBADF, "the descriptor is not open: it was closed, or never opened"};
    case Fault::NotIso:
      return {EOPNOTSUPP, "not an AF_ISO socket: a handoff is agreed over a local AF_ISO connection"};
    case Fault::NotConnection:
      return {ENOTCONN, "a listening AF_ISO socket is no connection: use what accept returned"};
    case Fault::Unsupported:
      return {EOPNOTSUPP, "this kind of socket has no such call"};
    case Fault::Argument:
      return {EINVAL, "an argument has a value that the call does not take"};
    case Fault::Header:
      return {EINVAL,
              "cmsg_len, cmsg_level, cmsg_type or the control length is wrong: they are sizeof(struct cmsg_redhdr), "
              "SOL_TRANSPORT and the TPOPT_REDI_* of the call"};
    case Fault::BadAddress:
      return {EINVAL,
              "not a valid struct sockaddr_iso: the NSEL has 8 characters (letters, digits, # @ $, blanks behind), "
              "the TSEL at most 32 octets, siso_family is AF_ISO"};
    case Fault::ForeignHost:
      return {EADDRNOTAVAIL, "the NSEL names another host: use this host's (BATON_NSEL) or blanks"};
    case Fault::UnknownHost:
      return {EHOSTUNREACH,
              "no address is known for the NSEL: add it to the hosts file; where the call may not wait, names are "
              "not asked of the resolver"};
    case Fault::PortAddress:
      return {EINVAL, "BATON_ISO_LISTEN is not an address and a port, as in 192.0.2.1:102 or [::]:102"};
    case Fault::PortTaken:
      return {EADDRINUSE,
              "another process has the address of BATON_ISO_LISTEN: one process serves a port, for all its TSAPs"};
    case Fault::PortDenied:
      return {EACCES,
              "the port of BATON_ISO_LISTEN is not for this user: take one above 1023, or give the program "
              "CAP_NET_BIND_SERVICE"};
    case Fault::AlreadyNamed:
      return {EINVAL, "the socket has a name already: bind once"};
    case Fault::NotNamed:
      return {EINVAL, "the AF_ISO socket has no name: bind comes before listen and connect"};
    case Fault::NotConfirmed:
      return {
          ENOTCONN,
          "the connection is not open: not connected, or the request is not confirmed yet (send data or CFRM data)"};
    case Fault::AlreadyConnected:
      return {EISCONN, "the socket is connected"};
    case Fault::Refused:
      return {ECONNREFUSED,
              "nobody listens under that TSEL, or the listener refused; check that the server runs and that "
              "both use the same BATON_RUNTIME_DIR"};
    case Fault::PartnerRefused:
      return {ECONNREFUSED, "the partner refused the connection"};
    case Fault::NoAnswer:
      return {ECONNREFUSED,
              "the partner closed the connection instead of answering: it may speak no ISO transport there, or not "
              "like the TSELs or the TPDU size"};
    case Fault::NotLocal:
      return {EOPNOTSUPP, "the connection goes to another host: moves are agreed over a connection within the host"};
    case Fault::ReadFirst:
      return {EBUSY, "more has been read ahead than moves along: read what soc_pending counts, then offer again"};
    case Fault::TimedOut:
      return {ETIMEDOUT, "no answer in time; a move that was under way is being called off"};
    case Fault::LinkEnded:
      return {ECONNRESET, "the partner closed the AF_ISO connection or its process ended"};
    case Fault::Protocol:
      return {EPROTO, "the partner sent what the handoff protocol does not allow; the link is of no use any more"};
    case Fault::FrameExpected:
      return {ENOMSG, "the next unit on the link is user data: read it first"};
    case Fault::DataExpected:
      return {EIO, "no user data to read: the next unit is a step of a handoff, read it with recvmsg"};
    case Fault::TooLong:
      return {EMSGSIZE,
              "too long: connection data has at most 32 octets, an offer brings up to 65536, a blob has at most "
              "SOC_BLOB_MAX, and the buffer must hold all of it"};
    case Fault::Overflow:
      return {EOVERFLOW,
              "the structure's `short` cannot name a descriptor above 32767: close some, or lower the limit"};
    case Fault::OtherProcess:
      return {EPERM, "made by the process that this one was forked from: here it can only be closed"};
    case Fault::WrongFamily:
      return {EAFNOSUPPORT, "`domain` is not the address family of the end point"};
    case Fault::OtherFamily:
      return {EAFNOSUPPORT, "an end point of this address family cannot be moved: only IPv4, IPv6 and AF_ISO ones"};
    case Fault::OverItself:
      return {EINVAL, "a link cannot be moved over itself: give it over another one"};
    case Fault::NotConnected:
      return {ENOTCONN, "the end point to move is not connected"};
    case Fault::Listening:
      return {EINVAL, "a listening AF_ISO socket is not moved: the other process binds the TSAP itself"};
    case Fault::NotStream:
      return {ESOCKTNOSUPPORT, "only SOCK_STREAM end points over TCP can be moved"};
    case Fault::UpperLayer:
      return {EPROTONOSUPPORT, "kTLS or another layer above TCP, and MPTCP, are not moved"};
    case Fault::Urgent:
      return {EBUSY, "urgent data is pending, so the stream position cannot be told: read it, then offer again"};
    case Fault::Busy:
      return {EBUSY, "another call is using the end point, or it is in a data stop; the end point stays here"};
    case Fault::Watched:
      return {EBUSY, "an epoll set still watches the end point: remove it (EPOLL_CTL_DEL) before REDI_DATA"};
    case Fault::AlreadyMoving:
      return {EALREADY, "the end point is in another move"};
    case Fault::NoSuchMove:
      return {ENOENT, "no such move on this link"};
    case Fault::OutOfOrder:
      return {EPROTO, "out of order: the steps are REDI_DATA, REDI_BDOK, REDI_CALL"};
    case Fault::Cancelled:
      return {ECANCELED, "the move was called off; the end point is with the listener"};
    case Fault::RefusedMove:
      return {ECONNABORTED, "the server did not take the end point: it is back, register it with epoll again"};
    case Fault::Touched:
      return {EUCLEAN, "somebody read or wrote the stream during the data stop, so no one can go on with it"};
    case Fault::InDoubt:
      return {EINPROGRESS, "called, and the outcome is not known yet: getsockopt(TPOPT_REDI_CALL) waits for it"};
    case Fault::NoCredit:
      return {EAGAIN, "the server takes no more at present (no credit): wait and give again"};
    case Fault::PeerTooOld:
      return {EOPNOTSUPP,
              "the partner's baton is too old for groups, listening sockets and application data: renew it, or give "
              "connections alone"};
    case Fault::Moved:
      return {ENOTCONN, "the end point has moved to another process: close this descriptor"};
  }
  return {EINVAL, nullptr};
}

// The sentence is made when somebody asks: a failed read of a non-blocking socket is no occasion for text.
thread_local endpoint::Failure last_failure{Fault::System, {}};
// What the failed call would have made is in this sub-folder of the runtime folder.
thread_local const char* last_sub = nullptr;

int remember(endpoint::Failure failure, int error) noexcept {
  last_failure = failure;
  last_sub = nullptr;
  errno = error;
  return -1;
}

const char* advice_for(int error) noexcept {
  switch (error) {
    case EACCES:
      return "the name belongs to a user who is not admitted (BATON_ALLOW_UIDS)";
    case EADDRINUSE:
      return "another process has this name";
    case EMFILE:
      return "this process has no descriptor left (RLIMIT_NOFILE): close some and call again";
    default:
      return nullptr;
  }
}

// Where names are kept and looked up, the folder is the most common reason. Empty where it is all right.
std::string folder_trouble(bool system, int error) {
  if (system && os::lacks_room(error)) return "";
  if (last_sub != nullptr && system) return os::trouble_of_bind(last_sub);
  if (last_failure.fault == Fault::Refused || (system && error == EACCES)) return os::trouble_of_connect("tsap");
  return "";
}

}  // namespace

int report_errno(int error) noexcept { return remember({Fault::System, os::Errno{error}}, error); }

int report(endpoint::Failure failure) noexcept {
  return remember(failure, failure.fault == Fault::System ? os::number(failure.system) : row_of(failure.fault).error);
}

int report_made(endpoint::Failure failure, const char* sub) noexcept {
  (void)report(failure);
  last_sub = sub;
  return -1;
}

int report(Fault fault) noexcept { return report(endpoint::Failure{fault, {}}); }

template <class T>
T through(T value) noexcept {
  if (value < 0) return static_cast<T>(report_errno(errno));
  return value;
}
template int through(int) noexcept;
template ssize_t through(ssize_t) noexcept;

const char* last_sentence() noexcept {
  thread_local std::string sentence;
  const int before = errno;
  const int error = os::number(last_failure.system);
  const bool system = last_failure.fault == Fault::System;
  const std::string trouble = folder_trouble(system, error);
  if (!system) {
    sentence = row_of(last_failure.fault).sentence;
  } else if (error == 0) {
    sentence = "no failure yet";
  } else {
    char text[128];
    sentence = ::strerror_r(error, text, sizeof text);
    if (!trouble.empty())
      sentence += ": " + trouble;
    else if (const char* advice = advice_for(error))
      sentence += std::string{": "} + advice;
  }
  if (last_failure.fault == Fault::PartnerRefused)
    sentence += ": " + std::string{cotp::describe(static_cast<cotp::DisconnectReason>(last_failure.detail))};
  if (last_failure.fault == Fault::UnknownHost) sentence += "; looked into " + endpoint::described_hosts();
  if (last_failure.fault == Fault::Refused || (system && (error == EACCES || error == EADDRINUSE)))
    sentence += "; looked into " + os::described_search();
  if (!system && !trouble.empty()) sentence += "; " + trouble;
  if (const std::string unknown = system && error == EACCES ? link::unknown_users() : ""; !unknown.empty())
    sentence += "; BATON_ALLOW_UIDS names no user of /etc/passwd with " + unknown;
  errno = before;
  return sentence.c_str();
}

}  // namespace baton::capi
