# SPDX-License-Identifier: MIT
"""Servers of others, as Debian has them: each sees the dispatcher's clients with their own addresses."""

import http.client
import os
import pwd
import re
import subprocess
import unittest
from pathlib import Path

from serving import BATON, BATOND, PATIENCE, POOL, Process, ServeTest, free_port, in_threads, is_open, until


def request(address, path="/", close=True):
    """(own address, status, body)"""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Connection": "close"} if close else {})
        own = connection.sock.getsockname()
        response = connection.getresponse()
        return own, response.status, response.read().decode()
    finally:
        connection.close()


NGINX = """
daemon off;
worker_processes 2;
error_log {folder}/error.log info;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections 1024; use epoll; {events} }}
http {{
  log_format who '$remote_addr:$remote_port $pid $uri';
  access_log {folder}/access.log who;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen [::1]:{port} {listen};
    listen 127.0.0.1:{port} {listen};
    location / {{ return 200 "$remote_addr:$remote_port $pid"; }}
  }}
}}
"""


class Nginx(ServeTest):
    def nginx(self, events="", listen=""):
        self.port = free_port()
        # As root its workers are another user's, whom the dispatcher has to let in.
        root = os.geteuid() == 0
        if root:
            self.env["BATON_ALLOW_UIDS"] = str(pwd.getpwnam("www-data").pw_uid)
        configuration = Path(self.folder, "nginx.conf")
        configuration.write_text(NGINX.format(folder=self.folder, port=self.port, events=events, listen=listen,
                                              user="user www-data;" if root else ""))
        server = self.serve("/usr/sbin/nginx", "-c", str(configuration))
        until(lambda: is_open(self.port), "nginx listens")
        return server

    def logged(self):
        return Path(self.folder, "access.log").read_text().split()

    def workers_answer(self, both=True, **more):
        server = self.nginx(**more)
        giver = self.giver()
        direct = ("127.0.0.1", self.port)
        seen = set()

        def client(number):
            for turn in range(20):
                moved = (turn + number) % 2 == 0
                own, status, body = request(giver.address if moved else direct, f"/{number}/{turn}")
                address, pid = body.split()
                self.assertEqual((status, address), (200, f"{own[0]}:{own[1]}"))
                seen.add((moved, int(pid)))

        # Each worker makes its link when it first waits: until both have, one gets all.
        first = []

        def both_take():
            first.append(int(request(giver.address)[2].split()[1]))
            return set(first) == set(server.children())

        if both:
            until(both_take, "both workers take connections")
        in_threads(4, client)
        workers = server.children()
        self.assertEqual(len(workers), 2)
        takers = {pid for moved, pid in seen if moved}
        self.assertTrue(takers == set(workers) if both else takers <= set(workers), (takers, workers))
        own, _, body = request(giver.address6)
        self.assertEqual(body.split()[0], f"{own[0]}:{own[1]}")
        self.assertEqual(giver.counts()["moved"], 41 + len(first))
        return server

    def test_two_workers(self):
        server = self.workers_answer()
        # -s quit: the workers leave the pool, and end.
        subprocess.run(["kill", "-QUIT", str(server.popen.pid)], check=True)
        self.assertEqual(server.popen.wait(PATIENCE), 0)
        self.assertNotRegex(Path(self.folder, "error.log").read_text(), r"\[(alert|crit|emerg|error)\]")

    def test_with_an_accept_mutex_and_many_at_once(self):
        self.workers_answer(both=False, events="accept_mutex on; multi_accept on;")

    def test_with_a_socket_for_each_worker(self):
        self.workers_answer(listen="reuseport")

    if BATOND:

        def test_a_worker_that_watches_what_it_has_accepted_has_room_for_several(self):
            self.nginx()
            giver = self.giver()
            self.assertEqual(request(giver.address)[1], 200)
            request(giver.address)
            until(lambda: any(worker["credit"] > 1 for worker in giver.status()["pools"][0]["workers"]), "room for several")

    def test_load(self):
        self.nginx()
        giver = self.giver()
        url = "http://{}:{}/load".format(*giver.address)
        for header in ("keep-alive", "close"):
            told = subprocess.run(["wrk", "-t1", "-c32", "-d1", "-H", f"Connection: {header}", url], check=True,
                                  capture_output=True, text=True, timeout=PATIENCE).stdout
            self.assertNotIn("Socket errors", told)
            self.assertNotIn("Non-2xx", told)
            self.assertGreater(int(re.search(r"(\d+) requests in", told)[1]), 100, told)
        # wrk ends with requests under way: some connections may be on their way still.
        self.assertGreater(giver.counts()["moved"], 132)

    def test_a_new_configuration_under_load(self):
        server = self.nginx()
        giver = self.giver()
        until(lambda: request(giver.address)[1] == 200, "the pool is there")
        done = []

        def client(number):
            if number == 0:
                for _ in range(3):
                    before = set(server.children())
                    subprocess.run(["kill", "-HUP", str(server.popen.pid)], check=True)
                    until(lambda: len(server.children()) == 2 and not before & set(server.children()), "new workers")
                done.append(True)
            while not done:
                self.assertEqual(request(giver.address)[1], 200)

        in_threads(5, client)


