// SPDX-License-Identifier: MIT
// Connections to other hosts and the data on them: TSDUs, exact reading, debts, ends, and connecting.
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <vector>

#include "remote.hpp"

namespace baton::system_tests {
namespace {

class RemoteData : public Remote {
 protected:
  /// Whether poll(2) itself says that `number` can be read.
  static bool kernel_says_readable(Agent& agent, int number) {
    return agent
        .call([=] {
          pollfd entry{number, POLLIN, 0};
          return ::poll(&entry, 1, 0) == 1;
        })
        .value;
  }
  /// ... once what the client has sent is there.
  static bool becomes_readable(Agent& agent, int number) {
    return agent
        .call([=] {
          pollfd entry{number, POLLIN, 0};
          return ::poll(&entry, 1, 20'000) == 1;
        })
        .value;
  }
};

TEST_F(RemoteData, TsdusOfAllSizesKeepTheirBoundaries) {
  const Connection connection = opened();
  for (const std::size_t size : {1UL, 2UL, 2044UL, 2045UL, 2046UL, 4090UL, 65'528UL, 65'529UL, 300'000UL}) {
    auto sending = listener_->start([number = connection.number, size] {
      const std::string octets = pattern(size);
      return soc_send(number, octets.data(), octets.size(), 0);
    });
    std::string got;
    for (;;) {
      const std::string tpdu = read_packet(connection.client.get());
      ASSERT_GE(tpdu.size(), 4U);
      EXPECT_LE(tpdu.size(), 2048U);
      got += tpdu.substr(3);
      if (tpdu[2] == '\x80') break;
    }
    EXPECT_TRUE(got == pattern(size)) << size;
    EXPECT_EQ(sending.get().value, static_cast<ssize_t>(size));
  }
}

TEST_F(RemoteData, APartnerMayCutTsdusAsItLikes) {
  const Connection connection = opened();
  const std::string tsdu = pattern(3000);
  for (const std::size_t piece : {1UL, 7UL, 500UL, 2999UL, 3000UL}) {
    std::string packets;
    for (std::size_t at = 0; at < tsdu.size(); at += piece)
      packets += data_packet(tsdu.substr(at, piece), at + piece >= tsdu.size());
    write_all(connection.client.get(), packets);
    std::string got;
    for (int flags = 0; flags == 0;) {
      const Read part = read_in(*listener_, connection.number);
      ASSERT_GT(part.size, 0) << std::strerror(part.error);
      got += part.text();
      flags = part.flags;
    }
    EXPECT_TRUE(got == tsdu) << piece;
  }
}

TEST_F(RemoteData, AnEmptyLastPieceOnlyEndsTheTsdu) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet("all of it", false) + data_packet("", true) + data_packet("next"));
  const Read first = read_in(*listener_, connection.number);
  EXPECT_EQ(first.text(), "all of it");
  // Its end was there at once or is told alone; without MSG_EOR it would have to be skipped.
  if (first.flags == 0) {
    const Read end = read_in(*listener_, connection.number);
    EXPECT_EQ(end.size, 0);
    EXPECT_EQ(end.flags, MSG_EOR);
  }
  EXPECT_EQ(read_in(*listener_, connection.number).text(), "next");
}

// Law: as long as octets lie in the socket there is something to be told, and never is anything hidden elsewhere.
TEST_F(RemoteData, PollTellsTheTruthAtEveryOctet) {
  const Connection connection = opened();
  const std::string stream = data_packet("abc") + data_packet("defgh") + data_packet("i");
  const std::string plain = "abcdefghi";
  std::string got;
  for (const char octet : stream) {
    write_all(connection.client.get(), {&octet, 1});
    ASSERT_TRUE(becomes_readable(*listener_, connection.number));
    const Read read = read_in(*listener_, connection.number, 64, MSG_DONTWAIT);
    EXPECT_EQ(read.error, read.size < 0 ? EWOULDBLOCK : 0);
    got += read.text();
    // The call has taken all there was.
    EXPECT_FALSE(kernel_says_readable(*listener_, connection.number));
    EXPECT_EQ(read_in(*listener_, connection.number, 64, MSG_DONTWAIT).error, EWOULDBLOCK);
    EXPECT_EQ(got, plain.substr(0, got.size()));
  }
  EXPECT_EQ(got, plain);
  // Many at once: readable until the last is read.
  write_all(connection.client.get(), stream);
  for (const char* each : {"abc", "defgh", "i"}) {
    ASSERT_TRUE(becomes_readable(*listener_, connection.number));
    EXPECT_EQ(read_in(*listener_, connection.number).text(), each);
  }
  EXPECT_FALSE(kernel_says_readable(*listener_, connection.number));
}

TEST_F(RemoteData, PeekingAndCountingTakeNothing) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet("abcdef"));
  EXPECT_EQ(read_in(*listener_, connection.number, 4, MSG_PEEK).text(), "abcd");
  const int there = listener_
                        ->call([number = connection.number] {
                          int octets = 0;
                          soc_ioctl(number, FIONREAD, &octets);
                          return octets;
                        })
                        .value;
  EXPECT_EQ(there, 6);
  EXPECT_EQ(read_in(*listener_, connection.number, 4).text(), "abcd");
  const Read rest = read_in(*listener_, connection.number, 100, MSG_PEEK);
  EXPECT_EQ(rest.text(), "ef");
  EXPECT_EQ(rest.flags, MSG_EOR);
  EXPECT_EQ(read_in(*listener_, connection.number).text(), "ef");
}

