/* SPDX-License-Identifier: MIT
 * baton: bs2000/sys.poll.h: the manual's <sys.poll.h>: struct pollfd and soc_poll(), whose timeout is in seconds.
 */
#ifndef BATON_BS2000_SYS_POLL_H
#define BATON_BS2000_SYS_POLL_H

#include <baton/soc.h>
#include <poll.h>

#endif
