#!/usr/bin/env bash
# `make fuzz`: runs the fuzzers of fuzz/ one after the other, and says how far they came.
#
# `tools/fuzz.sh [SECONDS] [NAME...]`: how long each runs (default 60), and which (default: all).
# `tools/fuzz.sh merge [COUNT] [NAME...]`: adds up to so many inputs (default 20) to fuzz/corpus/NAME, those that reach
# most of what has been reached so far and what is there does not.
#
# Inputs that reach something new are kept in build/fuzz/corpus/NAME and used again next time; inputs that end a fuzzer
# in build/fuzz/findings, and the exit status is 1 then. `build/fuzz/fuzz/fuzz_NAME FILE` runs one of them.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/fuzz
findings=$build/findings
rooms=(cotp transport handoff tsap endpoint capi recognise)

mode=run
number=60
if [[ ${1:-} == merge ]]; then
  mode=merge
  number=20
  shift
fi
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  number=$1
  shift
fi
names=("$@")
((${#names[@]})) || mapfile -t names < <(ls fuzz/corpus)

program() { echo "$build/fuzz/fuzz_$1"; }

# The last line of libFuzzer's log that has numbers, shortened: #1234 cov: 99 ft: 400 corp: 20 exec/s: 5000
state() { grep -aE '^#[0-9]+' "$1" | tail -1 | tr '\t' ' ' | sed -E 's/^(#[0-9]+) +[A-Za-z-]+ +/\1 /; s/ lim:.*exec/ exec/; s/ rss:.*//' || true; }

# fuzz NAME: true where nothing was found. One line that moves on a terminal, one line at the end elsewhere.
fuzz() {
  local name=$1 log=$build/$1.log status=0 begin=$SECONDS
  mkdir -p "$build/corpus/$name"
  LLVM_PROFILE_FILE=/dev/null "$(program "$name")" -max_total_time="$number" -max_len=4096 -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$findings/$name-" "$build/corpus/$name" "fuzz/corpus/$name" >"$log" 2>&1 &
  local running=$!
  while kill -0 "$running" 2>/dev/null; do
    if [[ -t 1 ]]; then printf '\r%-11s %4d of %d s  %-60s' "$name" $((SECONDS - begin)) "$number" "$(state "$log")"; fi
    sleep 1
  done
  wait "$running" || status=$?
  [[ ! -t 1 ]] || printf '\r'
  printf '%-11s %4d s  %-60s\n' "$name" $((SECONDS - begin)) "$(state "$log")"
  if ((status != 0)); then
    echo "$name: FAILED; the end of $log:"
    tail -25 "$log"
  fi
  return "$status"
}

executions() { awk '/^stat::number_of_executed_units/ { print $2 }' "$build/$1.log"; }

# Which lines all the inputs known by now reach.
coverage() {
  local name profiles=() objects=()
  for name in "${names[@]}"; do
    LLVM_PROFILE_FILE=$build/$name.profraw "$(program "$name")" -runs=0 "fuzz/corpus/$name" "$build/corpus/$name" >/dev/null 2>&1 || true
    profiles+=("$build/$name.profraw")
    objects+=(-object "$(program "$name")")
  done
  llvm-profdata-19 merge -o "$build/coverage.profdata" "${profiles[@]}"
  llvm-cov-19 export -summary-only -instr-profile="$build/coverage.profdata" "${objects[@]:1}" >"$build/coverage.json" 2>"$build/coverage.log"
  # Each fuzzer has lines of some rooms.
  local room reached=()
  for room in "${rooms[@]}"; do
    if grep -q "/src/$room/" "$build/coverage.json"; then reached+=("$room"); fi
  done
  python3 -B tools/coverage_table.py "$build/coverage.json" "${reached[@]}"
}

# Adds to the corpus the inputs that reach most of what it does not reach by itself, at most `number` of them.
merge() {
  local name=$1 out=$build/merged/$1 control=$build/$1.merge
  rm -rf "$out" "$control"
  mkdir -p "$out" "$build/corpus/$name"
  LLVM_PROFILE_FILE=/dev/null "$(program "$name")" -merge=1 -use_counters=0 -max_len=4096 -merge_control_file="$control" \
    "$out" "fuzz/corpus/$name" "$build/corpus/$name" >"$build/$name.merge.log" 2>&1 || { tail -25 "$build/$name.merge.log"; return 1; }
  python3 - "$control" "fuzz/corpus/$name" "$number" <<'PYTHON'
import shutil, sys
from pathlib import Path

control, corpus, number = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
# libFuzzer's control file: how many files, how many of them are not looked at, their names; then "FT file feature...".
lines = control.read_text().splitlines()
files = [Path(line) for line in lines[2:2 + int(lines[0])]]
reached = {files[int(words[1])]: set(words[2:]) for words in map(str.split, lines) if words and words[0] == "FT"}
known = set().union(*(features for file, features in reached.items() if file.parent == corpus))
for _ in range(number):
    best = max(reached, key=lambda file: len(reached[file] - known))
    if not reached[best] - known:
        break
    known |= reached[best]
    shutil.copy(best, corpus)
rest = len(set().union(*reached.values()) - known)
every = list(corpus.iterdir())
print(f"{corpus.name:11} {len(every):4} files, {sum(file.stat().st_size for file in every):6} octets, {rest} features unreached")
PYTHON
}

mkdir -p "$findings"
cmake --preset fuzz >"$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
cmake --build --preset fuzz -j "${JOBS:-$(nproc)}" -- --quiet
for name in "${names[@]}"; do
  [[ -x $(program "$name") ]] || { echo "there is no fuzzer $name: $(ls fuzz/corpus | tr '\n' ' ')" >&2; exit 2; }
done

if [[ $mode == merge ]]; then
  for name in "${names[@]}"; do merge "$name"; done
  exit
fi

failed=0
for name in "${names[@]}"; do fuzz "$name" || failed=1; done
printf '\n%-11s %14s\n' fuzzer executions
for name in "${names[@]}"; do printf '%-11s %14s\n' "$name" "$(executions "$name")"; done
coverage
echo
if [[ -n $(ls -A "$findings") ]]; then
  echo "findings, also of earlier runs, in $findings:"
  ls "$findings"
fi
exit "$failed"
