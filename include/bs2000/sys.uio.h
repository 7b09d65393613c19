/* SPDX-License-Identifier: MIT
 * baton: bs2000/sys.uio.h: the manual's <sys.uio.h>: struct iovec, soc_readv() and soc_writev().
 */
#ifndef BATON_BS2000_SYS_UIO_H
#define BATON_BS2000_SYS_UIO_H

#include <baton/soc.h>
#include <sys/uio.h>

#endif
