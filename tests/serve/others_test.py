# SPDX-License-Identifier: MIT
"""More servers of others, and servers that serve one client at a time or take turns: none has a client waiting for it that
another could serve."""

import contextlib
import os
import pwd
import signal
import socket
import time
import unittest
from pathlib import Path

from servers_test import request
from serving import PATIENCE, ServeTest, free_port, in_threads, until

# Of this process alone: whoever has a port elsewhere is in nobody's way.
HOST = "127.{}.{}.{}".format(64 + (os.getpid() >> 16 & 63), os.getpid() >> 8 & 255, os.getpid() & 255)


def talk(address, words, end):
    """(own address, the answer up to `end`)"""
    with socket.create_connection(address, PATIENCE) as client:
        client.sendall(words)
        answer = b""
        while not answer.endswith(end):
            part = client.recv(65536)
            if not part:
                raise ConnectionError(f"ended after {answer!r}")
            answer += part
        return "{}:{}".format(*client.getsockname()), answer.decode()


def processor_ticks(pids):
    told = (Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids)
    return sum(int(words[11]) + int(words[12]) for words in told)


def free_address():
    return HOST, free_port()


def listens(address):
    with socket.socket() as client:
        until(lambda: client.connect_ex(address) == 0, f"somebody listens at {address}")


