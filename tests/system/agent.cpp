// SPDX-License-Identifier: MIT
#include "agent.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace baton::system_tests {
namespace {

constexpr int reply_limit_ms = 30'000;

bool await_readable(int number, int milliseconds) {
  pollfd entry{number, POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&entry, 1, milliseconds);
  while (ready < 0 && errno == EINTR);
  return ready == 1;
}

void become(uid_t user) {
  if (user == 0) return;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0)
    ::_exit(99);
  // A changed user makes the process undumpable, and so hides /proc/self/fd, over which names are bound, from itself.
  ::prctl(PR_SET_DUMPABLE, 1);
}

std::vector<int> numbers_of(pid_t pid) {
  std::vector<int> numbers;
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  DIR* const directory = ::opendir(folder.c_str());
  if (directory == nullptr) return numbers;
  while (const dirent* const entry = ::readdir(directory))
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != agent_channel)
      numbers.push_back(std::atoi(entry->d_name));
  ::closedir(directory);
  return numbers;
}

}  // namespace

Agent::Agent(uid_t user) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) std::abort();
  const pid_t test = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) std::abort();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != test) ::_exit(98);
    if (pair[1] != agent_channel) ::dup3(pair[1], agent_channel, O_CLOEXEC);
    ::close_range(3, agent_channel - 1, 0);
    ::close_range(agent_channel + 1, ~0U, 0);
    become(user);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // forgotten when the user changed
    serve(agent_channel);
  }
  ::close(pair[1]);
  channel_ = UniqueFd{adopt, pair[0]};
}

void Agent::serve(int channel) {
  static Order order;
  alignas(std::max_align_t) static std::byte room[reply_room];
  for (;;) {
    ssize_t size = 0;
    do size = ::recv(channel, &order, sizeof order, 0);
    while (size < 0 && errno == EINTR);
    if (size != sizeof order) break;
    const std::size_t length = order.run(order.captured.data(), room);
    if (::send(channel, room, length, MSG_NOSIGNAL) < 0) break;
  }
#if defined(__SANITIZE_ADDRESS__)
  // The check opens files: a limit that a test has lowered would stop it.
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  __lsan_do_leak_check();
#endif
  ::_exit(0);
}

Agent::~Agent() {
  if (!reaped_) end();
}

void Agent::send(const Order& order) {
  if (::send(channel_.get(), &order, sizeof order, MSG_NOSIGNAL) != sizeof order)
    ADD_FAILURE() << "agent " << pid_ << " does not listen: " << std::strerror(errno);
}

void Agent::receive(void* reply, std::size_t size) {
  if (!has_reply(reply_limit_ms)) {
    ADD_FAILURE() << "agent " << pid_ << " did not reply in time:\n" << described_descriptors();
    kill();
    return;
  }
  alignas(std::max_align_t) static std::byte room[reply_room];
  const ssize_t received = ::recv(channel_.get(), room, sizeof room, 0);
  if (received != static_cast<ssize_t>(size)) {
    ADD_FAILURE() << "agent " << pid_ << " ended in a call";
    return;
  }
  std::memcpy(reply, room, size);
}

bool Agent::has_reply(int milliseconds) const { return await_readable(channel_.get(), milliseconds); }

void Agent::kill() {
  if (reaped_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  reaped_ = true;
}

void Agent::kill_unreaped() {
  ::kill(pid_, SIGKILL);
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
}

void Agent::end() {
  channel_.reset();
  const int status = await_end();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << "agent ended with " << (WIFEXITED(status) ? "status " : "signal ")
      << (WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

int Agent::await_end() {
  int status = 0;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds{reply_limit_ms};
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= limit) {
      ADD_FAILURE() << "agent " << pid_ << " does not end";
      kill();
      return status;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  reaped_ = true;
  return status;
}

std::size_t Agent::descriptors() const { return numbers_of(pid_).size(); }

std::string Agent::described_descriptors() const {
  std::string text;
  for (const int number : numbers_of(pid_)) {
    char target[256] = {};
    const std::string path = "/proc/" + std::to_string(pid_) + "/fd/" + std::to_string(number);
    if (::readlink(path.c_str(), target, sizeof target - 1) < 0) continue;
    text += std::to_string(number) + " -> " + target + "\n";
  }
  return text;
}

void Agent::await_alone() const {
  const std::filesystem::path tasks = "/proc/" + std::to_string(pid_) + "/task";
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds{reply_limit_ms};
  while (std::distance(std::filesystem::directory_iterator{tasks}, {}) > 1) {
    ASSERT_LT(std::chrono::steady_clock::now(), limit) << "agent " << pid_ << " has a thread that does not end";
    std::this_thread::yield();
  }
}

void Agent::await_blocked() const {
  const std::string path = "/proc/" + std::to_string(pid_) + "/";
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds{reply_limit_ms};
  // Asleep, and not because it waits for us to say what to do.
  while (std::chrono::steady_clock::now() < limit) {
    std::ifstream stat{path + "stat"};
    std::string text;
    std::getline(stat, text);
    const auto behind_name = text.rfind(") ");
    if (behind_name != std::string::npos && text[behind_name + 2] == 'S') {
      std::ifstream syscall{path + "syscall"};
      std::string number;
      std::string first;
      syscall >> number >> first;
      char channel[16];
      std::snprintf(channel, sizeof channel, "0x%x", agent_channel);
      if (number != "running" && first != channel && number != "202" && number != "-1") return;
    }
    std::this_thread::yield();
  }
  ADD_FAILURE() << "agent " << pid_ << " does not block";
}

}  // namespace baton::system_tests
