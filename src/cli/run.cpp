// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/complete.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"

namespace baton::cli {
namespace {

/// Their exit statuses are those of env(1), so that those below 125 can be the program's.
bool runs_programs(std::string_view verb) { return verb == "serve" || verb == "exec"; }

/// `baton help [VERB]`, as `baton VERB --help`.
void add_help(CLI::App& app, Action& action) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* const verb = app.add_subcommand("help", "Tells of a verb, or names all of them");
  verb->add_option("VERB", *words, "As in baton help iso connect")->type_name("");
  verb->callback([words, &app, &action] {
    action = [words, &app](std::ostream& out, std::ostream& err) {
      const CLI::App* told = &app;
      for (const std::string& word : *words) {
        const auto named = told->get_subcommands([&](const CLI::App* each) { return each->check_name(word); });
        if (!named.empty()) {
          told = named.front();
          continue;
        }
        err << "baton help: there is no verb '" << printable_ascii(word) << "'; baton help names them.\n";
        return ExitStatus::Usage;
      }
      std::vector<const char*> asked;
      for (const std::string& word : *words) asked.push_back(word.c_str());
      asked.push_back("--help");
      return run(static_cast<int>(asked.size()), asked.data(), out, err);
    };
  });
}

}  // namespace

ExitStatus run(int count, const char* const* words, std::ostream& out, std::ostream& err) {
  Action action;
  try {
    CLI::App app{
        "baton moves live connections between processes. This command looks at moves and processes, operates the "
        "dispatcher batond, runs servers that get moved connections, and speaks ISO transport.",
        "baton"};
    app.set_version_flag("--version", "baton " BATON_VERSION);
    app.require_subcommand(0, 1);  // not 1: a word that is no verb is to be named in the sentence
    app.footer(
        "baton VERB --help tells of one verb, as baton help VERB does; baton(1) of all.\n"
        "Exit status: 0 done, 1 not found or failed, 2 usage, 3 a configuration has errors.");
    add_status(app, action);
    add_top(app, action);
    add_batond(app, action);
    add_check(app, action);
    add_trace(app, action);
    add_iso(app, action);
    add_serve(app, action);
    add_exec(app, action);
    add_help(app, action);
    if (count > 0 && std::string_view{words[0]} == complete_word) {
      const std::vector<std::string> typed{words + 1, words + count};
      complete(app, typed, out);
      return ExitStatus::Ok;
    }
    // CLI11 wants them backwards.
    std::vector<std::string> backwards{words, words + std::max(count, 0)};
    std::ranges::reverse(backwards);
    ExitStatus status = ExitStatus::Usage;
    try {
      app.parse(std::move(backwards));
      if (action)
        status = action(out, err);
      else
        err << app.help();
    } catch (const CLI::ParseError& problem) {
      // Also how CLI11 ends after --help and --version.
      if (app.exit(problem, out, err) == 0)
        status = ExitStatus::Ok;
      else if (count > 0 && runs_programs(words[0]))
        status = ExitStatus::NotBegun;
    }
    if (out.flush()) return status;
    err << "baton: the output could not be written.\n";
    return ExitStatus::Failed;
  } catch (const std::exception& problem) {
    err << "baton: " << problem.what() << ".\n";
    return ExitStatus::Failed;
  }
}

}  // namespace baton::cli
