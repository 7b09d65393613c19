/* SPDX-License-Identifier: MIT
 *
 * A client streams to a server whose end point moves between three processes all the time, and notices nothing.
 *
 *   ring [SECONDS]
 *
 * Three processes stand in a ring, each with an AF_ISO connection to the next. Whoever has the end point reads for some
 * milliseconds and moves it on; what has to be known to go on reading (here the hash so far) travels in msg_iov of the
 * offer. At the end the last holder tells the client what all of them have read. Uses the soc_ names, as a program
 * written for Linux would.
 */
#include <arpa/inet.h>
#include <baton/soc.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { processes = 3, hold_ms = 20 };

/* What travels with the end point. */
struct progress {
  uint64_t hash;
  uint64_t octets;
  uint64_t moves;
  int64_t last_read_ns;
  int64_t longest_pause_ns;
};

static void fail(const char* what) {
  fprintf(stderr, "ring: %s: %s\n", what, soc_error_text());
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* FNV-1a, 64 bit. */
static uint64_t add_to_hash(uint64_t hash, const unsigned char* data, size_t length) {
  for (size_t i = 0; i < length; ++i) hash = (hash ^ data[i]) * 1099511628211u;
  return hash;
}

static struct sockaddr_iso address_of(const char* tsel) {
  struct sockaddr_iso address;
  memset(&address, 0, sizeof address);
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = (unsigned char)strlen(tsel);
  memset(address.siso_addr.isoa_genaddr, ' ', 8);
  memcpy(address.siso_addr.isoa_genaddr + 8, tsel, strlen(tsel));
  return address;
}

static int listen_as(const char* tsel) {
  const struct sockaddr_iso own = address_of(tsel);
  const int s = soc_socket(AF_ISO, SOCK_STREAM, 0);
  if (s < 0 || soc_bind(s, &own, sizeof own) < 0 || soc_listen(s, 1) < 0) fail("listen");
  return s;
}

static int connect_to(const char* tsel) {
  const struct sockaddr_iso own = address_of(""), other = address_of(tsel);
  const int s = soc_socket(AF_ISO, SOCK_STREAM, 0);
  if (s < 0 || soc_bind(s, &own, sizeof own) < 0 || soc_connect(s, &other, sizeof other) < 0) fail("connect");
  return s;
}

/* One step of the handoff with a header of `type`. */
static void prepare(struct msghdr* message, struct cmsg_redhdr* header, int type, void* data, struct iovec* part) {
  header->cmsg_len = sizeof *header;
  header->cmsg_level = SOL_TRANSPORT;
  header->cmsg_type = type;
  memset(message, 0, sizeof *message);
  message->msg_control = header;
  message->msg_controllen = sizeof *header;
  if (data != NULL) {
    part->iov_base = data;
    part->iov_len = sizeof(struct progress);
    message->msg_iov = part;
    message->msg_iovlen = 1;
  }
}

static void give(int link, int end_point, struct progress* progress) {
  struct cmsg_redhdr header = {0};
  struct msghdr message;
  struct iovec part;
  header.domain = AF_INET;
  header.redhdr_red_ltcp.fd = (short)end_point;
  prepare(&message, &header, TPOPT_REDI_DATA, progress, &part);
  if (soc_sendmsg(link, &message, 0) < 0) fail("REDI_DATA");
  prepare(&message, &header, TPOPT_REDI_BDOK, NULL, NULL);
  if (soc_recvmsg(link, &message, 0) < 0 || header.bind_ok != REDBIND_OK) fail("REDI_BDOK");
  header.cmsg_type = TPOPT_REDI_CALL;
  if (soc_setsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, sizeof header) < 0) fail("REDI_CALL");
  soc_close(end_point);
}

/* -1: the ring has ended. */
static int take(int link, struct progress* progress) {
  struct cmsg_redhdr header = {0};
  struct msghdr message;
  struct iovec part;
  prepare(&message, &header, TPOPT_REDI_DATA, progress, &part);
  if (soc_recvmsg(link, &message, 0) < 0) return -1;
  prepare(&message, &header, TPOPT_REDI_BDOK, NULL, NULL);
  if (soc_sendmsg(link, &message, 0) < 0) fail("REDI_BDOK");
  header.cmsg_type = TPOPT_REDI_CALL;
  socklen_t length = sizeof header;
  if (soc_getsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, &length) < 0) fail("REDI_CALL");
  ++progress->moves;
  return header.fd_server;
}

/* Reads for `hold_ms`. 0: the client has finished. */
static int hold(int end_point, struct progress* progress) {
  static unsigned char buffer[1 << 16];
  const int64_t until = now_ns() + (int64_t)hold_ms * 1000000;
  int first = 1;
  while (now_ns() < until) {
    struct pollfd entry = {end_point, POLLIN, 0};
    if (soc_poll_ms(&entry, 1, hold_ms) == 0) continue;
    const ssize_t n = soc_read(end_point, buffer, sizeof buffer);
    if (n < 0) fail("read");
    if (n == 0) return 0;
    const int64_t now = now_ns();
    const int64_t pause = now - progress->last_read_ns;
    if (first && progress->octets > 0 && pause > progress->longest_pause_ns) progress->longest_pause_ns = pause;
    first = 0;
    progress->last_read_ns = now;
    progress->hash = add_to_hash(progress->hash, buffer, (size_t)n);
    progress->octets += (uint64_t)n;
  }
  return 1;
}

