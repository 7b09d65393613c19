// SPDX-License-Identifier: MIT
// baton: transport/connection.hpp: one transport connection of class 0, as a machine without I/O.
//
// Knows what was agreed and whose turn it is; knows neither carrier nor clock. Two carriers drive it: a local
// SOCK_SEQPACKET socket (one message is one TPDU) and TCP (one TPKT is one TPDU). A carrier
//   * hands each received TPDU to receive(): of a DT only its head, see cotp::head_needed();
//   * sends what output() shows, oldest first, before any DT: each a whole TPDU, in one write of its own, for some
//     clients want a CC to be all of one segment;
//   * frames user data with data_header(), and skips or stores the payload that DataArrived describes;
//   * calls on_deadline() when deadline() has passed, and carrier_ended() at the end of input;
//   * closes itself once the state is Closed. In class 0 closing the carrier is the release: no TPDU is needed for it
//     (RFC 905 §6.7.4, RFC 1006 §5).
//
//        initiate()                      await()
//            |                              |
//            v                              v
//     AwaitingConfirm                     Idle ------- CR without class 0 (sends DR) --.
//      |          |                         | CR                                       |
//      |          |                         v                                          |
//      |          |                     Indicated ---- refuse() (sends DR) ------------|
//      |          | CC                      | confirm() (sends CC)                     |
//      |          '--------> Open <---------'                                          |
//      |                      | '--------------------- disconnect() (sends DR) --------|
//      |                      |                                                        v
//      | DR, ER,              |                                                     Closing
//      | deadline (TS1)       | DR, ER                                deadline (TS2)   |
//      '----------------------'-----------> Closed <-----------------------------------'
//
//   Idle, Indicated:                     DR, ER ----------------------------------> Closed
//   every state but Closing and Closed:  malformed or misplaced TPDU (sends ER) --> Closing
//                                        malformed ER (never answered) -----------> Closed
//   every state but Closed:              carrier_ended() -------------------------> Closed
//   Closing ignores what arrives.
//
// Who may call what:
//   receive()                Idle, AwaitingConfirm, Indicated, Open, Closing
//   confirm(), refuse()      Indicated
//   data_header()            Open, with no output waiting
//   disconnect()             Open
//   on_deadline()            where deadline() has passed
//   carrier_ended()          all but Closed
//   image()                  Indicated, Open, with no output waiting
//   output() and accessors   always
// Another call is answered with Misuse and changes nothing.
//
// Invariant: output waits only in AwaitingConfirm, Open and Closing; a deadline runs only in AwaitingConfirm and
// Closing. A value: a copy is a connection of its own in the same state. Threads: distinct objects are independent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <variant>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "cotp/reasons.hpp"
#include "cotp/tpdu.hpp"
#include "cotp/tpdu_size.hpp"
#include "transport/inline_bytes.hpp"

