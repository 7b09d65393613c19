// SPDX-License-Identifier: MIT
// An AF_ISO server that knows nothing of batond: has bound the TSAP that its first word names, and answers each TSDU
// with "TSAP PORT:" in front, where PORT is the client's. Says "ready" in a line when it listens.
#include <baton/soc.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr nfds_t most = 64;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, soc_error_text());
  ::_exit(1);
}

int listen_as(const char* tsel) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(std::strlen(tsel));
  std::memset(address.siso_addr.isoa_genaddr, ' ', 8);
  std::memcpy(address.siso_addr.isoa_genaddr + 8, tsel, std::strlen(tsel));
  const int s = soc_socket(AF_ISO, SOCK_STREAM, 0);
  if (s < 0 || soc_bind(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 || soc_listen(s, 16) < 0)
    fail("listen");
  return s;
}

unsigned port_of(int s) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (soc_getsockopt(s, SOL_TRANSPORT, TPOPT_PEER_ADDRESS, &peer, &size) < 0) return 0;
  return ntohs(reinterpret_cast<const sockaddr_in*>(&peer)->sin_port);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  ::alarm(90);
  const int listening = listen_as(argv[1]);
  std::puts("ready");
  std::fflush(stdout);
  std::vector<pollfd> entries{{listening, POLLIN, 0}};
  for (;;) {
    if (soc_poll_ms(entries.data(), entries.size(), -1) < 0) fail("poll");
    for (std::size_t i = entries.size(); i-- > 1;) {
      if (entries[i].revents == 0) continue;
      std::array<char, 4096> octets;
      const ssize_t size = soc_read(entries[i].fd, octets.data(), octets.size());
      const std::string answer = std::string{argv[1]} + " " + std::to_string(port_of(entries[i].fd)) + ":" +
                                 std::string{octets.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
      if (size > 0 && soc_write(entries[i].fd, answer.data(), answer.size()) > 0) continue;
      soc_close(entries[i].fd);
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (entries[0].revents == 0 || entries.size() > most) continue;
    if (const int s = soc_accept(listening, nullptr, nullptr); s >= 0) entries.push_back({s, POLLIN, 0});
  }
}
