# SPDX-License-Identifier: MIT
"""What the tests of batond have in common: the processes of a test, clients, and questions to the control socket.

BATOND, WORKER: the programs. Every process is a group of its own, is killed when its test ends, and dies with this one
if that is killed first; only a batond that batond has started (Follower) lives on then.
"""

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from typing import Any, Callable, Dict, List, Optional

BATOND = os.environ["BATON_BATOND"]
WORKER = os.environ["BATON_TEST_WORKER"]
PATIENCE = 20.0  # for what has to come; far more than it needs
LIBC = ctypes.CDLL(None)
POOLS = """
[pool.shop]
hold = "10s"
[pool.blog]
hold = "20s"
[[route]]
tsap = "SHOP"
pool = "shop"
[[route]]
host = "shop.example"
pool = "shop"
[[route]]
host = "blog.example"
pool = "blog"
"""


class Follower:
    """A batond that batond has started: as much of Popen as a test needs."""

    def __init__(self, process: int) -> None:
        self.pid = process

    def poll(self) -> Optional[int]:
        return None if alive(self.pid) else 0


class House(unittest.TestCase):
    """One batond, its workers and its clients, in a runtime folder of their own."""

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="batond-test-")
        self.addCleanup(self.folder.cleanup)
        self.runtime = os.path.join(self.folder.name, "run")
        self.control = os.path.join(self.folder.name, "control")
        self.configuration = os.path.join(self.folder.name, "batond.toml")
        self.log = os.path.join(self.folder.name, "log")
        self.program = BATOND
        self.environment = {**os.environ, "BATON_RUNTIME_DIR": self.runtime}
        self.processes: List[subprocess.Popen] = []
        self.followers: List[Follower] = []
        self.addCleanup(self.end_processes)

    def end_processes(self) -> None:
        for follower in self.followers:
            if follower.poll() is None:
                os.kill(follower.pid, signal.SIGKILL)
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()

    def start(self, words: List[str], first: Callable[[], Any] = lambda: None, **more: Any) -> subprocess.Popen:
        """`first` is what the process does before it becomes the program."""
        def prepare() -> None:
            LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            first()

        process = subprocess.Popen(words, **{"env": self.environment, **more}, start_new_session=True,
                                   preexec_fn=prepare)
        self.processes.append(process)
        return process

    def start_logged(self, words: List[str], **more: Any) -> subprocess.Popen:
        with open(self.log, "ab") as log:
            return self.start(words, stderr=log, **more)

    def follow(self, process: int) -> None:
        """It is batond from now on."""
        self.batond = Follower(process)
        self.followers.append(self.batond)

    def configure(self, text: str, listener: str = "") -> None:
        if "wait =" not in listener:  # who says half has all the time that a slow machine takes
            listener = 'wait = "5m"\n' + listener
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f'[batond]\ncontrol = "{self.control}"\nlog = "debug"\n'
                       f'[listener.front]\naddress = "127.0.0.1:0"\n{listener}\n{text}')

    def edit_configuration(self, old: str, new: str) -> None:
        with open(self.configuration, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count(old), 1, text)
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))

    def start_batond(self, text: str, listener: str = "", **more: Any) -> None:
        self.configure(text, listener)
        self.batond = self.start_logged([self.program, "--config", self.configuration], **more)
        self.await_batond()

    def await_batond(self) -> None:
        self.until(lambda: self.status() is not None, "batond answers")
        self.port = int(self.ask("status")["listeners"][0]["address"].rsplit(":", 1)[1])

    def start_worker(self, pool: str, name: str, *manner: str) -> subprocess.Popen:
        worker = self.start([WORKER, pool, name, *manner], stdout=subprocess.PIPE)
        says = select.poll()  # select(2) ends at descriptor 1023
        says.register(worker.stdout, select.POLLIN)
        self.until(lambda: self.batond.poll() is not None or says.poll(0), "it is ready")
        self.assertIsNone(self.batond.poll(), "batond has ended")
        self.assertEqual(worker.stdout.readline(), b"ready\n")
        self.until(lambda: any(w["process"] == worker.pid and w["credit"] for w in self.workers(pool)), "credit")
        return worker

    def until(self, held: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while True:
            value = held()
            if value:
                return value
            if time.monotonic() > end:
                self.fail(f"waited in vain until {what}; batond's log:\n{self.logged()[-4000:]}")
            time.sleep(0.01)  # between two looks

    def logged(self) -> str:
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def ask(self, verb: str, **more: Any) -> Dict[str, Any]:
        with self.begin_to_ask(verb, **more) as control:
            return self.answer_on(control)

    def begin_to_ask(self, verb: str, **more: Any) -> socket.socket:
        """A control connection on which batond's answer comes."""
        control = socket.socket(socket.AF_UNIX)
        try:
            control.settimeout(PATIENCE)
            control.connect(self.control)
            control.sendall(json.dumps({"do": verb, **more}).encode() + b"\n")
        except OSError:
            control.close()
            raise
        return control

    @staticmethod
    def answer_on(control: socket.socket) -> Dict[str, Any]:
        answer = b""
        while not answer.endswith(b"\n"):
            part = control.recv(1 << 20)
            if not part:
                raise ConnectionResetError("batond has closed the control connection")
            answer += part
        return json.loads(answer)

    def status(self) -> Optional[Dict[str, Any]]:
        try:
            return self.ask("status")
        except OSError:
            return None

    def counter(self, name: str) -> int:
        return self.ask("status")["counters"][name]

    def pool(self, name: str) -> Dict[str, Any]:
        return next(pool for pool in self.ask("workers")["pools"] if pool["name"] == name)

    def workers(self, pool: str) -> List[Dict[str, Any]]:
        return self.pool(pool)["workers"]

    def client(self, octets: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self.addCleanup(client.close)
        client.sendall(octets)
        return client

    def half_client(self) -> socket.socket:
        """It has said half of an ISO request for SHOP."""
        return self.client(HALF)

    def go_on(self, *half: socket.socket) -> None:
        """They say the other half, and each is answered."""
        for client in half:
            client.sendall(iso(b"SHOP")[len(HALF):])
        for client in half:
            self.assertEqual(read_exactly(client, 11)[5], 0xD0)

    def under_way(self, pool: str, host: str, count: int) -> List[socket.socket]:
        """So many clients have been given to the pool's first worker, which does not take them."""
        clients = [self.client(http(host)) for _ in range(count)]
        self.until(lambda: self.workers(pool)[0]["under_way"] == count, "they are under way")
        return clients

    def asks(self, host: str, count: int = 1) -> None:
        """So many clients, one after the other; each is served, and counted."""
        before = self.counter("moved")
        for number in range(1, count + 1):
            self.greeted_by(self.client(http(host)))
            self.until(lambda: self.counter("moved") == before + number, "it is counted")

    def greeted_by(self, client: socket.socket) -> str:
        """The worker's name; it has seen the client's own port."""
        line = read_line(client)
        name, port = line.split()
        self.assertEqual(int(port), client.getsockname()[1])
        return name

    def echoes(self, client: socket.socket, octets: bytes = b"and on") -> None:
        client.sendall(octets)
        self.assertEqual(read_exactly(client, len(octets)), octets)


class Upgrades(House):
    """batond is started by a link, so that another program can take its place."""

    def setUp(self) -> None:
        super().setUp()
        self.program = os.path.join(self.folder.name, "batond")
        os.symlink(BATOND, self.program)

    def replace_program(self, text: str) -> None:
        """The next batond is a script that `exec`s."""
        new = self.program + ".new"
        with open(new, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(new, 0o755)
        os.rename(new, self.program)

    def restore_program(self) -> None:
        new = self.program + ".new"
        os.symlink(BATOND, new)
        os.rename(new, self.program)

    def upgrade(self) -> Dict[str, Any]:
        answer = self.ask("upgrade")
        if answer["ok"]:
            self.follow(answer["process"])
        return answer

    def upgraded(self) -> Dict[str, Any]:
        answer = self.upgrade()
        self.assertTrue(answer["ok"], answer)
        return answer

    def serves(self, name: str = "S") -> None:
        self.assertEqual(self.greeted_by(self.client(http("shop.example"))), name)


def read_exactly(client: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        part = client.recv(size - len(octets))
        if not part:
            break
        octets += part
    return octets


def read_line(client: socket.socket) -> str:
    line = b""
    while not line.endswith(b"\n"):
        part = client.recv(1)
        if not part:
            break
        line += part
    return line.decode()


def read_all(client: socket.socket) -> bytes:
    octets = b""
    while part := client.recv(65536):
        octets += part
    return octets


def http(host: str, path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def iso(called: bytes) -> bytes:
    """A TPKT with a CR (RFC 905 13.3), source reference 0x1234, calling TSEL "ME"."""
    parameters = b"\xc1\x02ME" + b"\xc2" + bytes([len(called)]) + called
    tpdu = b"\xe0\x00\x00\x12\x34\x00" + parameters
    return bytes([3, 0, 0, 5 + len(tpdu), len(tpdu)]) + tpdu


HALF = iso(b"SHOP")[:6]


def postgres(user: str, database: str) -> bytes:
    body = b"\x00\x03\x00\x00" + f"user\0{user}\0database\0{database}\0\0".encode()
    return (4 + len(body)).to_bytes(4, "big") + body


def reserved_port() -> socket.socket:
    """While it is open nobody who asks for any port gets its; who names it can listen there."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def reserved_everywhere() -> socket.socket:
    """The same at every address of both families."""
    reserved = socket.socket(socket.AF_INET6)
    reserved.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("::", 0))
    return reserved


def state_of(process: int) -> str:
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def alive(process: int) -> bool:
    return state_of(process) not in "ZX"


def descriptors(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def cpu_of(process: int) -> float:
    """Seconds of processor time that it has used."""
    with open(f"/proc/{process}/stat", encoding="ascii") as stat:
        words = stat.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
