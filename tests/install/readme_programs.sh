#!/usr/bin/env bash
# readme_programs.sh FOLDER: builds and runs what readme_programs.py has put into FOLDER, with the library that pkg-config
# finds. Environment: CC, CXX.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$1"
export BATON_RUNTIME_DIR="$PWD/runtime" BATON_STRICT=1
mkdir -p runtime
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true' EXIT

read -ra flags < <(pkg-config --cflags --libs baton)
read -ra bs2000 < <(pkg-config --cflags --libs baton-bs2000)
ran=0
for program in run*.c run*.cpp; do
  [[ -e $program ]] || continue
  compiler=("${CC:-cc}" -std=gnu11)
  [[ $program == *.c ]] || compiler=("${CXX:-c++}" -std=c++23)
  used=("${flags[@]}")
  if grep -qE '#include <(sys\.socket|iso)\.h>' "$program"; then used=("${bs2000[@]}"); fi
  "${compiler[@]}" -Wall -Wextra -Werror "$program" "${used[@]}" -pthread -o "${program%.*}"
  timeout 20 "./${program%.*}" </dev/null
  echo "ok: $program of README.md"
  ran=$((ran + 1))
done
if [[ -e move.c ]]; then
  strict=("${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror)
  "${strict[@]}" move.c "$here/readme_listener.c" "${bs2000[@]}" -o readme_listener
  "${strict[@]}" "$here/seed_server.c" "${bs2000[@]}" -o seed_server
  mkfifo ready
  timeout 20 ./seed_server README >ready &
  server=$!
  read -r line <ready # it listens
  [[ $line == ready ]]
  timeout 20 ./readme_listener README
  wait "$server"
  server=
  echo "ok: move() of README.md moves a connection"
  ran=$((ran + 1))
fi
((ran)) || { echo "readme_programs: nothing to run in $1" >&2; exit 1; }
