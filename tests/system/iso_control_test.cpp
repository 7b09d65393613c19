// SPDX-License-Identifier: MIT
// Connection data through sendmsg and recvmsg: a cmsghdr with the data behind it (soc_sendmsg(3)).
#include <array>
#include <cstring>
#include <string>

#include "remote.hpp"

namespace baton::system_tests {
namespace {

/// What came behind a cmsghdr.
struct Control {
  int result = -1;
  int error = 0;
  int type = 0;
  int level = 0;
  int flags = 0;
  std::size_t size = 0;
  char octets[80] = {};
  [[nodiscard]] std::string text() const { return {octets, size}; }
};

/// A control area: a cmsghdr, and room behind it.
struct Area {
  alignas(cmsghdr) char octets[sizeof(cmsghdr) + 80] = {};
  cmsghdr& header() { return *reinterpret_cast<cmsghdr*>(octets); }
  char* data() { return octets + sizeof(cmsghdr); }
};

/// `length`: cmsg_len, 0: the right one.
Control send_data(int number, int type, std::string_view data, std::string_view user_data = {},
                  std::size_t length = 0) {
  Area control;
  control.header().cmsg_level = SOL_TRANSPORT;
  control.header().cmsg_type = type;
  control.header().cmsg_len = length == 0 ? sizeof(cmsghdr) + data.size() : length;
  std::memcpy(control.data(), data.data(), data.size());
  iovec part{const_cast<char*>(user_data.data()), user_data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.octets;
  message.msg_controllen = sizeof(cmsghdr) + data.size();
  Control sent;
  sent.result = static_cast<int>(soc_sendmsg(number, &message, 0));
  sent.error = sent.result < 0 ? errno : 0;
  return sent;
}

/// `room`: of the control area, header included.
Control receive_data(int number, std::size_t room = sizeof(Area), int flags = 0) {
  Area control;
  msghdr message{};
  message.msg_control = control.octets;
  message.msg_controllen = room;
  Control got;
  got.result = static_cast<int>(soc_recvmsg(number, &message, flags));
  got.error = got.result < 0 ? errno : 0;
  got.type = control.header().cmsg_type;
  got.level = control.header().cmsg_level;
  got.flags = message.msg_flags;
  got.size = control.header().cmsg_len - (got.result < 0 ? control.header().cmsg_len : sizeof(cmsghdr));
  std::memcpy(got.octets, control.data(), sizeof got.octets);
  return got;
}

/// Within the host.
class LocalControl : public Parties {};

/// L has sent its request with data, and S has accepted it and not confirmed: the numbers of both.
struct Ends {
  int active = -1;
  int passive = -1;
};

#define EXPECT_DATA(expected_type, expected, expression)                           \
  do {                                                                             \
    const Control got_ = (expression);                                             \
    EXPECT_EQ(got_.result, 0) << #expression << ": " << std::strerror(got_.error); \
    EXPECT_EQ(got_.level, SOL_TRANSPORT);                                          \
    EXPECT_EQ(got_.type, expected_type) << #expression;                            \
    EXPECT_EQ(got_.text(), expected) << #expression;                               \
  } while (false)
#define EXPECT_REFUSED(expected, expression)                                             \
  do {                                                                                   \
    const Control got_ = (expression);                                                   \
    EXPECT_EQ(got_.result, -1) << #expression;                                           \
    EXPECT_EQ(got_.error, expected) << #expression << ": " << std::strerror(got_.error); \
  } while (false)

TEST_F(LocalControl, DataGoesWithTheRequestTheConfirmationAndTheDisconnect) {
  Ends ends;
  ends.active = listener_
                    ->call([] {
                      const int number = named_iso(SOCK_NONBLOCK);
                      const sockaddr_iso address = iso_address("S");
                      if (send_data(number, TPOPT_CONN_DATA, "who calls").result != 0) return -1;
                      return soc_connect(number, &address, sizeof address) < 0 && errno == EWOULDBLOCK ? number : -1;
                    })
                    .value;
  ASSERT_GE(ends.active, 0);
  EXPECT_REFUSED(ENOTCONN, listener_->call([=] { return receive_data(ends.active); }).value);
  ends.passive = server_->call([at = listening_] { return soc_accept(at, nullptr, nullptr); }).value;
  ASSERT_GE(ends.passive, 0);
  EXPECT_DATA(TPOPT_CONN_DATA, "who calls", server_->call([=] { return receive_data(ends.passive); }).value);
  // With less room it is cut, and says so.
  const Control cut = server_->call([=] { return receive_data(ends.passive, sizeof(cmsghdr) + 3); }).value;
  EXPECT_EQ(cut.text(), "who");
  EXPECT_EQ(cut.flags, MSG_CTRUNC);

  EXPECT_REFUSED(EMSGSIZE,
                 server_->call([=] { return send_data(ends.passive, TPOPT_CFRM_DATA, std::string(33, 'x')); }).value);
  // The octets of msg_iov follow the confirmation.
  EXPECT_EQ(
      server_->call([=] { return send_data(ends.passive, TPOPT_CFRM_DATA, "who answers", "and says"); }).value.result,
      8);
  EXPECT_EQ(listener_
                ->call([=] {
                  pollfd entry{ends.active, POLLOUT, 0};
                  return soc_poll_ms(&entry, 1, 10'000);
                })
                .value,
            1);
  EXPECT_DATA(TPOPT_CFRM_DATA, "who answers", listener_->call([=] { return receive_data(ends.active); }).value);
  const auto said = listener_->call([=] { return read_once(ends.active); }).value;
  EXPECT_EQ(said.text(), "and says");
  EXPECT_EQ(said.flags & MSG_EOR, MSG_EOR);
  EXPECT_REFUSED(EISCONN, server_->call([=] { return send_data(ends.passive, TPOPT_CFRM_DATA, "again"); }).value);

  EXPECT_REFUSED(EMSGSIZE,
                 listener_->call([=] { return send_data(ends.active, TPOPT_DISC_DATA, std::string(65, 'x')); }).value);
  EXPECT_EQ(listener_->call([=] { return send_data(ends.active, TPOPT_DISC_DATA, "goodbye"); }).value.result, 0);
  close_in(*listener_, {ends.active});
  EXPECT_DATA(TPOPT_DISC_DATA, "goodbye", server_->call([=] { return receive_data(ends.passive); }).value);
  close_in(*server_, {ends.passive});
}

TEST_F(LocalControl, WhatIsNoHeaderIsRefused) {
  const int link = link_.in_listener;
  EXPECT_REFUSED(EINVAL, listener_->call([=] { return send_data(link, TPOPT_CFRM_DATA, "x", {}, 4); }).value);
  EXPECT_REFUSED(EINVAL, listener_->call([=] { return send_data(link, TPOPT_CFRM_DATA, "x", {}, 1'000); }).value);
  EXPECT_REFUSED(EINVAL, listener_->call([=] { return send_data(link, 0x777, "x"); }).value);
  EXPECT_REFUSED(EINVAL, listener_->call([=] { return receive_data(link, 8); }).value);
  EXPECT_REFUSED(EOPNOTSUPP, listener_->call([=] { return receive_data(link, sizeof(Area), MSG_OOB); }).value);
  const int unbound = listener_->call([] { return soc_socket(AF_ISO, SOCK_STREAM, 0); }).value;
  EXPECT_REFUSED(ENOTCONN, listener_->call([=] { return receive_data(unbound); }).value);
  EXPECT_REFUSED(ENOTCONN, listener_->call([=] { return send_data(unbound, TPOPT_CFRM_DATA, "x"); }).value);
  EXPECT_REFUSED(EMSGSIZE,
                 listener_->call([=] { return send_data(unbound, TPOPT_CONN_DATA, std::string(33, 'x')); }).value);
  close_in(*listener_, {unbound});
}

/// Between hosts.
class RemoteControl : public Remote {};

TEST_F(RemoteControl, DataGoesWithTheConfirmationAndTheDisconnect) {
  const Connection connection = requested(connection_request("APP", "CLIENT", 0x0b, "who calls"));
  EXPECT_DATA(TPOPT_CONN_DATA, "who calls",
              listener_->call([number = connection.number] { return receive_data(number); }).value);
  EXPECT_EQ(
      listener_
          ->call([number = connection.number] { return send_data(number, TPOPT_CFRM_DATA, "who answers", "and says"); })
          .value.result,
      8);
  const std::string confirm = read_packet(connection.client.get());
  ASSERT_GT(confirm.size(), 11U);
  EXPECT_EQ(confirm.substr(confirm.size() - 11), "who answers");
  EXPECT_EQ(read_tsdu(connection.client.get()), "and says");
  EXPECT_EQ(listener_->call([number = connection.number] { return send_data(number, TPOPT_DISC_DATA, "goodbye"); })
                .value.result,
            0);
  close_in(*listener_, {connection.number});
  const std::string end = read_packet(connection.client.get());
  ASSERT_GT(end.size(), 7U);
  EXPECT_EQ(end.substr(end.size() - 7), "goodbye");
}

}  // namespace
}  // namespace baton::system_tests
