// SPDX-License-Identifier: MIT
// load_soak [--connections N] [--active N] [--moves N] [--seconds N] [--room N]
//
// `make soak`. One line of progress a second on a terminal, one in ten seconds elsewhere, and a report at the end.
// Exit status 1 where an octet, a connection or a descriptor was lost.
#include "soak.hpp"

#include <unistd.h>

#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "baton/soc.h"
#include "os/process.hpp"
#include "support/runtime_dir.hpp"

namespace baton::load {
namespace {

constexpr std::uint64_t memory_growth = 4U << 20U;  // octets: queues of their longest length
constexpr std::uint64_t descriptor_growth = 1;      // the event of a thread that has gone

double ms(std::uint64_t ns) { return static_cast<double>(ns) / 1e6; }
double mib(std::uint64_t octets) { return static_cast<double>(octets) / (1U << 20U); }

std::uint64_t moves_of(const State& state) { return state.members[0].given.load() + state.members[1].given.load(); }
std::uint64_t longest_pause(const State& state) {
  return std::max(state.members[0].longest_pause_ns.load(), state.members[1].longest_pause_ns.load());
}

bool read_number(std::string_view text, auto& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_settings(int argc, char* argv[], Settings& settings) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) return false;
    const std::string_view option = argv[i];
    const std::string_view value = argv[i + 1];
    const bool known = (option == "--connections" && read_number(value, settings.connections)) ||
                       (option == "--active" && read_number(value, settings.active)) ||
                       (option == "--moves" && read_number(value, settings.moves)) ||
                       (option == "--seconds" && read_number(value, settings.seconds)) ||
                       (option == "--room" && read_number(value, settings.room));
    if (!known) return false;
  }
  return settings.connections > 0 && settings.active > 0;
}

