// SPDX-License-Identifier: MIT
// baton: baton/incoming.hpp: an end point that another process offers to this one.
//
//   Link::await_offer --> Incoming --accept--> Connection
//                            |  '--begin_accept--> Accepting --take--> Connection
//                            '--refuse, or dropped: refused, the listener keeps the end point
//
// Invariant: until accept or take has succeeded the end point is the listener's; whatever fails before leaves it there.
// An Incoming is used once: accept and refuse take it, std::move(incoming).accept().
// Threads: distinct objects are independent, also on one link.
#ifndef BATON_INCOMING_HPP
#define BATON_INCOMING_HPP

#include <baton/soc.h>
#include <baton/address.hpp>
#include <baton/connection.hpp>
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>
#include <baton/octets.hpp>
#include <baton/outgoing.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace baton {

/// An end point that was accepted, and has still to come.
class [[nodiscard]] Accepting {
 public:
  Accepting(Accepting&&) noexcept = default;
  Accepting& operator=(Accepting&&) noexcept = default;
  /// Of one that is pending: the listener keeps the end point.
  ~Accepting() = default;

  [[nodiscard]] bool pending() const noexcept { return number_.valid(); }
  /// Readable: try take(Deadline::now()).
  [[nodiscard]] int native_handle() const noexcept { return link_ ? link_->get() : -1; }

  /// Waits until the listener moves the end point, and takes it: data flows here from now on. To be called again after
  /// EWOULDBLOCK, ETIMEDOUT, ENOMSG (user data stands in front: receive it first) and EMFILE (no descriptor is left,
  /// and the listener is dead: close some). All other failures end it. ECANCELED: the listener has called the move off;
  /// ECONNRESET: it is gone and never moved; EPROTO, EUCLEAN: what came is not what was offered, or was touched.
  [[nodiscard]] std::expected<Connection, Error> take(Deadline deadline = Deadline::never()) noexcept {
    if (!pending()) return detail::failed(EINVAL, "the end point has been taken, or will not come");
    const detail::Limit limit{deadline};
    header_.cmsg_type = TPOPT_REDI_CALL;
    socklen_t size = sizeof header_;
    const int done =
        detail::repeat([&] { return ::soc_getsockopt(link_->get(), SOL_TRANSPORT, TPOPT_REDI_CALL, &header_, &size); });
    if (done == 0) {
      link_.reset();
      return detail::Construct::from<Connection>(std::move(number_), header_.domain);
    }
    auto why = detail::failed();
    const int number = why.error().number();
    if (number != EWOULDBLOCK && number != ETIMEDOUT && number != ENOMSG && number != EMFILE) number_.reset();
    return why;
  }

 private:
  friend class Incoming;
  Accepting(std::shared_ptr<const detail::Handle> link, detail::Handle number, const cmsg_redhdr& header) noexcept
      : link_{std::move(link)}, number_{std::move(number)}, header_{header} {}

  std::shared_ptr<const detail::Handle> link_;
  detail::Handle number_;  // parked: stands for the end point to come
  cmsg_redhdr header_;
};

class [[nodiscard]] Incoming {
 public:
  Incoming(Incoming&&) noexcept = default;
  Incoming& operator=(Incoming&&) noexcept = default;
  /// One that nobody has accepted is refused, Refusal::NoReason.
  ~Incoming() = default;

  /// AF_INET, AF_INET6, AF_ISO.
  [[nodiscard]] int family() const noexcept { return header_.domain; }
  /// The client, and the end at which it was accepted.
  [[nodiscard]] std::expected<Address, Error> peer_address() const noexcept { return name(::soc_getpeername); }
  [[nodiscard]] std::expected<Address, Error> local_address() const noexcept { return name(::soc_getsockname); }
  /// What the listener has read of the client already, up to 64 KiB: it comes before what the Connection gives. Lives
  /// as long as this object: copy it, or move it out with take_already_read().
  [[nodiscard]] std::span<const std::byte> already_read() const noexcept { return already_read_; }
  [[nodiscard]] std::vector<std::byte> take_already_read() noexcept { return std::exchange(already_read_, {}); }
  /// Low 31 bits of the move's id, the same at the listener and in the trace; 0 of an AF_ISO end point.
  [[nodiscard]] std::uint64_t id() const noexcept {
    return family() == AF_ISO ? 0 : static_cast<std::uint32_t>(header_.redhdr_red_ltcp.cid);
  }

  /// Accepts, and waits until the listener has moved the end point. At the deadline it stays with the listener:
  /// ETIMEDOUT. Errors as those of Accepting::take; ECANCELED: the listener no longer offers it.
  [[nodiscard]] std::expected<Connection, Error> accept(Deadline deadline = Deadline::never()) && noexcept {
    auto accepting = std::move(*this).begin_accept(deadline);
    if (!accepting) return std::unexpected{accepting.error()};
    return accepting->take(deadline);
  }
  /// Answers yes; `deadline` is for room in the link: after EWOULDBLOCK it may be called again.
  [[nodiscard]] std::expected<Accepting, Error> begin_accept(Deadline deadline = Deadline::never()) && noexcept {
    detail::Handle number = std::move(number_);
    auto link = std::move(link_);
    if (auto told = answer(link, number, REDBIND_OK, deadline); !told) {
      if (told.error().would_block()) {
        number_ = std::move(number);
        link_ = std::move(link);
      }
      return std::unexpected{told.error()};
    }
    return Accepting{std::move(link), std::move(number), header_};
  }
  /// Answers no; the listener reads why.
  [[nodiscard]] std::expected<void, Error> refuse(Refusal why = Refusal::NoReason,
                                                  Deadline deadline = Deadline::never()) && noexcept {
    const detail::Handle number = std::move(number_);
    const auto link = std::move(link_);
    return answer(link, number, static_cast<short>(why), deadline);
  }

 private:
  friend class Link;
  Incoming(std::shared_ptr<const detail::Handle> link, const cmsg_redhdr& header,
           std::vector<std::byte> already_read) noexcept
      : link_{std::move(link)}, number_{header.fd_server}, header_{header}, already_read_{std::move(already_read)} {}

  std::expected<void, Error> answer(const std::shared_ptr<const detail::Handle>& link, const detail::Handle& number,
                                    short bind_ok, Deadline deadline) noexcept {
    if (!link || !number.valid()) return detail::failed(EINVAL, "this offer has been answered");
    const detail::Limit limit{deadline};
    header_.cmsg_type = TPOPT_REDI_BDOK;
    header_.bind_ok = bind_ok;
    msghdr message{};
    message.msg_control = &header_;
    message.msg_controllen = sizeof header_;
    if (detail::repeat([&] { return ::soc_sendmsg(link->get(), &message, 0); }) < 0) return detail::failed();
    return {};
  }
  template <class Call>
  std::expected<Address, Error> name(Call call) const noexcept {
    sockaddr_storage room{};
    socklen_t size = sizeof room;
    if (call(number_.get(), &room, &size) < 0) return detail::failed();
    return Address::from_socket(&room, size);
  }

  std::shared_ptr<const detail::Handle> link_;
  detail::Handle number_;  // parked: stands for the end point to come
  cmsg_redhdr header_;
  std::vector<std::byte> already_read_;
};

}  // namespace baton
#endif
