// SPDX-License-Identifier: MIT
#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "os/process.hpp"
#include "os/wait.hpp"
#include "support/process.hpp"

namespace baton::cli_tests {
namespace {

struct Pipe {
  UniqueFd reading;
  UniqueFd writing;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  test::checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  return {UniqueFd{adopt, ends[0]}, UniqueFd{adopt, ends[1]}};
}

[[noreturn]] void become(char* const* words, const Pipe& in, const Pipe& out, const Pipe& err, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::dup2(in.reading.get(), STDIN_FILENO);
  ::dup2(out.writing.get(), STDOUT_FILENO);
  ::dup2(err.writing.get(), STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  ::execv(BATON_PROGRAM, words);
  ::_exit(127);
}

}  // namespace

Program::Program(std::vector<std::string> words) : deadline_{os::monotonic_now() + patience} {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  std::vector<char*> pointers{const_cast<char*>("baton")};
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = test::checked(::fork(), "fork");
  if (pid_ == 0) become(pointers.data(), in, out, err, parent);
  input_ = std::move(in.writing);
  output_.descriptor = std::move(out.reading);
  error_.descriptor = std::move(err.reading);
  for (const UniqueFd* each : {&input_, &output_.descriptor, &error_.descriptor})
    test::checked(::fcntl(each->get(), F_SETFL, O_NONBLOCK), "fcntl");
}

Program::~Program() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Program::take_in(Stream& stream) {
  std::array<char, 65536> room;
  const ssize_t size = ::read(stream.descriptor.get(), room.data(), room.size());
  if (size > 0)
    stream.text.append(room.data(), static_cast<std::size_t>(size));
  else if (size == 0 || (errno != EAGAIN && errno != EINTR))
    stream.descriptor.reset();
}

void Program::turn(bool writing) {
  // A closed descriptor is -1, which poll passes over.
  std::array<pollfd, 3> entries{{{.fd = output_.descriptor.get(), .events = POLLIN, .revents = 0},
                                 {.fd = error_.descriptor.get(), .events = POLLIN, .revents = 0},
                                 {.fd = writing ? input_.get() : -1, .events = POLLOUT, .revents = 0}}};
  const auto ready = os::poll_until(entries, deadline_);
  if (!ready && os::number(ready.error()) == EINTR) return;
  if (!ready || *ready == 0)
    throw std::runtime_error("baton takes too long; it said: " + error_.text + output_.text.substr(0, 1000));
  if (entries[0].revents != 0) take_in(output_);
  if (entries[1].revents != 0) take_in(error_);
}

void Program::write(std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t size = ::write(input_.get(), octets.data(), octets.size());
    if (size > 0) {
      octets.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno == EAGAIN) {
      turn(true);
    } else {
      // It has closed its input, perhaps after an error: what it says tells more.
      return close_input();
    }
  }
}

std::string Program::next_line(Stream& stream) {
  for (;;) {
    if (const std::size_t end = stream.text.find('\n'); end != std::string::npos) {
      std::string line = stream.text.substr(0, end);
      stream.text.erase(0, end + 1);
      return line;
    }
    if (!stream.descriptor.valid())
      throw std::runtime_error("no more lines of baton; it said: " + error_.text + stream.text);
    turn(false);
  }
}

void Program::await_output(std::size_t octets) {
  while (output_.text.size() < octets) {
    if (!output_.descriptor.valid()) throw std::runtime_error("no more output of baton; it said: " + error_.text);
    turn(false);
  }
}

void Program::signal(int number) const { test::checked(::kill(pid_, number), "kill"); }

int Program::finish() {
  while (output_.descriptor.valid() || error_.descriptor.valid()) turn(false);
  int status = 0;
  test::checked(::waitpid(pid_, &status, 0), "waitpid");
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Outcome run(std::vector<std::string> words, std::string_view input) {
  Program program{std::move(words)};
  program.write(input);
  program.close_input();
  Outcome outcome;
  outcome.status = program.finish();
  outcome.output = program.output();
  outcome.error = program.error();
  return outcome;
}

std::string address_in(std::string_view line) {
  const std::size_t begin = line.find("127.0.0.1:");
  if (begin == std::string_view::npos) throw std::runtime_error("no address in: " + std::string{line});
  return std::string{line.substr(begin, line.find_first_of(",. ", begin + 10) - begin)};
}

}  // namespace baton::cli_tests
