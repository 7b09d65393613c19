// SPDX-License-Identifier: MIT
// Requests from other hosts: good ones, odd ones, half ones, none at all, and very many.
#include <netinet/in.h>
#include <stdlib.h>

#include <array>
#include <vector>

#include "remote.hpp"

namespace baton::system_tests {
namespace {

std::string hex(std::string_view digits) {
  const auto value = [](char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; };
  std::string octets;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    octets += static_cast<char>(value(digits[i]) * 16 + value(digits[i + 1]));
  return octets;
}

class RemoteRequests : public Remote {
 protected:
  /// A client whom nobody but the library meets: its packets are looked at when L looks for connections.
  void look() {
    const auto looked = listener_->call([at = iso_listening_] {
      pollfd entry{at, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 0);
    });
    EXPECT_GE(looked.value, 0);
  }
  /// What is left of the connection: an answer, and then its end.
  std::string answer_to(const std::string& octets) {
    const UniqueFd client = connect_raw(iso_port_);
    write_all(client.get(), octets);
    std::string answer;
    // Both sides in turn: the listener acts only when it looks.
    for (;;) {
      look();
      pollfd entry{client.get(), POLLIN, 0};
      if (::poll(&entry, 1, 20) == 0) continue;
      char room[512];
      const ssize_t size = ::recv(client.get(), room, sizeof room, 0);
      if (size <= 0) return answer;
      answer.append(room, static_cast<std::size_t>(size));
    }
  }
  void expect_serves_others() {
    const Connection connection = opened();
    expect_talks(*listener_, connection.number, connection);
    close_in(*listener_, {connection.number});
  }
};

TEST_F(RemoteRequests, TellWhoCalls) {
  Connection connection;
  connection.client = connect_raw(iso_port_);
  write_all(connection.client.get(), connection_request("APP", "PLC-7", 0x0d, "hello"));
  struct Accepted {
    int number;
    sockaddr_iso peer;
    sockaddr_iso own;
  };
  const Accepted accepted = listener_
                                ->call([at = iso_listening_] {
                                  Accepted made{};
                                  socklen_t size = sizeof made.peer;
                                  made.number = soc_accept(at, &made.peer, &size);
                                  size = sizeof made.own;
                                  soc_getsockname(made.number, &made.own, &size);
                                  return made;
                                })
                                .value;
  ASSERT_GE(accepted.number, 0);
  EXPECT_EQ(std::string(accepted.peer.siso_addr.isoa_genaddr + 8, accepted.peer.siso_tlen), "PLC-7");
  EXPECT_EQ(std::string(accepted.own.siso_addr.isoa_genaddr + 8, accepted.own.siso_tlen), "APP");
  EXPECT_EQ(option_in(*listener_, accepted.number, TPOPT_CONN_DATA).text(), "hello");
  EXPECT_EQ(option_in(*listener_, accepted.number, TPOPT_TPDU_SIZE).number(), 8192);
  const Option address = option_in(*listener_, accepted.number, TPOPT_PEER_ADDRESS);
  sockaddr_in client{};
  socklen_t size = sizeof client;
  ASSERT_EQ(::getsockname(connection.client.get(), reinterpret_cast<sockaddr*>(&client), &size), 0);
  ASSERT_EQ(address.size, sizeof client);
  EXPECT_EQ(std::memcmp(address.octets, &client, sizeof client), 0);
  // The sentence of the confirmation, whole and in one piece: some clients need that.
  listener_->call(
      [number = accepted.number] { return soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "ok", 2); });
  EXPECT_EQ(read_packet(connection.client.get()), hex("15d0") + hex("0102") + std::string("\0\1\0", 3) +
                                                      hex("c0010dc105") + "PLC-7" + hex("c203") + "APP" + "ok");
}

TEST_F(RemoteRequests, ComeByteByByteAndAreStillTaken) {
  Connection connection;
  connection.family = AF_ISO;
  connection.client = connect_raw(iso_port_);
  for (const char octet : connection_request("APP")) {
    look();
    write_all(connection.client.get(), {&octet, 1});
  }
  connection.number = listener_->call([at = iso_listening_] { return soc_accept(at, nullptr, nullptr); }).value;
  ASSERT_GE(connection.number, 0);
  EXPECT_EQ(listener_->call([number = connection.number] { return soc_send(number, "x", 1, 0); }).value, 1);
  (void)read_packet(connection.client.get());  // CC
  EXPECT_EQ(read_tsdu(connection.client.get()), "x");
}

TEST_F(RemoteRequests, ForAnUnknownTsapAreRefusedByName) {
  EXPECT_EQ(answer_to(connection_request("NOBODY")), hex("0300000b06800102000003"));
  EXPECT_EQ(answer_to(connection_request("")), hex("0300000b06800102000003"));
  expect_serves_others();
}

// iso-transport facts, table of 24: those that are refused, and what an unmodified RDP client sends.
TEST_F(RemoteRequests, ThatAreNoneAreAnsweredCleanlyAndHarmNobody) {
  struct Case {
    const char* what;
    const char* octets;
    const char* answer;
  };
  const Case cases[] = {
      {"class 2 alone", "0300000b06e00000010220", "0300000b06800102000082"},
      {"class 4, alternative 2", "0300000e09e00000010240c70120", "0300000b06800102000082"},
      {"parameter overruns", "0300000e09e00000010200c20501",
       "0300001309700102"
       "00c10509e00000c2"},
      {"version 2", "0200000b06e00000010200", ""},
      {"TPKT of 6", "0300000605e0", ""},
      {"DT first", "0300000702f080", "0300000d0870000002c10202f0"},
      {"LI 255", "0300000bffe00000010200", "0300000c0770000000c101ff"},
      {"HTTP", "474554202f20485454502f312e310d0a0d0a", ""},
      {"a cookie of xfreerdp", "0300002924e00000000000436f6f6b69653a206d737473686173683d626f620d0a0100080003000000",
       "030000140f70000000c10924e00000000000436f"},
  };
  for (const Case& each : cases) {
    const std::string answer = answer_to(hex(each.octets));
    if (std::string_view{each.what} == "parameter overruns")
      EXPECT_EQ(answer.substr(5, 1), "\x70") << each.what;  // its octets are the codec's own test
    else
      EXPECT_EQ(answer, hex(each.answer)) << each.what;
  }
  expect_serves_others();
}

TEST_F(RemoteRequests, ThatStallInTheMiddleHoldUpNobody) {
  constexpr std::size_t many = 1000;
  remember_descriptors();
  const std::size_t before = listener_->descriptors();
  const std::string half = connection_request("APP").substr(0, 9);
  const auto took = [&] {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 50; ++i) expect_serves_others();
    return std::chrono::steady_clock::now() - begin;
  };
  const auto alone = took();
  std::vector<UniqueFd> stalled;
  for (std::size_t i = 0; i < many; ++i) {
    stalled.push_back(connect_raw(iso_port_));
    write_all(stalled.back().get(), i % 3 == 0 ? std::string{} : half);
    if (i % 100 == 0) look();
  }
  const auto among = took();
  std::cout << "50 connections alone " << std::chrono::duration<double>(alone).count() << " s, among " << many
            << " that stall " << std::chrono::duration<double>(among).count() << " s\n";
  // Each has its whole CR in the end, and is served.
  write_all(stalled[1].get(), connection_request("APP").substr(9));
  const int late = listener_->call([at = iso_listening_] { return soc_accept(at, nullptr, nullptr); }).value;
  EXPECT_GE(late, 0);
  close_in(*listener_, {late});
  stalled.clear();
  while (listener_->descriptors() > before) look();
  expect_unharmed();
}

