// SPDX-License-Identifier: MIT
#include "unread_world.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "handoff/unread.hpp"

namespace baton::sim::unread {
namespace {

using handoff::TakeOutcome;

constexpr std::uint8_t whole_request = 2;
constexpr std::uint64_t cookie = 4711;

enum Wrong : std::uint8_t { Nothing, ReadByStranger, TornServed, NotOwnerDecides, WrongFrame };

// --- The kernel ------------------------------------------------------------------------------------------------------

bool listener_end_open(const Link& link) { return link.listener_holds + link.listener_child > 0; }
bool giver_end_open(const Link& link) { return link.giver_holds + link.giver_child > 0; }

/// The last holder of an end is gone: so is what it would have read.
void settle(Link& link) {
  if (!listener_end_open(link)) link.call = 0;
  if (!giver_end_open(link)) link.answer = 0;
  if (link.stage != Stage::Unused && !listener_end_open(link) && !giver_end_open(link)) link = {.stage = Stage::Gone};
}

void close_listener_end(Link& link) {
  link.listener_holds = 0;
  if (link.stage != Stage::Unused) link.stage = Stage::Gone;
  settle(link);
}

void kill(World& world, std::uint8_t process) {
  world.life[process] = Life::Dead;
  world.held[process] = 0;
  world.uses[process] = 0;
  if (world.name == process) world.name = nobody;
  for (Link& link : world.links) {
    if (process == giver) link.giver_holds = 0;
    if (link.listener == process) link.descriptors = 0;
    if (link.listener == process) close_listener_end(link);
    settle(link);
  }
  if (process == giver) world.asking = Asking::Ended;
  if (world.owner == process) world.owner = nobody;
}

/// Whoever reads or writes the stream has to own it.
void use(World& world, std::uint8_t process) {
  if (world.owner != process) world.wrong = ReadByStranger;
  if (world.torn != 0) world.wrong = TornServed;
}

/// A CALL as it travels, read by the one that it is for. Position and cookie are of the socket when it was written.
std::optional<handoff::UnreadCall> call_in(std::uint8_t consumed) {
  handoff::CallItem item{.image = {.position = {.consumed = consumed, .tcp_state = 1}, .cookie = cookie},
                         .descriptor = 5};
  std::array<std::byte, handoff::small_frame> room;
  return handoff::unread_call_in(handoff::encode_unread_call(room, item));
}

// --- The giver -------------------------------------------------------------------------------------------------------

/// What the giver's program learns, and does at once. `ended`: the giver believes that the connection is another's.
void learn(const Setup& setup, World& world, TakeOutcome outcome) {
  Link& link = world.links[world.link];
  const std::uint8_t then = link.call_consumed;
  link.giver_holds = 0;
  settle(link);
  if (outcome == TakeOutcome::Taken) {
    world.held[giver] = 0;
    world.asking = Asking::Ended;
    return;
  }
  if (world.owner != giver) world.wrong = NotOwnerDecides;
  if (setup.mutant != Mutant::GoesOnUnverified && world.consumed != then) {
    world.held[giver] = 0;  // reset: nobody serves it
    world.owner = nobody;
    world.asking = Asking::Ended;
    return;
  }
  world.asking = Asking::No;
}

/// UnreadRequest::outcome: reads once. Nothing: there is none yet.
std::optional<TakeOutcome> read_outcome(const Setup& setup, Link& link, const handoff::UnreadGiver& machine) {
  if (link.answer != 0) {
    link.answer = 0;
    std::array<std::byte, handoff::small_frame> room;
    const handoff::UnreadCall call{1, {}};
    return handoff::UnreadGiver::said(
        handoff::encode_unread_answer(room, call, static_cast<TakeOutcome>(link.outcome)));
  }
  if (listener_end_open(link)) return machine.silent();
  return setup.mutant == Mutant::EndIsTaken ? TakeOutcome::Taken : handoff::UnreadGiver::ended();
}

void connect(World& world) {
  ++world.gives;
  world.link = static_cast<std::uint8_t>(world.gives - 1);
  Link& link = world.links[world.link];
  link = {.stage = Stage::Backlog, .listener = world.name, .giver_holds = 1, .listener_holds = 1};
  world.asking = Asking::Connected;
}

void send_call(const Setup& setup, World& world) {
  Link& link = world.links[world.link];
  link.call_consumed = world.consumed;
  if (!listener_end_open(link)) return learn(setup, world, TakeOutcome::Declined);  // EPIPE
  link.call = 1;
  world.asking = Asking::Waits;
  if (setup.mutant == Mutant::LetsGoAtCall) world.held[giver] = 0;
}

void shut(const Setup& setup, World& world) {
  Link& link = world.links[world.link];
  if (setup.mutant == Mutant::LooksThenShuts && world.looked == 0) {
    world.looked = 1;
    const handoff::UnreadGiver machine;
    if (const auto outcome = read_outcome(setup, link, machine)) learn(setup, world, *outcome);
    return;
  }
  if (setup.mutant != Mutant::TimeDecides) link.shut = 1;
  world.asking = Asking::Deaf;
  const bool done = setup.mutant == Mutant::DecidesWithoutLooking || setup.mutant == Mutant::LooksThenShuts ||
                    setup.mutant == Mutant::TimeDecides;
  if (done) learn(setup, world, TakeOutcome::Declined);
}

void look(const Setup& setup, World& world) {
  handoff::UnreadGiver machine;
  if (world.asking == Asking::Deaf) machine.shut();
  if (const auto outcome = read_outcome(setup, world.links[world.link], machine)) learn(setup, world, *outcome);
}

/// The client is told that nobody serves it.
void farewell(World& world) {
  use(world, giver);
  world.held[giver] = 0;
  world.owner = nobody;
  world.asking = Asking::Ended;
}

// --- A listener ------------------------------------------------------------------------------------------------------

void receive(World& world, Link& link, std::uint8_t descriptors, std::uint8_t has_room) {
  if (!call_in(link.call_consumed)) world.wrong = WrongFrame;
  link.call = 0;
  link.stage = Stage::Received;
  link.descriptors = descriptors;
  link.has_room = has_room;
  world.held[link.listener] = static_cast<std::uint8_t>(world.held[link.listener] + descriptors);
}

/// take_unread_request and IsoListener::take_over.
void answer(const Setup& setup, World& world, Link& link) {
  const std::uint8_t self = link.listener;
  const auto call = call_in(link.call_consumed);
  if (setup.mutant == Mutant::ReadsBeforeTaken && link.descriptors == 1 && world.consumed < world.sent) {
    use(world, self);
    ++world.consumed;
  }
  const auto refusal = handoff::refusal_of(
      {.descriptors = link.descriptors, .known = world.uses[self] != 0, .has_room = link.has_room != 0});
  const bool unmoved = call->item.image.position.consumed == world.consumed && call->item.image.cookie == cookie;
  const auto outcome = refusal ? *refusal : unmoved ? TakeOutcome::Taken : TakeOutcome::Touched;
  const bool answered = giver_end_open(link) && link.shut == 0;
  if (answered) {
    link.answer = 1;
    link.outcome = static_cast<std::uint8_t>(outcome);
    if (outcome == TakeOutcome::Taken) world.owner = self;
  }
  if (handoff::is_taken(outcome, answered || setup.mutant == Mutant::TakesUnanswered)) {
    world.uses[self] = 1;
  } else if (setup.mutant != Mutant::KeepsRefused) {
    world.held[self] = static_cast<std::uint8_t>(world.held[self] - link.descriptors);
  }
  link.descriptors = 0;
  close_listener_end(link);
}

void close_name(World& world, std::uint8_t self) {
  world.name = nobody;
  for (Link& link : world.links)
    if (link.listener == self) close_listener_end(link);
}

// --- The model -------------------------------------------------------------------------------------------------------

struct Model {
  using World = unread::World;
  using Event = unread::Event;
  static constexpr std::size_t kinds = unread::kinds;
  const Setup& setup;

