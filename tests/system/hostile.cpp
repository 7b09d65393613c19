// SPDX-License-Identifier: MIT
#include "hostile.hpp"

#include <chrono>
#include <thread>

#include "support/process.hpp"

namespace baton::system_tests {

namespace {
constexpr auto answer_type = static_cast<std::uint8_t>(handoff::FrameType::Answer);
constexpr auto taken_type = static_cast<std::uint8_t>(handoff::FrameType::Taken);
}  // namespace

void Hostile::SetUp() {
  Parties::SetUp();
  // The library's one thread keeps an event of its own, once it has run.
  for (Agent* const each : {&*listener_, &*server_})
    EXPECT_EQ(each->call([] { return soc_status(1) | soc_status(0); }).value, 0);
  remember_descriptors();
  listener_has_ = listener_->descriptors();
  server_has_ = server_->descriptors();
}

void Hostile::TearDown() {
  await_descriptors(*listener_);
  await_descriptors(*server_);
  expect_unharmed();
}

void Hostile::await_descriptors(Agent& agent) {
  const std::size_t most = &agent == &*listener_ ? listener_has_ : server_has_;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (agent.descriptors() > most && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
}

int Hostile::accept_from(RawPeer& peer) {
  peer.request();
  const int link = server_->call([listening = listening_] { return accept_iso(listening); }).value;
  EXPECT_GE(link, 0);
  EXPECT_FALSE(peer.receive().empty());  // the CC
  EXPECT_TRUE(peer.send(hello_frame()));
  return link;
}

Step Hostile::accepted(const RawPeer& peer, int link, std::uint64_t move) {
  EXPECT_TRUE(peer.send(offer_frame(move)));
  const Step seen = look_for_offer(*server_, link);
  EXPECT_TRUE(seen.ok()) << seen.text;
  EXPECT_STEP(server_->call([=] { return system_tests::answer(link, seen.header, 0); }).value);
  EXPECT_FALSE(peer.receive_frame(answer_type).empty());
  return seen;
}

void Hostile::expect_refused(const RawPeer& peer, int link, const std::vector<std::byte>& call,
                             std::initializer_list<int> descriptors, handoff::TakeOutcome outcome, int error) {
  const Step seen = accepted(peer, link, move_in(call));
  EXPECT_TRUE(peer.send_with(call, std::span{descriptors.begin(), descriptors.size()})) << std::strerror(errno);
  EXPECT_ERRNO(error, server_->call([=] { return system_tests::take(link, seen.header); }).value);
  EXPECT_EQ(outcome_in(peer.receive_frame(taken_type)), outcome);
  close_in(*server_, {seen.header.fd_server});
}

Hostile::ToHostile Hostile::link_to(const RawListener& villain) {
  auto connecting = listener_->start([] { return connect_iso("H"); });
  RawPeer peer = villain.accept();
  const int link = connecting.get().value;
  EXPECT_GE(link, 0);
  return {std::move(peer), link};
}

Step Hostile::offer_over(Agent& agent, int link, const Connection& connection) {
  return agent.call([=, number = connection.number] { return system_tests::offer(link, number, AF_INET); }).value;
}
Step Hostile::await_answer_over(Agent& agent, int link, const Connection& connection) {
  return agent.call([=, number = connection.number] { return system_tests::await_answer(link, number, AF_INET); })
      .value;
}
Step Hostile::call_over(Agent& agent, int link, const Connection& connection) {
  return agent.call([=, number = connection.number] { return system_tests::call(link, number, AF_INET); }).value;
}
Step Hostile::outcome_over(Agent& agent, int link, const Connection& connection) {
  return agent.call([=, number = connection.number] { return system_tests::outcome(link, number, AF_INET); }).value;
}
Step Hostile::look_for_offer(Agent& agent, int link, int flags) {
  return agent.call([=] { return system_tests::receive_offer(link, flags); }).value;
}

void Hostile::set_move_timeout(Agent& agent, int link, int milliseconds) {
  const auto set = agent.call(
      [=] { return soc_setsockopt(link, SOL_TRANSPORT, TPOPT_MOVE_TIMEOUT, &milliseconds, sizeof milliseconds); });
  EXPECT_EQ(set.value, 0);
}

Reply<int> Hostile::poll(Agent& agent, int number, int milliseconds) {
  return agent.call([=] {
    pollfd entry{number, POLLIN, 0};
    return soc_poll_ms(&entry, 1, milliseconds);
  });
}

std::size_t Hostile::memory_of(Agent& agent) {
  return agent.call([] { return test::memory_in_use(); }).value;
}

}  // namespace baton::system_tests
