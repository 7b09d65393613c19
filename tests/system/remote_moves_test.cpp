// SPDX-License-Identifier: MIT
// ISO end points move: in every state that a connection over TCP can be in, and those within the host.
#include <fcntl.h>
#include <netinet/in.h>

#include "remote.hpp"

namespace baton::system_tests {
namespace {

class RemoteMoves : public Remote {};

TEST_F(RemoteMoves, AnIdleConnectionMovesAndItsClientGoesOn) {
  const Connection connection = opened(connection_request("APP", "PLC-7"));
  expect_talks(*listener_, connection.number, connection);
  const int number = moved(connection);
  expect_talks(*server_, number, connection);
  EXPECT_EQ(option_in(*server_, number, TPOPT_TPDU_SIZE).number(), 2048);
  // L's number stands for nothing any more.
  const Read read = read_in(*listener_, connection.number);
  EXPECT_EQ(read.error, ENOTCONN);
}

TEST_F(RemoteMoves, TheHeaderTellsOfTsapsAndHosts) {
  const Connection connection = opened(connection_request("APP", "PLC-7"));
  ASSERT_TRUE(offer(connection).ok());
  const Step offered = receive_offer();
  ASSERT_TRUE(offered.ok());
  EXPECT_EQ(offered.header.domain, AF_ISO);
  const red_info_iso& here = offered.header.redhdr_red_liso;
  EXPECT_EQ(here.fd, connection.number);
  EXPECT_EQ(here.domain, AF_ISO);
  EXPECT_EQ(here.flags, RED_OFFERED);
  EXPECT_EQ(std::string(here.tsel, static_cast<std::size_t>(here.tsellen)), "APP");
  EXPECT_GT(here.rwindow, 0);
  EXPECT_GT(here.wwindow, 0);
  ASSERT_TRUE(answer().ok());
  ASSERT_TRUE(await_answer(connection).ok());
  ASSERT_TRUE(call(connection).ok());
  const Step taken = take();
  ASSERT_TRUE(taken.ok()) << taken.text;
  const red_info_iso& client = taken.header.redhdr_red_liso;
  EXPECT_EQ(client.flags, RED_OFFERED | RED_BOUND | RED_TAKEN);
  EXPECT_EQ(std::string(client.tsel, static_cast<std::size_t>(client.tsellen)), "PLC-7");
  EXPECT_EQ(client.tesn[0], '@');  // a host that no table names
  EXPECT_EQ(client.fd, taken.header.fd_server);
  const auto peer = server_
                        ->call([number = taken.header.fd_server] {
                          sockaddr_iso address{};
                          socklen_t size = sizeof address;
                          soc_getpeername(number, &address, &size);
                          return address;
                        })
                        .value;
  EXPECT_EQ(std::string(peer.siso_addr.isoa_genaddr + 8, peer.siso_tlen), "PLC-7");
}

TEST_F(RemoteMoves, AConnectionThatIsNotConfirmedIsConfirmedByTheServer) {
  const Connection connection = requested(connection_request("APP", "CLIENT", 0x0a, "hello"));
  const int number = moved(connection);
  EXPECT_EQ(option_in(*server_, number, TPOPT_CONN_DATA).text(), "hello");
  EXPECT_EQ(read_in(*server_, number).error, ENOTCONN);
  EXPECT_EQ(server_->call([=] { return soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "yes", 3); }).value, 0);
  const std::string cc = read_packet(connection.client.get());
  EXPECT_EQ(cc.substr(cc.size() - 3), "yes");
  expect_talks(*server_, number, connection);
}

TEST_F(RemoteMoves, InTheMiddleOfATsduThatIsRead) {
  const Connection connection = opened();
  const std::string tsdu = pattern(1000);
  write_all(connection.client.get(),
            data_packet(tsdu.substr(0, 400), false) + data_packet(tsdu.substr(400, 400), false));
  const Read begun = read_in(*listener_, connection.number, 150);
  EXPECT_EQ(begun.text(), tsdu.substr(0, 150));
  EXPECT_EQ(begun.flags, 0);
  const int number = moved(connection);
  write_all(connection.client.get(), data_packet(tsdu.substr(800)));
  std::string rest;
  for (int flags = 0; flags == 0;) {
    const Read part = read_in(*server_, number, 130);
    ASSERT_GT(part.size, 0) << std::strerror(part.error) << " behind " << rest.size();
    rest += part.text();
    flags = part.flags;
  }
  EXPECT_EQ(rest, tsdu.substr(150));
  expect_talks(*server_, number, connection);
}

TEST_F(RemoteMoves, WithAnyPartOfTheNextHeadRead) {
  for (std::size_t part = 1; part <= 7; ++part) {
    const Connection connection = opened();
    const std::string next = data_packet("the next one");
    write_all(connection.client.get(), data_packet("first") + next.substr(0, part));
    // Not before the octets of the head are there.
    const int there = listener_
                          ->call([number = connection.number, part] {
                            pollfd entry{number, POLLIN, 0};
                            soc_poll_ms(&entry, 1, -1);
                            Read whole;
                            while ((whole = read_once(number, sizeof whole.octets, MSG_PEEK)).size != 5) continue;
                            return static_cast<int>(part);
                          })
                          .value;
    EXPECT_EQ(there, static_cast<int>(part));
    EXPECT_EQ(read_in(*listener_, connection.number).text(), "first");
    const int number = moved(connection);
    write_all(connection.client.get(), next.substr(part));
    const Read read = read_in(*server_, number);
    EXPECT_EQ(read.text(), "the next one") << part;
    EXPECT_EQ(read.flags, MSG_EOR);
    close_in(*server_, {number});
    close_in(*listener_, {connection.number});
  }
}

TEST_F(RemoteMoves, WithADebtToASlowClient) {
  constexpr std::size_t size_of_tsdu = 8'000'000;
  const Connection connection = opened(connection_request("APP", "CLIENT", 0x0d));
  const int small = 65'536;
  ASSERT_EQ(::setsockopt(connection.client.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  const auto sent = listener_
                        ->call([number = connection.number] {
                          const int little = 65'536;
                          soc_setsockopt(number, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
                          ::fcntl(number, F_SETFL, O_NONBLOCK);
                          const std::string tsdu = pattern(size_of_tsdu);
                          ssize_t all = 0;
                          // Until the kernel takes nothing more: only then a packet is probably cut.
                          for (;;) {
                            const ssize_t size =
                                soc_send(number, tsdu.data() + all, tsdu.size() - static_cast<size_t>(all), 0);
                            if (size < 0) return errno == EWOULDBLOCK ? all : ssize_t{-errno};
                            all += size;
                          }
                        })
                        .value;
  ASSERT_GT(sent, 0);
  ASSERT_LT(sent, static_cast<ssize_t>(size_of_tsdu));
  const int owed = static_cast<int>(size_of_tsdu) - static_cast<int>(sent);
  EXPECT_EQ(option_in(*listener_, connection.number, TPOPT_OWED).number(), owed);
  const int number = moved(connection);
  EXPECT_EQ(option_in(*server_, number, TPOPT_OWED).number(), owed);
  auto paying = server_->start([=] {
    ::fcntl(number, F_SETFL, 0);
    const std::string tsdu = pattern(size_of_tsdu);
    return soc_send(number, tsdu.data() + sent, tsdu.size() - static_cast<size_t>(sent), 0);
  });
  EXPECT_TRUE(read_tsdu(connection.client.get()) == pattern(size_of_tsdu));
  EXPECT_EQ(paying.get().value, owed);
  EXPECT_EQ(option_in(*server_, number, TPOPT_OWED).number(), 0);
  expect_talks(*server_, number, connection);
}

TEST_F(RemoteMoves, WithThePartnersDisconnectAlreadyThere) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet("the last") + disconnect(128, "bye"));
  ::shutdown(connection.client.get(), SHUT_WR);
  const int number = moved(connection);
  EXPECT_EQ(read_in(*server_, number).text(), "the last");
  EXPECT_EQ(read_in(*server_, number).error, ECONNRESET);
  EXPECT_EQ(option_in(*server_, number, TPOPT_DISC_REASON).number(), 128);
  EXPECT_EQ(option_in(*server_, number, TPOPT_DISC_DATA).text(), "bye");
}

TEST_F(RemoteMoves, WithTheEndAlreadyThere) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet("the last"));
  ::shutdown(connection.client.get(), SHUT_WR);
  const int number = moved(connection);
  EXPECT_EQ(read_in(*server_, number).text(), "the last");
  EXPECT_EQ(read_in(*server_, number).error, ECONNRESET);
}

