// SPDX-License-Identifier: MIT
#include "cli/trace_way.hpp"

#include <gtest/gtest.h>

#include "cli/trace_for_tests.hpp"

namespace baton::cli {
namespace {

using test::TraceText;

/// Express moves of two clients; that of 192.0.2.7 goes to S, which gives it back, and is moved again.
TraceText two_clients() {
  const auto begins = [](const char* connection, const char* client) {
    return std::string{",\"connection\":"} + connection + ",\"client\":\"" + client + "\"";
  };
  TraceText text;
  text.listener(100, "1", "CALL express", begins("93", "192.0.2.7:5000"))
      .server(130, "1", "not taken", R"(,"why":"no descriptor")")
      .listener(140, "1", "outcome", R"(,"taken":"no descriptor")")
      .listener(141, "1", "data stop lifted")
      .listener(150, "2", "CALL express", begins("94", "[2001:db8::7]:6000"))
      .server(170, "2", "TAKEN")
      .listener(180, "2", "outcome", R"(,"taken":"taken")")
      .listener(181, "2", "moved")
      .listener(300, "3", "CALL express", begins("93", "192.0.2.7:5000"))
      .server(320.5, "3", "TAKEN")
      .listener(330, "3", "outcome", R"(,"taken":"taken")")
      .listener(331, "3", "moved");
  return text;
}

std::string way(const TraceText& text, const Move* move) {
  if (move == nullptr) return "none";
  std::vector<Sequence> moves;
  for (const std::uint64_t id : way_of(text.table(), *move)) moves.push_back(text.sequence(id));
  return way_text(moves);
}

TEST(TraceWay, AllMovesOfOneConnectionInOneDiagram) {
  const TraceText text = two_clients();
  const MoveTable table = text.table();
  EXPECT_EQ(way(text, newest(table)),
            "connection 5d of client 192.0.2.7:5000: 2 moves\n"
            "\n"
            "        us  11                                  22\n"
            "            |                                   |\n"
            "            == move 1: given back: no descriptor\n"
            "       0.0  |--------- CALL (express) --------->|  read after 30.0 us\n"
            "      30.0  |<--- TAKEN: no, no descriptor -----|  read after 10.0 us\n"
            "      41.0  * data stop lifted                  |\n"
            "            |                                   |\n"
            "            == move 3: moved\n"
            "     200.0  |--------- CALL (express) --------->|  read after 20.5 us\n"
            "     220.5  |<------------- TAKEN --------------|  read after 9.5 us\n"
            "     231.0  * lets go: moved                    |\n");
}

TEST(TraceWay, AClientIsFoundByAddressOrByAddressAndPort) {
  const MoveTable table = two_clients().table();
  for (const char* const client : {"2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:6000"}) {
    const Move* const move = newest_of_client(table, client);
    ASSERT_NE(move, nullptr) << client;
    EXPECT_EQ(move->id, 2U);
  }
  EXPECT_EQ(newest_of_client(table, "192.0.2.7")->id, 3U);
  for (const char* const client : {"", "192.0.2.7:5001", "192.0.2", "5000"})
    EXPECT_EQ(newest_of_client(table, client), nullptr) << client;
  EXPECT_EQ(newest_of_connection(table, 94)->id, 2U);
  EXPECT_EQ(newest_of_connection(table, 95), nullptr);
}

TEST(TraceWay, ATraceThatNamesNoConnectionsHasMovesThatAreWaysOfTheirOwn) {
  const TraceText text = TraceText{}.moved(0, "1f").moved(500, "20");
  const MoveTable table = text.table();
  EXPECT_EQ(way_of(table, *newest(table)), std::vector<std::uint64_t>{0x20});
  const std::string drawn = way(text, newest(table));
  EXPECT_TRUE(drawn.starts_with("connection: 1 move\n")) << drawn;
  EXPECT_NE(drawn.find("* program reads the offer"), std::string::npos) << drawn;
}

TEST(TraceWay, AFrameThatNobodyReadEndsInACross) {
  TraceText text;
  text.listener(0, "1", "CALL express");
  const std::string drawn = way(text, newest(text.table()));
  EXPECT_NE(drawn.find("(no trace)"), std::string::npos) << drawn;
  EXPECT_NE(drawn.find("- CALL (express) ---------x|"), std::string::npos) << drawn;
}

}  // namespace
}  // namespace baton::cli