/// Ends the soak when its time has come, and says meanwhile how it goes on.
class Watch {
 public:
  explicit Watch(State& state) : state_{state}, thread_{[this] { run(); }} {}
  ~Watch() {
    {
      const std::lock_guard lock{mutex_};
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (terminal_) std::printf("\n");
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(os::monotonic_now() - began_).count(); }

 private:
  void run() {
    std::unique_lock lock{mutex_};
    constexpr auto tick = std::chrono::milliseconds{100};
    for (unsigned ticks = 1; !changed_.wait_for(lock, tick, [this] { return done_; }); ++ticks) {
      const Settings& settings = state_.settings;
      const bool enough =
          settings.moves > 0 ? moves_of(state_) >= settings.moves : seconds() >= static_cast<double>(settings.seconds);
      if (enough) state_.stop.store(true);
      if (ticks % (terminal_ ? 10 : 100) == 0) tell();
    }
  }
  void tell() const {
    const auto moves = moves_of(state_);
    std::printf(
        "%s%7.0f s  %9llu moves  %7.0f/s  round %u  pause up to %.1f ms  exchange up to %.1f ms  memory %.1f and %.1f "
        "MiB",
        terminal_ ? "\r" : "", seconds(), static_cast<unsigned long long>(moves),
        static_cast<double>(moves) / seconds(), state_.round.load(), ms(longest_pause(state_)),
        ms(state_.longest_exchange_ns.load()), mib(state_.members[0].memory.load()),
        mib(state_.members[1].memory.load()));
    if (!terminal_) std::printf("\n");
    std::fflush(stdout);
  }

  State& state_;
  const Instant began_ = os::monotonic_now();
  const bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

void report(const Stage& stage, double seconds) {
  const State& state = *stage.state;
  const auto& [first, second] = state.members;
  const auto rounds = state.round.load();
  const auto pauses = first.pauses.load() + second.pauses.load();
  const auto pause_total = first.pause_total_ns.load() + second.pause_total_ns.load();
  std::uint64_t octets = 0;
  for (const Connection& connection : stage.connections) octets += connection.received.octets + connection.sent.octets;
  std::printf("connections           %u, %u of them with a message under way at any time\n", state.settings.connections,
              state.settings.active);
  std::printf("moves                 %llu in %.1f s: %.0f/s, came back %llu\n",
              static_cast<unsigned long long>(moves_of(state)), seconds, static_cast<double>(moves_of(state)) / seconds,
              static_cast<unsigned long long>(first.came_back.load() + second.came_back.load()));
  std::printf("rounds                %u: %.1f ms on average, longest %.1f ms\n", rounds,
              ms(state.rounds_ns.load()) / rounds, ms(state.longest_round_ns.load()));
  std::printf("pause of a connection %.3f ms on average, longest %.3f ms (data stop to take)\n",
              pauses == 0 ? 0.0 : ms(pause_total) / static_cast<double>(pauses), ms(longest_pause(state)));
  std::printf("exchanges             %llu of %zu octets, all checked: %llu octets both ways; longest %.1f ms\n",
              static_cast<unsigned long long>(state.exchanges.load()), message_size,
              static_cast<unsigned long long>(octets), ms(state.longest_exchange_ns.load()));
  for (std::size_t i = 0; i < state.members.size(); ++i) {
    const MemberState& member = state.members[i];
    std::printf("member %zu              descriptors %llu -> %llu, memory %.1f -> %.1f MiB\n", i,
                static_cast<unsigned long long>(member.descriptors_before),
                static_cast<unsigned long long>(member.descriptors_after), mib(member.memory_before),
                mib(member.memory_after));
  }
}

bool check(bool held, const std::string& what) {
  if (!held) std::printf("FAILED: %s\n", what.c_str());
  return held;
}

bool check_all(const Stage& stage) {
  const State& state = *stage.state;
  bool good = true;
  std::size_t torn = 0;
  for (const Connection& each : stage.connections)
    torn += each.client_sent == each.received && each.client_received == each.sent ? 0U : 1U;
  good &= check(torn == 0, std::to_string(torn) + " connections have lost or doubled octets");
  good &= check(state.settings.room > 0 || state.members[0].came_back + state.members[1].came_back == 0,
                "an end point came back although there was room");
  good &= check(state.settings.room == 0 || moves_of(state) > 0, "nothing moved");
  for (const MemberState& member : state.members) {
    good &=
        check(member.descriptors_after <= member.descriptors_before + descriptor_growth, "a member keeps descriptors");
    good &= check(member.memory_after <= member.memory_before + memory_growth, "a member's memory grows");
  }
  return good;
}

int soak(const Settings& settings) {
  const test::RuntimeDir folder;
  const Stage stage{settings};
  // Whoever is late is stuck: generous, for a sanitizer on a busy machine moves a thousand a second.
  const auto longest = std::chrono::seconds{600 + (settings.moves > 0 ? settings.moves / 500 : settings.seconds)};
  std::vector<test::Child> roles;
  roles.emplace_back("member 0", [&] { run_member(stage, 0); }, longest);
  roles.emplace_back("member 1", [&] { run_member(stage, 1); }, longest);
  roles.emplace_back("client", [&] { run_client(stage); }, longest);
  double seconds = 0;
  std::string failed;
  {
    const Watch watch{*stage.state};
    failed = test::finish(roles);
    seconds = watch.seconds();
  }
  if (!check(failed.empty(), failed)) return 1;
  report(stage, seconds);
  return check_all(stage) ? 0 : 1;
}

}  // namespace

Stage::Stage(const Settings& settings) : memory{settings.connections * sizeof(Connection)} {
  state->settings = settings;
  auto* const first = static_cast<Connection*>(memory.address());
  for (std::uint32_t i = 0; i < settings.connections; ++i) new (first + i) Connection{};
  connections = {first, settings.connections};
}

}  // namespace baton::load

int main(int argc, char* argv[]) {
  baton::load::Settings settings;
  if (!baton::load::read_settings(argc, argv, settings)) {
    std::fprintf(stderr, "usage: load_soak [--connections N] [--active N] [--moves N] [--seconds N] [--room N]\n");
    return 2;
  }
  return baton::load::soak(settings);
}
