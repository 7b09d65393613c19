// SPDX-License-Identifier: MIT
#include "dispatch/farewell.hpp"

#include <sys/uio.h>

#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <utility>

#include "os/tcp.hpp"
#include "os/tcp_abort.hpp"

namespace baton::dispatch {
namespace {

constexpr std::size_t most_at_once = 4096;  // beyond these the answer may be overtaken by a reset
constexpr std::size_t most_octets = std::size_t{1} << 20;
constexpr std::chrono::seconds longest{2};

}  // namespace

struct Farewell::Parting {
  Parting(asio::io_context& loop, VisitorPtr gone)
      : visitor{std::move(gone)}, watched{loop, visitor->connection.native_handle()}, timer{loop} {}
  ~Parting() { (void)watched.release(); }

  VisitorPtr visitor;
  asio::posix::stream_descriptor watched;
  asio::steady_timer timer;
  std::size_t dropped = 0;
  Clock::time_point until = Clock::now() + longest;
};

Farewell::Farewell(asio::io_context& loop) : loop_{loop} {}
Farewell::~Farewell() = default;

void Farewell::say(VisitorPtr visitor, recognise::Ending why) {
  const FdRef socket{visitor->connection.native_handle()};
  const auto octets = recognise::ending(visitor->facts, why);
  const iovec part{const_cast<std::byte*>(octets.data()), octets.size()};
  // What does not fit into an empty send buffer is no answer of ours.
  if (octets.empty() || os::send_stream(socket, {&part, 1}) != octets.size()) {
    ++reset_;
    os::abort_connection(socket);
    return;
  }
  ++said_;
  os::end_output(socket);
  if (parting_.size() >= most_at_once) return;
  parting_.push_back(std::make_shared<Parting>(loop_, std::move(visitor)));
  const Place place = std::prev(parting_.end());
  (*place)->timer.expires_at((*place)->until);
  // What the loop has ready already comes without an error, also when it was cancelled.
  (*place)->timer.async_wait([this, place, still = std::weak_ptr{*place}](const std::error_code& cancelled) {
    if (!cancelled && !still.expired()) end(place);
  });
  listen(place);
}

void Farewell::listen(Place place) {
  (*place)->watched.async_wait(asio::posix::stream_descriptor::wait_read, [this, place, still = std::weak_ptr{*place}](
                                                                              const std::error_code& error) {
    if (error || still.expired()) return;
    Parting& parting = **place;
    std::array<std::byte, 16384> unwanted;
    const iovec room{unwanted.data(), unwanted.size()};
    for (;;) {
      const auto size = os::receive_stream(FdRef{parting.visitor->connection.native_handle()}, {&room, 1});
      if (!size && os::number(size.error()) == EAGAIN) return listen(place);
      if (size) parting.dropped += *size;
      if (!size || *size == 0 || parting.dropped > most_octets) return end(place);
    }
  });
}

void Farewell::end(Place place) { parting_.erase(place); }

}  // namespace baton::dispatch
