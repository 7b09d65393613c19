// SPDX-License-Identifier: MIT
// Every call of the manual on INET and INET6 sockets, between two processes: what the kernel's call would do, before an
// end point has moved and after.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

/// What a call read.
struct Text {
  ssize_t size = -1;
  int error = 0;
  char octets[64] = {};
  [[nodiscard]] std::string_view text() const { return {octets, size < 0 ? 0 : static_cast<std::size_t>(size)}; }
};
template <class Call>
Text text_by(Call call) {
  Text text;
  text.size = call(text.octets, sizeof text.octets);
  text.error = text.size < 0 ? errno : 0;
  return text;
}

/// The address of the loopback interface, and an address as text.
struct Name {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] unsigned short port() const {
    return ntohs(storage.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(storage).sin_port
                                              : reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  }
};
Name loopback(int family, unsigned short port) {
  Name name;
  if (family == AF_INET) {
    auto& in = reinterpret_cast<sockaddr_in&>(name.storage);
    in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    name.length = sizeof in;
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(name.storage);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    in.sin6_addr = in6addr_loopback;
    name.length = sizeof in;
  }
  return name;
}

class Plain : public Parties, public testing::WithParamInterface<int> {
 protected:
  /// Each reading and writing call between `here` of L and `there` of the reader.
  void expect_every_call(int here, Agent& reader, int there) {
    const auto writes = [&](ssize_t size, auto call) { EXPECT_EQ(listener_->call(call).value, size); };
    const auto reads = [&](std::string_view expected, auto call) {
      EXPECT_EQ(reader.call(call).value.text(), expected);
    };
    writes(4, [=] { return soc_write(here, "data", 4); });
    reads("data", [=] { return text_by([=](char* to, std::size_t room) { return soc_read(there, to, room); }); });
    writes(4, [=] { return soc_send(here, "sent", 4, 0); });
    reads("sent",
          [=] { return text_by([=](char* to, std::size_t room) { return soc_recv(there, to, room, MSG_PEEK); }); });
    reads("sent", [=] { return text_by([=](char* to, std::size_t room) { return soc_recv(there, to, room, 0); }); });
    writes(6, [=] { return soc_sendto(here, "sentto", 6, 0, nullptr, 0); });
    reads("sentto", [=] {
      return text_by([=](char* to, std::size_t room) { return soc_recvfrom(there, to, room, 0, nullptr, nullptr); });
    });
    writes(6, [=] {
      const std::array<iovec, 2> parts{iovec{const_cast<char*>("wri"), 3}, iovec{const_cast<char*>("tev"), 3}};
      return soc_writev(here, parts.data(), 2);
    });
    reads("writev", [=] {
      return text_by([=](char* to, std::size_t room) {
        const std::array<iovec, 2> parts{iovec{to, 2}, iovec{to + 2, room - 2}};
        return soc_readv(there, parts.data(), 2);
      });
    });
    writes(7, [=] {
      iovec part{const_cast<char*>("message"), 7};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      return soc_sendmsg(here, &message, 0);
    });
    reads("message", [=] {
      return text_by([=](char* to, std::size_t room) {
        iovec part{to, room};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        return soc_recvmsg(there, &message, 0);
      });
    });
  }
  void expect_waits(int here, Agent& reader, int there) {
    const auto ready = [=] {
      pollfd entry{there, POLLIN | POLLOUT, 0};
      const int count = soc_poll_ms(&entry, 1, 0);
      fd_set readable;
      FD_ZERO(&readable);
      FD_SET(there, &readable);
      timeval none{};
      const int selected = soc_select(there + 1, &readable, nullptr, nullptr, &none);
      return count == 1 ? entry.revents | selected << 8 : -1;
    };
    EXPECT_EQ(reader.call(ready).value, POLLOUT);
    EXPECT_EQ(listener_->call([=] { return soc_write(here, "x", 1); }).value, 1);
    EXPECT_EQ(reader
                  .call([=] {
                    pollfd entry{there, POLLIN, 0};
                    return soc_poll(&entry, 1, 10);
                  })
                  .value,
              1);
    EXPECT_EQ(reader.call(ready).value, POLLIN | POLLOUT | 1 << 8);
    EXPECT_EQ(reader
                  .call([=] {
                    int waiting = 0;
                    return soc_ioctl(there, FIONREAD, &waiting) == 0 ? waiting : -1;
                  })
                  .value,
              1);
    EXPECT_EQ(reader
                  .call([=] {
                    char octet = 0;
                    int on = 1;
                    int off = 0;
                    if (soc_read(there, &octet, 1) != 1 || soc_ioctl(there, FIONBIO, &on) != 0) return -1;
                    const bool empty = soc_read(there, &octet, 1) == -1 && errno == EWOULDBLOCK;
                    return soc_ioctl(there, FIONBIO, &off) == 0 && empty ? 0 : -2;
                  })
                  .value,
              0);
  }
};