class OthersTest(ServeTest):
    def mixed(self, ask, direct, clients=4, turns=10):
        """ask(address) -> (own address, the one that the server says); beside each moved client one of the server's own."""
        giver = self.giver()

        def client(number):
            for turn in range(turns):
                own, told = ask(giver.address if (turn + number) % 2 == 0 else direct)
                self.assertEqual(told, own)

        in_threads(clients, client)
        self.assertEqual(giver.counts()["moved"], clients * turns // 2)

    def ask_http(self, address, good=200):
        own, status, body = request(address)
        self.assertEqual(status, good)
        return "{}:{}".format(*own), body.split()[0]


APACHE = """
ServerRoot {folder}
PidFile {folder}/apache.pid
ServerName localhost
Listen {host}:{port}
Listen {host}:{other}
LoadModule mpm_{mpm}_module /usr/lib/apache2/modules/mod_mpm_{mpm}.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
ErrorLog {folder}/error.log
{user}
DocumentRoot {folder}/none
ErrorDocument 404 "%{{REMOTE_ADDR}}:%{{REMOTE_PORT}}"
StartServers 2
"""


class Apache(OthersTest):
    """With two listening sockets its processes take turns at them, by a lock of all; mpm_event's do not."""

    def apache(self, mpm):
        root = os.geteuid() == 0
        if root:
            self.env["BATON_ALLOW_UIDS"] = str(pwd.getpwnam("www-data").pw_uid)
        os.mkdir(f"{self.folder}/none")
        self.direct = free_address()
        configuration = Path(self.folder, "apache.conf")
        configuration.write_text(APACHE.format(folder=self.folder, host=HOST, port=self.direct[1], other=free_port(), mpm=mpm,
                                               user="User www-data\nGroup www-data" if root else ""))
        server = self.serve("/usr/sbin/apache2", "-DFOREGROUND", "-f", str(configuration))
        listens(self.direct)
        return server

    def answers(self, mpm):
        server = self.apache(mpm)
        self.mixed(lambda address: self.ask_http(address, 404), self.direct)
        # It goes on without the dispatcher, and ends when it is told to.
        self.ask_http(self.direct, 404)
        os.kill(server.popen.pid, signal.SIGWINCH)
        self.assertEqual(server.popen.wait(PATIENCE), 0)

    def test_prefork(self):
        self.answers("prefork")

    def test_worker(self):
        self.answers("worker")

    def test_event(self):
        self.answers("event")

    def test_nothing_to_do_is_nothing_done(self):
        server = self.apache("prefork")
        giver = self.giver()
        for _ in range(4):
            self.ask_http(giver.address, 404)
        family = [server.popen.pid, *server.children()]
        before = processor_ticks(family)
        time.sleep(0.5)
        self.assertLessEqual(processor_ticks(family) - before, 5)  # of 50


HAPROXY = """
global
  nbthread 2
defaults
  mode http
  timeout client 30s
frontend all
  bind {host}:{port}
  http-request return status 200 content-type text/plain lf-string "%ci:%cp"
"""

LIGHTTPD = """
server.document-root = "{folder}"
server.port = {port}
server.bind = "{host}"
server.modules = ("mod_indexfile", "mod_cgi")
server.errorlog = "{folder}/error.log"
server.max-worker = 2
index-file.names = ("who.sh")
cgi.assign = (".sh" => "/bin/sh")
"""


class Others(OthersTest):
    def with_configuration(self, text, program, *words):
        address = free_address()
        configuration = Path(self.folder, "configuration")
        configuration.write_text(text.format(folder=self.folder, host=HOST, port=address[1]))
        self.serve(program, *words, str(configuration))
        listens(address)
        return address

    def test_haproxy_with_two_threads(self):
        self.mixed(self.ask_http, self.with_configuration(HAPROXY, "/usr/sbin/haproxy", "-db", "-f"))

    def test_lighttpd_with_two_workers(self):
        Path(self.folder, "who.sh").write_text(
            r'printf "Content-Type: text/plain\r\n\r\n$REMOTE_ADDR:$REMOTE_PORT $LD_PRELOAD$BATON_SERVE_TSAP"')
        self.mixed(self.ask_http, self.with_configuration(LIGHTTPD, "/usr/sbin/lighttpd", "-D", "-f"))

    def redis(self):
        self.direct = free_address()
        server = self.serve("/usr/bin/redis-server", "--port", str(self.direct[1]), "--bind", HOST, "--save", "", "--dir",
                            self.folder, "--logfile", f"{self.folder}/redis.log")
        listens(self.direct)
        return server

    def ask_redis(self, address):
        own, answer = talk(address, b"CLIENT INFO\r\n", b"\n\r\n")
        return own, answer.split(" addr=")[1].split()[0]

    def test_redis(self):
        self.redis()
        self.mixed(self.ask_redis, self.direct)

    def test_no_descriptor_is_left_behind(self):
        folder = Path(f"/proc/{self.redis().popen.pid}/fd")
        giver = self.giver()

        def left():
            answer = talk(self.direct, b"INFO clients\r\n", b"\r\n\r\n")[1]
            return len(list(folder.iterdir())) if "connected_clients:1\r" in answer else 0

        self.ask_redis(giver.address)
        before = until(left, "the client has gone")
        for _ in range(200):
            self.ask_redis(giver.address)
        until(lambda: 0 < left() <= before, "as many descriptors as before")

    def test_memcached_with_threads(self):
        direct = free_address()
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self.serve("/usr/bin/memcached", *user, "-l", HOST, "-p", str(direct[1]), "-U", "0", "-t", "3")
        listens(direct)

        def ask(address):
            own, answer = talk(address, b"stats conns\r\n", b"END\r\n")
            return own, own if f":addr tcp:{own}\r\n" in answer else answer

        self.mixed(ask, direct)


# One client at a time in each of two processes; `WAIT` accepts the next one.
PREFORK = """
import fcntl, os, select, socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
lock = os.open(%r, os.O_RDWR | os.O_CREAT)
print("port", sockets[0].getsockname()[1], flush=True)
for _ in range(2):
    if os.fork() == 0: break
else:
    while True: os.wait()

def blocking():
    return sockets[0].accept()

def non_blocking():
    while True:
        try: return sockets[0].accept()
        except BlockingIOError: select.select(sockets, [], [])

def in_turns():
    fcntl.lockf(lock, fcntl.LOCK_EX)
    ready = select.select(sockets, [], [])[0]
    accepted = ready[0].accept()
    fcntl.lockf(lock, fcntl.LOCK_UN)
    return accepted

WAIT = %s
if WAIT is non_blocking:
    for each in sockets: each.setblocking(False)
while True:
    connection, peer = WAIT()
    connection.setblocking(True)
    with connection:
        words = b""
        while not words.endswith(b"\\r\\n\\r\\n") and (more := connection.recv(65536)): words += more
        if not words.endswith(b"\\r\\n\\r\\n"): continue
        body = f"{peer[0]}:{peer[1]} {os.getpid()}"
        connection.sendall(f"HTTP/1.0 200 OK\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
"""


# Has announced itself; a connection of its own waits at the first of two sockets, and one of the dispatcher's. Accepts
# from what it is shown first, and then from none: the next one who accepts is its child.
PASSER_BY = """
import os, select, socket, sys
FAMILIES = [socket.AF_INET, %s]
sockets = [socket.create_server(("::1" if f == socket.AF_INET6 else "127.0.0.1", 0), family=f) for f in FAMILIES]
for each in sockets: each.setblocking(%s)
WAY = %r
if WAY == "epoll":
    epoll = select.epoll()
    for each in sockets: epoll.register(each, select.EPOLLIN)

def ready(timeout=None):
    if WAY == "select": return select.select(sockets, [], [], timeout)[0]
    if WAY == "epoll": shown = epoll.poll(timeout)
    else:
        poll = select.poll()
        for each in sockets: poll.register(each, select.POLLIN)
        shown = poll.poll(None if timeout is None else timeout * 1000)
    shown = [number for number, events in shown]
    return [each for each in sockets if each.fileno() in shown]

def serve_one():
    connection, peer = ready()[0].accept()
    connection.setblocking(True)
    with connection:
        words = b""
        while not words.endswith(b"\\r\\n\\r\\n"): words += connection.recv(65536)
        body = f"{peer[0]}:{peer[1]} {os.getpid()}"
        connection.sendall(f"HTTP/1.0 200 OK\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode())

print("port", sockets[0].getsockname()[1], flush=True)
while sys.stdin.readline() == "look\\n": print("ready", len(ready(0)), flush=True)
serve_one()
if os.fork() == 0:
    while True: serve_one()
os.wait()
"""


class OneAtATime(OthersTest):
    def prefork(self, way):
        server = self.serve("/usr/bin/python3", "-c", PREFORK % (f"{self.folder}/lock", way))
        return "127.0.0.1", server.port()

    def both(self, giver):
        """Until both processes have a link."""
        until(lambda: len({request(giver.address)[2].split()[1] for _ in range(4)}) == 2, "both take connections")

    def nobody_waits_behind(self, way):
        direct = self.prefork(way)
        giver = self.giver()
        self.both(giver)
        for busy in (giver.address, direct):
            # Its process waits for the rest of this client's words: all others are the other one's.
            with socket.create_connection(busy, PATIENCE) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: a\r\n")
                for _ in range(6):
                    self.ask_http(giver.address)

    def test_nobody_waits_behind_a_client_of_a_blocking_accept(self):
        self.nobody_waits_behind("blocking")

    def test_nobody_waits_behind_a_client_where_it_accepts_first_and_then_waits(self):
        self.nobody_waits_behind("non_blocking")

    def test_with_many_of_its_own_beside(self):
        self.mixed(self.ask_http, self.prefork("non_blocking"), clients=8, turns=20)

    def nobody_is_passed_by(self, way, other="socket.AF_INET", blocking=False):
        with contextlib.ExitStack() as ends:
            server = self.serve("/usr/bin/python3", "-c", PASSER_BY % (other, blocking, way))
            ends.callback(server.close)
            direct = "127.0.0.1", server.port()
            giver = self.giver()
            ends.callback(giver.close)

            def say(address):
                client = ends.enter_context(socket.create_connection(address, PATIENCE))
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return client

            def tell(word):
                server.popen.stdin.write(word)
                return server.line() if word == b"look\n" else None

            both = [say(giver.address)]
            until(lambda: tell(b"look\n") == "ready 1", "it has come")
            both.append(say(direct))  # and stands in the queue
            tell(b"go\n")
            for client in both:
                answer = b"".join(iter(lambda: client.recv(65536), b""))
                self.assertIn("{}:{} ".format(*client.getsockname()).encode(), answer)

    def test_nobody_is_passed_by(self):
        for way in ("select", "poll", "epoll"):
            for other in ("socket.AF_INET", "socket.AF_INET6"):
                with self.subTest(way=way, other=other):
                    self.nobody_is_passed_by(way, other)
        with self.subTest(blocking=True):
            self.nobody_is_passed_by("select", blocking=True)

    def test_nobody_waits_for_a_process_whose_turn_it_is_not(self):
        direct = self.prefork("in_turns")
        giver = self.giver()
        for address in (giver.address, giver.address, direct) * 7:
            self.ask_http(address)


if __name__ == "__main__":
    unittest.main()
