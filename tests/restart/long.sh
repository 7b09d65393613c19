#!/usr/bin/env bash
# `make restart`: tests/restart/long.sh [PRESET]: 50 restarts each of the HTTP and the echo example under 1,000 clients with a
# request under way and 1,000 idle ones, and 50 of the HTTP example under wrk.
set -euo pipefail
cd "$(dirname "$0")/../.."

preset="${1:-dev}"
many=(--active 1000 --idle 1000 --restarts 50)
mkdir -p build
cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 || { cat "build/$preset.configure.log"; exit 1; }
cmake --build --preset "$preset" -j "${JOBS:-$(nproc)}" --target restart_check example_http_restart example_echo_restart -- --quiet
check="build/$preset/tests/restart/restart_check"
http="build/$preset/examples/http_restart"
read -r load _ </proc/loadavg
echo "Linux $(uname -r), $(nproc) processors, load $load before the run"
"$check" http "$http" "${many[@]}"
"$check" echo "build/$preset/examples/echo_restart" "${many[@]}"
"$check" http "$http" "${many[@]}" --wrk "${WRK_SECONDS:-100}"
