// SPDX-License-Identifier: MIT
// baton: endpoint/link.hpp: one local AF_ISO connection: user data, and the moves agreed on it.
//
// Joins the transport machine and the machines of the moves to a descriptor. The descriptor is the program's number;
// the library reads and writes it only inside the program's calls, or, through a duplicate of its own, in the outcome
// reader.
//
//   messages --pump()--> control frames act at once (HELLO, CALL, TAKEN, CANCEL, CANCELLED, CREDIT)
//                        units wait in order for the program (user data, OFFER, ANSWER): at most `read_ahead`
//
// Invariant: what a move needs is guarded by its link's mutex; nobody holds it while waiting.
// Waiting:   whoever waits polls the descriptor and the gate; a call that reads something another one may be waiting
// for
//            opens the gate.
// Threads:   any number on one link. Locks: link, then table; never two links.
#pragma once

#include <poll.h>
#include <sys/uio.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "endpoint/fault.hpp"
#include "endpoint/iso_connection.hpp"
#include "endpoint/moves.hpp"
#include "endpoint/table.hpp"
#include "handoff/frames.hpp"
#include "handoff/group.hpp"
#include "os/ancillary.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "transport/connection.hpp"

namespace baton::endpoint {

/// Units that are read ahead of the program.
inline constexpr std::size_t read_ahead = 64;
/// Replies of the library's own that wait for room in the socket; beyond it nothing more is read.
inline constexpr std::size_t max_outbox = 64;
/// How long a closed link stays for replies that its peer does not read.
inline constexpr Duration reply_time = std::chrono::seconds{30};
/// Credit that is believed: express moves that a peer says it still takes.
inline constexpr std::size_t max_credit = std::size_t{1} << 20U;
/// Moves that a peer has offered and that this process has neither taken nor refused, on one link; never so many that
/// their placeholders take more than a quarter of the descriptors. An OFFER beyond it is refused: no descriptor.
inline constexpr std::size_t max_awaited = 1024;

class Link final : public IsoConnection {
 public:
  Link(transport::Connection machine, int number, std::uint64_t cookie, const HostNames& hosts);
  /// One that has come with a move.
  Link(transport::Connection machine, int number, std::uint64_t cookie, const handoff::IsoImage& image);

  // --- Connection (link.cpp) --------------------------------------------------------------------------------------
  Result<void> await_confirmation(Lock& lock, const Waiting& waiting) override;
  Result<void> confirm(const Lock&, Bytes user_data) override;
  /// The program closes: refuses what it has not taken. Moves in doubt go on in the outcome reader, on a duplicate.
  void close(Bytes disconnect_data) override;
  /// The program's number is something else by now: its moves end as if the link had.
  void number_lost() override;
  /// Who sent last, 0 if nobody has.
  [[nodiscard]] pid_t peer_process_id(const Lock&) const noexcept { return peer_process_ ? peer_process_->pid : 0; }
  [[nodiscard]] bool ended(const Lock&) const noexcept { return ended_ || broken_; }
  [[nodiscard]] Result<std::vector<std::byte>> image(const Lock&) const override;
  [[nodiscard]] handoff::Carrier carrier() const noexcept override { return handoff::Carrier::Local; }

  // --- User data (link_data.cpp) ----------------------------------------------------------------------------------
  Result<UserData> receive_user_data(Lock& lock, std::span<const iovec> room, bool peek,
                                     const Waiting& waiting) override;
  /// Octets of user data read ahead of the program, up to the first frame.
  [[nodiscard]] std::size_t readable_octets(const Lock& lock) override;
  void look(const Lock& lock) override { (void)pump_all(lock); }
  /// Units, called moves, arrivals, outcomes of express moves.
  [[nodiscard]] std::size_t pending(const Lock&) const noexcept override;
  [[nodiscard]] std::uint64_t owed(const Lock&) const noexcept override { return owed_; }

