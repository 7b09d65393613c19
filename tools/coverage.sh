#!/usr/bin/env bash
# `make coverage`: which lines of the code that reads from outside the tests and the fuzzers' corpora reach together.
#
# Fails where a group has fewer than 90 %. Counts are kept in files while the tests run, so that a process that is
# killed counts too. Tests that drive other programs are left out. The report line by line:
# build/coverage/html/index.html.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/coverage
least=90
receive_path=endpoint/link_pump.cpp,endpoint/link_data.cpp,endpoint/link_waiting.cpp,endpoint/iso_listener.cpp
receive_path+=,endpoint/unread_request.cpp,endpoint/taking.cpp,endpoint/taking_express.cpp,os/ancillary.cpp,os/message_head.cpp
groups=(cotp transport handoff link "receive path of a link=$receive_path")

mkdir -p "$build/profiles"
rm -f "$build"/profiles/*
cmake --preset coverage >"$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
cmake --build --preset coverage -j "${JOBS:-$(nproc)}" -- --quiet
LLVM_PROFILE_FILE="$PWD/$build/profiles/%p-%m%c.profraw" ctest --preset coverage -j "${TEST_JOBS:-2}" -LE 'install|cli|interop|documents' -E '^python'

objects=()
for program in "$build"/unit_* "$build"/tests/*/* "$build"/fuzz/fuzz_*; do
  if [[ -f $program && -x $program ]]; then objects+=(-object "$program"); fi
done
llvm-profdata-19 merge --failure-mode=all -o "$build/all.profdata" "$build"/profiles/*.profraw
llvm-cov-19 export -summary-only -instr-profile="$build/all.profdata" "${objects[@]:1}" >"$build/coverage.json" 2>"$build/coverage.log"
llvm-cov-19 show -format=html -output-dir="$build/html" -instr-profile="$build/all.profdata" "${objects[@]:1}" src 2>>"$build/coverage.log"
python3 -B tools/coverage_table.py "$build/coverage.json" --least "$least" "${groups[@]}"
