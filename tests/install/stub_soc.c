/* SPDX-License-Identifier: MIT
 * baton: tests/install/stub_soc.c: the soc_* calls without the library behind them, for the programs of names_check.py:
 * each says by its return value that it was reached and that its arguments came through, and puts 7 where a length
 * goes.
 */
#include <baton/soc.h>

/* The descriptor and the octets that plain_names.h passes everywhere. */
enum { DESCRIPTOR = 5, FIRST_OCTET = 'a' };

static int reached(int s, const void* octets, int answer) {
  return s == DESCRIPTOR && *(const char*)octets == FIRST_OCTET ? answer : -1;
}

static int measured(int s, const void* octets, socklen_t* length, int answer) {
  if (length) *length = 7;
  return reached(s, octets, answer);
}

int soc_socket(int domain, int type, int protocol) {
  return domain == AF_ISO && type == SOCK_STREAM && protocol == 0 ? 101 : -1;
}
int soc_bind(int s, const void* name, int namelen) { return namelen == 3 ? reached(s, name, 102) : -1; }
int soc_listen(int s, int backlog) { return s == DESCRIPTOR && backlog == 5 ? 103 : -1; }
int soc_accept(int s, void* addr, socklen_t* addrlen) { return measured(s, addr, addrlen, 104); }
int soc_connect(int s, const void* name, int namelen) { return namelen == 3 ? reached(s, name, 105) : -1; }
int soc_getsockname(int s, void* name, socklen_t* namelen) { return measured(s, name, namelen, 106); }
int soc_getpeername(int s, void* name, socklen_t* namelen) { return measured(s, name, namelen, 107); }
int soc_getsockopt(int s, int level, int optname, void* optval, socklen_t* optlen) {
  return level == SOL_TRANSPORT && optname == TPOPT_REDI_CALL ? measured(s, optval, optlen, 108) : -1;
}
int soc_setsockopt(int s, int level, int optname, const void* optval, int optlen) {
  return level == SOL_TRANSPORT && optname == TPOPT_REDI_CALL && optlen == 3 ? reached(s, optval, 109) : -1;
}
ssize_t soc_send(int s, const void* msg, size_t len, int flags) {
  return len == 3 && flags == 0 ? reached(s, msg, 110) : -1;
}
ssize_t soc_sendto(int s, const void* msg, size_t len, int flags, const void* to, int tolen) {
  return len == 3 && flags == 0 && to && tolen == 4 ? reached(s, msg, 111) : -1;
}
ssize_t soc_recv(int s, void* buf, size_t len, int flags) { return len == 3 && flags == 0 ? reached(s, buf, 112) : -1; }
ssize_t soc_recvfrom(int s, void* buf, size_t len, int flags, void* from, socklen_t* fromlen) {
  (void)from;
  return len == 3 && flags == 0 ? measured(s, buf, fromlen, 113) : -1;
}
ssize_t soc_sendmsg(int s, const struct msghdr* msg, int flags) {
  return flags == 0 ? reached(s, msg->msg_control, 114) : -1;
}
ssize_t soc_recvmsg(int s, struct msghdr* msg, int flags) {
  return flags == 0 ? reached(s, msg->msg_control, 115) : -1;
}
int soc_shutdown(int s, int how) { return s == DESCRIPTOR && how == SHUT_WR ? 116 : -1; }
int soc_select(int nfds, fd_set* readfds, fd_set* writefds, fd_set* exceptfds, struct timeval* timeout) {
  return nfds == 6 && readfds && !writefds && !exceptfds && timeout ? 117 : -1;
}
int soc_poll(struct pollfd fds[], unsigned long nfds, int timeout) {
  return fds && nfds == 1 && timeout == 2 ? 118 : -1;
}

/* What the seed's programs need to be linked. */
int soc_close(int s) { return s; }
ssize_t soc_read(int s, void* buf, size_t nbytes) { return buf && nbytes ? s : -1; }
ssize_t soc_write(int s, const void* buf, size_t nbytes) { return buf && nbytes ? s : -1; }
int soc_ioctl(int s, unsigned long request, void* argument) { return argument && request ? s : -1; }
const char* soc_error_text(void) { return "stub"; }
