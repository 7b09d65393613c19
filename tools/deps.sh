#!/usr/bin/env bash
# Installs the packages of packages.txt that are missing. Silent when none is.
set -euo pipefail
list="$(dirname "$0")/packages.txt"

if ! command -v dpkg-query >/dev/null; then
  echo "deps: not a Debian system: install what $list names under your system's names for it" >&2
  exit 0
fi

wanted=()
while read -r entry _; do
  case "$entry" in
    '' | '#'*) continue ;;
    *=*) command -v "${entry#*=}" >/dev/null || wanted+=("${entry%%=*}") ;;
    *) wanted+=("$entry") ;;
  esac
done <"$list"

installed="$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
  sed -n 's/^installed //p' || true)"
mapfile -t missing < <(printf '%s\n' "${wanted[@]}" | grep -vxF -e "$installed" || true)
((${#missing[@]})) || exit 0

root=(env DEBIAN_FRONTEND=noninteractive)
if (($(id -u) != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "deps: missing: ${missing[*]}; as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  root=(sudo "${root[@]}")
fi
echo "deps: installing ${missing[*]}"
# A server among them is a program for the tests: it is not to run as a service of this machine.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap '"${root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" install -m 755 /dev/stdin "$policy"
fi
"${root[@]}" apt-get -qq update
"${root[@]}" apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
