// SPDX-License-Identifier: MIT
// baton: endpoint/remote_connection.hpp: an AF_ISO connection to another host: RFC 1006 over TCP.
//
//   initiator:  TCP connecting --> CR sent --> CC --> Open        responder:  CR read (iso_port.hpp) --> CC sent -->
//   Open
//
// Reads exactly: payload goes from the kernel to the caller's buffer, together with the head of the next packet and not
// one octet more, so that select, poll and epoll tell the truth about the descriptor. Writes TSDUs gathered, heads and
// payloads in one call. Nothing of the user waits here for a later call.
// Threads: as IsoConnection.
#pragma once

#include <condition_variable>
#include <optional>

#include "endpoint/iso_connection.hpp"
#include "transport/packet_reader.hpp"
#include "transport/packet_writer.hpp"

namespace baton::endpoint {

class RemoteConnection final : public IsoConnection {
 public:
  /// `connecting_to`: TCP is not up yet.
  RemoteConnection(transport::Connection machine, int number, std::uint64_t cookie, const HostNames& hosts,
                   const os::Address& connecting_to);
  /// One whose CR has been read.
  RemoteConnection(transport::Connection machine, int number, std::uint64_t cookie, const HostNames& hosts);
  /// One that has come with a move.
  RemoteConnection(transport::Connection machine, int number, std::uint64_t cookie, const handoff::IsoImage& image);

  /// System: TCP could not connect, and why. PartnerRefused: a DR, Failure::detail is its reason. Protocol: an ER, or
  /// no ISO transport at all.
  Result<void> await_confirmation(Lock& lock, const Waiting& waiting) override;
  Result<void> confirm(const Lock&, Bytes user_data) override;
  /// Before the connection is confirmed: refuses it. Later: closing the number is the release; only disconnect data
  /// needs a DR.
  void close(Bytes disconnect_data) override;
  void number_lost() override;

  Result<UserData> receive_user_data(Lock& lock, std::span<const iovec> room, bool peek,
                                     const Waiting& waiting) override;
  [[nodiscard]] std::size_t readable_octets(const Lock& lock) override;
  void look(const Lock& lock) override;
  [[nodiscard]] std::size_t pending(const Lock&) const noexcept override { return 0; }
  [[nodiscard]] std::uint64_t owed(const Lock&) const noexcept override { return writer_.owed(); }
  Question ask(const Lock& lock, pollfd& entry) override;
  [[nodiscard]] Result<std::vector<std::byte>> image(const Lock&) const override;
  [[nodiscard]] handoff::Carrier carrier() const noexcept override { return handoff::Carrier::Tcp; }

 private:
  [[nodiscard]] FdRef descriptor() const noexcept { return FdRef{number_}; }
  /// How far connecting is: false while TCP is under way.
  Result<bool> advance_connect();
  /// Sends what the machine has to say; false: some of it waits for room.
  bool flush();
  /// Reads what is there of the next head, or the end; false: nothing is.
  bool fetch_head();
  /// Acts on the head that is complete, or on what makes it none. True: it only ends the TSDU that has been read.
  bool act_on_head();
  bool handle(const transport::PacketReader::Packet& packet);
  /// A head is complete, or broken: act_on_head() has something to do.
  [[nodiscard]] bool has_head() const noexcept;
  [[nodiscard]] bool at_empty_end() const noexcept;
  /// Reads heads ahead of the program, up to payload or the end of a TSDU that it has to be told of.
  void read_ahead();
  /// A read would give something, a failure included.
  [[nodiscard]] bool readable();
  /// As receive_stream(); where `waits` the connection is not locked meanwhile, and nobody else reads: reading_.
  os::Result<std::size_t> receive(Lock& lock, std::span<const iovec> room, bool peek, bool waits);
  Result<UserData> receive_alone(Lock& lock, std::span<const iovec> room, bool peek, const Waiting& waiting);
  os::Result<void> receive_payload(Lock& lock, std::span<const iovec> room, UserData& data, bool peek, bool waits,
                                   bool& more);
  void carrier_ended();
  void stop_reading();
  [[nodiscard]] bool open() const noexcept { return machine_.state() == transport::State::Open && !broken_; }
  [[nodiscard]] Failure refusal() const noexcept;
  /// In the middle of a packet nothing else can be sent.
  [[nodiscard]] bool within_packet() const noexcept { return writer_.image().tpdu_left > 0; }
  Result<std::size_t> send_alone(Lock& lock, std::span<const iovec> octets, std::size_t length,
                                 const Waiting& waiting) override;

  std::optional<os::Address> connecting_to_;  // until TCP is up
  std::optional<Failure> connect_failure_;    // why it will not be: the kernel tells only once
  transport::PacketReader reader_;
  transport::PacketWriter writer_;
  std::size_t output_sent_ = 0;  // octets of the packet of machine_.output() that are out
  bool reading_ = false;         // a call is reading, perhaps without the lock: the reader is its alone
  bool in_kernel_ = false;       // that call, without the lock, in a system call on the number
  std::condition_variable left_kernel_;
  bool send_broken_ = false;  // nobody reads any more; there may still be something to read
};

}  // namespace baton::endpoint