  // --- Giving: the listener's side (giving.cpp) --------------------------------------------------------------------
  Result<void> offer(Lock& lock, const std::shared_ptr<GivenMove>& move, std::span<const iovec> user_data,
                     std::size_t user_data_length, const Waiting& waiting);
  struct AnswerSeen {
    std::shared_ptr<GivenMove> move;
    std::int16_t bind_ok = 0;
  };
  /// `number` -1: the next answer of any move.
  Result<AnswerSeen> await_answer(Lock& lock, int number, const Waiting& waiting);
  /// `number` -1: the only stopped end point of this link.
  Result<std::shared_ptr<GivenMove>> stopped_move(const Lock& lock, int number);
  Result<void> call(Lock& lock, const std::shared_ptr<GivenMove>& move, const Waiting& waiting);
  /// Waits until the move has an outcome; ok: moved. On a timeout the move is called off, not decided.
  Result<void> await_outcome(Lock& lock, const std::shared_ptr<GivenMove>& move, const Waiting& waiting);
  /// The move of L's number `number`, in progress or with an outcome that nobody has asked for; -1: the only one in
  /// doubt.
  Result<std::shared_ptr<GivenMove>> outcome_move(const Lock& lock, int number);
  Result<void> cancel(const Lock&, const std::shared_ptr<GivenMove>& move);
  /// Asks for express moves back that are in doubt; 0: for all. Gives how many: fewer than all if the link is full.
  std::size_t recall(const Lock& lock, handoff::MoveId id);
  /// Of moves in doubt, but not of a group: that one, or all where `id` is 0. How many.
  std::size_t abandon(const Lock&, handoff::MoveId id);
  [[nodiscard]] std::shared_ptr<GivenMove> given_by_number(const Lock&, int number) const;
  /// Express, or all held: as many of `moves` as credit allows; gives how many were sent.
  Result<std::size_t> give(Lock& lock, std::span<const std::shared_ptr<GivenMove>> moves, Bytes user_data,
                           const Waiting& waiting);
  /// Express moves that the peer takes now.
  [[nodiscard]] std::size_t credit(const Lock&) noexcept {
    wanted_credit_ = 0;
    return credit_;
  }
  /// The last give() has failed for want of credit, there is some now, and the program has not been told.
  [[nodiscard]] bool credit_has_come(const Lock&) const noexcept {
    return wanted_credit_ > 0 && credit_ >= wanted_credit_;
  }
  // Groups (giving_group.cpp). Off: the failure says why, and all of it is among the outcomes.
  /// As give(), into the link's group.
  Result<std::size_t> hold(Lock& lock, std::span<const std::shared_ptr<GivenMove>> moves, Bytes user_data,
                           const Waiting& waiting);
  /// Waits until the server is ready, and commits. TimedOut, WouldBlock: not yet; nothing has changed.
  Result<void> commit_group(Lock& lock, const Waiting& waiting);
  /// Calls the group off that this end gives.
  Result<void> abort_group(const Lock&);
  /// Express moves with an outcome, at most `most`.
  Result<std::vector<std::shared_ptr<GivenMove>>> await_outcomes(Lock& lock, std::size_t most, const Waiting& waiting);
  /// At a data stop: what goes along with the end point, for no call reaches it any more.
  static Result<void> take_image(GivenMove& move);
  /// The program has closed the number of a stopped or called end point.
  void give_up_number(const Lock&, const std::shared_ptr<GivenMove>& move);

  // --- Taking: the server's side (taking.cpp) ----------------------------------------------------------------------
  /// The next OFFER; its octets are copied into `room`. `parked` gets the number that stands in for the end point.
  struct OfferSeen {
    std::shared_ptr<AwaitedMove> move;
    std::size_t user_data = 0;
  };
  Result<OfferSeen> await_offer(Lock& lock, std::span<const iovec> room, const Waiting& waiting);
  Result<void> answer(Lock& lock, const std::shared_ptr<AwaitedMove>& move, std::int16_t bind_ok,
                      const Waiting& waiting);
  /// Waits for the CALL, checks it, and puts the end point under the move's number.
  Result<void> take(Lock& lock, const std::shared_ptr<AwaitedMove>& move, const Waiting& waiting);
  /// Express: an end point that has arrived.
  struct Arrival {
    HiddenFd end_point;
    handoff::MoveId id = 0;
    handoff::CallItem item;
    std::vector<std::byte> user_data;
    std::vector<std::byte> iso_image;
    handoff::MoveId group = 0;  // held
    std::uint32_t whole = 0;    // no end point: the group is complete, with so many
    int parked = -1;            // the number that stands for a held one, once it is taken
    std::vector<std::byte> blob_in_frame;
    HiddenFd memfd;
    struct Free {
      void operator()(std::byte* octets) const noexcept { std::free(octets); }
    };
    std::unique_ptr<std::byte, Free> blob;  // item.blob octets, for the program to free(3); loaded before it is taken
    /// Reads the blob. False: it is not what the CALL says.
    [[nodiscard]] bool load_blob();
    /// An ISO end point: becomes one of this process under `number`.
    void settle(int number) const;
    /// It is not taken: closed without waiting.
    void discard() noexcept;
  };
  /// As many as there are `rooms`, each with room for so many octets of user data; TooLong if the first one's do not
  /// fit.
  Result<std::vector<Arrival>> take_arrivals(Lock& lock, std::span<const std::size_t> rooms, const Waiting& waiting);
  /// Says that all of the group is here, waits for the commit and takes it: how many. Cancelled: it is off.
  Result<std::size_t> await_commit(Lock& lock, const Waiting& waiting);
  /// The group that has come is not wanted: OutOfOrder once it is committed.
  Result<void> decline_group(const Lock&);
  /// A connection that was exported before an exec becomes one of this process again. Argument: the descriptor or the
  /// image is not of one; Touched: somebody has used it meanwhile.
  static Result<void> import(int number, const handoff::CallItem& item, Bytes iso_image);
  /// 0: what has been announced stays, and nothing is announced from now on, until this is called again.
  Result<std::size_t> announce_credit(const Lock& lock, std::size_t count);
  /// The program has closed the number that stood for an end point to come.
  void decline(const Lock&, const std::shared_ptr<AwaitedMove>& move);

