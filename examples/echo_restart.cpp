// SPDX-License-Identifier: MIT
// An echo server that is replaced while it runs: echo_restart PORT [CHECK]
//
// Started again, it takes over from the one that runs (restart.hpp), after the command CHECK has succeeded.
#include <asio/io_context.hpp>

#include "restart.hpp"

int main(int argc, char* argv[]) {
  const auto port = argc < 2 ? std::nullopt : example::port_of(argv[1]);
  if (!port) return std::fputs("usage: echo_restart PORT [CHECK]; PORT is 0, for a free one, to 65535\n", stderr), 2;
  const auto echo = [](std::string& in, std::string& out) {
    out += std::exchange(in, {});
    return true;
  };
  asio::io_context context{1};
  example::Server server{context.get_executor(), "ECHO", echo};
  asio::co_spawn(context, server.run(*port, argc > 2 ? argv[2] : nullptr), asio::detached);
  context.run();
}
