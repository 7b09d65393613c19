// SPDX-License-Identifier: MIT
// baton: endpoint/iso_socket.hpp: what an AF_ISO number of the program stands for.
//
//   create            bind             listen
//   -------> Unnamed ------> Named -------------> Listening --accept--> (a new number: Connected)
//                              |  ^ connect failed: the name stays
//                      connect v  |
//                            Connecting --CC--> Connected
//
// The number names: an unconnected AF_UNIX socket (Unnamed, Named), an epoll set (Listening), the connection (the
// others). It is close-on-exec in each state. Threads: any.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "endpoint/fault.hpp"
#include "endpoint/host_table.hpp"
#include "endpoint/iso_connection.hpp"
#include "endpoint/iso_listener.hpp"
#include "endpoint/link.hpp"
#include "endpoint/table.hpp"
#include "link/registry.hpp"
#include "tsap/address.hpp"

namespace baton::endpoint {

class IsoSocket final : public Object {
 public:
  /// A new number. `nonblocking` as SOCK_NONBLOCK.
  static Result<int> create(bool nonblocking);

  Result<void> bind(const tsap::IsoAddress& address);
  Result<void> listen(int backlog);
  /// The number of the new connection, not yet confirmed, in blocking mode.
  Result<int> accept(const Waiting& waiting);
  /// To a TSAP of this host, or of the host that the NSEL names. Non-blocking: WouldBlock, then again until it is done.
  Result<void> connect(const tsap::IsoAddress& address, const Waiting& waiting);
  /// Frees everything but the number itself, which the caller closes.
  void close();
  /// A call came through `number`. Where that is a dup(2) of the program's and the number known so far names something
  /// else by now, this one takes its place. False: both are open, and `number` is only the duplicate.
  bool adopt(int number);

  [[nodiscard]] Result<tsap::IsoAddress> local_address();
  [[nodiscard]] Result<tsap::IsoAddress> peer_address();
  /// NotConnection unless connecting or connected.
  [[nodiscard]] Result<std::shared_ptr<IsoConnection>> connection();
  /// The same where there is one, else nothing.
  [[nodiscard]] std::shared_ptr<IsoConnection> connection_if_any();
  /// The connection, where moves can be agreed over it. NotLocal.
  [[nodiscard]] Result<std::shared_ptr<Link>> link();
  /// TCP's addresses of a connection to another host; the local one also of a listening socket. NotConnected.
  [[nodiscard]] Result<os::Address> tcp_address(bool local);
  /// Listening: takes in what has arrived and says whether accept would give a connection now.
  [[nodiscard]] std::optional<bool> ready_to_accept();

  /// Data for the next connect (CONN_DATA), the close (DISC_DATA). TooLong.
  Result<void> set_connect_data(Bytes data);
  Result<void> set_disconnect_data(Bytes data);
  /// How long a blocking call waits for the partner of a move; 0 = for ever.
  void set_move_timeout(Duration timeout);
  void set_connect_timeout(Duration timeout);
  /// What the next connect to another host proposes.
  void set_tpdu_size(cotp::TpduSize size);
  /// What was agreed, or would be proposed.
  [[nodiscard]] cotp::TpduSize tpdu_size();
  [[nodiscard]] Duration move_timeout();
  [[nodiscard]] Duration connect_timeout();

  /// What the partner said when it refused the last connect, or ended the connection there is.
  struct Refusal {
    cotp::DisconnectReason reason;
    transport::DisconnectInfo info;
  };
  [[nodiscard]] std::optional<Refusal> refusal();

  // --- Moving it ---------------------------------------------------------------------------------------------------
  /// An end point that has come, or is coming, under `number`: known by its cookie from now on.
  static std::shared_ptr<IsoSocket> arrived(int number, std::uint64_t cookie,
                                            std::shared_ptr<IsoConnection> connection);
  /// In a move from now on, of which this one knows as long as it lasts. AlreadyMoving; NotConnected: no connection.
  Result<void> begin_move(const std::shared_ptr<GivenMove>& move);
  void end_move();
  /// The move, if it is in one.
  [[nodiscard]] std::shared_ptr<GivenMove> given();

  void number_lost() noexcept override;
  [[nodiscard]] bool verify(int number) const noexcept override;
  IsoSocket(int number, std::optional<link::BoundName> name)
      : Object{Kind::Socket}, number_{number}, name_{std::move(name)} {}

 private:
  /// The connection under way, begun now where there is none. WouldBlock: the listener's backlog is full.
  Result<std::shared_ptr<IsoConnection>> begin_connect(const tsap::IsoAddress& address, const Waiting& waiting);
  Result<void> start_local(const tsap::IsoAddress& address);
  Result<void> start_remote();
  [[nodiscard]] Result<transport::Connection> request(const tsap::Selector& called, cotp::TpduSize size, Duration time);
  /// Puts `socket` under the number. Gives its cookie.
  Result<std::uint64_t> place(const UniqueFd& socket);
  /// The address in use gave nothing: goes on with the next. False: there is none.
  bool try_next_address();
  void drop_connection();
  void reset_number();

  mutable std::mutex mutex_;
  int number_;
  std::optional<link::BoundName> name_;
  std::unique_ptr<IsoListener> listener_;
  std::shared_ptr<IsoConnection> connection_;
  std::weak_ptr<GivenMove> move_;
  bool connect_reported_ = false;
  std::optional<Refusal> refusal_;  // of the last connect, until the next
  tsap::IsoAddress destination_;    // of the connect under way
  Instant connect_until_{};
  std::vector<os::Address> to_try_;  // addresses of a remote one, the first in use
  transport::ConnectData connect_data_;
  transport::DisconnectInfo disconnect_data_;
  Duration move_timeout_{};
  Duration connect_timeout_ = request_time;
  cotp::TpduSize tpdu_size_ = cotp::TpduSize::Octets2048;
};

}  // namespace baton::endpoint
