// SPDX-License-Identifier: MIT
#include "cli/iso_verbs.hpp"

#include <CLI/CLI.hpp>

namespace baton::cli {

Form FormFlags::form() const noexcept {
  if (hex) return Form::Hex;
  if (raw) return Form::Raw;
  return one ? Form::One : Form::Text;
}

void add_form(CLI::App& verb, FormFlags& flags) {
  CLI::Option* const hex =
      verb.add_flag("--hex", flags.hex, "Lines are octets in hexadecimal, in both directions; blanks are allowed");
  CLI::Option* const raw =
      verb.add_flag("--raw", flags.raw, "No lines: what is read at once is a TSDU; TSDUs are written as they are");
  CLI::Option* const one =
      verb.add_flag("--one", flags.one, "No lines: all of the input is one TSDU; TSDUs are written as they are");
  hex->excludes(raw)->excludes(one);
  raw->excludes(one);
}

void add_called(CLI::App& verb, std::vector<std::string>& called) {
  verb.add_option("--called", called, "A TSEL to be called by; may be given several times (default: BATON)")
      ->type_name("TSEL")
      ->allow_extra_args(false)
      ->check(CLI::Validator{accepted_by(parse_selector), ""});
}

std::vector<tsap::Selector> selectors_of(const std::vector<std::string>& called) {
  std::vector<tsap::Selector> selectors;
  for (const std::string& each : called) selectors.push_back(parse_selector(each).value_or(tsap::Selector{}));
  if (selectors.empty()) selectors.push_back(parse_selector(default_selector).value_or(tsap::Selector{}));
  return selectors;
}

void add_listen_address(CLI::App& verb, std::string& address) {
  verb.add_option("ADDRESS[:PORT]", address,
                  "Take connections of other hosts here too; port 102 if none is named, 0: the kernel chooses")
      ->type_name("")
      ->check(CLI::Validator{accepted_by(parse_listen_address), ""});
}

void add_iso(CLI::App& app, Action& action) {
  CLI::App* const iso = app.add_subcommand("iso", "Speaks ISO transport (RFC 1006): connects, listens, echoes, probes");
  iso->require_subcommand(1);
  add_iso_connect(*iso, action);
  add_iso_listen(*iso, action);
  add_iso_echo(*iso, action);
  add_iso_probe(*iso, action);
}

}  // namespace baton::cli
