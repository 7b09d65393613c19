// SPDX-License-Identifier: MIT
#include "cli/iso_streams.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "baton/soc.h"
#include "os/process.hpp"

namespace baton::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(IsoInput, GivesTsdusAsTheyComeAndTheLastOneAtItsEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reading{adopt, ends[0]};
  UniqueFd writing{adopt, ends[1]};
  Input input{reading.ref(), Form::Text};
  ASSERT_EQ(::write(writing.get(), "one\ntw", 6), 6);
  EXPECT_EQ(input.read().tsdus, std::vector<std::string>{"one"});
  EXPECT_TRUE(input.open());
  writing.reset();
  EXPECT_EQ(input.read().tsdus, std::vector<std::string>{"tw"});
  EXPECT_FALSE(input.open());
}

TEST(IsoInput, WhatCannotBeReadHasEndedWithASentence) {
  const UniqueFd folder{adopt, ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  Input input{folder.ref(), Form::One};
  const Cut cut = input.read();
  EXPECT_FALSE(input.open());
  ASSERT_EQ(cut.problems.size(), 1U);
  EXPECT_EQ(cut.problems.front(), "standard input cannot be read: Is a directory");
}

TEST(IsoStopSignals, EndTheLibrarysWaitAndNotTheProcess) {
  const UniqueFd any{adopt, soc_socket(AF_INET, SOCK_STREAM, 0)};  // the library's first call
  const StopSignals signals;
  EXPECT_FALSE(signals.stopped());
  // Before the wait: the wait ends all the same.
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_TRUE(signals.stopped());
  EXPECT_EQ(soc_poll_ms(nullptr, 0, 60'000), -1);
  EXPECT_EQ(errno, EINTR);
}

TEST(IsoProgress, SaysHowMuchAndHowFast) {
  const Traffic traffic{.octets_sent = 10'485'760, .tsdus_sent = 1, .octets_received = 1, .tsdus_received = 0};
  EXPECT_EQ(progress_text(traffic, seconds{2}),
            "sent 10485760 octets, 1 TSDU, 5.2 MB/s; received 1 octet, 0 TSDUs, 0.0 MB/s");
  EXPECT_EQ(progress_text({}, Duration{}), "sent 0 octets, 0 TSDUs, 0.0 MB/s; received 0 octets, 0 TSDUs, 0.0 MB/s");
}

TEST(IsoProgress, IsALineEachSecondAndOneAtTheEnd) {
  std::ostringstream err;
  Progress progress{Progress::To::File, err, Instant{}};
  progress.show({}, milliseconds{999});
  EXPECT_EQ(err.str(), "");
  progress.show({}, seconds{1});
  progress.show({}, milliseconds{1999});
  progress.finish({}, milliseconds{2000});
  EXPECT_EQ(std::ranges::count(err.str(), '\n'), 2);
}

TEST(IsoProgress, RewritesItsLineOnATerminal) {
  std::ostringstream err;
  Progress progress{Progress::To::Terminal, err, Instant{}};
  progress.show({}, milliseconds{200});
  progress.finish({}, milliseconds{210});
  EXPECT_EQ(std::ranges::count(err.str(), '\r'), 2);
  EXPECT_EQ(std::ranges::count(err.str(), '\n'), 1);
  EXPECT_TRUE(err.str().ends_with('\n'));
}

TEST(IsoProgress, NobodyIsToldNothing) {
  std::ostringstream err;
  Progress progress{Progress::To::Nobody, err, Instant{}};
  EXPECT_EQ(progress.next(), never);
  progress.show({}, seconds{100});
  progress.finish({}, seconds{100});
  EXPECT_EQ(err.str(), "");
}

TEST(IsoDeadlines, AreRoundedUpToMilliseconds) {
  EXPECT_EQ(milliseconds_until(never, Instant{5}), -1);
  EXPECT_EQ(milliseconds_until(Instant{1}, Instant{}), 1);
  EXPECT_EQ(milliseconds_until(milliseconds{3}, milliseconds{1}), 2);
  EXPECT_EQ(milliseconds_until(milliseconds{3}, milliseconds{4}), 0);
}

}  // namespace
}  // namespace baton::cli
