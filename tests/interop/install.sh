#!/usr/bin/env bash
# install.sh [FOLDER]: installs the npm packages of package-lock.json, the peers of these tests, into FOLDER (build/interop)
# and compiles node-snap7 there. Silent and quick when that is done.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
folder="${1:-$here/../../build/interop}"
mkdir -p "$folder"
cd "$folder"

fail() {
  echo "interop: $1; see $folder/install.log" >&2
  exit 1
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "interop: node and npm are needed: tools/deps.sh installs them" >&2
  exit 1
fi
# What is there serves this lock file and this node, whose headers node-snap7 was compiled with.
stamp="$(sha256sum <"$here/package-lock.json") $(node --version)"
if [[ -f installed && "$(<installed)" == "$stamp" ]]; then exit 0; fi

prefix="$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")"
if [[ ! -e $prefix/include/node/node.h ]]; then
  echo "interop: node's headers are not in $prefix/include/node: install the development files of your node" >&2
  exit 1
fi
echo "interop: installing the npm packages of tests/interop"
rm -f installed
cp "$here/package.json" "$here/package-lock.json" .
# node-snap7's own install script would first look for a binary that somebody else has compiled.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >install.log 2>&1 ||
  fail "npm could not install the packages"
npm_config_nodedir="$prefix" npm --loglevel=error run compile >>install.log 2>&1 || fail "node-snap7 does not compile"
echo "$stamp" >installed
