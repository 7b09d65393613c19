// SPDX-License-Identifier: MIT
// baton: sim/driver.hpp: what src/endpoint does at one end of a link, with the real machines, in the model world.
//
// Each function is one step of a process: what a Link (endpoint/link.hpp) does in one call, up to its next message.
// Where the library waits, the step is not enabled (`can_...`), and the other steps go on, as its pump does.
// Two deliberate widenings: before `answer` and `take` the library reads all that has come; here it may or may not.
// Threads: none.
#pragma once

#include "world.hpp"

namespace baton::sim {

/// How much room S's descriptor table has for what comes.
enum class Table : std::uint8_t { Room, Full };

class Driver {
 public:
  Driver(const Setup& setup, World& world, Port port) : setup_{setup}, world_{world}, port_{port} {}

  // --- The link (driver_link.cpp)
  [[nodiscard]] bool can_receive() const;
  void receive(Table table);
  [[nodiscard]] bool next_brings_descriptors() const;
  [[nodiscard]] bool can_flush() const;
  void flush_waiting();
  void close();
  void close_plainly();
  void notice_loss();
  [[nodiscard]] bool can_notice_death() const;
  void notice_death();

  // --- Groups (driver_group.cpp). A call of L's for its group either finds room or waits for it (`begin_to_...`).
  [[nodiscard]] bool may_hold(Id first, std::size_t count) const;
  void begin_to_hold(Id first, std::size_t count);
  [[nodiscard]] bool may_complete() const;
  void begin_to_complete();
  [[nodiscard]] bool may_commit() const;
  void begin_to_commit();
  void send_for_group();
  void stop_sending();
  [[nodiscard]] bool can_park() const;
  void park();
  [[nodiscard]] bool can_say_ready() const;
  void say_ready();
  [[nodiscard]] bool can_take_group() const;
  /// The first `count` that are parked, or as many as there are.
  void take_group(std::size_t count);
  /// The program of either side calls it off.
  [[nodiscard]] bool can_abort_given() const;
  void abort_given();
  [[nodiscard]] bool can_abort_taken() const;
  void abort_taken();

  // --- Giving (driver_listener.cpp): `at` is the place in side().given
  [[nodiscard]] bool can_offer(Id plan) const;
  void offer(Id plan);
  [[nodiscard]] bool can_give(Id first, std::size_t count) const;
  void give(Id first, std::size_t count);
  /// The program reads the answer at the head of the inbox.
  void read_answer();
  [[nodiscard]] bool can_call(std::size_t at) const;
  void call(std::size_t at);
  void cancel(std::size_t at);
  void abandon(std::size_t at);
  /// The program closes the number of the end point that is moving.
  void close_number(std::size_t at);

  // --- Taking (driver_server.cpp): `at` is the place in side().awaited
  [[nodiscard]] bool can_answer(std::size_t at) const;
  void answer(std::size_t at, bool accept);
  void give_up(std::size_t at);
  /// TAKEN finds no room: S waits, and reads meanwhile.
  [[nodiscard]] bool can_begin_to_take(std::size_t at) const;
  void begin_to_take(std::size_t at);
  [[nodiscard]] bool can_take(std::size_t at) const;
  void take(std::size_t at);
  void time_out(std::size_t at);
  void announce_credit();
  /// Credit that was spent on a group which went off.
  [[nodiscard]] bool lacks_credit() const;
  /// The first `count` that have arrived.
  [[nodiscard]] bool can_take_arrivals(std::size_t count) const;
  void take_arrivals(std::size_t count);

  [[nodiscard]] Side& side() const { return end().side; }
  [[nodiscard]] End& end() const { return end_of(world_, port_); }
  [[nodiscard]] Id process() const { return process_at(setup_, port_); }
  [[nodiscard]] Id peer() const { return process_at(setup_, other(port_)); }
  /// A frame that is sent now is queued, or can never be.
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] bool has_room_for_one() const;
  /// The program can use the link.
  [[nodiscard]] bool usable() const { return side().number && !side().lost && !side().ended && !side().send_broken; }

 private:
  [[nodiscard]] bool mutated(Mutant mutant) const { return setup_.mutant == mutant; }
  [[nodiscard]] Id connection_of(Id move) const { return setup_.plans[move].connection; }
  [[nodiscard]] bool are_ready(Id first, std::size_t count, Manner manner) const;
  [[nodiscard]] Frame call_of(Id first, std::size_t count, Id group) const;
  void keep_given(const Frame& call);
  void number_back(Id first, std::size_t count);
  void group_off();
  void send_abort(Id group);
  void on_held(const Frame& frame);
  void on_abort(Id group);
  void on_complete(const Frame& frame);
  void on_commit(const Frame& frame);
  [[nodiscard]] bool admit_held(const Frame& frame);
  [[nodiscard]] bool awaits_commit() const { return side().taken_group && side().taken_group->pending(); }
  void drop_group();
  void refuse_group();
  void give_up_group();
  Sent send(const Frame& frame);
  /// A call of the program has failed: it says that the peer is dead, so the moves with it are over.
  void not_sent();
  bool flush();
  [[nodiscard]] bool nobody_reads() const;
  void reply(Frame frame);
  void receive_one(Table table);
  void receive_end();
  void end_awaited();
  [[nodiscard]] bool read_to_the_end() const;
  [[nodiscard]] bool server_death_shows() const;
  [[nodiscard]] bool listener_death_shows() const;
  void wind_up();
  void close_at_last();
  void drain();

  void on_answer(const Frame& frame);
  void on_taken(const Frame& frame);
  void on_cancelled(Id move);
  void act(std::size_t at, handoff::ListenerStep step);
  void put_back(Given& given, bool verify);
  void drop_real(Given& given);
  void finish(std::size_t at);
  [[nodiscard]] bool intact(const Given& given) const;
  [[nodiscard]] bool in_doubt() const;

  void receive_call(const Frame& frame, Table table);
  void receive_seed_call(std::size_t at, const Frame& frame, Table table);
  void on_call(const Frame& frame, std::size_t granted, std::size_t fitting);
  void on_cancel(Id move);
  void say_cancelled(Id move);
  void reply_taken(Id move, handoff::TakeOutcome outcome);
  void forget(std::size_t at);
  void decline(std::size_t at);
  void top_up_credit();
  void arrive_at(Id connection);
  void settle(const Item& item);
  [[nodiscard]] handoff::TakeOutcome check(const Item& item) const;
  [[nodiscard]] bool listener_hears() const;

  const Setup& setup_;
  World& world_;
  const Port port_;
};

}  // namespace baton::sim
