// SPDX-License-Identifier: MIT
#include "os/ancillary.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "os/kernel.hpp"
#include "os/socket.hpp"
#include "os/test_support.hpp"

namespace baton::os {
namespace {

using namespace testing;

class Ancillary : public ::testing::Test {
 protected:
  Ancillary() {
    auto pair = *seqpacket_pair();
    sender_ = std::move(pair.first);
    receiver_ = std::move(pair.second);
  }

  Result<std::size_t> send(std::string_view text, std::span<const int> descriptors = {}, SendFlags flags = {}) {
    const iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    return send_message(sender_.ref(), {&part, 1}, descriptors, flags);
  }
  Result<void> receive(ReceiveFlags flags = {.dont_wait = true}) {
    return receive_message(receiver_.ref(), buffer_, received_, flags);
  }
  [[nodiscard]] std::string text() const {
    return std::string{as_text(Bytes{buffer_}.first(std::min(received_.size, buffer_.size())))};
  }

  UniqueFd sender_;
  UniqueFd receiver_;
  std::array<std::byte, 64> buffer_{};
  Received received_;
};

/// Takes every free number, and gives back as many as asked.
class FullTable {
 public:
  explicit FullTable(rlim_t limit) {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit lower{.rlim_cur = limit, .rlim_max = before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &lower), 0);
    for (int number = open("/dev/null", O_RDONLY | O_CLOEXEC); number >= 0;
         number = open("/dev/null", O_RDONLY | O_CLOEXEC))
      taken_.emplace_back(adopt, number);
    EXPECT_EQ(errno, EMFILE);
  }
  FullTable(const FullTable&) = delete;
  FullTable& operator=(const FullTable&) = delete;
  ~FullTable() { setrlimit(RLIMIT_NOFILE, &before_); }
  void free(std::size_t count) { taken_.resize(taken_.size() - count); }

