#!/usr/bin/env bash
# Runs the benchmarks that were built in BUILD_DIR, one after the other, and prints one table.
#
#   bench/run.sh BUILD_DIR [--quick]      --quick: a small version of each, under 20 seconds, to see that all work
#
# Leaves BUILD_DIR/bench/results.json (all numbers) and BUILD_DIR/bench/results.svg (the drawing of the same run).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
if (($# < 1 || $# > 2)) || { (($# == 2)) && [[ $2 != --quick ]]; }; then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
folder="$1/bench"
quick=("${@:2}")
parts=(seed_sequence express api pause connections iso_echo)
# The runtime folders of the programs; one that is killed cannot remove its own.
TMPDIR="$(mktemp -d)"
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

begin=$SECONDS
read -r load _ </proc/loadavg
for part in "${parts[@]}"; do
  printf '== %s\n' "$part" >&2
  rm -f "$folder/$part.json"
  arguments=("${quick[@]}" --json "$folder/$part.json")
  if [[ $part == connections ]]; then arguments+=("$here/node/parent.js"); fi
  timeout --kill-after=5 200 "$folder/bench_$part" "${arguments[@]}" || {
    echo "bench: $part: status $?" >&2
    exit 1
  }
done
python3 -B "$here/report.py" "$folder" "${quick[@]}" --seconds $((SECONDS - begin)) --load-before "$load"
