// SPDX-License-Identifier: MIT
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <ostream>

#include "cli/iso_probe.hpp"
#include "cli/iso_probe_carrier.hpp"
#include "cli/iso_verbs.hpp"
#include "endpoint/host_table.hpp"
#include "os/resolve_host.hpp"
#include "tsap/nsel.hpp"

namespace baton::cli {
namespace {

struct Options {
  std::string place;
  std::string called{default_selector};
  std::string calling{default_selector};
  double timeout = 3;
  bool malformed = false;
  bool json = false;
};

class ProbeVerb {
 public:
  ProbeVerb(const Options& options, std::ostream& out, std::ostream& err) : options_{options}, out_{out}, err_{err} {}

  ExitStatus run() {
    const Place place = parse_place(options_.place).value_or(Place{});
    const auto addresses = addresses_at(place);
    if (!addresses) return fail(addresses.error());
    ProbeSettings settings;
    settings.called = parse_selector(options_.called).value_or(tsap::Selector{});
    settings.calling = parse_selector(options_.calling).value_or(tsap::Selector{});
    settings.malformed = options_.malformed;
    Report report{.host = options_.place, .address = {}, .called = shell_word(settings.called), .findings = {}};
    for (Question& question : questions(settings))
      report.findings.push_back({.question = std::move(question), .answer = {}});
    const auto address = first_question(*addresses, report.findings.front());
    if (!address)
      return fail("no connection to " + place.text() + ": " + std::strerror(report.findings.front().answer.error));
    report.address = os::printable(*address);
    the_rest(*address, report.findings);
    out_ << (options_.json ? report_json(report) : report_text(report));
    for (const Finding& each : report.findings)
      if (each.answer.speaks()) return ExitStatus::Ok;
    return fail("nothing that speaks ISO transport was seen at " + report.address);
  }

 private:
  /// Of the addresses of a host, the first that takes a connection serves for all.
  std::optional<os::Address> first_question(const std::vector<os::Address>& addresses, Finding& first) {
    for (const os::Address& each : addresses) {
      first.answer = ask(each, first.question, patience());
      if (first.answer.kind != Answer::Kind::NoConnection) return each;
    }
    return std::nullopt;
  }

  void the_rest(const os::Address& address, std::vector<Finding>& findings) {
    constexpr int enough = 2;  // failures in a row: it is gone
    int failures = 0;
    for (std::size_t i = 1; i < findings.size() && failures < enough; ++i) {
      if (::isatty(STDERR_FILENO) == 1)
        err_ << "\r\x1b[K" << i + 1 << " of " << findings.size() << ": " << findings[i].question.asks << std::flush;
      findings[i].answer = ask(address, findings[i].question, patience());
      failures = findings[i].answer.kind == Answer::Kind::NoConnection ? failures + 1 : 0;
    }
    if (::isatty(STDERR_FILENO) == 1) err_ << "\r\x1b[K" << std::flush;
  }

  [[nodiscard]] Duration patience() const { return std::chrono::milliseconds{std::llround(options_.timeout * 1000)}; }
  static std::expected<std::vector<os::Address>, std::string> addresses_at(const Place& place) {
    const std::string unknown = "no address of " + place.text() + " is to be found";
    if (place.kind == Place::Kind::Nsel) {
      const auto nsel = tsap::Nsel::parse_padded(place.nsel).value_or(tsap::Nsel{});
      auto addresses = endpoint::addresses_of(nsel, os::Lookup::Names);
      if (!addresses) return std::unexpected{unknown + "; looked into " + endpoint::described_hosts()};
      return std::move(*addresses);
    }
    auto addresses = os::resolve_host(place.address.host, place.address.port, os::Lookup::Names);
    if (addresses) return std::move(*addresses);
    const bool busy = os::number(addresses.error()) == EAGAIN;
    return std::unexpected{unknown + (busy ? ": the resolver does not answer" : "")};
  }
  ExitStatus fail(const std::string& sentence) {
    err_ << "baton iso probe: " << sentence << ".\n";
    return ExitStatus::Failed;
  }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
};

/// A host that can be reached over TCP.
std::string host_problem(const std::string& word) {
  const auto place = parse_place(word);
  if (!place) return place.error();
  return place->kind == Place::Kind::Local ? "probe asks over TCP: name a host, 127.0.0.1 is this one" : "";
}

}  // namespace

void add_iso_probe(CLI::App& iso, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb = iso.add_subcommand("probe", "Asks a server in many ways, and says what it makes of them");
  verb->add_option("HOST[:PORT]", options->place,
                   "Name or address, port 102 if none is named; or a name of the hosts file")
      ->type_name("")
      ->required()
      ->check(CLI::Validator{host_problem, ""});
  const CLI::Validator selector{accepted_by(parse_selector), ""};
  verb->add_option("--called", options->called, "The TSEL to call: TEXT, or 0x0102 (default: BATON)")
      ->type_name("TSEL")
      ->check(selector);
  verb->add_option("--calling", options->calling, "The own TSEL (default: BATON)")->type_name("TSEL")->check(selector);
  verb->add_option("--timeout", options->timeout, "Seconds to wait for each answer (default: 3)")
      ->type_name("S")
      ->check(CLI::Range(0.001, 3600.0));
  verb->add_flag("--malformed", options->malformed,
                 "Send three malformed packets too: there are servers that die of them");
  verb->add_flag("--json", options->json, "A JSON object with all that was sent and received");
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return ProbeVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
