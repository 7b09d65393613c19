// SPDX-License-Identifier: MIT
#include "parties.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace baton::system_tests {
namespace {

constexpr int limit_ms = 20'000;

bool await_readable(int number) {
  pollfd entry{number, POLLIN, 0};
  return ::poll(&entry, 1, limit_ms) == 1;
}

}  // namespace

long read_outcome(int number) {
  char octets[4096];
  if (!await_readable(number)) return -ETIME;
  const ssize_t got = ::read(number, octets, sizeof octets);
  return got < 0 ? -errno : got;
}

std::string read_some(int number, std::size_t size) {
  std::string all;
  while (all.size() < size && await_readable(number)) {
    std::array<char, 65536> room;
    const ssize_t got = ::recv(number, room.data(), std::min(room.size(), size - all.size()), 0);
    if (got <= 0) break;
    all.append(room.data(), static_cast<std::size_t>(got));
  }
  return all;
}

void write_all(int number, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t sent = ::send(number, octets.data(), octets.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0) << std::strerror(errno);
    octets.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Parties::SetUp() {
  listener_.emplace();
  server_.emplace();
  struct Front {
    int number;
    unsigned short port;
  };
  const auto listen_at = [](int family) {
    return [=] {
      Front front{};
      front.number = listen_tcp(family, &front.port);
      return front;
    };
  };
  const Front front = listener_->call(listen_at(AF_INET)).value;
  const Front front6 = listener_->call(listen_at(AF_INET6)).value;
  front_ = front.number;
  port_ = front.port;
  front6_ = front6.number;
  port6_ = front6.port;
  listening_ = server_->call([] { return listen_iso("S"); }).value;
  ASSERT_GE(front_, 0);
  ASSERT_GE(front6_, 0);
  ASSERT_GE(listening_, 0);
  link_ = open_link(*listener_, *server_, listening_);
}

Parties::LinkNumbers Parties::open_link(Agent& from, Agent& to, int listening) {
  LinkNumbers numbers;
  auto connecting = from.start([] { return connect_iso("S"); });
  numbers.in_server = to.call([=] { return accept_iso(listening); }).value;
  numbers.in_listener = connecting.get().value;
  EXPECT_GE(numbers.in_listener, 0);
  EXPECT_GE(numbers.in_server, 0);
  return numbers;
}

Connection Parties::connect_client(int family) {
  Connection connection;
  connection.family = family;
  connection.client = UniqueFd{adopt, connect_tcp(family, family == AF_INET ? port_ : port6_)};
  const int front = family == AF_INET ? front_ : front6_;
  connection.number = listener_->call([=] { return soc_accept(front, nullptr, nullptr); }).value;
  EXPECT_TRUE(connection.client.valid());
  EXPECT_GE(connection.number, 0);
  return connection;
}

Step Parties::offer(const Connection& connection, int domain) {
  const int said = domain != 0 ? domain : connection.family;
  return listener_
      ->call([link = link_.in_listener, number = connection.number, said] {
        return system_tests::offer(link, number, said);
      })
      .value;
}

Step Parties::receive_offer() {
  const Step step = server_->call([link = link_.in_server] { return system_tests::receive_offer(link); }).value;
  offered_ = step.header;
  return step;
}

Step Parties::answer(short bind_ok) {
  return server_
      ->call([link = link_.in_server, offered = offered_, bind_ok] {
        return system_tests::answer(link, offered, bind_ok);
      })
      .value;
}

Step Parties::await_answer(const Connection& connection) {
  return listener_
      ->call([link = link_.in_listener, number = connection.number, family = connection.family] {
        return system_tests::await_answer(link, number, family);
      })
      .value;
}

Step Parties::call(const Connection& connection) {
  return listener_
      ->call([link = link_.in_listener, number = connection.number, family = connection.family] {
        return system_tests::call(link, number, family);
      })
      .value;
}

Step Parties::take() {
  return server_->call([link = link_.in_server, offered = offered_] { return system_tests::take(link, offered); })
      .value;
}

Step Parties::outcome(const Connection& connection) {
  return listener_
      ->call([link = link_.in_listener, number = connection.number, family = connection.family] {
        return system_tests::outcome(link, number, family);
      })
      .value;
}

void Parties::offered(const Connection& connection) {
  EXPECT_STEP(offer(connection));
  EXPECT_STEP(receive_offer());
}

void Parties::answered(const Connection& connection) {
  offered(connection);
  EXPECT_STEP(answer());
}

void Parties::stopped(const Connection& connection) {
  answered(connection);
  const Step step = await_answer(connection);
  EXPECT_TRUE(step.ok()) << step.text;
  EXPECT_EQ(step.header.bind_ok, REDBIND_OK);
}

void Parties::called(const Connection& connection) {
  stopped(connection);
  EXPECT_STEP(call(connection));
}

int Parties::moved(const Connection& connection) {
  called(connection);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(connection));
  return taken.header.fd_server;
}

void Parties::expect_serves(Agent& agent, int number, const Connection& connection) {
  struct Got {
    ssize_t size;
    char octets[32];
  };
  write_all(connection.client.get(), "to the holder");
  const Got got = agent
                      .call([number] {
                        Got read{};
                        // All of it, or what an error or the end leaves.
                        while (read.size < 13) {
                          const ssize_t size =
                              soc_recv(number, read.octets + read.size, 13 - static_cast<size_t>(read.size), 0);
                          if (size <= 0) break;
                          read.size += size;
                        }
                        return read;
                      })
                      .value;
  EXPECT_EQ(std::string(got.octets, static_cast<std::size_t>(got.size)), "to the holder");
  EXPECT_EQ(agent.call([number] { return soc_send(number, "and back", 8, 0); }).value, 8);
  EXPECT_EQ(read_some(connection.client.get(), 8), "and back");
}

void Parties::expect_end(const Connection& connection) { EXPECT_EQ(read_outcome(connection.client.get()), 0); }
void Parties::expect_reset(const Connection& connection) {
  EXPECT_EQ(read_outcome(connection.client.get()), -ECONNRESET);
}

void Parties::close_in(Agent& agent, std::initializer_list<int> numbers) {
  for (const int number : numbers) EXPECT_EQ(agent.call([number] { return soc_close(number); }).value, 0);
}

void Parties::warm_up() {
  const Connection connection = connect_client();
  const int number = moved(connection);
  expect_serves(*server_, number, connection);
  close_in(*listener_, {connection.number});
  close_in(*server_, {number});
  expect_end(connection);
}

void Parties::remember_descriptors() {
  warm_up();
  // Who has waited on a link once has something to be woken by.
  const auto wait_on = [](int link) {
    return [link] {
      pollfd entry{link, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 0);
    };
  };
  EXPECT_EQ(listener_->call(wait_on(link_.in_listener)).value, 0);
  EXPECT_EQ(server_->call(wait_on(link_.in_server)).value, 0);
  listener_descriptors_ = listener_->descriptors();
  server_descriptors_ = server_->descriptors();
}

void Parties::expect_unharmed() {
  warm_up();
  EXPECT_EQ(listener_->descriptors(), listener_descriptors_) << listener_->described_descriptors();
  EXPECT_EQ(server_->descriptors(), server_descriptors_) << server_->described_descriptors();
}

soc_statistics Parties::statistics(Agent& agent) {
  return agent
      .call([] {
        soc_statistics all{};
        all.size = sizeof all;
        soc_get_statistics(&all);
        return all;
      })
      .value;
}

}  // namespace baton::system_tests
