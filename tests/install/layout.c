/* SPDX-License-Identifier: MIT
 * baton: tests/install/layout.c: sizes and offsets of every structure of the handoff and of sockaddr_iso. Programs that
 * were compiled apart exchange them through the library: a member that moves breaks the ABI. Compiling is the test.
 */
#include <iso.h>
#include <stddef.h>
#include <sys.socket.h>

#ifdef __cplusplus
#define _Static_assert static_assert
#endif
#define HAS_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type ": size")
#define MEMBER(type, member, offset, size)                                                 \
  _Static_assert(offsetof(struct type, member) == (offset), #type "." #member ": offset"); \
  _Static_assert(sizeof(((struct type*)0)->member) == (size), #type "." #member ": size")

HAS_SIZE(red_info_tcp, 24);
MEMBER(red_info_tcp, fd, 0, 2);
MEMBER(red_info_tcp, port, 2, 2);
MEMBER(red_info_tcp, domain, 4, 2);
MEMBER(red_info_tcp, flags, 6, 2);
MEMBER(red_info_tcp, cid, 8, 4);
MEMBER(red_info_tcp, if_index, 12, 4);
MEMBER(red_info_tcp, rwindow, 16, 4);
MEMBER(red_info_tcp, wwindow, 20, 4);

HAS_SIZE(red_info_iso, 56);
MEMBER(red_info_iso, fd, 0, 2);
MEMBER(red_info_iso, domain, 2, 2);
MEMBER(red_info_iso, flags, 4, 2);
MEMBER(red_info_iso, tsellen, 6, 2);
MEMBER(red_info_iso, rwindow, 8, 4);
MEMBER(red_info_iso, wwindow, 12, 4);
MEMBER(red_info_iso, tsel, 16, 32);
MEMBER(red_info_iso, tesn, 48, 8);

HAS_SIZE(red_info_svrs, 12);
MEMBER(red_info_svrs, domain, 0, 2);
MEMBER(red_info_svrs, fd_server, 2, 2);
MEMBER(red_info_svrs, tsor_server, 4, 4);
MEMBER(red_info_svrs, cref_server, 8, 4);

HAS_SIZE(cmsg_redhdr, 84);
MEMBER(cmsg_redhdr, cmsg_len, 0, 4);
MEMBER(cmsg_redhdr, cmsg_level, 4, 4);
MEMBER(cmsg_redhdr, cmsg_type, 8, 4);
MEMBER(cmsg_redhdr, cmsg_redhdr_info, 12, 56);
MEMBER(cmsg_redhdr, redhdr_tsap_name, 12, TSAPNAMMAXLEN);
MEMBER(cmsg_redhdr, redhdr_red_liso, 12, 56);
MEMBER(cmsg_redhdr, redhdr_red_ltcp, 12, 24);
MEMBER(cmsg_redhdr, redhdr_red_ctcp, 12, 24);
MEMBER(cmsg_redhdr, redhdr_red_svrs, 12, 12);
MEMBER(cmsg_redhdr, bind_ok, 68, 2);
MEMBER(cmsg_redhdr, handoff_ok, 70, 2);
MEMBER(cmsg_redhdr, tsap_name_len, 72, 2);
MEMBER(cmsg_redhdr, fd_server, 74, 2);
MEMBER(cmsg_redhdr, domain, 76, 2);
MEMBER(cmsg_redhdr, tsn, 80, 4);

HAS_SIZE(iso_addr, 41);
MEMBER(iso_addr, isoa_len, 0, 1);
MEMBER(iso_addr, isoa_genaddr, 1, 40);

HAS_SIZE(sockaddr_iso, 52);
MEMBER(sockaddr_iso, siso_len, 0, 1);
MEMBER(sockaddr_iso, siso_family, 1, 1);
MEMBER(sockaddr_iso, siso_plen, 2, 1);
MEMBER(sockaddr_iso, siso_slen, 3, 1);
MEMBER(sockaddr_iso, siso_tlen, 4, 1);
MEMBER(sockaddr_iso, siso_addr, 5, 41);
MEMBER(sockaddr_iso, siso_addr.isoa_genaddr, 6, 40);
MEMBER(sockaddr_iso, siso_pad, 46, 6);

int main(void) { return 0; }
