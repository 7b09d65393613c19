// SPDX-License-Identifier: MIT
// baton: cli/supervisor.hpp: connections of a dispatcher's pool become what a trapped program's accept gives.
//
//   link: a connection waits ---> a bell: a connection of this process's own to the program's listening socket,
//                                 which is readable then, however the program waits
//   program: accept ------------> trapped: this process accepts in its place. A bell: the one that waits is taken from
//                                 the link and given. Another: that is given.
//
// Nothing is taken before the program accepts. What has been taken or accepted and could not be given (a signal ended
// the program's accept, its table was full) is kept for its next accept, and a bell is rung for it.
// Of the program's listening sockets nothing is held: when it closes one, its port is closed. Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "cli/pool_link.hpp"
#include "cli/trapped_program.hpp"
#include "cli/verbs.hpp"
#include "os/accept_trap.hpp"
#include "os/bell.hpp"
#include "os/socket.hpp"
#include "tsap/listening.hpp"
#include "tsap/selector.hpp"

namespace baton::cli {

class Supervisor {
 public:
  /// `listening`: which of the program's listening sockets are meant; empty: all of TCP. `err` is for sentences.
  Supervisor(TrappedProgram program, const tsap::Selector& pool, int credit,
             std::vector<tsap::ListeningAddress> listening, std::ostream& err)
      : program_{std::move(program)},
        link_{pool, credit, [this](const std::string& sentence) { tell(sentence); }},
        meant_{std::move(listening)},
        err_{err} {}
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Until no process of the program is left: the program's status.
  [[nodiscard]] ExitStatus run();

 private:
  /// A listening socket of the program.
  struct Listening {
    std::uint64_t cookie = 0;
    os::Address reached_at;
  };
  struct Rung {
    os::Bell bell;
    std::uint64_t listening = 0;
  };
  struct Kept {
    UniqueFd connection;
    std::uint64_t listening = 0;  // 0: of the link, for any
    std::optional<os::ToldAddresses> told{};
  };
  /// A call on a blocking socket, for which there is no connection yet.
  struct Waiting {
    os::TrappedCall call;
    UniqueFd listening;
    Instant deadline = never;
  };
  enum class Given { Yes, NoConnection };

  void tell(const std::string& sentence);
  void wait();
  void answer_calls();
  void on_call(const os::TrappedCall& call);
  void on_accept(const os::TrappedCall& call, UniqueFd listening);
  void retry_waiting();
  [[nodiscard]] Given serve(const os::TrappedCall& call, FdRef listening, std::uint64_t cookie);
  [[nodiscard]] bool give(const os::TrappedCall& call, FdRef listening, Kept kept);
  [[nodiscard]] std::optional<Kept> kept_for(std::uint64_t cookie);
  [[nodiscard]] bool take_back_bell(const os::Address& peer);

  [[nodiscard]] bool is_meant(FdRef listening);
  void learn(FdRef listening);
  void forget(std::uint64_t cookie);
  void ring();
  void look_after_bells();

  TrappedProgram program_;
  PoolLink link_;
  std::vector<tsap::ListeningAddress> meant_;
  std::ostream& err_;
  std::vector<Listening> listening_;
  std::vector<Rung> bells_;
  std::deque<Kept> kept_;
  std::vector<Waiting> waiting_;
  Instant ring_again_ = Instant{0};
  bool program_ended_ = false;
  bool has_complained_ = false;
};

}  // namespace baton::cli
