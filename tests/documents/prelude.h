/* SPDX-License-Identifier: MIT
 * baton: documents/prelude.h: what the pieces of functions in the documents have in front of them. */
#pragma once
#include <arpa/inet.h>
#ifdef __cplusplus
#include <baton/baton.hpp>
#endif
#include <baton/soc.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
