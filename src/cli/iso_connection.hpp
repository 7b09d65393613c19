// SPDX-License-Identifier: MIT
// baton: cli/iso_connection.hpp: AF_ISO connections of the library as the verbs of `baton iso` use them.
//
// Data passes without waiting: whoever waits does it in soc_poll_ms. Errors are sentences without their full stop.
// Threads: one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/iso_names.hpp"
#include "tsap/selector.hpp"

namespace baton::cli {

/// A number of the library, closed by soc_close; or nothing.
class IsoNumber {
 public:
  IsoNumber() noexcept = default;
  explicit IsoNumber(int number) noexcept : number_{number} {}
  IsoNumber(IsoNumber&& other) noexcept;
  IsoNumber& operator=(IsoNumber&& other) noexcept;
  IsoNumber(const IsoNumber&) = delete;
  IsoNumber& operator=(const IsoNumber&) = delete;
  ~IsoNumber();
  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_ = -1;
};

struct Call {
  Place place;
  tsap::Selector called;
  tsap::Selector calling;  ///< empty: the library makes one
  std::optional<int> tpdu_size;
  std::chrono::milliseconds timeout{};
};
/// Waits for the answer.
[[nodiscard]] std::expected<IsoNumber, std::string> connect_to(const Call& call);

/// A number for ask(), several times if need be. Nothing: errno says why.
[[nodiscard]] std::optional<IsoNumber> number_to_ask_with();
/// Asks a TSAP of this host, or hears its answer: whether there is a connection. Never waits. EWOULDBLOCK: no answer
/// yet; the number polls POLLIN when there is one.
[[nodiscard]] bool ask(const IsoNumber& number, const tsap::Selector& called);

[[nodiscard]] std::expected<IsoNumber, std::string> listen_as(const tsap::Selector& called);
/// Nothing: there is no connection to be had now. The error: none can be had, for want of descriptors or the like.
[[nodiscard]] std::expected<std::optional<IsoNumber>, std::string> accept_from(const IsoNumber& listening);

/// ADDRESS:PORT where a listening socket takes connections of other hosts; nothing: this host's only.
[[nodiscard]] std::optional<std::string> listening_address(const IsoNumber& listening);
/// "'PLC' at 192.0.2.7:40222" or "'PLC' on this host": TSEL and place of the other side.
[[nodiscard]] std::string other_side(const IsoNumber& connection);
/// The TSEL by which the other side has called; nothing where the library does not say.
[[nodiscard]] std::optional<tsap::Selector> called_selector(const IsoNumber& accepted);
/// What was agreed, in octets; nothing where the library does not say.
[[nodiscard]] std::optional<int> tpdu_size_of(const IsoNumber& connection);

struct Traffic {
  std::uint64_t octets_sent = 0;
  std::uint64_t tsdus_sent = 0;
  std::uint64_t octets_received = 0;
  std::uint64_t tsdus_received = 0;

  Traffic& operator+=(const Traffic& other) noexcept;
  friend bool operator==(const Traffic&, const Traffic&) noexcept = default;
};

class IsoConnection {
 public:
  explicit IsoConnection(IsoNumber number) : number_{std::move(number)} {}

  [[nodiscard]] int number() const noexcept { return number_.get(); }
  [[nodiscard]] const IsoNumber& library_number() const noexcept { return number_; }
  [[nodiscard]] const Traffic& traffic() const noexcept { return traffic_; }

  /// At least one octet. It goes out with send().
  void queue(std::string tsdu);
  [[nodiscard]] bool has_output() const noexcept { return !queue_.empty(); }
  [[nodiscard]] std::size_t queued_octets() const noexcept { return queued_octets_; }
  [[nodiscard]] std::size_t queued_tsdus() const noexcept { return queue_.size(); }
  /// Sends as much as goes now.
  void send();

  /// Reads some of what is there; `take` gets each part of a TSDU, and whether it is the last. The octets are valid
  /// until it returns.
  void receive(const std::function<void(std::string_view octets, bool end)>& take);
  /// A TSDU has come in part.
  [[nodiscard]] bool in_tsdu() const noexcept { return in_tsdu_; }

  /// There is nothing to be read or written any more.
  [[nodiscard]] bool ended() const noexcept { return ending_.has_value(); }
  /// A sentence where the connection did not just end: broken, released with a reason, a TSDU incomplete or not sent.
  [[nodiscard]] std::optional<std::string> complaint() const;

 private:
  void end(int error);

  IsoNumber number_;
  std::deque<std::string> queue_;
  std::size_t sent_of_front_ = 0;
  std::size_t queued_octets_ = 0;
  bool in_tsdu_ = false;
  Traffic traffic_;
  std::optional<std::string> ending_;  // empty text: closed by the peer, as connections are
  std::vector<char> room_;
};

}  // namespace baton::cli
