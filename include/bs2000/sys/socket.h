/* SPDX-License-Identifier: MIT
 * baton: bs2000/sys/socket.h: stands before the C library's <sys/socket.h>, so that the manual's names reach soc_*.
 *
 * The C library's prototypes, and the inline functions that _FORTIFY_SOURCE adds to them, are declared under other
 * names. Then come ours: addresses are void *, so that struct sockaddr_iso * needs no cast, and lengths are int * or
 * socklen_t * or NULL. The C library itself is not interposed: a library that the program links keeps its own socket().
 *
 * Invariant: everything else (accept4, socketpair, recvmmsg ...) is the C library's, and no macro is left behind.
 */
#ifndef BATON_BS2000_SYS_SOCKET_H
#define BATON_BS2000_SYS_SOCKET_H

#pragma GCC system_header /* #include_next is an extension of the compilers: no warning with -Wpedantic */

#ifdef _SYS_SOCKET_H
#error "the C library's <sys/socket.h> came first: put the directory include/bs2000 before it in the include path"
#endif

/* Before the names change: these must not be read under other names. */
#include <sys/select.h>
#include <sys/types.h>

#define socket baton_libc_socket
#define bind baton_libc_bind
#define listen baton_libc_listen
#define accept baton_libc_accept
#define connect baton_libc_connect
#define getsockname baton_libc_getsockname
#define getpeername baton_libc_getpeername
#define getsockopt baton_libc_getsockopt
#define setsockopt baton_libc_setsockopt
#define send baton_libc_send
#define sendto baton_libc_sendto
#define recv baton_libc_recv
#define recvfrom baton_libc_recvfrom
#define sendmsg baton_libc_sendmsg
#define recvmsg baton_libc_recvmsg
#define shutdown baton_libc_shutdown
#include_next <sys/socket.h>
#undef socket
#undef bind
#undef listen
#undef accept
#undef connect
#undef getsockname
#undef getpeername
#undef getsockopt
#undef setsockopt
#undef send
#undef sendto
#undef recv
#undef recvfrom
#undef sendmsg
#undef recvmsg
#undef shutdown

#ifdef __cplusplus
extern "C" {
#endif

extern int socket(int domain, int type, int protocol) __asm__("soc_socket");
extern int bind(int s, const void* name, int namelen) __asm__("soc_bind");
extern int listen(int s, int backlog) __asm__("soc_listen");
extern int connect(int s, const void* name, int namelen) __asm__("soc_connect");
extern int setsockopt(int s, int level, int optname, const void* optval, int optlen) __asm__("soc_setsockopt");
extern ssize_t send(int s, const void* msg, size_t len, int flags) __asm__("soc_send");
extern ssize_t sendto(int s, const void* msg, size_t len, int flags, const void* to, int tolen) __asm__("soc_sendto");
extern ssize_t recv(int s, void* buf, size_t len, int flags) __asm__("soc_recv");
extern ssize_t sendmsg(int s, const struct msghdr* msg, int flags) __asm__("soc_sendmsg");
extern ssize_t recvmsg(int s, struct msghdr* msg, int flags) __asm__("soc_recvmsg");
extern int shutdown(int s, int how) __asm__("soc_shutdown");

#ifndef __cplusplus

/* The length of an address or option, given and returned. A transparent union is passed as its first member would be,
 * and a pointer to anything else is an error. */
typedef union {
  socklen_t* as_socklen;
  int* as_int;
} baton_bs2000_length __attribute__((__transparent_union__));

extern int accept(int s, void* addr, baton_bs2000_length addrlen) __asm__("soc_accept");
extern int getsockname(int s, void* name, baton_bs2000_length namelen) __asm__("soc_getsockname");
extern int getpeername(int s, void* name, baton_bs2000_length namelen) __asm__("soc_getpeername");
extern int getsockopt(int s, int level, int optname, void* optval,
                      baton_bs2000_length optlen) __asm__("soc_getsockopt");
extern ssize_t recvfrom(int s, void* buf, size_t len, int flags, void* from,
                        baton_bs2000_length fromlen) __asm__("soc_recvfrom");

#else

extern int baton_bs2000_accept(int s, void* addr, socklen_t* addrlen) __asm__("soc_accept");
extern int baton_bs2000_getsockname(int s, void* name, socklen_t* namelen) __asm__("soc_getsockname");
extern int baton_bs2000_getpeername(int s, void* name, socklen_t* namelen) __asm__("soc_getpeername");
extern int baton_bs2000_getsockopt(int s, int level, int optname, void* optval,
                                   socklen_t* optlen) __asm__("soc_getsockopt");
extern ssize_t baton_bs2000_recvfrom(int s, void* buf, size_t len, int flags, void* from,
                                     socklen_t* fromlen) __asm__("soc_recvfrom");
} /* extern "C" */

extern "C++" { /* said aloud, for the program that includes its system headers inside extern "C" */

/* The length of an address or option, given and returned: T is what the program has. Not overloads of plain functions,
 * because NULL fits all of them equally well. */
template <typename T>
struct baton_bs2000_length {
  static_assert(sizeof(T*) == 0, "the length must be an int or a socklen_t");
  static socklen_t* of(T* length);
};
template <>
struct baton_bs2000_length<int> {
  static socklen_t* of(int* length) { return reinterpret_cast<socklen_t*>(length); }
};
template <>
struct baton_bs2000_length<socklen_t> {
  static socklen_t* of(socklen_t* length) { return length; }
};

template <typename T>
inline int accept(int s, void* addr, T* addrlen) {
  return baton_bs2000_accept(s, addr, baton_bs2000_length<T>::of(addrlen));
}
template <typename T>
inline int getsockname(int s, void* name, T* namelen) {
  return baton_bs2000_getsockname(s, name, baton_bs2000_length<T>::of(namelen));
}
template <typename T>
inline int getpeername(int s, void* name, T* namelen) {
  return baton_bs2000_getpeername(s, name, baton_bs2000_length<T>::of(namelen));
}
template <typename T>
inline int getsockopt(int s, int level, int optname, void* optval, T* optlen) {
  return baton_bs2000_getsockopt(s, level, optname, optval, baton_bs2000_length<T>::of(optlen));
}
template <typename T>
inline ssize_t recvfrom(int s, void* buf, size_t len, int flags, void* from, T* fromlen) {
  return baton_bs2000_recvfrom(s, buf, len, flags, from, baton_bs2000_length<T>::of(fromlen));
}

/* NULL, 0 and nullptr have no T. */
inline int accept(int s, void* addr, decltype(nullptr)) { return baton_bs2000_accept(s, addr, nullptr); }
inline int getsockname(int s, void* name, decltype(nullptr)) { return baton_bs2000_getsockname(s, name, nullptr); }
inline int getpeername(int s, void* name, decltype(nullptr)) { return baton_bs2000_getpeername(s, name, nullptr); }
inline int getsockopt(int s, int level, int optname, void* optval, decltype(nullptr)) {
  return baton_bs2000_getsockopt(s, level, optname, optval, nullptr);
}
inline ssize_t recvfrom(int s, void* buf, size_t len, int flags, void* from, decltype(nullptr)) {
  return baton_bs2000_recvfrom(s, buf, len, flags, from, nullptr);
}
} /* extern "C++" */

#endif
#endif
