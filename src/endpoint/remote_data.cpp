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

/// Nothing there, or a signal: the connection is as it was.
bool would_wait(os::Errno error) noexcept { return os::number(error) == EAGAIN || os::number(error) == EINTR; }

/// The caller's buffers are at fault, or memory is short: the connection is as it was.
bool is_callers(os::Errno error) noexcept {
  switch (os::number(error)) {
    case EFAULT:
    case EINVAL:
    case EMSGSIZE:
    case ENOMEM:
    case ENOBUFS:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool RemoteConnection::fetch_head() {
  const MutableBytes room = reader_.head_room();
  const iovec part{room.data(), room.size()};
  const auto got = os::receive_stream(descriptor(), {&part, 1});
  if (!got && would_wait(got.error())) return false;
  if (got && *got > 0)
    reader_.took_head(*got);
  else
    carrier_ended();
  return true;
}

void RemoteConnection::read_ahead() {
  while (!reading_ && !ended_ && !broken_ && machine_.state() != transport::State::Closed &&
         reader_.payload_left() == 0 && !at_empty_end() && !turn_over()) {
    if (has_head())
      (void)act_on_head();
    else if (!fetch_head())
      return;
  }
}

bool RemoteConnection::has_head() const noexcept {
  const auto packet = reader_.next();
  return !packet || *packet;
}

/// The head at hand is that of an empty DT which ends the TSDU that has been read.
bool RemoteConnection::at_empty_end() const noexcept {
  const auto packet = reader_.next();
  if (!packet || !*packet || reader_.ends_tsdu() || (*packet)->tpdu_length != cotp::data_header_octets) return false;
  const auto tpdu = cotp::decode((*packet)->head, (*packet)->tpdu_length);
  const auto* const data = tpdu ? std::get_if<cotp::Data>(&*tpdu) : nullptr;
  return data != nullptr && data->end_of_tsdu;
}

bool RemoteConnection::act_on_head() {
  const auto packet = reader_.next();
  if (packet) return *packet && handle(**packet);
  broken_ = true;
  (void)machine_.carrier_ended();
  stop_reading();
  return false;
}

bool RemoteConnection::handle(const transport::PacketReader::Packet& packet) {
  const auto event = machine_.receive(packet.head, packet.tpdu_length, os::monotonic_now());
  if (const auto* data = event ? std::get_if<transport::DataArrived>(&*event) : nullptr) {
    const bool continues = !reader_.ends_tsdu();
    reader_.begin_data(data->payload_length, data->end_of_tsdu);
    // An empty DT only ends a TSDU (RFC 905 6.3.3); an empty TSDU says nothing that a read could give.
    if (data->payload_length == 0 && !continues) ++turn_;
    return data->payload_length == 0 && continues;
  }
  reader_.skip();
  (void)flush();
  gate_.open();
  if (machine_.state() == transport::State::Open) return false;  // a CC
  broken_ = !event || std::holds_alternative<transport::ProtocolError>(*event) ||
            std::holds_alternative<transport::ErrorReported>(*event);
  stop_reading();
  return false;
}

os::Result<std::size_t> RemoteConnection::receive(Lock& lock, std::span<const iovec> room, bool peek, bool waits) {
  const FdRef from = descriptor();
  if (!waits) return os::receive_stream(from, room, {.peek = peek});
  in_kernel_ = true;
  lock.unlock();
  const auto got = os::receive_stream(from, room, {.peek = peek, .wait = true});
  lock.lock();
  in_kernel_ = false;
  left_kernel_.notify_all();
  return got;
}

/// Payload of the DT at hand, as far as there is room behind what `data` has, and with its end the head of the next
/// packet. `more`: the kernel had all that was asked for, so there may be more.
os::Result<void> RemoteConnection::receive_payload(Lock& lock, std::span<const iovec> room, UserData& data, bool peek,
                                                   bool waits, bool& more) {
  const std::size_t payload = reader_.payload_left();
  const std::size_t asked = std::min(total(room) - data.size, payload);
  const bool with_head = asked == payload && !peek && room.size() < most_parts;
  const MutableBytes head = with_head ? reader_.head_room() : MutableBytes{};
  const iovec head_part{head.data(), head.size()};
  std::array<iovec, 2> simple;
  std::vector<iovec> gathered;
  std::span<const iovec> parts;
  if (room.size() == 1) {
    simple = {iovec{static_cast<std::byte*>(room[0].iov_base) + data.size, asked}, head_part};
    parts = std::span{simple}.first(with_head ? 2 : 1);
  } else {
    gathered = slice(room, data.size, asked);
    if (with_head) gathered.push_back(head_part);
    parts = gathered;
  }
  const auto got = receive(lock, parts, peek, waits);
  if (!got) return std::unexpected{got.error()};
  if (*got == 0) return os::failure(EPIPE);
  const std::size_t taken = std::min(*got, asked);
  data.size += taken;
  more = *got == asked + head.size();
  if (peek) {
    data.end_of_tsdu = taken == payload && reader_.ends_tsdu();
    return {};
  }
  reader_.took_payload(taken);
  reader_.took_head(*got - taken);
  if (reader_.payload_left() > 0) return {};
  data.end_of_tsdu = reader_.ends_tsdu();
  if (has_head() && act_on_head()) data.end_of_tsdu = true;
  return {};
}

Result<IsoConnection::UserData> RemoteConnection::receive_user_data(Lock& lock, std::span<const iovec> room, bool peek,
                                                                    const Waiting& waiting) {
  while (reading_) {
    if (auto waited = pause(lock, waiting, 0); !waited) return std::unexpected{waited.error()};
  }
  reading_ = true;
  const auto data = receive_alone(lock, room, peek, waiting);
  reading_ = false;
  gate_.open();
  return data;
}

Result<IsoConnection::UserData> RemoteConnection::receive_alone(Lock& lock, std::span<const iovec> room, bool peek,
                                                                const Waiting& waiting) {
  const std::size_t most = total(room);
  // The socket's own mode decides: one call instead of a look, a wait and another look.
  const bool waits = !waiting.nonblocking && waiting.deadline == never;
  UserData data;
  for (;;) {
    if (number_ < 0) return fail(Fault::BadDescriptor);  // closed by another thread
    if (not_yet_open()) return fail(Fault::NotConfirmed);
    if (!open()) return data.size > 0 ? Result<UserData>{data} : std::unexpected{end_failure()};
    os::Result<void> outcome;
    if (reader_.payload_left() == 0) {
      if (has_head()) {
        if (peek && at_empty_end()) return UserData{0, true};
        if (act_on_head()) return UserData{0, true};
        if (!turn_over()) continue;
        if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
        continue;
      }
      const MutableBytes head = reader_.head_room();
      const iovec part{head.data(), head.size()};
      const auto got = receive(lock, {&part, 1}, false, waits);
      if (got && *got > 0) {
        reader_.took_head(*got);
        continue;
      }
      outcome = got ? os::failure(EPIPE) : os::Result<void>{std::unexpected{got.error()}};
    } else {
      if (most == 0) return data;
      bool more = false;
      outcome = receive_payload(lock, room, data, peek, waits && data.size == 0, more);
      if (outcome) {
        // The next DT of the same TSDU, and it is probably here: no need to be asked again.
        if (peek || data.end_of_tsdu || !more || data.size == most || reader_.payload_left() == 0) return data;
        continue;
      }
      if (data.size > 0) return data;
    }
    if (is_callers(outcome.error())) return fail(outcome.error());
    if (!would_wait(outcome.error())) {
      carrier_ended();
      continue;
    }
    if (waits) return fail(outcome.error());
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
  }
}

std::size_t RemoteConnection::readable_octets(const Lock& lock) {
  look(lock);
  return std::min(os::unread_octets(descriptor()), reader_.payload_left());
}

Result<std::size_t> RemoteConnection::send_alone(Lock& lock, std::span<const iovec> octets, std::size_t length,
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
        if (sent > 0) break;  // the next call meets it again
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
