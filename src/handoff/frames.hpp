// SPDX-License-Identifier: MIT
// baton: handoff/frames.hpp: octets <-> the frames of a move.
//
// A frame is one message of the link. Its first octet is 255, which no TPDU can start with (the length indicator 255 is
// reserved: RFC 905 13.2.1). All numbers are big endian.
//
//   octet  0      1        2     3      4..7            8..15
//         255  version   type  flags   payload length  move id      then fields:  tag (2) length (4) value
//
// Fields stand in any order; an unknown one is skipped; of a repeated one the first counts. Decoding never allocates:
// views point into the message. Decoding is total: any octets give a frame or an outcome. Threads: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <variant>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "tsap/address.hpp"

namespace baton::handoff {

inline constexpr std::byte frame_mark{255};
inline constexpr std::uint8_t protocol_version = 1;
inline constexpr std::size_t header_size = 16;
/// Largest frame, header included (octets).
inline constexpr std::size_t max_frame = 128 * 1024;
/// Octets that L has read already and sends along (octets).
inline constexpr std::size_t max_user_data = 64 * 1024;
/// Descriptors in one CALL: SCM_MAX_FD is 253, and musl's CMSG_SPACE leaves 252.
inline constexpr std::size_t max_batch = 252;
/// What the application says of one end point: in the frame up to `max_blob_in_frame`, beyond it in a sealed memfd
/// (octets).
inline constexpr std::size_t max_blob_in_frame = 64 * 1024;
inline constexpr std::size_t max_blob = 16 * 1024 * 1024;
/// Bit of Hello::features: understands groups, blobs and listening sockets. Others are sent none of them.
inline constexpr std::uint32_t feature_restart = 1;
/// Frames without an answer in one direction.
inline constexpr std::size_t max_unanswered = 64;

using MoveId = std::uint64_t;

enum class FrameType : std::uint8_t {
  Hello = 1,
  Offer = 2,
  Answer = 3,
  Call = 4,
  Taken = 5,
  Cancel = 6,
  Cancelled = 7,
  Credit = 8,
  Held = 9,       // S -> L: the group is validated and parked, S is ready
  Commit = 10,    // L -> S: the group is S's
  Abort = 11,     // either way: the group is off
  Complete = 12,  // L -> S: that was the whole group
};

enum class Kind : std::uint8_t {
  Connection = 1,
  ListeningSocket = 2,       // TCP; its accept queue goes with the file, and there is no stream position
  UnreadConnectRequest = 3,  // a connection whose CR nobody has read: to a listener, not over a link
};

enum class Family : std::uint8_t { Inet = 4, Inet6 = 6, Iso = 7 };

/// Address and port of one side. IPv4 uses the first four octets.
struct PeerAddress {
  std::array<std::byte, 16> octets{};
  std::uint16_t port = 0;   // host byte order
  std::uint32_t scope = 0;  // sin6_scope_id
  friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};

/// What an OFFER says of the end point.
struct Description {
  Kind kind = Kind::Connection;
  Family family = Family::Inet;
  bool nonblocking = false;
  std::int32_t descriptor = -1;  // L's number for it
  std::int32_t interface_index = 0;
  std::int32_t receive_window = 0;  // octets
  std::int32_t send_window = 0;     // octets
  PeerAddress local;                // of the TCP connection; all zero for one within the host
  PeerAddress peer;
  /// Family::Iso: host names and TSAPs.
  tsap::IsoAddress iso_local{};
  tsap::IsoAddress iso_peer{};
  friend bool operator==(const Description&, const Description&) = default;
};

/// Bytes consumed and written so far, from the kernel's counters. The state tells how far an arrived FIN, which the
/// kernel counts as an octet, has to be allowed for when positions are compared.
struct Position {
  std::uint64_t consumed = 0;
  std::uint64_t written = 0;
  std::uint8_t tcp_state = 0;  // the kernel's number (net/tcp_states.h)
  friend bool operator==(const Position&, const Position&) = default;
};

/// What moves with the descriptor.
struct Image {
  Position position;
  std::uint64_t cookie = 0;  // SO_COOKIE
  bool nonblocking = false;
  Instant stopped_at{};  // data stop, CLOCK_MONOTONIC
  friend bool operator==(const Image&, const Image&) = default;
};

/// One end point of a CALL. In an express CALL it is described here; otherwise the OFFER did that.
struct CallItem {
  Image image;
  Kind kind = Kind::Connection;
  Family family = Family::Inet;
  std::int32_t descriptor = -1;
  std::uint32_t user_data = 0;  // octets of Call::user_data that belong to this end point
  std::uint32_t iso_image = 0;  // octets of Call::iso_images that do; 0: no ISO end point
  std::uint32_t blob = 0;       // octets of Call::blobs that do; `blob_apart`: octets of the memfd
  bool blob_apart = false;      // the blob comes as a further descriptor, behind those of all end points
  friend bool operator==(const CallItem&, const CallItem&) = default;
};

/// What S did with a CALL.
enum class TakeOutcome : std::uint8_t {
  Taken = 0,
  NoDescriptor = 1,  // S's table is full
  WrongKind = 2,     // not the kind of socket that was described
  WrongCookie = 3,   // another socket than L says
  Touched = 4,       // the stream is not where L says
  UnknownMove = 5,
  Declined = 6,   // S gave the move up
  NoCredit = 7,   // express beyond what S announced
  WrongBlob = 8,  // no sealed memfd, or not of the size that L says
};

struct TakenItem {
  MoveId move = 0;
  TakeOutcome outcome = TakeOutcome::Taken;
  std::int32_t server_descriptor = -1;
  friend bool operator==(const TakenItem&, const TakenItem&) = default;
};

struct Hello {
  std::uint8_t lowest_version = protocol_version;
  std::uint8_t highest_version = protocol_version;
  std::uint32_t features = 0;
  std::uint32_t credit = 0;
  std::uint32_t largest_frame = max_frame;
  std::uint32_t process = 0;
  std::uint32_t user = 0;
  friend bool operator==(const Hello&, const Hello&) = default;
};
struct Offer {
  Description description;
  Bytes user_data;
};
struct Answer {
  std::int16_t bind_ok = 1;  // 1 accepted; negative: refused, the reason
  std::int32_t server_descriptor = -1;
  std::int32_t transport_reference = 0;
};
/// The items of a CALL, decoded one by one.
class CallItems {
 public:
  CallItems() = default;
  CallItems(Bytes records, std::size_t record_size) : records_{records}, record_size_{record_size} {}
  [[nodiscard]] std::size_t size() const noexcept { return record_size_ == 0 ? 0 : records_.size() / record_size_; }
  [[nodiscard]] CallItem operator[](std::size_t index) const noexcept;

