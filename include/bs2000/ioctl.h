/* SPDX-License-Identifier: MIT
 * baton: bs2000/ioctl.h: the manual's <ioctl.h>: FIONBIO and soc_ioctl(). ioctl() is the C library's.
 */
#ifndef BATON_BS2000_IOCTL_H
#define BATON_BS2000_IOCTL_H

#include <baton/soc.h>
#include <sys/ioctl.h>

#endif
