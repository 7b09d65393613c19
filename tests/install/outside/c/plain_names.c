/* SPDX-License-Identifier: MIT
 * A program outside of baton's tree in the names of the manual: a fresh socket has no peer. */
#include <errno.h>
#include <stdio.h>
#include <sys.socket.h>

int main(void) {
  const int s = socket(AF_INET, SOCK_STREAM, 0);
  if (s < 0) {
    perror("socket");
    return 1;
  }
  if (shutdown(s, 2) == 0 || errno != ENOTCONN) {
    perror("shutdown");
    return 1;
  }
  return 0;
}
