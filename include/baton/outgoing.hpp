// SPDX-License-Identifier: MIT
// baton: baton/outgoing.hpp: an end point that this process offers to another one, step by step (the seed's manner).
//
//   Link::offer waits for all of it; this is for programs that do something else meanwhile, and for moves in doubt.
//
//             refused, called off, link ended                       not taken, server died: proved untouched
//           +---------------------------------> given back <---------------------------------------+
//           |                                                                                       |
//   begin_offer --> Offered --answer--> (data stop) --call--> Called (in doubt) --taken--> Moved    |
//                                                                   +-------------------------------+
//
// Invariant: from begin_offer on the end point belongs to the OutgoingMove, until outcome() has given it back or told
// that it has moved. Before the call, whatever fails gives it back, and so does a deadline. After the call only the
// server's word or its death decides: a deadline then asks for the move to be called off, and the move goes on being
// pending. An OutgoingMove that goes while it is pending closes the end point if it was not called; a call that is in
// doubt goes on: the library listens for the outcome, and closes the end point if the server has not taken it. Threads:
// distinct objects are independent, also on one link.
#ifndef BATON_OUTGOING_HPP
#define BATON_OUTGOING_HPP

#include <baton/soc.h>
#include <baton/connection.hpp>
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>
#include <baton/octets.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace baton {

/// Why a server does not want an end point. Any other negative number passes too, if both sides know what it means.
enum class Refusal : short {
  NoReason = REDBIND_REFUSED,
  NoDescriptor = REDBIND_NO_DESCRIPTOR,  ///< its descriptor table is full
  Busy = REDBIND_BUSY,                   ///< it takes no more at present
};

/// A move that has been made.
struct Moved {
  std::uint64_t id = 0;        ///< low 31 bits of the move's id: the same at the server and in the trace
  pid_t server = 0;            ///< the process that has the end point
  int server_descriptor = -1;  ///< its number there
};

template <class EndPoint>
class OutgoingMove;

/// A move that was not made, and the end point.
///   refused by the server         ECONNABORTED, `refusal` says why
///   not taken after the call      ECONNABORTED: no descriptor there, or it disagreed
///   no answer in time             ETIMEDOUT
///   called off                    ECANCELED
///   the link or the server ended  ECONNRESET
///   not fit to be moved           EBUSY, EALREADY, EPROTONOSUPPORT, EINVAL ...: error.text() says it
///   somebody read or wrote it during the data stop   EUCLEAN: it was reset, nothing comes back
/// Not over yet are EWOULDBLOCK, ETIMEDOUT after the call, and ENOMSG (the next unit of the link is user data: receive
/// it first): then nothing has come back and the move is pending.
template <class EndPoint>
struct MoveFailure {
  Error error;
  EndPoint end_point = {};                        ///< as it was, if is_open()
  std::optional<Refusal> refusal = std::nullopt;  ///< what the server answered
  /// From Link::offer alone: the deadline came after the call, and the server has not said whether it took the end
  /// point. Ask later; or drop it, and the library sees to the end.
  std::optional<OutgoingMove<EndPoint>> in_doubt = std::nullopt;
  [[nodiscard]] std::string text() const { return error.text(); }
};

namespace detail {

/// The calls of a move at the listener, and what they mean for the end point.
class Departure {
 public:
  enum class Progress { Moved, Pending, Back, Lost };

  Departure(int number, int family) noexcept : number_{number}, family_{static_cast<short>(family)} {}

  std::expected<void, Error> offer(int link, Octets already_read, Deadline deadline) noexcept {
    const Limit limit{deadline};
    cmsg_redhdr head = header(TPOPT_REDI_DATA);
    iovec part{const_cast<std::byte*>(already_read.data()), already_read.size()};
    msghdr message = around(head);
    message.msg_iov = &part;
    message.msg_iovlen = already_read.empty() ? 0 : 1;
    if (repeat([&] { return ::soc_sendmsg(link, &message, 0); }) < 0) return failed();
    return {};
  }

