// SPDX-License-Identifier: MIT
#include "os/trace.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/unique_fd.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::os {
namespace detail {
constinit std::atomic<TraceState> trace_state{TraceState::Unknown};
}  // namespace detail

namespace {

// The file lives as long as the process. Its number lies high, out of the way of programs that count on low ones; a
// program may close it all the same and use the number again, so its identity is checked before each line.
constexpr int trace_number_from = 700;
constinit std::atomic<int> trace_descriptor{-1};
constinit std::atomic<dev_t> trace_device{0};
constinit std::atomic<ino_t> trace_inode{0};

constexpr std::string_view line_end = "}\n";
constexpr std::string_view cut_mark = ",\"cut\":true";

class ErrnoKeeper {
 public:
  ErrnoKeeper() noexcept : kept_{errno} {}
  ErrnoKeeper(const ErrnoKeeper&) = delete;
  ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;
  ~ErrnoKeeper() { errno = kept_; }

 private:
  int kept_;
};

UniqueFd open_trace(struct stat& file) noexcept {
  const char* const name = secure_getenv("BATON_TRACE");
  if (name == nullptr || *name == '\0') return {};
  // O_NONBLOCK: opening a FIFO must not wait. What is neither file nor terminal could raise SIGPIPE and is refused.
  // O_NOFOLLOW: in a folder for all, a stranger's link would lead into a file of ours; /dev/stderr is one of root's.
  const int follow = std::string_view{name}.starts_with("/dev/") ? 0 : O_NOFOLLOW;
  const UniqueFd opened{adopt,
                        open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | follow, 0600)};
  if (!opened.valid() || fstat(opened.get(), &file) != 0) return {};
  if (!S_ISREG(file.st_mode) && !S_ISCHR(file.st_mode)) return {};
  if (follow == 0 || S_ISCHR(file.st_mode)) return duplicate_high(opened.ref(), trace_number_from).value_or(UniqueFd{});
  // A stranger's file is the stranger's to read, and one of two names may be of a file that is no trace.
  if ((file.st_uid != geteuid() && file.st_uid != 0) || file.st_nlink != 1) return {};
  return duplicate_high(opened.ref(), trace_number_from).value_or(UniqueFd{});
}

/// The descriptor, or -1 if the number names something else by now.
int verified_descriptor() noexcept {
  const int number = trace_descriptor.load(std::memory_order_acquire);
  struct stat file{};
  if (number < 0 || fstat(number, &file) != 0) return -1;
  const bool ours = file.st_dev == trace_device.load(std::memory_order_relaxed) &&
                    file.st_ino == trace_inode.load(std::memory_order_relaxed);
  return ours ? number : -1;
}

}  // namespace

namespace detail {

// No lock and no function-local static: a fork in another thread must not leave either of them taken in the child.
bool start_trace() noexcept {
  const ErrnoKeeper keeper;
  struct stat file{};
  UniqueFd opened = open_trace(file);
  if (!opened.valid()) {
    TraceState unknown = TraceState::Unknown;
    trace_state.compare_exchange_strong(unknown, TraceState::Off, std::memory_order_relaxed);
    return trace_state.load(std::memory_order_relaxed) == TraceState::On;
  }
  trace_device.store(file.st_dev, std::memory_order_relaxed);
  trace_inode.store(file.st_ino, std::memory_order_relaxed);
  int nobody = -1;
  // The thread that comes second closes its own again: both have opened the same file.
  if (trace_descriptor.compare_exchange_strong(nobody, opened.get(), std::memory_order_release))
    static_cast<void>(opened.release());
  trace_state.store(TraceState::On, std::memory_order_relaxed);
  return true;
}

}  // namespace detail

bool TraceLine::put(std::string_view text) noexcept {
  if (text.size() > buffer_.size() - cut_mark.size() - line_end.size() - size_) return false;
  std::memcpy(buffer_.data() + size_, text.data(), text.size());
  size_ += text.size();
  return true;
}

bool TraceLine::put_escaped(std::string_view text) noexcept {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char each : text) {
    const auto octet = static_cast<unsigned char>(each);
    const bool plain = octet >= 0x20 && octet < 0x7f && each != '"' && each != '\\';
    const char escaped[] = {'\\', 'u', '0', '0', digits[octet >> 4], digits[octet & 0xf]};
    if (!put(plain ? std::string_view{&each, 1} : std::string_view{escaped, sizeof escaped})) return false;
  }
  return true;
}

void TraceLine::add_text(std::string_view name, std::string_view value) noexcept {
  const std::size_t before = size_;
  if (put(",\"") && put(name) && put("\":\"") && put_escaped(value) && put("\"")) return;
  size_ = before;
  cut_ = true;
}

void TraceLine::add_number(std::string_view name, bool negative, std::uint64_t value) noexcept {
  std::array<char, 20> digits;
  const std::uint64_t magnitude = negative ? 0 - value : value;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), magnitude).ptr;
  const std::size_t before = size_;
  if (put(",\"") && put(name) && put(negative ? "\":-" : "\":") && put({digits.data(), end})) return;
  size_ = before;
  cut_ = true;
}

void TraceLine::begin(std::uint64_t link, std::uint64_t move, char role, std::string_view event) noexcept {
  const ErrnoKeeper keeper;
  std::array<char, 16> digits;
  const auto hex = [&digits](std::uint64_t value) {
    return std::string_view{digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr};
  };
  size_ = 0;
  put("{\"t\":");
  std::array<char, 20> now;
  put({now.data(), std::to_chars(now.data(), now.data() + now.size(), monotonic_now().count()).ptr});
  add_number("pid", false, static_cast<std::uint64_t>(process_id()));
  add_text("link", hex(link));
  add_text("move", hex(move));
  add_text("role", {&role, 1});
  add_text("event", event);
}

void TraceLine::finish() noexcept {
  const ErrnoKeeper keeper;
  // put() has left room for both.
  if (cut_) {
    std::memcpy(buffer_.data() + size_, cut_mark.data(), cut_mark.size());
    size_ += cut_mark.size();
  }
  std::memcpy(buffer_.data() + size_, line_end.data(), line_end.size());
  size_ += line_end.size();
  const int descriptor = verified_descriptor();
  // A full disk loses lines; the move does not stop for that.
  if (descriptor >= 0) [[maybe_unused]]
    const ssize_t written = ::write(descriptor, buffer_.data(), size_);
  size_ = 0;
}

}  // namespace baton::os
