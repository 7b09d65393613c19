/* SPDX-License-Identifier: MIT
 * baton: tests/install/plain_names.h: a program that uses every plain name in every way that the manual's programs do.
 * names_check.py puts a different order of includes before it each time, as C and as C++, links it with stub_soc.c and
 * runs it: 0 when every call reached its soc_* function with its arguments.
 */
#include <fcntl.h>
#include <ioctl.h>
#include <iso.h>
#include <netinet.in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys.poll.h>
#include <sys.socket.h>
#include <sys.time.h>
#include <sys.types.h>
#include <sys.uio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int failures;

static void expect(long expected, long found, const char* what) {
  if (expected == found) return;
  fprintf(stderr, "%s: expected %ld, found %ld\n", what, expected, found);
  ++failures;
}
#define EXPECT(expected, expression) expect(expected, (long)(expression), #expression)

/* As many octets as the stub wants to see; unknown to the compiler, which _FORTIFY_SOURCE would otherwise trust. */
static volatile int three = 3;

static void addresses(int s) {
  struct sockaddr_iso iso;
  struct sockaddr_in in;
  memset(&iso, 'a', sizeof iso);
  memset(&in, 'a', sizeof in);
  EXPECT(102, bind(s, &iso, three));
  EXPECT(102, bind(s, (struct sockaddr*)&iso, three));
  EXPECT(102, bind(s, (const struct sockaddr*)&in, three));
  EXPECT(105, connect(s, &iso, three));
  EXPECT(105, connect(s, (struct sockaddr*)&in, three));
  EXPECT(-1, bind(s, &iso, sizeof iso));
  EXPECT(-1, connect(s, (struct sockaddr*)&in, (socklen_t)sizeof in));
}

static void lengths(int s) {
  struct sockaddr_iso iso;
  struct cmsg_redhdr redhdr;
  struct sockaddr* name = (struct sockaddr*)&iso;
  char buffer[16];
  memset(&iso, 'a', sizeof iso);
  memset(&redhdr, 'a', sizeof redhdr);
  memset(buffer, 'a', sizeof buffer);

#define EACH_LENGTH(type)                                                                 \
  do {                                                                                    \
    type length = 0;                                                                      \
    EXPECT(104, accept(s, &iso, &length)), EXPECT(7, length), length = 0;                 \
    EXPECT(106, getsockname(s, name, &length)), EXPECT(7, length), length = 0;            \
    EXPECT(107, getpeername(s, &iso, &length)), EXPECT(7, length), length = 0;            \
    EXPECT(108, getsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, (char*)&redhdr, &length));  \
    EXPECT(7, length), length = 0;                                                        \
    EXPECT(113, recvfrom(s, buffer, (size_t)three, 0, name, &length)), EXPECT(7, length); \
  } while (0)
  EACH_LENGTH(int);
  EACH_LENGTH(socklen_t);
  EACH_LENGTH(u_int);

#define EACH_NOTHING(nothing)                                                     \
  do {                                                                            \
    EXPECT(104, accept(s, name, nothing));                                        \
    EXPECT(106, getsockname(s, &iso, nothing));                                   \
    EXPECT(107, getpeername(s, name, nothing));                                   \
    EXPECT(108, getsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, &redhdr, nothing)); \
    EXPECT(113, recvfrom(s, buffer, (size_t)three, 0, NULL, nothing));            \
  } while (0)
  EACH_NOTHING(NULL);
  EACH_NOTHING(0);
  EACH_NOTHING((socklen_t*)NULL);
  EACH_NOTHING((int*)0);
#ifdef __cplusplus
  EACH_NOTHING(nullptr);
#endif
  EXPECT(109, setsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, (char*)&redhdr, three));
  EXPECT(109, setsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, &redhdr, three));
  EXPECT(-1, setsockopt(s, SOL_TRANSPORT, TPOPT_REDI_CALL, &redhdr, sizeof redhdr));
}

static void data(int s) {
  struct sockaddr_in in;
  struct msghdr msg;
  struct cmsg_redhdr redhdr;
  struct iovec iov;
  char buffer[16];
  caddr_t octets = (caddr_t)buffer;
  memset(&in, 0, sizeof in);
  memset(&msg, 0, sizeof msg);
  memset(&redhdr, 'a', sizeof redhdr);
  memset(buffer, 'a', sizeof buffer);
  iov.iov_base = octets;
  iov.iov_len = 3;
  EXPECT(110, send(s, octets, three, 0));
  EXPECT(111, sendto(s, buffer, (size_t)three, 0, (struct sockaddr*)&in, 4));
  EXPECT(112, recv(s, buffer, three, 0));
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = (caddr_t)&redhdr;
  msg.msg_control_len = sizeof(struct cmsg_redhdr);
  EXPECT(sizeof redhdr, msg.msg_controllen);
  EXPECT(114, sendmsg(s, &msg, 0));
  EXPECT(115, recvmsg(s, &msg, 0));
  EXPECT(114, soc_sendmsg(s, &msg, 0));
}

static void waiting(int s) {
  fd_set readable;
  struct timeval second = {1, 0};
  struct pollfd polled = {-1, POLLIN, 0};
  FD_ZERO(&readable);
  FD_SET(s, &readable);
  EXPECT(117, select(s + 1, &readable, NULL, NULL, &second));
  EXPECT(117, select(s + 1, &readable, 0, 0, &second));
  EXPECT(118, soc_poll(&polled, 1, 2));
}

/* The C library's own: on a descriptor that cannot be, so that it is the kernel that answers. */
static void of_the_c_library(void) {
  char buffer[4] = "abc";
  struct pollfd polled = {-1, POLLIN, 0};
  int on = 1;
  EXPECT(-1, read(-1, buffer, (size_t)three));
  EXPECT(-1, write(-1, buffer, (size_t)three));
  EXPECT(0, poll(&polled, (nfds_t)(three - 2), 0));
  EXPECT(-1, fcntl(-1, F_GETFD));
  EXPECT(-1, ioctl(-1, FIONBIO, &on));
  EXPECT(-1, close(-1));
#ifdef _GNU_SOURCE
  EXPECT(-1, accept4(-1, NULL, NULL, SOCK_CLOEXEC));
#endif
}

#ifdef __cplusplus
static void of_the_cpp_library(int s) {
  char name[] = "abc";
#ifdef WITH_STD_BIND /* where the order of includes under test has <functional> */
  auto difference = [](int a, int b) { return a - b; };
  EXPECT(4, std::bind(difference, std::placeholders::_1, 3)(7));
#endif
  EXPECT(102, ::bind(s, name, three));
  EXPECT(104, ::accept(s, name, nullptr));
}
#endif

int main(void) {
  const int s = 5;
  EXPECT(101, socket(AF_ISO, SOCK_STREAM, 0));
  EXPECT(103, listen(s, 5));
  addresses(s);
  lengths(s);
  data(s);
  waiting(s);
  EXPECT(116, shutdown(s, SHUT_WR));
  EXPECT(116, soc_shutdown(s, SHUT_WR));
  of_the_c_library();
#ifdef __cplusplus
  of_the_cpp_library(s);
#endif
  return failures == 0 ? 0 : 1;
}
