// SPDX-License-Identifier: MIT
// AF_ISO itself: names, connecting, confirming, data that goes with it, closing.
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "parties.hpp"
#include "raw_peer.hpp"

namespace baton::system_tests {
namespace {

class Names : public ::testing::Test {
 protected:
  static Reply<int> bind(Agent& agent, int number, sockaddr_iso address) {
    return agent.call([=] { return soc_bind(number, &address, sizeof address); });
  }
  static int new_socket(Agent& agent, int flags = 0) {
    return agent.call([=] { return soc_socket(AF_ISO, SOCK_STREAM | flags, 0); }).value;
  }
  static Reply<int> connect(Agent& agent, int number, sockaddr_iso address) {
    return agent.call([=] { return soc_connect(number, &address, sizeof address); });
  }
  test::RuntimeDir folder_;
  Agent agent_;
};

#define EXPECT_FAILS(expected, reply)                                                   \
  do {                                                                                  \
    const auto reply_ = (reply);                                                        \
    EXPECT_EQ(reply_.value, -1);                                                        \
    EXPECT_EQ(reply_.error, expected) << #reply << ": " << std::strerror(reply_.error); \
  } while (false)

TEST_F(Names, SocketTakesStreamsOnly) {
  EXPECT_FAILS(ESOCKTNOSUPPORT, agent_.call([] { return soc_socket(AF_ISO, SOCK_DGRAM, 0); }));
  EXPECT_FAILS(EPROTONOSUPPORT, agent_.call([] { return soc_socket(AF_ISO, SOCK_STREAM, 6); }));
}

TEST_F(Names, BindComesBeforeConnectAndListenAndOnce) {
  const int number = new_socket(agent_);
  EXPECT_FAILS(EINVAL, connect(agent_, number, iso_address("S")));
  EXPECT_FAILS(EINVAL, agent_.call([=] { return soc_listen(number, 1); }));
  EXPECT_EQ(bind(agent_, number, iso_address("A")).value, 0);
  EXPECT_FAILS(EINVAL, bind(agent_, number, iso_address("B")));
}

TEST_F(Names, BindTakesThisHostsNselOnly) {
  EXPECT_FAILS(EADDRNOTAVAIL, bind(agent_, new_socket(agent_), iso_address("A", "ELSEWHER")));
  agent_.call([] { return ::setenv("BATON_NSEL", "HERE", 1); });
  EXPECT_EQ(bind(agent_, new_socket(agent_), iso_address("A", "HERE    ")).value, 0);
  EXPECT_FAILS(EADDRNOTAVAIL, bind(agent_, new_socket(agent_), iso_address("B", "THERE   ")));
}

TEST_F(Names, BindRefusesWhatIsNoAddress) {
  const int number = new_socket(agent_);
  sockaddr_iso address = iso_address("A");
  address.siso_family = AF_INET;
  EXPECT_FAILS(EINVAL, bind(agent_, number, address));
  address = iso_address("A");
  address.siso_tlen = TSAPNAMMAXLEN + 1;
  EXPECT_FAILS(EINVAL, bind(agent_, number, address));
  EXPECT_FAILS(EINVAL, agent_.call([=] { return soc_bind(number, &address, 10); }));
}

TEST_F(Names, ATselMayBeAnyOctets) {
  for (const std::string_view tsel : {std::string_view{"\0/..\xff", 5}, std::string_view{".."}, std::string_view{"/"},
                                      std::string_view{"01234567890123456789012345678901"}}) {
    const int number = new_socket(agent_);
    const sockaddr_iso address = iso_address(tsel);
    EXPECT_EQ(bind(agent_, number, address).value, 0);
    EXPECT_EQ(agent_.call([=] { return soc_listen(number, 1); }).value, 0);
    const auto name = agent_.call([=] {
      sockaddr_iso got = {};
      socklen_t size = sizeof got;
      soc_getsockname(number, &got, &size);
      return got;
    });
    EXPECT_EQ(name.value.siso_family, AF_ISO);
    EXPECT_EQ(std::string_view(name.value.siso_addr.isoa_genaddr + 8, name.value.siso_tlen), tsel);
  }
}

TEST_F(Names, AnEmptyTselPicksAFreeOne) {
  const auto name_of = [this](int number) {
    return agent_
        .call([=] {
          sockaddr_iso got = {};
          socklen_t size = sizeof got;
          soc_getsockname(number, &got, &size);
          return got;
        })
        .value;
  };
  const sockaddr_iso one = name_of(agent_.call([] { return named_iso(); }).value);
  const sockaddr_iso other = name_of(agent_.call([] { return named_iso(); }).value);
  EXPECT_GT(one.siso_tlen, 0);
  EXPECT_NE(std::string_view(one.siso_addr.isoa_genaddr + 8, one.siso_tlen),
            std::string_view(other.siso_addr.isoa_genaddr + 8, other.siso_tlen));
}

TEST_F(Names, TwoBindersOfOneName) {
  Agent second;
  ASSERT_GE(agent_.call([] { return listen_iso("S"); }).value, 0);
  EXPECT_FAILS(EADDRINUSE, bind(second, new_socket(second), iso_address("S")));
  EXPECT_FAILS(EADDRINUSE, bind(agent_, new_socket(agent_), iso_address("S")));
}

TEST_F(Names, P36ANameLeftBehindByAKilledProcessIsFree) {
  {
    Agent first;
    ASSERT_GE(first.call([] { return listen_iso("S"); }).value, 0);
    first.kill();
  }
  const int client = agent_.call([] { return named_iso(); }).value;
  EXPECT_FAILS(ECONNREFUSED, connect(agent_, client, iso_address("S")));
  EXPECT_GE(agent_.call([] { return listen_iso("S"); }).value, 0);
}

TEST_F(Names, AClosedNameIsFree) {
  const int number = agent_.call([] { return listen_iso("S"); }).value;
  EXPECT_EQ(agent_.call([=] { return soc_close(number); }).value, 0);
  EXPECT_GE(agent_.call([] { return listen_iso("S"); }).value, 0);
}

TEST_F(Names, AFailedConnectKeepsTheNameAndTheNumber) {
  const int number = agent_.call([] { return named_iso(); }).value;
  EXPECT_FAILS(ECONNREFUSED, connect(agent_, number, iso_address("nobody")));
  // Without waiting only the tables are asked, never the network.
  const int nonblocking = agent_.call([] { return named_iso(SOCK_NONBLOCK); }).value;
  EXPECT_FAILS(EHOSTUNREACH, connect(agent_, nonblocking, iso_address("S", "ELSEWHER")));
  Agent server;
  const int listening = server.call([] { return listen_iso("S"); }).value;
  const sockaddr_iso address = iso_address("S");
  auto connecting = agent_.start([=] { return soc_connect(number, &address, sizeof address); });
  EXPECT_GE(server.call([=] { return accept_iso(listening); }).value, 0);
  EXPECT_EQ(connecting.get().value, 0);
  EXPECT_FAILS(EISCONN, connect(agent_, number, iso_address("S")));
}

TEST_F(Names, ConnectHasATimeout) {
  Agent server;
  ASSERT_GE(server.call([] { return listen_iso("S"); }).value, 0);
  const int number =
      agent_
          .call([] {
            const int made = named_iso();
            const int milliseconds = 50;
            soc_setsockopt(made, SOL_TRANSPORT, TPOPT_CONNECT_TIMEOUT, &milliseconds, sizeof milliseconds);
            return made;
          })
          .value;
  EXPECT_FAILS(ETIMEDOUT, connect(agent_, number, iso_address("S")));
}

TEST_F(Names, AcceptDoesNotConfirmUntilThereIsDataOrCfrm) {
  Agent server;
  const int listening = server.call([] { return listen_iso("S"); }).value;
  auto connecting = agent_.start([] { return connect_iso("S"); });
  const int accepted = server.call([=] { return soc_accept(listening, nullptr, nullptr); }).value;
  ASSERT_GE(accepted, 0);
  agent_.await_blocked();
  EXPECT_FALSE(connecting.done());
  const auto early = server.call([=] {
    char octet = 0;
    return soc_recv(accepted, &octet, 1, 0);
  });
  EXPECT_FAILS(ENOTCONN, early);
  EXPECT_EQ(server.call([=] { return soc_send(accepted, "go", 2, 0); }).value, 2);
  const int number = connecting.get().value;
  ASSERT_GE(number, 0);
  EXPECT_EQ(agent_
                .call([=] {
                  char octets[8];
                  return soc_recv(number, octets, sizeof octets, 0);
                })
                .value,
            2);
}

TEST_F(Names, PeersKnowEachOthersNames) {
  Agent server;
  const int listening = server.call([] { return listen_iso("S"); }).value;
  const int number = new_socket(agent_);
  EXPECT_EQ(bind(agent_, number, iso_address("client")).value, 0);
  const sockaddr_iso address = iso_address("S");
  auto connecting = agent_.start([=] { return soc_connect(number, &address, sizeof address); });
  const auto accepted = server.call([=] {
    struct {
      int number;
      sockaddr_iso from;
    } all{};
    socklen_t size = sizeof all.from;
    all.number = soc_accept(listening, &all.from, &size);
    soc_setsockopt(all.number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0);
    return all;
  });
  EXPECT_EQ(connecting.get().value, 0);
  const auto tsel = [](const sockaddr_iso& name) {
    return std::string(name.siso_addr.isoa_genaddr + 8, name.siso_tlen);
  };
  EXPECT_EQ(tsel(accepted.value.from), "client");
  const auto peer = [](int of) {
    return [of] {
      sockaddr_iso got = {};
      socklen_t size = sizeof got;
      soc_getpeername(of, &got, &size);
      return got;
    };
  };
  EXPECT_EQ(tsel(agent_.call(peer(number)).value), "S");
  EXPECT_EQ(tsel(server.call(peer(accepted.value.number)).value), "client");
}

TEST_F(Names, DataGoesWithTheRequestTheConfirmationAndTheDisconnect) {
  using Data = std::array<char, 65>;
  Agent server;
  const int listening = server.call([] { return listen_iso("S"); }).value;
  const int number = agent_.call([] { return named_iso(); }).value;
  const auto set = [](int of, int option, std::size_t size) {
    return [=] {
      const Data data = [] {
        Data filled;
        filled.fill('d');
        return filled;
      }();
      return soc_setsockopt(of, SOL_TRANSPORT, option, data.data(), static_cast<int>(size));
    };
  };
  const auto length = [](int of, int option) {
    return [=] {
      Data data{};
      socklen_t size = sizeof data;
      return soc_getsockopt(of, SOL_TRANSPORT, option, data.data(), &size) == 0 ? static_cast<int>(size) : -1;
    };
  };
  EXPECT_FAILS(EMSGSIZE, agent_.call(set(number, TPOPT_CONN_DATA, 33)));
  EXPECT_FAILS(EMSGSIZE, agent_.call(set(number, TPOPT_DISC_DATA, 65)));
  EXPECT_EQ(agent_.call(set(number, TPOPT_CONN_DATA, 32)).value, 0);
  EXPECT_EQ(agent_.call(set(number, TPOPT_DISC_DATA, 64)).value, 0);
  const sockaddr_iso address = iso_address("S");
  auto connecting = agent_.start([=] { return soc_connect(number, &address, sizeof address); });
  const int accepted = server.call([=] { return soc_accept(listening, nullptr, nullptr); }).value;
  EXPECT_EQ(server.call(length(accepted, TPOPT_CONN_DATA)).value, 32);
  EXPECT_FAILS(EMSGSIZE, server.call(set(accepted, TPOPT_CFRM_DATA, 33)));
  EXPECT_EQ(server.call(set(accepted, TPOPT_CFRM_DATA, 32)).value, 0);
  EXPECT_EQ(connecting.get().value, 0);
  EXPECT_EQ(agent_.call(length(number, TPOPT_CFRM_DATA)).value, 32);
  EXPECT_FAILS(EISCONN, server.call(set(accepted, TPOPT_CFRM_DATA, 1)));
  EXPECT_EQ(agent_.call([=] { return soc_close(number); }).value, 0);
  EXPECT_FAILS(ECONNRESET, server.call([=] {
    char octet = 0;
    return soc_recv(accepted, &octet, 1, 0);
  }));
  EXPECT_EQ(server.call(length(accepted, TPOPT_DISC_DATA)).value, 64);
}

TEST_F(Names, CloseEndsThePartnerAndShutdownIsNotSupported) {
  Agent server;
  const int listening = server.call([] { return listen_iso("S"); }).value;
  auto connecting = agent_.start([] { return connect_iso("S"); });
  const int accepted = server.call([=] { return accept_iso(listening); }).value;
  const int number = connecting.get().value;
  EXPECT_FAILS(EOPNOTSUPP, agent_.call([=] { return soc_shutdown(number, SHUT_WR); }));
  EXPECT_EQ(agent_.call([=] { return soc_close(number); }).value, 0);
  EXPECT_FAILS(ECONNRESET, server.call([=] {
    char octet = 0;
    return soc_recv(accepted, &octet, 1, 0);
  }));
  EXPECT_FAILS(ECONNRESET, server.call([=] { return soc_send(accepted, "x", 1, 0); }));
}

}  // namespace
}  // namespace baton::system_tests
