// SPDX-License-Identifier: MIT
// A world as octets and back, by one list of its members for both ways.
#include <bit>
#include <type_traits>

#include "world.hpp"

namespace baton::sim {
namespace {

class Writer {
 public:
  explicit Writer(std::string& key) : key_{key} {}
  template <class T>
  void octet(const T& value) {
    static_assert(std::is_enum_v<T> || std::is_integral_v<T>);
    key_.push_back(static_cast<char>(value));
  }
  template <class T>
  void count(const std::vector<T>& list) {
    key_.push_back(static_cast<char>(list.size()));
  }
  /// Several facts in one octet.
  template <class... Flags>
  void flags(const Flags&... each) {
    static_assert(sizeof...(Flags) <= 8);
    unsigned packed = 0;
    ((packed = packed << 1U | (each ? 1U : 0U)), ...);
    key_.push_back(static_cast<char>(packed));
  }
  template <class Machine>
  void machine(const Machine& machine) {
    key_.push_back(static_cast<char>(machine.state()));
  }

 private:
  std::string& key_;
};

class Reader {
 public:
  explicit Reader(const std::string& key) : key_{key} {}
  template <class T>
  void octet(T& value) {
    value = static_cast<T>(next());
  }
  template <class T>
  void count(std::vector<T>& list) {
    list.resize(next());
  }
  template <class... Flags>
  void flags(Flags&... each) {
    const unsigned packed = next();
    unsigned bit = sizeof...(Flags);
    ((each = (packed >> --bit & 1U) != 0), ...);
  }
  /// A machine is its state and nothing else.
  template <class Machine>
  void machine(Machine& machine) {
    using State = decltype(machine.state());
    static_assert(sizeof(Machine) == sizeof(State) && std::is_trivially_copyable_v<Machine>);
    machine = std::bit_cast<Machine>(static_cast<State>(next()));
  }

 private:
  unsigned char next() { return static_cast<unsigned char>(key_[at_++]); }
  const std::string& key_;
  std::size_t at_ = 0;
};

// `T` is the type, const for the Writer.
template <class Archive, class T>
void visit_item(Archive& archive, T& item) {
  archive.octet(item.move);
  archive.octet(item.connection);
  archive.octet(item.cookie);
  archive.octet(item.position.consumed);
  archive.octet(item.position.written);
  archive.octet(item.outcome);
}

template <class Archive, class T>
void visit_frames(Archive& archive, T& frames) {
  archive.count(frames);
  for (auto& frame : frames) {
    archive.octet(frame.type);
    archive.octet(frame.move);
    archive.flags(frame.express, frame.accepted);
    archive.octet(frame.more);
    archive.count(frame.items);
    for (auto& item : frame.items) visit_item(archive, item);
  }
}

template <class Archive, class T>
void visit_side(Archive& archive, T& side) {
  archive.flags(side.number, side.lost, side.ended, side.send_broken, side.closing, side.out_of_room, side.announced,
                side.peer_known);
  archive.octet(side.credit);
  archive.octet(side.placeholders);
  archive.octet(side.promised);
  visit_frames(archive, side.outbox);
  archive.count(side.inbox);
  for (auto& unit : side.inbox) {
    archive.octet(unit.move);
    archive.flags(unit.accepted);
  }
  archive.count(side.given);
  for (auto& given : side.given) {
    archive.octet(given.move);
    archive.octet(given.connection);
    archive.machine(given.machine);
    archive.flags(given.express, given.real, given.number_gone, given.server_known, given.own_doing);
    archive.octet(given.position.consumed);
    archive.octet(given.position.written);
  }
  archive.count(side.awaited);
  for (auto& awaited : side.awaited) {
    archive.octet(awaited.move);
    archive.machine(awaited.machine);
    archive.flags(awaited.placeholder, awaited.arrived, awaited.no_descriptor, awaited.taking, awaited.cancel_seen);
    visit_item(archive, awaited.item);
  }
  archive.count(side.arrived);
  for (auto& arrival : side.arrived) {
    archive.flags(arrival.taking);
    visit_item(archive, arrival.item);
  }
}

template <class Archive, class T>
void visit_budget(Archive& archive, T& budget) {
  for (auto* each : {&budget.deaths, &budget.cancels, &budget.abandons, &budget.give_ups, &budget.closed_numbers,
                     &budget.closes, &budget.plain_closes, &budget.forks, &budget.shortages, &budget.timeouts,
                     &budget.late_reads, &budget.client_octets, &budget.client_ends, &budget.uses})
    archive.octet(*each);
}

template <class Archive, class T>
void visit(Archive& archive, T& world) {
  archive.count(world.processes);
  for (auto& process : world.processes) {
    archive.octet(process.life);
    archive.count(process.numbers);
    for (auto& number : process.numbers) archive.octet(number);
  }
  archive.count(world.connections);
  for (auto& connection : world.connections) {
    archive.octet(connection.sent);
    archive.octet(connection.position.consumed);
    archive.octet(connection.position.written);
    archive.flags(connection.half_closed, connection.reset, connection.touched, connection.torn,
                  connection.right.excused);
    for (std::size_t i = 0; i < world.processes.size(); ++i) archive.octet(connection.held[i]);
    archive.octet(connection.right.owner);
    archive.octet(connection.right.called_to);
    archive.octet(connection.right.by_move);
    archive.octet(connection.right.stopped.consumed);
    archive.octet(connection.right.stopped.written);
  }
  archive.count(world.links);
  for (auto& link : world.links)
    for (auto& end : link.ends) {
      archive.flags(end.open, end.child, end.deaf);
      visit_frames(archive, end.queue);
      visit_side(archive, end.side);
    }
  archive.count(world.attempts);
  for (auto& attempt : world.attempts) archive.flags(attempt.used, attempt.given_up, attempt.unheard);
  visit_budget(archive, world.budget);
}

}  // namespace

void encode(const World& world, std::string& key) {
  key.clear();
  Writer writer{key};
  visit(writer, world);
}

void decode(const std::string& key, World& world) {
  Reader reader{key};
  visit(reader, world);
  world.broken.clear();
}

}  // namespace baton::sim