  Progress advance(int link, Deadline deadline, Error& why) noexcept {
    const Limit limit{deadline};
    if (step_ == Step::Offered) {
      cmsg_redhdr head = header(TPOPT_REDI_BDOK);
      msghdr message = around(head);
      if (repeat([&] { return ::soc_recvmsg(link, &message, 0); }) < 0) return stopped(link, why);
      if (head.bind_ok != REDBIND_OK) {
        refusal_ = static_cast<Refusal>(head.bind_ok);
        why = Error{ECONNABORTED, "the server does not want the end point: it is back"};
        return Progress::Back;
      }
      step_ = Step::Answered;
    }
    if (step_ == Step::Answered) {
      const cmsg_redhdr head = header(TPOPT_REDI_CALL);
      if (repeat([&] { return ::soc_setsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &head, sizeof head); }) < 0)
        return stopped(link, why);
      step_ = Step::Called;
    }
    cmsg_redhdr head = header(TPOPT_REDI_CALL);
    socklen_t size = sizeof head;
    if (repeat([&] { return ::soc_getsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &head, &size); }) < 0)
      return doubtful(link, why);
    const red_info_svrs& server = head.redhdr_red_svrs;
    moved_ = {static_cast<std::uint32_t>(server.cref_server), head.tsn, server.fd_server};
    return Progress::Moved;
  }

  [[nodiscard]] bool called() const noexcept { return step_ == Step::Called; }
  [[nodiscard]] const Moved& moved() const noexcept { return moved_; }
  [[nodiscard]] std::optional<Refusal> refusal() const noexcept { return refusal_; }

 private:
  enum class Step { Offered, Answered, Called };

  [[nodiscard]] cmsg_redhdr header(int type) const noexcept {
    cmsg_redhdr head{};
    head.cmsg_len = sizeof head;
    head.cmsg_level = SOL_TRANSPORT;
    head.cmsg_type = type;
    head.domain = family_;
    if (family_ == AF_ISO)
      head.redhdr_red_liso.fd = static_cast<short>(number_);
    else
      head.redhdr_red_ltcp.fd = static_cast<short>(number_);
    return head;
  }
  static msghdr around(cmsg_redhdr& head) noexcept {
    msghdr message{};
    message.msg_control = &head;
    message.msg_controllen = sizeof head;
    return message;
  }
  /// The number stands for the end point itself, not for one that is away.
  [[nodiscard]] bool is_back() const noexcept {
    int type = 0;
    socklen_t size = sizeof type;
    return ::soc_getsockopt(number_, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  }
  /// A step before the call has failed: the move is off, but for what only has to be tried again.
  Progress stopped(int link, Error& why) noexcept {
    why = Error::last();
    if (why.would_block() || why.number() == ENOMSG) return Progress::Pending;
    ::soc_cancel(link, number_);
    return is_back() ? Progress::Back : Progress::Lost;
  }
  Progress doubtful(int link, Error& why) noexcept {
    why = Error::last();
    switch (why.number()) {
      case EWOULDBLOCK:
      case ETIMEDOUT:
      case ENOMSG:
        return Progress::Pending;
      case EUCLEAN:
        return Progress::Lost;
      default:
        break;
    }
    if (is_back()) return Progress::Back;
    // This process could not wait, for want of a descriptor: the move goes on, or is called off.
    if (::soc_cancel(link, number_) == 0) return is_back() ? Progress::Back : Progress::Lost;
    return errno == EINPROGRESS ? Progress::Pending : Progress::Lost;
  }

  int number_;
  short family_;
  Step step_ = Step::Offered;
  Moved moved_;
  std::optional<Refusal> refusal_;
};

}  // namespace detail

template <class EndPoint>
class [[nodiscard]] OutgoingMove {
 public:
  OutgoingMove(OutgoingMove&&) noexcept = default;
  OutgoingMove& operator=(OutgoingMove&&) noexcept = default;
  ~OutgoingMove() = default;

  /// The outcome is not known: the move is under way.
  [[nodiscard]] bool pending() const noexcept { return end_point_.is_open(); }
  /// Pending, and called: only the server's word or its death decides.
  [[nodiscard]] bool in_doubt() const noexcept { return pending() && departure_.called(); }
  /// Where the next frame of the move comes in: the link's descriptor. Readable: try outcome(Deadline::now()).
  [[nodiscard]] int native_handle() const noexcept { return link_ ? link_->get() : -1; }

  /// Goes on with the move as far as it can until `deadline`, and says how it ended. With Deadline::now() it never
  /// waits; EWOULDBLOCK, and ask again when native_handle() is readable (or writable, where the link is full).
  [[nodiscard]] std::expected<Moved, MoveFailure<EndPoint>> outcome(Deadline deadline = Deadline::never()) noexcept {
    using Progress = detail::Departure::Progress;
    Error why{EINVAL, "the outcome of this move has been told"};
    if (!pending()) return std::unexpected{MoveFailure<EndPoint>{std::move(why)}};
    const Progress progress = departure_.advance(link_->get(), deadline, why);
    if (progress == Progress::Pending) return std::unexpected{MoveFailure<EndPoint>{std::move(why)}};
    EndPoint end_point = std::move(end_point_);
    link_.reset();
    if (progress == Progress::Moved) return departure_.moved();
    if (progress == Progress::Lost) end_point.close();
    return std::unexpected{MoveFailure<EndPoint>{std::move(why), std::move(end_point), departure_.refusal()}};
  }
  /// Calls the move off: before the call outcome() then gives the end point back, ECANCELED; after it, once the server
  /// has agreed; or it has been moved meanwhile.
  void cancel() noexcept {
    if (pending()) ::soc_cancel(link_->get(), end_point_.native_handle());
  }

 private:
  friend class Link;
  OutgoingMove(std::shared_ptr<const detail::Handle> link, EndPoint end_point,
               const detail::Departure& departure) noexcept
      : link_{std::move(link)}, end_point_{std::move(end_point)}, departure_{departure} {}

  std::shared_ptr<const detail::Handle> link_;
  EndPoint end_point_;
  detail::Departure departure_;
};

}  // namespace baton
#endif
