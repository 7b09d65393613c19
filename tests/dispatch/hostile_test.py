# SPDX-License-Identifier: MIT
"""Who would harm batond: other users of the host, callers of its control socket, clients. docs/threat-model.md."""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import stat
import time
import unittest
from typing import Any, Callable, List

from house import BATOND, House, LIBC, PATIENCE, http, iso, postgres, read_all

OWNER, STRANGER = 65_501, 65_502
POOL = """
[pool.p]
hold = "100ms"
[[route]]
host = "a"
pool = "p"
[[route]]
tsap = "P"
pool = "p"
[[route]]
sni = "a"
pool = "p"
[[route]]
database = "a"
pool = "p"
"""
CLOSED = ("", "ECONNRESET", "EPIPE")  # what knock() hears where nobody has answered


def become(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, which a change of users clears


def as_user(user: int, action: Callable[[], Any]) -> Any:
    """What it gives, done as that user; an OSError is the name of its number."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            try:
                become(user)
                try:
                    answer = action()
                except OSError as error:
                    answer = errno.errorcode.get(error.errno or errno.ETIMEDOUT)
                theirs.sendall(json.dumps(answer).encode())
            finally:
                os._exit(0)
        theirs.close()
        answer = read_all(ours)
        os.waitpid(child, 0)
    return json.loads(answer)


def knock(path: str, kind: int, octets: bytes) -> str:
    """What comes back."""
    with socket.socket(socket.AF_UNIX, kind) as caller:
        caller.settimeout(PATIENCE)
        caller.connect(path)
        caller.sendall(octets)
        return caller.recv(1000).decode("latin-1")


class Users(House):
    def setUp(self) -> None:
        super().setUp()
        self.assertEqual(os.geteuid(), 0, "this test changes users: run it as root")
        os.chmod(self.folder.name, 0o755)

    def drain(self) -> str:
        return knock(self.control, socket.SOCK_STREAM, b'{"do": "drain"}\n')

    def is_for_its_user_alone(self) -> None:
        self.assertEqual(stat.S_IMODE(os.stat(self.control).st_mode), 0o600)
        self.assertEqual(as_user(STRANGER, self.drain), "EACCES")
        os.chmod(self.control, 0o666)  # what a careless hand might do
        for _ in range(3):
            self.assertIn(as_user(STRANGER, self.drain), CLOSED)
        self.assertFalse(self.ask("status")["draining"])

    def test_the_control_socket_of_root(self) -> None:
        self.start_batond(POOL)
        self.is_for_its_user_alone()

    def test_the_control_socket_of_a_user(self) -> None:
        os.chown(self.folder.name, OWNER, OWNER)
        program = os.open(BATOND, os.O_RDONLY)  # that user may not reach it by its path
        self.addCleanup(os.close, program)
        self.program = f"/proc/self/fd/{program}"
        self.start_batond(POOL, first=lambda: become(OWNER), pass_fds=[program])
        self.assertEqual(os.stat(self.control).st_uid, OWNER)
        self.is_for_its_user_alone()
        self.assertIn('"ok":true', as_user(OWNER, self.drain))

    def test_no_worker_of_another_user(self) -> None:
        """It is not read from, also where the folders and the socket are open to all."""
        self.start_batond(POOL)
        path = os.path.join(self.runtime, "tsap", b"p".hex())
        connection_request = iso(b"p")[4:]  # which makes a link

        def offers_itself() -> str:
            return knock(path, socket.SOCK_SEQPACKET, connection_request)

        self.assertEqual(as_user(STRANGER, offers_itself), "EACCES")
        for opened in (self.runtime, os.path.dirname(path)):
            os.chmod(opened, 0o755)
        self.assertEqual(as_user(STRANGER, offers_itself), "EACCES")
        os.chmod(path, 0o666)
        for _ in range(3):
            self.assertIn(as_user(STRANGER, offers_itself), CLOSED)
        self.assertEqual(self.workers("p"), [])
        self.assertEqual(as_user(0, offers_itself)[1], "\xd0")  # a CC: the same makes a link of root's
        self.until(lambda: self.workers("p") == [], "root's is gone")
        self.start_worker("p", "S")
        self.asks("a")
        self.assertEqual(len(self.workers("p")), 1)


class Callers(House):
    """Of the control socket, who may call."""

    def setUp(self) -> None:
        super().setUp()
        self.start_batond(POOL)
        self.start_worker("p", "S")

    def calls(self, octets: bytes) -> socket.socket:
        caller = socket.socket(socket.AF_UNIX)
        self.addCleanup(caller.close)
        caller.connect(self.control)
        caller.settimeout(PATIENCE)
        caller.sendall(octets)
        return caller

    def test_what_is_no_request(self) -> None:
        rubbish: List[bytes] = [b"", b"rubbish", b"[]", b"null", b'{"do": 7}', b'{"do": "\\u0000"}', b"\xff\xfe", b"[" * 4000,
                                b'{"do": "drain", "pool": []}', b'{"do": "drain", "pool": "p", "worker": -1}',
                                b'{"do": "drain", "pool": "p", "worker": 1e99}', b'{"do": "drain", "pool": "p", "on": 0}']
        with self.calls(b"\n".join(rubbish) + b"\n").makefile() as answers:
            for each in rubbish:
                self.assertFalse(json.loads(answers.readline())["ok"], each)
        # Longer than any request: closed without an answer.
        self.assertIn(heard(lambda: self.calls(b"x" * 5000)), CLOSED)
        self.asks("a")

    def test_more_than_it_hears_at_once(self) -> None:
        silent = [self.calls(b'{"do": ') for _ in range(64)]
        self.assertIn(heard(lambda: self.calls(b'{"do": "status"}\n')), CLOSED)
        self.greeted_by(self.client(http("a")))
        for caller in silent:
            caller.close()
        self.until(lambda: self.status() is not None, "it answers again")


def heard(call: Callable[[], socket.socket]) -> str:
    try:
        return call().recv(1000).decode()
    except ConnectionError as error:
        return errno.errorcode[error.errno]


def to_its_end(client: socket.socket, octets: bytes, whole: bool) -> None:
    """Says it, `whole`: and that it is all; is ended in either way."""
    try:
        client.sendall(octets)
        if whole:
            client.shutdown(socket.SHUT_WR)
        read_all(client)
    except TimeoutError:
        raise
    except OSError:  # ECONNRESET, or what follows it: EPIPE, ENOTCONN
        pass
    client.close()


class Clients(House):
    def test_those_of_one_source_leave_room_for_others(self) -> None:
        self.start_batond(POOL + "[limits]\nundecided_per_source = 3\nundecided = 5\n", 'wait = "60s"\n')
        self.start_worker("p", "S")

        def half_from(source: str) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE, source_address=(source, 0))
            self.addCleanup(client.close)
            client.sendall(http("a")[:10])
            return client

        def too_many() -> int:
            return self.ask("status")["listeners"][0]["too_many"]

        def waits(count: int) -> None:
            self.until(lambda: self.ask("status")["undecided"] == count, "they wait")

        half = [half_from("127.0.0.1") for _ in range(3)]
        waits(3)
        self.assertIn(heard(lambda: half_from("127.0.0.1")), CLOSED)
        half += [half_from("127.0.0.2") for _ in range(2)]
        waits(5)
        self.assertIn(heard(lambda: half_from("127.0.0.3")), CLOSED)
        self.assertEqual(too_many(), 2)
        half[0].sendall(http("a")[10:])
        self.assertEqual(self.greeted_by(half[0]), "S")
        half_from("127.0.0.3")
        waits(5)

    def test_beginnings_without_an_end(self) -> None:
        """More than most_octets of what could be a protocol's beginning: each is ended, and before its time is up."""
        self.start_batond(POOL, 'wait = "60s"\nproxy = "optional"\n')
        self.start_worker("p", "S")
        much = b"a" * 70_000
        endless = [b"GET / HTTP/1.1\r\nX: " + much, b"GET /" + much, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 70_000,
                   b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + much, b"\x00\x00\xff\xff\x00\x03\x00\x00" + much,
                   b"\x03\x00\xff\xff\xfe\xe0" + much, b"PROXY TCP4 " + much, b"PROXY UNKNOWN " + much,
                   b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + much, much, b"\0" * 70_000, b"\xff" * 70_000]
        for octets in endless:
            to_its_end(self.client(), octets, whole=False)
        self.until(lambda: self.ask("status")["undecided"] == 0, "all are decided")
        self.assertEqual(self.ask("status")["listeners"][0]["late"], 0)
        self.assertEqual(self.counter("moved"), 0)
        self.assertEqual(self.greeted_by(self.client(http("a"))), "S")

    def test_no_longer_than_wait_however_slowly_they_speak(self) -> None:
        self.start_batond(POOL, 'wait = "300ms"\nsilence = "100ms"\n')
        self.start_worker("p", "S")
        silent = self.client()
        half = self.half_client()
        slow = self.client(b"GET / HTTP/1.1\r\nX: ")
        slow.settimeout(0.02)  # between two octets
        end = time.monotonic() + PATIENCE
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                slow.sendall(b"x")
                try:
                    if not slow.recv(1000):
                        break
                except TimeoutError:
                    pass
        self.assertLess(time.monotonic(), end)
        for client in (silent, half):
            to_its_end(client, b"", whole=False)
        self.assertEqual(self.ask("status")["listeners"][0]["late"], 3)
        self.asks("a")

    def test_lines_of_the_log_are_batonds_own(self) -> None:
        """At its most talkative: what clients send begins no line, and brings no control character."""
        self.start_batond(POOL)
        self.start_worker("p", "S")
        line = "2026-01-01T00:00:00.000+00:00 error: forged"
        for name in (f"x\n{line}", f"x\r{line}", "x\x1b[2J", "x\x00y", "x reason=forged", "x\u202ey"):
            for octets in (http("a", f"/{name}"), http(name), http("a").replace(b"\r\n\r\n", f"\r\nHost: {name}\r\n\r\n".encode()),
                           iso(name.encode()[:32]), postgres(name, "a"), postgres("a", name),
                           f"PROXY TCP4 {name} 192.0.2.1 1 2\r\n".encode() + http("a"), name.encode()):
                to_its_end(self.client(), octets, whole=True)
        self.until(lambda: self.ask("status")["undecided"] == 0, "all are decided")
        for verb in ("status", "routes", "workers"):  # what the metrics and their page show, too
            self.assertNotIn("forged", json.dumps(self.ask(verb)))
        logged = self.logged()
        self.assertIn("ended: ", logged)
        self.assertNotIn("forged", logged)
        for each in logged.split("\n")[:-1]:
            self.assertRegex(each, r"^\d{4}-\d\d-\d\dT[\d:.+]+ (debug|info): [ -~]+$")
        self.assertEqual(re.findall(r"[^\n -~]", logged), [])


if __name__ == "__main__":
    unittest.main()
