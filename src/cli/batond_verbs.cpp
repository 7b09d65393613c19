// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "cli/batond.hpp"
#include "cli/batond_findings.hpp"
#include "cli/batond_tables.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "routing/suggestion.hpp"

namespace baton::cli {
namespace {

using nlohmann::json;

// What reads a configuration and opens addresses, or starts another process, may take longer than a look.
constexpr std::chrono::seconds for_a_reload{60};
constexpr std::chrono::seconds for_an_upgrade{120};

struct Options {
  std::string control;
  std::string target;  // a pool, or of `drain` a worker too
  bool json = false;
  bool undo = false;
};

/// What the verbs have in common: the words in front of a sentence, and the end of one that fails.
class Told {
 public:
  Told(const char* verb, std::ostream& err) : verb_{verb}, err_{err} {}
  ExitStatus failed(const std::string& sentence) const {
    err_ << "baton " << verb_ << ": " << sentence << ".\n";
    return ExitStatus::Failed;
  }
  ExitStatus failed(const BatondFailure& failure) const { return failed(failure.sentence); }
  std::ostream& err() const { return err_; }

 private:
  const char* verb_;
  std::ostream& err_;
};

std::vector<std::string> pools_in(const json& workers) {
  std::vector<std::string> names;
  for (const json& each : list_in(workers, "pools"))
    if (const auto name = each.find("name"); name != each.end() && name->is_string()) names.push_back(*name);
  return names;
}

/// "there is no pool "shp": did you mean "shop"?"
std::string no_such(const char* what, const std::string& name, const std::vector<std::string>& pools) {
  const std::vector<std::string_view> known{pools.begin(), pools.end()};
  std::string all;
  for (const std::string& each : pools) all += (all.empty() ? "" : ", ") + each;
  const std::string otherwise = pools.empty() ? "the configuration has none" : "there are " + all;
  return printable_ascii("there is no " + std::string{what} + " \"" + name +
                         "\": " + routing::suggestion(name, known, otherwise));
}

void write_json(std::ostream& out, const json& value) {
  out << value.dump(2, ' ', true, json::error_handler_t::replace) << '\n';
}

ExitStatus show_routes(const Options& options, std::ostream& out, const Told& told) {
  auto batond = Batond::find(options.control);
  if (!batond) return told.failed(batond.error());
  const auto routes = batond->look("routes");
  if (!routes) return told.failed(routes.error());
  if (options.json)
    write_json(out, json(list_in(*routes, "routes")));
  else if (list_in(*routes, "routes").empty())
    out << "The configuration has no routes: every connection is told that nobody is here.\n";
  else
    out << routes_table(*routes);
  return ExitStatus::Ok;
}

ExitStatus show_workers(const Options& options, std::ostream& out, const Told& told) {
  auto batond = Batond::find(options.control);
  if (!batond) return told.failed(batond.error());
  const auto answer = batond->look("workers");
  if (!answer) return told.failed(answer.error());
  const auto pools = pools_in(*answer);
  if (!options.target.empty() && std::ranges::find(pools, options.target) == pools.end())
    return told.failed(no_such("pool", options.target, pools));
  const auto workers = workers_in(*answer, options.target);
  if (options.json) {
    json all = json::array();
    for (const auto& [pool, worker] : workers) {
      all.push_back(worker);
      all.back()["pool"] = pool;
    }
    write_json(out, all);
  } else if (workers.empty()) {
    out << (options.target.empty() ? "No pool has a" : printable_ascii("Pool " + options.target + " has no"))
        << " worker now. A worker is a program that connects to the TSAP of its pool: baton serve, baton exec, or one "
           "that uses libbaton.\n";
    if (options.target.empty())
      out << "Servers that take the connections of a route with to_called_tsap are no workers: baton routes counts "
             "them.\n";
  } else {
    out << workers_table(workers);
  }
  return ExitStatus::Ok;
}

/// By its id, its process, or its name.
bool is_called(const json& worker, const std::string& name) {
  if (cell_in(worker, "name") == name || cell_in(worker, "id") == name) return true;
  return number_in(worker, "process") != 0 && cell_in(worker, "process") == name;
}

ExitStatus drain(const Options& options, std::ostream& out, const Told& told) {
  auto batond = Batond::find(options.control);
  if (!batond) return told.failed(batond.error());
  json request{{"do", "drain"}};
  std::string what = "batond accepts no more, and ends when nothing is under way";
  if (!options.target.empty()) {
    const auto answer = batond->look("workers");
    if (!answer) return told.failed(answer.error());
    const auto pools = pools_in(*answer);
    if (std::ranges::find(pools, options.target) != pools.end()) {
      request["pool"] = options.target;
      what = "pool " + options.target;
    } else {
      auto workers = workers_in(*answer);
      std::erase_if(workers, [&](const PooledWorker& each) { return !is_called(each.worker, options.target); });
      if (workers.empty()) return told.failed(no_such("pool or worker", options.target, pools));
      if (workers.size() > 1) {
        told.err() << workers_table(workers);
        return told.failed(printable_ascii(std::to_string(workers.size()) + " workers are meant by \"" +
                                           options.target + "\": give the id of one"));
      }
      request["pool"] = workers[0].pool;
      request["worker"] = number_in(workers[0].worker, "id");
      what = "worker " + cell_in(workers[0].worker, "id") + " of pool " + workers[0].pool;
    }
    request["on"] = !options.undo;
    what += options.undo ? " gets connections again" : " gets nothing new; what it has goes on";
  }
  const auto answer = batond->ask(request);
  if (!answer) return told.failed(answer.error());
  if (!flag_in(*answer, "ok")) return told.failed(error_in(*answer));
  out << printable_ascii(what) << ".\n";
  return ExitStatus::Ok;
}

ExitStatus reload(const Options& options, std::ostream& out, const Told& told) {
  auto batond = Batond::find(options.control);
  if (!batond) return told.failed(batond.error());
  const auto status = batond->look("status");
  if (!status) return told.failed(status.error());
  const auto answer = batond->ask({{"do", "reload"}}, for_a_reload);
  if (!answer) return told.failed(answer.error());
  const bool ok = flag_in(*answer, "ok");
  if (options.json) {
    write_json(out, *answer);
  } else {
    const std::string file = cell_in(*status, "configuration");
    for (const json& each : list_in(*answer, "findings")) out << finding_line(each, file) << '\n';
    if (ok) out << file << " is in force.\n";
  }
  if (ok) return ExitStatus::Ok;
  (void)told.failed("not reloaded, the configuration before goes on: " + error_in(*answer));
  return list_in(*answer, "findings").empty() ? ExitStatus::Failed : ExitStatus::Findings;
}

ExitStatus upgrade(const Options& options, std::ostream& out, const Told& told) {
  auto batond = Batond::find(options.control);
  if (!batond) return told.failed(batond.error());
  const auto answer = batond->ask({{"do", "upgrade"}}, for_an_upgrade);
  if (!answer) return told.failed(answer.error());
  if (options.json) write_json(out, *answer);
  if (!flag_in(*answer, "ok")) return told.failed("the batond before goes on: " + error_in(*answer));
  if (options.json) return ExitStatus::Ok;
  const auto counted = [&](const char* name, const char* one, const char* several) {
    const std::uint64_t count = number_in(*answer, name);
    return std::to_string(count) + (count == 1 ? one : several);
  };
  out << "batond " << cell_in(*answer, "version") << ", process " << cell_in(*answer, "process")
      << ", has taken over: " << counted("sockets", " listening socket, ", " listening sockets, ")
      << counted("clients", " client that waited; ", " clients that waited; ") << "new ones waited for "
      << readable(Duration{std::chrono::microseconds{number_in(*answer, "pause_us")}}) << ".\n";
  return ExitStatus::Ok;
}

using Verb = ExitStatus (*)(const Options&, std::ostream&, const Told&);

CLI::App* add_verb(CLI::App& app, Action& action, const char* name, const char* what, Verb does,
                   const std::shared_ptr<Options>& options) {
  CLI::App* const verb = app.add_subcommand(name, what);
  add_control(*verb, options->control);
  verb->callback([options, &action, name, does] {
    action = [options, name, does](std::ostream& out, std::ostream& err) {
      return does(*options, out, Told{name, err});
    };
  });
  return verb;
}

}  // namespace

void add_batond(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  const auto add_json = [&](CLI::App* verb, const char* what) { verb->add_flag("--json", options->json, what); };
  add_json(add_verb(app, action, "routes", "Lists batond's routes, and how many connections each took", show_routes,
                    options),
           "A JSON array of the routes");
  CLI::App* const workers =
      add_verb(app, action, "workers", "Lists the workers of batond's pools", show_workers, options);
  workers->add_option("POOL", options->target, "The workers of this pool only")->type_name("");
  add_json(workers, "A JSON array of the workers");
  CLI::App* const drains =
      add_verb(app, action, "drain", "Gives a pool or a worker nothing new; without either, ends batond without a cut",
               drain, options);
  CLI::Option* const target =
      drains->add_option("POOL|WORKER", options->target, "A pool; or a worker: its id, process or name")->type_name("");
  drains->add_flag("--undo", options->undo, "It gets connections again")->needs(target);
  add_json(add_verb(app, action, "reload", "Makes batond read its configuration again: all of it, or nothing changes",
                    reload, options),
           "The answer as JSON");
  add_json(add_verb(app, action, "upgrade", "Makes batond start its successor and hand everything over to it", upgrade,
                    options),
           "The answer as JSON");
}

}  // namespace baton::cli
