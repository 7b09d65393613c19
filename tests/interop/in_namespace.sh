#!/usr/bin/env bash
# in_namespace.sh COMMAND...: runs it in a network namespace of its own: nothing else is on the loopback interface, every
# port is free, and packets may be captured. As another user than root, a user namespace lets it.
set -euo pipefail
own=(--net)
if (($(id -u) != 0)); then own=(--map-current-user --keep-caps --net); fi
if ! unshare "${own[@]}" true; then
  echo "in_namespace: this system gives the tests no network namespace (unshare ${own[*]})" >&2
  exit 1
fi
exec unshare "${own[@]}" bash -c 'ip link set lo up && exec "$@"' in_namespace "$@"
