// SPDX-License-Identifier: MIT
#include "explore.hpp"

#include "invariants.hpp"

namespace baton::sim {
namespace {

/// The two machines of a move, and what drives them.
struct HandoffModel {
  using World = sim::World;
  using Event = sim::Event;
  static constexpr std::size_t kinds = happenings;
  const Setup& setup;

  [[nodiscard]] World first() const { return World{setup}; }
  void enumerate(World& world, std::vector<Event>& events) const { sim::enumerate(setup, world, events); }
  void happen(World& world, const Event& event) const { sim::happen(setup, world, event); }
  std::string describe(World& world, const Event& event) const { return sim::describe(setup, world, event); }
  static bool is_progress(const Event& event) { return sim::is_progress(event.what); }
  static std::size_t kind_of(const Event& event) { return static_cast<std::size_t>(event.what); }
  std::string broken_in(const World& world) const { return sim::broken_in(setup, world); }
  std::string broken_at_rest(World& world) const { return sim::broken_at_rest(setup, world); }
  static bool broken_by_step(const World& world) { return !world.broken.empty(); }
  static void encode(const World& world, std::string& key) { sim::encode(world, key); }
  static void decode(const std::string& key, World& world) { sim::decode(key, world); }
};

}  // namespace

Exploration explore(const Setup& setup, std::size_t limit) { return search(HandoffModel{setup}, limit); }

}  // namespace baton::sim
