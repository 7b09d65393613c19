// SPDX-License-Identifier: MIT
// A program outside of baton's tree, in C++: prints the version of the library that it runs with.
#if __has_include(<baton/baton.hpp>)
#include <baton/baton.hpp>
#endif
#include <baton/soc.h>

#include <iostream>

int main() { std::cout << soc_version() << '\n'; }
