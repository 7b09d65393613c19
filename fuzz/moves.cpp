// SPDX-License-Identifier: MIT
// Two connections that talk through two pipes, with writes that are cut short and reads that end anywhere; at arbitrary
// octets one of them moves: its image is encoded, decoded, and another process's objects go on. Every TSDU has to
// arrive whole, with its boundaries.
//
// The first octets choose the size; each step then is an octet, whose first bit names the side, and what it needs.
#include <array>
#include <deque>
#include <vector>

#include "fuzz/input.hpp"
#include "handoff/iso_image.hpp"
#include "transport/connection.hpp"
#include "transport/packet_reader.hpp"
#include "transport/packet_writer.hpp"

namespace baton::handoff {
namespace {

using fuzz::Input;
using transport::Connection;
using transport::PacketReader;
using transport::PacketWriter;
using transport::State;

constexpr std::size_t all = static_cast<std::size_t>(-1);

/// Octets `from` onwards of all that a side ever sends, wherever TSDUs end. At most 65536.
Bytes stream_at(std::size_t from, std::size_t count) {
  constexpr std::size_t period = 59999;
  static const auto table = [] {
    std::array<std::byte, period + 65536> octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
      const std::size_t at = i % period;
      octets[i] = static_cast<std::byte>(at ^ at >> 7 ^ at >> 14);
    }
    return octets;
  }();
  return Bytes{table}.subspan(from % period, count);
}

/// One direction.
struct Pipe {
  std::vector<std::byte> octets;
  std::size_t read = 0;
  std::size_t accepted = 0;      ///< octets of the user that the sender is rid of
  std::size_t arrived = 0;       ///< ... and that the receiver has got
  std::size_t last_end = 0;      ///< where the last TSDU that was begun ends
  std::deque<std::size_t> ends;  ///< of TSDUs begun and not yet found to end by the receiver

  [[nodiscard]] Bytes waiting() const { return Bytes{octets}.subspan(read); }
};

class Side {
 public:
  Side(Connection connection, Pipe& in, Pipe& out) : connection_{connection}, in_{in}, out_{out} {}

  /// One call of the user with `size` octets in `places` pieces, of which the carrier takes `most`, heads included.
  void write(std::size_t size, std::size_t most, std::size_t places, std::size_t room) {
    answer();
    if (connection_.state() != State::Open || size == 0) return;
    const Bytes said = stream_at(out_.accepted, size);
    std::vector<std::byte> octets{said.begin(), said.end()};
    std::vector<iovec> gathered{{nullptr, 0}};
    for (std::size_t at = 0; at < size;) {
      const std::size_t piece = std::min(size / places + 1, size - at);
      gathered.push_back({octets.data() + at, piece});
      at += piece;
    }
    const std::size_t owed = writer_.owed();
    const std::size_t max_data = connection_.max_data();
    std::vector<iovec> parts(room);
    const std::size_t filled = writer_.plan(gathered, max_data, parts);
    BATON_REQUIRE(filled > 0 && filled <= room);
    const std::size_t sent = put(std::span{parts}.first(filled), most);
    const std::size_t accepted = writer_.advance(gathered, max_data, sent);
    BATON_REQUIRE(accepted <= size);
    account(owed, size, accepted, sent);
  }

  /// At most `most` octets: how many were there.
  std::size_t read(std::size_t most) {
    const Bytes waiting = in_.waiting();
    const std::size_t payload = std::min({most, waiting.size(), reader_.payload_left()});
    BATON_REQUIRE(fuzz::same(waiting.first(payload), stream_at(in_.arrived, payload)));
    in_.arrived += payload;
    reader_.took_payload(payload);
    std::size_t head = 0;
    if (reader_.payload_left() == 0) {
      if (payload > 0) end_data();
      const MutableBytes room = reader_.head_room();
      head = std::min({most - payload, waiting.size() - payload, room.size()});
      std::ranges::copy(waiting.subspan(payload, head), room.begin());
      reader_.took_head(head);
      look();
    }
    in_.read += payload + head;
    return payload + head;
  }

  void read_all() {
    while (read(all) > 0) continue;
  }

  /// To another process.
  void move(bool confirm_there) {
    if (!confirm_there) answer();
    const auto connection = connection_.image();
    if (!connection) return;
    IsoImage image;
    image.carrier = Carrier::Tcp;
    image.connection = *connection;
    image.reader = reader_.image();
    image.writer = writer_.image();
    std::array<std::byte, max_iso_image_head> room{};
    const Bytes encoded = encode(room, image);
    BATON_REQUIRE(!encoded.empty());
    const std::vector<std::byte> octets{encoded.begin(), encoded.end()};
    const auto decoded = decode_iso_image(octets);
    BATON_REQUIRE(decoded.has_value() && decoded->carrier == Carrier::Tcp && decoded->unread.empty());
    BATON_REQUIRE(decoded->connection == image.connection && decoded->reader == image.reader &&
                  decoded->writer == image.writer);
    connection_ = Connection::restore(decoded->connection).value();
    reader_ = PacketReader::restore(decoded->reader).value();
    writer_ = PacketWriter::restore(decoded->writer).value();
  }

