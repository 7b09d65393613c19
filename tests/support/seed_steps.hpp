// SPDX-License-Identifier: MIT
// baton: support/seed_steps.hpp: the steps of the seed, one function each, in any of the four ways of waiting.
//
// Listener: connect, offer, await_answer, call, (await_outcome).  Server: listen, accept, await_offer, answer, take.
// Every function ends the process with a report on failure (support/process.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "baton/soc.h"
#include "support/waiter.hpp"

namespace baton::test {

/// A TCP end point of this process.
struct EndPoint {
  int number = -1;
  int domain = 0;
};
[[nodiscard]] EndPoint end_point(int number);

/// The structure with its three fields of front.
[[nodiscard]] cmsg_redhdr redirect_header(int type);

/// What an offer brought. `header` goes from step to step, as in the seed.
struct Offered {
  cmsg_redhdr header{};
  std::size_t octets = 0;  // that came with it
  [[nodiscard]] int number() const noexcept { return header.fd_server; }
};

class Steps {
 public:
  explicit Steps(Waits how) : waiter_{how} {}
  [[nodiscard]] const Waiter& waiter() const noexcept { return waiter_; }

  [[nodiscard]] int listen(std::string_view tsel, int backlog = 5) const;
  [[nodiscard]] int accept(int listening) const;
  [[nodiscard]] int connect(std::string_view tsel) const;

  void offer(int link, EndPoint of, Bytes octets = {}) const;
  /// One attempt, for those who do something else meanwhile: false where there is no answer yet.
  [[nodiscard]] bool try_answer(int link, EndPoint of, cmsg_redhdr& header) const;
  cmsg_redhdr await_answer(int link, EndPoint of) const;
  /// The next answer of any move; the header names it.
  [[nodiscard]] cmsg_redhdr await_any_answer(int link) const;
  void call(int link, EndPoint of) const;
  cmsg_redhdr await_outcome(int link, EndPoint of) const;

  /// Nothing: the link has ended.
  [[nodiscard]] std::optional<Offered> await_offer(int link, MutableBytes room = {}) const;
  void answer(int link, Offered& offered) const;
  /// The end point, at which data flows. L's end point was in the mode of this way of waiting.
  [[nodiscard]] EndPoint take(int link, Offered& offered) const;

  // Data, through the library's calls.
  void write_all(int number, Bytes octets) const;
  /// 0: end of file.
  [[nodiscard]] std::size_t read_some(int number, MutableBytes room) const;
  /// Exactly as much as there is room: on a link a TSDU may come in parts.
  void read_all(int number, MutableBytes room) const;

 private:
  Waiter waiter_;
};

}  // namespace baton::test