TEST_F(RemoteData, PeekingTakesNoEndOfATsdu) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet("abc", false));
  EXPECT_EQ(read_in(*listener_, connection.number).text(), "abc");
  write_all(connection.client.get(), data_packet("", true));
  for (const int flags : {int{MSG_PEEK}, int{MSG_PEEK}, 0}) {
    const Read end = read_in(*listener_, connection.number, 10, flags);
    EXPECT_EQ(end.size, 0);
    EXPECT_EQ(end.flags, MSG_EOR);
  }
  expect_talks(*listener_, connection.number, connection);
}

TEST_F(RemoteData, BadBuffersOfTheCallerEndNothing) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet(std::string(2000, 'x')));
  const auto nowhere =
      listener_->call([number = connection.number] { return soc_recv(number, reinterpret_cast<void*>(8), 100, 0); });
  EXPECT_EQ(nowhere.error, EFAULT);
  const auto many = listener_->call([number = connection.number] {
    static char octets[1024];
    std::vector<iovec> parts;
    for (char& each : octets) parts.push_back({&each, 1});
    return soc_readv(number, parts.data(), static_cast<int>(parts.size()));
  });
  EXPECT_EQ(many.value, 1024) << std::strerror(many.error);
  EXPECT_EQ(read_in(*listener_, connection.number).text(), std::string(976, 'x'));
  expect_talks(*listener_, connection.number, connection);
}

// Many programs move a descriptor out of the way like this.
TEST_F(RemoteData, ADuplicateGoesOnWhenTheFirstNumberIsUsedAgain) {
  const Connection connection = opened();
  const int twin = listener_
                       ->call([number = connection.number] {
                         const int high = ::fcntl(number, F_DUPFD_CLOEXEC, 200);
                         ::close(number);
                         // Takes the number that has become free.
                         return soc_socket(AF_ISO, SOCK_STREAM, 0) == number ? high : -1;
                       })
                       .value;
  ASSERT_GE(twin, 200);
  expect_talks(*listener_, twin, connection);
}