  /// Confirms what is indicated, and sends what waits.
  void answer() {
    if (connection_.state() == State::Indicated) BATON_REQUIRE(connection_.confirm().has_value());
    while (!connection_.output().empty()) {
      const Bytes output = connection_.output();
      const auto packet = cotp::encode_tpkt(output.size());
      BATON_REQUIRE(packet.has_value() && writer_.owed() == 0);
      out_.octets.insert(out_.octets.end(), packet->begin(), packet->end());
      out_.octets.insert(out_.octets.end(), output.begin(), output.end());
      connection_.consume_output();
    }
  }
  void pay() {
    while (writer_.owed() > 0) write(std::min<std::size_t>(writer_.owed(), 60000), all, 1, 16);
  }
  void check_rest() const {
    BATON_REQUIRE(connection_.state() == State::Open && reader_.at_boundary() && writer_.owed() == 0);
    BATON_REQUIRE(in_.waiting().empty() && in_.ends.empty() && in_.arrived == in_.accepted);
  }

 private:
  std::size_t put(std::span<const iovec> parts, std::size_t most) {
    std::size_t sent = 0;
    for (const iovec& part : parts) {
      const auto* begin = static_cast<const std::byte*>(part.iov_base);
      const std::size_t taken = std::min(part.iov_len, most - sent);
      out_.octets.insert(out_.octets.end(), begin, begin + taken);
      sent += taken;
    }
    return sent;
  }
  /// The first octets pay what is owed; what is beyond it is a TSDU as soon as an octet of its head is out.
  void account(std::size_t owed, std::size_t size, std::size_t accepted, std::size_t sent) {
    out_.accepted += accepted;
    const bool paid = accepted >= owed && size > owed;
    const bool begun = owed == 0 ? sent > 0 : paid && (accepted > owed || writer_.owed() > 0);
    if (begun) {
      out_.last_end += size - owed;
      out_.ends.push_back(out_.last_end);
    }
    BATON_REQUIRE(writer_.owed() == out_.last_end - out_.accepted);
  }
  void look() {
    for (;;) {
      const auto next = reader_.next();
      BATON_REQUIRE(next.has_value());
      if (!*next) return;
      const auto event = connection_.receive((*next)->head, (*next)->tpdu_length, {});
      BATON_REQUIRE(event.has_value());
      if (const auto* data = std::get_if<transport::DataArrived>(&*event)) {
        BATON_REQUIRE(data->payload_length > 0 && data->payload_length <= connection_.max_data());
        reader_.begin_data(data->payload_length, data->end_of_tsdu);
        return;
      }
      BATON_REQUIRE(std::holds_alternative<transport::Indication>(*event) ||
                    std::holds_alternative<transport::Confirmed>(*event));
      reader_.skip();
    }
  }
  void end_data() {
    BATON_REQUIRE(!in_.ends.empty() && in_.arrived <= in_.ends.front());
    BATON_REQUIRE(reader_.ends_tsdu() == (in_.arrived == in_.ends.front()));
    if (reader_.ends_tsdu()) in_.ends.pop_front();
  }

  Connection connection_;
  PacketReader reader_;
  PacketWriter writer_;
  Pipe& in_;
  Pipe& out_;
};

void step(Side& side, std::uint8_t choice, Input& input) {
  switch (choice % 4) {
    case 0: {
      // Most are small, so that many fit into an input.
      const std::size_t factor = (choice & 4) != 0 ? 61 : 1;
      const std::size_t size = (std::size_t{1} + input.u8()) * factor;
      const std::size_t most = input.u8() * factor;
      return side.write(size, (choice & 8) != 0 ? all : most, std::size_t{1} + (choice >> 4), 4 + choice % 13);
    }
    case 1:
      side.read(1 + (choice >> 2));
      return;
    case 2:
      if ((choice & 4) == 0)
        side.read(std::size_t{1} + input.u16());
      else
        side.read_all();
      return;
    case 3:
      return side.move((choice & 4) != 0);
  }
}

void run(Input input) {
  transport::ConnectRequest request{.local_reference = 1};
  request.proposed_size = static_cast<cotp::TpduSize>(7 + input.u8() % 10);
  const transport::ResponderSettings settings{.maximum_size = static_cast<cotp::TpduSize>(7 + input.u8() % 10)};
  std::array<Pipe, 2> pipes;
  std::array sides{Side{Connection::initiate(request, {}).value(), pipes[0], pipes[1]},
                   Side{Connection::await(2, settings).value(), pipes[1], pipes[0]}};
  while (!input.at_end()) {
    const std::uint8_t choice = input.u8();
    step(sides[choice & 1], choice >> 1, input);
  }
  // Both say what they owe and read to the end; twice, for the first time may only have opened the connection.
  for (int round = 0; round < 4; ++round)
    for (Side& side : sides) {
      side.read_all();
      side.answer();
      side.pay();
    }
  for (const Side& side : sides) side.check_rest();
}

}  // namespace
}  // namespace baton::handoff

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::handoff::run({data, size});
  return 0;
}
