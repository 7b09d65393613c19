/* SPDX-License-Identifier: MIT
 * baton: bs2000/iso.h: the manual's <iso.h>: struct sockaddr_iso and struct iso_addr.
 */
#ifndef BATON_BS2000_ISO_H
#define BATON_BS2000_ISO_H

#include <sys.types.h>

#include <baton/soc.h>

#endif
