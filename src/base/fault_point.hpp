// SPDX-License-Identifier: MIT
// baton: base/fault_point.hpp: named places at which a test can end the process. The shipped build has none of them.
//
// BATON_FAULT_POINT(offer_queued) says that the process is here. Compiled with BATON_FAULT_POINTS defined it calls
// fault_point_passed, which the test defines (tests/crash/hook.cpp); else it is nothing. The names stand in
// tests/crash/orders.cpp, where each is assigned to a cell of docs/crashes.md; those of groups in groups_main.cpp,
// those of unread CRs in unread_main.cpp.
//
// Threads: any.
#pragma once

#ifdef BATON_FAULT_POINTS
namespace baton {
/// Defined by the test. May not return.
void fault_point_passed(const char* name) noexcept;
}  // namespace baton
#define BATON_FAULT_POINT(name) ::baton::fault_point_passed(#name)
#else
#define BATON_FAULT_POINT(name) static_cast<void>(0)
#endif
