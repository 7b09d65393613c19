// SPDX-License-Identifier: MIT
#include "routing/balance.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace baton::routing {
namespace {

WorkerState worker(WorkerId id, std::uint32_t weight = 1, std::uint32_t moves = 0) {
  return {.id = id,
          .key = stable_key("worker " + std::to_string(id)),
          .weight = weight,
          .credit = 8,
          .moves = moves,
          .up = true};
}
recognise::IpAddress client(std::uint32_t number) {
  std::array<std::byte, 4> octets{};
  ByteWriter{octets}.u32(number);
  return recognise::IpAddress::from(octets).value();
}
using Workers = std::vector<WorkerState>;
std::size_t chosen(Balancer& balancer, Policy policy, const Workers& workers, std::vector<WorkerId> refused = {}) {
  return balancer.choose(policy, workers, {}, refused).value();
}
constexpr Policy policies[]{Policy::RoundRobin, Policy::First, Policy::LeastMoves, Policy::Hash};

TEST(Balancer, LeavesOutWhoCannot) {
  Workers workers{worker(1), worker(2), worker(3), worker(4), worker(5), worker(6)};
  workers[0].up = false;
  workers[1].draining = true;
  workers[2].credit = 0;
  workers[3].weight = 0;
  for (const Policy policy : policies) {
    Balancer balancer;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(chosen(balancer, policy, workers, {5}), 5U);
  }
}

TEST(Balancer, TellsBusyFromNobody) {
  for (const Policy policy : policies) {
    Balancer balancer;
    EXPECT_EQ(balancer.choose(policy, {}, {}, {}).error(), NoWorker::Nobody);
    Workers workers{worker(1), worker(2)};
    const std::vector<WorkerId> both{1, 2};
    EXPECT_EQ(balancer.choose(policy, workers, {}, both).error(), NoWorker::Nobody);
    workers[0].credit = 0;
    workers[1].up = false;
    EXPECT_EQ(balancer.choose(policy, workers, {}, {}).error(), NoWorker::AllBusy);
  }
}

TEST(Balancer, GivesInTurnByWeight) {
  Balancer balancer;
  const Workers workers{worker(1, 5), worker(2, 1), worker(3, 1)};
  std::string order;
  for (int i = 0; i < 7; ++i) order += static_cast<char>('a' + chosen(balancer, Policy::RoundRobin, workers));
  EXPECT_EQ(order, "aabacaa");  // 5, 1, 1, and never all five in a row
}

TEST(Balancer, GivesInTurnAsWorkersComeAndGo) {
  Balancer balancer;
  Workers workers{worker(1), worker(2)};
  EXPECT_NE(chosen(balancer, Policy::RoundRobin, workers), chosen(balancer, Policy::RoundRobin, workers));
  workers = {worker(2), worker(3), worker(4)};
  std::map<std::size_t, int> got;
  for (int i = 0; i < 30; ++i) ++got[chosen(balancer, Policy::RoundRobin, workers)];
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(got[i], 10);
}

TEST(Balancer, PrefersTheFirstOrTheLeastBusy) {
  Balancer balancer;
  EXPECT_EQ(chosen(balancer, Policy::First, {worker(1), worker(2)}), 0U);
  EXPECT_EQ(chosen(balancer, Policy::LeastMoves, {worker(1, 1, 3), worker(2, 1, 1), worker(3, 1, 2)}), 1U);
  EXPECT_EQ(chosen(balancer, Policy::LeastMoves, {worker(1, 1, 1), worker(2, 4, 5)}), 1U);  // 6/4 against 2/1
  std::map<std::size_t, int> got;
  for (int i = 0; i < 30; ++i) ++got[chosen(balancer, Policy::LeastMoves, {worker(1), worker(2), worker(3, 1, 1)})];
  EXPECT_EQ(got[0], 15);
  EXPECT_EQ(got[1], 15);
}

TEST(Balancer, HashesByWeightWithinFivePercent) {
  Balancer balancer;
  const Workers workers{worker(1, 1), worker(2, 2), worker(3, 3)};
  std::array<int, 3> got{};
  constexpr int clients = 12000;
  for (std::uint32_t i = 0; i < clients; ++i) ++got[balancer.choose(Policy::Hash, workers, client(i), {}).value()];
  EXPECT_NEAR(got[0], clients / 6, clients / 20);
  EXPECT_NEAR(got[1], clients / 3, clients / 20);
  EXPECT_NEAR(got[2], clients / 2, clients / 20);
}

RC_GTEST_PROP(BalancerProperty, AWorkerThatGoesMovesOnlyItsOwnClients, ()) {
  Workers workers;
  const auto count = *rc::gen::inRange<WorkerId>(2, 10);
  for (WorkerId id = 1; id <= count; ++id) workers.push_back(worker(id, *rc::gen::inRange(1U, 5U)));
  const auto gone = *rc::gen::inRange<std::size_t>(0, workers.size());
  Workers rest = workers;
  rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(gone));
  std::ranges::reverse(rest);  // the order says nothing
  Balancer balancer;
  for (std::uint32_t i = 0; i < 50; ++i) {
    const auto source = client(*rc::gen::arbitrary<std::uint32_t>());
    const WorkerId before = workers[balancer.choose(Policy::Hash, workers, source, {}).value()].id;
    const WorkerId after = rest[balancer.choose(Policy::Hash, rest, source, {}).value()].id;
    RC_ASSERT(before == workers[gone].id || before == after);
  }
}