TEST_F(RemoteMoves, BackAndForthAndOn) {
  Connection connection = opened();
  // The other way round: a link that S opens to L.
  const int back = listener_->call([] { return listen_iso("L"); }).value;
  auto connecting = server_->start([] { return connect_iso("L"); });
  const int in_listener = listener_->call([=] { return accept_iso(back); }).value;
  const int in_server = connecting.get().value;
  ASSERT_GE(in_server, 0);
  for (int round = 0; round < 20; ++round) {
    const int there = moved(connection);
    close_in(*listener_, {connection.number});
    expect_talks(*server_, there, connection);
    ASSERT_TRUE(server_->call([=] { return system_tests::offer(in_server, there, AF_ISO); }).value.ok());
    const Step offered = listener_->call([=] { return system_tests::receive_offer(in_listener); }).value;
    ASSERT_TRUE(offered.ok()) << offered.text;
    ASSERT_TRUE(
        listener_->call([=, header = offered.header] { return system_tests::answer(in_listener, header); }).value.ok());
    ASSERT_TRUE(server_->call([=] { return system_tests::await_answer(in_server, there, AF_ISO); }).value.ok());
    ASSERT_TRUE(server_->call([=] { return system_tests::call(in_server, there, AF_ISO); }).value.ok());
    const Step taken =
        listener_->call([=, header = offered.header] { return system_tests::take(in_listener, header); }).value;
    ASSERT_TRUE(taken.ok()) << taken.text;
    connection.number = taken.header.fd_server;
    EXPECT_EQ(server_->call([=] { return system_tests::outcome(in_server, there, AF_ISO); }).value.header.handoff_ok,
              1);
    close_in(*server_, {there});
    expect_talks(*listener_, connection.number, connection);
  }
}

