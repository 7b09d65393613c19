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
mkdir -m 1777 "$folder/run" # for all users, as that of the packages is
chmod 755 "$folder"
children=''
trap 'for child in $children; do kill "$child" 2>/dev/null || true; done; wait; rm -rf "$folder"' EXIT
baton=$build/src/cli/baton

wait_for_line() { # FILE PATTERN: until a program has said that it is ready
  tries=0
  until grep -q "$2" "$1" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 1500 ]; then
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
children="$children $!"
wait_for_line "$folder/server.out" ready
"$programs/listener" WEB >"$folder/listener.out" 2>&1 &
children="$children $!"
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

reserve_port() { # FILE; own_port: while it is bound and does not listen nobody else is given it, and who names it can listen there
  python3 -c 'import signal, socket
reserved = socket.socket()
reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
reserved.bind(("127.0.0.1", 0))
print("port", reserved.getsockname()[1], flush=True)
signal.pause()' >"$1" &
  children="$children $!"
  wait_for_line "$1" port
  own_port=$(sed 's/port //' "$1")
}
# batond listens where the kernel puts it, and says where that is.
port_of() {
  "$baton" status --json | python3 -c 'import json, sys
dispatcher = next(each["batond"] for each in json.load(sys.stdin) if "batond" in each)
print(next(each["address"].rsplit(":", 1)[1] for each in dispatcher["listeners"] if each["name"] == sys.argv[1]))' "$1"
}

echo '3. batond before two unmodified nginx, told apart by the host of the request; each has the client itself on the line.'
cat >"$folder/batond.toml" <<END
[listener.web]
address = "127.0.0.1:0"
[pool.shop]
[pool.blog]
[[route]]
host = "shop.example.org"
pool = "shop"
[[route]]
host = "blog.example.org"
pool = "blog"

[listener.iso]
address = "127.0.0.2:0"
[[route]]
listener = "iso"
to_called_tsap = true
END
user=''
if [ "$(id -u)" = 0 ]; then # then nginx's workers have another user, whom batond has to let in
  user='user www-data;'
  BATON_ALLOW_UIDS=$(id -u www-data)
  export BATON_ALLOW_UIDS
fi
"$build/src/dispatch/batond" --config "$folder/batond.toml" 2>"$folder/batond.out" &
children="$children $!"
wait_for_line "$folder/batond.out" 'batond .* started'
for site in shop blog; do
  mkdir "$folder/$site"
  reserve_port "$folder/$site/port"
  cat >"$folder/$site/nginx.conf" <<END
daemon off; worker_processes 2; pid $folder/$site/pid; error_log stderr; $user
events { }
http {
  access_log off; client_body_temp_path $folder/$site/body; proxy_temp_path $folder/$site/proxy;
  fastcgi_temp_path $folder/$site/fastcgi; uwsgi_temp_path $folder/$site/uwsgi; scgi_temp_path $folder/$site/scgi;
  server { listen 127.0.0.1:$own_port; location / { return 200 "$site answers \$remote_addr:\$remote_port\n"; } }
}
END
  "$baton" serve --tsap "$site" -- /usr/sbin/nginx -c "$folder/$site/nginx.conf" 2>"$folder/$site.out" &
  children="$children $!"
  wait_for_line "$folder/batond.out" "pool $site: worker"
done
port=$(port_of web)
for site in shop blog shop; do
  curl -s -S --fail --max-time 20 -H "Host: $site.example.org" -w '   curl came from 127.0.0.1:%{local_port}\n' \
    "http://127.0.0.1:$port/" | sed 's/^\(shop\|blog\)/   \1/'
done

echo '4. Two ISO applications behind one port: whoever has bound the TSEL that a client calls gets it, by no configuration.'
for tsel in ORDERS STOCK; do
  "$programs/iso_server" "$tsel" >"$folder/$tsel.out" 2>&1 &
  children="$children $!"
  wait_for_line "$folder/$tsel.out" ready
done
port=$(port_of iso)
for tsel in ORDERS STOCK; do
  echo "for $tsel" | "$baton" iso connect --called "$tsel" --answers 2 "127.0.0.2:$port" | sed 's/^/   /'
done
echo '   and a name that nobody has:'
echo | "$baton" iso connect --called NOBODY "127.0.0.2:$port" 2>&1 | sed 's/^/   /' || true
"$baton" status | sed 's/^/   /'