TEST_F(RemoteData, PollSaysNothingOfAPartOfAHead) {
  const Connection connection = opened();
  const std::string packet = data_packet("x");
  write_all(connection.client.get(), packet.substr(0, 5));
  const auto ready = listener_->call([number = connection.number] {
    pollfd entry{number, POLLIN, 0};
    return soc_poll_ms(&entry, 1, 50);
  });
  EXPECT_EQ(ready.value, 0);
  write_all(connection.client.get(), packet.substr(5));
  EXPECT_EQ(listener_
                ->call([number = connection.number] {
                  pollfd entry{number, POLLIN, 0};
                  return soc_poll_ms(&entry, 1, 20'000);
                })
                .value,
            1);
  EXPECT_EQ(read_in(*listener_, connection.number).text(), "x");
}

TEST_F(RemoteData, ADebtIsPaidByTheNextWrite) {
  constexpr std::size_t size_of_tsdu = 6'000'000;
  const Connection connection = opened(connection_request("APP", "CLIENT", 0x10));
  const int small = 65'536;
  ASSERT_EQ(::setsockopt(connection.client.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  auto sending = listener_->start([number = connection.number] {
    ::fcntl(number, F_SETFL, O_NONBLOCK);
    const std::string tsdu = pattern(size_of_tsdu);
    std::size_t sent = 0;
    int short_writes = 0;
    while (sent < tsdu.size()) {
      const ssize_t size = soc_send(number, tsdu.data() + sent, tsdu.size() - sent, 0);
      if (size < 0 && errno != EWOULDBLOCK) return -1;
      if (size >= 0 && sent + static_cast<std::size_t>(size) < tsdu.size()) ++short_writes;
      sent += static_cast<std::size_t>(std::max<ssize_t>(size, 0));
      if (get_option(number, TPOPT_OWED).number() != static_cast<int>(tsdu.size() - sent)) return -2;
      pollfd entry{number, POLLOUT, 0};
      if (sent < tsdu.size()) ::poll(&entry, 1, -1);
    }
    return short_writes;
  });
  EXPECT_TRUE(read_tsdu(connection.client.get()) == pattern(size_of_tsdu));
  EXPECT_GT(sending.get().value, 0);
}

TEST_F(RemoteData, AnEmptyTsduIsRefusedHereAndSkippedThere) {
  const Connection connection = opened();
  const auto empty = listener_->call([number = connection.number] { return soc_send(number, "", 0, 0); });
  EXPECT_EQ(empty.error, EINVAL);
  write_all(connection.client.get(), data_packet("") + data_packet("x"));
  EXPECT_EQ(read_in(*listener_, connection.number).text(), "x");
}

TEST_F(RemoteData, ThePartnersEndComesBehindItsData) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet("last") + disconnect(0));
  EXPECT_EQ(read_in(*listener_, connection.number).text(), "last");
  EXPECT_EQ(read_in(*listener_, connection.number).error, ECONNRESET);
  // A poll says that there is something to be told.
  EXPECT_TRUE(kernel_says_readable(*listener_, connection.number));
  const auto sent = listener_->call([number = connection.number] { return soc_send(number, "x", 1, 0); });
  EXPECT_EQ(sent.error, ECONNRESET);
  EXPECT_EQ(option_in(*listener_, connection.number, TPOPT_DISC_REASON).number(), 0);
}

TEST_F(RemoteData, DisconnectDataGoesWithTheClose) {
  const Connection connection = opened();
  listener_->call([number = connection.number] {
    soc_setsockopt(number, SOL_TRANSPORT, TPOPT_DISC_DATA, "good bye", 8);
    return soc_close(number);
  });
  const std::string dr = read_packet(connection.client.get());
  EXPECT_EQ(dr.substr(1, 1), "\x80");
  EXPECT_EQ(dr.substr(dr.size() - 8), "good bye");
  EXPECT_EQ(read_packet(connection.client.get()), "");
}

// The ten cases of the open state: what breaks the protocol is answered with an ER, and the program is told.
TEST_F(RemoteData, WhatMayNotComeIsAnsweredWithAnError) {
  struct Case {
    const char* what;
    std::string packet;
    std::string answer;  // TPDU code and cause of the ER; empty: no answer
  };
  const Case cases[] = {
      {"second CR", connection_request("APP"), "\x70\x02"},
      {"DT with number 1", packet(std::string("\x02\xf0\x81", 3) + "x"), "\x70\x03"},
      {"DT F1", packet(std::string("\x02\xf1\x80", 3) + "x"), "\x70\x02"},
      {"DT with LI 4", packet(std::string("\x04\xf0\x80\x00\x00", 5) + "x"), std::string("\x70\x00", 2)},
      {"DC", packet(std::string("\x05\xc0\x00\x01\x01\x02", 6)), "\x70\x02"},
      {"empty DT that ends nothing", data_packet("", false), std::string("\x70\x00", 2)},
      {"version 4", std::string("\4\0\0\x8\2\xf0\x80x", 8), ""},
      {"TPKT of 5", std::string("\3\0\0\5\2\xf0\x80", 7), ""},
      {"ER", packet(std::string("\x06\x70\x01\x02\x00\xc1\x00", 7)), ""},
  };
  for (const Case& each : cases) {
    const Connection connection = opened();
    write_all(connection.client.get(), data_packet("good") + each.packet);
    EXPECT_EQ(read_in(*listener_, connection.number).text(), "good") << each.what;
    EXPECT_EQ(read_in(*listener_, connection.number).error, EPROTO) << each.what;
    close_in(*listener_, {connection.number});
    const std::string er = read_packet(connection.client.get());
    const std::string seen = er.size() < 5 ? "" : er.substr(1, 1) + er.substr(4, 1);
    EXPECT_EQ(seen, each.answer) << each.what;
  }
}

/// S is another host: it connects to L by TCP.
class RemoteConnect : public Remote {
 protected:
  void SetUp() override {
    Remote::SetUp();
    server_->call([port = iso_port_] {
      ::setenv("BATON_NSEL", "OTHER", 1);
      return soc_set_host("LISTENER", ("127.0.0.1:" + std::to_string(port)).c_str());
    });
  }
  static int connect_remote(std::string_view tsel, int flags = 0) {
    const int number = named_iso(flags);
    const sockaddr_iso address = iso_address(tsel, "LISTENER");
    return soc_connect(number, &address, sizeof address) < 0 ? -1 : number;
  }
  int accept_confirmed() {
    return listener_->call([at = iso_listening_] { return accept_iso(at); }).value;
  }
};

TEST_F(RemoteConnect, OpensAndTalks) {
  auto connecting = server_->start([] { return connect_remote("APP"); });
  const int accepted = accept_confirmed();
  const int number = connecting.get().value;
  ASSERT_GE(number, 0);
  EXPECT_EQ(server_->call([=] { return soc_send(number, pattern(4000).data(), 4000, 0); }).value, 4000);
  std::string got;
  for (int flags = 0; flags == 0;) {
    const Read part = read_in(*listener_, accepted);
    ASSERT_GT(part.size, 0);
    got += part.text();
    flags = part.flags;
  }
  EXPECT_EQ(got, pattern(4000));
  EXPECT_EQ(option_in(*server_, number, TPOPT_TPDU_SIZE).number(), 2048);
  // Closing is the release.
  close_in(*server_, {number});
  EXPECT_EQ(read_in(*listener_, accepted).error, ECONNRESET);
}

TEST_F(RemoteConnect, IsRefusedWithTheReason) {
  const auto refused = server_->start([] {
    Step step;
    const int number = named_iso();
    const sockaddr_iso address = iso_address("NOBODY", "LISTENER");
    step.result = soc_connect(number, &address, sizeof address);
    step.error = errno;
    std::strncpy(step.text, soc_error_text(), sizeof step.text - 1);
    step.header.domain = static_cast<short>(get_option(number, TPOPT_DISC_REASON).number());
    return step;
  });
  while (!refused.done(10))
    listener_->call([at = iso_listening_] {
      pollfd entry{at, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 0);
    });
  auto told = refused;
  const Step step = told.get().value;
  EXPECT_EQ(step.error, ECONNREFUSED);
  EXPECT_EQ(step.header.domain, 3);
  EXPECT_NE(std::string_view{step.text}.find("unknown"), std::string_view::npos) << step.text;
}

TEST_F(RemoteConnect, WhereNobodyListensSaysSo) {
  const auto refused = server_->call([] {
    unsigned short port = 0;
    soc_close(listen_tcp(AF_INET, &port));
    soc_set_host("NOWHERE", ("127.0.0.1:" + std::to_string(port)).c_str());
    const int number = named_iso();
    const sockaddr_iso address = iso_address("APP", "NOWHERE ");
    return soc_connect(number, &address, sizeof address);
  });
  EXPECT_EQ(refused.value, -1);
  EXPECT_EQ(refused.error, ECONNREFUSED);
}

TEST_F(RemoteConnect, TriesTheAddressesOfAHostInTurn) {
  server_->call([port = iso_port_] {
    unsigned short nobody = 0;
    soc_close(listen_tcp(AF_INET, &nobody));
    return soc_set_host("LISTENER",
                        ("127.0.0.1:" + std::to_string(nobody) + " 127.0.0.1:" + std::to_string(port)).c_str());
  });
  auto connecting = server_->start([] { return connect_remote("APP"); });
  EXPECT_GE(accept_confirmed(), 0);
  EXPECT_GE(connecting.get().value, 0);
}

TEST_F(RemoteConnect, LeavesASilentAddressForTheNext) {
  server_->call([port = iso_port_] {
    unsigned short silent = 0;
    listen_tcp(AF_INET, &silent);  // accepts TCP, and nothing more
    return soc_set_host("LISTENER",
                        ("127.0.0.1:" + std::to_string(silent) + " 127.0.0.1:" + std::to_string(port)).c_str());
  });
  auto connecting = server_->start([] {
    const int number = named_iso();
    const int timeout = 3'000;  // half of it for each address
    soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CONNECT_TIMEOUT, &timeout, sizeof timeout);
    const sockaddr_iso address = iso_address("APP", "LISTENER");
    return soc_connect(number, &address, sizeof address);
  });
  EXPECT_GE(accept_confirmed(), 0);
  EXPECT_EQ(connecting.get().value, 0);
}