  [[nodiscard]] World first() const {
    World world;
    world.held[giver] = 1;
    world.shortages = setup.shortages;
    world.strays = setup.strays;
    world.forks = setup.forks;
    world.closes = setup.closes;
    world.client = setup.client;
    return world;
  }

  void enumerate(World& world, std::vector<Event>& events) const {
    events.clear();
    enumerate_giver(world, events);
    for (std::uint8_t self = 1; self < processes; ++self) enumerate_listener(world, self, events);
    for (std::uint8_t i = 0; i < most_links; ++i) {
      const Link& link = world.links[i];
      if (link.giver_child != 0) events.push_back({What::ChildExits, giver, i});
      if (link.listener_child != 0) events.push_back({What::ChildExits, link.listener, i});
      if (world.forks == 0) continue;
      if (link.giver_holds != 0) events.push_back({What::Fork, giver, i});
      const bool accepted = link.stage == Stage::Accepted || link.stage == Stage::Received;
      if (link.listener_holds != 0 && accepted) events.push_back({What::Fork, link.listener, i});
    }
    for (std::uint8_t self = 0; self < processes; ++self)
      if (world.life[self] == Life::Alive && (setup.mortal >> self & 1U) != 0) events.push_back({What::Kill, self, 0});
    if (world.client == 0 || world.closed != 0) return;
    if (world.sent < whole_request) events.push_back({What::ClientSends, 0, 0});
    events.push_back({What::ClientCloses, 0, 0});
  }

