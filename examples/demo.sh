#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows the main job on real input. usage: demo.sh BUILD_DIR [SECONDS]
set -eu
build=$1
seconds=${2:-20}
programs=$build/examples
folder=$(mktemp -d)
BATON_RUNTIME_DIR=$folder/run
export BATON_RUNTIME_DIR
server='' listener=''
trap 'for child in $server $listener; do kill "$child" 2>/dev/null || true; done; rm -rf "$folder"' EXIT

wait_for_line() { # FILE PATTERN: until a program has said that it is ready
  tries=0
  until grep -q "$2" "$1" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 500 ]; then
      echo "demo: no line '$2' from a program; it said:" >&2
      cat "$1" >&2
      exit 1
    fi
    sleep 0.02
  done
}

echo '1. curl fetches a file: the listener reads the request, the server answers it on the same connection.'
head -c 200000000 /dev/urandom >"$folder/file"
"$programs/server" WEB "$folder/file" >"$folder/server.out" 2>&1 &
server=$!
wait_for_line "$folder/server.out" ready
"$programs/listener" WEB >"$folder/listener.out" 2>&1 &
listener=$!
wait_for_line "$folder/listener.out" 'listening on port'
port=$(sed -n 's/listening on port //p' "$folder/listener.out")
for client in 127.0.0.1 '[::1]'; do
  curl -s -S --fail --max-time 60 -o "$folder/fetched" -w "   %{remote_ip}: %{http_code}, %{size_download} octets, %{num_connects} connection, %{speed_download} octets/s\n" \
    "http://$client:$port/file"
  cmp "$folder/file" "$folder/fetched"
done
echo '   the files are equal; the server says:'
sed -n 's/^answering/   answering/p' "$folder/server.out"

echo "2. A client streams for $seconds seconds while its end point moves between three processes."
"$programs/ring" "$seconds" | sed 's/^/   /'