TEST_P(Plain, DoesWhatTheKernelDoesBeforeAMoveAndAfter) {
  const int family = GetParam();
  const int listening = server_
                            ->call([=] {
                              const int number = soc_socket(family, SOCK_STREAM, 0);
                              const int on = 1;
                              Name name = loopback(family, 0);
                              if (soc_setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
                                  soc_bind(number, name.get(), static_cast<int>(name.length)) != 0)
                                return -1;
                              return soc_listen(number, 4) == 0 ? number : -2;
                            })
                            .value;
  ASSERT_GE(listening, 0);
  const unsigned short port = server_
                                  ->call([=] {
                                    Name name;
                                    return soc_getsockname(listening, name.get(), &name.length) == 0
                                               ? name.port()
                                               : static_cast<unsigned short>(0);
                                  })
                                  .value;
  ASSERT_NE(port, 0);
  const int here = listener_
                       ->call([=] {
                         const int number = soc_socket(family, SOCK_STREAM, 0);
                         Name name = loopback(family, port);
                         return soc_connect(number, name.get(), static_cast<int>(name.length)) == 0 ? number : -1;
                       })
                       .value;
  ASSERT_GE(here, 0);
  const unsigned short own = listener_
                                 ->call([=] {
                                   Name mine;
                                   Name peers;
                                   const bool both = soc_getsockname(here, mine.get(), &mine.length) == 0 &&
                                                     soc_getpeername(here, peers.get(), &peers.length) == 0;
                                   return both && peers.port() == port ? mine.port() : static_cast<unsigned short>(0);
                                 })
                                 .value;
  ASSERT_NE(own, 0);
  const int there = server_
                        ->call([=] {
                          Name from;
                          const int number = soc_accept(listening, from.get(), &from.length);
                          return from.port() == own ? number : -1;
                        })
                        .value;
  ASSERT_GE(there, 0);
  EXPECT_EQ(server_
                ->call([=] {
                  int type = 0;
                  socklen_t size = sizeof type;
                  return soc_getsockopt(there, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? type : -1;
                })
                .value,
            SOCK_STREAM);
  expect_every_call(here, *server_, there);
  expect_waits(here, *server_, there);

  // S moves its end to L: what L has taken is an end point like another.
  EXPECT_STEP(server_->call([=, link = link_.in_server] { return system_tests::offer(link, there, family); }).value);
  const auto seen = listener_->call([link = link_.in_listener] { return system_tests::receive_offer(link); }).value;
  ASSERT_TRUE(seen.ok()) << seen.text;
  EXPECT_STEP(listener_->call([=, link = link_.in_listener] { return system_tests::answer(link, seen.header); }).value);
  EXPECT_STEP(
      server_->call([=, link = link_.in_server] { return system_tests::await_answer(link, there, family); }).value);
  EXPECT_STEP(server_->call([=, link = link_.in_server] { return system_tests::call(link, there, family); }).value);
  EXPECT_STEP(listener_->call([=, link = link_.in_listener] { return system_tests::take(link, seen.header); }).value);
  EXPECT_STEP(server_->call([=, link = link_.in_server] { return system_tests::outcome(link, there, family); }).value);
  const int taken = seen.header.fd_server;
  close_in(*server_, {there});
  expect_every_call(here, *listener_, taken);
  expect_waits(here, *listener_, taken);

  EXPECT_EQ(listener_->call([=] { return soc_shutdown(here, SHUT_WR); }).value, 0);
  EXPECT_EQ(listener_
                ->call([=] {
                  char octet = 0;
                  return soc_read(taken, &octet, 1);
                })
                .value,
            0);
  close_in(*listener_, {taken});
  close_in(*server_, {listening});
  EXPECT_EQ(listener_
                ->call([=] {
                  char octet = 0;
                  return soc_read(here, &octet, 1);
                })
                .value,
            0);
  close_in(*listener_, {here});
}
INSTANTIATE_TEST_SUITE_P(Family, Plain, testing::Values(AF_INET, AF_INET6),
                         [](const auto& each) { return each.param == AF_INET ? "Inet" : "Inet6"; });

}  // namespace
}  // namespace baton::system_tests