  void enumerate_giver(const World& world, std::vector<Event>& events) const {
    if (world.life[giver] == Life::Dead) return;
    const Link& link = world.links[world.link];
    switch (world.asking) {
      case Asking::No:
        // Nobody has the name: it may wait for one, or end it.
        if (world.name != nobody && world.gives < setup.gives) events.push_back({What::Connect, giver, world.link});
        events.push_back({What::Farewell, giver, world.link});
        return;
      case Asking::Connected:
        events.push_back({What::SendCall, giver, world.link});
        return;
      case Asking::Waits:
        if (link.answer != 0 || !listener_end_open(link)) events.push_back({What::Read, giver, world.link});
        events.push_back({What::Shut, giver, world.link});
        return;
      case Asking::Deaf:
        events.push_back({What::Look, giver, world.link});
        return;
      case Asking::Ended:
        return;
    }
  }

  static void enumerate_listener(const World& world, std::uint8_t self, std::vector<Event>& events) {
    if (world.life[self] == Life::Dead) return;
    if (world.name == nobody && world.has_bound[self] == 0) events.push_back({What::Bind, self, 0});
    if (world.uses[self] != 0 && world.consumed < world.sent) events.push_back({What::ReadRequest, self, 0});
    const bool inside = std::ranges::any_of(
        world.links, [self](const Link& each) { return each.listener == self && each.stage == Stage::Received; });
    for (std::uint8_t i = 0; i < most_links; ++i) {
      const Link& link = world.links[i];
      if (link.listener != self) continue;
      // One link after the other: the library has a lock.
      if (link.stage == Stage::Backlog && !inside) events.push_back({What::Accept, self, i});
      if (link.stage == Stage::Accepted && link.call != 0 && !inside) {
        events.push_back({What::Receive, self, i});
        if (world.shortages > 0) events.push_back({What::ReceiveTableFull, self, i});
        if (world.shortages > 0) events.push_back({What::ReceiveNoRoom, self, i});
      }
      // The giver has gone, and nothing is there: the library closes.
      if (link.stage == Stage::Accepted && link.call == 0 && !giver_end_open(link) && !inside)
        events.push_back({What::Accept, self, i});
      if (link.stage != Stage::Received) continue;
      events.push_back({What::Answer, self, i});
      // Not once the giver has seen that nobody had: no comparison shows what comes after it.
      if (world.strays > 0 && link.descriptors == 1 && world.consumed < world.sent && link.giver_holds != 0)
        events.push_back({What::StrayReadAndDie, self, i});
    }
    if (world.name == self && world.closes > 0 && !inside) events.push_back({What::CloseName, self, 0});
  }

  void happen(World& world, const Event& event) const {
    Link& link = world.links[event.link];
    const std::uint8_t self = event.process;
    switch (event.what) {
      case What::Bind:
        world.name = self;
        world.has_bound[self] = 1;
        return;
      case What::Connect:
        return connect(world);
      case What::SendCall:
        return send_call(setup, world);
      case What::Read:
      case What::Look:
        return look(setup, world);
      case What::Shut:
        return shut(setup, world);
      case What::Farewell:
        return farewell(world);
      case What::Accept:
        if (link.stage == Stage::Accepted)
          close_listener_end(link);
        else
          link.stage = Stage::Accepted;
        return;
      case What::Receive:
        return receive(world, link, 1, 1);
      case What::ReceiveTableFull:
        --world.shortages;
        return receive(world, link, 0, 0);
      case What::ReceiveNoRoom:
        --world.shortages;
        return receive(world, link, 1, 0);
      case What::Answer:
        return answer(setup, world, link);
      case What::ReadRequest:
        use(world, self);
        ++world.consumed;
        return;
      case What::StrayReadAndDie:
        --world.strays;
        ++world.consumed;
        world.torn = 1;
        return kill(world, self);
      case What::CloseName:
        --world.closes;
        return close_name(world, self);
      case What::Fork:
        --world.forks;
        (self == giver ? link.giver_child : link.listener_child) = 1;
        return;
      case What::ChildExits:
        (self == giver ? link.giver_child : link.listener_child) = 0;
        return settle(link);
      case What::Kill:
        return kill(world, self);
      case What::ClientSends:
        --world.client;
        ++world.sent;
        return;
      case What::ClientCloses:
        --world.client;
        world.closed = 1;
        return;
    }
  }