/* One process of the ring: takes, holds, gives. The first accepts the client. */
static void stand(int listening, const char* next, int tcp_listening) {
  // The first connects before it accepts, the others after: each connect needs somebody in accept.
  int to_next = -1, from_previous;
  if (tcp_listening >= 0) to_next = connect_to(next);
  if ((from_previous = soc_accept(listening, NULL, NULL)) < 0) fail("accept");
  if (soc_sendmsg(from_previous,
                  &(struct msghdr){.msg_control = &(struct cmsghdr){.cmsg_len = sizeof(struct cmsghdr),
                                                                    .cmsg_level = SOL_TRANSPORT,
                                                                    .cmsg_type = TPOPT_CFRM_DATA},
                                   .msg_controllen = sizeof(struct cmsghdr)},
                  0) < 0)
    fail("confirm");
  if (to_next < 0) to_next = connect_to(next);
  struct progress progress = {.hash = 14695981039346656037u};
  int end_point = tcp_listening >= 0 ? soc_accept(tcp_listening, NULL, NULL) : take(from_previous, &progress);
  for (; end_point >= 0; end_point = take(from_previous, &progress)) {
    if (hold(end_point, &progress) == 0) {
      if (soc_write(end_point, &progress, sizeof progress) != (ssize_t)sizeof progress) fail("report");
      soc_close(end_point);
      break;
    }
    give(to_next, end_point, &progress);
  }
  exit(0); /* the links end, and with them the others' take() */
}

/* The client: an ordinary TCP program that knows nothing of all this. */
static int stream(int port, int seconds) {
  const int s = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(s, (struct sockaddr*)&there, sizeof there) < 0) {
    perror("ring: client");
    return 1;
  }
  static unsigned char buffer[1 << 14];
  uint64_t hash = 14695981039346656037u, octets = 0, random = 1;
  const int64_t begin = now_ns(), end = begin + (int64_t)seconds * 1000000000;
  for (int64_t next_line = begin; now_ns() < end;) {
    for (size_t i = 0; i < sizeof buffer; i += sizeof random) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      memcpy(buffer + i, &random, sizeof random);
    }
    for (size_t sent = 0; sent < sizeof buffer;) {
      const ssize_t n = write(s, buffer + sent, sizeof buffer - sent);
      if (n <= 0) {
        perror("ring: client: write");
        return 1;
      }
      sent += (size_t)n;
    }
    hash = add_to_hash(hash, buffer, sizeof buffer);
    octets += sizeof buffer;
    if (now_ns() >= next_line) {
      fprintf(stderr, "\rstreaming: %3d s of %d, %8.1f MiB sent", (int)((now_ns() - begin) / 1000000000), seconds,
              (double)octets / (1 << 20));
      next_line += 500000000;
    }
  }
  shutdown(s, SHUT_WR);
  struct progress progress;
  if (recv(s, &progress, sizeof progress, MSG_WAITALL) != (ssize_t)sizeof progress) {
    fprintf(stderr, "\nring: the server's report is missing\n");
    return 1;
  }
  close(s);
  const int same = progress.hash == hash && progress.octets == octets;
  fprintf(stderr, "\r%60s\r", "");
  printf("sent by the client:     %12" PRIu64 " octets, hash %016" PRIx64 "\n", octets, hash);
  printf("read by %d processes:    %12" PRIu64 " octets, hash %016" PRIx64 "  %s\n", processes, progress.octets,
         progress.hash, same ? "the same" : "DIFFERENT");
  printf("moves of the end point: %12" PRIu64 "\n", progress.moves);
  printf("longest pause:          %12.3f ms (last octet read here to first octet read there)\n",
         (double)progress.longest_pause_ns / 1e6);
  return same ? 0 : 1;
}

int main(int argc, char** argv) {
  const int seconds = argc > 1 ? atoi(argv[1]) : 20;
  const int tcp_listening = soc_socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in here = {.sin_family = AF_INET};
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof here;
  if (soc_bind(tcp_listening, &here, sizeof here) < 0 || soc_listen(tcp_listening, 1) < 0 ||
      soc_getsockname(tcp_listening, &here, &length) < 0)
    fail("listen");
  char names[processes][32];
  int ready[2];
  if (pipe(ready) < 0) return 1;
  for (int i = 0; i < processes; ++i) snprintf(names[i], sizeof names[i], "RING%d.%d", i, (int)getpid());
  pid_t children[processes];
  // Backwards, so that each process finds the next one listening.
  for (int i = processes - 1; i >= 0; --i) {
    children[i] = fork();
    if (children[i] == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int listening = listen_as(names[i]);
      if (write(ready[1], "r", 1) != 1) exit(1);
      stand(listening, names[(i + 1) % processes], i == 0 ? tcp_listening : -1);
    }
    char octet;
    if (read(ready[0], &octet, 1) != 1) return 1;
  }
  int outcome = stream(ntohs(here.sin_port), seconds);
  for (int i = 0; i < processes; ++i) {
    int status = 0;
    waitpid(children[i], &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) outcome = 1;
  }
  return outcome;
}
