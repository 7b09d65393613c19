#!/usr/bin/env bash
# abi_test.sh: tools/abi.sh finds what breaks programs, planted in a small library over a copy of baton/soc.h. Environment: CC.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
export ABI_RECORD="$work/abi" ABI_HEADERS="$work/include" ABI_CHANGES="$work/changes"

# start: the library as it is, recorded, before any release.
start() {
  rm -rf include abi
  mkdir include
  cp -r "$root/include/baton" include/
  cat >library.c <<'END'
#include <baton/soc.h>
int soc_give(int link, struct soc_move* moves, int count) { return link + moves[0].error + count; }
int soc_get_statistics(struct soc_statistics* statistics) { return (int)statistics->moved; }
int soc_cancel(int link, int fd) { return link + fd; }
END
  echo 'BATON_0.1 { global: soc_*; local: *; };' >library.map
  soname=libbaton.so.0
  echo '## [Unreleased]' >changes
  build
  "$root/tools/abi.sh" record library.so >/dev/null
}
build() {
  "${CC:-cc}" -g -shared -fPIC -Iinclude -Wl,--version-script=library.map -Wl,-soname="$soname" library.c -o library.so
}
# replace FILE OLD NEW: the test fails where OLD is no longer there.
replace() {
  grep -qF -- "$2" "$1" || { echo "abi_test: $1 has no \"$2\" any more" >&2; exit 1; }
  local text
  text="$(<"$1")"
  printf '%s\n' "${text/"$2"/"$3"}" >"$1"
}
# expect ok|fails WHAT COMMAND TEXT: the verdict, and what it says.
expect() {
  local verdict=ok said
  build
  said="$("$root/tools/abi.sh" "$3" library.so 2>&1)" || verdict=fails
  if [[ $verdict != "$1" || $said != *"$4"* ]]; then
    printf '%s\n' "$said" "abi_test: $2: $verdict, expected: $1, with \"$4\"" >&2
    exit 1
  fi
  echo "ok: $2"
}
move=include/baton/soc.h

start; expect ok "nothing has changed" check "as recorded"
start; replace library.c 'return link + fd' 'return fd + link + 1'; expect ok "another body" check "as recorded"
start; replace $move '  int error; ' '  long error; '; expect fails "a member of another size" check "make abi-record"
start; replace $move 'uint64_t moved; ' 'uint64_t moved, planted; '; expect fails "a member that moves others" check "make abi-record"
start; replace $move 'uint64_t pause_longest_ns;' 'uint64_t pause_longest_ns, planted;'; expect fails "a structure that has grown" check "make abi-record"
start; replace $move 'int soc_cancel(int link, int fd)' 'int soc_cancel(int link, long fd)'
replace library.c 'int link, int fd' 'int link, long fd'; replace library.c 'return link + fd' 'return link + (int)fd'
expect fails "a parameter of another type" check "make abi-record"
start; replace library.c 'int soc_cancel' 'static __attribute__((used)) int cancel'; expect fails "a call that is gone" check "soc_cancel"
start; replace $move 'TPOPT_REDI_CALL 0x1002' 'TPOPT_REDI_CALL 0x1003'; expect fails "a number of another value" check "TPOPT_REDI_CALL"
start; soname=libbaton.so.1; expect fails "another SONAME" check "SONAME"
start; echo 'int soc_planted(void) { return 1; }' >>library.c; expect fails "a call that the record has not" check "soc_planted"
expect ok "recorded" record "recorded 4 calls"; expect ok "then it is" check "as recorded"
start; replace $move '#define REDBIND_OK 1' $'#define REDBIND_OK 1\n#define SOC_PLANTED 7'
expect fails "a number that the record has not" check "number added: SOC_PLANTED 7"

# After a release.
start; echo '## [0.1.0] - 2026-12-01' >>changes
echo 'int soc_planted(void) { return 1; }' >>library.c; expect ok "released: a new call" check "as recorded"
start; echo '## [0.1.0] - 2026-12-01' >>changes; replace $move '  int error; ' '  long error; '
expect fails "released: a change" check "last release would break"
expect fails "released: a change is not recorded either" record "not recorded"
soname=libbaton.so.1; expect ok "but with a SONAME of its own" record "recorded"
start; rm abi/numbers; expect fails "no record" check "is missing"
