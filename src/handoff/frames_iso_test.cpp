// SPDX-License-Identifier: MIT
// What OFFER and CALL say of ISO end points, and what programs say that do not know these yet.
#include <gtest/gtest.h>

#include "handoff/frames.hpp"
#include "handoff/frames_for_tests.hpp"

namespace baton::handoff {
namespace {

TEST(DecodeIsoOffer, ReadsTheAddressesOfAnIsoEndPoint) {
  const auto offer = decoded<Offer>(iso_offer_frame());
  EXPECT_EQ(offer.description.family, Family::Iso);
  EXPECT_EQ(offer.description.iso_local,
            (tsap::IsoAddress{*tsap::Nsel::parse("HOST0001"), *tsap::Selector::from(hex("0102"))}));
  EXPECT_EQ(offer.description.iso_peer,
            (tsap::IsoAddress{*tsap::Nsel::parse_padded("@"), *tsap::Selector::from(Octets(32, std::byte{0x41}))}));
}

TEST(DecodeIsoOffer, WithoutIsoAddressesLeavesThemUnspecified) {
  const auto offer = decoded<Offer>(offer_frame());
  EXPECT_EQ(offer.description.iso_local, tsap::IsoAddress{});
  EXPECT_EQ(offer.description.iso_peer, tsap::IsoAddress{});
}

TEST(DecodeIsoOffer, RefusesIsoAddressesThatAreNone) {
  const auto with = [](const Octets& addresses) {
    return Builder{offer_type, move}.field(description_tag, description).field(iso_addresses_tag, addresses).octets();
  };
  ASSERT_EQ(iso_addresses.size(), 82U);
  for (std::size_t size = 0; size < iso_addresses.size(); ++size)
    expect_error(with(copy(Bytes{iso_addresses}.first(size))), FrameError::Field);
  EXPECT_TRUE(decode(with(iso_addresses + filled(7))).has_value());  // a later version's
  for (const std::size_t at : {0U, 41U}) {
    Octets changed = iso_addresses;
    changed[at] = std::byte{33};
    expect_error(with(changed), FrameError::Field);
    changed = iso_addresses;
    changed[at + 1] = std::byte{'*'};
    expect_error(with(changed), FrameError::Field);
  }
}

TEST(DecodeIsoCall, OfTheSeedsSequenceBringsAnImageForAnIsoEndPoint) {
  const auto call = decoded<Call>(iso_call_frame());
  ASSERT_EQ(call.items.size(), 1U);
  EXPECT_EQ(call.items[0].family, Family::Iso);
  EXPECT_EQ(call.items[0].iso_image, 5U);
  EXPECT_EQ(copy(call.iso_images), hex("e0e1e2e3e4"));
}

TEST(DecodeIsoCall, ReadsRecordsFromBeforeThereWereImages) {
  for (std::size_t size = old_call_record; size < call_record; ++size) {
    SCOPED_TRACE(size);
    Octets item = first_item;
    item.resize(size);
    const auto call = decoded<Call>(Builder{call_type, move, express}
                                        .field(call_tag, records_head(size, 2) + item + item)
                                        .field(user_data_tag, filled(4))
                                        .octets());
    ASSERT_EQ(call.items.size(), 2U);
    EXPECT_EQ(call.items[1].user_data, 2U);
    EXPECT_EQ(call.items[1].iso_image, 0U);
    // No program of that time moved ISO end points.
    item[35] = std::byte{7};
    expect_error(Builder{call_type, move, express}
                     .field(call_tag, records_head(size, 1) + item)
                     .field(user_data_tag, filled(2))
                     .octets(),
                 FrameError::Field);
  }
}

TEST(DecodeIsoCall, RefusesImagesThatItsItemsDoNotAnnounce) {
  const auto with = [](const Octets& item, std::size_t images) {
    return Builder{call_type, move}
        .field(call_tag, records_head(call_record, 1) + item)
        .field(iso_images_tag, filled(images))
        .octets();
  };
  EXPECT_TRUE(decode(with(iso_item, 5)).has_value());
  for (const std::size_t size : {0U, 1U, 4U, 6U, 70000U}) expect_error(with(iso_item, size), FrameError::Field);
  expect_error(with(quiet_item, 1), FrameError::Field);
  Octets without = iso_item;
  without[47] = std::byte{0};
  expect_error(with(without, 0), FrameError::Field);
  Octets unasked = quiet_item;
  unasked[47] = std::byte{1};
  expect_error(with(unasked, 1), FrameError::Field);
  Octets wrapping = iso_item;  // 2 * 2^31 is 0 in 32 bits
  wrapping[44] = std::byte{0x80};
  wrapping[47] = std::byte{0};
  expect_error(
      Builder{call_type, 0, express}.field(call_tag, records_head(call_record, 2) + wrapping + wrapping).octets(),
      FrameError::Field);
}

}  // namespace
}  // namespace baton::handoff