 private:
  rlimit before_{};
  std::vector<UniqueFd> taken_;
};

TEST_F(Ancillary, CarriesOctetsAndDescriptorsCloseOnExec) {
  const UniqueFd parked = *parked_socket(false, false);
  const std::array three{parked.get(), parked.get(), parked.get()};
  EXPECT_EQ(send("hello", three), Result<std::size_t>{5});
  ASSERT_TRUE(receive().has_value());
  EXPECT_EQ(text(), "hello");
  EXPECT_FALSE(received_.end);
  EXPECT_FALSE(received_.data_truncated);
  EXPECT_FALSE(received_.control_truncated);
  EXPECT_FALSE(received_.sender.has_value());
  ASSERT_EQ(received_.descriptors.size(), 3U);
  for (const UniqueFd& each : received_.descriptors) {
    EXPECT_EQ(cookie(each.ref()), cookie(parked.ref()));
    EXPECT_TRUE(descriptor_flags(each.ref())->close_on_exec);
  }
}

TEST_F(Ancillary, GathersSeveralParts) {
  std::string a = "ab";
  std::string b = "cde";
  const std::array parts{iovec{a.data(), a.size()}, iovec{nullptr, 0}, iovec{b.data(), b.size()}};
  EXPECT_EQ(send_message(sender_.ref(), parts, {}), Result<std::size_t>{5});
  ASSERT_TRUE(receive().has_value());
  EXPECT_EQ(text(), "abcde");
}

TEST_F(Ancillary, Passes253DescriptorsWithIdentityAndRefuses254) {
  ASSERT_TRUE(enable_sender_identity(receiver_.ref()).has_value());
  const std::size_t before = open_descriptors();
  const std::vector<int> most(max_descriptors_per_message, sender_.get());
  ASSERT_EQ(send("x", most), Result<std::size_t>{1});
  ASSERT_TRUE(receive().has_value());
  EXPECT_EQ(received_.descriptors.size(), max_descriptors_per_message);
  EXPECT_FALSE(received_.control_truncated);
  ASSERT_TRUE(received_.sender.has_value());
  EXPECT_EQ(received_.sender_pidfd.valid(), kernel_features().sender_pidfd);
  const std::vector<int> too_many(max_descriptors_per_message + 1, sender_.get());
  EXPECT_EQ(send("x", too_many).error(), Errno{EINVAL});
  EXPECT_EQ(receive().error(), Errno{EAGAIN});
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Ancillary, NamesTheProcessThatSends) {
  ASSERT_TRUE(enable_sender_identity(receiver_.ref()).has_value());
  const pid_t child = fork();
  if (child == 0) _exit(send("x").has_value() ? 0 : 1);
  ASSERT_TRUE(receive({}).has_value());
  ASSERT_TRUE(received_.sender.has_value());
  EXPECT_EQ(received_.sender->pid, child);
  EXPECT_EQ(received_.sender->uid, geteuid());
  EXPECT_EQ(received_.sender->gid, getegid());
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  if (kernel_features().sender_pidfd)
    EXPECT_TRUE(has_exited(received_.sender_pidfd.ref()));
  else
    EXPECT_FALSE(received_.sender_pidfd.valid());
}

TEST_F(Ancillary, ReadsTheMessageOfASenderThatIsGone) {
  ASSERT_TRUE(enable_sender_identity(receiver_.ref()).has_value());
  const pid_t child = fork();
  if (child == 0) _exit(send("x").has_value() ? 0 : 1);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  const std::size_t before = open_descriptors();
  ASSERT_TRUE(receive().has_value());
  EXPECT_EQ(received_.sender->pid, child);
  // Older kernels make no pidfd of a process that was waited for; newer ones do.
  EXPECT_EQ(open_descriptors(), before + (received_.sender_pidfd.valid() ? 1 : 0));
}

TEST_F(Ancillary, LosesAndLeaksNothingButWhatTheFullTableTakes) {
  const std::array five{sender_.get(), sender_.get(), sender_.get(), sender_.get(), sender_.get()};
  ASSERT_TRUE(send("x", five).has_value());
  ASSERT_TRUE(send("y", five).has_value());
  const std::size_t before = open_descriptors();
  {
    FullTable full{64};
    full.free(2);
    ASSERT_TRUE(receive().has_value());
    EXPECT_TRUE(received_.control_truncated);
    EXPECT_EQ(received_.descriptors.size(), 2U);
    EXPECT_EQ(text(), "x");
    received_.descriptors.clear();
    full.free(3);
    ASSERT_TRUE(receive().has_value());
    EXPECT_FALSE(received_.control_truncated);
    EXPECT_EQ(received_.descriptors.size(), 5U);
    received_.descriptors.clear();
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Ancillary, LeaksNothingWhenNotEvenThePidfdFits) {
  ASSERT_TRUE(enable_sender_identity(receiver_.ref()).has_value());
  const std::array two{sender_.get(), sender_.get()};
  ASSERT_TRUE(send("x", two).has_value());
  const std::size_t before = open_descriptors();
  {
    FullTable full{64};
    full.free(2);
    ASSERT_TRUE(receive().has_value());
    EXPECT_EQ(received_.descriptors.size(), 2U);
    EXPECT_FALSE(received_.sender_pidfd.valid());
    EXPECT_EQ(received_.sender->pid, getpid());
    received_.descriptors.clear();
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Ancillary, PeekingDuplicatesAndLeavesTheMessage) {
  ASSERT_TRUE(send("x", std::array{sender_.get()}).has_value());
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(receive({.peek = true, .dont_wait = true}).has_value());
    EXPECT_EQ(text(), "x");
    ASSERT_EQ(received_.descriptors.size(), 1U);
    EXPECT_TRUE(descriptor_flags(received_.descriptors[0].ref())->close_on_exec);
    EXPECT_EQ(open_descriptors(), before + 1);
  }
  ASSERT_TRUE(receive().has_value());
  EXPECT_EQ(received_.descriptors.size(), 1U);
  EXPECT_EQ(receive().error(), Errno{EAGAIN});
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Ancillary, TellsOfAMessageLongerThanTheBuffer) {
  ASSERT_TRUE(send(std::string(100, 'x')).has_value());
  ASSERT_TRUE(receive().has_value());
  EXPECT_TRUE(received_.data_truncated);
  EXPECT_EQ(received_.size, buffer_.size());
}

TEST_F(Ancillary, FindsTheEndBehindWhatWasQueued) {
  ASSERT_TRUE(send("last").has_value());
  sender_.reset();
  ASSERT_TRUE(receive().has_value());
  EXPECT_EQ(text(), "last");
  ASSERT_TRUE(receive().has_value());
  EXPECT_TRUE(received_.end);
  EXPECT_EQ(received_.size, 0U);
}

TEST_F(Ancillary, RefusesToSendNothing) {
  EXPECT_EQ(send("", std::array{sender_.get()}).error(), Errno{EINVAL});
  EXPECT_EQ(send_message(sender_.ref(), {}, {}).error(), Errno{EINVAL});
  EXPECT_EQ(receive().error(), Errno{EAGAIN});
}

TEST_F(Ancillary, SendsToNobodyWithoutASignal) {
  receiver_.reset();
  EXPECT_EQ(send("x").error(), Errno{EPIPE});
}

TEST_F(Ancillary, DoesNotWaitForRoomWhenAskedNotTo) {
  Result<std::size_t> sent = send(std::string(1000, 'x'), {}, {.dont_wait = true});
  for (int i = 0; i < 100000 && sent; ++i) sent = send(std::string(1000, 'x'), {}, {.dont_wait = true});
  EXPECT_EQ(sent.error(), Errno{EAGAIN});
}

TEST_F(Ancillary, AReceiverThatRefusesDescriptorsGetsNone) {
  ASSERT_EQ(refuse_descriptors(receiver_.ref()), kernel_features().descriptor_refusal);
  const auto sent = send("x", std::array{sender_.get()});
  if (kernel_features().descriptor_refusal) {
    EXPECT_EQ(sent.error(), Errno{EPERM});
    EXPECT_EQ(send("y"), Result<std::size_t>{1});
    ASSERT_TRUE(receive().has_value());
    EXPECT_TRUE(received_.descriptors.empty());
  } else {
    ASSERT_TRUE(receive().has_value());
    EXPECT_EQ(received_.descriptors.size(), 1U);
  }
}

TEST_F(Ancillary, KeepsTheRoomOfTheVector) {
  const std::vector<int> many(100, sender_.get());
  ASSERT_TRUE(send("x", many).has_value());
  ASSERT_TRUE(receive().has_value());
  const std::size_t room = received_.descriptors.capacity();
  ASSERT_TRUE(send("y").has_value());
  ASSERT_TRUE(receive().has_value());
  EXPECT_TRUE(received_.descriptors.empty());
  EXPECT_EQ(received_.descriptors.capacity(), room);
}

}  // namespace
}  // namespace baton::os
