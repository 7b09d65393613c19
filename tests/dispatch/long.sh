#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `make upgrade`: tests/dispatch/long.sh [UPGRADES [PRESET]]: so many upgrades of batond, 50 by default, under clients that
# come all the time, stalled ones and held ones; and the failures at each step.
set -euo pipefail
cd "$(dirname "$0")/../.."

preset="${2:-dev}"
mkdir -p build
cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 || { cat "build/$preset.configure.log"; exit 1; }
cmake --build --preset "$preset" -j "${JOBS:-$(nproc)}" --target baton_batond dispatch_worker dispatch_successor -- --quiet
export BATON_UPGRADES="${1:-50}"
export BATON_BATOND="$PWD/build/$preset/src/dispatch/batond"
export BATON_TEST_WORKER="$PWD/build/$preset/tests/dispatch/dispatch_worker"
export BATON_TEST_SUCCESSOR="$PWD/build/$preset/tests/dispatch/dispatch_successor"
read -r load _ </proc/loadavg
echo "Linux $(uname -r), $(nproc) processors, load $load before the run"
exec python3 -B tests/dispatch/upgrade_test.py -v
