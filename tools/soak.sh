#!/usr/bin/env bash
# `make soak`: tools/soak.sh PRESET [OPTION...]: builds tests/load and runs it; its options: tests/load/soak.cpp.
set -euo pipefail
cd "$(dirname "$0")/.."

preset="$1"
shift
mkdir -p build
cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 || { cat "build/$preset.configure.log"; exit 1; }
cmake --build --preset "$preset" -j "${JOBS:-$(nproc)}" --target load_soak -- --quiet
exec "build/$preset/tests/load/load_soak" "$@"
