// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "cotp/octets_for_tests.hpp"
#include "cotp/tpdu.hpp"
#include "cotp/tpkt.hpp"

namespace baton::cotp {
namespace {

/// The octets stay, because what is decoded are views into them.
template <typename T>
T decoded(Octets given) {
  static std::deque<Octets> kept;
  const Octets& octets = kept.emplace_back(std::move(given));
  const auto tpdu = decode(octets);
  EXPECT_TRUE(tpdu.has_value()) << to_hex(octets) << ": " << (tpdu ? "" : describe(tpdu.error().fault));
  if (!tpdu) return {};
  const T* found = std::get_if<T>(&*tpdu);
  EXPECT_NE(found, nullptr) << to_hex(octets);
  return found != nullptr ? *found : T{};
}

void expect_fault(const Octets& octets, Fault fault, RejectCause cause, std::size_t offending) {
  const auto tpdu = decode(octets);
  ASSERT_FALSE(tpdu.has_value()) << to_hex(octets);
  EXPECT_EQ(tpdu.error().fault, fault) << to_hex(octets) << ": " << describe(tpdu.error().fault);
  EXPECT_EQ(tpdu.error().cause, cause) << to_hex(octets);
  EXPECT_EQ(to_hex(tpdu.error().offending), to_hex(Bytes{octets}.first(offending)));
}

constexpr auto no_cause = RejectCause::NotSpecified;
constexpr auto bad_code = RejectCause::InvalidParameterCode;
constexpr auto bad_type = RejectCause::InvalidTpduType;
constexpr auto bad_value = RejectCause::InvalidParameterValue;

// RFC 905 §13.3
TEST(DecodeRequest, ReadsEveryField) {
  const Octets octets = TpduBuilder{{0xE0, 0x12, 0x34, 0x56, 0x78, 0x40}}
                            .parameter(0xC2, "0102")
                            .parameter(0xC7, "0010")
                            .parameter(0xC1, "a1a2a3")
                            .parameter(0xF0, "01ff")
                            .parameter(0xC0, "0a")
                            .user_data(hex("d0d1"))
                            .octets();
  const auto request = decoded<ConnectionRequest>(octets);
  EXPECT_EQ(request.destination_reference, 0x1234);
  EXPECT_EQ(request.source_reference, 0x5678);
  EXPECT_EQ(request.preferred_class, 4);
  EXPECT_EQ(request.alternatives, (ClassSet{0, 1}));
  EXPECT_EQ(request.size, TpduSize::Octets1024);
  EXPECT_EQ(request.preferred_size, 511U);
  EXPECT_EQ(to_hex(request.calling), "a1a2a3");
  EXPECT_EQ(to_hex(request.called), "0102");
  EXPECT_EQ(to_hex(request.user_data), "d0d1");
}

TEST(DecodeRequest, NeedsNoParameter) {
  const auto request = decoded<ConnectionRequest>(TpduBuilder::request(0x0102).octets());
  EXPECT_EQ(request.destination_reference, 0);
  EXPECT_EQ(request.source_reference, 0x0102);
  EXPECT_EQ(request.preferred_class, 0);
  EXPECT_TRUE(request.alternatives.empty());
  EXPECT_FALSE(request.size.has_value());
  EXPECT_EQ(request.preferred_size, 0U);
  EXPECT_TRUE(request.calling.empty());
  EXPECT_TRUE(request.called.empty());
  EXPECT_TRUE(request.user_data.empty());
}

// RFC 905 §13.2.3
TEST(DecodeRequest, TakesTheLastOfADuplicate) {
  const auto request = decoded<ConnectionRequest>(TpduBuilder::request()
                                                      .parameter(0xC0, "0a")
                                                      .parameter(0xC1, "01")
                                                      .parameter(0xC0, "0b")
                                                      .parameter(0xC1, "02")
                                                      .octets());
  EXPECT_EQ(request.size, TpduSize::Octets2048);
  EXPECT_EQ(to_hex(request.calling), "02");
}

// RFC 905 §13.2.3: "unknown in a CR" covers every code without a meaning in class 0.
TEST(DecodeRequest, IgnoresEveryOtherParameter) {
  for (int code = 0; code < 256; ++code) {
    if (code == 0xC0 || code == 0xC1 || code == 0xC2 || code == 0xC7 || code == 0xF0) continue;
    const auto request =
        decoded<ConnectionRequest>(TpduBuilder::request().parameter(code, "010203").parameter(0xC1, "aa").octets());
    EXPECT_EQ(to_hex(request.calling), "aa") << code;
  }
}

TEST(DecodeRequest, IgnoresSizesThatDoNotExist) {
  for (const auto value : {"", "06", "11", "00", "ff", "0a0a"})
    EXPECT_FALSE(decoded<ConnectionRequest>(TpduBuilder::request().parameter(0xC0, value).octets()).size) << value;
  for (const auto value : {"", "00", "00000000", "0000000001"})
    EXPECT_EQ(decoded<ConnectionRequest>(TpduBuilder::request().parameter(0xF0, value).octets()).preferred_size, 0U)
        << value;
}

TEST(DecodeRequest, AnIgnoredValueLeavesAnEarlierOne) {
  EXPECT_EQ(
      decoded<ConnectionRequest>(TpduBuilder::request().parameter(0xC0, "0a").parameter(0xC0, "06").octets()).size,
      TpduSize::Octets1024);
}

// RFC 905 §13.3.4: alternatives have to be understood, unless class 0 is preferred already.
TEST(DecodeRequest, RefusesAlternativesThatAreNoClasses) {
  for (const auto value : {"50", "f0", "01", "0050"}) {
    const std::size_t length = hex(value).size();
    expect_fault(TpduBuilder::request(1, 0x20).parameter(0xC7, value).octets(), Fault::ParameterValue, bad_value,
                 9 + length);
    EXPECT_TRUE(
        decoded<ConnectionRequest>(TpduBuilder::request(1, 0).parameter(0xC7, value).octets()).alternatives.empty());
  }
}

TEST(DecodeRequest, TakesSelectorsOfAnyLengthThatFits) {
  for (std::size_t length = 0; length <= 119; ++length)
    EXPECT_EQ(decoded<ConnectionRequest>(TpduBuilder::request().parameter(0xC2, repeated(length, 0x55)).octets())
                  .called.size(),
              length);
}

// RFC 1006 §5
TEST(DecodeRequest, KeepsUpTo32OctetsOfUserDataAndDropsMore) {
  EXPECT_EQ(decoded<ConnectionRequest>(TpduBuilder::request().user_data(repeated(32, 1)).octets()).user_data.size(),
            32U);
  EXPECT_TRUE(decoded<ConnectionRequest>(TpduBuilder::request().user_data(repeated(33, 1)).octets()).user_data.empty());
}

// RFC 905 §13.3
TEST(DecodeRequest, IsNotLongerThan128Octets) {
  EXPECT_TRUE(decode(TpduBuilder::request().user_data(repeated(121, 1)).octets()).has_value());
  expect_fault(TpduBuilder::request().user_data(repeated(122, 1)).octets(), Fault::TooLong, no_cause, 1);
}

TEST(DecodeRequest, RefusesClassesThatDoNotExist) {
  for (int number = 0; number < 16; ++number) {
    const Octets octets = TpduBuilder::request(1, number << 4).octets();
    if (number <= 4)
      EXPECT_EQ(decoded<ConnectionRequest>(octets).preferred_class, number);
    else
      expect_fault(octets, Fault::ClassOrOption, bad_value, 7);
  }
}

TEST(DecodeRequest, RefusesOptionsAndCreditInClass0Only) {
  for (int bits = 1; bits < 16; ++bits) {
    expect_fault(TpduBuilder::request(1, bits).octets(), Fault::ClassOrOption, bad_value, 7);
    expect_fault(TpduBuilder{{0xE0 + bits, 0, 0, 0, 1, 0}}.octets(), Fault::Credit, bad_value, 2);
    EXPECT_EQ(decoded<ConnectionRequest>(TpduBuilder{{0xE0 + bits, 0, 0, 0, 1, 0x40 + bits}}.octets()).preferred_class,
              4);
  }
}

TEST(DecodeRequest, RefusesAParameterThatRunsPastTheHeader) {
  expect_fault(TpduBuilder::request().raw("c1 03 0102").octets(), Fault::ParameterOverrun, no_cause, 9);
  expect_fault(TpduBuilder::request().raw("c1").octets(), Fault::ParameterOverrun, no_cause, 8);
  expect_fault(TpduBuilder::request().raw("c1").user_data(hex("00")).octets(), Fault::ParameterOverrun, no_cause, 8);
  // User data behind the header does not make up for it.
  expect_fault(TpduBuilder::request().raw("c1 03 0102").user_data(hex("03")).octets(), Fault::ParameterOverrun,
               no_cause, 9);
}

TEST(DecodeRequest, TellsTheSourceReferenceOfAFaultyOne) {
  EXPECT_EQ(decode(TpduBuilder::request(0x4711, 1).octets()).error().source_reference, 0x4711);
  EXPECT_EQ(decode(hex("05 e0 0000 4711")).error().source_reference, 0);
}

// RFC 905 §13.4
TEST(DecodeConfirm, ReadsEveryField) {
  const auto confirm = decoded<ConnectionConfirm>(TpduBuilder::confirm(0x0102, 0x0304)
                                                      .parameter(0xC0, "10")
                                                      .parameter(0xC1, "aa")
                                                      .parameter(0xC2, "bbbb")
                                                      .parameter(0xF0, "10")
                                                      .user_data(hex("0908"))
                                                      .octets());
  EXPECT_EQ(confirm.destination_reference, 0x0102);
  EXPECT_EQ(confirm.source_reference, 0x0304);
  EXPECT_EQ(confirm.preferred_class, 0);
  EXPECT_EQ(confirm.size, TpduSize::Octets65531);
  EXPECT_EQ(confirm.preferred_size, 16U);
  EXPECT_EQ(to_hex(confirm.calling), "aa");
  EXPECT_EQ(to_hex(confirm.called), "bbbb");
  EXPECT_EQ(to_hex(confirm.user_data), "0908");
}

// RFC 905 §13.2.3
TEST(DecodeConfirm, RefusesEveryOtherParameter) {
  for (int code = 0; code < 256; ++code) {
    if (code == 0xC0 || code == 0xC1 || code == 0xC2 || code == 0xF0) continue;
    expect_fault(TpduBuilder::confirm(1, 2).parameter(0xC1, "aa").parameter(code, "01").octets(),
                 Fault::UnknownParameter, bad_code, 11);
  }
}

TEST(DecodeConfirm, RefusesSizesThatDoNotExist) {
  expect_fault(TpduBuilder::confirm(1, 2).parameter(0xC0, "06").octets(), Fault::ParameterValue, bad_value, 10);
  expect_fault(TpduBuilder::confirm(1, 2).parameter(0xC0, "11").octets(), Fault::ParameterValue, bad_value, 10);
  expect_fault(TpduBuilder::confirm(1, 2).parameter(0xC0, "0a0a").octets(), Fault::ParameterValue, bad_value, 9);
  expect_fault(TpduBuilder::confirm(1, 2).parameter(0xF0, "0000").octets(), Fault::ParameterValue, bad_value, 11);
  expect_fault(TpduBuilder::confirm(1, 2).parameter(0xF0, "").octets(), Fault::ParameterValue, bad_value, 9);
}

TEST(DecodeConfirm, RefusesOverrunLengthCreditAndOption) {
  expect_fault(TpduBuilder::confirm(1, 2).raw("c0 01").octets(), Fault::ParameterOverrun, no_cause, 9);
  expect_fault(TpduBuilder::confirm(1, 2).user_data(repeated(33, 0)).octets(), Fault::TooLong, no_cause, 40);
  expect_fault(TpduBuilder::confirm(1, 2).user_data(repeated(122, 0)).octets(), Fault::TooLong, no_cause, 1);
  expect_fault(TpduBuilder{{0xD1, 0, 1, 0, 2, 0}}.octets(), Fault::Credit, bad_value, 2);
  expect_fault(TpduBuilder::confirm(1, 2, 1).octets(), Fault::ClassOrOption, bad_value, 7);
}

TEST(DecodeConfirm, LeavesAnotherClassToTheCaller) {
  EXPECT_EQ(decoded<ConnectionConfirm>(TpduBuilder::confirm(1, 2, 0x40).octets()).preferred_class, 4);
}

// RFC 905 §13.5
TEST(DecodeDisconnect, ReadsEveryField) {
  const auto request =
      decoded<DisconnectRequest>(TpduBuilder{{0x80, 0x01, 0x02, 0x03, 0x04, 0x83}}.parameter(0xE0, "626164").octets());
  EXPECT_EQ(request.destination_reference, 0x0102);
  EXPECT_EQ(request.source_reference, 0x0304);
  EXPECT_EQ(request.reason, DisconnectReason::DuplicateSourceReference);
  EXPECT_EQ(as_text(request.additional_info), "bad");
}

TEST(DecodeDisconnect, TakesAnyShapeBehindItsFixedPart) {
  for (const auto tail : {"55 01 00", "e0 09 01", "e0", "00 00 00 00"})
    EXPECT_TRUE(
        decoded<DisconnectRequest>(TpduBuilder{{0x80, 0, 0, 0, 0, 0}}.raw(tail).octets()).additional_info.empty())
        << tail;
  EXPECT_TRUE(decoded<DisconnectRequest>(TpduBuilder{{0x80, 0, 0, 0, 0, 0}}.user_data(hex("e00101")).octets())
                  .additional_info.empty());
}

TEST(DecodeDisconnect, NeedsItsFixedPartAndExactCode) {
  expect_fault(hex("05 80 0000 0000 00"), Fault::LengthIndicator, no_cause, 1);
  expect_fault(hex("06 81 0000 0000 00"), Fault::UnknownType, bad_type, 2);
}

// RFC 905 §13.7, RFC 2126 §6.5
TEST(DecodeData, ReadsEndOfTsduAndWhereThePayloadIs) {
  const auto last = decoded<Data>(hex("02 f0 80 010203"));
  EXPECT_EQ(last.payload_offset, 3U);
  EXPECT_EQ(last.payload_length, 3U);
  EXPECT_TRUE(last.end_of_tsdu);
  EXPECT_FALSE(decoded<Data>(hex("02 f0 00 01")).end_of_tsdu);
}

TEST(DecodeData, NeedsNoMoreThanTheHeader) {
  const Octets header = hex("02 f0 80");
  for (const std::size_t length : {std::size_t{3}, std::size_t{4}, std::size_t{2048}, max_tpdu_octets}) {
    EXPECT_EQ(head_needed(header, length), 3U);
    const auto tpdu = decode(header, length);
    ASSERT_TRUE(tpdu.has_value());
    EXPECT_EQ(std::get<Data>(*tpdu).payload_length, length - 3);
  }
  EXPECT_EQ(decode(header, max_tpdu_octets + 1).error().fault, Fault::TooLong);
}

// RFC 905 §6.3.3
TEST(DecodeData, MayBeEmptyOnlyAtTheEndOfATsdu) {
  EXPECT_EQ(decoded<Data>(hex("02 f0 80")).payload_length, 0U);
  expect_fault(hex("02 f0 00"), Fault::EmptyData, no_cause, 3);
}

TEST(DecodeData, RefusesNumbers) {
  for (int mark = 0; mark < 256; ++mark) {
    if (mark == 0 || mark == 0x80) continue;
    Octets octets = hex("02 f0 00 01");
    octets[2] = static_cast<std::byte>(mark);
    expect_fault(octets, Fault::TpduNumber, bad_value, 3);
  }
}

TEST(DecodeData, RefusesOtherHeaderLengthsAndAcknowledgementRequests) {
  for (int length = 0; length < 256; ++length) {
    if (length == 2) continue;
    Octets octets = hex("00 f0 80");
    octets.resize(300);
    octets[0] = static_cast<std::byte>(length);
    expect_fault(octets, Fault::LengthIndicator, no_cause, 1);
  }
  for (int low = 1; low < 16; ++low) {
    Octets octets = hex("02 f0 80 01");
    octets[1] = static_cast<std::byte>(0xF0 + low);
    expect_fault(octets, Fault::UnknownType, bad_type, 2);
  }
}

// RFC 905 §13.12
TEST(DecodeErrorReport, ReadsEveryField) {
  const auto report = decoded<ErrorReport>(TpduBuilder{{0x70, 0x01, 0x02, 0x02}}.parameter(0xC1, "05e0").octets());
  EXPECT_EQ(report.destination_reference, 0x0102);
  EXPECT_EQ(report.cause, RejectCause::InvalidTpduType);
  EXPECT_EQ(to_hex(report.invalid_tpdu), "05e0");
}

TEST(DecodeErrorReport, MayLackItsParameterAndSaysSoWhenBroken) {
  EXPECT_TRUE(decoded<ErrorReport>(hex("04 70 0000 00")).invalid_tpdu.empty());
  EXPECT_TRUE(decoded<ErrorReport>(hex("06 70 0000 00 c1 09")).invalid_tpdu.empty());
  expect_fault(hex("03 70 0000 00"), Fault::LengthIndicator, no_cause, 1);
  EXPECT_TRUE(decode(hex("03 70 0000 00")).error().in_error_report);
  EXPECT_TRUE(decode(hex("ff 70 0000 00")).error().in_error_report);
  EXPECT_FALSE(decode(hex("05 80 0000 0000")).error().in_error_report);
}

// RFC 905 §13.6, §13.8 to §13.11: none of these exists in class 0.
TEST(Decode, RefusesEveryOtherType) {
  for (int code = 0; code < 256; ++code) {
    const int type = code & 0xF0;
    if (type == 0xE0 || type == 0xD0 || code == 0x80 || code == 0x70 || code == 0xF0) continue;
    expect_fault(TpduBuilder{{code, 0, 0, 0, 0, 0}}.octets(), Fault::UnknownType, bad_type, 2);
  }
}

// RFC 905 §13.2.1
TEST(Decode, RefusesALengthIndicatorThatDoesNotFit) {
  for (const int code : {0xE0, 0xD0, 0x80, 0xF0, 0x70})
    for (const int length : {0, 6, 7, 254, 255}) {
      if (code == 0xF0 && length < 6 && length != 0) continue;
      Octets octets = TpduBuilder{{code, 0, 0, 0, 0}}.length_indicator(length).octets();
      expect_fault(octets, Fault::LengthIndicator, no_cause, 1);
    }
  // 255 is reserved even where there are as many octets.
  Octets octets = repeated(300, 0);
  octets[0] = std::byte{255};
  octets[1] = std::byte{0xE0};
  expect_fault(octets, Fault::LengthIndicator, no_cause, 1);
}

TEST(Decode, RefusesNothingAtAll) { expect_fault({}, Fault::LengthIndicator, no_cause, 0); }

struct Golden {
  const char* sender;
  const char* tpkt;
};

Octets tpdu_of(const Golden& golden) {
  const Octets octets = hex(golden.tpkt);
  const auto length = decode_tpkt(octets);
  EXPECT_EQ(length, octets.size() - 4) << golden.sender;
  return Octets(octets.begin() + 4, octets.end());
}

struct GoldenRequest {
  Golden from;
  int reference;
  std::optional<TpduSize> size;
  const char* calling;
  const char* called;
};

// As captured from the programs named.
TEST(GoldenVectors, RequestsOfRealPrograms) {
  const GoldenRequest vectors[] = {
      {{"libiec61850", "0300001611e00000000100c0010dc2020001c1020001"}, 1, TpduSize::Octets8192, "0001", "0001"},
      {{"snap7", "0300001611e00000000100c0010ac1020100c2020102"}, 1, TpduSize::Octets1024, "0100", "0102"},
      {{"python-snap7", "0300001611e00000000100c1020100c2020102c0010a"}, 1, TpduSize::Octets1024, "0100", "0102"},
      {{"nodes7", "0300001611e00000000200c0010ac1020100c2020102"}, 2, TpduSize::Octets1024, "0100", "0102"},
      {{"ISODE isoc", "0300001510e00000783800c60101c2020080c0010b"}, 0x7838, TpduSize::Octets2048, "", "0080"},
      {{"ISODE imisc", "030000120de00000783f00c2020206c0010b"}, 0x783F, TpduSize::Octets2048, "", "0206"},
      {{"iec61850bean", "0300001611e00000000100c00110c2020001c1020002"}, 1, TpduSize::Octets65531, "0002", "0001"},
  };
  for (const auto& vector : vectors) {
    SCOPED_TRACE(vector.from.sender);
    const Octets octets = tpdu_of(vector.from);
    const auto request = decoded<ConnectionRequest>(octets);
    EXPECT_EQ(request.source_reference, vector.reference);
    EXPECT_EQ(request.preferred_class, 0);
    EXPECT_EQ(request.size, vector.size);
    EXPECT_EQ(to_hex(request.calling), vector.calling);
    EXPECT_EQ(to_hex(request.called), vector.called);
    EXPECT_TRUE(request.user_data.empty());
  }
}

TEST(GoldenVectors, ARequestWithATextCookieIsRefused) {
  const Octets octets =
      tpdu_of({"xfreerdp", "0300002924e00000000000436f6f6b69653a206d737473686173683d626f620d0a0100080003000000"});
  expect_fault(octets, Fault::ParameterOverrun, no_cause, 9);
}

TEST(GoldenVectors, ReleasesOfRealPrograms) {
  const Octets isode = tpdu_of({"ISODE isoc", "0300000b06807839783880"});
  EXPECT_EQ(decoded<DisconnectRequest>(isode).reason, DisconnectReason::NormalDisconnect);
  EXPECT_EQ(decoded<DisconnectRequest>(isode).destination_reference, 0x7839);
  EXPECT_EQ(decoded<DisconnectRequest>(isode).source_reference, 0x7838);
  const Octets bean = tpdu_of({"iec61850bean", "0300000b06800001000100"});
  EXPECT_EQ(decoded<DisconnectRequest>(bean).reason, DisconnectReason::NotSpecified);
  const Octets python = tpdu_of({"python-snap7", "0300000c0680000100010000"});
  EXPECT_EQ(decoded<DisconnectRequest>(python).reason, DisconnectReason::NotSpecified);
  expect_fault(TpduBuilder{{0xC0, 0, 1, 0, 1}}.octets(), Fault::UnknownType, bad_type, 2);  // snap7's DC
}

}  // namespace
}  // namespace baton::cotp
