/* SPDX-License-Identifier: MIT
 *
 * The seed's listener L: accepts HTTP clients, reads each one's request, and moves the end point of the connection to
 * the server, which answers. The client notices nothing. The numbers are the steps of the seed.
 *
 *   listener TSEL [PORT]      TSEL: the server's name; PORT 0 or none: any free one, printed
 */
#include <netinet.in.h>

#include "common.h"

/* Reads up to the end of an HTTP request's head. L may serve a connection before it moves it. */
static int read_request(int s, char* request, int room) {
  int length = 0;
  while (length < room) {
    int n = (int)soc_read(s, request + length, (size_t)(room - length));
    if (n <= 0) return -1;
    length += n;
    request[length < room ? length : room - 1] = '\0';
    if (strstr(request, "\r\n\r\n") != NULL) return length;
  }
  return -1;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: listener TSEL [PORT]\n");
    return 2;
  }

  /* 0. The listen socket of listener L ... */
  int listen_socket = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 here;
  memset(&here, 0, sizeof here);
  here.sin6_family = AF_INET6;
  here.sin6_addr = in6addr_any;
  here.sin6_port = htons((unsigned short)(argc > 2 ? atoi(argv[2]) : 0));
  if (bind(listen_socket, (struct sockaddr*)&here, sizeof here) < 0) fail("bind");
  if (listen(listen_socket, 16) < 0) fail("listen");
  int length = sizeof here;
  getsockname(listen_socket, (struct sockaddr*)&here, &length);

  /* ... and a connection under the AF_ISO domain between listener L and server S. */
  int s = socket(AF_ISO, SOCK_STREAM, 0);
  struct sockaddr_iso own = address_of("");
  struct sockaddr_iso server = address_of(argv[1]);
  if (bind(s, (struct sockaddr*)&own, sizeof own) < 0) fail("bind of the AF_ISO socket");
  if (connect(s, (struct sockaddr*)&server, sizeof server) < 0) fail("connect to the server");
  printf("listening on port %d\n", ntohs(here.sin6_port));
  fflush(stdout);

  for (;;) {
    /* 1. C establishes a connection to L. The connection is accepted by L and moved to S. */
    int accepted = accept(listen_socket, NULL, NULL);
    if (accepted < 0) fail("accept");
    char request[8192];
    int octets = read_request(accepted, request, sizeof request);
    if (octets < 0) {
      soc_close(accepted);
      continue;
    }

    /* 2. L: sendmsg(), TPOPT_REDI_DATA. What L has read of the connection goes along in msg_iov. */
    struct cmsg_redhdr redhdr = header_for(TPOPT_REDI_DATA);
    redhdr.domain = AF_INET6;
    redhdr.redhdr_red_ltcp.fd = (short)accepted;
    struct iovec iov = {request, (size_t)octets};
    struct msghdr msg;
    memset(&msg, 0, sizeof msg);
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = &redhdr;
    msg.msg_control_len = sizeof(struct cmsg_redhdr);
    if (sendmsg(s, &msg, 0) < 0) fail("sendmsg REDI_DATA");

    /* 5. L: recvmsg(), TPOPT_REDI_BDOK. With REDBIND_OK the data stop begins: C may send, nobody reads. */
    redhdr = header_for(TPOPT_REDI_BDOK);
    redhdr.domain = AF_INET6;
    redhdr.redhdr_red_ltcp.fd = (short)accepted;
    msg.msg_iov = NULL;
    msg.msg_iovlen = 0;
    if (recvmsg(s, &msg, 0) < 0) fail("recvmsg REDI_BDOK");
    if (redhdr.bind_ok != REDBIND_OK) {
      /* Refused: the connection is still L's. */
      static const char sorry[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      soc_write(accepted, sorry, sizeof sorry - 1);
      soc_close(accepted);
      continue;
    }

    /* 6. L: setsockopt(), TPOPT_REDI_CALL moves the functionality of the end point. */
    redhdr.cmsg_type = TPOPT_REDI_CALL;
    if (setsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, (char*)&redhdr, sizeof redhdr) < 0) fail("setsockopt REDI_CALL");

    /* 8. The accept socket of the original end point can now be closed. Until S has taken it, the library keeps it. */
    soc_close(accepted);
  }
}
