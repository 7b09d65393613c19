/* SPDX-License-Identifier: MIT
 * baton: bs2000/netinet.in.h: the manual's <netinet.in.h>: struct sockaddr_in, struct sockaddr_in6, htons() and their
 * like.
 */
#ifndef BATON_BS2000_NETINET_IN_H
#define BATON_BS2000_NETINET_IN_H

#include <netinet/in.h>
#include <sys.types.h>

#endif
