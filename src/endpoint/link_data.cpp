// SPDX-License-Identifier: MIT
// User data on a link: TSDUs and what is owed of one.
#include <algorithm>

#include "base/check.hpp"
#include "endpoint/gathered.hpp"
#include "endpoint/link.hpp"
#include "os/local_queue.hpp"
#include "os/socket.hpp"

namespace baton::endpoint {

Result<std::size_t> Link::send_alone(Lock& lock, std::span<const iovec> octets, std::size_t length,
                                     const Waiting& waiting) {
  std::size_t sent = 0;
  while (sent < length) {
    if (machine_.state() != transport::State::Open || ended_ || broken_ || send_broken_) {
      pump_all(lock);
      if (sent > 0) break;
      if (machine_.state() == transport::State::AwaitingConfirm) return fail(Fault::NotConfirmed);
      return std::unexpected{end_failure()};
    }
    // Of a TSDU that a short write began, this call brings the rest first.
    const std::size_t tsdu = owing_ ? std::min(owed_, length - sent) : length - sent;
    const bool whole = !owing_ || owed_ <= length - sent;
    const std::size_t piece = std::min(tsdu, machine_.max_data());
    const bool last = whole && piece == tsdu;
    // Half of the socket's buffer stays for frames, so that every answer fits.
    const auto queued = os::queued_octets(descriptor());
    const auto buffer = os::send_buffer(descriptor());
    const bool room = flush_outbox() && queued && buffer && *queued <= *buffer / 2;
    os::Result<std::size_t> outcome = os::failure(EAGAIN);
    if (room) {
      const auto header = machine_.data_header(piece, last);
      BATON_CHECK(header.has_value());
      std::vector<iovec> parts = slice(octets, sent, piece);
      parts.insert(parts.begin(), {const_cast<std::byte*>(header->data()), header->size()});
      outcome = send_now(parts, {});
    }
    if (outcome) {
      sent += piece;
      if (owing_) {
        owed_ -= piece;
        owing_ = owed_ > 0;
      } else if (!last) {
        owing_ = true;
        owed_ = length - sent;
      }
      continue;
    }
    if (os::number(outcome.error()) == EINTR || send_broken_) continue;
    if (os::number(outcome.error()) != EAGAIN) {
      if (sent > 0) break;  // the next call meets it again
      return fail(outcome.error());
    }
    if (pump(lock) == Pumped::Progress) continue;
    auto waited = pause(lock, waiting, POLLIN | POLLOUT);
    if (!waited) {
      if (sent > 0) break;
      return std::unexpected{waited.error()};
    }
  }
  return sent;
}

Result<Link::UserData> Link::receive_user_data(Lock& lock, std::span<const iovec> room, bool peek,
                                               const Waiting& waiting) {
  // Who waits for data on a connection keeps it from moving.
  ++readers_;
  const auto data = receive_unit(lock, room, peek, waiting);
  --readers_;
  return data;
}

Result<Link::UserData> Link::receive_unit(Lock& lock, std::span<const iovec> room, bool peek, const Waiting& waiting) {
  for (;;) {
    if (!inbox_.empty()) {
      Unit& unit = inbox_.front();
      if (unit.kind != Unit::Kind::UserData) return fail(Fault::DataExpected);
      UserData data;
      for (const iovec& part : room) {
        const std::size_t size = std::min(part.iov_len, unit.octets.size() - unit.consumed - data.size);
        std::copy_n(unit.octets.begin() + static_cast<std::ptrdiff_t>(unit.consumed + data.size), size,
                    static_cast<std::byte*>(part.iov_base));
        data.size += size;
      }
      data.end_of_tsdu = unit.end_of_tsdu && unit.consumed + data.size == unit.octets.size();
      if (!peek) {
        unit.consumed += data.size;
        if (unit.consumed == unit.octets.size()) {
          inbox_.pop_front();
          fetched();
        }
      }
      return data;
    }
    if (not_yet_open()) return fail(Fault::NotConfirmed);
    if (pump(lock) == Pumped::Progress) continue;
    if (ended_ || broken_ || machine_.state() != transport::State::Open) return std::unexpected{end_failure()};
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
  }
}

std::size_t Link::readable_octets(const Lock& lock) {
  pump_all(lock);
  std::size_t octets = 0;
  for (const Unit& unit : inbox_) {
    if (unit.kind != Unit::Kind::UserData) break;
    octets += unit.octets.size() - unit.consumed;
  }
  return octets;
}

}  // namespace baton::endpoint
