/* SPDX-License-Identifier: MIT
 * What both examples need and the seed does not speak of: an address, and an end with a reason. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <iso.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys.socket.h>

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, soc_error_text());
  exit(1);
}

/* NSEL of blanks: this host. TSEL: the name given; an empty one lets bind pick a free one. */
static struct sockaddr_iso address_of(const char* tsel) {
  struct sockaddr_iso address;
  memset(&address, 0, sizeof address);
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = (u_char)strlen(tsel);
  memset(address.siso_addr.isoa_genaddr, ' ', 8);
  memcpy(address.siso_addr.isoa_genaddr + 8, tsel, strlen(tsel));
  return address;
}

static inline struct cmsg_redhdr header_for(int type) {
  struct cmsg_redhdr header;
  memset(&header, 0, sizeof header);
  header.cmsg_len = sizeof(struct cmsg_redhdr);
  header.cmsg_level = SOL_TRANSPORT;
  header.cmsg_type = type;
  return header;
}

#endif
