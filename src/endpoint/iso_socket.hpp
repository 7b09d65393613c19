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
#include "endpoint/iso_listener.hpp"
#include "endpoint/link.hpp"
#include "endpoint/table.hpp"
#include "link/registry.hpp"
#include "tsap/address.hpp"

namespace baton::endpoint {

/// This host's NSEL: BATON_NSEL, else from the host's name.
[[nodiscard]] tsap::Nsel local_nsel();

class IsoSocket final : public Object {
 public:
  /// A new number. `nonblocking` as SOCK_NONBLOCK.
  static Result<int> create(bool nonblocking);

  Result<void> bind(const tsap::IsoAddress& address);
  Result<void> listen(int backlog);
  /// The number of the new connection, not yet confirmed, in blocking mode.
  Result<int> accept(const Waiting& waiting);
  /// Non-blocking: WouldBlock, then again until it is done.
  Result<void> connect(const tsap::IsoAddress& address, const Waiting& waiting);
  /// Frees everything but the number itself, which the caller closes.
  void close();
  /// A call came through `number`. Where that is a dup(2) of the program's and the number known so far names something
  /// else by now, this one takes its place. False: both are open, and `number` is only the duplicate.
  bool adopt(int number);

  [[nodiscard]] Result<tsap::IsoAddress> local_address();
  [[nodiscard]] Result<tsap::IsoAddress> peer_address();
  /// NotConnection unless connecting or connected.
  [[nodiscard]] Result<std::shared_ptr<Link>> link();
  /// The same where there is one, else nothing.
  [[nodiscard]] std::shared_ptr<Link> link_if_any();
  /// Listening: takes in what has arrived and says whether accept would give a connection now.
  [[nodiscard]] std::optional<bool> ready_to_accept();

  /// Data for the next connect (CONN_DATA), the close (DISC_DATA). TooLong.
  Result<void> set_connect_data(Bytes data);
  Result<void> set_disconnect_data(Bytes data);
  /// How long a blocking call waits for the partner of a move; 0 = for ever.
  void set_move_timeout(Duration timeout);
  void set_connect_timeout(Duration timeout);
  [[nodiscard]] Duration move_timeout();
  [[nodiscard]] Duration connect_timeout();

  void number_lost() noexcept override;
  [[nodiscard]] bool verify(int number) const noexcept override;
  IsoSocket(int number, std::optional<link::BoundName> name)
      : Object{Kind::Socket}, number_{number}, name_{std::move(name)} {}

 private:
  /// The connection under way, begun now where there is none. WouldBlock: the listener's backlog is full.
  Result<std::shared_ptr<Link>> begin_connect(const tsap::IsoAddress& address);
  Result<void> start_connecting(const tsap::IsoAddress& address);
  void reset_number();

  mutable std::mutex mutex_;
  int number_;
  std::optional<link::BoundName> name_;
  std::unique_ptr<IsoListener> listener_;
  std::shared_ptr<Link> link_;
  bool connect_reported_ = false;
  transport::ConnectData connect_data_;
  transport::DisconnectInfo disconnect_data_;
  Duration move_timeout_{};
  Duration connect_timeout_ = request_time;
};

}  // namespace baton::endpoint
