// SPDX-License-Identifier: MIT
// baton: system/hostile.hpp: an honest listener and server, and a peer of one of them that means harm.
//
// After each test the two still move a connection between them, and neither has a descriptor more than before.
#pragma once

#include <initializer_list>
#include <vector>

#include "parties.hpp"
#include "raw_peer.hpp"

namespace baton::system_tests {

class Hostile : public Parties {
 protected:
  void SetUp() override;
  void TearDown() override;
  /// Waits until the agent has no more descriptors than before the test: a closed link may be the outcome reader's for
  /// as long as it has something to say on it.
  void await_descriptors(Agent& agent);

  /// A link to S from a hostile listener, which has said HELLO; S's number.
  int accept_from(RawPeer& peer);
  /// The hostile listener offers, S accepts; what S was told.
  Step accepted(const RawPeer& peer, int link, std::uint64_t move);
  /// ... calls with this frame and these descriptors, and S refuses.
  void expect_refused(const RawPeer& peer, int link, const std::vector<std::byte>& call,
                      std::initializer_list<int> descriptors, handoff::TakeOutcome outcome, int error);
  /// A link from L to a hostile server, which has said nothing; L's number.
  struct ToHostile {
    RawPeer peer;
    int link;
  };
  ToHostile link_to(const RawListener& villain);

  static Step offer_over(Agent& agent, int link, const Connection& connection);
  static Step await_answer_over(Agent& agent, int link, const Connection& connection);
  static Step call_over(Agent& agent, int link, const Connection& connection);
  static Step outcome_over(Agent& agent, int link, const Connection& connection);
  static Step look_for_offer(Agent& agent, int link, int flags = 0);
  static void set_move_timeout(Agent& agent, int link, int milliseconds);
  /// soc_poll_ms for reading.
  static Reply<int> poll(Agent& agent, int number, int milliseconds);
  static std::size_t memory_of(Agent& agent);

 private:
  std::size_t listener_has_ = 0;
  std::size_t server_has_ = 0;
};

/// What a flood may cost a process: the units read ahead, with their octets, and what the allocator keeps.
inline constexpr std::size_t flood_memory = std::size_t{24} << 20U;

}  // namespace baton::system_tests
