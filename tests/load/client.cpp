// SPDX-License-Identifier: MIT
// The client's side of all connections: messages that have to come back.
#include <fcntl.h>
#include <sys/epoll.h>

#include <array>
#include <vector>

#include "os/process.hpp"
#include "soak.hpp"
#include "support/sockets.hpp"

namespace baton::load {
namespace {

class Client {
 public:
  explicit Client(const Stage& stage) : stage_{stage}, events_{adopt, ::epoll_create1(EPOLL_CLOEXEC)} {
    const auto port = static_cast<std::uint16_t>(stage.port.receive());
    for (std::uint32_t i = 0; i < stage.state->settings.connections; ++i) {
      sockets_.push_back(test::tcp_connect(AF_INET, port));
      const FdRef socket = sockets_.back().ref();
      test::checked(::fcntl(socket.get(), F_SETFL, O_NONBLOCK), "fcntl");
      epoll_event event{EPOLLIN, {.u32 = i}};
      test::checked(::epoll_ctl(events_.get(), EPOLL_CTL_ADD, socket.get(), &event), "epoll_ctl");
      // In step with the listener, whose queue is short.
      test::require(stage.accepted.receive() == i, "connections are accepted in order");
    }
    sent_at_.resize(sockets_.size());
    answered_.resize(sockets_.size());
  }

  void run() {
    const auto& settings = stage_.state->settings;
    for (std::uint32_t i = 0; i < std::min(settings.active, settings.connections); ++i) send_next();
    while (!stage_.state->over.load() || under_way_ > 0) {
      receive();
      while (under_way_ < settings.active && !stage_.state->over.load()) send_next();
    }
    for (const UniqueFd& socket : sockets_) test::checked(::shutdown(socket.get(), SHUT_WR), "shutdown");
    for (std::uint32_t i = 0; i < sockets_.size(); ++i) await_end(i);
  }

 private:
  /// One after the other, past those that still wait.
  void send_next() {
    for (std::size_t tried = 0; tried < sockets_.size(); ++tried) {
      const std::uint32_t at = next_;
      next_ = (next_ + 1) % static_cast<std::uint32_t>(sockets_.size());
      if (sent_at_[at] == Instant{}) return send(at);
    }
  }
  void send(std::uint32_t at) {
    Connection& connection = stage_.connections[at];
    test::Producer producer{upward(at), connection.client_sent};
    std::array<std::byte, message_size> message;
    producer.peek(message);
    const auto sent = ::send(sockets_[at].get(), message.data(), message.size(), MSG_NOSIGNAL);
    if (sent != message_size) test::fail_call("a short message fits into an idle connection");
    producer.written(message);
    connection.client_sent = producer.tally();
    sent_at_[at] = os::monotonic_now();
    ++under_way_;
  }
  void receive() {
    std::array<epoll_event, 256> ready;
    constexpr int tick_ms = 100;
    const int count = ::epoll_wait(events_.get(), ready.data(), ready.size(), tick_ms);
    for (int i = 0; i < count; ++i) read(ready[static_cast<std::size_t>(i)].data.u32);
  }
  void read(std::uint32_t at) {
    std::array<std::byte, message_size> octets;
    const auto size = ::recv(sockets_[at].get(), octets.data(), octets.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) test::fail_call("a connection has ended");
    take_in(at, Bytes{octets}.first(static_cast<std::size_t>(size)));
    answered_[at] += static_cast<std::size_t>(size);
    test::require(answered_[at] <= message_size, "no more comes back than was sent");
    if (answered_[at] < message_size) return;
    answered_[at] = 0;
    const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(os::monotonic_now() - sent_at_[at]).count();
    auto& longest = stage_.state->longest_exchange_ns;
    if (static_cast<std::uint64_t>(took) > longest.load()) longest.store(static_cast<std::uint64_t>(took));
    stage_.state->exchanges.fetch_add(1);
    sent_at_[at] = Instant{};
    --under_way_;
  }
  void take_in(std::uint32_t at, Bytes octets) {
    Connection& connection = stage_.connections[at];
    test::Checker checker{downward(at), connection.client_received};
    checker.read(octets);
    connection.client_received = checker.tally();
  }
  void await_end(std::uint32_t at) {
    test::checked(::fcntl(sockets_[at].get(), F_SETFL, 0), "fcntl");
    std::array<std::byte, message_size> octets;
    test::require(test::read_some(sockets_[at].ref(), octets) == 0, "the end of file, and nothing before it");
  }

  const Stage& stage_;
  UniqueFd events_;
  std::vector<UniqueFd> sockets_;
  std::vector<Instant> sent_at_;  // zero: no message is under way
  std::vector<std::size_t> answered_;
  std::uint32_t next_ = 0;
  std::uint32_t under_way_ = 0;
};

}  // namespace

void run_client(const Stage& stage) {
  raise_descriptor_limit();
  Client client{stage};
  client.run();
}

}  // namespace baton::load
