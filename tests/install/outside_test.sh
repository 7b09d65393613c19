#!/usr/bin/env bash
# outside_test.sh BUILD VERSION: installs BUILD, moves the tree elsewhere, and lets programs use it. Environment: CC, CXX.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cmake --install "$1" --prefix "$work/first" >/dev/null
documents="$work/first/share/doc/baton-tools"
[[ $(grep -c "^Exec.*=$work/first/sbin/batond --c" "$documents/batond.service") == 2 ]] && ! grep -q /usr/sbin "$documents/batond.service" ||
  { echo "outside_test: the installed unit does not start the installed batond" >&2; exit 1; }
[[ -x $work/first/sbin/batond ]] && grep -qE '^d /run/baton +1777 root root' "$documents/baton.conf" ||
  { echo "outside_test: what the unit needs is not installed" >&2; exit 1; }
mv "$work/first" "$work/tree"
"$here/outside_programs.sh" "$work/tree" "$2"
