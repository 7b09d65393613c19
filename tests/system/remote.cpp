// SPDX-License-Identifier: MIT
#include "remote.hpp"

#include <netinet/in.h>
#include <stdlib.h>

namespace baton::system_tests {

Read read_once(int number, std::size_t most, int flags) {
  Read read;
  iovec room{read.octets, std::min(most, sizeof read.octets)};
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  read.size = soc_recvmsg(number, &message, flags);
  if (read.size < 0) read.error = errno;
  read.flags = message.msg_flags;
  return read;
}

Option get_option(int number, int name) {
  Option option;
  option.size = sizeof option.octets;
  option.result = soc_getsockopt(number, SOL_TRANSPORT, name, option.octets, &option.size);
  if (option.result < 0) option.error = errno;
  return option;
}

void Remote::SetUp() {
  Parties::SetUp();
  iso_listening_ = listener_
                       ->call([] {
                         ::setenv("BATON_ISO_LISTEN", "127.0.0.1:0", 1);
                         return listen_iso("APP");
                       })
                       .value;
  ASSERT_GE(iso_listening_, 0);
  const Option where = option_in(*listener_, iso_listening_, TPOPT_LOCAL_ADDRESS);
  ASSERT_EQ(where.size, sizeof(sockaddr_in));
  sockaddr_in address;
  std::memcpy(&address, where.octets, sizeof address);
  iso_port_ = ntohs(address.sin_port);
  ASSERT_NE(iso_port_, 0);
}

Connection Remote::requested(const std::string& request) {
  Connection connection;
  connection.family = AF_ISO;
  connection.client = connect_raw(iso_port_);
  write_all(connection.client.get(), request);
  connection.number = listener_->call([at = iso_listening_] { return soc_accept(at, nullptr, nullptr); }).value;
  EXPECT_GE(connection.number, 0);
  return connection;
}

Connection Remote::opened(const std::string& request) {
  Connection connection = requested(request);
  const int confirmed =
      listener_
          ->call([number = connection.number] { return soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0); })
          .value;
  EXPECT_EQ(confirmed, 0);
  const std::string cc = read_packet(connection.client.get());
  EXPECT_EQ(cc.substr(1, 1), "\xd0");
  return connection;
}

void Remote::expect_talks(Agent& agent, int number, const Connection& connection) {
  write_all(connection.client.get(), data_packet("to the holder"));
  const Read read = read_in(agent, number);
  EXPECT_EQ(read.text(), "to the holder") << std::strerror(read.error);
  EXPECT_EQ(read.flags, MSG_EOR);
  EXPECT_EQ(agent.call([number] { return soc_send(number, "and back", 8, 0); }).value, 8);
  EXPECT_EQ(read_tsdu(connection.client.get()), "and back");
}

Read Remote::read_in(Agent& agent, int number, std::size_t most, int flags) {
  return agent.call([=] { return read_once(number, most, flags); }).value;
}

Option Remote::option_in(Agent& agent, int number, int name) {
  return agent.call([=] { return get_option(number, name); }).value;
}

}  // namespace baton::system_tests
