// SPDX-License-Identifier: MIT
// Programs of others, as they are, against baton's AF_ISO over TCP. Everything is captured, and judged by Wireshark.
//
// Runs alone in a network namespace (in_namespace.sh).
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "capture.hpp"
#include "os/test_support.hpp"
#include "programs.hpp"
#include "s7.hpp"
#include "station.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/sockets.hpp"
#include "visitor.hpp"

namespace baton::interop {
namespace {

using test::Child;
using test::require;

constexpr std::uint16_t iso_port = 102;

/// A client program of peers/: the arguments of all are alike.
struct ClientProgram {
  std::string package;
  std::uint16_t block;  // it has to itself
  unsigned slot = 2;
  unsigned rounds = 5;
  unsigned longest_message = 0;  // 0: what it asks for itself
};

/// For the names of tests.
void PrintTo(const ClientProgram& program, std::ostream* out) { *out << program.package; }

/// Where a round of a client leaves its last write: as in peers/area.js.
void expect_last_write(s7::Plant& plant, const ClientProgram& client) {
  constexpr std::size_t start = s7::block_size / 2 + 50;
  constexpr std::size_t size = 1501;
  const auto whole = *plant.area(client.block, 0, s7::block_size);
  for (std::size_t address = 0; address < s7::block_size; ++address) {
    const bool own = address >= start && address < start + size;
    const std::byte expected =
        own ? s7::written(client.block, client.rounds, address) : s7::original(client.block, address);
    ASSERT_EQ(whole[address], expected) << "block " << client.block << ", address " << address;
  }
}

class Interop : public ::testing::Test {
 protected:
  /// Begins when its port comes.
  static Child client(const ClientProgram& program, const test::Mailbox& mailbox) {
    return Child{program.package,
                 [&mailbox, program] {
                   const auto port = std::to_string(mailbox.receive());
                   Command command = node_program(program.package + "_client.js",
                                                  {"127.0.0.1", port, std::to_string(program.slot),
                                                   std::to_string(program.block), std::to_string(program.rounds)});
                   if (program.longest_message > 0) command.push_back(std::to_string(program.longest_message));
                   become(command);
                 },
                 program_time};
  }
  static std::vector<Child> processes(const Station& station) {
    std::vector<Child> all;
    for (unsigned number = 0; number < station.plan.processes; ++number)
      all.emplace_back(
          "station " + std::to_string(number), [&, number] { run_station(station, number); }, program_time);
    return all;
  }

  /// The station serves all clients at the same time.
  void serve(Station& station, const std::vector<ClientProgram>& clients) {
    station.plan.sessions = static_cast<unsigned>(clients.size());
    std::vector<Child> all = processes(station);
    for (const ClientProgram& program : clients) all.push_back(client(program, station.port));
    ASSERT_EQ(finish(all), "");
    EXPECT_EQ(station.record->accepted, clients.size());
    for (const ClientProgram& program : clients) expect_last_write(station.record->plant, program);
  }

  /// Each client saw one connection from its beginning to its end, and one answer to each request.
  void expect_clean(const Station& station) {
    const auto port = station.record->port.load();
    capture_.end();
    EXPECT_EQ(complaints(capture_, port), "");
    const Conversations all = conversations(capture_, port);
    EXPECT_EQ(all.connections, station.plan.sessions);
    EXPECT_EQ(all.requests, station.record->answered);
    EXPECT_EQ(all.answers, station.record->answered);
    EXPECT_EQ(all.unanswered, 0U);
  }