  static bool is_progress(const Event& event) { return event.what <= What::ReadRequest; }
  static std::size_t kind_of(const Event& event) { return static_cast<std::size_t>(event.what); }
  static bool broken_by_step(const World& world) { return world.wrong != 0; }

  static std::string broken_in(const World& world) {
    switch (static_cast<Wrong>(world.wrong)) {
      case Nothing:
        break;
      case ReadByStranger:
        return "an end point is used by a process that does not own it";
      case TornServed:
        return "a torn stream is served";
      case NotOwnerDecides:
        return "G believes that it still has what is the listener's";
      case WrongFrame:
        return "a CALL is not understood";
    }
    // Whoever can use it is the owner, and the owner, if it lives, has it.
    if (world.owner == giver && world.held[giver] != 1) return "its owner has lost the end point";
    for (std::uint8_t self = 1; self < processes; ++self) {
      if (world.uses[self] != 0 && world.owner != self) return "a process can use an end point that it does not own";
      if (world.owner == self && world.held[self] == 0) return "its owner has lost the end point";
      std::uint8_t accounted = world.uses[self];
      for (const Link& link : world.links)
        if (link.listener == self) accounted = static_cast<std::uint8_t>(accounted + link.descriptors);
      if (world.held[self] != accounted) return "a descriptor without an owner";
    }
    const bool believes = world.life[giver] == Life::Alive && world.asking == Asking::No;
    if (believes && world.owner != giver) return "G can use what is the listener's";
    return {};
  }

  static std::string broken_at_rest(World& world) {
    if (world.life[giver] == Life::Alive && world.asking != Asking::Ended) return "a request has not ended";
    for (std::uint8_t self = 0; self < processes; ++self) {
      const bool owns = world.owner == self;
      if (!owns && world.held[self] != 0) return "the connection is held by a process that does not own it";
      if (owns && self != giver && world.uses[self] == 0) return "its owner cannot use it";
    }
    for (const Link& link : world.links)
      if (link.call != 0 && link.listener_child == 0)
        return "the connection is kept open by a message that nobody reads";
    return {};
  }

  static void encode(const World& world, std::string& key) {
    key.assign(reinterpret_cast<const char*>(&world), sizeof world);
  }
  static void decode(const std::string& key, World& world) { std::memcpy(&world, key.data(), sizeof world); }

  static std::string describe(World& world, const Event& event);
};
static_assert(std::is_trivially_copyable_v<World> && std::has_unique_object_representations_v<World>);

std::string Model::describe(World& world, const Event& event) {
  const std::string who = std::string(1, "GST"[event.process]) + " ";
  const Link& link = world.links[event.link];
  switch (event.what) {
    case What::Bind:
      return who + "binds the name";
    case What::Connect:
      return who + "connects to the name";
    case What::SendCall:
      return who + "queues CALL";
    case What::Read:
      return who + (link.answer != 0 ? "reads the answer" : "reads the link's end");
    case What::Shut:
      return who + "has waited enough: shuts its receiving side";
    case What::Look:
      return who + "looks once more";
    case What::Farewell:
      return who + "ends the connection";
    case What::Accept:
      return who + (link.stage == Stage::Accepted ? "closes a silent link" : "accepts the link");
    case What::Receive:
      return who + "receives CALL";
    case What::ReceiveTableFull:
      return who + "receives CALL, its descriptor table is full";
    case What::ReceiveNoRoom:
      return who + "receives CALL, its queue is full";
    case What::Answer:
      return who + "answers";
    case What::ReadRequest:
      return who + "reads of the CR";
    case What::StrayReadAndDie:
      return who + "reads what is not its own, and dies";
    case What::CloseName:
      return who + "closes the name";
    case What::Fork:
      return who + "forks: a child holds the link";
    case What::ChildExits:
      return "a child of " + who + "exits";
    case What::Kill:
      return who + "dies";
    case What::ClientSends:
      return "C sends the rest of its CR";
    case What::ClientCloses:
      return "C closes";
  }
  return {};
}

}  // namespace

std::vector<Setup> setups(Extent extent) {
  std::vector<Setup> all{{.name = "an unread CR"}};
  if (extent == Extent::Small) return all;
  all.push_back({.name = "an unread CR, its listeners die", .mortal = 0b110, .shortages = 2, .forks = 2});
  if (extent == Extent::Full)
    all.push_back({.name = "an unread CR, given thrice", .gives = 3, .shortages = 2, .forks = 2, .closes = 2});
  return all;
}

Exploration explore(const Setup& setup, std::size_t limit) { return search(Model{setup}, limit); }

}  // namespace baton::sim::unread
