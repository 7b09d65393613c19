// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <iostream>

#include "cli/verbs.hpp"

namespace {

/// Where the program was started without a standard stream, no socket of its own is to get the number.
void open_standard_streams() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number)
    // The lowest free number is this one, for those below are open.
    if (::fcntl(number, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  std::ios::sync_with_stdio(false);
  return static_cast<int>(baton::cli::run(argc - 1, argv + 1, std::cout, std::cerr));
}