  // --- Waiting (link_pump.cpp, link_waiting.cpp)
  // -------------------------------------------------------------------------------------
  enum class Pumped { Progress, Nothing, Ended, Full };
  /// Reads one message if there is one, and acts on it.
  Pumped pump(const Lock&);
  /// Reads all there is: what ended it, never Progress.
  Pumped pump_all(const Lock& lock);
  /// For select and poll: something a call for reading would give now (a failure included).
  [[nodiscard]] bool readable(const Lock&) const noexcept;
  [[nodiscard]] bool has_moves_in_doubt(const Lock&) const noexcept { return in_doubt_ > 0; }
  Question ask(const Lock& lock, pollfd& entry) override;
  /// The gate, and the processes that moves in doubt depend on.
  void add_wait_entries(const Lock&, std::vector<pollfd>& entries) override;
  /// What to poll for the link itself: the program's number, never the reader's duplicate, which may be closed
  /// meanwhile.
  [[nodiscard]] FdRef waiting_descriptor(const Lock&) const noexcept { return FdRef{number_}; }
  /// `events`, less what cannot be read for want of room, plus what is needed to send the library's own replies.
  [[nodiscard]] short wait_events(const Lock&, short events) const noexcept;
  /// Looks whether a process that moves depend on has died, and ends those moves: whether anything has changed.
  bool detect_deaths();
  /// A parked socket that the program has shut down gives an end of file to whoever reads it plainly: another takes its
  /// place. For those who are about to wait for the move.
  void renew_parked(const Lock& lock, const std::shared_ptr<GivenMove>& move);
  void renew_parked(const Lock& lock, const std::shared_ptr<AwaitedMove>& move);
  /// Ends at a process's death too.
  Result<void> pause(Lock& lock, const Waiting& waiting, short events) override;

  /// For the outcome reader: reads frames about moves in doubt through the link's own duplicate, and nothing that the
  /// program waits for. False: nothing is left for it to do.
  bool read_outcomes();
  [[nodiscard]] bool is_watched() const {
    const Lock lock = this->lock();
    return watched_;
  }
  /// Entries for the outcome reader's poll, and until when to wait. In the past: nothing is left to wait for.
  Instant add_reader_entries(std::vector<pollfd>& entries);

 private:
  struct Unit {
    enum class Kind { UserData, Offer, Answer };
    Kind kind = Kind::UserData;
    std::vector<std::byte> octets;  // UserData: what is left of it from `consumed`; Offer: the user data
    std::size_t consumed = 0;
    bool end_of_tsdu = false;
    handoff::MoveId move = 0;
    std::shared_ptr<AwaitedMove> awaited;
    handoff::Answer answer;
    std::shared_ptr<Process> sender;
  };

  // link.cpp
  [[nodiscard]] FdRef descriptor() const noexcept;
  [[nodiscard]] std::shared_ptr<Link> self() { return std::static_pointer_cast<Link>(shared_from_this()); }
  void expect_descriptors();
  void end_moves() noexcept;
  void wind_up(const Lock& lock);
  /// The link's own duplicate is to go: who could still call is cut off and answered. False: replies wait for room.
  bool leave(const Lock& lock);
  [[nodiscard]] bool has_unsent_replies() const noexcept {
    return !outbox_.empty() && !send_broken_ && !ended_ && !broken_ && os::monotonic_now() < replies_until_ &&
           listener_alive();
  }
  void watch_outcomes();

