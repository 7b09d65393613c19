/* SPDX-License-Identifier: MIT
 * baton: tests/install/seed_server.c: the server S of the handoff's description, step by step, with the manual's
 * headers and names alone. Compiles unmodified as C11 and as C++.
 *
 *   seed_server TSEL
 *
 * Listens at TSEL on this host, prints "ready", accepts the listener's connection, takes one end point from it, sends
 * back what the client sends until end of file, and ends with 0. On failure it says why and ends with 1.
 */
#include <errno.h>
#include <iso.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys.socket.h>
#include <sys.types.h>
#include <sys.uio.h>

#define NSEL_LENGTH 8

static void fail(const char* step) {
  fprintf(stderr, "seed_server: %s: %s: %s\n", step, strerror(errno), soc_error_text());
  exit(1);
}

/* Step 0: the AF_ISO listen socket. A blank NSEL is this host. */
static int listen_at(const char* tsel) {
  struct sockaddr_iso address;
  size_t length = strlen(tsel);
  int s;
  if (length > TSAPNAMMAXLEN) {
    fprintf(stderr, "seed_server: TSEL \"%s\" is longer than %d octets\n", tsel, TSAPNAMMAXLEN);
    exit(1);
  }
  s = socket(AF_ISO, SOCK_STREAM, 0);
  if (s < 0) fail("socket(AF_ISO)");
  memset(&address, 0, sizeof(struct sockaddr_iso));
  address.siso_len = sizeof(struct sockaddr_iso);
  address.siso_family = AF_ISO;
  address.siso_tlen = (u_char)length;
  memset(address.siso_addr.isoa_genaddr, ' ', NSEL_LENGTH);
  memcpy(address.siso_addr.isoa_genaddr + NSEL_LENGTH, tsel, length);
  if (bind(s, (struct sockaddr*)&address, sizeof(struct sockaddr_iso)) < 0) fail("bind");
  if (listen(s, 5) < 0) fail("listen");
  printf("ready\n");
  fflush(stdout);
  return s;
}

static void fill_redhdr(struct cmsg_redhdr* redhdr, int type) {
  redhdr->cmsg_len = sizeof(struct cmsg_redhdr);
  redhdr->cmsg_level = SOL_TRANSPORT;
  redhdr->cmsg_type = type;
}

/* Steps 3, 4 and 7: returns the new end point, at which data is delivered from now on. */
static int take_end_point(int s) {
  struct msghdr msg;
  struct cmsg_redhdr redhdr;
  int length = sizeof(struct cmsg_redhdr);
  memset(&msg, 0, sizeof(struct msghdr));
  memset(&redhdr, 0, sizeof(struct cmsg_redhdr));
  msg.msg_control = (caddr_t)&redhdr;
  msg.msg_control_len = sizeof(struct cmsg_redhdr);

  /* Step 3: comes back with fd_server and domain, */
  fill_redhdr(&redhdr, TPOPT_REDI_DATA);
  if (recvmsg(s, &msg, 0) < 0) fail("recvmsg(TPOPT_REDI_DATA)");

  /* which steps 4 and 7 hand in again. */
  fill_redhdr(&redhdr, TPOPT_REDI_BDOK);
  msg.msg_control_len = sizeof(struct cmsg_redhdr);
  if (sendmsg(s, &msg, 0) < 0) fail("sendmsg(TPOPT_REDI_BDOK)");

  fill_redhdr(&redhdr, TPOPT_REDI_CALL);
  if (getsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, (char*)&redhdr, &length) < 0) fail("getsockopt(TPOPT_REDI_CALL)");
  return redhdr.fd_server;
}

static void echo(int s) {
  char buffer[65536];
  ssize_t received;
  while ((received = soc_read(s, buffer, sizeof buffer)) > 0) {
    ssize_t sent = 0;
    while (sent < received) {
      ssize_t written = soc_write(s, buffer + sent, (size_t)(received - sent));
      if (written < 0) fail("soc_write");
      sent += written;
    }
  }
  if (received < 0) fail("soc_read");
}

int main(int argc, char* argv[]) {
  struct sockaddr_iso partner;
  int length = sizeof(struct sockaddr_iso);
  int listening;
  int listener;
  int end_point;
  if (argc != 2) {
    fprintf(stderr, "usage: seed_server TSEL\n");
    return 1;
  }
  listening = listen_at(argv[1]);
  listener = accept(listening, (struct sockaddr*)&partner, &length);
  if (listener < 0) fail("accept");

  end_point = take_end_point(listener);
  echo(end_point);

  if (soc_close(end_point) < 0) fail("soc_close(end point)");
  if (soc_close(listener) < 0) fail("soc_close(AF_ISO connection)");
  if (soc_close(listening) < 0) fail("soc_close(AF_ISO listen socket)");
  return 0;
}
