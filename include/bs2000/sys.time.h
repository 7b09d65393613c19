/* SPDX-License-Identifier: MIT
 * baton: bs2000/sys.time.h: the manual's <sys.time.h>: struct timeval, fd_set and select().
 */
#ifndef BATON_BS2000_SYS_TIME_H
#define BATON_BS2000_SYS_TIME_H

#include <sys/select.h>
#include <sys/time.h>

#endif