namespace baton::transport {

/// A TSAP-ID. RFC 905 sets no length; BS2000 has at most 32 octets, ISODE 64. Empty and absent are the same.
using Selector = InlineBytes<64>;
using ConnectData = InlineBytes<cotp::max_connect_data>;
using DisconnectInfo = InlineBytes<cotp::max_received_disconnect_info>;
using DataHeader = std::array<std::byte, cotp::data_header_octets>;

struct Selectors {
  Selector calling{};  ///< the initiator's, on both sides
  Selector called{};   ///< the responder's, on both sides
  friend bool operator==(const Selectors&, const Selectors&) noexcept = default;
};

enum class State { Idle, AwaitingConfirm, Indicated, Open, Closing, Closed };
enum class Role { Initiator, Responder };

/// TS1: how long a CR waits for its answer (RFC 905 §6.5.4).
inline constexpr Duration default_connect_time = std::chrono::seconds{30};
/// TS2: how long an ER or DR waits for the peer to close the carrier (RFC 905 §6.22.3).
inline constexpr Duration default_closing_time = std::chrono::seconds{5};

struct ConnectRequest {
  std::uint16_t local_reference = 0;  ///< must not be 0 (RFC 905 §6.5.4a)
  Selectors selectors{};
  /// 2048 is the largest that class 0 allows; peers on TCP take up to 65531, local ones always.
  cotp::TpduSize proposed_size = cotp::TpduSize::Octets2048;
  ConnectData user_data{};
  Duration connect_time = default_connect_time;
  Duration closing_time = default_closing_time;
};

struct ResponderSettings {
  /// Answers a CR that names no size, or none that exists.
  cotp::TpduSize size_if_none = cotp::TpduSize::Octets2048;
  cotp::TpduSize maximum_size = cotp::TpduSize::Octets65531;
  Duration closing_time = default_closing_time;
};

/// The caller's mistake. Nothing has changed.
enum class Misuse {
  WrongState,     ///< see the table above
  ZeroReference,  ///< a local reference of 0
  TooLong,        ///< the selectors, user data or additional information do not fit the TPDU, or the payload the size
  EmptyData,      ///< a DT without payload that would not end its TSDU (RFC 905 §6.3.3)
  OutputWaiting,  ///< a CC has to go out first
  HeadTooShort,   ///< fewer octets than cotp::head_needed() asks for
  NotDue,         ///< no deadline has passed
};

/// A CR has arrived and waits for confirm() or refuse(); the accessors tell of it.
struct Indication {};
/// A CC has arrived; the accessors tell of it.
struct Confirmed {};
/// The peer refused with a DR. Text, if any, is in disconnect_info().
struct Refused {
  cotp::DisconnectReason reason;
};
/// The peer sent a DR in place of just closing, as many implementations do. An orderly release whatever its references;
/// what arrived before it stays valid. Details are in disconnect_info().
struct Released {
  cotp::DisconnectReason reason;
};
struct DataArrived {
  std::size_t payload_offset;  ///< from the start of the TPDU
  std::size_t payload_length;  ///< may exceed max_data(): not every peer counts the header
  bool end_of_tsdu;
};
/// The peer sent an ER.
struct ErrorReported {
  cotp::RejectCause cause;
};
/// A valid CR that class 0 cannot serve: refused by the machine itself, the DR is in the output.
struct NegotiationFailed {
  cotp::DisconnectReason reason;
};

enum class Violation {
  Malformed,         ///< not a TPDU of class 0; the fault says why
  Misplaced,         ///< a TPDU that has no place in this state
  ClassNotProposed,  ///< a CC for another class than 0
  SizeNotProposed,   ///< a CC with more than the CR's size, or with the F0 that the CR did not have
};
/// The peer broke the protocol; the ER is in the output, unless the broken TPDU was an ER.
struct ProtocolError {
  Violation violation;
  std::optional<cotp::Fault> fault;  ///< for Malformed
  cotp::RejectCause cause;           ///< as the ER says
};
enum class Timer { Connect, Closing };
struct TimedOut {
  Timer timer;
};
/// The carrier is gone; `during` is the state it went in. During Open it is the peer's release, orderly or not.
struct CarrierEnded {
  State during;
};
/// Something arrived after our ER or DR.
struct Ignored {};

using Event = std::variant<Indication, Confirmed, Refused, Released, DataArrived, ErrorReported, NegotiationFailed,
                           ProtocolError, TimedOut, CarrierEnded, Ignored>;

/// What has to move with a connection, for another process to go on with it. The carrier adds its own part.
struct Image {
  Role role = Role::Responder;
  bool confirmed = true;  ///< false: a CR that waits for its answer
  std::uint16_t local_reference = 0;
  std::uint16_t remote_reference = 0;
  cotp::TpduSize size = cotp::TpduSize::Octets128;
  Selectors selectors{};
  ConnectData connect_data{};
  ConnectData confirm_data{};
  Duration closing_time = default_closing_time;
  friend bool operator==(const Image&, const Image&) noexcept = default;
};

class Connection {
 public:
  /// Starts a connection; the CR is in the output. ZeroReference, TooLong (a CR has at most 128 octets).
  [[nodiscard]] static std::expected<Connection, Misuse> initiate(const ConnectRequest& request, Instant now) noexcept;
  /// Waits for a CR. How long is the caller's business. ZeroReference.
  [[nodiscard]] static std::expected<Connection, Misuse> await(std::uint16_t local_reference,
                                                               const ResponderSettings& settings) noexcept;
  /// Goes on where another process stopped. ZeroReference; WrongState: an initiator cannot be unconfirmed.
  [[nodiscard]] static std::expected<Connection, Misuse> restore(const Image& image) noexcept;

