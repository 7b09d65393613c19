// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <baton/address.hpp>
#include <baton/deadline.hpp>
#include <baton/error.hpp>
#include <baton/octets.hpp>
#include <baton/selector.hpp>

#include <array>
#include <string>
#include <vector>

namespace baton::api_tests {
namespace {

using namespace std::chrono_literals;

TEST(Deadline, NowAndNeverAreWhatTheyAre) {
  EXPECT_TRUE(Deadline::now().is_now());
  EXPECT_TRUE(Deadline::now().passed());
  EXPECT_EQ(Deadline::now().milliseconds(), 0);
  EXPECT_TRUE(Deadline::never().is_never());
  EXPECT_FALSE(Deadline::never().passed());
  EXPECT_EQ(Deadline::never().milliseconds(), -1);
}

TEST(Deadline, ADurationBeginsWhenTheDeadlineIsMade) {
  const Deadline deadline = 1h;
  EXPECT_FALSE(deadline.passed());
  EXPECT_LE(deadline.milliseconds(), 3'600'000);
  EXPECT_GT(deadline.milliseconds(), 3'500'000);
  EXPECT_GT(Deadline{1ns}.at(), Deadline::Clock::time_point{});
}

TEST(Deadline, NoTimeAndLessIsNowAndTooMuchIsNever) {
  EXPECT_TRUE(Deadline{0s}.is_now());
  EXPECT_TRUE(Deadline{-5s}.is_now());
  EXPECT_TRUE(Deadline{std::chrono::hours::max()}.is_never());
  EXPECT_TRUE(Deadline{std::chrono::nanoseconds::max()}.is_never());
  EXPECT_TRUE(Deadline{std::chrono::duration<double>{1e300}}.is_never());
}

TEST(Deadline, WhatIsLeftIsRoundedUpAndFitsAnInt) {
  const Deadline soon = 100us;
  const int left = soon.milliseconds();
  EXPECT_TRUE(left == 1 || (left == 0 && soon.passed()));
  EXPECT_EQ(Deadline{24h * 365}.milliseconds(), std::numeric_limits<int>::max());
  const Deadline past = Deadline::Clock::now() - 1s;
  EXPECT_TRUE(past.passed());
  EXPECT_FALSE(past.is_now());
  EXPECT_EQ(past.milliseconds(), 0);
}

TEST(Selector, OfALiteralHasItsOctets) {
  constexpr Selector work = "work";
  static_assert(work.size() == 4);
  EXPECT_EQ(work.text(), "work");
  EXPECT_EQ(work.hex(), "776f726b");
  EXPECT_TRUE(Selector{}.empty());
  EXPECT_EQ(Selector{""}, Selector{});
}

TEST(Selector, OfTextAndHexadecimalAgree) {
  EXPECT_EQ(Selector::from_text("work"), Selector::from_hex("776F726b"));
  EXPECT_EQ(Selector::from_hex("0x0102").value().text(), std::string_view("\x01\x02", 2));
  EXPECT_EQ(Selector::from_octets(std::vector<unsigned char>{0, 255}).value().hex(), "00ff");
  EXPECT_EQ(Selector::from_hex("").value(), Selector{});
  EXPECT_LT(Selector{"a"}, Selector{"b"});
}

TEST(Selector, WhatIsNoneIsRefused) {
  EXPECT_TRUE(Selector::from_text(std::string(32, 'x')).has_value());
  EXPECT_EQ(Selector::from_text(std::string(33, 'x')).error().number(), EINVAL);
  for (const char* wrong :
       {"1", "0x1", "zz", "01 2", "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021"})
    EXPECT_EQ(Selector::from_hex(wrong).error().number(), EINVAL) << wrong;
}

TEST(Address, IsReadAndWrittenAlike) {
  for (const char* text : {"192.0.2.7:80", "[2001:db8::7]:65535", "0.0.0.0:0", "[::]:102"}) {
    const auto address = Address::parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->text(), text);
    EXPECT_EQ(Address::from_socket(address->data(), address->size()).value(), *address);
  }
  EXPECT_EQ(Address::parse("127.0.0.1:7").value(), Address::loopback(7));
  EXPECT_EQ(Address::parse("[::1]:7").value(), Address::loopback6(7));
  EXPECT_NE(Address::loopback(7), Address::loopback(8));
  EXPECT_NE(Address::any(7), Address::any6(7));
}

TEST(Address, WhatIsNoneIsRefused) {
  for (const char* wrong : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1:1x",
                            "::1:80", "[::1]80", "[::1", "localhost:80", "[127.0.0.1]:80", "300.0.0.1:80"})
    EXPECT_EQ(Address::parse(wrong).error().number(), EINVAL) << wrong;
  EXPECT_EQ(Address::from_socket(nullptr, 16).error().number(), EINVAL);
  EXPECT_EQ(Address::from_socket("", 1).error().number(), EINVAL);
}

TEST(Address, OfIsoHasHostAndSelector) {
  const Address here = Selector{"work"};
  EXPECT_TRUE(here.is_iso());
  EXPECT_EQ(here.selector(), Selector{"work"});
  EXPECT_EQ(here.nsel(), "        ");
  EXPECT_EQ(here.port(), 0);
  EXPECT_EQ(here.ip(), "");
  const auto there = Address::iso("PLC00001", Selector::from_hex("0102").value());
  EXPECT_EQ(there->text(), "PLC00001/0102");
  EXPECT_EQ(Address::from_socket(there->data(), there->size()).value(), *there);
  EXPECT_NE(*there, here);
  EXPECT_EQ(Address::iso("MORETHAN8", {}).error().number(), EINVAL);
  EXPECT_EQ(Address{}.family(), AF_UNSPEC);
  EXPECT_EQ(Address{}.text(), "");
}

TEST(Octets, AreSeenInTextAndInContainers) {
  const std::string string = "abc";
  const std::vector<std::byte> bytes{std::byte{1}, std::byte{2}};
  const std::array<unsigned char, 2> array{1, 2};
  EXPECT_EQ(text_of("abc"), "abc");
  EXPECT_EQ(text_of(string), "abc");
  EXPECT_EQ(text_of(std::string_view{"a\0c", 3}).size(), 3U);
  EXPECT_EQ(text_of(bytes), text_of(array));
  EXPECT_EQ(text_of(std::span{bytes}), "\x01\x02");
  EXPECT_EQ(text_of(Octets{"abc"}.from(1)), "bc");
  EXPECT_TRUE(Octets{}.empty());
}

TEST(Error, HasANumberAndASentence) {
  EXPECT_EQ(Error{EINVAL}.text(), std::generic_category().message(EINVAL));
  EXPECT_EQ((Error{EINVAL, "that is wrong"}.text()), "that is wrong");
  EXPECT_TRUE(Error{EAGAIN}.would_block());
  EXPECT_TRUE(Error{ETIMEDOUT}.timed_out());
  EXPECT_TRUE(Error{ECONNRESET}.ended());
  EXPECT_TRUE(Error{ECONNREFUSED} == std::errc::connection_refused);
  EXPECT_EQ(Error{ENOENT}.code(), std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace baton::api_tests
