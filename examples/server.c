/* SPDX-License-Identifier: MIT
 *
 * The seed's server S: waits for end points that a listener moves to it, and answers the HTTP request that the listener
 * had read. The numbers are the steps of the seed.
 *
 *   server TSEL FILE
 */
#include <sys/stat.h>

#include "common.h"

static void write_all(int s, const char* data, size_t length) {
  while (length > 0) {
    ssize_t n = soc_write(s, data, length);
    if (n <= 0) return; /* the client has gone */
    data += n;
    length -= (size_t)n;
  }
}

static void serve(int s, const char* path) {
  struct stat status;
  FILE* file = fopen(path, "rb");
  if (file == NULL || fstat(fileno(file), &status) < 0) fail(path);
  static char buffer[1 << 16];
  int n = snprintf(buffer, sizeof buffer, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\nConnection: close\r\n\r\n",
                   (long long)status.st_size);
  write_all(s, buffer, (size_t)n);
  size_t octets;
  while ((octets = fread(buffer, 1, sizeof buffer, file)) > 0) write_all(s, buffer, octets);
  fclose(file);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: server TSEL FILE\n");
    return 2;
  }

  /* 0. The AF_ISO listen socket on the server side, and the connection with the listener. */
  int listen_socket = socket(AF_ISO, SOCK_STREAM, 0);
  struct sockaddr_iso own = address_of(argv[1]);
  if (bind(listen_socket, (struct sockaddr*)&own, sizeof own) < 0) fail("bind");
  if (listen(listen_socket, 5) < 0) fail("listen");
  printf("ready\n");
  fflush(stdout);
  int s = accept(listen_socket, NULL, NULL);
  if (s < 0) fail("accept");

  for (;;) {
    /* 3. S: recvmsg(), TPOPT_REDI_DATA: makes the new end point; msg_iov gets what L has read already. */
    struct cmsg_redhdr redhdr = header_for(TPOPT_REDI_DATA);
    static char request[65536];
    struct iovec iov = {request, sizeof request};
    struct msghdr msg;
    memset(&msg, 0, sizeof msg);
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = &redhdr;
    msg.msg_control_len = sizeof(struct cmsg_redhdr);
    int octets = (int)recvmsg(s, &msg, 0);
    if (octets < 0) {
      fprintf(stderr, "server: %s\n", soc_error_text()); /* the listener has gone: so do we */
      return 0;
    }
    int fd_server = redhdr.fd_server;
    int domain = redhdr.domain;

    /* 4. S: sendmsg(), TPOPT_REDI_BDOK: the new end point is there. */
    redhdr = header_for(TPOPT_REDI_BDOK);
    redhdr.domain = (short)domain;
    redhdr.fd_server = (short)fd_server;
    msg.msg_iov = NULL;
    msg.msg_iovlen = 0;
    if (sendmsg(s, &msg, 0) < 0) fail("sendmsg REDI_BDOK");

    /* 7. S: getsockopt(), TPOPT_REDI_CALL waits for the end point; the data stop ends. */
    redhdr = header_for(TPOPT_REDI_CALL);
    redhdr.domain = (short)domain;
    redhdr.fd_server = (short)fd_server;
    int optlen = sizeof redhdr;
    if (getsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, (char*)&redhdr, &optlen) < 0) {
      fprintf(stderr, "server: not taken: %s\n", soc_error_text());
      soc_close(fd_server);
      continue;
    }

    printf("answering \"%.*s\" of a client at port %d\n", (int)strcspn(request, "\r\n"), request,
           (unsigned short)redhdr.redhdr_red_ctcp.port);
    fflush(stdout);
    serve(fd_server, argv[2]);
    soc_close(fd_server);
  }
}
