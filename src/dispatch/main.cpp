// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "dispatch/service.hpp"

int main(int argc, char** argv) {
  using baton::dispatch::ExitStatus;
  CLI::App app{"batond accepts connections, looks at their first octets, and hands them over to the servers."};
  std::string path = "/etc/baton/batond.toml";
  bool check = false;
  app.add_option("-c,--config", path, "the configuration (TOML)")->capture_default_str();
  app.add_flag("--check", check, "say what is wrong with the configuration, and end");
  app.set_version_flag("--version", std::string{"batond "} + BATON_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? static_cast<int>(ExitStatus::Ok)
                                                      : static_cast<int>(ExitStatus::Usage);
  }
  return static_cast<int>(baton::dispatch::run_service(path, check, {argv, argv + argc}));
}
