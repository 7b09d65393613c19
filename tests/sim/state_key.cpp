// SPDX-License-Identifier: MIT
// A world as octets and back, by one list of its members for both ways.
#include <algorithm>
#include <bit>
#include <type_traits>

#include "world.hpp"

namespace baton::sim {
namespace {

class Writer {
 public:
  explicit Writer(std::string& key) : key_{key} { key_.resize(std::max<std::size_t>(key_.capacity(), 64)); }
  ~Writer() { key_.resize(at_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  template <class T>
  void octet(const T& value) {
    static_assert(std::is_enum_v<T> || std::is_integral_v<T>);
    put(static_cast<char>(value));
  }
  template <class T>
  void count(const std::vector<T>& list) {
    put(static_cast<char>(list.size()));
  }
  /// Several facts in one octet.
  template <class... Flags>
  void flags(const Flags&... each) {
    static_assert(sizeof...(Flags) <= 8);
    unsigned packed = 0;
    ((packed = packed << 1U | (each ? 1U : 0U)), ...);
    put(static_cast<char>(packed));
  }
  template <class Machine>
  void machine(const Machine& machine) {
    put(static_cast<char>(machine.state()));
  }
  void group(const std::optional<handoff::Group>& group) {
    put(static_cast<char>(group ? 1 + static_cast<int>(group->state()) : 0));
    if (!group) return;
    put(static_cast<char>(group->id()));
    put(static_cast<char>(group->size()));
  }

 private:
  void put(char octet) {
    if (at_ == key_.size()) key_.resize(2 * at_);
    key_[at_++] = octet;
  }
  std::string& key_;
  std::size_t at_ = 0;
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
  /// By the same steps as the first time.
  void group(std::optional<handoff::Group>& group) {
    const unsigned state = next();
    group.reset();
    if (state == 0) return;
    group.emplace(next());
    const unsigned size = next();
    (void)group->add(size);
    const auto reached = static_cast<handoff::GroupState>(state - 1);
    if (reached >= handoff::GroupState::Complete) (void)group->complete(size);
    if (reached >= handoff::GroupState::Ready) (void)group->ready(size);
    if (reached >= handoff::GroupState::Committed) (void)group->commit(size);
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
    archive.octet(frame.group);
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
  archive.group(side.given_group);
  archive.group(side.taken_group);
  archive.octet(side.sending.group);
  archive.octet(side.sending.type);
  archive.octet(side.sending.first);
  archive.octet(side.sending.count);
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
    archive.octet(given.group);
    archive.machine(given.machine);
    archive.flags(given.express, given.real, given.number_gone, given.server_known, given.own_doing);
    archive.octet(given.position.consumed);
    archive.octet(given.position.written);
  }
  archive.count(side.awaited);
  for (auto& awaited : side.awaited) {
    archive.octet(awaited.move);
    archive.octet(awaited.group);
    archive.machine(awaited.machine);
    archive.flags(awaited.placeholder, awaited.arrived, awaited.no_descriptor, awaited.taking, awaited.cancel_seen);
    visit_item(archive, awaited.item);
  }
  archive.count(side.arrived);
  for (auto& arrival : side.arrived) {
    archive.flags(arrival.taking);
    archive.octet(arrival.group);
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
                  connection.right.excused, connection.listening);
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
  for (auto& attempt : world.attempts) {
    archive.flags(attempt.used, attempt.given_up, attempt.unheard, attempt.called_off);
    archive.octet(attempt.group);
    archive.octet(attempt.stopped.consumed);
    archive.octet(attempt.stopped.written);
  }
  visit_budget(archive, world.budget);
}

}  // namespace

void encode(const World& world, std::string& key) {
  Writer writer{key};
  visit(writer, world);
}

void decode(const std::string& key, World& world) {
  Reader reader{key};
  visit(reader, world);
  world.broken.clear();
}

}  // namespace baton::sim