TEST_F(RemoteConnect, WithoutWaitingPollTellsWhenToGoOn) {
  auto connecting = server_->start([] {
    const int number = named_iso(SOCK_NONBLOCK);
    const sockaddr_iso address = iso_address("APP", "LISTENER");
    int calls = 0;
    while (soc_connect(number, &address, sizeof address) < 0) {
      if (errno != EWOULDBLOCK) return -1;
      ++calls;
      pollfd entry{number, POLLOUT, 0};
      if (soc_poll_ms(&entry, 1, 20'000) != 1 || (entry.revents & POLLOUT) == 0) return -2;
    }
    return calls;
  });
  EXPECT_GE(accept_confirmed(), 0);
  // Where it is not done at once: told once, of the end.
  const int calls = connecting.get().value;
  EXPECT_TRUE(calls == 0 || calls == 1) << calls;
}

TEST_F(RemoteConnect, WithPlainEpollTheCallsDriveIt) {
  auto connecting = server_->start([] {
    const int number = named_iso(SOCK_NONBLOCK);
    const sockaddr_iso address = iso_address("APP", "LISTENER");
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    // Writable: TCP is up, connect again sends the CR. Then readable: CC or DR.
    for (unsigned events : {EPOLLOUT, EPOLLIN, EPOLLIN}) {
      if (soc_connect(number, &address, sizeof address) == 0) break;
      if (errno != EWOULDBLOCK) return -1;
      epoll_event event{};
      event.events = events;
      ::epoll_ctl(set, EPOLL_CTL_ADD, number, &event);
      if (::epoll_wait(set, &event, 1, 20'000) != 1) return -2;
      ::epoll_ctl(set, EPOLL_CTL_DEL, number, nullptr);
    }
    ::close(set);
    return soc_connect(number, &address, sizeof address) == 0 || errno == EISCONN ? number : -3;
  });
  EXPECT_GE(accept_confirmed(), 0);
  EXPECT_GE(connecting.get().value, 0);
}

TEST_F(RemoteConnect, ConnectionDataGoesBothWays) {
  auto connecting = server_->start([] {
    const int number = named_iso();
    soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CONN_DATA, "who is there", 12);
    const sockaddr_iso address = iso_address("APP", "LISTENER");
    if (soc_connect(number, &address, sizeof address) < 0) return Option{};
    return get_option(number, TPOPT_CFRM_DATA);
  });
  const int accepted = listener_->call([at = iso_listening_] { return soc_accept(at, nullptr, nullptr); }).value;
  EXPECT_EQ(option_in(*listener_, accepted, TPOPT_CONN_DATA).text(), "who is there");
  listener_->call([=] { return soc_setsockopt(accepted, SOL_TRANSPORT, TPOPT_CFRM_DATA, "me", 2); });
  EXPECT_EQ(connecting.get().value.text(), "me");
}

TEST_F(RemoteConnect, AnUnknownHostNamesTheTables) {
  const Step step = server_
                        ->call([] {
                          ::setenv("BATON_HOSTS", "/nonexistent/hosts", 1);
                          Step made;
                          const int number = named_iso(SOCK_NONBLOCK);
                          const sockaddr_iso address = iso_address("APP", "UNKNOWN ");
                          made.result = soc_connect(number, &address, sizeof address);
                          made.error = errno;
                          std::strncpy(made.text, soc_error_text(), sizeof made.text - 1);
                          return made;
                        })
                        .value;
  EXPECT_EQ(step.error, EHOSTUNREACH);
  EXPECT_NE(std::string_view{step.text}.find("/nonexistent/hosts"), std::string_view::npos) << step.text;
}

TEST_F(RemoteConnect, ASilentPartnerIsGivenUpAfterTheConnectTimeout) {
  const auto late = server_->call([] {
    unsigned short port = 0;
    listen_tcp(AF_INET, &port);  // accepts TCP, and nothing more
    soc_set_host("SILENT", ("127.0.0.1:" + std::to_string(port)).c_str());
    const int number = named_iso();
    const int timeout = 50;
    soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CONNECT_TIMEOUT, &timeout, sizeof timeout);
    const sockaddr_iso address = iso_address("APP", "SILENT  ");
    return soc_connect(number, &address, sizeof address);
  });
  EXPECT_EQ(late.error, ETIMEDOUT);
}

}  // namespace
}  // namespace baton::system_tests
