/* SPDX-License-Identifier: MIT
 * baton: tests/install/readme_listener.c: what stands around the function move() of README.md: a listener that accepts
 * one connection, from a client in this process, and moves it to seed_server, which sends back what the client sends.
 *
 *   readme_listener TSEL     ends with 0 when the client's octets came back from the server
 */
#include <errno.h>
#include <iso.h>
#include <netinet.in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys.socket.h>

int move(int s, int accepted);

static void fail(const char* step) {
  fprintf(stderr, "readme_listener: %s: %s: %s\n", step, strerror(errno), soc_error_text());
  exit(1);
}

static int connect_to_server(const char* tsel) {
  struct sockaddr_iso address = {.siso_len = sizeof address, .siso_family = AF_ISO};
  const int s = socket(AF_ISO, SOCK_STREAM, 0);
  if (s < 0) fail("socket(AF_ISO)");
  memset(address.siso_addr.isoa_genaddr, ' ', 8);
  if (bind(s, (struct sockaddr*)&address, sizeof address) < 0) fail("bind(AF_ISO)");
  address.siso_tlen = (unsigned char)strlen(tsel);
  memcpy(address.siso_addr.isoa_genaddr + 8, tsel, strlen(tsel));
  if (connect(s, (struct sockaddr*)&address, sizeof address) < 0) fail("connect(AF_ISO)");
  return s;
}

int main(int argc, char* argv[]) {
  static const char sent[] = "moved";
  char came[sizeof sent];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int length = sizeof address;
  size_t received = 0;
  if (argc != 2) return 2;
  const int link = connect_to_server(argv[1]);
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  if (listening < 0 || client < 0) fail("socket(AF_INET)");
  if (bind(listening, (struct sockaddr*)&address, sizeof address) < 0 || listen(listening, 1) < 0) fail("listen");
  if (getsockname(listening, (struct sockaddr*)&address, &length) < 0) fail("getsockname");
  if (connect(client, (struct sockaddr*)&address, sizeof address) < 0) fail("connect");
  const int accepted = accept(listening, NULL, NULL);
  if (accepted < 0) fail("accept");

  if (move(link, accepted) < 0) fail("move");
  if (soc_write(client, sent, sizeof sent) != sizeof sent || shutdown(client, SHUT_WR) < 0) fail("write");
  while (received < sizeof came) {
    const ssize_t part = soc_read(client, came + received, sizeof came - received);
    if (part <= 0) fail("read");
    received += (size_t)part;
  }
  if (memcmp(sent, came, sizeof sent) != 0 || soc_read(client, came, 1) != 0) {
    fprintf(stderr, "readme_listener: the client did not get back what it sent\n");
    return 1;
  }
  return 0;
}
