// SPDX-License-Identifier: MIT
// baton: dispatch/farewell.hpp: the clear end of a connection that nobody takes.
//
//   say() --octets of recognise::ending()--> no more is sent --> what the client sends is dropped --it closes, or the
//     |                                                                                              time is up-->
//     closed
//     +--the protocol has no words for it--> reset
//
// The client's octets are read to their end, or for a while: data that was not read makes close(2) a reset, which can
// overtake the answer. Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

#include "dispatch/visitor.hpp"
#include "recognise/ending.hpp"

namespace baton::dispatch {

class Farewell {
 public:
  explicit Farewell(asio::io_context& loop);
  ~Farewell();
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

  void say(VisitorPtr visitor, recognise::Ending why);

  [[nodiscard]] std::size_t under_way() const noexcept { return parting_.size(); }
  [[nodiscard]] std::uint64_t said() const noexcept { return said_; }
  [[nodiscard]] std::uint64_t reset() const noexcept { return reset_; }

 private:
  struct Parting;
  using Place = std::list<std::shared_ptr<Parting>>::iterator;

  void listen(Place place);
  void end(Place place);

  asio::io_context& loop_;
  std::list<std::shared_ptr<Parting>> parting_;
  std::uint64_t said_ = 0;
  std::uint64_t reset_ = 0;
};

}  // namespace baton::dispatch
