// SPDX-License-Identifier: MIT
// baton: capi/faults.hpp: outcomes of end points -> errno and a sentence.
//
// Invariant: one table, and every Fault has a row.
// Threads: the sentence is the thread's own.
#pragma once

#include "endpoint/fault.hpp"

namespace baton::capi {

/// Sets errno and the thread's sentence; always -1, so that a call can return it.
int report(endpoint::Failure failure) noexcept;
int report(endpoint::Fault fault) noexcept;
/// The same of a call that makes something in `sub` of the runtime folder: the sentence says what is wrong with that.
int report_made(endpoint::Failure failure, const char* sub) noexcept;
/// The kernel said no: errno stands, the sentence is its text.
int report_errno(int error) noexcept;
/// -1: the kernel's errno gets its sentence. Otherwise the value as it is.
template <class T>
T through(T value) noexcept;
/// The sentence of the thread's last failure. errno stays as it is.
[[nodiscard]] const char* last_sentence() noexcept;

}  // namespace baton::capi
