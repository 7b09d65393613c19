/* SPDX-License-Identifier: MIT
 * baton: bs2000/sys.types.h: the manual's <sys.types.h>: u_int, caddr_t and their like.
 */
#ifndef BATON_BS2000_SYS_TYPES_H
#define BATON_BS2000_SYS_TYPES_H

#include <sys/types.h>

/* The C library leaves these out in strict ISO modes (-std=c11); where it has them, they are the same types. */
typedef unsigned char u_char;
typedef unsigned short u_short;
typedef unsigned int u_int;
typedef unsigned long u_long;
typedef char* caddr_t;

#endif