RC_GTEST_PROP(BalancerProperty, NobodyIsChosenWhoCannot, ()) {
  Workers workers;
  for (WorkerId id = *rc::gen::inRange<WorkerId>(0, 8); id > 0; --id) {
    WorkerState each = worker(id, *rc::gen::inRange(0U, 3U), *rc::gen::inRange(0U, 3U));
    each.credit = *rc::gen::inRange(0U, 2U);
    each.up = *rc::gen::arbitrary<bool>();
    each.draining = *rc::gen::arbitrary<bool>();
    workers.push_back(each);
  }
  const auto refused = *rc::gen::container<std::vector<WorkerId>>(rc::gen::inRange<WorkerId>(1, 8));
  const auto can = [&](const WorkerState& each) {
    return each.up && !each.draining && each.credit > 0 && each.weight > 0 &&
           std::ranges::find(refused, each.id) == refused.end();
  };
  Balancer balancer;
  for (const Policy policy : policies) {
    const auto choice = balancer.choose(policy, workers, client(7), refused);
    RC_ASSERT(choice.has_value() == std::ranges::any_of(workers, can));
    if (choice) RC_ASSERT(can(workers[*choice]));
  }
}

Pool pool(std::string name, std::vector<std::string> fallback = {}) {
  return {.name = std::move(name), .fallback = std::move(fallback)};
}

TEST(Balancers, FallBackInOrderEachOnce) {
  Configuration configuration;
  configuration.pools = {pool("a", {"b", "c"}), pool("b", {"d", "a"}), pool("c"), pool("d")};
  EXPECT_EQ(pools_in_order(configuration.pools, 0), (std::vector<std::size_t>{0, 1, 2, 3}));
  Balancers balancers{configuration};
  PoolWorkers workers{{worker(1)}, {}, {worker(3)}, {worker(4)}};
  EXPECT_EQ(balancers.place(0, workers, {}, {}).value(), (Placement{0, 0}));
  const std::vector<WorkerId> refused{1};
  EXPECT_EQ(balancers.place(0, workers, {}, refused).value(), (Placement{2, 0}));
  workers[0][0].credit = 0;
  EXPECT_EQ(balancers.place(0, workers, {}, {}).value(), (Placement{2, 0}));
  EXPECT_EQ(balancers.place(0, workers, {}, {}, true).error(), NoWorker::AllBusy);
  EXPECT_EQ(balancers.place(0, workers, {}, refused, true).value(), (Placement{2, 0}));
  workers[2].clear();
  workers[3].clear();
  EXPECT_EQ(balancers.place(0, workers, {}, {}).error(), NoWorker::AllBusy);
  EXPECT_EQ(balancers.place(0, workers, {}, refused).error(), NoWorker::Nobody);
}

}  // namespace
}  // namespace baton::routing