 private:
  Bytes records_;
  std::size_t record_size_ = 0;
};
struct Call {
  bool express = false;
  MoveId group = 0;  // held: of this group, the id of its first move; 0: a move of its own
  CallItems items;   // item i belongs to move id + i
  Bytes user_data;
  Bytes iso_images;  // handoff/iso_image.hpp, one behind the other
  Bytes blobs;
  std::size_t memfds = 0;  // descriptors behind those of the end points, for the items with `blob_apart`, in order
};
/// The items of a TAKEN, decoded one by one.
class TakenItems {
 public:
  TakenItems() = default;
  TakenItems(Bytes records, std::size_t record_size) : records_{records}, record_size_{record_size} {}
  [[nodiscard]] std::size_t size() const noexcept { return record_size_ == 0 ? 0 : records_.size() / record_size_; }
  [[nodiscard]] TakenItem operator[](std::size_t index) const noexcept;

 private:
  Bytes records_;
  std::size_t record_size_ = 0;
};
struct Taken {
  TakenItems items;
};
struct Cancel {};
struct Cancelled {};
struct Credit {
  std::uint32_t more = 0;
};
/// The frames of a group; Frame::move is the group's. `count`: moves in it.
struct Held {
  std::uint32_t count = 0;
};
struct Commit {
  std::uint32_t count = 0;
};
struct Abort {};
struct Complete {
  std::uint32_t count = 0;
};
/// A frame type that this build does not know.
struct Unsupported {
  std::uint8_t type = 0;
};

using Body = std::variant<Hello, Offer, Answer, Call, Taken, Cancel, Cancelled, Credit, Held, Commit, Abort, Complete,
                          Unsupported>;
struct Frame {
  std::uint8_t version = protocol_version;
  MoveId move = 0;
  Body body;
};

enum class FrameError {
  NotAFrame,  // first octet is not 255, or shorter than a header
  Version,    // version 0 or above ours and not a HELLO
  Length,     // payload length does not agree with the message
  Field,      // a field runs past the end, is missing, or has an impossible value
};

[[nodiscard]] std::expected<Frame, FrameError> decode(Bytes message) noexcept;

/// What the first octets of a CALL tell: enough to make room for its descriptors before it is received.
struct CallPreview {
  MoveId first = 0;
  bool express = false;
  std::size_t count = 0;   // end points
  std::size_t memfds = 0;  // further descriptors
};
/// Of at least `preview_size` octets of a CALL as this version writes it; nothing for other messages.
inline constexpr std::size_t preview_size = 34;
[[nodiscard]] std::optional<CallPreview> preview_call(Bytes head) noexcept;

/// True where the message is a frame rather than a TPDU.
[[nodiscard]] inline bool is_frame(Bytes message) noexcept { return !message.empty() && message[0] == frame_mark; }
/// The type octet of a frame's first octets (at least 3), 0 if it is none.
[[nodiscard]] inline std::uint8_t type_of(Bytes head) noexcept {
  return is_frame(head) && head.size() > 2 ? std::to_integer<std::uint8_t>(head[2]) : std::uint8_t{0};
}
[[nodiscard]] const char* name_of(FrameType type) noexcept;
[[nodiscard]] const char* name_of(TakeOutcome outcome) noexcept;

/// Each writes one whole frame into `room` and returns it, or an empty span where it does not fit. Room of
/// `small_frame` octets suffices for all but those that carry user data or a batch.
inline constexpr std::size_t small_frame = 256;
[[nodiscard]] Bytes encode(MutableBytes room, const Hello& hello) noexcept;
/// Header and fields up to the user data's own octets, which the caller sends behind it (gathered): no copy is made.
[[nodiscard]] Bytes encode_head(MutableBytes room, MoveId move, const Description& description,
                                std::size_t user_data_length) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, MoveId move, const Answer& answer) noexcept;
/// What only builds with `feature_restart` understand.
struct CallExtras {
  MoveId group = 0;
  std::span<const Bytes> blobs;  // of the items that bring one in the frame
};
/// As above: `user_data_length` octets of user data follow, gathered by the caller.
[[nodiscard]] Bytes encode_call(MutableBytes room, MoveId first, bool express, std::span<const CallItem> items,
                                Bytes iso_images, std::size_t user_data_length, const CallExtras& extras = {}) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, std::span<const TakenItem> items) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, MoveId move, Cancel) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, MoveId move, Cancelled) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, Credit credit) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, MoveId group, Held held) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, MoveId group, Commit commit) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, MoveId group, Abort) noexcept;
[[nodiscard]] Bytes encode(MutableBytes room, MoveId group, Complete complete) noexcept;

/// Octets that a CALL or TAKEN of `count` items needs, without user data, images and blobs.
[[nodiscard]] std::size_t call_size(std::size_t count) noexcept;
[[nodiscard]] std::size_t taken_size(std::size_t count) noexcept;

}  // namespace baton::handoff
