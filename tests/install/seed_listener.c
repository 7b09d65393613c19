/* SPDX-License-Identifier: MIT
 * baton: tests/install/seed_listener.c: the listener L of the handoff's description, step by step, with the manual's
 * headers and names alone. Compiles unmodified as C11 and as C++.
 *
 *   seed_listener TSEL PORT
 *
 * Connects to the server at TSEL on this host, prints "port N" (PORT 0: the kernel's choice), accepts one connection on
 * that port of the loopback address, moves it to the server and ends with 0. On failure it says why and ends with 1.
 */
#include <errno.h>
#include <iso.h>
#include <netinet.in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys.socket.h>
#include <sys.types.h>
#include <sys.uio.h>

#define NSEL_LENGTH 8

static void fail(const char* step) {
  fprintf(stderr, "seed_listener: %s: %s: %s\n", step, strerror(errno), soc_error_text());
  exit(1);
}

/* A blank NSEL is this host. */
static void fill_address(struct sockaddr_iso* address, const char* tsel) {
  size_t length = strlen(tsel);
  if (length > TSAPNAMMAXLEN) {
    fprintf(stderr, "seed_listener: TSEL \"%s\" is longer than %d octets\n", tsel, TSAPNAMMAXLEN);
    exit(1);
  }
  memset(address, 0, sizeof(struct sockaddr_iso));
  address->siso_len = sizeof(struct sockaddr_iso);
  address->siso_family = AF_ISO;
  address->siso_tlen = (u_char)length;
  memset(address->siso_addr.isoa_genaddr, ' ', NSEL_LENGTH);
  memcpy(address->siso_addr.isoa_genaddr + NSEL_LENGTH, tsel, length);
}

/* Step 0: the connection under the AF_ISO domain. A client binds before it connects: here to any free TSEL. */
static int connect_to_server(const char* tsel) {
  struct sockaddr_iso own;
  struct sockaddr_iso server;
  int s = socket(AF_ISO, SOCK_STREAM, 0);
  if (s < 0) fail("socket(AF_ISO)");
  fill_address(&own, "");
  if (bind(s, (struct sockaddr*)&own, sizeof(struct sockaddr_iso)) < 0) fail("bind(AF_ISO)");
  fill_address(&server, tsel);
  if (connect(s, (struct sockaddr*)&server, sizeof(struct sockaddr_iso)) < 0) fail("connect(AF_ISO)");
  return s;
}

static int listen_on(const char* port) {
  struct sockaddr_in address;
  int length = sizeof(struct sockaddr_in);
  int on = 1;
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (s < 0) fail("socket(AF_INET)");
  if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (char*)&on, sizeof(int)) < 0) fail("setsockopt(SO_REUSEADDR)");
  memset(&address, 0, sizeof(struct sockaddr_in));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((u_short)atoi(port));
  if (bind(s, (struct sockaddr*)&address, sizeof(struct sockaddr_in)) < 0) fail("bind(AF_INET)");
  if (listen(s, 5) < 0) fail("listen");
  if (getsockname(s, (struct sockaddr*)&address, &length) < 0) fail("getsockname");
  printf("port %d\n", (int)ntohs(address.sin_port));
  fflush(stdout);
  return s;
}

static void fill_redhdr(struct cmsg_redhdr* redhdr, int type) {
  redhdr->cmsg_len = sizeof(struct cmsg_redhdr);
  redhdr->cmsg_level = SOL_TRANSPORT;
  redhdr->cmsg_type = type;
}

/* Step 2: tells the server of the connection that C has established. */
static void forward(int s, int accepted) {
  struct msghdr msg;
  struct cmsg_redhdr redhdr;
  memset(&msg, 0, sizeof(struct msghdr));
  memset(&redhdr, 0, sizeof(struct cmsg_redhdr));
  fill_redhdr(&redhdr, TPOPT_REDI_DATA);
  redhdr.domain = AF_INET;
  redhdr.redhdr_red_ltcp.fd = (short)accepted;
  msg.msg_control = (caddr_t)&redhdr;
  msg.msg_control_len = sizeof(struct cmsg_redhdr);
  if (sendmsg(s, &msg, 0) < 0) fail("sendmsg(TPOPT_REDI_DATA)");
}

/* Step 5: waits for the new end point; then the data stop is in force. */
static void wait_until_bound(int s, int accepted, struct cmsg_redhdr* redhdr) {
  struct msghdr msg;
  memset(&msg, 0, sizeof(struct msghdr));
  memset(redhdr, 0, sizeof(struct cmsg_redhdr));
  fill_redhdr(redhdr, TPOPT_REDI_BDOK);
  redhdr->domain = AF_INET;
  redhdr->redhdr_red_ltcp.fd = (short)accepted;
  msg.msg_control = (caddr_t)redhdr;
  msg.msg_control_len = sizeof(struct cmsg_redhdr);
  if (recvmsg(s, &msg, 0) < 0) fail("recvmsg(TPOPT_REDI_BDOK)");
  if (redhdr->bind_ok != REDBIND_OK) {
    fprintf(stderr, "seed_listener: the server refused: bind_ok %d\n", redhdr->bind_ok);
    exit(1);
  }
}

int main(int argc, char* argv[]) {
  struct sockaddr_in client;
  int length = sizeof(struct sockaddr_in);
  struct cmsg_redhdr redhdr;
  int server;
  int listening;
  int accepted;
  if (argc != 3) {
    fprintf(stderr, "usage: seed_listener TSEL PORT\n");
    return 1;
  }
  server = connect_to_server(argv[1]);
  listening = listen_on(argv[2]);

  /* Step 1 */
  accepted = accept(listening, (struct sockaddr*)&client, &length);
  if (accepted < 0) fail("accept");

  forward(server, accepted);
  wait_until_bound(server, accepted, &redhdr);

  /* Step 6 */
  fill_redhdr(&redhdr, TPOPT_REDI_CALL);
  if (setsockopt(server, SOL_TRANSPORT, TPOPT_REDI_CALL, (char*)&redhdr, sizeof(struct cmsg_redhdr)) < 0)
    fail("setsockopt(TPOPT_REDI_CALL)");

  /* Step 8 */
  if (soc_close(accepted) < 0) fail("soc_close(accept socket)");
  if (soc_close(server) < 0) fail("soc_close(AF_ISO connection)");
  if (soc_close(listening) < 0) fail("soc_close(listen socket)");
  return 0;
}