  // link_data.cpp
  Result<UserData> receive_unit(Lock& lock, std::span<const iovec> room, bool peek, const Waiting& waiting);
  Result<std::size_t> send_alone(Lock& lock, std::span<const iovec> octets, std::size_t length,
                                 const Waiting& waiting) override;

  // link_waiting.cpp
  [[nodiscard]] bool inbox_full() const noexcept;
  static void renew_parked(const Lock& lock, int number, std::uint64_t& parked_cookie,
                           const std::shared_ptr<Object>& move);

  // link_pump.cpp
  Pumped receive_one();
  /// What is in the link now, however full the inbox is: what a process that lives on adds meanwhile is not waited for.
  void read_queued();
  Pumped nothing_received(int error);
  void handle_tpdu(Bytes message);
  bool handle_frame(Bytes message, os::Received& received);
  void handle_hello(const handoff::Hello& hello);
  void break_off(const char* why);
  std::shared_ptr<Process> process_of(os::Received& received);
  Result<void> send(Lock& lock, std::span<const iovec> octets, std::span<const int> descriptors,
                    const Waiting& waiting);
  Result<void> send_frame(Lock& lock, Bytes frame, const Waiting& waiting);
  void reply(Bytes frame);
  bool flush_outbox();
  os::Result<std::size_t> send_now(std::span<const iovec> octets, std::span<const int> descriptors);
  /// Queues the first frame of this side, before any other.
  void say_hello();
  void detect_dead_servers();
  bool detect_dead_listener();
  [[nodiscard]] bool depends_on_listener() const noexcept;
  Result<void> ensure_pidfd(Process& process);
  void add_process_entries(std::vector<pollfd>& entries) const;
  void fetched();
  void trace(handoff::MoveId move, char role, const char* event) const;
  /// L's line that begins a move: it says whose connection this is, so that its way over several processes is found.
  void trace_begin(handoff::MoveId move, FdRef end_point, const char* event) const;

  // giving.cpp
  void on_answer(const handoff::Frame& frame, const handoff::Answer& answer, os::Received& received);
  void on_taken(const handoff::Taken& taken, os::Received& received);
  void on_cancelled(handoff::MoveId id, os::Received& received);
  /// A refusal has come that the program has not read yet: the move ends by it, whatever becomes of link and server.
  [[nodiscard]] bool refusal_waits(const GivenMove& move) const;
  /// What the link's end means for what is given.
  void end_given();
  /// Only the process that answered may say what it did with the end point.
  bool is_from_server(const GivenMove& move, const Process& sender) const;
  void act(const std::shared_ptr<GivenMove>& move, handoff::ListenerStep step);
  Result<void> stop_data(const std::shared_ptr<GivenMove>& move);
  Result<void> park(const std::shared_ptr<GivenMove>& move, const os::DescriptorFlags& flags);
  void put_back(const std::shared_ptr<GivenMove>& move, bool verify);
  void let_go(const std::shared_ptr<GivenMove>& move);
  std::size_t let_go_unknowing(std::span<const std::shared_ptr<GivenMove>> moves);
  void begin_doubt(const std::shared_ptr<GivenMove>& move);
  void finish(const std::shared_ptr<GivenMove>& move);
  /// Its socket stands for the move no more.
  static void forget_end_point(GivenMove& move);
  void send_cancel(handoff::MoveId id);
  [[nodiscard]] bool peer_is_old() const noexcept {
    return peer_hello_ && (peer_hello_->features & handoff::feature_restart) == 0;
  }

  // giving_group.cpp
  void on_held(handoff::MoveId group, std::uint32_t count, os::Received& received);
  void on_abort(handoff::MoveId group, os::Received& received);
  void group_off(Failure why);
  void send_abort(handoff::MoveId group);
  /// One that came back, on a link that is closed: its number is the program's again.
  static void return_number(GivenMove& move);

  // taking_group.cpp
  bool on_complete(handoff::MoveId group, std::uint32_t count);
  bool on_commit(handoff::MoveId group, std::uint32_t count);
  /// A CALL into a group: whether it belongs to the one that is open. Nothing: it may not come now.
  std::optional<bool> admit_held(handoff::MoveId first, const handoff::Call& call);
  Result<std::vector<Arrival>> take_held(std::span<const std::size_t> rooms);
  Result<bool> park_held(Arrival& arrival);
  Result<std::size_t> take_group(Lock& lock, const Waiting& waiting);
  void drop_group();
  void refuse_group();
  void give_up_group();
  [[nodiscard]] bool awaits_commit() const noexcept { return taken_group_ && taken_group_->machine.pending(); }

