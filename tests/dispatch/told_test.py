# SPDX-License-Identifier: MIT
"""Clients that come by a proxy: workers of every kind are told their addresses, in every form of the PROXY header."""

import os
import re
import select
import socket
import struct
import subprocess
import sys
import unittest
from typing import NamedTuple, Sequence

from house import PATIENCE, Upgrades, http, read_all, read_line, reserved_everywhere

BATON = os.environ["BATON_PROGRAM"]
OLD_WORKER = os.environ["BATON_TEST_OLD_WORKER"]
NGINX = "/usr/sbin/nginx"
POOL = """
[pool.shop]
hold = "10s"
[[route]]
pool = "shop"
"""
CONFIGURATION_OF_NGINX = """
daemon off;
worker_processes 1;
error_log {folder}/error.log info;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    {listen}
    location / {{ return 200 "$remote_addr $remote_port\\n"; }}
  }}
}}
"""
# What each way of asking says of a connection; then it is closed, and its number gets a connection of its own.
ASKING = """
import os, socket
def said(s): return (*s.getpeername()[:2], *s.getsockname()[:2])
listening = socket.create_server(("127.0.0.1", 0), family=socket.AF_INET)
print("port", listening.getsockname()[1], flush=True)
while True:
    connection, peer = listening.accept()
    connection.recv(65536)
    ways = [(*peer[:2], *connection.getsockname()[:2]), said(connection)]
    for number in (os.dup(connection.fileno()), os.dup2(connection.fileno(), 200)):
        with socket.socket(fileno=number) as other: ways.append(said(other))
    inner, outer = socket.socketpair()
    if os.fork() == 0:
        inner.sendall(repr(said(connection)).encode())
        os._exit(0)
    os.wait()
    ways.append(eval(outer.recv(4096)))
    number = connection.detach()
    with socket.socket(fileno=os.dup(number)) as connection:
        own = socket.create_connection(listening.getsockname())
        os.close(number)
        os.dup2(own.fileno(), number)
        with socket.socket(fileno=number) as again: assert said(again) == said(own), said(again)
        own.close()
        listening.accept()[0].close()
        connection.sendall("".join(" ".join(map(str, way)) + "\\n" for way in ways).encode())
"""
ACCEPTING = """
import socket
listening = socket.create_server(("::", 0), family=socket.AF_INET6)
while True:
    connection, peer = listening.accept()
    connection.recv(65536)
    connection.sendall("{} {}\\n".format(*peer[:2]).encode())
    connection.close()
"""
# A socket for each family: SELECTOR HOST HOST
TWO_SOCKETS = """
import selectors, socket, sys
selector = getattr(selectors, sys.argv[1])()
for host in sys.argv[2:]:
    listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setblocking(False)
    selector.register(listening, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        try: connection, peer = key.fileobj.accept()
        except BlockingIOError: continue
        connection.setblocking(True)
        connection.recv(65536)
        connection.sendall("{} {}\\n".format(*peer[:2]).encode())
        connection.close()
"""
# It accepts without asking for the address.
NODE = """
require('net').createServer(s => s.once('data', () =>
  s.end(`${s.remoteAddress} ${s.remotePort} ${s.localAddress} ${s.localPort}\\n`))).listen(0, '::');
"""


class Said(NamedTuple):
    """A client, and whom it has connected to."""

    client: str
    client_port: int
    to: str
    port: int

    def line(self) -> str:
        return " ".join(map(str, self)) + "\n"

    @property
    def is_v6(self) -> bool:
        return ":" in self.client

    def version_1(self) -> bytes:
        family = "TCP6" if self.is_v6 else "TCP4"
        return f"PROXY {family} {self.client} {self.to} {self.client_port} {self.port}\r\n".encode()

    def version_2(self) -> bytes:
        family = socket.AF_INET6 if self.is_v6 else socket.AF_INET
        body = b"".join(socket.inet_pton(family, each) for each in (self.client, self.to))
        body += struct.pack("!HH", self.client_port, self.port) + b"\x04\0\x02xx"  # and a vector that says nothing
        return b"\r\n\r\n\0\r\nQUIT\n\x21" + (b"\x21" if self.is_v6 else b"\x11") + struct.pack("!H", len(body)) + body


