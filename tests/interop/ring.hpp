// SPDX-License-Identifier: MIT
// baton: interop/ring.hpp: processes that pass ISO end points round, by the steps of the seed.
//
// Each is server on the link from the process before and listener on the link to the next. Every function ends the
// process with a report on failure (support/process.hpp). Threads: one.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.hpp"
#include "support/process.hpp"
#include "support/seed_steps.hpp"

namespace baton::interop {

inline constexpr unsigned most_processes = 4;

/// An address of AF_ISO; `host` empty: this one.
[[nodiscard]] sockaddr_iso iso_address(std::string_view host, std::string_view tsel);
[[nodiscard]] std::string_view tsel_of(const sockaddr_iso& address) noexcept;

enum class Came { Nothing, One, End };  // End: the link has ended

class Ring {
 public:
  /// Made before the processes are forked: so that each knows when the next one listens.
  struct Gathering {
    std::array<test::Mailbox, most_processes> listening;
  };
  /// Opens the links of process `number` of `processes`; a ring of one has none.
  Ring(const test::Steps& steps, const Gathering& gathering, unsigned number, unsigned processes);

  [[nodiscard]] int to_next() const noexcept { return out_; }
  [[nodiscard]] int from_last() const noexcept { return in_; }
  void leave();

  /// Step 3, where an offer is there: its octets are at the front of `room`. Step 4.
  [[nodiscard]] Came try_offer(test::Offered& offered, MutableBytes room) const;
  void answer(test::Offered& offered) const { steps_.answer(in_, offered); }
  /// Step 7, where the end point is there (with blocking Steps: waits for it).
  [[nodiscard]] bool try_take(test::Offered& offered) const;
  /// Step 2.
  void offer(int number, Bytes octets) const { steps_.offer(out_, {number, AF_ISO}, octets); }
  /// Step 5, where an answer is there: `number` is the end point's.
  [[nodiscard]] Came try_answer(int& number) const;
  /// Steps 6 and 8.
  void call_and_close(int number) const;

 private:
  void check_taken(const test::Offered& offered) const;

  const test::Steps& steps_;
  int listening_ = -1;
  int out_ = -1;
  int in_ = -1;
};

}  // namespace baton::interop
