// SPDX-License-Identifier: MIT
// baton: system/group_calls.hpp: calls of express moves and groups for one end point, for the agent that makes them.
//
// Each runs in the calling process; what it returned and its errno are told. Threads: any.
#pragma once

#include <baton/soc.h>

#include <cerrno>
#include <cstdlib>

namespace baton::system_tests {

struct Told {
  int value = -1;
  int error = 0;  // errno; of an outcome, that of the move
  int number = -1;
  int flags = 0;
};

inline Told hold_one(int link, int number) {
  soc_move move{};
  move.fd = number;
  const int value = soc_hold(link, &move, 1);
  return {value, errno};
}
inline Told give_one(int link, int number) {
  soc_move move{};
  move.fd = number;
  const int value = soc_give(link, &move, 1);
  return {value, errno};
}
inline Told take_one(int link, int timeout_ms) {
  soc_move move{};
  const int value = soc_take(link, &move, 1, timeout_ms);
  const int error = errno;
  std::free(move.blob);
  return {value, error, value > 0 ? move.fd : -1, move.flags};
}

inline Told outcome_one(int link, int timeout_ms) {
  soc_move move{};
  const int value = soc_outcomes(link, &move, 1, timeout_ms);
  return {value, move.error, move.fd};
}

}  // namespace baton::system_tests
