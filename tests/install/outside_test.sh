#!/usr/bin/env bash
# outside_test.sh BUILD VERSION: installs BUILD, moves the tree elsewhere, and lets programs use it. Environment: CC, CXX.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cmake --install "$1" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/tree"
"$here/outside_programs.sh" "$work/tree" "$2"
