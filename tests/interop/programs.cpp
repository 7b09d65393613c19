// SPDX-License-Identifier: MIT
#include "programs.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace baton::interop {

using test::checked;
using test::Child;
using test::fail;

namespace {

struct Pipe {
  UniqueFd reading;
  UniqueFd writing;
};
Pipe make_pipe() {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  return {UniqueFd{adopt, ends[0]}, UniqueFd{adopt, ends[1]}};
}

}  // namespace

Command node_program(std::string name, std::vector<std::string> arguments) {
  Command command{"node", INTEROP_PEERS "/" + std::move(name)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

void become(Command command) {
  if (command.front() == "node") {
    // Its last file to be made.
    if (!std::filesystem::exists(INTEROP_MODULES "/node-snap7/build/Release/node_snap7.node"))
      fail("the npm packages of tests/interop are not installed: run `make peers`");
    checked(::setenv("NODE_PATH", INTEROP_MODULES, 1), "setenv");
  }
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  fail("cannot run " + command.front() + " (" + std::strerror(errno) + "): `make deps` installs it");
}

std::string output_of(const Command& command) {
  auto [reading, writing] = make_pipe();
  std::array child{Child{command.front(),
                         [&] {
                           checked(::dup2(writing.get(), STDOUT_FILENO), "dup2");
                           become(command);
                         },
                         program_time}};
  writing.reset();
  std::string output;
  std::array<char, 4096> buffer;
  while (const auto size = checked(::read(reading.get(), buffer.data(), buffer.size()), "read from a program"))
    output.append(buffer.data(), static_cast<std::size_t>(size));
  if (const std::string failure = finish(child); !failure.empty()) fail(failure);
  return output;
}

Background::Background(std::string name, Command command) {
  Pipe output = make_pipe();
  child_.emplace_back(std::move(name), [&] {
    checked(::dup2(output.writing.get(), STDOUT_FILENO), "dup2");
    become(std::move(command));
  });
  output_ = std::move(output.reading);
}

std::string Background::line() {
  std::string text;
  char next = 0;
  while (checked(::read(output_.get(), &next, 1), "read from a program") == 1 && next != '\n') text += next;
  if (next != '\n') fail("a program has ended: " + finish(child_));
  return text;
}

void Background::end() {
  checked(::kill(child_.front().pid(), SIGTERM), "kill");
  if (const std::string failure = finish(child_); !failure.empty()) fail(failure);
}

}  // namespace baton::interop
