// SPDX-License-Identifier: MIT
#include "os/control_query.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "os/control_socket.hpp"
#include "os/process.hpp"
#include "os/wait.hpp"

namespace baton::os {
namespace {

constexpr std::chrono::milliseconds plenty{20'000};
constexpr std::chrono::milliseconds little{60};

class ControlQuery : public ::testing::Test {
 protected:
  ControlQuery() {
    std::string name = std::filesystem::temp_directory_path() / "baton-control-XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ / "control";
    auto listening = listen_for_requests(path_);
    if (!listening) std::abort();
    listening_ = std::move(*listening);
  }
  ~ControlQuery() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] UniqueFd accepted() const {
    pollfd entry{.fd = listening_.get(), .events = POLLIN, .revents = 0};
    if (poll_until({&entry, 1}, monotonic_now() + plenty).value_or(0) != 1) std::abort();
    auto connection = accept_request(listening_.ref());
    if (!connection) std::abort();
    return std::move(*connection);
  }
  /// Takes one connection and answers its first request in parts.
  [[nodiscard]] std::thread answering(std::vector<std::string> parts) const {
    return std::thread{[this, parts = std::move(parts)] {
      const UniqueFd connection = accepted();
      pollfd entry{.fd = connection.get(), .events = POLLIN, .revents = 0};
      char request[16]{};
      if (poll_until({&entry, 1}, monotonic_now() + plenty).value_or(0) != 1) return;
      if (::recv(connection.get(), request, sizeof request, 0) != 4 || std::string{request} != "ask\n") return;
      for (const std::string& part : parts)
        if (::send(connection.get(), part.data(), part.size(), MSG_NOSIGNAL) < 0) return;
    }};
  }
  [[nodiscard]] Result<std::string> asked(const std::vector<std::string>& parts) const {
    std::thread thread = answering(parts);
    const auto connection = connect_for_requests(path_, monotonic_now() + plenty);
    auto answer =
        connection ? ask_line(connection->ref(), "ask", monotonic_now() + plenty) : std::unexpected{connection.error()};
    thread.join();
    return answer;
  }

  std::filesystem::path folder_;
  std::string path_;
  UniqueFd listening_;
};

TEST_F(ControlQuery, TheAnswerIsALineInAnyNumberOfParts) {
  EXPECT_EQ(asked({std::string(70'000, 'a'), "b\n"}).value_or(""), std::string(70'000, 'a') + "b");
  EXPECT_EQ(asked({"\n"}).value_or("?"), "");
}

TEST_F(ControlQuery, AnEndBeforeTheLineIsOver) {
  for (const char* const part : {"", "half"}) {
    const auto answer = asked({part});
    ASSERT_FALSE(answer);
    EXPECT_EQ(number(answer.error()), ECONNRESET);
  }
}

TEST_F(ControlQuery, NoAnswerInTime) {
  const auto connection = connect_for_requests(path_, monotonic_now() + plenty);
  ASSERT_TRUE(connection);
  const auto answer = ask_line(connection->ref(), "ask", monotonic_now() + little);
  ASSERT_FALSE(answer);
  EXPECT_EQ(number(answer.error()), ETIMEDOUT);
}

TEST_F(ControlQuery, WhereNobodyListens) {
  const auto none = connect_for_requests(folder_ / "none", monotonic_now() + plenty);
  ASSERT_FALSE(none);
  EXPECT_EQ(number(none.error()), ENOENT);
  listening_.reset();
  const auto left = connect_for_requests(path_, monotonic_now() + plenty);
  ASSERT_FALSE(left);
  EXPECT_EQ(number(left.error()), ECONNREFUSED);
}

}  // namespace
}  // namespace baton::os
