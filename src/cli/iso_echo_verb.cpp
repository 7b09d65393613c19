// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include <limits>
#include <list>
#include <memory>
#include <ostream>

#include "cli/iso_connection.hpp"
#include "cli/iso_listeners.hpp"
#include "cli/iso_streams.hpp"
#include "cli/iso_verbs.hpp"
#include "os/process.hpp"

namespace baton::cli {
namespace {

struct Options {
  std::vector<std::string> called;
  std::string address;
  std::uint64_t most_of_tsdu = 16 * 1024 * 1024;
  bool verbose = false;
};

class EchoVerb {
 public:
  EchoVerb(const Options& options, std::ostream& out, std::ostream& err) : options_{options}, out_{out}, err_{err} {}

  ExitStatus run() {
    auto listeners = Listeners::open(selectors_of(options_.called), options_.address);
    if (!listeners) {
      say(listeners.error());
      return ExitStatus::Failed;
    }
    const StopSignals signals;
    const Instant began = os::monotonic_now();
    say(listeners->announcement());
    while (!signals.stopped()) step(*listeners);
    for (const Peer& peer : peers_) total_ += peer.connection.traffic();
    out_ << count_ << (count_ == 1 ? " connection: " : " connections: ")
         << progress_text(total_, os::monotonic_now() - began) << '\n';
    return ExitStatus::Ok;
  }

 private:
  struct Peer {
    IsoConnection connection;
    std::uint64_t id;
    std::string tsdu;  // what has come of it
    bool too_long = false;
  };

  void step(Listeners& listeners) {
    std::vector<pollfd> entries;
    entries.reserve(peers_.size() + 1);
    for (const Peer& peer : peers_) {
      // One after the other: whoever does not read what comes back is not read from.
      const short events = peer.connection.has_output() ? POLLOUT : POLLIN;
      entries.push_back({.fd = peer.connection.number(), .events = events, .revents = 0});
    }
    listeners.add_entries(entries);
    wait_for(entries, listeners.next_attempt());
    std::size_t at = 0;
    for (Peer& peer : peers_) {
      if (entries[at++].revents == 0) continue;
      if (!peer.connection.has_output()) receive(peer);
      peer.connection.send();
    }
    remove_ended();
    for (IsoNumber& number : listeners.accept(std::numeric_limits<std::size_t>::max(), err_)) {
      ++count_;
      if (options_.verbose) say(name_of(count_) + ": called by TSEL " + other_side(number));
      peers_.push_back({.connection = IsoConnection{std::move(number)}, .id = count_, .tsdu = {}});
    }
  }

  void receive(Peer& peer) {
    peer.connection.receive([&](std::string_view octets, bool end) {
      if (peer.too_long || octets.size() > options_.most_of_tsdu - peer.tsdu.size()) {
        peer.too_long = true;
        return;
      }
      peer.tsdu += octets;
      // A TSDU without octets can be received but not sent.
      if (end && !peer.tsdu.empty()) peer.connection.queue(std::exchange(peer.tsdu, {}));
    });
  }

  void remove_ended() {
    for (auto each = peers_.begin(); each != peers_.end();) {
      if (!each->connection.ended() && !each->too_long) {
        ++each;
        continue;
      }
      if (each->too_long)
        say(name_of(each->id) + ": a TSDU of more than " + std::to_string(options_.most_of_tsdu) + " octets; closed");
      else if (const auto complaint = each->connection.complaint(); complaint && options_.verbose)
        say(name_of(each->id) + ": " + *complaint);
      if (options_.verbose) say(name_of(each->id) + " ended");
      total_ += each->connection.traffic();
      each = peers_.erase(each);
    }
  }

  static std::string name_of(std::uint64_t id) { return "connection " + std::to_string(id); }
  void say(const std::string& sentence) { err_ << "baton iso echo: " << sentence << ".\n" << std::flush; }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
  std::list<Peer> peers_;
  std::uint64_t count_ = 0;
  Traffic total_;
};

}  // namespace

void add_iso_echo(CLI::App& iso, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb = iso.add_subcommand("echo", "Sends every TSDU back, on any number of connections");
  add_called(*verb, options->called);
  add_listen_address(*verb, options->address);
  verb->add_option("--max-tsdu", options->most_of_tsdu, "Octets; who sends a longer TSDU is closed (default: 16777216)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--verbose,-v", options->verbose, "Tell on standard error who calls");
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return EchoVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