  /// Takes the TPDU that begins with `head` and is `tpdu_length` octets long. WrongState, HeadTooShort.
  [[nodiscard]] std::expected<Event, Misuse> receive(Bytes head, std::size_t tpdu_length, Instant now) noexcept;
  /// Accepts; the CC is in the output. At most 32 octets of user data. WrongState, TooLong.
  [[nodiscard]] std::expected<void, Misuse> confirm(Bytes user_data = {}) noexcept;
  /// Refuses; the DR is in the output. At most 119 octets of text. WrongState, TooLong.
  [[nodiscard]] std::expected<void, Misuse> refuse(cotp::DisconnectReason reason, Bytes text, Instant now) noexcept;
  /// Releases with a DR, which class 0 does not foresee but its implementations understand; only for
  /// disconnect data. At most 119 octets. WrongState, TooLong.
  [[nodiscard]] std::expected<void, Misuse> disconnect(Bytes additional_info, Instant now) noexcept;
  /// The header for a DT of `payload_length` octets. WrongState, OutputWaiting, TooLong, EmptyData.
  [[nodiscard]] std::expected<DataHeader, Misuse> data_header(std::size_t payload_length,
                                                              bool end_of_tsdu) const noexcept;
  /// Octets of payload that one DT may carry: tpdu_size() less 3, 0 without it.
  [[nodiscard]] std::size_t max_data() const noexcept;

  /// The oldest TPDU that waits to be sent, whole; empty if there is none, as always when Closed. Valid until the next
  /// call that is not const.
  [[nodiscard]] Bytes output() const noexcept;
  /// That TPDU is out, or copied. There must be one.
  void consume_output() noexcept;

  [[nodiscard]] std::optional<Instant> deadline() const noexcept { return deadline_; }
  /// NotDue.
  [[nodiscard]] std::expected<Event, Misuse> on_deadline(Instant now) noexcept;
  /// The peer closed the carrier, or it broke. WrongState.
  [[nodiscard]] std::expected<Event, Misuse> carrier_ended() noexcept;

  /// WrongState, OutputWaiting.
  [[nodiscard]] std::expected<Image, Misuse> image() const noexcept;

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] Role role() const noexcept { return role_; }
  [[nodiscard]] std::uint16_t local_reference() const noexcept { return local_reference_; }
  /// 0 until known; stays 0 with peers that do not use one.
  [[nodiscard]] std::uint16_t remote_reference() const noexcept { return remote_reference_; }
  [[nodiscard]] const Selectors& selectors() const noexcept { return selectors_; }
  /// Initiator: proposed, then agreed. Responder: agreed, nothing before the CR.
  [[nodiscard]] std::optional<cotp::TpduSize> tpdu_size() const noexcept { return size_; }
  /// User data of the CR and of the CC, whoever sent them.
  [[nodiscard]] Bytes connect_data() const noexcept { return connect_data_.bytes(); }
  [[nodiscard]] Bytes confirm_data() const noexcept { return confirm_data_.bytes(); }
  /// Of a DR received.
  [[nodiscard]] std::optional<cotp::DisconnectReason> disconnect_reason() const noexcept { return reason_; }
  [[nodiscard]] Bytes disconnect_info() const noexcept { return disconnect_info_.bytes(); }

 private:
  Connection(Role role, State state, std::uint16_t local_reference) noexcept
      : role_{role}, state_{state}, local_reference_{local_reference} {}

  Event on_request(const cotp::ConnectionRequest& request, Bytes head, Instant now) noexcept;
  Event on_confirm(const cotp::ConnectionConfirm& confirm, Bytes head, Instant now) noexcept;
  Event on_disconnect(const cotp::DisconnectRequest& request) noexcept;
  Event on_data(const cotp::Data& data, Bytes head, Instant now) noexcept;
  Event on_error(const cotp::ErrorReport& report) noexcept;
  Event on_malformed(const cotp::DecodeError& error, Instant now) noexcept;
  Event on_misplaced(Bytes head, Instant now) noexcept;
  Event indicate(const cotp::ConnectionRequest& request, Instant now) noexcept;

  void send_error(cotp::RejectCause cause, Bytes offending, Instant now) noexcept;
  void send_disconnect(const cotp::DisconnectRequest& request, Instant now) noexcept;
  void start_closing(Instant now) noexcept;
  void close() noexcept;

  Role role_;
  State state_;
  std::uint16_t local_reference_;
  std::uint16_t remote_reference_ = 0;
  Selectors selectors_;
  std::optional<cotp::TpduSize> size_;
  ResponderSettings settings_;
  ConnectData connect_data_;
  ConnectData confirm_data_;
  std::optional<cotp::DisconnectReason> reason_;
  DisconnectInfo disconnect_info_;
  std::optional<Instant> deadline_;
  // A connection sends at most one TPDU to open (CR or CC) and one to close (DR or ER), in this order.
  InlineBytes<cotp::max_connect_octets> opening_;
  InlineBytes<cotp::max_error_octets> closing_;
};

}  // namespace baton::transport