TEST_F(RemoteMoves, ARefusedOneGoesOnWhereItWas) {
  const Connection connection = opened();
  ASSERT_TRUE(offer(connection).ok());
  // Until the data stop L goes on serving it.
  expect_talks(*listener_, connection.number, connection);
  ASSERT_TRUE(receive_offer().ok());
  ASSERT_TRUE(answer(REDBIND_BUSY).ok());
  EXPECT_EQ(await_answer(connection).header.bind_ok, REDBIND_BUSY);
  expect_talks(*listener_, connection.number, connection);
}

TEST_F(RemoteMoves, IsInDataStopBetweenAnswerAndCall) {
  const Connection connection = opened();
  stopped(connection);
  const auto busy = listener_->call([number = connection.number] { return soc_send(number, "x", 1, 0); });
  EXPECT_EQ(busy.value, -1);
  EXPECT_EQ(busy.error, EBUSY);
  const auto reading =
      listener_->call([number = connection.number] { return soc_recv(number, nullptr, 0, MSG_DONTWAIT); });
  EXPECT_EQ(reading.error, EWOULDBLOCK);
  // Called off, it is an AF_ISO connection again.
  EXPECT_EQ(listener_->call([link = link_.in_listener, number = connection.number] { return soc_cancel(link, number); })
                .value,
            0);
  expect_talks(*listener_, connection.number, connection);
}

TEST_F(RemoteMoves, ComesBackWhenTheServerDiesBeforeItTakes) {
  const Connection connection = opened();
  write_all(connection.client.get(), data_packet("unread"));
  called(connection);
  server_->kill();
  const Step back = outcome(connection);
  EXPECT_FALSE(back.ok());
  EXPECT_EQ(read_in(*listener_, connection.number).text(), "unread");
  expect_talks(*listener_, connection.number, connection);
}

TEST_F(RemoteMoves, IsTheServersWhenTheListenerDiesAfterTheCall) {
  const Connection connection = opened();
  called(connection);
  listener_->kill();
  const Step taken = take();
  ASSERT_TRUE(taken.ok()) << taken.text;
  expect_talks(*server_, taken.header.fd_server, connection);
}

