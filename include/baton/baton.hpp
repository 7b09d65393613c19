// SPDX-License-Identifier: MIT
// baton: baton/baton.hpp: the whole C++ API, header-only over the calls of baton/soc.h; needs C++23 and libbaton.
//
//   #include <baton/baton.hpp>
//
//   auto link = baton::Link::connect("work");                       // a server that listens at this name
//   auto moved = link->offer(std::move(connection));                // takes it away ...
//   if (!moved) serve(std::move(moved.error().end_point));          // ... and gives it back where it was not moved
//
// Outcomes are values (std::expected, error.hpp); nothing throws. What waits has a deadline (deadline.hpp). Owners are
// move-only: what owns a descriptor closes it. With poll, epoll or a loop of your own: native_handle(), pending() and
// Deadline::now(). For Asio there is baton/asio.hpp, which this header does not include.
// The calls of this API set the thread's soc_deadline(): a program that uses it itself sets it anew before its own
// calls. Threads: see each header.
#ifndef BATON_BATON_HPP
#define BATON_BATON_HPP

// 202100 is what g++ 12 says of -std=c++23. All else is left out, for its messages would bury this one.
#if __cplusplus < 202100L
#error "baton/baton.hpp needs C++23: compile with -std=c++23 (CMake: set(CMAKE_CXX_STANDARD 23))"
#else

#include <baton/address.hpp>
#include <baton/connection.hpp>
#include <baton/deadline.hpp>
#include <baton/error.hpp>
#include <baton/express.hpp>
#include <baton/group.hpp>
#include <baton/incoming.hpp>
#include <baton/link.hpp>
#include <baton/listener.hpp>
#include <baton/octets.hpp>
#include <baton/outgoing.hpp>
#include <baton/selector.hpp>

#endif  // C++23
#endif
