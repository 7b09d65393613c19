// SPDX-License-Identifier: MIT
// baton: bench/support/process.hpp: the processes of a measurement, what they share, and where they run.
//
// Every child is a process group of its own, ends when its parent does, and is killed when its Child goes away.
// Every process of a measurement has a deadline (alarm(2)): nothing hangs.
#pragma once

#include <sys/types.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "support/measure.hpp"

namespace baton::bench {

inline constexpr int any_processor = -1;

/// To be called first: deadline in seconds for this process, and as many descriptors as the hard limit allows.
void begin_process(unsigned deadline);
/// Processors that this process may use, lowest first.
[[nodiscard]] std::vector<int> processors();

class Child {
 public:
  /// Runs `body` in a child on `processor`; the child ends with 0 when it returns.
  static Child run(const char* name, int processor, unsigned deadline, const std::function<void()>& body);
  /// Runs a program; `arguments[0]` is searched in PATH. `standard_output` -1: this process's.
  static Child execute(const std::vector<std::string>& arguments, unsigned deadline, int standard_output);
  ~Child();
  Child(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Ends it now, and waits until it is gone.
  void end() noexcept;

 private:
  friend void wait_for(std::span<Child> children);
  Child(std::string name, pid_t pid) : name_{std::move(name)}, pid_{pid} {}
  std::string name_;
  pid_t pid_;
};

/// Waits until all have ended with 0. As soon as one ends otherwise, the others are killed and this process fails.
void wait_for(std::span<Child> children);

/// Zeroed memory that children started later share with this process, until the end of the process.
void* shared_memory(std::size_t size);
template <typename T>
std::span<T> shared_array(std::size_t count) {
  return {static_cast<T*>(shared_memory(count * sizeof(T))), count};
}

/// A fresh runtime folder for the library's sockets, named in BATON_RUNTIME_DIR; removed with this object.
class RuntimeFolder {
 public:
  RuntimeFolder();
  ~RuntimeFolder();
  RuntimeFolder(const RuntimeFolder&) = delete;
  RuntimeFolder& operator=(const RuntimeFolder&) = delete;

 private:
  std::string path_;
};

}  // namespace baton::bench