  test::RuntimeDir folder_;
  Capture capture_;
};

// So that silence means something.
TEST_F(Interop, WiresharkComplainsWhereSomethingIsWrong) {
  const std::vector<unsigned char> header_beyond_the_packet{3, 0, 0, 11, 255, 0xf0, 0x80, 1, 2, 3, 4};
  const std::vector<unsigned char> parameter_beyond_the_header{3, 0, 0, 14, 9, 0xe0, 0, 0, 0, 1, 0, 0xc1, 5, 1};
  const UniqueFd listening = test::tcp_listen(AF_INET);
  const std::uint16_t port = test::port_of(listening.ref());
  for (const auto& packet : {header_beyond_the_packet, parameter_beyond_the_header}) {
    const UniqueFd sending = test::tcp_connect(AF_INET, port);
    test::write_all(sending.ref(), std::as_bytes(std::span{packet}));
  }
  capture_.end();
  EXPECT_EQ(std::ranges::count(complaints(capture_, port), '\n'), 2);
}

class Clients : public Interop, public ::testing::WithParamInterface<ClientProgram> {};

TEST_P(Clients, ReadAndWriteAtAServer) {
  Station station{{.address = "127.0.0.1:102"}};
  ASSERT_NO_FATAL_FAILURE(serve(station, {GetParam()}));
  expect_clean(station);
}

TEST_P(Clients, NoticeNothingOfTheirSessionsMoves) {
  ClientProgram program = GetParam();
  program.rounds = 60;
  Station station{{.processes = 2, .requests = 3}};
  ASSERT_NO_FATAL_FAILURE(serve(station, {program}));
  expect_clean(station);
  // A round has ten requests or more.
  for (const Moment moment : {Moment::BetweenRequests, Moment::InARequest, Moment::BeforeAnAnswer})
    EXPECT_GE(station.record->moved.at(static_cast<std::size_t>(moment)), program.rounds);
}

TEST_P(Clients, NoticeNothingOfAMoveBeforeTheConfirmation) {
  Station station{{.processes = 2, .moves_unconfirmed = true}};
  ASSERT_NO_FATAL_FAILURE(serve(station, {GetParam()}));
  expect_clean(station);
  EXPECT_EQ(station.record->moved.at(static_cast<std::size_t>(Moment::Unconfirmed)), 1U);
}

INSTANTIATE_TEST_SUITE_P(Of, Clients,
                         ::testing::Values(ClientProgram{"node-snap7", 1}, ClientProgram{"nodes7", 2},
                                           ClientProgram{"st-one-nodes7", 3}),
                         [](const auto& of) {
                           std::string name = of.param.package;
                           std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
                           return name;
                         });

TEST_F(Interop, AClientThatSegmentsItsMessagesMovesInTheMiddleOfThem) {
  Station station{{.processes = 2, .requests = 2, .waits = test::Waits::Select}};
  ClientProgram program{"st-one-nodes7", 3};
  program.rounds = 30;
  program.longest_message = 4000;  // in TPDUs of 1024 octets
  ASSERT_NO_FATAL_FAILURE(serve(station, {program}));
  expect_clean(station);
  EXPECT_GE(station.record->moved.at(static_cast<std::size_t>(Moment::InARequest)), program.rounds / 2);
  EXPECT_FALSE(capture_.lines(station.record->port, "cotp.type == 0x0f && cotp.eot == 0", {"frame.number"}).empty());
}

TEST_F(Interop, ThreeKindsOfClientsAtTwoSlotsGoRoundThreeProcessesSideBySide) {
  Station station{{.slots = {2, 3}, .processes = 3, .requests = 5}};
  ASSERT_NO_FATAL_FAILURE(
      serve(station, {{"node-snap7", 1, 2, 20}, {"nodes7", 2, 3, 20}, {"st-one-nodes7", 3, 2, 20}}));
  expect_clean(station);
  for (const Moment moment : {Moment::BetweenRequests, Moment::InARequest, Moment::BeforeAnAnswer})
    EXPECT_GE(station.record->moved.at(static_cast<std::size_t>(moment)), 10U);
}

TEST_F(Interop, ASlotWhereNobodyListensIsRefusedAndTheNextClientIsServed) {
  Station station{{.address = "127.0.0.1:102"}};
  std::vector<Child> all = processes(station);
  const test::Mailbox next;
  all.emplace_back("our client", [&] {
    const auto port = static_cast<std::uint16_t>(station.port.receive());
    constexpr int address_unknown = 3;  // RFC 905 13.5.3
    require(refusal_of_slot(port, 7) == address_unknown, "the reason is that the address is unknown");
    next.send(port);
  });
  const ClientProgram program{"node-snap7", 1};
  all.push_back(client(program, next));
  ASSERT_EQ(finish(all), "");
  expect_last_write(station.record->plant, program);
  capture_.end();
  EXPECT_EQ(complaints(capture_, iso_port), "");
  EXPECT_EQ(capture_.lines(iso_port, "cotp.type == 0x08", {"frame.number"}).size(), 1U);
}

#ifdef INTEROP_BATOND
TEST_F(Interop, ClientsOfTwoServersBehindOnePort) {
  const std::string file = std::string{folder_.path()} + "/batond.toml";
  std::ofstream{file} << "[batond]\ncontrol = \"" << folder_.path() << "/control\"\n"
                      << "[listener.iso]\naddress = \"127.0.0.1:102\"\n[[route]]\nto_called_tsap = true\n";
  Background batond{"batond", {"sh", "-c", "exec " INTEROP_BATOND " --config " + file + " 2>&1"}};
  while (batond.line().find("started") == std::string::npos) {
  }
  Station first{{.address = "", .slots = {2}, .sessions = 2}};
  Station second{{.address = "", .slots = {3}}};
  const std::vector<ClientProgram> to_first{{"node-snap7", 1, 2, 20}, {"st-one-nodes7", 3, 2, 20}};
  const ClientProgram to_second{"nodes7", 2, 3, 20};
  std::vector<Child> all = processes(first);
  for (Child& each : processes(second)) all.push_back(std::move(each));
  for (const ClientProgram& program : to_first) all.push_back(client(program, first.port));
  all.push_back(client(to_second, second.port));
  ASSERT_EQ(finish(all), "");
  for (const ClientProgram& program : to_first) expect_last_write(first.record->plant, program);
  expect_last_write(second.record->plant, to_second);
  constexpr int address_unknown = 3;  // RFC 905 13.5.3
  EXPECT_EQ(refusal_of_slot(iso_port, 2), address_unknown) << "the servers have ended";
  batond.end();
  capture_.end();
  EXPECT_EQ(complaints(capture_, iso_port), "");
  const Conversations said = conversations(capture_, iso_port);
  EXPECT_EQ(said.requests, first.record->answered + second.record->answered);
  EXPECT_EQ(said.unanswered, 0U);
}
#endif

/// The role that brings rdesktop, some times, to the server at `port`.
void bring_rdesktop(std::uint64_t port, pid_t server, const std::string& display, unsigned attempts) {
  const std::string command = "DISPLAY=:" + display + " rdesktop -u bob 127.0.0.1:" + std::to_string(port);
  const std::size_t before = test::open_descriptors(server);
  for (unsigned i = 0; i < attempts; ++i) {
    constexpr int no_rdp_server = 76;
    const int status = std::system(command.c_str());
    require(WIFEXITED(status) && WEXITSTATUS(status) == no_rdp_server, "rdesktop finds that this is no RDP server");
    require(os::testing::eventually([&] { return test::open_descriptors(server) == before; }),
            "nothing of a refused connection is left in the server");
  }
}

// Its connection request has a text where the parameters belong.
TEST_F(Interop, RdesktopIsRefusedAndTheNextClientIsServed) {
  Background display{"Xvfb", {"Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x480x24"}};
  const std::string display_number = display.line();
  Station station{{.address = "127.0.0.1:102"}};
  std::vector<Child> all = processes(station);
  constexpr unsigned attempts = 3;
  const pid_t server = all.front().pid();
  const test::Mailbox next;
  all.emplace_back("rdesktop", [&] {
    const auto port = station.port.receive();
    bring_rdesktop(port, server, display_number, attempts);
    next.send(port);
  });
  const ClientProgram program{"node-snap7", 1};
  all.push_back(client(program, next));
  ASSERT_EQ(finish(all), "");
  expect_last_write(station.record->plant, program);
  display.end();
  capture_.end();
  EXPECT_EQ(complaints(capture_, iso_port), "");
  EXPECT_EQ(capture_.lines(iso_port, "cotp.type == 0x0e", {"frame.number"}).size(), attempts + 1);
  EXPECT_EQ(capture_.lines(iso_port, "cotp.type == 0x0d", {"frame.number"}).size(), 1U);
  // ER to reference 0, no cause given, with the request up to its first octets that cannot be parameters.
  const std::vector<std::string> refusals(attempts, "030000140f70000000c10924e00000000000436f");
  EXPECT_EQ(capture_.lines(iso_port, "tcp.srcport == 102 && tcp.payload[5] == 70", {"tcp.payload"}), refusals);
}

/// The server of node-snap7 with our client's processes.
class Snap7Server : public Interop {
 protected:
  void visit(const Visit& visit) {
    Background server{"node-snap7_server.js",
                      node_program("node-snap7_server.js", {"127.0.0.1", "102", std::to_string(visit.plan.block)})};
    ASSERT_EQ(server.line(), "ready");
    std::vector<Child> all;
    for (unsigned number = 0; number < visit.plan.processes; ++number)
      all.emplace_back("our client " + std::to_string(number), [&, number] { run_visit(visit, number); }, program_time);
    ASSERT_EQ(finish(all), "");
    server.end();
    capture_.end();
    EXPECT_EQ(complaints(capture_, iso_port), "");
    const Conversations all_said = conversations(capture_, iso_port);
    EXPECT_EQ(all_said.connections, 1U);
    EXPECT_GE(all_said.requests, visit.plan.rounds * 10);
    EXPECT_EQ(all_said.unanswered, 0U);
  }
};

TEST_F(Snap7Server, IsReadAndWrittenByOurClient) {
  const Visit visit_{{.rounds = 3}};
  visit(visit_);
  EXPECT_EQ(visit_.record->agreed_tpdu_size, 2048);
}

// Two to a message: Snap7 puts a third one into the wrong place.
TEST_F(Snap7Server, PutsOurSegmentsTogether) {
  const Visit small{{.tpdu_size = 256, .rounds = 3}};
  visit(small);
  EXPECT_EQ(small.record->agreed_tpdu_size, 256);
  EXPECT_FALSE(capture_.lines(iso_port, "tcp.dstport == 102 && cotp.type == 0x0f && cotp.eot == 0").empty());
}

TEST_F(Snap7Server, NoticesNothingOfMovesOfOurEndPoint) {
  const Visit moving{{.rounds = 30, .processes = 3}};
  visit(moving);
  EXPECT_EQ(moving.record->moves, 29U);
}

}  // namespace
}  // namespace baton::interop
