/* SPDX-License-Identifier: MIT
 * An ISO application of this host: has bound the TSEL that its first word names, and answers each message.
 * It opens no port: who has the host's port 102 (batond, with to_called_tsap) gives it its connections, and
 * partners within the host reach it by the name. One connection at a time. */
#include <unistd.h>

#include "common.h"

int main(int argc, char* argv[]) {
  if (argc != 2) {
    fprintf(stderr, "usage: iso_server TSEL\n");
    return 2;
  }
  const struct sockaddr_iso own = address_of(argv[1]);
  const int listening = socket(AF_ISO, SOCK_STREAM, 0);
  if (listening < 0 || bind(listening, (const struct sockaddr*)&own, sizeof own) < 0 || listen(listening, 16) < 0)
    fail(argv[1]);
  printf("%s is ready\n", argv[1]);
  fflush(stdout);
  for (;;) {
    const int s = accept(listening, NULL, NULL);
    if (s < 0) fail("accept");
    char message[1024], answer[1200];
    int length = snprintf(answer, sizeof answer, "%s, process %d", argv[1], (int)getpid());
    while (soc_write(s, answer, (size_t)length) == length) { /* the first one confirms the connection */
      const ssize_t n = soc_read(s, message, sizeof message);
      if (n < 0) break; /* the partner has closed */
      length = snprintf(answer, sizeof answer, "%s has got: %.*s", argv[1], (int)n, message);
    }
    soc_close(s);
  }
}
