/* SPDX-License-Identifier: MIT
 * baton: bs2000/sys/select.h: stands before the C library's <sys/select.h>, so that select() reaches soc_select().
 *
 * <sys/types.h>, <sys/time.h> and <stdlib.h> include this file too, some of them inside extern "C".
 * Invariant: everything else of the C library's header is as it was, and no macro is left behind.
 */
#ifndef BATON_BS2000_SYS_SELECT_H
#define BATON_BS2000_SYS_SELECT_H

#pragma GCC system_header /* #include_next is an extension of the compilers: no warning with -Wpedantic */

#ifdef _SYS_SELECT_H
#error "the C library's <sys/select.h> came first: put the directory include/bs2000 before it in the include path"
#endif

/* The C library declares its own select under a name that nobody calls. */
#define select baton_libc_select
#include_next <sys/select.h>
#undef select

#ifdef __cplusplus
extern "C" {
#endif
extern int select(int nfds, fd_set* readfds, fd_set* writefds, fd_set* exceptfds,
                  struct timeval* timeout) __asm__("soc_select");
#ifdef __cplusplus
}
#endif
#endif
