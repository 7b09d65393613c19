// SPDX-License-Identifier: MIT
// baton: system/agent.hpp: a process that does what the test says, one call after the other.
//
// A test is written as one sequence, although listener and server are processes of their own:
//
//   Agent server;
//   auto number = server.call([] { return soc_socket(AF_ISO, SOCK_STREAM, 0); });   // runs in the server's process
//   auto taking = server.start([=] { return take(link); });                          // ... and may block there
//   ... taking.get() ...
//
// The agent is forked, so it knows the test's code; what it is told to run may capture values, but neither references
// nor pointers to what came after the fork. It starts with descriptors 0 to 2 and its channel alone.
// Invariant: a reply that does not come in time, and an agent that ends otherwise than told, fail the test.
// Threads:   one thread of the test talks to an agent.
#pragma once

#include <sys/types.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>

#include "base/unique_fd.hpp"

namespace baton::system_tests {

/// What a call in the agent gave: its value, and errno behind it.
template <class Value>
struct Reply {
  Value value{};
  int error = 0;
};

class Agent {
 public:
  /// `user`: the agent runs as that user, without further groups; 0: as the test does.
  explicit Agent(uid_t user = 0);
  /// Ends the agent in order unless that has happened, and expects exit status 0.
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  template <class Value>
  class Pending {
   public:
    /// Waits for the reply.
    Reply<Value> get() {
      Reply<Value> reply;
      agent_->receive(&reply, sizeof reply);
      return reply;
    }
    /// Whether the call has returned: never waits longer than `milliseconds`.
    [[nodiscard]] bool done(int milliseconds = 0) const { return agent_->has_reply(milliseconds); }

   private:
    friend class Agent;
    explicit Pending(Agent* agent) : agent_{agent} {}
    Agent* agent_;
  };

  /// Runs `function` in the agent; the reply is to be fetched before the next call.
  template <class Function>
  auto start(Function function) {
    using Value = std::invoke_result_t<Function>;
    static_assert(std::is_trivially_copyable_v<Function> && sizeof(Function) <= capture_room);
    static_assert(std::is_trivially_copyable_v<Value>);
    Order order;
    order.run = [](std::byte* captured, std::byte* room) {
      Reply<Value> reply;
      alignas(Function) std::byte copy[sizeof(Function)];
      std::memcpy(copy, captured, sizeof copy);
      errno = 0;
      reply.value = (*reinterpret_cast<Function*>(copy))();
      reply.error = errno;
      std::memcpy(room, &reply, sizeof reply);
      return sizeof reply;
    };
    static_assert(sizeof(Reply<Value>) <= reply_room);
    std::memcpy(order.captured.data(), static_cast<const void*>(&function), sizeof function);
    send(order);
    return Pending<Value>{this};
  }
  template <class Function>
  auto call(Function function) {
    return start(function).get();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// kill -9, and reaps it.
  void kill();
  /// As kill(), and leaves it unreaped: a zombie.
  void kill_unreaped();
  /// Lets it end by itself, status 0.
  void end();
  /// Takes notice of an agent whose last call ended the process; the status as waitpid(2) gives it.
  int await_end();
  /// The agent's open descriptors, the channel not counted.
  [[nodiscard]] std::size_t descriptors() const;
  /// Their numbers and what they are, for messages.
  [[nodiscard]] std::string described_descriptors() const;
  /// Waits until its main thread sleeps in a system call that waits.
  void await_blocked() const;
  /// Waits until the library's thread has nothing more to wait for, and has ended.
  void await_alone() const;

 private:
  static constexpr std::size_t capture_room = 8192;
  static constexpr std::size_t reply_room = 65536;
  struct Order {
    std::size_t (*run)(std::byte* captured, std::byte* room) = nullptr;
    std::array<std::byte, capture_room> captured{};
  };

  void send(const Order& order);
  void receive(void* reply, std::size_t size);
  [[nodiscard]] bool has_reply(int milliseconds) const;
  [[noreturn]] static void serve(int channel);

  pid_t pid_ = -1;
  bool reaped_ = false;
  UniqueFd channel_;
};

/// Number of the agent's channel in its own process, out of the way of the numbers that a test looks at.
inline constexpr int agent_channel = 900;

}  // namespace baton::system_tests
