#!/usr/bin/env bash
# The interface of libbaton.so against the record of it in the folder abi/: exported names, the types that the calls take,
# and the numbers of baton/soc.h.
#
#   tools/abi.sh check LIBRARY    fails when a program that was built against the record could break with LIBRARY, or when
#                                 LIBRARY has what the record has not
#   tools/abi.sh record LIBRARY   makes LIBRARY the record
#
# LIBRARY has debug information. The rule: before the first release (no section "## [x.y.z]" in CHANGELOG.md) the record
# is the state of the sources, and a change of the interface brings a new record with it. From then on it is that of the
# last release: additions pass, what breaks is refused, also by `record`, unless the SONAME has become another one.
# Environment, for the test of this script: ABI_RECORD the folder, ABI_HEADERS include/, ABI_CHANGES CHANGELOG.md.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
record="${ABI_RECORD:-$root/abi}" headers="${ABI_HEADERS:-$root/include}" changes="${ABI_CHANGES:-$root/CHANGELOG.md}"
(($# == 2)) || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
library="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'abi: %s\n' "$@" >&2
  exit 1
}

# No paths, no lines, no sizes that change without meaning: the record is the same wherever it is made.
describe() {
  abidw --exported-interfaces-only --headers-dir "$headers/baton" --drop-private-types --drop-undefined-syms \
    --no-show-locs --no-corpus-path --no-comp-dir-path --no-elf-needed --no-architecture \
    --type-id-style hash --out-file "$work/libbaton.abi" "$1" || fail "abidw cannot read $1"
  grep -q '<function-decl' "$work/libbaton.abi" || fail "$1 has no debug information, or exports nothing"
}
# NAME value, for each macro of baton/soc.h that is no macro with arguments.
numbers() {
  "${CC:-cc}" -std=gnu11 -I"$headers" -include baton/soc.h -E -dD -x c /dev/null |
    awk -v header="$headers/baton/soc.h" '/^# [0-9]+ "/ { ours = index($3, header) } ours && /^#define [A-Za-z_0-9]+ ./ { sub(/^#define /, ""); print }' |
    sort >"$work/numbers"
  [[ -s $work/numbers ]] || fail "baton/soc.h defines no numbers"
}
soname() { sed -n "s/.* soname='\([^']*\)'.*/\1/p" "$1" | head -n 1; }
released() { grep -qE '^## \[[0-9]' "$changes"; }

# What breaks programs, on standard output; nothing: nothing does. abidiff tells by bits: 1 and 2 it failed, 4 a change.
broken() {
  local status=0
  abidiff --no-added-syms "$record/libbaton.abi" "$work/libbaton.abi" >"$work/breaks" 2>&1 || status=$?
  ((status & 3)) && fail "abidiff failed" "$(cat "$work/breaks")"
  ((status == 0)) || cat "$work/breaks"
  # A number that is gone or has another value.
  comm -23 "$record/numbers" "$work/numbers" | sed 's/^/  number changed or gone: /'
}
added() {
  local status=0
  abidiff "$record/libbaton.abi" "$work/libbaton.abi" >"$work/additions" 2>&1 || status=$?
  ((status == 0)) || cat "$work/additions"
  comm -13 "$record/numbers" "$work/numbers" | sed 's/^/  number added: /'
}

describe "$library"
numbers
case "$1" in
  check)
    for file in libbaton.abi numbers; do [[ -s $record/$file ]] || fail "$record/$file is missing: make abi-record"; done
    what="$(broken)" || exit 1
    if [[ -n $what ]]; then
      printf '%s\n' "$what" >&2
      if released; then
        fail "programs that are linked with the last release would break: keep the old, and add the new beside it"
      fi
      fail "the interface is not the recorded one. Nothing is released yet: if it is meant, make abi-record, and commit abi/ with the change"
    fi
    what="$(added)"
    if [[ -n $what ]] && ! released; then
      printf '%s\n' "$what" >&2
      fail "the interface has what its record has not: make abi-record, and commit abi/ with the change"
    fi
    echo "abi: $(soname "$work/libbaton.abi"): as recorded"
    ;;
  record)
    if released && [[ -s $record/libbaton.abi && $(soname "$record/libbaton.abi") == "$(soname "$work/libbaton.abi")" ]]; then
      what="$(broken)" || exit 1
      if [[ -n $what ]]; then
        printf '%s\n' "$what" >&2
        fail "not recorded: this breaks programs of the last release, and the SONAME is still the same"
      fi
    fi
    mkdir -p "$record"
    cp "$work/libbaton.abi" "$work/numbers" "$record/"
    echo "abi: recorded $(grep -c '<elf-symbol ' "$record/libbaton.abi") calls and $(wc -l <"$record/numbers") numbers in $record"
    ;;
  *) fail "unknown command '$1'" ;;
esac
