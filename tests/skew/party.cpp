// SPDX-License-Identifier: MIT
// One of two holders of a connection, built from this tree and from earlier sources: it uses what both have in
// baton/soc.h, and nothing else of this project.
//
//   party first|second seed|express MOVES READY [END_POINT]
//
// `second` listens at TSEL "skew" and closes its descriptor READY; `first` waits for the end of READY, connects, and
// begins with END_POINT, which `second` does not get. Each answers a piece of what the client sends with the same
// octets, then moves the connection to the other; after MOVES moves the holder goes on to the end of file.
// Exit status 0, or 1 with a sentence.
#include <arpa/inet.h>
#include <baton/soc.h>
#include <errno.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s: %s: %s\n", what, std::strerror(errno), soc_error_text());
  std::exit(1);
}
long checked(long value, const char* what) {
  if (value < 0) fail(what);
  return value;
}

sockaddr_iso address_of(std::string_view tsel) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(tsel.size());
  std::memset(address.siso_addr.isoa_genaddr, ' ', 8);
  std::memcpy(address.siso_addr.isoa_genaddr + 8, tsel.data(), tsel.size());
  return address;
}

class Party {
 public:
  Party(bool express, unsigned moves) : express_{express}, moves_{moves} {}

  void listen(int ready) {
    const int listening = static_cast<int>(checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket"));
    const sockaddr_iso own = address_of("skew");
    checked(soc_bind(listening, &own, sizeof own), "soc_bind");
    checked(soc_listen(listening, 1), "soc_listen");
    close(ready);
    link_ = static_cast<int>(checked(soc_accept(listening, nullptr, nullptr), "soc_accept"));
    pollfd entry{link_, POLLIN, 0};
    checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
    checked(soc_close(listening), "soc_close");
  }
  void connect(int ready) {
    char octet = 0;
    checked(read(ready, &octet, 1), "read");
    link_ = static_cast<int>(checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket"));
    const sockaddr_iso own = address_of("");
    const sockaddr_iso other = address_of("skew");
    checked(soc_bind(link_, &own, sizeof own), "soc_bind");
    checked(soc_connect(link_, &other, sizeof other), "soc_connect");
  }

  void run(int end_point) {
    unsigned moved = 0;
    while (end_point >= 0 || (end_point = receive(moved)) >= 0) {
      if (moved == moves_) return serve_to_the_end(end_point);
      if (!serve(end_point)) fail("the client ends too early");
      give(end_point, moved + 1);
      end_point = -1;
    }
    checked(soc_close(link_), "soc_close of the link");
  }

 private:
  static bool serve(int end_point) {
    char octets[4096];
    const auto size = checked(soc_read(end_point, octets, sizeof octets), "soc_read");
    for (long sent = 0; sent < size;)
      sent += checked(soc_write(end_point, octets + sent, static_cast<std::size_t>(size - sent)), "soc_write");
    return size > 0;
  }
  void serve_to_the_end(int end_point) {
    while (serve(end_point)) {
    }
    checked(soc_close(end_point), "soc_close");
    checked(soc_close(link_), "soc_close of the link");
  }

  static cmsg_redhdr header(int type, int end_point) {
    cmsg_redhdr made{};
    made.cmsg_len = sizeof made;
    made.cmsg_level = SOL_TRANSPORT;
    made.cmsg_type = type;
    made.domain = AF_INET;
    made.redhdr_red_ltcp.fd = static_cast<short>(end_point);
    return made;
  }
  static msghdr message(cmsg_redhdr& header, iovec* part) {
    msghdr made{};
    made.msg_control = &header;
    made.msg_controllen = sizeof header;
    made.msg_iov = part;
    made.msg_iovlen = part == nullptr ? 0 : 1;
    return made;
  }

  void give(int end_point, unsigned number) const {
    std::uint32_t told = htonl(number);
    if (express_) {
      soc_move move{};
      move.fd = end_point;
      move.data = &told;
      move.length = sizeof told;
      checked(soc_give(link_, &move, 1), "soc_give");
      if (checked(soc_outcomes(link_, &move, 1, -1), "soc_outcomes") != 1 || move.error != 0) fail("an express move");
      return;
    }
    iovec part{&told, sizeof told};
    cmsg_redhdr offer = header(TPOPT_REDI_DATA, end_point);
    const msghdr offering = message(offer, &part);
    checked(soc_sendmsg(link_, &offering, 0), "soc_sendmsg REDI_DATA");
    cmsg_redhdr answer = header(TPOPT_REDI_BDOK, end_point);
    msghdr answered = message(answer, nullptr);
    checked(soc_recvmsg(link_, &answered, 0), "soc_recvmsg REDI_BDOK");
    if (answer.bind_ok != REDBIND_OK) fail("the answer");
    cmsg_redhdr call = header(TPOPT_REDI_CALL, end_point);
    checked(soc_setsockopt(link_, SOL_TRANSPORT, TPOPT_REDI_CALL, &call, sizeof call), "soc_setsockopt REDI_CALL");
    cmsg_redhdr outcome = header(TPOPT_REDI_CALL, end_point);
    outcome.fd_server = -1;
    socklen_t size = sizeof outcome;
    checked(soc_getsockopt(link_, SOL_TRANSPORT, TPOPT_REDI_CALL, &outcome, &size), "soc_getsockopt REDI_CALL");
    checked(soc_close(end_point), "soc_close");
  }

  /// -1: the link has ended.
  int receive(unsigned& number) const {
    std::uint32_t told = 0;
    int end_point = -1;
    if (express_) {
      soc_move move{};
      move.data = &told;
      move.length = sizeof told;
      if (soc_take(link_, &move, 1, -1) < 0) return errno == ECONNRESET ? -1 : (fail("soc_take"), -1);
      end_point = move.fd;
    } else {
      iovec part{&told, sizeof told};
      cmsg_redhdr header = Party::header(TPOPT_REDI_DATA, -1);
      msghdr offered = message(header, &part);
      if (soc_recvmsg(link_, &offered, 0) < 0) return errno == ECONNRESET ? -1 : (fail("soc_recvmsg REDI_DATA"), -1);
      header.cmsg_type = TPOPT_REDI_BDOK;
      const msghdr answer = message(header, nullptr);
      checked(soc_sendmsg(link_, &answer, 0), "soc_sendmsg REDI_BDOK");
      header.cmsg_type = TPOPT_REDI_CALL;
      socklen_t size = sizeof header;
      checked(soc_getsockopt(link_, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, &size), "soc_getsockopt REDI_CALL");
      end_point = header.fd_server;
    }
    number = ntohl(told);
    return end_point;
  }

  bool express_;
  unsigned moves_;
  int link_ = -1;
};

}  // namespace

int main(int argc, char* argv[]) {
  const bool first = argc == 6 && std::string_view{argv[1]} == "first";
  if (!first && !(argc == 5 && std::string_view{argv[1]} == "second")) {
    std::fprintf(stderr, "usage: party first|second seed|express MOVES READY [END_POINT]\n");
    return 2;
  }
  Party party{std::string_view{argv[2]} == "express", static_cast<unsigned>(std::atoi(argv[3]))};
  const int ready = std::atoi(argv[4]);
  if (first)
    party.connect(ready);
  else
    party.listen(ready);
  party.run(first ? std::atoi(argv[5]) : -1);
  return 0;
}
