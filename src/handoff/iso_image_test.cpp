// SPDX-License-Identifier: MIT
#include "handoff/iso_image.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "handoff/frames_for_tests.hpp"

namespace baton::handoff {
namespace {

using transport::ConnectData;
using transport::Role;

template <typename T>
T inline_bytes(const char* digits) {
  return *T::from(hex(digits));
}

/// Two thirds into a DT that the peer sends, and one octet into the head of one of ours.
IsoImage tcp_image() {
  IsoImage image;
  image.carrier = Carrier::Tcp;
  image.connection = {.role = Role::Responder,
                      .confirmed = true,
                      .local_reference = 0x0A0B,
                      .remote_reference = 0x0102,
                      .size = cotp::TpduSize::Octets1024,
                      .selectors = {inline_bytes<transport::Selector>("c1c1"), inline_bytes<transport::Selector>("c2")},
                      .connect_data = inline_bytes<ConnectData>("d1d2d3"),
                      .confirm_data = inline_bytes<ConnectData>("d4"),
                      .closing_time = Duration{5}};
  image.local_host = *tsap::Nsel::parse("HOST0001");
  image.peer_host = *tsap::Nsel::parse("PLC00002");
  image.reader = {{}, 77, true};
  image.writer = {{}, 6, 5, 9};
  std::ranges::copy(hex("0300000c02f000"), image.writer.head.begin());
  return image;
}
const char* const tcp_octets =
    "01 02 0078 07"                  // version, carrier, fixed part, bits
    "0a0b 0102 0a 0000000000000005"  // references, size, closing time
    "0002 c1c1 0001 c2 0003 d1d2d3 0001 d4"
    "484f5354 30303031 504c4330 30303032"
    "0000 0000004d"                                // the reader
    "0300000c02f000 06 00000005 0000000000000009"  // the writer
    "00000000 00000000";                           // credit, unread

IsoImage local_image(Bytes unread) {
  IsoImage image = tcp_image();
  image.carrier = Carrier::Local;
  image.reader = {};
  image.writer = {{}, 0, 0, 3};
  image.in_tsdu = true;
  image.hello_sent = true;
  image.hello_seen = true;
  image.features = 1;
  image.credit = 16;
  image.unread_ends_tsdu = true;
  image.unread = unread;
  return image;
}
const Octets some_unread = hex("010203");

bool same(const IsoImage& a, const IsoImage& b) {
  return a.carrier == b.carrier && a.connection == b.connection && a.local_host == b.local_host &&
         a.peer_host == b.peer_host && a.reader == b.reader && a.writer == b.writer && a.in_tsdu == b.in_tsdu &&
         a.hello_sent == b.hello_sent && a.hello_seen == b.hello_seen && a.features == b.features &&
         a.credit == b.credit && a.unread_ends_tsdu == b.unread_ends_tsdu && std::ranges::equal(a.unread, b.unread);
}
Octets octets_of(const IsoImage& image) {
  Octets room(max_iso_image_head + image.unread.size());
  return copy(encode(room, image));
}
bool goes_through(const IsoImage& image) {
  const Octets octets = octets_of(image);
  const auto decoded = decode_iso_image(octets);
  return decoded && same(*decoded, image);
}
bool refused(const IsoImage& image) { return !decode_iso_image(octets_of(image)).has_value(); }

TEST(IsoImage, IsWrittenOctetByOctet) {
  Octets expected = hex(tcp_octets) + hex("00000000");
  expected[3] = static_cast<std::byte>(expected.size());
  EXPECT_EQ(octets_of(tcp_image()), expected);
}

TEST(IsoImage, GoesThroughWithEachCarrier) {
  EXPECT_TRUE(goes_through(tcp_image()));
  EXPECT_TRUE(goes_through(local_image(some_unread)));
  EXPECT_TRUE(goes_through(local_image({})));
}

TEST(IsoImage, BringsEveryFieldThrough) {
  const std::pair<const char*, std::function<void(IsoImage&)>> changes[] = {
      {"role", [](IsoImage& i) { i.connection.role = Role::Initiator; }},
      {"local reference", [](IsoImage& i) { i.connection.local_reference = 0xFFFF; }},
      {"remote reference", [](IsoImage& i) { i.connection.remote_reference = 0; }},
      {"size", [](IsoImage& i) { i.connection.size = cotp::TpduSize::Octets65531; }},
      {"calling", [](IsoImage& i) { i.connection.selectors.calling = *transport::Selector::from(filled(64)); }},
      {"called", [](IsoImage& i) { i.connection.selectors.called = {}; }},
      {"connect data", [](IsoImage& i) { i.connection.connect_data = *ConnectData::from(filled(32)); }},
      {"confirm data", [](IsoImage& i) { i.connection.confirm_data = {}; }},
      {"closing time", [](IsoImage& i) { i.connection.closing_time = Duration::max(); }},
      {"local host", [](IsoImage& i) { i.local_host = {}; }},
      {"peer host", [](IsoImage& i) { i.peer_host = *tsap::Nsel::parse_padded("#A"); }},
      {"reader, payload", [](IsoImage& i) { i.reader.payload_left = 65528; }},
      {"reader, more", [](IsoImage& i) { i.reader.more = false; }},
      {"reader, head", [](IsoImage& i) { i.reader = {*transport::InlineBytes<259>::from(hex("0300")), 0, true}; }},
      {"writer, head", [](IsoImage& i) { i.writer.head[6] = std::byte{0x80}, i.writer.tsdu_left = 5; }},
      {"writer, head left", [](IsoImage& i) { i.writer.head_left = 1; }},
      {"writer, TPDU left", [](IsoImage& i) { i.writer = {{}, 0, 65528, 65528}; }},
      {"writer, TSDU left", [](IsoImage& i) { i.writer.tsdu_left = 0xFFFFFFFFFFFFFFFF; }},
      {"in TSDU", [](IsoImage& i) { i.in_tsdu = true; }},
      {"hello sent", [](IsoImage& i) { i.hello_sent = true; }},
      {"hello seen", [](IsoImage& i) { i.hello_seen = true; }},
      {"credit", [](IsoImage& i) { i.credit = 0xFFFFFFFF; }},
      {"unread ends TSDU", [](IsoImage& i) { i.unread_ends_tsdu = true; }},
      {"unread", [](IsoImage& i) { i.carrier = Carrier::Local, i.unread = some_unread; }},
  };
  for (const auto& [what, change] : changes) {
    IsoImage image = tcp_image();
    change(image);
    EXPECT_FALSE(same(image, tcp_image())) << what;
    EXPECT_TRUE(goes_through(image)) << what;
  }
}

TEST(IsoImage, OfARequestWithoutAnswerHasNoDataUnderWay) {
  IsoImage image = tcp_image();
  image.connection.confirmed = false;
  EXPECT_TRUE(refused(image));
  image.reader = {};
  EXPECT_TRUE(refused(image));
  image.writer = {};
  EXPECT_TRUE(goes_through(image));
  image.reader.more = true;
  EXPECT_TRUE(refused(image));
  image.reader = {*transport::InlineBytes<259>::from(hex("0300")), 0, false};
  EXPECT_TRUE(goes_through(image));
  image.connection.role = Role::Initiator;
  EXPECT_TRUE(refused(image));
}

TEST(IsoImage, OfTheLargestSizeFitsTheRoomThatIsSaid) {
  IsoImage image = tcp_image();
  image.connection.selectors = {*transport::Selector::from(filled(64)), *transport::Selector::from(filled(64))};
  image.connection.connect_data = image.connection.confirm_data = *ConnectData::from(filled(32));
  const Octets head = hex("0300 0103 fe 80 0001 0002 80 e0f5") + filled(246);
  image.reader = {*transport::InlineBytes<259>::from(Bytes{head}.first(259)), 0, false};
  EXPECT_TRUE(goes_through(image));
  EXPECT_LE(octets_of(image).size(), max_iso_image_head);
}

TEST(IsoImage, IsNotWrittenWhereItDoesNotFit) {
  for (const IsoImage& image : {tcp_image(), local_image(some_unread)}) {
    const Octets whole = octets_of(image);
    for (std::size_t size = 0; size <= whole.size(); ++size) {
      Octets room(size);
      EXPECT_EQ(encode(room, image).size(), size < whole.size() ? 0 : size);
    }
  }
}

TEST(IsoImage, ShorterThanItWasIsRefused) {
  for (const IsoImage& image : {tcp_image(), local_image(some_unread), local_image({})}) {
    const Octets whole = octets_of(image);
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(decode_iso_image(copy(Bytes{whole}.first(size))).has_value()) << size;
    EXPECT_FALSE(decode_iso_image(whole + filled(1)).has_value());
  }
}

TEST(IsoImage, WithAnyOctetChangedIsRefusedOrAnotherImage) {
  for (const IsoImage& image : {tcp_image(), local_image(some_unread)}) {
    Octets octets = octets_of(image);
    std::size_t decodes = 0;
    for (std::byte& octet : octets) {
      const std::byte whole = octet;
      for (int value = 0; value < 256; ++value) {
        octet = static_cast<std::byte>(value);
        const auto decoded = decode_iso_image(octets);
        if (!decoded) continue;
        ++decodes;
        EXPECT_TRUE(goes_through(*decoded)) << (&octet - octets.data()) << ": " << value;
      }
      octet = whole;
    }
    EXPECT_GT(decodes, octets.size());
  }
}

TEST(IsoImage, SkipsWhatALaterVersionAppendsToTheFixedPart) {
  for (const IsoImage& image : {tcp_image(), local_image(some_unread)})
    for (std::size_t more = 1; more < 40; ++more) {
      Octets octets = octets_of(image);
      const std::size_t fixed = octets.size() - image.unread.size();
      octets.insert(octets.begin() + static_cast<std::ptrdiff_t>(fixed), more, std::byte{0xEE});
      octets[3] = static_cast<std::byte>(fixed + more);
      const auto decoded = decode_iso_image(octets);
      ASSERT_TRUE(decoded.has_value()) << more;
      EXPECT_TRUE(same(*decoded, image));
    }
}

TEST(IsoImage, OfAnotherVersionOrCarrierIsRefused) {
  for (const std::size_t at : {0U, 1U})
    for (int value = 0; value < 256; ++value) {
      Octets octets = octets_of(tcp_image());
      octets[at] = static_cast<std::byte>(value);
      EXPECT_EQ(decode_iso_image(octets).has_value(), at == 0 ? value == 1 : value == 1 || value == 2) << value;
    }
}

TEST(IsoImage, HasUnreadOctetsOnlyWithinTheHostAndOnlyThoseOfOneDt) {
  IsoImage image = tcp_image();
  image.unread = some_unread;
  EXPECT_TRUE(refused(image));
  const Octets most = filled(cotp::max_tpdu_octets + 1);
  EXPECT_TRUE(goes_through(local_image(Bytes{most}.first(cotp::max_tpdu_octets))));
  EXPECT_TRUE(refused(local_image(most)));
}

TEST(IsoImage, ThatNoConnectionLeavesIsRefused) {
  const std::pair<const char*, std::function<void(IsoImage&)>> changes[] = {
      {"reference 0", [](IsoImage& i) { i.connection.local_reference = 0; }},
      {"negative closing time", [](IsoImage& i) { i.connection.closing_time = Duration{-1}; }},
      {"size 06", [](IsoImage& i) { i.connection.size = static_cast<cotp::TpduSize>(6); }},
      {"size 11", [](IsoImage& i) { i.connection.size = static_cast<cotp::TpduSize>(0x11); }},
      {"more payload than a DT has", [](IsoImage& i) { i.reader.payload_left = 65529; }},
      {"a head within a payload", [](IsoImage& i) { i.reader.head = *transport::InlineBytes<259>::from(hex("03")); }},
      {"a head of another length", [](IsoImage& i) { i.writer.head[3] = std::byte{0x0D}; }},
      {"more than a head", [](IsoImage& i) { i.writer.head_left = 8; }},
      {"more of the DT than of the TSDU", [](IsoImage& i) { i.writer.tsdu_left = 4; }},
  };
  for (const auto& [what, change] : changes) {
    IsoImage image = tcp_image();
    change(image);
    EXPECT_TRUE(refused(image)) << what;
  }
}

TEST(IsoImage, WithAHostThatNobodyMayHaveIsRefused) {
  Octets octets = octets_of(tcp_image());
  const auto host = std::ranges::search(octets, hex("484f5354 30303031")).begin();
  for (const char* text : {"        ", "A       ", "@1234567"}) {
    std::ranges::copy(as_bytes(text), host);
    EXPECT_TRUE(decode_iso_image(octets).has_value()) << text;
  }
  for (const char* text : {"12345678", "A B     ", " A      ", "A*      "}) {
    std::ranges::copy(as_bytes(text), host);
    EXPECT_FALSE(decode_iso_image(octets).has_value()) << text;
  }
}

/// Up to `most` of them.
Octets some_octets(std::size_t most) {
  const auto size = *rc::gen::inRange<std::size_t>(0, most + 1);
  return filled(size, *rc::gen::inRange(0, 256));
}

RC_GTEST_PROP(IsoImages, GoThrough, (std::uint16_t remote, std::uint64_t owed, std::uint32_t credit, bool flag)) {
  IsoImage image = tcp_image();
  transport::Image& connection = image.connection;
  connection.role = *rc::gen::element(Role::Initiator, Role::Responder);
  connection.local_reference = *rc::gen::inRange<std::uint16_t>(1, 0xFFFF);
  connection.remote_reference = remote;
  connection.size = static_cast<cotp::TpduSize>(*rc::gen::inRange(7, 17));
  connection.selectors = {*transport::Selector::from(some_octets(64)), *transport::Selector::from(some_octets(64))};
  connection.connect_data = *ConnectData::from(some_octets(32));
  connection.confirm_data = *ConnectData::from(some_octets(32));
  connection.closing_time = Duration{*rc::gen::nonNegative<std::int64_t>()};
  image.credit = credit;
  image.hello_sent = flag;
  image.writer = {{}, 0, 0, owed};
  Octets unread;
  if (*rc::gen::arbitrary<bool>()) {
    image.carrier = Carrier::Local;
    unread = some_octets(1000);
    image.unread = unread;
  }
  RC_ASSERT(goes_through(image));
}

}  // namespace
}  // namespace baton::handoff
