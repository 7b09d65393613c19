// SPDX-License-Identifier: MIT
// What may not be offered, and headers that are not right. After each failure L serves its client and nothing leaked.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cstring>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

class Offer : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    remember_descriptors();
    client_ = connect_client();
  }
  void TearDown() override {
    expect_serves(*listener_, client_.number, client_);
    const int number = moved(client_);
    expect_serves(*server_, number, client_);
    close_in(*listener_, {client_.number});
    close_in(*server_, {number});
    expect_unharmed();
  }
  /// Offers a number of L that is no connection of a client, and closes it.
  void expect_refused(int number, int domain, int expected) {
    ASSERT_GE(number, 0);
    EXPECT_ERRNO(expected, offer(Connection{{}, number, domain}));
    close_in(*listener_, {number});
  }
  Connection client_;
};

TEST_F(Offer, OfAnotherFamilyThanSaidIsRefused) {
  EXPECT_ERRNO(EAFNOSUPPORT, offer(client_, AF_INET6));
  EXPECT_ERRNO(EAFNOSUPPORT, offer(client_, AF_UNIX));
  EXPECT_ERRNO(EAFNOSUPPORT, listener_
                                 ->call([link = link_.in_listener, number = client_.number] {
                                   return system_tests::offer(link, number, 0);
                                 })
                                 .value);
  Connection six = connect_client(AF_INET6);
  EXPECT_ERRNO(EAFNOSUPPORT, offer(six, AF_INET));
  expect_serves(*listener_, six.number, six);
  close_in(*listener_, {six.number});
}

TEST_F(Offer, OfAnAfUnixSocketIsRefused) {
  expect_refused(listener_->call([] { return soc_socket(AF_UNIX, SOCK_STREAM, 0); }).value, AF_INET, EAFNOSUPPORT);
}

TEST_F(Offer, OfASocketThatIsNotConnectedIsRefused) {
  expect_refused(listener_->call([] { return soc_socket(AF_INET, SOCK_STREAM, 0); }).value, AF_INET, ENOTCONN);
  expect_refused(listener_->call([] { return soc_socket(AF_INET6, SOCK_STREAM, 0); }).value, AF_INET6, ENOTCONN);
}

TEST_F(Offer, OfAListeningSocketMovesItAsOne) {
  for (const int family : {AF_INET, AF_INET6}) {
    const int number = listener_
                           ->call([family] {
                             const int made = soc_socket(family, SOCK_STREAM, 0);
                             return soc_listen(made, 1) == 0 ? made : -1;  // at a port that the kernel chooses
                           })
                           .value;
    const int there = moved(Connection{{}, number, family});
    EXPECT_NE(offered_.redhdr_red_ltcp.flags & RED_LISTENING, 0);
    const auto listens = server_->call([there] {
      int on = 0;
      socklen_t size = sizeof on;
      return soc_getsockopt(there, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on == 1;
    });
    EXPECT_TRUE(listens.value);
    close_in(*server_, {there});
    close_in(*listener_, {number});
  }
}

TEST_F(Offer, OfADatagramSocketIsRefused) {
  expect_refused(listener_->call([] { return soc_socket(AF_INET, SOCK_DGRAM, 0); }).value, AF_INET, ESOCKTNOSUPPORT);
}

TEST_F(Offer, OfWhatIsNoSocketIsRefused) {
  expect_refused(listener_->call([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }).value, AF_INET,
                 ESOCKTNOSUPPORT);
}

TEST_F(Offer, OfTheLinkItselfOrAnAfIsoSocketThatIsNotConnectedIsRefused) {
  EXPECT_ERRNO(EAFNOSUPPORT, offer(Connection{{}, link_.in_listener, AF_INET}));
  EXPECT_ERRNO(EINVAL, offer(Connection{{}, link_.in_listener, AF_ISO}));
  expect_refused(listener_->call([] { return named_iso(); }).value, AF_INET, EAFNOSUPPORT);
  expect_refused(listener_->call([] { return named_iso(); }).value, AF_ISO, ENOTCONN);
  expect_refused(listener_->call([] { return listen_iso("other"); }).value, AF_ISO, EINVAL);
}

TEST_F(Offer, AGiveSaysWhyAnEndPointCannotMove) {
  struct Told {
    int error;
    char text[160];
  };
  const auto given = [&](int number) {
    return listener_
        ->call([link = link_.in_listener, number] {
          soc_move move{};
          move.fd = number < 0 ? soc_socket(AF_UNIX, SOCK_STREAM, 0) : number;
          Told told{soc_give(link, &move, 1) == -1 ? errno : 0, {}};
          std::strncpy(told.text, soc_error_text(), sizeof told.text - 1);
          if (number < 0) soc_close(move.fd);
          return told;
        })
        .value;
  };
  const Told local = given(-1);
  EXPECT_EQ(local.error, EAFNOSUPPORT);
  EXPECT_STREQ(local.text, "an end point of this address family cannot be moved: only IPv4, IPv6 and AF_ISO ones");
  const Told itself = given(link_.in_listener);
  EXPECT_EQ(itself.error, EINVAL);
  EXPECT_STREQ(itself.text, "a link cannot be moved over itself: give it over another one");
}

TEST_F(Offer, OfAClosedDescriptorIsRefused) {
  const Connection gone = connect_client();
  close_in(*listener_, {gone.number});
  EXPECT_ERRNO(EBADF, offer(gone));
  EXPECT_ERRNO(EBADF, offer(Connection{{}, -1, AF_INET}));
}

TEST_F(Offer, OfMultipathTcpIsRefused) {
  // Where the kernel has none, socket(2) itself says so.
  const int number = listener_->call([] { return soc_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP); }).value;
  if (number >= 0) expect_refused(number, AF_INET, EPROTONOSUPPORT);
}

