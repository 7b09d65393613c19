#!/usr/bin/env bash
# dispatched.sh: an unmodified server behind batond, with the programs that PATH has: Python's HTTP server, by `baton serve`.
set -euo pipefail
work="$(mktemp -d)"
export BATON_RUNTIME_DIR="$work/run" BATON_CONTROL="$work/control"
trap 'kill -- "${started[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
started=()

# until_it COMMAND...: again and again, for 20 seconds at most.
until_it() {
  local end=$((SECONDS + 20))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { printf 'dispatched: in vain: %s\n' "$*" >&2; cat "$work/log" >&2; exit 1; }
    sleep 0.05 # between two looks
  done
}
has_worker() { [[ $(baton workers) == *' up '* ]]; }

cat >"$work/batond.toml" <<END
[batond]
control = "$work/control"
[listener.web]
address = "127.0.0.1:0"
[pool.web]
[[route]]
host = "*"
pool = "web"
END
mkdir "$work/pages"
echo 'handed over' >"$work/pages/page"
batond --config "$work/batond.toml" 2>"$work/log" &
started+=($!)
until_it baton status
baton serve --tsap web -- python3 -m http.server --bind 127.0.0.1 --directory "$work/pages" 0 >>"$work/log" 2>&1 &
started+=($!)
until_it has_worker
address="$(baton status | grep -oE '127\.0\.0\.1:[0-9]+' | head -n 1)"
page="$(python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode(), end="")' "http://$address/page")"
[[ $page == 'handed over' ]] || { echo "dispatched: the server has answered \"$page\"" >&2; exit 1; }
[[ $(baton routes) =~ web.*1 ]] || { echo "dispatched: the route has counted nothing" >&2; exit 1; }
echo "ok: an unmodified server behind batond"
