// SPDX-License-Identifier: MIT
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <ostream>

#include "baton/soc.h"
#include "cli/iso_connection.hpp"
#include "cli/iso_streams.hpp"
#include "cli/iso_verbs.hpp"
#include "os/process.hpp"

namespace baton::cli {
namespace {

struct Options {
  std::string place;
  std::string called{default_selector};
  std::string calling;
  int tpdu_size = 0;  // 0: the library's
  FormFlags form;
  double timeout = 10;
  double wait = 1;
  std::uint64_t answers = 0;  // 0: as many as come
  bool progress = false;
  bool verbose = false;
};

/// inf is never.
Duration seconds(double value) {
  constexpr double most = 1e9;
  if (value > most) return Duration::max();
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>{value});
}

class ConnectVerb {
 public:
  ConnectVerb(const Options& options, std::ostream& out, std::ostream& err)
      : options_{options},
        out_{out},
        err_{err},
        input_{FdRef{STDIN_FILENO}, options.form.form()},
        printer_{options.form.form(), ::isatty(STDOUT_FILENO) == 1} {}

  ExitStatus run() {
    auto number = connect_to(call());
    if (!number) return fail(number.error());
    if (options_.verbose) {
      err_ << "baton iso connect: connected to TSEL " << other_side(*number);
      if (const auto size = tpdu_size_of(*number)) err_ << ", TPDUs of " << *size << " octets";
      err_ << ".\n" << std::flush;
    }
    connection_.emplace(std::move(*number));
    const Instant began = os::monotonic_now();
    last_event_ = began;
    Progress progress{progress_to(), err_, began};
    while (!over() && out_) step(progress);
    progress.finish(connection_->traffic(), os::monotonic_now());
    return result();
  }

 private:
  [[nodiscard]] Call call() const {
    Call call;
    // The command line was checked with the same functions.
    call.place = parse_place(options_.place).value_or(Place{});
    call.called = parse_selector(options_.called).value_or(tsap::Selector{});
    call.calling = parse_selector(options_.calling).value_or(tsap::Selector{});
    if (options_.tpdu_size != 0) call.tpdu_size = options_.tpdu_size;
    call.timeout = std::chrono::milliseconds{std::llround(std::max(options_.timeout, 0.001) * 1000)};
    return call;
  }

  [[nodiscard]] Progress::To progress_to() const {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const bool lines = options_.form.form() == Form::Text || options_.form.form() == Form::Hex;
    // Lines on a terminal are a conversation, in which a counter would be in the way.
    if (!options_.progress && (lines || !terminal || ::isatty(STDOUT_FILENO) == 1)) return Progress::To::Nobody;
    return terminal ? Progress::To::Terminal : Progress::To::File;
  }

  /// When to close: nothing has passed for so long since all was sent.
  [[nodiscard]] Instant closing_time() const {
    if (input_.open() || connection_->has_output()) return never;
    const Duration wait = seconds(options_.wait);
    return wait == Duration::max() ? never : last_event_ + wait;
  }

  [[nodiscard]] bool over() const {
    if (connection_->ended()) return true;
    if (input_.open() || connection_->has_output()) return false;
    if (options_.answers != 0 && connection_->traffic().tsdus_received >= options_.answers) return true;
    return os::monotonic_now() >= closing_time();
  }

  void step(Progress& progress) {
    // While much waits to be sent, no more is read: the peer sets the pace.
    const bool reading = input_.open() && connection_->queued_octets() < most_queued;
    const short sending = connection_->has_output() ? POLLOUT : short{0};
    pollfd entries[] = {{.fd = reading ? input_.number() : -1, .events = POLLIN, .revents = 0},
                        {.fd = connection_->number(), .events = static_cast<short>(POLLIN | sending), .revents = 0}};
    wait_for(entries, std::min(closing_time(), progress.next()));
    const Traffic before = connection_->traffic();
    const bool was_open = input_.open();
    if (entries[0].revents != 0) read_input();
    if (entries[1].revents != 0) receive();
    connection_->send();
    if (connection_->traffic() != before || input_.open() != was_open) last_event_ = os::monotonic_now();
    progress.show(connection_->traffic(), os::monotonic_now());
  }

  void read_input() {
    Cut cut = input_.read();
    for (std::string& tsdu : cut.tsdus) connection_->queue(std::move(tsdu));
    for (const std::string& problem : cut.problems) complain(problem);
  }

  void receive() {
    connection_->receive([&](std::string_view octets, bool end) { out_ << printer_.part(octets, end); });
    out_.flush();
  }

  ExitStatus result() {
    if (printer_.in_line()) out_ << '\n';
    if (const auto complaint = connection_->complaint()) complain(*complaint);
    return complained_ ? ExitStatus::Failed : ExitStatus::Ok;
  }

  void complain(const std::string& sentence) {
    err_ << "baton iso connect: " << sentence << ".\n" << std::flush;
    complained_ = true;
  }
  ExitStatus fail(const std::string& sentence) {
    complain(sentence);
    return ExitStatus::Failed;
  }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
  Input input_;
  TsduPrinter printer_;
  std::optional<IsoConnection> connection_;
  Instant last_event_{};
  bool complained_ = false;
};

/// A sentence, or nothing where it is a time, inf included, which CLI11's own checks do not take.
std::string wait_problem(const std::string& word) {
  double value = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool good = problem == std::errc{} && end == word.data() + word.size() && value >= 0;
  return good ? "" : "a number of seconds, 0 or more, or inf";
}

}  // namespace

void add_iso_connect(CLI::App& iso, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb = iso.add_subcommand("connect", "Connects: standard input becomes TSDUs, TSDUs standard output");
  verb->add_option("HOST[:PORT]", options->place,
                   "Name or address, port 102 if none is named; a name of the hosts file; '.' or nothing: this host")
      ->type_name("")
      ->check(CLI::Validator{accepted_by(parse_place), ""});
  const CLI::Validator selector{accepted_by(parse_selector), ""};
  verb->add_option("--called", options->called, "The TSEL to call: TEXT, or 0x0102 (default: BATON)")
      ->type_name("TSEL")
      ->check(selector);
  verb->add_option("--calling", options->calling, "The own TSEL; default: one that the library makes")
      ->type_name("TSEL")
      ->check(selector);
  verb->add_option("--tpdu-size", options->tpdu_size, "Octets of a TPDU to propose (default: 2048)")
      ->type_name("N")
      ->check(CLI::IsMember({128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65531}));
  add_form(*verb, options->form);
  verb->add_option("--timeout", options->timeout, "Seconds to wait for the connection (default: 10)")
      ->type_name("S")
      ->check(CLI::Range(0.001, 86400.0));
  verb->add_option(
          "--wait", options->wait,
          "At the end of the input, close when nothing has come for S seconds; inf: the peer closes (default: 1)")
      ->type_name("S")
      ->check(CLI::Validator{wait_problem, ""});
  verb->add_option("--answers", options->answers, "At the end of the input, close when N TSDUs have come in all")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--progress", options->progress, "Tell on standard error how far it is");
  verb->add_flag("--verbose,-v", options->verbose, "Tell on standard error what was agreed");
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return ConnectVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
