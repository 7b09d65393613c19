// SPDX-License-Identifier: MIT
// A connection behind a stream of arbitrary octets that arrive in arbitrary pieces, with calls of its user and time
// passing in between: whatever the peer sends, the machine stays within what its header says.
//
// The first octets choose role and size; each step then is an octet and what it needs.
#include <optional>
#include <vector>

#include "fuzz/input.hpp"
#include "transport/connection.hpp"
#include "transport/packet_reader.hpp"

namespace baton::transport {
namespace {

using fuzz::Input;

constexpr std::uint16_t reference = 0x0A0B;

Connection made(Input& input) {
  const std::uint8_t choice = input.u8();
  const auto size = static_cast<cotp::TpduSize>(7 + input.u8() % 10);
  if ((choice & 1) == 0) {
    const ResponderSettings settings{.size_if_none = cotp::TpduSize::Octets128, .maximum_size = size};
    return Connection::await(reference, settings).value();
  }
  ConnectRequest request{.local_reference = reference, .proposed_size = size};
  request.selectors.calling.assign_front(input.take(choice >> 1 & 3));
  request.selectors.called.assign_front(input.take(choice >> 3 & 3));
  return Connection::initiate(request, {}).value();
}

class Carrier {
 public:
  explicit Carrier(Input& input) : connection_{made(input)} { check(); }

  void step(Input& input) {
    switch (const std::uint8_t choice = input.u8(); choice % 8) {
      case 0:
        feed(input.take(input.u8()));
        break;
      case 1:  // the payload of a large DT need not come out of the input
        if (const std::size_t size = input.u16(); stream_.size() < 200'000) feed(std::vector<std::byte>(size));
        break;
      case 2:
        read(std::size_t{1} + input.u8());
        break;
      case 3:
        confirm(input.take(choice >> 3));
        break;
      case 4:
        leave(input.take(input.u8()), (choice & 8) != 0);
        break;
      case 5:
        pass_time(std::chrono::milliseconds{input.u16()});
        break;
      case 6:
        move();
        break;
      case 7:
        send();
        break;
    }
    check();
  }
  /// All that has arrived is read, and then the stream ends.
  void finish() {
    while (read(65536) > 0) check();
    if (connection_.state() != State::Closed) BATON_REQUIRE(connection_.carrier_ended().has_value());
    check();
  }

 private:
  void feed(Bytes octets) { stream_.insert(stream_.end(), octets.begin(), octets.end()); }

  std::size_t read(std::size_t most) {
    if (connection_.state() == State::Closed || broken_) return 0;
    const Bytes waiting = Bytes{stream_}.subspan(read_);
    const std::size_t payload = std::min({most, waiting.size(), reader_.payload_left()});
    reader_.took_payload(payload);
    read_ += payload;
    if (reader_.payload_left() > 0) return payload;
    const MutableBytes room = reader_.head_room();
    BATON_REQUIRE(!room.empty() && room.size() <= max_head && (payload == 0 || room.size() == packet_head));
    const std::size_t head = std::min({most - payload, waiting.size() - payload, room.size()});
    std::ranges::copy(waiting.subspan(payload, head), room.begin());
    reader_.took_head(head);
    read_ += head;
    while (look()) check();
    return payload + head;
  }
  /// True: a packet was there, and there may be another.
  bool look() {
    const auto next = reader_.next();
    if (!next) {
      BATON_REQUIRE(reader_.head_room().empty());
      broken_ = true;
      return false;
    }
    if (!*next) return false;
    const auto before = connection_.state();
    const auto event = connection_.receive((*next)->head, (*next)->tpdu_length, now_);
    BATON_REQUIRE(event.has_value());
    BATON_REQUIRE(std::holds_alternative<Ignored>(*event) == (before == State::Closing));
    if (const auto* data = std::get_if<DataArrived>(&*event)) {
      BATON_REQUIRE(before == State::Open && data->payload_offset + data->payload_length == (*next)->tpdu_length);
      reader_.begin_data(data->payload_length, data->end_of_tsdu);
      return data->payload_length == 0;
    }
    reader_.skip();
    return connection_.state() != State::Closed;
  }

  void confirm(Bytes user_data) {
    const bool may = connection_.state() == State::Indicated;
    BATON_REQUIRE(connection_.confirm(user_data).has_value() == may);
  }
  void leave(Bytes text, bool refuse) {
    const bool may =
        connection_.state() == (refuse ? State::Indicated : State::Open) && text.size() <= cotp::max_disconnect_info;
    const auto done = refuse ? connection_.refuse(cotp::DisconnectReason::CongestionAtTsap, text, now_)
                             : connection_.disconnect(text, now_);
    BATON_REQUIRE(done.has_value() == may);
  }
  void pass_time(Duration time) {
    now_ += time;
    const bool due = connection_.deadline() && *connection_.deadline() <= now_;
    BATON_REQUIRE(connection_.on_deadline(now_).has_value() == due);
    if (due) BATON_REQUIRE(connection_.state() == State::Closed);
  }
  void move() {
    const State state = connection_.state();
    const auto image = connection_.image();
    BATON_REQUIRE(image.has_value() ==
                  ((state == State::Open || state == State::Indicated) && connection_.output().empty()));
    if (!image) return;
    auto connection = Connection::restore(*image);
    auto reader = PacketReader::restore(reader_.image());
    BATON_REQUIRE(connection && reader && connection->state() == state && connection->image() == image);
    BATON_REQUIRE(reader->image() == reader_.image());
    connection_ = *connection;
    reader_ = *reader;
  }
  void send() {
    if (!connection_.output().empty()) connection_.consume_output();
  }

  void check() const {
    const State state = connection_.state();
    const Bytes output = connection_.output();
    if (!output.empty()) {
      BATON_REQUIRE(state == State::AwaitingConfirm || state == State::Open || state == State::Closing);
      BATON_REQUIRE(cotp::decode(output).has_value());
    }
    BATON_REQUIRE(connection_.deadline().has_value() == (state == State::AwaitingConfirm || state == State::Closing));
    const auto header = connection_.data_header(connection_.max_data(), true);
    BATON_REQUIRE(header.has_value() == (state == State::Open && output.empty()));
    BATON_REQUIRE(PacketReader::restore(reader_.image()).has_value());
  }

  Connection connection_;
  PacketReader reader_;
  std::vector<std::byte> stream_;
  std::size_t read_ = 0;
  bool broken_ = false;
  Instant now_{};
};

}  // namespace
}  // namespace baton::transport

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::fuzz::Input input{data, size};
  baton::transport::Carrier carrier{input};
  while (!input.at_end()) carrier.step(input);
  carrier.finish();
  return 0;
}
