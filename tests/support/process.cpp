// SPDX-License-Identifier: MIT
#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "baton/soc.h"
#include "os/process.hpp"
#include "os/wait.hpp"

// Present in sanitized programs only.
extern "C" int __lsan_do_recoverable_leak_check() __attribute__((weak));
extern "C" std::size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace baton::test {
namespace {

int report_to = -1;

void become_role(pid_t parent, Duration time) {
  checked(::setpgid(0, 0), "setpgid");
  checked(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
  if (::getppid() != parent) std::_Exit(1);
  // The parent ends who is late, and says so; this is for a parent that is stuck.
  ::alarm(static_cast<unsigned>(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + 10);
  ::signal(SIGPIPE, SIG_IGN);
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return std::string{"killed by "} + ::strsignal(WTERMSIG(status));
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void fail(const std::string& what, std::source_location where) {
  const std::string text = std::string{where.file_name()} + ":" + std::to_string(where.line()) + ": " + what;
  if (report_to < 0) {
    std::fprintf(stderr, "%s\n", text.c_str());
    std::abort();
  }
  (void)!::write(report_to, text.data(), text.size());
  ::_exit(1);
}

void fail_call(const char* what, std::source_location where) {
  const int error = errno;
  const std::string sentence = soc_error_text();
  fail(std::string{what} + ": " + std::strerror(error) + " (" + sentence + ")", where);
}

Child::Child(std::string name, const std::function<void()>& role, Duration time)
    : name_{std::move(name)}, deadline_{os::monotonic_now() + time} {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  report_ = UniqueFd{adopt, ends[0]};
  UniqueFd writing{adopt, ends[1]};
  const pid_t parent = ::getpid();
  pid_ = checked(::fork(), "fork");
  if (pid_ == 0) {
    report_to = writing.release();
    become_role(parent, time);
    role();
    if (__lsan_do_recoverable_leak_check != nullptr && __lsan_do_recoverable_leak_check() != 0) fail("memory leaked");
    ::_exit(0);
  }
  ::setpgid(pid_, pid_);  // whoever is first
  auto pidfd = os::open_pidfd(pid_);
  if (!pidfd) fail("pidfd_open");
  pidfd_ = std::move(*pidfd);
}

Child::Child(Child&& other) noexcept
    : name_{std::move(other.name_)},
      pid_{std::exchange(other.pid_, -1)},
      deadline_{other.deadline_},
      pidfd_{std::move(other.pidfd_)},
      report_{std::move(other.report_)} {}

Child::~Child() {
  if (pid_ < 0) return;
  kill_group();
  (void)::waitpid(pid_, nullptr, 0);
}

void Child::kill_group() noexcept {
  if (pid_ > 0) (void)::kill(-pid_, SIGKILL);
}

std::string Child::collect() {
  int status = 0;
  const pid_t pid = std::exchange(pid_, -1);
  if (::waitpid(pid, &status, 0) != pid) return name_ + ": lost";
  (void)::kill(-pid, SIGKILL);  // what it may have started
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  std::array<char, 1024> text{};
  pollfd entry{report_.get(), POLLIN, 0};
  ssize_t size = 0;
  if (::poll(&entry, 1, 0) > 0) size = ::read(report_.get(), text.data(), text.size());
  if (size <= 0) return name_ + ": " + how_it_ended(status);
  return name_ + ": " + std::string{text.data(), static_cast<std::size_t>(size)};
}

std::string finish(std::span<Child> children) {
  std::string failure;
  while (failure.empty()) {
    std::vector<pollfd> entries;
    Instant deadline = never;
    for (const Child& child : children) {
      entries.push_back({child.pid_ < 0 ? -1 : child.pidfd_.get(), POLLIN, 0});
      if (child.pid_ >= 0) deadline = std::min(deadline, child.deadline_);
    }
    if (deadline == never) return {};
    const auto ready = os::poll_until(entries, deadline);
    if (!ready) continue;
    if (*ready == 0) {
      for (const Child& child : children)
        if (child.pid_ >= 0) failure += child.name_ + " has not ended in time; ";
      break;
    }
    for (std::size_t i = 0; i < children.size() && failure.empty(); ++i)
      if (entries[i].revents != 0) failure = children[i].collect();
  }
  for (Child& child : children) {
    child.kill_group();
    if (child.pid_ >= 0) (void)child.collect();
  }
  return failure;
}

SharedMemory::SharedMemory(std::size_t size)
    : address_{::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)}, size_{size} {
  if (address_ == MAP_FAILED) fail_call("mmap");
}

SharedMemory::~SharedMemory() { (void)::munmap(address_, size_); }

Mailbox::Mailbox() {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  reading_ = UniqueFd{adopt, ends[0]};
  writing_ = UniqueFd{adopt, ends[1]};
}

void Mailbox::send(std::uint64_t value) const {
  if (::write(writing_.get(), &value, sizeof value) != sizeof value) fail_call("write to a mailbox");
}

std::uint64_t Mailbox::receive() const {
  std::uint64_t value = 0;
  if (::read(reading_.get(), &value, sizeof value) != sizeof value) fail_call("read from a mailbox");
  return value;
}

bool Mailbox::has_mail() const {
  pollfd entry{reading_.get(), POLLIN, 0};
  return checked(::poll(&entry, 1, 0), "poll of a mailbox") > 0;
}

std::size_t open_descriptors(pid_t process) {
  const std::filesystem::directory_iterator numbers{"/proc/" + std::to_string(process) + "/fd"};
  return static_cast<std::size_t>(std::distance(begin(numbers), end(numbers)));
}

std::string described_descriptors() {
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    std::error_code gone;
    all += entry.path().filename().string() + "=" + std::filesystem::read_symlink(entry.path(), gone).string() + " ";
  }
  return all;
}

std::size_t memory_in_use() {
  if (__sanitizer_get_current_allocated_bytes != nullptr) return __sanitizer_get_current_allocated_bytes();
  std::ifstream statm{"/proc/self/statm"};
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace baton::test