TEST_F(Offer, OfAnEndPointWithAnUpperLayerProtocolIsRefused) {
  const Connection layered = connect_client();
  const bool has_tls =
      listener_
          ->call([number = layered.number] { return ::setsockopt(number, SOL_TCP, TCP_ULP, "tls", sizeof "tls") == 0; })
          .value;
  if (has_tls) EXPECT_ERRNO(EPROTONOSUPPORT, offer(layered));
  close_in(*listener_, {layered.number});
}

TEST_F(Offer, OfADescriptorAboveTheShortIsRefused) {
  // The number has become negative, so that it does not even have to exist.
  EXPECT_ERRNO(EOVERFLOW, offer(Connection{{}, 32'768, AF_INET}));
  EXPECT_ERRNO(EOVERFLOW, offer(Connection{{}, 40'000, AF_INET}));
}

TEST_F(Offer, OfTheSameEndPointTwiceIsRefused) {
  const LinkNumbers second = open_link(*listener_, *server_, listening_);
  EXPECT_STEP(offer(client_));
  EXPECT_ERRNO(EALREADY, offer(client_));
  EXPECT_ERRNO(EALREADY, listener_
                             ->call([link = second.in_listener, number = client_.number] {
                               return system_tests::offer(link, number, AF_INET);
                             })
                             .value);
  const int twin = listener_->call([number = client_.number] { return ::dup(number); }).value;
  EXPECT_ERRNO(EALREADY, offer(Connection{{}, twin, AF_INET}));
  close_in(*listener_, {twin});
  // The offer stands, and L may go on serving.
  expect_serves(*listener_, client_.number, client_);
  EXPECT_STEP(receive_offer());
  EXPECT_STEP(answer(REDBIND_BUSY));
  const Step refused = await_answer(client_);
  EXPECT_TRUE(refused.ok()) << refused.text;
  EXPECT_EQ(refused.header.bind_ok, REDBIND_BUSY);
  close_in(*server_, {offered_.fd_server});
  close_in(*listener_, {second.in_listener});
  close_in(*server_, {second.in_server});
}

TEST_F(Offer, WithAHeaderOfTheWrongLengthLevelOrTypeIsRefused) {
  const cmsg_redhdr right = make_header(TPOPT_REDI_DATA, AF_INET, client_.number);
  const auto send = [this](const cmsg_redhdr& header, std::size_t length) {
    return listener_->call([=, link = link_.in_listener] { return send_raw(link, header, length); }).value;
  };
  cmsg_redhdr header = right;
  header.cmsg_len -= 1;
  EXPECT_ERRNO(EINVAL, send(header, sizeof header));
  header.cmsg_len += 2;
  EXPECT_ERRNO(EINVAL, send(header, sizeof header));
  EXPECT_ERRNO(EINVAL, send(right, sizeof right - 1));
  EXPECT_ERRNO(EINVAL, send(right, 11));
  EXPECT_ERRNO(EINVAL, send(right, 1));
  header = right;
  header.cmsg_level = SOL_SOCKET;
  EXPECT_ERRNO(EINVAL, send(header, sizeof header));
  header = right;
  header.cmsg_type = TPOPT_REDI_CALL;
  EXPECT_ERRNO(EINVAL, send(header, sizeof header));
  header.cmsg_type = 0x7777;
  EXPECT_ERRNO(EINVAL, send(header, sizeof header));
}

TEST_F(Offer, HeadersOfTheOtherStepsAreCheckedAsWell) {
  const cmsg_redhdr data = make_header(TPOPT_REDI_DATA, 0);
  const auto short_by_one = sizeof data - 1;
  EXPECT_ERRNO(EINVAL,
               server_->call([=, link = link_.in_server] { return receive_raw(link, data, short_by_one); }).value);
  cmsg_redhdr wrong = data;
  wrong.cmsg_level = SOL_SOCKET;
  EXPECT_ERRNO(EINVAL,
               server_->call([=, link = link_.in_server] { return receive_raw(link, wrong, sizeof wrong); }).value);
  cmsg_redhdr unknown = data;
  unknown.cmsg_type = TPOPT_REDI_CALL;
  EXPECT_ERRNO(EINVAL,
               server_->call([=, link = link_.in_server] { return receive_raw(link, unknown, sizeof unknown); }).value);
  const cmsg_redhdr call = make_header(TPOPT_REDI_CALL, AF_INET, client_.number);
  EXPECT_ERRNO(
      EINVAL,
      listener_->call([=, link = link_.in_listener] { return set_raw(link, call, static_cast<int>(sizeof call) - 1); })
          .value);
  EXPECT_ERRNO(EINVAL, listener_->call([=, link = link_.in_listener] { return set_raw(link, call, -1); }).value);
  EXPECT_ERRNO(EINVAL,
               server_->call([=, link = link_.in_server] { return get_raw(link, call, sizeof call - 1); }).value);
  EXPECT_ERRNO(EINVAL, server_->call([=, link = link_.in_server] { return get_raw(link, data, sizeof data); }).value);
}

TEST_F(Offer, OverWhatIsNoLinkIsRefused) {
  const cmsg_redhdr header = make_header(TPOPT_REDI_DATA, AF_INET, client_.number);
  const auto send_to = [&](int where) {
    return listener_->call([=] { return send_raw(where, header, sizeof header); }).value;
  };
  EXPECT_ERRNO(EOPNOTSUPP, send_to(client_.number));
  EXPECT_ERRNO(EOPNOTSUPP, send_to(front_));
  EXPECT_ERRNO(EBADF, send_to(7'777));
  const int unconnected = listener_->call([] { return named_iso(); }).value;
  EXPECT_ERRNO(ENOTCONN, send_to(unconnected));
  close_in(*listener_, {unconnected});
  const int listening = listener_->call([] { return listen_iso("not a link"); }).value;
  EXPECT_ERRNO(ENOTCONN, send_to(listening));
  close_in(*listener_, {listening});
  const int unix_socket = listener_->call([] { return soc_socket(AF_UNIX, SOCK_SEQPACKET, 0); }).value;
  EXPECT_ERRNO(EOPNOTSUPP, send_to(unix_socket));
  close_in(*listener_, {unix_socket});
}

TEST_F(Offer, BringsUpToSixtyFourKilobytesOfOctets) {
  const auto with = [this](std::size_t size) {
    return listener_
        ->call([=, link = link_.in_listener, number = client_.number] {
          static char octets[70'000];
          return system_tests::offer(link, number, AF_INET, {octets, size});
        })
        .value;
  };
  EXPECT_ERRNO(EMSGSIZE, with(65'537));
  const Step sent = with(65'536);
  EXPECT_EQ(sent.result, 65'536) << sent.text;
  // S must have room for all of it, and loses nothing where it has not.
  EXPECT_ERRNO(EMSGSIZE, receive_offer());
  const auto large = server_->call([link = link_.in_server] {
    static char room[65'536];
    cmsg_redhdr header = make_header(TPOPT_REDI_DATA, 0);
    iovec part{room, sizeof room};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &header;
    message.msg_controllen = sizeof header;
    Step step;
    step.result = soc_recvmsg(link, &message, 0);
    step.header = header;
    return step;
  });
  EXPECT_EQ(large.value.result, 65'536);
  offered_ = large.value.header;
  EXPECT_STEP(answer(REDBIND_REFUSED));
  EXPECT_EQ(await_answer(client_).header.bind_ok, REDBIND_REFUSED);
  close_in(*server_, {offered_.fd_server});
}

TEST_F(Offer, WithUrgentDataPendingIsRefused) {
  ASSERT_EQ(::send(client_.client.get(), "!", 1, MSG_OOB), 1);
  ASSERT_EQ(listener_
                ->call([number = client_.number] {
                  pollfd entry{number, POLLPRI, 0};
                  return ::poll(&entry, 1, 10'000);
                })
                .value,
            1);
  EXPECT_ERRNO(EBUSY, offer(client_));
  // Read, it is out of the way.
  EXPECT_EQ(listener_
                ->call([number = client_.number] {
                  char octet = 0;
                  return soc_recv(number, &octet, 1, MSG_OOB);
                })
                .value,
            1);
}

}  // namespace
}  // namespace baton::system_tests
