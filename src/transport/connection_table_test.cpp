// SPDX-License-Identifier: MIT
// The connection requests and open-state cases that five other servers were measured with (their answers differ much
// and three crash or hang on some), each with the one answer of ours.
#include <gtest/gtest.h>

#include "cotp/tpkt.hpp"
#include "transport/connection.hpp"
#include "transport/machine_for_tests.hpp"

namespace baton::transport {
namespace {

Octets packet(const Octets& tpdu) {
  const auto header = cotp::encode_tpkt(tpdu.size());
  Octets whole(header->begin(), header->end());
  whole.insert(whole.end(), tpdu.begin(), tpdu.end());
  return whole;
}

Octets patched(Octets octets, std::size_t at, int value) {
  octets[at] = static_cast<std::byte>(value);
  return octets;
}

struct Case {
  const char* what;
  Octets packet;
  /// Our answer as a TPDU; "close" where the TPKT is broken and there is none.
  const char* answer;
};

/// Hands a packet over octet by octet, as a slow carrier would, and confirms what is indicated, unless the called
/// selector is "unknown".
std::string answer_to(const Octets& octets, bool byte_by_byte) {
  Connection connection = idle();
  Octets got;
  for (std::size_t size = byte_by_byte ? 0 : octets.size(); size <= octets.size(); ++size) {
    got.assign(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size));
    const auto length = cotp::decode_tpkt(got);
    if (!length && length.error() == cotp::TpktError::NeedMore) continue;
    if (!length) return "close";
    const auto event = connection.receive(Bytes{got}.subspan(cotp::tpkt_header_octets), *length, start);
    if (!event && event.error() == Misuse::HeadTooShort) continue;
    break;
  }
  if (connection.state() == State::Indicated) {
    if (as_text(connection.selectors().called.bytes()) == "unknown")
      EXPECT_TRUE(connection.refuse(cotp::DisconnectReason::AddressUnknown, {}, start).has_value());
    else
      EXPECT_TRUE(connection.confirm().has_value());
  }
  return take_output(connection);
}

std::vector<Case> requests() {
  const auto cr = [](int reference = peer_reference, int option = 0) {
    return TpduBuilder::request(reference, option);
  };
  const auto usual = [&cr] { return cr().parameter(0xC2, "0102").parameter(0xC0, "0a"); };
  const auto sized = [&cr](const char* digits) { return packet(cr().raw(digits).parameter(0xC2, "0102").octets()); };
  const Octets normal = packet(usual().octets());
  return {
      {"normal", normal, "0dd001020a0b00c0010ac2020102"},
      {"unknown called TSEL", packet(cr().parameter(0xC2, "756e6b6e6f776e").octets()), "06800102000003"},
      {"32-octet calling TSEL", packet(cr().parameter(0xC1, cotp::repeated(32, 0x41)).octets()),
       "2bd001020a0b00c0010bc1204141414141414141414141414141414141414141414141414141414141414141"},
      {"class 4, alternative 0", packet(cr(peer_reference, 0x40).parameter(0xC7, "00").octets()),
       "09d001020a0b00c0010b"},
      {"class 4, no alternative", packet(cr(peer_reference, 0x40).octets()), "06800102000082"},
      {"class 4, alternative 2", packet(cr(peer_reference, 0x40).parameter(0xC7, "20").octets()), "06800102000082"},
      {"class 2, no alternative", packet(cr(peer_reference, 0x20).octets()), "06800102000082"},
      {"F0=511 and C0=0B", sized("f00201ff c0010b"), "0dd001020a0b00c0010bc2020102"},
      {"C0=0D", sized("c0010d"), "0dd001020a0b00c0010dc2020102"},
      {"C0=10", sized("c00110"), "0dd001020a0b00c00110c2020102"},
      {"C0=06", sized("c00106"), "0dd001020a0b00c0010bc2020102"},
      {"C0 of length 2", sized("c0020a0a"), "0dd001020a0b00c0010bc2020102"},
      {"unknown parameter 55", sized("550101 c0010a"), "0dd001020a0b00c0010ac2020102"},
      {"C3 and C4", sized("c3020000 c40101 c0010a"), "0dd001020a0b00c0010ac2020102"},
      {"user data", packet(usual().user_data(hex("0102030405")).octets()), "0dd001020a0b00c0010ac2020102"},
      {"SRC-REF 0", packet(cr(0).parameter(0xC0, "0a").octets()), "09d000000a0b00c0010a"},
      {"DST-REF 7", patched(normal, 7, 7), "0dd001020a0b00c0010ac2020102"},
      {"parameter overruns LI", packet(cr().raw("c2 05 0102").octets()), "0f70010200c1090ae00000010200c205"},
      {"version 2", patched(normal, 0, 2), "close"},
      {"reserved FF", patched(normal, 1, 0xFF), "0dd001020a0b00c0010ac2020102"},
      {"TPKT length 6", hex("03000006 05e0"), "close"},
      {"first TPDU is DT", packet(hex("02f08001")), "0870000002c10202f0"},
      {"a text cookie in place of parameters (rdesktop)",
       packet(hex("24e00000000000436f6f6b69653a206d737473686173683d626f620d0a0100080003000000")),
       "0f70000000c10924e00000000000436f"},
      {"LI 255", patched(normal, 4, 255), "0770000000c101ff"},
  };
}

TEST(RequestTable, EachHasItsAnswer) {
  for (const Case& each : requests()) EXPECT_EQ(answer_to(each.packet, false), each.answer) << each.what;
}

TEST(RequestTable, EachHasTheSameAnswerByteByByte) {
  for (const Case& each : requests()) EXPECT_EQ(answer_to(each.packet, true), each.answer) << each.what;
}

struct OpenCase {
  const char* what;
  Octets head;
  std::size_t length;  ///< 0: that of the head
  State state;
  const char* answer;
};

TEST(OpenTable, EachHasItsAnswer) {
  const OpenCase cases[] = {
      {"DR", hex("06 80 0a0b 0102 80"), 0, State::Closed, ""},
      {"DR with other references and a stray octet", hex("06 80 0001 0001 00 00"), 0, State::Closed, ""},
      {"second CR", usual_cr(), 0, State::Closing, "0870010202c10211e0"},
      {"CC", usual_cc(), 0, State::Closing, "0870010202c10209d0"},
      {"DT with TPDU-NR 1", hex("02 f0 81 01"), 0, State::Closing, "0970010203c10302f081"},
      {"DT F1", hex("02 f1 80 01"), 0, State::Closing, "0870010202c10202f1"},
      {"DT with LI 4", hex("04 f0 80 00 00 01"), 0, State::Closing, "0770010200c10104"},
      {"DT of 60000 octets after 1024 were agreed", hex("02 f0 80"), 60000, State::Open, ""},
      {"DT three octets too large", hex("02 f0 80"), 1027, State::Open, ""},
      {"empty DT that ends a TSDU", hex("02 f0 80"), 0, State::Open, ""},
      {"empty DT that ends none", hex("02 f0 00"), 0, State::Closing, "0970010200c10302f000"},
      {"ER", hex("06 70 0a0b 02 c100"), 0, State::Closed, ""},
      {"DC", hex("05 c0 0a0b 0102"), 0, State::Closing, "0870010202c10205c0"},
      {"ED", hex("02 10 80 01"), 0, State::Closing, "0870010202c1020210"},
      {"AK", hex("04 60 0a0b 01"), 0, State::Closing, "0870010202c1020460"},
  };
  for (const OpenCase& each : cases) {
    SCOPED_TRACE(each.what);
    Connection connection = open_responder();
    EXPECT_TRUE(connection.receive(each.head, each.length == 0 ? each.head.size() : each.length, start).has_value());
    EXPECT_EQ(connection.state(), each.state);
    EXPECT_EQ(take_output(connection), each.answer);
  }
}

}  // namespace
}  // namespace baton::transport
