// SPDX-License-Identifier: MIT
#include <iostream>

#include "cli/verbs.hpp"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  return static_cast<int>(baton::cli::run(argc - 1, argv + 1, std::cout, std::cerr));
}
