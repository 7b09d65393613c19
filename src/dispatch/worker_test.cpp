// SPDX-License-Identifier: MIT
#include "dispatch/worker.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/test_support.hpp"

namespace baton::dispatch {
namespace {

struct Heard final : Worker::Owner {
  void moved(Worker&, VisitorPtr) override { ++moves; }
  void came_back(Worker&, VisitorPtr visitor, int) override { back.push_back(std::move(visitor)); }
  void has_credit(Worker&) override { ++credits; }
  void ended(Worker&) override { ++ends; }

  int moves = 0;
  int credits = 0;
  int ends = 0;
  std::vector<VisitorPtr> back;
};

/// Both ends of a link in this process: the Worker of the loop, and what the worker's program does.
class WorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/baton-unit-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ASSERT_EQ(::setenv("BATON_RUNTIME_DIR", folder_.c_str(), 1), 0);
    auto listener = LinkListener::listen(*Selector::from_text("pool"));
    ASSERT_TRUE(listener);
    auto connecting = Link::begin_connect(*Selector::from_text("pool"));
    ASSERT_TRUE(connecting);
    auto accepted = listener->accept();
    ASSERT_TRUE(accepted);
    auto connected = connecting->finish(Deadline::never());
    ASSERT_TRUE(connected);
    program = std::move(*connected);
    worker.emplace(loop, std::move(*accepted), 1, static_cast<Worker::Owner&>(heard));
  }
  void TearDown() override {
    ::unsetenv("BATON_RUNTIME_DIR");
    std::filesystem::remove_all(folder_);
  }

  VisitorPtr visitor() {
    auto pair = os::testing::connect_on_loopback(AF_INET);
    clients_.push_back(std::move(pair.client));
    auto made = std::make_unique<Visitor>();
    made->connection = Connection::adopt(pair.server.release());
    return made;
  }
  /// What the loop does without waiting.
  void turn() {
    loop.restart();
    loop.poll();
  }

  asio::io_context loop;
  Heard heard;
  Link program;
  std::optional<Worker> worker;

 private:
  std::string folder_;
  std::vector<UniqueFd> clients_;
};

TEST_F(WorkerTest, HearsOfCreditAndOutcome) {
  turn();
  EXPECT_EQ(worker->credit(), 0U);
  ASSERT_TRUE(program.credit(4));
  turn();
  EXPECT_EQ(worker->credit(), 4U);
  EXPECT_EQ(heard.credits, 1);
  worker->give(visitor());
  turn();
  EXPECT_EQ(worker->under_way(), 1U);
  ASSERT_TRUE(program.take(Deadline::now()));
  turn();
  EXPECT_EQ(heard.moves, 1);
  EXPECT_EQ(worker->under_way(), 0U);
}

TEST_F(WorkerTest, HearsAnOutcomeThatGivingHasRead) {
  ASSERT_TRUE(program.credit(1));
  turn();
  worker->give(visitor());
  turn();
  ASSERT_EQ(worker->under_way(), 1U);
  // The outcome and new credit come in the same turn of the loop in which there is more to give, and before that: it
  // reads both, for it needs the credit, and the link does not poll readable any more.
  asio::post(loop, [this] { EXPECT_TRUE(program.take(Deadline::now())); });
  worker->give(visitor());
  turn();
  EXPECT_EQ(heard.moves, 1);
  EXPECT_EQ(worker->under_way(), 1U);
  ASSERT_TRUE(program.take(Deadline::now()));
  turn();
  EXPECT_EQ(heard.moves, 2);
}

TEST_F(WorkerTest, HearsAnOutcomeThatRecallingHasRead) {
  ASSERT_TRUE(program.credit(1));
  turn();
  worker->give(visitor());
  turn();
  ASSERT_EQ(worker->under_way(), 1U);
  // It was taken just before: there is nothing left to ask for, and the link does not poll readable any more.
  ASSERT_TRUE(program.take(Deadline::now()));
  EXPECT_EQ(worker->recall(1), 0U);
  turn();
  EXPECT_EQ(heard.moves, 1);
  EXPECT_EQ(worker->under_way(), 0U);
}

TEST_F(WorkerTest, ThatTalksIsReadInSeveralTurns) {
  turn();
  ASSERT_TRUE(program.credit(4));
  int messages = 0;
  while (program.send("nothing that is asked for", Deadline::now())) ++messages;
  ASSERT_GT(messages, 128);  // as many as the link takes
  loop.restart();
  EXPECT_GT(loop.poll(), 2U);
  EXPECT_EQ(worker->credit(), 4U);
  EXPECT_TRUE(worker->is_up());
}

TEST_F(WorkerTest, ThatOffersEndPointsIsLetGo) {
  ASSERT_TRUE(program.credit(1));
  turn();
  const auto offered = program.begin_offer(std::move(visitor()->connection), {}, Deadline::now());
  ASSERT_TRUE(offered);
  turn();
  EXPECT_FALSE(worker->is_up());
  EXPECT_EQ(heard.ends, 1);
}

TEST_F(WorkerTest, ComesToAnEndWithItsLink) {
  ASSERT_TRUE(program.credit(1));
  turn();
  program.close();
  turn();
  EXPECT_FALSE(worker->is_up());
  EXPECT_EQ(heard.ends, 1);
}

}  // namespace
}  // namespace baton::dispatch
