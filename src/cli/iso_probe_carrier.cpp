// SPDX-License-Identifier: MIT
#include "cli/iso_probe_carrier.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cotp/tpkt.hpp"
#include "os/process.hpp"
#include "os/tcp.hpp"
#include "os/wait.hpp"

namespace baton::cli {
namespace {

constexpr Duration farewell_time = std::chrono::milliseconds{500};

bool wait_for(FdRef socket, short events, Instant deadline) {
  for (;;) {
    pollfd entry{.fd = socket.get(), .events = events, .revents = 0};
    const auto ready = os::poll_until({&entry, 1}, deadline);
    if (ready) return *ready > 0;
    if (os::number(ready.error()) != EINTR) return false;
  }
}

Answer failed(int error) {
  Answer answer;
  answer.kind = error == ETIMEDOUT
                    ? Answer::Kind::NoConnection
                    : (error == ECONNRESET || error == EPIPE ? Answer::Kind::Reset : Answer::Kind::NoConnection);
  answer.error = error;
  return answer;
}

class Asking {
 public:
  Asking(UniqueFd socket, Instant deadline) : socket_{std::move(socket)}, deadline_{deadline} {}

  [[nodiscard]] os::Result<void> connect(const os::Address& peer) {
    for (;;) {
      const auto connected = os::connect_step(socket_.ref(), peer);
      if (!connected) return std::unexpected{connected.error()};
      if (*connected) return {};
      if (!wait_for(socket_.ref(), POLLOUT, deadline_)) return os::failure(ETIMEDOUT);
    }
  }

  [[nodiscard]] os::Result<void> send(Bytes octets) {
    while (!octets.empty()) {
      const iovec part{const_cast<std::byte*>(octets.data()), octets.size()};
      const auto sent = os::send_stream(socket_.ref(), {&part, 1});
      if (sent) {
        octets = octets.subspan(*sent);
        continue;
      }
      const int error = os::number(sent.error());
      if (error == EINTR) continue;
      if (error != EAGAIN) return std::unexpected{sent.error()};
      if (!wait_for(socket_.ref(), POLLOUT, deadline_)) return os::failure(ETIMEDOUT);
    }
    return {};
  }

  /// What ends the reading: a packet, the peer, or the time.
  [[nodiscard]] Answer receive(std::uint16_t source_reference) {
    std::vector<std::byte> octets;
    for (;;) {
      const auto length = cotp::decode_tpkt(octets);
      if (length && octets.size() >= cotp::tpkt_header_octets + *length)
        return read_answer(Bytes{octets}.first(cotp::tpkt_header_octets + *length), source_reference);
      if (!length && length.error() != cotp::TpktError::NeedMore)
        return with(Answer::Kind::NoPacket, std::move(octets));
      const auto size = receive_some(octets);
      if (size && *size > 0) continue;
      if (size) return with(octets.empty() ? Answer::Kind::Closed : Answer::Kind::Incomplete, std::move(octets));
      const bool late = os::number(size.error()) == ETIMEDOUT;
      if (!octets.empty()) return with(Answer::Kind::Incomplete, std::move(octets));
      return with(late ? Answer::Kind::Silence : Answer::Kind::Reset, {});
    }
  }

  void farewell() {
    os::end_output(socket_.ref());
    const Instant until = os::monotonic_now() + farewell_time;
    std::vector<std::byte> ignored;
    for (deadline_ = until;;) {
      const auto size = receive_some(ignored);
      if (!size || *size == 0) return;
      ignored.clear();
    }
  }

 private:
  /// Errors: ETIMEDOUT at the deadline, else recv(2).
  [[nodiscard]] os::Result<std::size_t> receive_some(std::vector<std::byte>& octets) {
    std::array<std::byte, 4096> room;
    for (;;) {
      const iovec part{room.data(), room.size()};
      const auto size = os::receive_stream(socket_.ref(), {&part, 1});
      if (size) {
        octets.insert(octets.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*size));
        return size;
      }
      const int error = os::number(size.error());
      if (error == EINTR) continue;
      if (error != EAGAIN) return size;
      if (!wait_for(socket_.ref(), POLLIN, deadline_)) return os::failure(ETIMEDOUT);
    }
  }
  static Answer with(Answer::Kind kind, std::vector<std::byte> octets) {
    Answer answer;
    answer.kind = kind;
    answer.octets = std::move(octets);
    return answer;
  }

  UniqueFd socket_;
  Instant deadline_;
};

}  // namespace

Answer ask(const os::Address& peer, const Question& question, Duration patience) {
  auto socket = os::tcp_socket(peer.family(), true);
  if (!socket) return failed(os::number(socket.error()));
  Asking asking{std::move(*socket), os::monotonic_now() + patience};
  if (auto connected = asking.connect(peer); !connected) return failed(os::number(connected.error()));
  const std::size_t piece = question.probe == Probe::InPieces ? 1 : question.packet.size();
  for (Bytes rest = question.packet; !rest.empty(); rest = rest.subspan(piece))
    // Whoever closes meanwhile may have said something before.
    if (auto sent = asking.send(rest.first(piece)); !sent) break;
  const std::uint16_t reference = question.probe == Probe::NoSourceReference ? std::uint16_t{0} : probe_reference;
  Answer answer = asking.receive(reference);
  asking.farewell();
  return answer;
}

}  // namespace baton::cli
