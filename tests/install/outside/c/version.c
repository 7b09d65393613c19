/* SPDX-License-Identifier: MIT
 * A program outside of baton's tree: prints the version of the library that it runs with. */
#include <baton/soc.h>
#include <stdio.h>

int main(void) { return puts(soc_version()) < 0; }
