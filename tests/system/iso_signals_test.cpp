// SPDX-License-Identifier: MIT
// A signal ends every call that waits, with EINTR, and what the call had begun goes on: the same call again comes to
// its end, and no octet is lost or sent twice.
#include <fcntl.h>
#include <signal.h>

#include "remote.hpp"

namespace baton::system_tests {
namespace {

constexpr std::size_t large = std::size_t{8} << 20U;

int handle_signal(int flags) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  action.sa_flags = flags;
  return ::sigaction(SIGUSR1, &action, nullptr);
}

/// The reply of a call that is found waiting, and is sent a signal. Again, where the call was not waiting just then:
/// what was sent into a connection is acknowledged late, and wakes its writer for a moment.
template <class Pending>
auto interrupted(Agent& agent, Pending pending) {
  agent.await_blocked();
  EXPECT_FALSE(pending.done());
  for (int signals = 0; signals < 10; ++signals) {
    EXPECT_EQ(::kill(agent.pid(), SIGUSR1), 0);
    if (pending.done(2'000)) break;
  }
  return pending.get();
}

const std::string& message() {
  static const std::string octets = pattern(large, 7);
  return octets;
}
ssize_t write_from(int number, std::size_t begin, std::size_t size) {
  return soc_write(number, message().data() + begin, size);
}
/// Reads TSDUs until `size` octets have come; how many are as `message()` has them.
std::size_t read_message(int number, std::size_t size) {
  static std::string octets;
  octets.assign(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t count = soc_read(number, octets.data() + got, size - got);
    if (count <= 0) break;
    got += static_cast<std::size_t>(count);
  }
  return octets.compare(0, got, message(), 0, got) == 0 ? got : 0;
}

class Signals : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    (void)message();
    // They wait in poll(2), which does not begin again by itself.
    for (Agent* const each : {&*listener_, &*server_})
      EXPECT_EQ(each->call([] { return handle_signal(SA_RESTART); }).value, 0);
  }
};

TEST_F(Signals, AConnectThatIsNotYetConfirmed) {
  const int number = listener_->call([] { return named_iso(); }).value;
  const auto connect = [=] {
    const sockaddr_iso address = iso_address("S");
    return soc_connect(number, &address, sizeof address);
  };
  const auto first = interrupted(*listener_, listener_->start(connect));
  EXPECT_EQ(first.value, -1);
  EXPECT_EQ(first.error, EINTR);
  // The request is there once, and waits.
  auto going_on = listener_->start(connect);
  const int accepted = server_->call([at = listening_] { return accept_iso(at); }).value;
  EXPECT_GE(accepted, 0);
  EXPECT_EQ(going_on.get().value, 0);
  EXPECT_EQ(server_
                ->call([at = listening_] {
                  pollfd entry{at, POLLIN, 0};
                  return soc_poll_ms(&entry, 1, 0);
                })
                .value,
            0);
  EXPECT_EQ(listener_->call([=] { return soc_write(number, "x", 1); }).value, 1);
  EXPECT_EQ(server_
                ->call([=] {
                  char octet = 0;
                  return soc_read(accepted, &octet, 1);
                })
                .value,
            1);
  close_in(*listener_, {number});
  close_in(*server_, {accepted});
}

TEST_F(Signals, AnAccept) {
  const auto first =
      interrupted(*server_, server_->start([at = listening_] { return soc_accept(at, nullptr, nullptr); }));
  EXPECT_EQ(first.value, -1);
  EXPECT_EQ(first.error, EINTR);
  const LinkNumbers link = open_link(*listener_, *server_, listening_);
  close_in(*listener_, {link.in_listener});
  close_in(*server_, {link.in_server});
}

TEST_F(Signals, AReadOfALink) {
  const auto read = [link = link_.in_server] {
    char octet = 0;
    return soc_read(link, &octet, 1);
  };
  EXPECT_EQ(interrupted(*server_, server_->start(read)).error, EINTR);
  EXPECT_EQ(listener_->call([link = link_.in_listener] { return soc_write(link, "x", 1); }).value, 1);
  EXPECT_EQ(server_->call(read).value, 1);
}

TEST_F(Signals, AWriteIntoALinkThatIsFull) {
  const int link = link_.in_listener;
  // It has begun a TSDU: what is accepted is said, and the next write brings the rest.
  const auto begun = interrupted(*listener_, listener_->start([=] { return write_from(link, 0, large); }));
  ASSERT_GT(begun.value, 0);
  ASSERT_LT(begun.value, static_cast<ssize_t>(large));
  const auto accepted = static_cast<std::size_t>(begun.value);
  // It has not.
  const auto full =
      interrupted(*listener_, listener_->start([=] { return write_from(link, accepted, large - accepted); }));
  EXPECT_EQ(full.value, -1);
  EXPECT_EQ(full.error, EINTR);
  auto reading = server_->start([at = link_.in_server] { return read_message(at, large); });
  EXPECT_EQ(listener_->call([=] { return write_from(link, accepted, large - accepted); }).value,
            static_cast<ssize_t>(large - accepted));
  EXPECT_EQ(reading.get().value, large);
}

TEST_F(Signals, AnOfferIntoALinkThatIsFull) {
  const Connection connection = connect_client();
  const int link = link_.in_listener;
  // Half of the buffer is user data's; offers fill the rest.
  std::vector<Connection> clients;
  const auto offer_without_waiting = [=](int number) {
    static char octets[60'000];
    ::fcntl(link, F_SETFL, O_NONBLOCK);
    const Step made = system_tests::offer(link, number, AF_INET, std::string_view{octets, sizeof octets});
    ::fcntl(link, F_SETFL, 0);
    return made;
  };
  Step made;
  while (clients.size() < 64) {
    clients.push_back(connect_client());
    made = listener_->call([=, number = clients.back().number] { return offer_without_waiting(number); }).value;
    if (!made.ok()) break;
  }
  EXPECT_ERRNO(EAGAIN, made);
  const auto offer = [=, number = clients.back().number] {
    static char octets[60'000];
    return system_tests::offer(link, number, AF_INET, std::string_view{octets, sizeof octets});
  };
  const auto blocked = interrupted(*listener_, listener_->start(offer));
  EXPECT_ERRNO(EINTR, blocked.value);
  // It is no move: the end point is served, and can be offered once there is room.
  expect_serves(*listener_, clients.back().number, clients.back());
  auto offering = listener_->start(offer);
  for (std::size_t i = 0; i + 1 < clients.size(); ++i) {
    const auto refused = server_->call([at = link_.in_server] {
      static char room[60'000];
      cmsg_redhdr header = make_header(TPOPT_REDI_DATA, 0);
      iovec part{room, sizeof room};
      msghdr message{};
      message.msg_control = &header;
      message.msg_controllen = sizeof header;
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      if (soc_recvmsg(at, &message, 0) < 0) return errno;
      const int parked = header.fd_server;
      const Step answered = system_tests::answer(at, header, -7);
      return answered.ok() ? soc_close(parked) : answered.error;
    });
    EXPECT_EQ(refused.value, 0);
  }
  EXPECT_STEP(offering.get().value);
  for (std::size_t i = 0; i + 1 < clients.size(); ++i) {
    const Step answered =
        listener_->call([=, number = clients[i].number] { return system_tests::await_answer(link, number, AF_INET); })
            .value;
    EXPECT_EQ(answered.header.bind_ok, -7);
    expect_serves(*listener_, clients[i].number, clients[i]);
  }
  close_in(*listener_, {connection.number});
}

TEST_F(Signals, ExpressCalls) {
  const Connection connection = connect_client();
  const int link = link_.in_listener;
  const auto give = [=, number = connection.number] {
    soc_move move{};
    move.fd = number;
    return soc_give(link, &move, 1);
  };
  const auto given = interrupted(*listener_, listener_->start(give));  // there is no credit
  EXPECT_EQ(given.value, -1);
  EXPECT_EQ(given.error, EINTR);
  expect_serves(*listener_, connection.number, connection);

  EXPECT_EQ(server_->call([at = link_.in_server] { return soc_credit(at, 1); }).value, 1);
  const auto take = [at = link_.in_server] {
    soc_move move{};
    return soc_take(at, &move, 1, -1) == 1 ? move.fd : -1;
  };
  EXPECT_EQ(interrupted(*server_, server_->start(take)).error, EINTR);
  EXPECT_EQ(listener_->call(give).value, 1);
  const auto collect = [=] {
    soc_move move{};
    return soc_outcomes(link, &move, 1, -1) == 1 ? move.error : -1;
  };
  EXPECT_EQ(interrupted(*listener_, listener_->start(collect)).error, EINTR);
  const int taken = server_->call(take).value;
  EXPECT_GE(taken, 0);
  EXPECT_EQ(listener_->call(collect).value, 0);
  expect_serves(*server_, taken, connection);
}

/// A partner on another host.
class RemoteSignals : public Remote {
 protected:
  void SetUp() override {
    Remote::SetUp();
    (void)message();
    // A read waits in recvmsg(2), which would with SA_RESTART.
    for (Agent* const each : {&*listener_, &*server_}) EXPECT_EQ(each->call([] { return handle_signal(0); }).value, 0);
  }
};

TEST_F(RemoteSignals, ConnectAndAccept) {
  const auto accepting =
      interrupted(*listener_, listener_->start([at = iso_listening_] { return soc_accept(at, nullptr, nullptr); }));
  EXPECT_EQ(accepting.error, EINTR);

  const int number = server_
                         ->call([port = iso_port_] {
                           const std::string where = "127.0.0.1:" + std::to_string(port);
                           if (soc_set_host("OTHER", where.c_str()) != 0) return -1;
                           return named_iso();
                         })
                         .value;
  ASSERT_GE(number, 0);
  const auto connect = [=] {
    const sockaddr_iso address = iso_address("APP", "OTHER   ");
    return soc_connect(number, &address, sizeof address);
  };
  const auto first = interrupted(*server_, server_->start(connect));
  EXPECT_EQ(first.value, -1);
  EXPECT_EQ(first.error, EINTR);
  auto going_on = server_->start(connect);
  const int accepted = listener_->call([at = iso_listening_] { return accept_iso(at); }).value;
  EXPECT_GE(accepted, 0);
  EXPECT_EQ(going_on.get().value, 0);

  // A write into a connection that nobody reads, and a read of one on which nothing comes.
  EXPECT_EQ(interrupted(*listener_, listener_->start([=] {
              char octet = 0;
              return soc_read(accepted, &octet, 1);
            })).error,
            EINTR);
  std::size_t begun = 0;
  const auto write_rest = [&] { return server_->start([=] { return write_from(number, begun, large - begun); }); };
  for (;;) {
    const auto some = interrupted(*server_, write_rest());
    if (some.value <= 0) {
      EXPECT_EQ(some.error, EINTR);
      break;
    }
    begun += static_cast<std::size_t>(some.value);
    ASSERT_LT(begun, large);
  }
  EXPECT_GT(begun, 0U);
  auto reading = listener_->start([=] { return read_message(accepted, large); });
  EXPECT_EQ(write_rest().get().value, static_cast<ssize_t>(large - begun));
  EXPECT_EQ(reading.get().value, large);
  close_in(*listener_, {accepted});
  close_in(*server_, {number});
}

}  // namespace
}  // namespace baton::system_tests
