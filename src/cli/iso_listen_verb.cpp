// SPDX-License-Identifier: MIT
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
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

/// Of a connection among several: a line is written when its TSDU has come whole.
constexpr std::size_t longest_line_of_several = 1024 * 1024;

struct Options {
  std::vector<std::string> called;
  std::string address;
  bool once = false;
  bool keep = false;
  FormFlags form;
};

class ListenVerb {
 public:
  ListenVerb(const Options& options, std::ostream& out, std::ostream& err)
      : options_{options}, out_{out}, err_{err}, input_{FdRef{STDIN_FILENO}, options.form.form()} {}

  ExitStatus run() {
    auto listeners = Listeners::open(selectors_of(options_.called), options_.address);
    if (!listeners) {
      say(listeners.error());
      return ExitStatus::Failed;
    }
    const StopSignals signals;
    say(listeners->announcement());
    while (!signals.stopped() && !(options_.once && count_ > 0 && parties_.empty()) && out_) step(*listeners);
    for (Party& party : parties_) tell_end(party, "closed");
    return options_.once && complained_ ? ExitStatus::Failed : ExitStatus::Ok;
  }

 private:
  struct Party {
    IsoConnection connection;
    TsduPrinter printer;
    std::uint64_t id;
    Instant began;
    std::string line;  // --keep: of a TSDU that has not come whole
    bool too_long = false;
  };

  [[nodiscard]] bool accepting() const { return options_.keep || (parties_.empty() && !(options_.once && count_ > 0)); }

  void step(Listeners& listeners) {
    const bool reading = input_.open() && !parties_.empty() && std::ranges::all_of(parties_, [](const Party& party) {
                           return party.connection.queued_octets() < most_queued;
                         });
    std::vector<pollfd> entries{{.fd = reading ? input_.number() : -1, .events = POLLIN, .revents = 0}};
    for (const Party& party : parties_) {
      const short sending = party.connection.has_output() ? POLLOUT : short{0};
      entries.push_back(
          {.fd = party.connection.number(), .events = static_cast<short>(POLLIN | sending), .revents = 0});
    }
    if (accepting()) listeners.add_entries(entries);
    wait_for(entries, accepting() ? listeners.next_attempt() : never);
    if (entries.front().revents != 0) read_input();
    std::size_t at = 1;
    for (Party& party : parties_) {
      if (entries[at++].revents != 0) receive(party);
      party.connection.send();
    }
    out_.flush();
    remove_ended();
    if (accepting()) accept(listeners);
  }

  void accept(Listeners& listeners) {
    const std::size_t most = options_.keep ? std::numeric_limits<std::size_t>::max() : 1;
    for (IsoNumber& number : listeners.accept(most, err_)) {
      ++count_;
      std::string sentence = name_of(count_) + ": called by TSEL " + other_side(number);
      if (const auto called = called_selector(number)) sentence += " as " + called->printable();
      if (const auto size = tpdu_size_of(number)) sentence += ", TPDUs of " + std::to_string(*size) + " octets";
      say(sentence);
      const bool to_terminal = ::isatty(STDOUT_FILENO) == 1;
      parties_.push_back({.connection = IsoConnection{std::move(number)},
                          .printer = TsduPrinter{options_.form.form(), to_terminal},
                          .id = count_,
                          .began = os::monotonic_now(),
                          .line = {}});
    }
  }

  void read_input() {
    const Cut cut = input_.read();
    for (const std::string& tsdu : cut.tsdus)
      for (Party& party : parties_) party.connection.queue(tsdu);
    for (const std::string& problem : cut.problems) complain(problem);
  }

  void receive(Party& party) {
    party.connection.receive([&](std::string_view octets, bool end) {
      const std::string text = party.printer.part(octets, end);
      if (!options_.keep) {
        out_ << text;
        return;
      }
      party.line += text;
      party.too_long = party.too_long || party.line.size() > longest_line_of_several;
      if (end) out_ << party.id << ": " << std::exchange(party.line, {});
    });
  }

  void remove_ended() {
    for (auto each = parties_.begin(); each != parties_.end();) {
      if (!each->connection.ended() && !each->too_long) {
        ++each;
        continue;
      }
      if (!options_.keep && each->printer.in_line()) out_ << '\n' << std::flush;
      if (each->too_long)
        complain(name_of(each->id) + ": a TSDU of more than 1 MiB among several connections; closed");
      else if (const auto complaint = each->connection.complaint())
        complain(name_of(each->id) + ": " + *complaint);
      tell_end(*each, "ended");
      each = parties_.erase(each);
    }
  }

  static std::string name_of(std::uint64_t id) { return "connection " + std::to_string(id); }
  void tell_end(const Party& party, const char* how) {
    say(name_of(party.id) + " " + how + ": " +
        progress_text(party.connection.traffic(), os::monotonic_now() - party.began));
  }
  void say(const std::string& sentence) { err_ << "baton iso listen: " << sentence << ".\n" << std::flush; }
  void complain(const std::string& sentence) {
    say(sentence);
    complained_ = true;
  }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
  Input input_;
  std::list<Party> parties_;
  std::uint64_t count_ = 0;
  bool complained_ = false;
};

}  // namespace

void add_iso_listen(CLI::App& iso, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb =
      iso.add_subcommand("listen", "Accepts connections: TSDUs from and to standard input and output");
  add_called(*verb, options->called);
  add_listen_address(*verb, options->address);
  CLI::Option* const once = verb->add_flag("--once", options->once, "End when the first connection has ended");
  CLI::Option* const keep = verb->add_flag(
      "--keep", options->keep, "Several connections at once: input goes to all, lines of output begin with a number");
  keep->excludes(once);
  add_form(*verb, options->form);
  for (const char* name : {"--raw", "--one"}) keep->excludes(verb->get_option(name));
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return ListenVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