NODE = """
const http = require('http');
const server = http.createServer((request, response) => {
  const s = request.socket;
  response.end(`${s.remoteAddress}:${s.remotePort} ${process.pid}`);
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
"""

PREFORK = """
import os, selectors, socket
listening = socket.create_server(("127.0.0.1", 0))
listening.setblocking(False)
print("port", listening.getsockname()[1], flush=True)
for _ in range(2):
    if os.fork() == 0: break
else:
    while True: os.wait()
selector = selectors.DefaultSelector()
selector.register(listening, selectors.EVENT_READ)
while True:
    selector.select()
    try: connection, peer = listening.accept()
    except BlockingIOError: continue
    connection.recv(65536)
    body = f"{peer[0]}:{peer[1]} {os.getpid()}"
    connection.sendall(f"HTTP/1.0 200 OK\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
    connection.close()
"""

HTTP_SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write("{}:{} {}".format(*self.client_address[:2], os.getpid()).encode())
    def log_message(self, *arguments): pass
server = http.server.%s(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
"""


class Runtimes(ServeTest):
    def answers(self, *program):
        server = self.serve(*program)
        direct = ("127.0.0.1", server.port())
        giver = self.giver()

        def client(number):
            for turn in range(10):
                moved = (turn + number) % 2 == 0
                own, status, body = request(giver.address if moved else direct)
                self.assertEqual((status, body.split()[0]), (200, f"{own[0]}:{own[1]}"))

        in_threads(4, client)
        self.assertEqual(giver.counts()["moved"], 20)

    def test_node(self):
        self.answers("node", "-e", NODE)

    def test_python_prefork_with_selectors(self):
        self.answers("/usr/bin/python3", "-c", PREFORK)

    def test_python_http_server(self):
        self.answers("/usr/bin/python3", "-c", HTTP_SERVER % "HTTPServer")

    def test_python_http_server_with_threads(self):
        self.answers("/usr/bin/python3", "-c", HTTP_SERVER % "ThreadingHTTPServer")


class PostgreSQL(ServeTest):
    """The postmaster waits and accepts, and forks for each connection."""

    BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))

    def sql(self, address, text):
        return subprocess.run([self.BIN / "psql", "-h", address[0], "-p", str(address[1]), "-U", "postgres", "-Atc", text],
                              check=True, capture_output=True, text=True, timeout=PATIENCE).stdout.strip()

    def test_clients_and_load(self):
        # It refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.env["BATON_ALLOW_UIDS"] = str(pwd.getpwnam("postgres").pw_uid)
        data, port = f"{self.folder}/data", free_port()
        subprocess.run([*user, self.BIN / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"], check=True,
                       stdout=subprocess.DEVNULL, timeout=PATIENCE, cwd="/")
        self.start(Process([*user, BATON, "serve", "--tsap", POOL, "--", self.BIN / "postgres", "-D", data, "-p", str(port),
                            "-k", "", "-c", "listen_addresses=127.0.0.1,::1", "-c", "fsync=off",
                            "-c", "logging_collector=on"], self.env))
        direct = ("127.0.0.1", port)
        until(lambda: subprocess.run([self.BIN / "pg_isready", "-h", direct[0], "-p", str(port)],
                                     stdout=subprocess.DEVNULL).returncode == 0, "PostgreSQL is ready")
        giver = self.giver()
        who = "select inet_client_addr() || ' ' || inet_server_port()"
        self.assertEqual(self.sql(giver.address, who), f"127.0.0.1/32 {giver.address[1]}")
        self.assertEqual(self.sql(giver.address6, who), f"::1/128 {giver.address6[1]}")
        self.assertEqual(self.sql(direct, who), f"127.0.0.1/32 {port}")
        bench = [self.BIN / "pgbench", "-h", giver.address[0], "-p", str(giver.address[1]), "-U", "postgres"]
        for words in (["-i", "-q"], ["-c", "8", "-t", "25"], ["-C", "-S", "-c", "4", "-t", "10"]):
            done = subprocess.run([*bench, *words, "postgres"], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
            if "-c" in words:
                self.assertIn("number of failed transactions: 0 ", done.stdout)
        self.assertEqual(giver.counts()["moved"], 2 + 1 + (1 + 8) + (1 + 40))


if __name__ == "__main__":
    unittest.main()
