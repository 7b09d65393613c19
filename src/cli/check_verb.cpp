// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>

#include "cli/batond_findings.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "dispatch/findings_json.hpp"
#include "os/text_file.hpp"

namespace baton::cli {
namespace {

struct Options {
  std::string file = "/etc/baton/batond.toml";
  bool json = false;
};

std::string why_not_read(int error) {
  if (error == EFBIG) return "it is larger than any configuration";
  return std::strerror(error);
}

ExitStatus check(const Options& options, std::ostream& out, std::ostream& err) {
  const auto text = os::read_text_file(options.file, dispatch::most_configuration);
  if (!text) {
    err << "baton check: " << options.file << " cannot be read: " << why_not_read(os::number(text.error())) << ".\n";
    return ExitStatus::Failed;
  }
  const dispatch::ReadConfiguration read = dispatch::read_configuration(*text);
  if (options.json) {
    out << dispatch::json_of(read.findings).dump(2, ' ', true, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    for (const dispatch::LocatedFinding& each : read.findings)
      out << printable_ascii(dispatch::printable(each, options.file)) << '\n' << excerpt(each, *text);
    if (read.usable()) out << options.file << (read.findings.empty() ? ": nothing is wrong.\n" : ": it can be run.\n");
  }
  return read.usable() ? ExitStatus::Ok : ExitStatus::Findings;
}

}  // namespace

void add_check(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb =
      app.add_subcommand("check", "Says what is wrong with a configuration of batond, and what to do");
  verb->add_option("CONFIG", options->file, "The configuration (default: /etc/baton/batond.toml)")->type_name("");
  verb->add_flag("--json", options->json, "A JSON array of what is wrong");
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return check(*options, out, err); };
  });
}

}  // namespace baton::cli