FOUR = Said("198.51.100.9", 4711, "203.0.113.8", 443)
SIX = Said("2001:db8::7", 4712, "2001:db8::8", 8443)
FORMS = [(said, form(said)) for said in (FOUR, SIX) for form in (Said.version_1, Said.version_2)]
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


class Told(Upgrades):
    def start_told_worker(self) -> None:
        worker = self.start([sys.executable, "-B", os.path.join(os.path.dirname(__file__), "told_worker.py"), "shop"],
                            stdout=subprocess.PIPE)
        self.assertEqual(worker.stdout.readline(), b"ready\n")
        self.has_worker()

    def has_worker(self) -> None:
        self.until(lambda: any(worker["credit"] for worker in self.workers("shop")), "there is a worker")

    def under(self, verb: str, *program: str, options: Sequence[str] = (), **more) -> subprocess.Popen:
        server = self.start([BATON, verb, "--tsap", "shop", *options, "--", *program], **more)
        self.has_worker()
        return server

    def first_line(self, process: subprocess.Popen) -> str:
        self.assertTrue(select.select([process.stdout], [], [], PATIENCE)[0], "it says nothing")
        return process.stdout.readline().decode()

    def own(self, client: socket.socket, port: int = 0) -> str:
        return Said(*client.getsockname(), "127.0.0.1", port or self.port).line()

    def test_a_worker_of_the_library(self) -> None:
        self.start_batond(POOL, 'proxy = "required"')
        self.start_told_worker()
        for said, header in FORMS:
            self.assertEqual(read_line(self.client(header + http("x"))), said.line())
        self.assertEqual(read_line(self.client(LOCAL + http("x"))), "-\n")

    def test_a_worker_that_is_too_old_to_be_told(self) -> None:
        """It gets the client, and nothing is said of it."""
        self.start_batond(POOL, 'proxy = "required"')
        worker = self.start([OLD_WORKER, self.runtime, "shop"], stdout=subprocess.PIPE)
        self.assertEqual(self.first_line(worker), "ready\n")
        for _, header in FORMS[:2]:
            self.assertEqual(read_line(self.client(header + http("x"))), "0\n")
        self.until(lambda: self.counter("moved") == 2, "they are moved")
        self.assertEqual(worker.wait(PATIENCE), 0)

    def test_nothing_is_told_but_what_a_proxy_says(self) -> None:
        """Of a client that comes by itself, and of one who may not say it: his header is his own octets."""
        self.start_batond(POOL, 'proxy = "optional"\nproxy_from = "127.0.0.2"')
        self.start_told_worker()
        self.assertEqual(read_line(self.client(http("x"))), "-\n")
        self.assertEqual(read_line(self.client(FOUR.version_1() + http("x"))), "-\n")

    def test_a_client_that_waits_over_an_upgrade(self) -> None:
        self.start_batond(POOL, 'proxy = "required"')
        client = self.client(SIX.version_2() + http("x"))
        self.until(lambda: self.status()["held"] == 1, "it waits")
        self.upgraded()
        self.start_told_worker()
        self.assertEqual(read_line(client), SIX.line())

    def test_http_server_of_python(self) -> None:
        self.start_batond(POOL, 'proxy = "required"')
        log = os.path.join(self.folder.name, "http.log")
        with open(log, "wb") as file:
            self.under("serve", "/usr/bin/python3", "-u", "-m", "http.server", "--bind", "::1", "0",
                       stdout=subprocess.DEVNULL, stderr=file, cwd=self.folder.name)
        for number, (said, header) in enumerate(FORMS):
            read_all(self.client(header + http("x", f"/{number}")))
            with open(log, encoding="utf-8") as file:
                self.assertRegex(file.read(), rf'(?m)^{re.escape(said.client)} .*"GET /{number} ')

    def test_every_way_of_asking(self) -> None:
        self.start_batond(POOL, 'proxy = "optional"')
        server = self.under("serve", "/usr/bin/python3", "-c", ASKING, stdout=subprocess.PIPE)
        port = int(self.first_line(server).split()[1])
        for said, header in FORMS:
            client = self.client(header + http("x"))
            # It has room for addresses of the family that it listens on: it is not given half of another one.
            self.assertEqual(read_all(client).decode(), 5 * (self.own(client) if said.is_v6 else said.line()))
        client = self.client(http("x"))
        self.assertEqual(read_all(client).decode(), self.own(client) * 5)
        direct = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.addCleanup(direct.close)
        direct.sendall(b"x")
        self.assertEqual(read_all(direct).decode(), self.own(direct, port) * 5)

    def test_a_server_on_ipv6(self) -> None:
        self.start_batond(POOL, 'proxy = "required"')
        program = ASKING.replace('("127.0.0.1", 0), family=socket.AF_INET',
                                 '("::", 0), family=socket.AF_INET6, dualstack_ipv6=True')
        program = program.replace('listening.getsockname())', '("::1", listening.getsockname()[1]))')
        self.under("serve", "/usr/bin/python3", "-c", program)
        mapped = FOUR._replace(client="::ffff:" + FOUR.client, to="::ffff:" + FOUR.to)
        for said, header in FORMS:
            shown = said if said.is_v6 else mapped
            self.assertEqual(read_all(self.client(header + http("x"))).decode(), shown.line() * 5)

    def nginx(self, *addresses: str) -> None:
        reserved = reserved_everywhere()
        self.addCleanup(reserved.close)
        port = reserved.getsockname()[1]
        configuration = os.path.join(self.folder.name, "nginx.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION_OF_NGINX.format(folder=self.folder.name,
                                                     listen="".join(f"listen {each}:{port};" for each in addresses),
                                                     user="user root;" if os.geteuid() == 0 else ""))
        self.under("serve", NGINX, "-c", configuration, stderr=subprocess.DEVNULL)

    def seen_by_nginx(self, header: bytes) -> str:
        request = http("x").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        return read_all(self.client(header + request)).decode().split("\r\n\r\n", 1)[1]

    def test_a_socket_for_each_family(self) -> None:
        """Whatever it waits in, and whichever it has first: an IPv6 client comes at the one that can show it."""
        self.start_batond(POOL, 'proxy = "required"')
        for selector in ("EpollSelector", "PollSelector", "SelectSelector"):
            for hosts in (("127.0.0.1", "::1"), ("::1", "127.0.0.1")):
                server = self.under("serve", "/usr/bin/python3", "-c", TWO_SOCKETS, selector, *hosts)
                for said, header in FORMS:
                    client = self.client(header + http("x"))
                    self.assertEqual(read_line(client), f"{said.client} {said.client_port}\n", (selector, hosts))
                server.kill()
                server.wait(PATIENCE)
                self.until(lambda: not self.workers("shop"), "it has gone")

    def test_node(self) -> None:
        self.start_batond(POOL, 'proxy = "required"')
        self.under("serve", "node", "-e", NODE)
        for said, header in FORMS:
            shown = said if said.is_v6 else said._replace(client="::ffff:" + said.client, to="::ffff:" + said.to)
            self.assertEqual(read_line(self.client(header + http("x"))), shown.line())

    def test_a_supervised_server(self) -> None:
        """accept tells it; the other calls are the kernel's."""
        self.start_batond(POOL, 'proxy = "required"')
        self.under("serve", "/usr/bin/python3", "-c", ACCEPTING, options=["--supervise"])
        for said, header in FORMS:
            client = self.client(header + http("x"))
            self.assertEqual(read_all(client).decode(), f"{said.client} {said.client_port}\n")

    def test_a_program_for_each(self) -> None:
        self.start_batond(POOL, 'proxy = "optional"')
        script = 'read x; echo "$TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT"'
        for options in ([], ["--pool", "1"]):
            baton = self.under("exec", "/bin/sh", "-c", script, options=options)
            for said, header in FORMS:
                self.assertEqual(read_line(self.client(header + http("x"))), said.line())
            client = self.client(http("x"))
            self.assertEqual(read_line(client), self.own(client))
            baton.terminate()
            self.assertEqual(baton.wait(PATIENCE), 0)

    def test_nginx(self) -> None:
        self.start_batond(POOL, 'proxy = "required"')
        self.nginx("[::1]", "127.0.0.1")
        for said, header in FORMS:
            self.assertEqual(self.seen_by_nginx(header), f"{said.client} {said.client_port}\n")

    def test_nginx_on_ipv4_alone(self) -> None:
        """It would close a client with another address: it sees the proxy instead."""
        self.start_batond(POOL, 'proxy = "required"')
        self.nginx("127.0.0.1")
        for said, header in FORMS:
            seen = self.seen_by_nginx(header).split()
            self.assertEqual(seen[0], "127.0.0.1" if said.is_v6 else said.client)


if __name__ == "__main__":
    unittest.main()
