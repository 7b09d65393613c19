// SPDX-License-Identifier: MIT
#include "crash/round.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "crash/roles.hpp"
#include "support/process.hpp"

namespace baton::crash {
namespace {

using test::Child;

constexpr Duration longest = std::chrono::seconds{30};

/// Which cells there can be: not every column has every manner.
bool exists(Party victim, Stage stage, Manner manner) {
  switch (manner) {
    case Manner::SeedAsked:
    case Manner::SeedLeft:
      return stage != Stage::Back;
    case Manner::ExpressAsked:
    case Manner::ExpressLeft:
      return stage == Stage::Answered || stage == Stage::Called || stage == Stage::Taken;
    case Manner::Refused:
    case Manner::CancelledEarly:
      return stage == Stage::OfferUnread || stage == Stage::OfferRead || stage == Stage::Back;
    case Manner::Declined:  // where L dies behind its call, the connection is S's to close
      return stage != Stage::Taken && (stage != Stage::Called || victim == Party::Server);
    case Manner::CancelledLate:
      return stage != Stage::Taken;
  }
  return false;
}

/// From the frames that the victim had sent and received, and from how far the survivor had come.
Stage stage_under_tracer() {
  const auto& death = page().death;
  const Manner manner = page().scenario.manner;
  const bool listener = page().scenario.victim == Party::Listener;
  const bool answered = listener ? death.server >= Step::Answered : death.answered;
  if (manner == Manner::Refused && (listener ? death.server >= Step::Taken : answered)) return Stage::Back;
  if (manner == Manner::CancelledEarly && death.cancelled) return Stage::Back;
  // S says which came first: L's death or the answer to its CANCEL.
  if (manner == Manner::CancelledLate && (listener ? page().connection[0].told == ECANCELED : death.cancelled))
    return Stage::Back;
  if (death.called || (!listener && page().called.load())) return Stage::Called;
  if (answered || is_express(manner)) return Stage::Answered;
  const bool read = listener ? death.server >= Step::OfferRead : death.offer_read;
  return read ? Stage::OfferRead : Stage::OfferUnread;
}

/// How many connections S had taken when the victim died: as the frames say if S is the victim, as S says otherwise.
std::size_t taken_at_death() {
  const Scenario& scenario = page().scenario;
  const auto& death = page().death;
  const std::size_t at_once = is_express(scenario.manner) ? taken_at_once : 1;
  if (scenario.victim == Party::Server || scenario.point >= 0)
    return std::min<std::size_t>(death.taken_frames * at_once, connections(scenario));
  return death.connections_taken;
}

std::string told_as(int error) {
  if (error == 0) return "success";
  const char* const name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

}  // namespace

std::vector<Cell> all_cells() {
  std::vector<Cell> cells;
  for (const Party victim : {Party::Listener, Party::Server})
    for (int manner = 0; manner <= static_cast<int>(Manner::CancelledLate); ++manner)
      for (int stage = 0; stage <= static_cast<int>(Stage::Back); ++stage)
        for (int carrier = 0; carrier <= static_cast<int>(Carrier::IsoLocal); ++carrier)
          if (exists(victim, static_cast<Stage>(stage), static_cast<Manner>(manner)))
            cells.push_back(
                {victim, static_cast<Stage>(stage), static_cast<Manner>(manner), static_cast<Carrier>(carrier)});
  return cells;
}

std::string describe(const Cell& cell) {
  return std::string{name_of(cell.victim)} + " dies\t" + name_of(cell.manner) + "\t" + name_of(cell.stage) + "\t" +
         name_of(cell.carrier);
}

std::string Results::play(const Scenario& scenario, std::optional<Stage> stage) {
  begin_round(scenario);
  const bool traced = !stage;
  const bool listener_dies = scenario.victim == Party::Listener;
  std::string failure;
  {
    std::vector<Child> client;
    client.emplace_back("client", run_client, longest);
    std::vector<Child> roles;
    roles.emplace_back("listener", [&] { listener_dies ? run_victim(run_listener, traced) : run_listener(); }, longest);
    roles.emplace_back("server", [&] { listener_dies ? run_server() : run_victim(run_server, traced); }, longest);
    roles.emplace_back("fresh peer", run_fresh, longest);
    failure = test::finish(roles);
    page().round_over.store(true);
    announce();
    ring_client();
    const std::string of_client = test::finish(client);
    if (!of_client.empty()) failure += (failure.empty() ? "" : "; ") + of_client;
  }
  killed_ = page().death.happened;
  for (std::size_t i = 0; i < most_points; ++i) passed_[i] += page().passed[i].load();
  if (failure.empty()) failure = judge(stage);
  if (failure.empty()) return {};
  const char* const point = scenario.point < 0 ? nullptr : "fault point";
  return describe(scenario) + ", " + (point ? point : "boundary") + " " + std::to_string(scenario.nth) +
         (killed_ ? "" : ", not reached") + ", CALL " + (page().death.called ? "queued" : "not queued") + ", TAKEN " +
         std::to_string(page().death.taken_frames) + ", in system call " + std::to_string(page().death.system_call) +
         ": " + failure;
}

std::string Results::judge(std::optional<Stage> stage) {
  if (!killed_) return {};
  ++kills_;
  const Scenario& scenario = page().scenario;
  const Stage earliest = stage ? *stage : stage_under_tracer();
  const std::size_t taken = taken_at_death();
  const bool called = earliest == Stage::Called || earliest == Stage::Taken;
  std::string failure;
  Stage first = Stage::Back;
  const auto cell_of = [&](Stage at) -> Count& {
    return cells_[{scenario.victim, at, scenario.manner, scenario.carrier}];
  };
  for (std::size_t i = 0; i < connections(scenario); ++i) {
    Stage at = earliest;
    if (called && (is_express(scenario.manner) || !stage)) at = i < taken ? Stage::Taken : Stage::Called;
    first = std::min(first, at);
    failure += judge_one(i, at, cell_of(at));
  }
  ++cell_of(first).kills;
  const Connection& fresh = page().connection[connections(scenario)];
  if (page().want_new.load() && (!fresh.served || fresh.client_end != ClientEnd::Completed))
    failure += "the new connection was not served; ";
  return failure;
}

std::string Results::judge_one(std::size_t index, Stage at, Count& count) const {
  const Scenario& scenario = page().scenario;
  const Connection& connection = page().connection[index];
  const bool server_dies = scenario.victim == Party::Server;
  const bool called = at == Stage::Called || at == Stage::Taken;
  const bool survivor_has = server_dies ? connection.listener_has : connection.server_has;
  if (connection.told_here) ++count.told[connection.told];

  bool to_survivor = server_dies ? at != Stage::Taken : called;
  // A program's own decision, not a loss.
  bool given_up = server_dies && is_left(scenario.manner) && at == Stage::Called;
  if (given_up) to_survivor = false;

  std::string wrong;
  const auto require = [&](bool held, const char* what) {
    if (!held) wrong += std::string{what} + "; ";
  };
  require(survivor_has == to_survivor, to_survivor ? "the survivor has not got the connection"
                                                   : "the survivor has a connection that is not its own");
  const bool early_end = connection.client_end == ClientEnd::Ended || connection.client_end == ClientEnd::Reset;
  if (to_survivor) {
    require(connection.served, "nobody served it to its end");
    if (connection.client_end == ClientEnd::Completed) {
      require(connection.client_sent == connection.received, "what the client sent is not what was received");
      require(connection.client_received == connection.sent, "what was sent is not what the client received");
      count.octets += connection.received.octets + connection.sent.octets;
    } else {
      require(connection.client_end == ClientEnd::OwnReset, "the client saw an end while its owner lived");
    }
    ++(!wrong.empty() ? count.lost : server_dies ? count.kept : count.taken);
  } else {
    require(early_end || connection.client_end == ClientEnd::OwnReset, "somebody holds what nobody owns");
    ++(!wrong.empty() ? count.lost : given_up ? count.closed : count.died);
  }
  if (connection.told_here) {
    const bool moved = server_dies ? at == Stage::Taken : survivor_has;
    if (scenario.manner != Manner::Refused && scenario.manner != Manner::Declined && !is_left(scenario.manner))
      require((connection.told == 0) == moved, "the survivor was told otherwise");
    const bool documented =
        connection.told == 0 || connection.told == ECONNRESET ||
        (scenario.manner == Manner::Declined && connection.told == ECONNABORTED) ||
        (scenario.manner == Manner::CancelledEarly && (connection.told == ETIMEDOUT || connection.told == ECANCELED)) ||
        (scenario.manner == Manner::CancelledLate && connection.told == ECANCELED);
    require(documented, "not a documented error");
    if (!wrong.empty()) wrong += "it was told " + told_as(connection.told) + "; ";
  }
  return wrong.empty() ? "" : "connection " + std::to_string(index) + " (" + name_of(at) + "): " + wrong;
}

void Results::write(const std::string& file, const std::string& source) const {
  std::ofstream out{file};
  for (const auto& [cell, count] : cells_) {
    out << source << '\t' << describe(cell) << '\t' << count.kills << '\t' << count.kept << '\t' << count.taken << '\t'
        << count.died << '\t' << count.closed << '\t' << count.lost << '\t' << count.octets << '\t';
    for (const auto& [error, times] : count.told) out << told_as(error) << ':' << times << ' ';
    out << '\n';
  }
}

void Results::print() const {
  Count all;
  for (const auto& [cell, count] : cells_) {
    all.kept += count.kept;
    all.taken += count.taken;
    all.died += count.died;
    all.closed += count.closed;
    all.lost += count.lost;
    all.octets += count.octets;
  }
  std::cout << kills_ << " kills in " << cells_.size() << " cells; connections: kept by L " << all.kept
            << ", taken by S " << all.taken << ", ended with their owner " << all.died
            << ", closed by a program that had let go " << all.closed << ", lost " << all.lost << "; " << all.octets
            << " octets compared\n";
}

}  // namespace baton::crash
