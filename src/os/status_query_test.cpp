// SPDX-License-Identifier: MIT
#include "os/status_query.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "os/named_socket.hpp"
#include "os/process.hpp"

namespace baton::os {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds plenty{20'000};
constexpr milliseconds little{60};

/// A folder in which a stream socket listens under the name "7".
class StatusQuery : public ::testing::Test {
 protected:
  StatusQuery() {
    std::string name = std::filesystem::temp_directory_path() / "baton-query-XXXXXX";
    path_ = mkdtemp(name.data());
    folder_ = UniqueFd{adopt, ::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    listening_ = UniqueFd{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!bind_at(listening_.ref(), folder_.ref(), "7", 0600) || !listen_on(listening_.ref(), 0)) std::abort();
  }
  ~StatusQuery() override { std::filesystem::remove_all(path_); }

  [[nodiscard]] Result<std::string> ask(const char* name, milliseconds patience) const {
    return ask_status(folder_.ref(), name, monotonic_now() + patience);
  }
  /// Answers one asker in parts.
  [[nodiscard]] std::thread answering(std::vector<std::string> parts) const {
    return std::thread{[this, parts = std::move(parts)] {
      const UniqueFd asker{adopt, ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
      for (const std::string& part : parts)
        if (::send(asker.get(), part.data(), part.size(), MSG_NOSIGNAL) < 0) return;
    }};
  }

  std::filesystem::path path_;
  UniqueFd folder_;
  UniqueFd listening_;
};

TEST_F(StatusQuery, TheAnswerIsReadToItsEnd) {
  std::thread answering = this->answering({std::string(5000, 'a'), "b", std::string(9000, 'c')});
  const auto answer = ask("7", plenty);
  answering.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, std::string(5000, 'a') + "b" + std::string(9000, 'c'));
}

TEST_F(StatusQuery, AnAnswerWithoutEndIsNotReadOn) {
  std::thread answering = this->answering({std::string(longest_status + 1, 'a'), std::string(1U << 22U, 'b')});
  const auto answer = ask("7", plenty);
  answering.join();
  ASSERT_FALSE(answer);
  EXPECT_EQ(number(answer.error()), EMSGSIZE);
}

TEST_F(StatusQuery, WhoDoesNotAnswerIsWaitedForNoLongerThanAsked) {
  const Instant before = monotonic_now();
  const auto answer = ask("7", little);
  ASSERT_FALSE(answer);
  EXPECT_EQ(number(answer.error()), ETIMEDOUT);
  EXPECT_GE(monotonic_now() - before, little);
}

TEST_F(StatusQuery, AFullBacklogIsWaitedForNoLongerThanAsked) {
  const auto found = find_socket(folder_.ref(), "7");
  ASSERT_TRUE(found);
  std::vector<UniqueFd> others;
  for (bool full = false; !full;) {
    others.emplace_back(adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    full = !connect_to(others.back().ref(), *found);
  }
  const auto answer = ask("7", little);
  ASSERT_FALSE(answer);
  EXPECT_EQ(number(answer.error()), ETIMEDOUT);
}

TEST_F(StatusQuery, ADeadlineThatHasPassedIsATimeout) {
  const auto answer = ask_status(folder_.ref(), "7", Instant{1});
  ASSERT_FALSE(answer);
  EXPECT_EQ(number(answer.error()), ETIMEDOUT);
}

TEST_F(StatusQuery, ANameThatItsProcessLeftBehindIsRefused) {
  listening_.reset();
  const auto answer = ask("7", plenty);
  ASSERT_FALSE(answer);
  EXPECT_EQ(number(answer.error()), ECONNREFUSED);
}

TEST_F(StatusQuery, NoNameIsNoEntry) {
  const auto answer = ask("8", plenty);
  ASSERT_FALSE(answer);
  EXPECT_EQ(number(answer.error()), ENOENT);
}

}  // namespace
}  // namespace baton::os