  // taking.cpp
  bool on_offer(const handoff::Frame& frame, const handoff::Offer& offer);
  /// False: it may not come now.
  bool on_call(const handoff::Frame& frame, const handoff::Call& call, os::Received& received, std::size_t granted);
  void on_cancel(handoff::MoveId id);
  bool expects_descriptors() const noexcept;
  Pumped receive_call(const handoff::CallPreview& preview);
  Pumped receive_seed_call(const std::shared_ptr<AwaitedMove>& move);
  void forget(const std::shared_ptr<AwaitedMove>& move);
  /// False: the program has closed its number meanwhile, and so is the end point.
  bool settle(const std::shared_ptr<AwaitedMove>& move);
  /// What has come and is not taken; closed without waiting.
  static void discard(HiddenFd& end_point) noexcept;
  void decline_called(const std::shared_ptr<AwaitedMove>& move);
  void reply_taken(handoff::MoveId id, handoff::TakeOutcome outcome, int descriptor);
  /// The peer's process lives, and what is said on the link can be heard.
  [[nodiscard]] bool listener_alive() const noexcept;
  Result<void> top_up_credit();

  HiddenFd own_;              // a duplicate, while the outcome reader needs one
  bool send_broken_ = false;  // the kernel says that nobody reads; there may still be something to read
  bool watched_ = false;      // the outcome reader has it
  bool closing_ = false;      // nothing more is received: what is here is answered
  Instant replies_until_ = never;
  bool out_of_room_ = false;     // a dead L's CALL waits in the link until there is a descriptor for it
  bool reader_stalled_ = false;  // ... and waits for the program to read what is its own

  std::uint64_t octets_received_ = 0;
  bool in_tsdu_ = false;  // the last DT that came did not end its TSDU
  std::deque<Unit> inbox_;
  std::deque<std::vector<std::byte>> outbox_;
  bool refusing_descriptors_ = false;
  unsigned readers_ = 0;  // calls inside receive_user_data
  unsigned senders_ = 0;  // calls that wait for room
  std::size_t owed_ = 0;  // octets of a TSDU that a short write left unsent
  bool owing_ = false;

  bool hello_sent_ = false;
  std::optional<handoff::Hello> peer_hello_;
  std::shared_ptr<Process> peer_process_;  // who sent last

  std::map<handoff::MoveId, std::shared_ptr<GivenMove>> given_;  // without outcome
  std::map<int, std::shared_ptr<GivenMove>> finished_;           // seed's moves with outcome, by L's number
  std::deque<std::shared_ptr<GivenMove>> outcomes_;              // express moves with outcome, not collected
  std::size_t in_doubt_ = 0;
  std::size_t credit_ = 0;                     // express moves that the peer still takes
  std::size_t wanted_credit_ = 0;              // what the last give() lacked
  std::optional<handoff::Group> given_group_;  // until it is committed or off
  std::optional<Failure> given_group_over_;    // off, and the program has not been told why
  std::shared_ptr<Process> group_server_;      // who said HELD
  bool group_sending_ = false;                 // its COMPLETE or COMMIT waits for room

  std::map<handoff::MoveId, std::shared_ptr<AwaitedMove>> awaited_;  // not taken, not ended
  std::deque<Arrival> arrived_;                                      // express, received and not taken
  /// Express: their TAKEN waits for room. A CANCEL that comes meanwhile counts where it cannot be sent.
  struct Batch {
    std::span<const handoff::TakenItem> items;
    std::vector<handoff::MoveId> cancelled;
  };
  std::vector<Batch*> batches_;
  struct TakenGroup {
    handoff::Group machine;
    std::map<handoff::MoveId, std::shared_ptr<AwaitedMove>> members;  // parked
    std::set<std::uint64_t> cookies;                                  // of the end points: one cannot be two
    bool end_told = false;                                            // the program knows that it is complete
    std::size_t taken = 0;
  };
  std::optional<TakenGroup> taken_group_;  // until it is taken or off
  bool taken_group_over_ = false;          // off, and the program has not been told
  std::size_t promised_ = 0;               // credit whose placeholders a CALL without room has freed
  std::size_t credit_target_ = 0;          // what the program announced
  bool credit_paused_ = false;             // it says each time itself
  std::vector<HiddenFd> placeholders_;     // one for each express credit announced
};

}  // namespace baton::endpoint
