// SPDX-License-Identifier: MIT
// User data on an RFC 1006 connection: exactly the packet at hand and the head of the next.
#include <algorithm>
#include <array>
#include <vector>

#include "endpoint/gathered.hpp"
#include "endpoint/remote_connection.hpp"
#include "os/process.hpp"
#include "os/tcp.hpp"

namespace baton::endpoint {
namespace {

/// IOV_MAX of the kernel (sendmsg(2)).
constexpr std::size_t most_parts = 1024;

}  // namespace

RemoteConnection::Step RemoteConnection::read_head() {
  const MutableBytes room = reader_.head_room();
  const iovec part{room.data(), room.size()};
  const auto got = os::receive_stream(descriptor(), {&part, 1});
  if (!got) {
    const int error = os::number(got.error());
    if (error == EAGAIN || error == EINTR) return Step::Nothing;
  }
  if (!got || *got == 0) {
    carrier_ended();
    return Step::Progress;
  }
  reader_.took_head(*got);
  return act_on_heads();
}

RemoteConnection::Step RemoteConnection::act_on_heads() {
  const auto packet = reader_.next();
  if (!packet) {
    broken_ = true;
    (void)machine_.carrier_ended();
    stop_reading();
    return Step::Progress;
  }
  return *packet ? handle(**packet) : Step::Progress;
}

RemoteConnection::Step RemoteConnection::handle(const transport::PacketReader::Packet& packet) {
  const auto event = machine_.receive(packet.head, packet.tpdu_length, os::monotonic_now());
  if (const auto* data = event ? std::get_if<transport::DataArrived>(&*event) : nullptr) {
    const bool continues = !reader_.ends_tsdu();
    reader_.begin_data(data->payload_length, data->end_of_tsdu);
    // An empty DT only ends a TSDU (RFC 905 6.3.3); an empty TSDU says nothing that a read could give.
    return data->payload_length == 0 && continues ? Step::EndOfTsdu : Step::Progress;
  }
  reader_.skip();
  (void)flush();
  gate_.open();
  if (machine_.state() == transport::State::Open) return Step::Progress;  // a CC
  broken_ = !event || std::holds_alternative<transport::ProtocolError>(*event) ||
            std::holds_alternative<transport::ErrorReported>(*event);
  stop_reading();
  return Step::Progress;
}

/// `more`: the kernel had all that was asked for, so there may be more.
os::Result<std::size_t> RemoteConnection::receive_payload(std::span<const iovec> room, std::size_t offset, bool peek,
                                                          bool& more) {
  const std::size_t payload = reader_.payload_left();
  std::array<iovec, 2> simple;
  std::vector<iovec> gathered;
  std::span<const iovec> parts;
  std::size_t asked = std::min(total(room) - offset, payload);
  const bool with_head = asked == payload && !peek;
  const MutableBytes head = with_head ? reader_.head_room() : MutableBytes{};
  const iovec head_part{head.data(), head.size()};
  if (room.size() == 1) {
    simple = {iovec{static_cast<std::byte*>(room[0].iov_base) + offset, asked}, head_part};
    parts = std::span{simple}.first(with_head ? 2 : 1);
  } else {
    gathered = slice(room, offset, asked);
    if (with_head) gathered.push_back(head_part);
    parts = gathered;
  }
  const auto got = os::receive_stream(descriptor(), parts, peek);
  if (!got || peek) return got;
  more = *got == asked + head.size();
  const std::size_t taken = std::min(*got, asked);
  reader_.took_payload(taken);
  reader_.took_head(*got - taken);
  return taken;
}

Result<IsoConnection::UserData> RemoteConnection::receive_user_data(Lock& lock, std::span<const iovec> room, bool peek,
                                                                    const Waiting& waiting) {
  const std::size_t most = total(room);
  UserData data;
  for (;;) {
    switch (machine_.state()) {
      case transport::State::Idle:
      case transport::State::Indicated:
      case transport::State::AwaitingConfirm:
        return fail(Fault::NotConfirmed);
      case transport::State::Open:
      case transport::State::Closing:
      case transport::State::Closed:
        break;
    }
    if (!open()) return data.size > 0 ? Result<UserData>{data} : std::unexpected{end_failure()};
    bool waits = false;
    if (reader_.payload_left() == 0) {
      const Step step = read_head();
      if (step == Step::EndOfTsdu) return UserData{0, true};
      waits = step == Step::Nothing;
    } else {
      if (most == 0) return data;
      bool more = false;
      const auto got = receive_payload(room, data.size, peek, more);
      const int error = got ? 0 : os::number(got.error());
      waits = error == EAGAIN || error == EINTR;
      if (!waits && (!got || *got == 0)) {
        carrier_ended();
        continue;
      }
      if (!waits) {
        data.size += *got;
        if (peek) {
          data.end_of_tsdu = *got == reader_.payload_left() && reader_.ends_tsdu();
          return data;
        }
        if (reader_.payload_left() > 0) return data;
        data.end_of_tsdu = reader_.ends_tsdu();
        if (act_on_heads() == Step::EndOfTsdu) data.end_of_tsdu = true;
        // The next DT of the same TSDU, and it is probably here: no need to be asked again.
        if (data.end_of_tsdu || !more || data.size == most || reader_.payload_left() == 0) return data;
      }
    }
    if (!waits) continue;
    if (data.size > 0) return data;
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
  }
}

std::size_t RemoteConnection::readable_octets(const Lock& lock) {
  look(lock);
  return std::min(os::unread_octets(descriptor()), reader_.payload_left());
}

Result<std::size_t> RemoteConnection::send_user_data(Lock& lock, std::span<const iovec> octets,
                                                     const Waiting& waiting) {
  if (machine_.state() == transport::State::Indicated)
    if (auto confirmed = confirm(lock, {}); !confirmed) return std::unexpected{confirmed.error()};
  const std::size_t length = total(octets);
  // An empty TSDU makes real peers close.
  if (length == 0) return fail(Fault::Argument);
  if (auto begun = begin_writing(lock, waiting); !begun) return std::unexpected{begun.error()};
  const auto sent = send_all(lock, octets, length, waiting);
  end_writing();
  return sent;
}

Result<std::size_t> RemoteConnection::send_all(Lock& lock, std::span<const iovec> octets, std::size_t length,
                                               const Waiting& waiting) {
  thread_local std::array<iovec, most_parts> parts;
  std::size_t sent = 0;
  while (sent < length) {
    if (!open() || send_broken_) {
      if (sent > 0) break;
      if (machine_.state() == transport::State::AwaitingConfirm) return fail(Fault::NotConfirmed);
      return std::unexpected{end_failure()};
    }
    std::vector<iovec> rest;
    if (sent > 0) rest = slice(octets, sent, length - sent);
    const std::span<const iovec> left = sent > 0 ? std::span<const iovec>{rest} : octets;
    // A CC goes first.
    if (flush()) {
      const auto planned = std::span{parts}.first(writer_.plan(left, machine_.max_data(), parts));
      const auto outcome = os::send_stream(descriptor(), planned);
      if (outcome) {
        sent += writer_.advance(left, machine_.max_data(), *outcome);
        if (*outcome == total(planned)) continue;
      } else if (const int error = os::number(outcome.error()); error == EPIPE || error == ECONNRESET) {
        send_broken_ = true;
        continue;
      } else if (error == EINTR) {
        continue;
      } else if (error != EAGAIN) {
        return fail(outcome.error());
      }
    }
    if (auto waited = pause(lock, waiting, POLLOUT); !waited) {
      if (sent > 0) break;
      return std::unexpected{waited.error()};
    }
  }
  return sent;
}

}  // namespace baton::endpoint