TEST_F(RemoteMoves, ExpressCarriesTheImageToo) {
  const Connection connection = opened();
  const std::string tsdu = pattern(900);
  write_all(connection.client.get(), data_packet(tsdu));
  EXPECT_EQ(read_in(*listener_, connection.number, 100).text(), tsdu.substr(0, 100));
  EXPECT_GE(server_->call([link = link_.in_server] { return soc_credit(link, 8); }).value, 8);
  const int given = listener_
                        ->call([link = link_.in_listener, number = connection.number] {
                          soc_move move = {};
                          move.fd = number;
                          return soc_give(link, &move, 1);
                        })
                        .value;
  ASSERT_EQ(given, 1);
  const int number = server_
                         ->call([link = link_.in_server] {
                           soc_move move = {};
                           return soc_take(link, &move, 1, 10'000) == 1 ? move.fd : -1;
                         })
                         .value;
  ASSERT_GE(number, 0);
  EXPECT_EQ(read_in(*server_, number).text(), tsdu.substr(100));
  const int told = listener_
                       ->call([link = link_.in_listener] {
                         soc_move move = {};
                         return soc_outcomes(link, &move, 1, 10'000) == 1 ? move.error : -1;
                       })
                       .value;
  EXPECT_EQ(told, 0);
  expect_talks(*server_, number, connection);
}

TEST_F(RemoteMoves, ExpressGivesBackWhatNobodyTook) {
  const Connection connection = opened();
  EXPECT_GE(server_->call([link = link_.in_server] { return soc_credit(link, 8); }).value, 8);
  const int given = listener_
                        ->call([link = link_.in_listener, number = connection.number] {
                          soc_move move = {};
                          move.fd = number;
                          return soc_give(link, &move, 1);
                        })
                        .value;
  ASSERT_EQ(given, 1);
  server_->kill();
  const auto back = listener_
                        ->call([link = link_.in_listener] {
                          soc_move move = {};
                          return soc_outcomes(link, &move, 1, 10'000) == 1 ? move.fd : -1;
                        })
                        .value;
  EXPECT_EQ(back, connection.number);
  expect_talks(*listener_, back, connection);
}

TEST_F(RemoteMoves, OverItIsNotAgreedOn) {
  const Connection connection = opened();
  const Connection other = connect_client();
  const Step step = listener_
                        ->call([over = connection.number, number = other.number] {
                          return system_tests::offer(over, number, AF_INET);
                        })
                        .value;
  EXPECT_EQ(step.error, EOPNOTSUPP);
  EXPECT_NE(std::string_view{step.text}.find("another host"), std::string_view::npos) << step.text;
}

TEST_F(RemoteMoves, NothingIsLeftOfThemAfterwards) {
  remember_descriptors();
  for (int i = 0; i < 10; ++i) {
    const Connection connection = opened();
    const int number = moved(connection);
    expect_talks(*server_, number, connection);
    close_in(*listener_, {connection.number});
    close_in(*server_, {number});
    EXPECT_EQ(read_packet(connection.client.get()), "");
  }
  expect_unharmed();
}

/// Connections within the host: the client is a process that uses the library.
class LocalMoves : public Remote {
 protected:
  /// The client's number and L's.
  struct Ends {
    int client = -1;
    int listener = -1;
  };
  Ends connected(bool confirmed = true) {
    Ends ends;
    auto connecting = client_.start([] { return connect_iso("APP"); });
    ends.listener = listener_
                        ->call([at = iso_listening_, confirmed] {
                          return confirmed ? accept_iso(at) : soc_accept(at, nullptr, nullptr);
                        })
                        .value;
    EXPECT_GE(ends.listener, 0);
    if (confirmed) ends.client = connecting.get().value;
    return ends;
  }
  static ssize_t send(Agent& agent, int number, std::size_t size) {
    return agent.call([=] { return soc_send(number, pattern(size).data(), size, 0); }).value;
  }
  void expect_exchanges(Agent& agent, int number, int client) {
    EXPECT_EQ(send(client_, client, 700), 700);
    const Read there = read_in(agent, number);
    EXPECT_EQ(there.text(), pattern(700)) << std::strerror(there.error);
    EXPECT_EQ(there.flags, MSG_EOR);
    EXPECT_EQ(send(agent, number, 800), 800);
    EXPECT_EQ(read_in(client_, client).text(), pattern(800));
  }

  Agent client_;
};

TEST_F(LocalMoves, AConnectionWithinTheHostMoves) {
  const Ends ends = connected();
  expect_exchanges(*listener_, ends.listener, ends.client);
  const int number = moved({.client = {}, .number = ends.listener, .family = AF_ISO});
  expect_exchanges(*server_, number, ends.client);
}

TEST_F(LocalMoves, WithATsduPartlyReadAndOthersUnread) {
  const Ends ends = connected();
  EXPECT_EQ(send(client_, ends.client, 3000), 3000);
  EXPECT_EQ(send(client_, ends.client, 20), 20);
  EXPECT_EQ(read_in(*listener_, ends.listener, 1000).text(), pattern(1000));
  // Looking whether there is something to read takes nothing along that could not move.
  EXPECT_EQ(listener_
                ->call([number = ends.listener] {
                  pollfd entry{number, POLLIN, 0};
                  return soc_poll_ms(&entry, 1, -1);
                })
                .value,
            1);
  const int number = moved({.client = {}, .number = ends.listener, .family = AF_ISO});
  const Read rest = read_in(*server_, number);
  EXPECT_EQ(rest.text(), pattern(3000).substr(1000));
  EXPECT_EQ(rest.flags, MSG_EOR);
  EXPECT_EQ(read_in(*server_, number).text(), pattern(20));
  expect_exchanges(*server_, number, ends.client);
}

TEST_F(LocalMoves, OneThatIsNotConfirmed) {
  auto connecting = client_.start([] { return connect_iso("APP"); });
  const int accepted = listener_->call([at = iso_listening_] { return soc_accept(at, nullptr, nullptr); }).value;
  const int number = moved({.client = {}, .number = accepted, .family = AF_ISO});
  EXPECT_FALSE(connecting.done());
  EXPECT_EQ(send(*server_, number, 30), 30);  // confirms
  const int client = connecting.get().value;
  ASSERT_GE(client, 0);
  EXPECT_EQ(read_in(client_, client).text(), pattern(30));
  expect_exchanges(*server_, number, client);
}

TEST_F(LocalMoves, MovesCanBeAgreedOverAMovedOne) {
  const Ends ends = connected();
  const int link = moved({.client = {}, .number = ends.listener, .family = AF_ISO});
  // The client offers a TCP connection of its own over it to S.
  struct Tcp {
    int number;
    int other;
  };
  const Tcp tcp = client_
                      .call([] {
                        unsigned short port = 0;
                        const int front = listen_tcp(AF_INET, &port);
                        Tcp made{};
                        made.other = connect_tcp(AF_INET, port);
                        made.number = soc_accept(front, nullptr, nullptr);
                        return made;
                      })
                      .value;
  ASSERT_TRUE(client_.call([=] { return system_tests::offer(ends.client, tcp.number, AF_INET); }).value.ok());
  const Step offered = server_->call([=] { return system_tests::receive_offer(link); }).value;
  ASSERT_TRUE(offered.ok()) << offered.text;
  ASSERT_TRUE(server_->call([=, header = offered.header] { return system_tests::answer(link, header); }).value.ok());
  ASSERT_TRUE(client_.call([=] { return system_tests::await_answer(ends.client, tcp.number, AF_INET); }).value.ok());
  ASSERT_TRUE(client_.call([=] { return system_tests::call(ends.client, tcp.number, AF_INET); }).value.ok());
  const Step taken = server_->call([=, header = offered.header] { return system_tests::take(link, header); }).value;
  EXPECT_TRUE(taken.ok()) << taken.text;
}

TEST_F(LocalMoves, ALinkCannotMoveOverItselfNorWhileItCarriesMoves) {
  const Step itself =
      listener_->call([link = link_.in_listener] { return system_tests::offer(link, link, AF_ISO); }).value;
  EXPECT_EQ(itself.error, EINVAL);
  const Ends ends = connected();
  const Connection tcp = connect_client();
  offered(tcp);
  const Step carrying =
      listener_
          ->call([over = ends.listener, link = link_.in_listener] { return system_tests::offer(over, link, AF_ISO); })
          .value;
  EXPECT_EQ(carrying.error, EALREADY);
}

}  // namespace
}  // namespace baton::system_tests
