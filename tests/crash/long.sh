#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `make crash`: more than 20,000 kills over all cells, and docs/crashes.md from what came of them.
# Environment: POINT_KILLS (default 4000)  at fault points; CALL_KILLS (default 8000)  at boundaries of system calls;
# CHAIN_KILLS (default 3000)  of both sides at once, and in a move onward; GROUP_KILLS (default 1000)  of groups at fault
# points; UNREAD_KILLS (default 1000)  of unread CRs, in each of the two manners.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build

build=build/crash
# The flags of the release build, with the tests.
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2 -DCMAKE_C_FLAGS_RELEASE=-O2 \
  -DBATON_DEVELOPER=ON -DBATON_TOOLS=OFF -DBATON_BENCH=OFF \
  >build/crash.configure.log 2>&1 || { cat build/crash.configure.log; exit 1; }
cmake --build "$build" -j "${JOBS:-$(nproc)}" --target crash_points --target crash_boundaries --target crash_chain \
  --target crash_groups --target crash_groups_boundaries --target crash_unread \
  --target crash_unread_boundaries -- --quiet
"$build"/tests/crash/crash_points --kills "${POINT_KILLS:-4000}" --results "$build/points.tsv"
"$build"/tests/crash/crash_boundaries --all --kills "${CALL_KILLS:-8000}" --results "$build/boundaries.tsv"
"$build"/tests/crash/crash_chain --kills "${CHAIN_KILLS:-3000}" --results "$build/chain.tsv"
"$build"/tests/crash/crash_groups --kills "${GROUP_KILLS:-1000}" --results "$build/groups.tsv"
"$build"/tests/crash/crash_groups_boundaries --all "$build/groups_boundaries.tsv"
"$build"/tests/crash/crash_unread --kills "${UNREAD_KILLS:-1000}" --results "$build/unread.tsv"
"$build"/tests/crash/crash_unread_boundaries --all "${UNREAD_KILLS:-1000}" "$build/unread_boundaries.tsv"
tests/crash/report.py "$build"/{points,boundaries,chain,groups,groups_boundaries,unread,unread_boundaries}.tsv >"$build/crashes.md"
mv "$build/crashes.md" docs/crashes.md
echo "docs/crashes.md is written"
