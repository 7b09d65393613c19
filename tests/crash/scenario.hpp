// SPDX-License-Identifier: MIT
// baton: crash/scenario.hpp: one round of the crash tests: who takes part, what is to happen, and what they share.
//
// A round: a client C with one connection (three where they move express) at a listener L, a server S, and a fresh
// peer F. L moves the connections to S; L or S, the victim, is killed on the way. The survivor finds out what it owns,
// goes on serving that, and then moves it to F, which serves it to the end; where it owns nothing, a new connection of
// C moves between the survivor and F. The streams' positions are in the Page, so that whoever owns a connection goes on
// where the one before stopped, and an octet lost or doubled is seen at once.
//
// Everything in the Page is written by the roles and read by the test when all of them are gone. Whoever changes what
// others wait for calls announce(). Waiting makes no system call but futex(2), and none that is counted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "support/octets.hpp"

namespace baton::crash {

enum class Party : std::uint8_t { Listener, Server, Fresh };
enum class Carrier : std::uint8_t { Ipv4, Ipv6, IsoRemote, IsoLocal };
enum class Manner : std::uint8_t {
  SeedAsked,       // the steps of the seed; L asks for the outcome
  SeedLeft,        // ... L closes the accept descriptor and the link at once: the outcome reader thread listens
  ExpressAsked,    // three connections in one message, of which S takes two and then one
  ExpressLeft,     // ... L closes the link at once
  Refused,         // S refuses in its answer
  Declined,        // S closes what it has been called to take
  CancelledEarly,  // L's time runs out while it waits for the answer
  CancelledLate    // ... while it waits for the outcome
};
/// How far the move of one connection had come when the victim died: the columns of docs/crashes.md.
enum class Stage : std::uint8_t { OfferUnread, OfferRead, Answered, Called, Taken, Back };
/// What the client does meanwhile. In all but Resets it also reads and checks all that comes.
enum class Doing : std::uint8_t { Sends, HalfCloses, Resets, Idle };
/// What a role has come to.
enum class Step : std::uint32_t {
  None,
  Ready,
  MoveBegins,
  Offering,
  Offered,
  AnswerReading,
  AnswerRead,
  Calling,
  Called,
  Asking,
  Cancelled,
  Known,
  OfferReading,
  OfferRead,
  Answering,
  Answered,
  Taking,
  Taken,
  Decided
};

inline constexpr std::size_t most_connections = 4;  // three, and a new one
inline constexpr std::size_t in_batch = 3;
inline constexpr std::size_t taken_at_once = 2;
inline constexpr std::size_t most_points = 64;

struct Scenario {
  Party victim = Party::Listener;
  Carrier carrier = Carrier::Ipv4;
  Manner manner = Manner::SeedAsked;
  Doing doing = Doing::Sends;
  bool carries = false;     // L has read octets, which go along
  bool both = false;        // the victim kills the survivor first
  bool helper = false;      // a forked child of the victim holds the link
  bool peer_waits = false;  // under the tracer: who is not the victim goes on only when the victim waits in poll(2)
  // Where it dies: at the nth passing of a fault point, or at the nth boundary of a system call.
  int point = -1;
  std::uint64_t nth = 1;
  Step hold = Step::None;     // the survivor stops before this step until the victim is dead
  Step reached = Step::None;  // the victim dies only when the survivor has come to this step
  int freeze = -1;            // fault point at which the victim stops the survivor until its death
};
[[nodiscard]] constexpr bool is_express(Manner manner) {
  return manner == Manner::ExpressAsked || manner == Manner::ExpressLeft;
}
[[nodiscard]] constexpr bool is_left(Manner manner) {
  return manner == Manner::SeedLeft || manner == Manner::ExpressLeft;
}
[[nodiscard]] constexpr bool is_iso(Carrier carrier) {
  return carrier == Carrier::IsoRemote || carrier == Carrier::IsoLocal;
}
[[nodiscard]] constexpr std::size_t connections(const Scenario& scenario) {
  return is_express(scenario.manner) ? in_batch : 1;
}
[[nodiscard]] constexpr Party survivor(const Scenario& scenario) {
  return scenario.victim == Party::Listener ? Party::Server : Party::Listener;
}
[[nodiscard]] std::string describe(const Scenario& scenario);

/// How a connection ended for the client.
enum class ClientEnd : std::uint8_t { Open, Completed, Ended, Reset, OwnReset };

struct Connection {
  // The owner's: goes from one owner to the next.
  test::Tally received;
  test::Tally sent;
  // Octets of each direction in all, once that is known: before the last ones are sent.
  std::atomic<std::uint64_t> upward_total;
  std::atomic<std::uint64_t> downward_total;
  std::atomic<bool> finish;  // the client is to come to an end
  // The client's.
  test::Tally client_sent;
  test::Tally client_received;
  ClientEnd client_end;
  // What the survivor has found out.
  bool listener_has;
  bool server_has;
  bool served;     // to its end
  int told;        // errno, 0: L: moved; S: taken
  bool told_here;  // `told` is the survivor's
};

struct Page {
  Scenario scenario;
  std::atomic<std::uint32_t> changes;  // futex
  std::array<std::atomic<Step>, 3> progress;
  std::array<std::atomic<std::int32_t>, 3> process;
  std::atomic<bool> frozen;
  std::atomic<bool> reset, reset_done, want_new, holder_ready, round_over;
  std::atomic<bool> victim_dead, victim_ended;
  std::atomic<std::uint32_t> dead;    // with Scenario::both: parties that are
  std::atomic<std::uint32_t> port;    // where C connects to
  std::atomic<std::uint32_t> onward;  // which connection moves on
  std::atomic<bool> called;           // L's call has succeeded
  std::array<std::atomic<std::uint32_t>, most_points> passed;
  std::atomic<std::uint64_t> at_point;
  std::atomic<std::uint32_t> calls_queued, taken_queued;  // frames, as the fault points or the tracer saw them
  std::atomic<std::uint32_t> connections_taken;           // as S has seen it
  // At the victim's death.
  struct {
    bool happened, called, answered, offer_read, cancelled;
    std::uint32_t taken_frames, connections_taken;
    Step listener, server;
    std::uint64_t system_call;
  } death;
  // For the tracer.
  std::atomic<std::int32_t> traced, attached, idle;
  std::atomic<bool> moving;
  std::atomic<std::uint32_t> polls;
  std::uint64_t boundaries;
  std::array<Connection, most_connections> connection;
};

/// The round that this process takes part in. One in the life of a test program, used again in each round.
[[nodiscard]] Page& page();
/// Before the roles are forked.
void begin_round(const Scenario& scenario);
/// Who this process is.
void become(Party party);
[[nodiscard]] bool am_victim();
[[nodiscard]] Party me();

void announce();
void announce(Step step);
void wait_until(const std::function<bool()>& condition);
[[nodiscard]] bool victim_gone();
[[nodiscard]] bool has_come_to(Party party, Step step);
/// Before a step: stops there if the round wants it.
void arrive(Step step);
/// The move begins here for the victim; the tracer, if there is one, is there when this returns.
void begin_move();
void end_move();

/// While one lives, what the victim's own thread does is not part of the move.
class Aside {
 public:
  Aside();
  ~Aside();
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
};

/// Wakes the client, which waits for its sockets too. Made before the roles are forked.
[[nodiscard]] int client_bell();
void ring_client();

[[nodiscard]] const char* name_of(Party party);
[[nodiscard]] const char* name_of(Carrier carrier);
[[nodiscard]] const char* name_of(Manner manner);
[[nodiscard]] const char* name_of(Stage stage);
[[nodiscard]] const char* name_of(Doing doing);

}  // namespace baton::crash
