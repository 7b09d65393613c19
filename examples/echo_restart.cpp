// SPDX-License-Identifier: MIT
// An echo server that is replaced while it runs: echo_restart PORT [CHECK]
//
// Started again, it takes over from the one that runs (restart.hpp), after the command CHECK has succeeded.
#include <asio/io_context.hpp>

#include "restart.hpp"

int main(int argc, char* argv[]) {
  if (argc < 2) return std::fputs("usage: echo_restart PORT [CHECK]\n", stderr), 2;
  const auto echo = [](std::string& in, std::string& out) {
    out += std::exchange(in, {});
    return true;
  };
  asio::io_context context{1};
  example::Server server{context.get_executor(), "ECHO", echo};
  asio::co_spawn(context, server.run(static_cast<std::uint16_t>(std::atoi(argv[1])), argc > 2 ? argv[2] : nullptr),
                 asio::detached);
  context.run();
}