TEST_F(RemoteRequests, BeyondTheDescriptorsPushOutTheOldestThatStall) {
  // What is done once for all, also by a sanitizer, needs descriptors of its own.
  expect_serves_others();
  const unsigned long limit = listener_->call([] { return limit_descriptors(6); }).value;
  std::vector<UniqueFd> stalled;
  for (int i = 0; i < 30; ++i) {
    stalled.push_back(connect_raw(iso_port_));
    look();
  }
  expect_serves_others();
  listener_->call([=] { return restore_descriptors(limit), 0; });
}

TEST_F(RemoteRequests, BeyondTheBacklogAreToldThatTheTsapIsBusy) {
  const int small = listener_->call([] { return listen_iso("SMALL", 1); }).value;
  ASSERT_GE(small, 0);
  const UniqueFd first = connect_raw(iso_port_);
  write_all(first.get(), connection_request("SMALL"));
  const auto arrived = listener_->call([=] {
    pollfd entry{small, POLLIN, 0};
    return soc_poll_ms(&entry, 1, 20'000);
  });
  EXPECT_EQ(arrived.value, 1);
  EXPECT_EQ(answer_to(connection_request("SMALL")), hex("0300000b06800102000001"));
  const int accepted = listener_->call([=] { return soc_accept(small, nullptr, nullptr); }).value;
  EXPECT_GE(accepted, 0);
}

TEST_F(RemoteRequests, AreTheListenersOfTheTsapTheyCall) {
  const int other = listener_->call([] { return listen_iso("OTHER"); }).value;
  ASSERT_GE(other, 0);
  const UniqueFd client = connect_raw(iso_port_);
  write_all(client.get(), connection_request("OTHER"));
  const int accepted = listener_->call([=] { return soc_accept(other, nullptr, nullptr); }).value;
  ASSERT_GE(accepted, 0);
  expect_serves_others();
  // A TSAP that is closed is unknown; the port stays for the others.
  close_in(*listener_, {other});
  EXPECT_EQ(answer_to(connection_request("OTHER")), hex("0300000b06800102000003"));
  expect_serves_others();
}

TEST_F(RemoteRequests, AClosedBeforeConfirmedIsRefused) {
  const Connection connection = requested();
  close_in(*listener_, {connection.number});
  EXPECT_EQ(read_packet(connection.client.get()), hex("06800102000000"));
  EXPECT_EQ(read_packet(connection.client.get()), "");
}

TEST_F(RemoteRequests, WakeSelectPollAndEpollOnOneDescriptor) {
  const UniqueFd client = connect_raw(iso_port_);
  auto waiting = listener_->start([at = iso_listening_] {
    pollfd entry{at, POLLIN, 0};
    return ::poll(&entry, 1, 20'000);
  });
  write_all(client.get(), connection_request("APP"));
  EXPECT_EQ(waiting.get().value, 1);
  const int accepted = listener_->call([at = iso_listening_] { return soc_accept(at, nullptr, nullptr); }).value;
  EXPECT_GE(accepted, 0);
}

TEST_F(RemoteRequests, ThePortIsOneProcessesOnly) {
  const std::string at = "127.0.0.1:" + std::to_string(iso_port_);
  struct Setting {
    char text[64] = {};
  } setting;
  at.copy(setting.text, sizeof setting.text - 1);
  const auto listen = [=] {
    ::setenv("BATON_ISO_LISTEN", setting.text, 1);
    const int number = listen_iso("");
    const int error = errno;
    return number >= 0 ? 0 : error;
  };
  EXPECT_EQ(server_->call(listen).value, EADDRINUSE);
  for (const char* bad : {"127.0.0.1:x", "no-address", "name.invalid:102", ":"}) {
    Setting other;
    std::string_view{bad}.copy(other.text, sizeof other.text - 1);
    const int error = server_
                          ->call([=] {
                            ::setenv("BATON_ISO_LISTEN", other.text, 1);
                            return listen_iso("") >= 0 ? 0 : errno;
                          })
                          .value;
    EXPECT_EQ(error, EINVAL) << bad;
  }
}

}  // namespace
}  // namespace baton::system_tests
