// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "cli/iso_names.hpp"
#include "cli/program_file.hpp"
#include "cli/supervisor.hpp"
#include "cli/trapped_program.hpp"
#include "cli/verbs.hpp"
#include "tsap/listening.hpp"

namespace baton::cli {
namespace {

constexpr const char* library_name = "libbaton-serve.so";
constexpr int default_credit = 16;
constexpr int most_credit = 4096;

struct Options {
  std::string pool;
  std::vector<std::string> listening;
  int credit = 0;  // 0: default_credit, the library's own too
  bool inherit = false;
  bool supervise = false;
  std::vector<std::string> program;
};

/// In the tree of which this program is a part; nothing: it is not there.
std::optional<std::string> library_path() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  for (const char* const way : {BATON_TO_LIBRARIES, BATON_TO_BUILT}) {
    const auto path = std::filesystem::weakly_canonical(self.parent_path() / way / library_name, error);
    if (!error && std::filesystem::is_regular_file(path, error)) return path.string();
  }
  return std::nullopt;
}

class ServeVerb {
 public:
  ServeVerb(const Options& options, std::ostream& err) : options_{options}, err_{err} {}

  ExitStatus run() {
    const auto pool = parse_selector(options_.pool);
    if (!pool) return fail(pool.error());
    if (pool->empty()) return fail("the pool's name is empty");
    for (const std::string& each : options_.listening)
      if (!tsap::parse_listening_address(each))
        return fail("--listen takes ADDRESS:PORT, [IPV6-ADDRESS]:PORT or :PORT, not '" + each + "'");
    const auto program = find_program(options_.program.front());
    if (!program) return fail(program.error().sentence, program.error().status);
    const auto obstacle = preload_obstacle(*program);
    if (obstacle && !obstacle->only_preload)
      return fail(*program + " cannot be served: " + obstacle->sentence +
                  ". Let it use libbaton, or let the dispatcher connect to it");
    if (obstacle || options_.supervise) return supervise(*program, *pool);
    const auto library = library_path();
    if (!library) return fail(std::string{library_name} + " is not where this baton was installed: install it again");
    // ld.so(8) knows no way to write them.
    if (library->find_first_of(" :") != std::string::npos)
      return fail("the path " + *library +
                  " has a blank or a colon, which LD_PRELOAD cannot have: install baton elsewhere");
    prepare_environment(*pool, *library);
    return execute(*program);
  }

 private:
  ExitStatus fail(const std::string& sentence, ExitStatus status = ExitStatus::NotBegun) {
    err_ << "baton serve: " << sentence << ".\n";
    return status;
  }

  ExitStatus supervise(const std::string& path, const tsap::Selector& pool) {
    std::vector<tsap::ListeningAddress> listening;
    for (const std::string& each : options_.listening)
      if (const auto address = tsap::parse_listening_address(each)) listening.push_back(*address);
    err_.flush();
    auto program = TrappedProgram::start(path, options_.program);
    if (!program) return fail(program.error().sentence, program.error().status);
    const int credit = options_.credit > 0 ? options_.credit : default_credit;
    return Supervisor{std::move(*program), pool, credit, std::move(listening), err_}.run();
  }

  static void set(const char* name, const std::string& value) {
    if (value.empty())
      ::unsetenv(name);
    else
      ::setenv(name, value.c_str(), 1);
  }

  void prepare_environment(const tsap::Selector& pool, const std::string& library) const {
    set("BATON_SERVE_TSAP", pool.hex());
    std::string listening;
    for (const std::string& each : options_.listening) (listening += listening.empty() ? "" : ",") += each;
    set("BATON_SERVE_LISTEN", listening);
    set("BATON_SERVE_CREDIT", options_.credit > 0 ? std::to_string(options_.credit) : "");
    set("BATON_SERVE_INHERIT", options_.inherit ? "1" : "");
    const char* const others = std::getenv("LD_PRELOAD");
    set("LD_PRELOAD", others != nullptr && *others != '\0' ? library + ":" + others : library);
  }

  ExitStatus execute(const std::string& path) {
    std::vector<char*> words;
    for (const std::string& each : options_.program) words.push_back(const_cast<char*>(each.c_str()));
    words.push_back(nullptr);
    err_.flush();
    ::execvp(path.c_str(), words.data());
    return fail(path + " cannot be executed: " + std::strerror(errno), ExitStatus::CannotExecute);
  }

  const Options& options_;
  std::ostream& err_;
};

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb =
      app.add_subcommand("serve", "Runs an unmodified server, which accepts connections from a dispatcher too");
  verb->add_option("--tsap", options->pool, "TSAP of the dispatcher's pool: TEXT, 'TEXT' or 0x0102")->required();
  verb->add_option("--listen", options->listening,
                   "ADDRESS:PORT of the server's listening socket that gets them (default: any TCP one); several times")
      ->allow_extra_args(false);
  verb->add_option("--credit", options->credit, "Connections that may wait for one process (default 16)")
      ->check(CLI::Range(1, most_credit));
  verb->add_flag("--inherit", options->inherit, "Children that execute programs get connections too");
  verb->add_flag("--supervise", options->supervise,
                 "Stay as its parent and answer its accept, without a library: always so for Go and static programs");
  verb->add_option("PROGRAM", options->program, "The server and its arguments, after --")->required();
  verb->callback([options, &action] {
    action = [options](std::ostream&, std::ostream& err) { return ServeVerb{*options, err}.run(); };
  });
}

}  // namespace baton::cli
