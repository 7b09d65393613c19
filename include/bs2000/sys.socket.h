/* SPDX-License-Identifier: MIT
 * baton: bs2000/sys.socket.h: the manual's <sys.socket.h>: the calls under their plain names, AF_*, SOL_*, TPOPT_*,
 * struct msghdr and struct cmsg_redhdr.
 *
 * socket, bind, listen, accept, connect, getsockname, getpeername, getsockopt, setsockopt, send, sendto, recv,
 * recvfrom, sendmsg, recvmsg, shutdown and select are soc_socket to soc_select of <baton/soc.h>, in every file of a
 * program that is compiled with this directory in its include path. read, write, close, poll, fcntl, ioctl are the C
 * library's.
 */
#ifndef BATON_BS2000_SYS_SOCKET_DOT_H
#define BATON_BS2000_SYS_SOCKET_DOT_H

#include <sys.types.h>

#include <baton/soc.h>
#include <sys/select.h>
#include <sys/socket.h>

/* As the handoff's description spells the member. */
#define msg_control_len msg_controllen

#endif
