# SPDX-License-Identifier: MIT
"""What the tests of `baton serve` have in common: processes with a deadline, a dispatcher, clients."""

import contextlib
import ctypes
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BATON = os.environ["BATON_PROGRAM"]
GIVER = os.environ["SERVE_GIVER"]
SERVER = os.environ["SERVE_SERVER"]
BATOND = os.environ.get("SERVE_BATOND")  # stands in for the giver
SUPERVISED = "SERVE_SUPERVISED" in os.environ
PATIENCE = 30  # seconds; far more than anything needs
POOL = "web"
LIBC = ctypes.CDLL(None)


def _dies_with_us():
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Process:
    """A process group of its own, killed at the end. What it writes can be read by lines."""

    def __init__(self, words, env=None, stdin=subprocess.PIPE, stderr=None):
        # Not text: a line that waits in Python's buffer would not show in select.
        self.popen = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=env, start_new_session=True,
                                      preexec_fn=_dies_with_us, bufsize=0)
        self._pending = b""

    def line(self, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while b"\n" not in self._pending:
            rest = deadline - time.monotonic()
            if rest <= 0 or not select.select([self.popen.stdout], [], [], rest)[0]:
                raise AssertionError("no line in time")
            octets = os.read(self.popen.stdout.fileno(), 65536)
            if not octets:
                raise AssertionError(f"ended with {self.popen.wait(PATIENCE)} instead of a line")
            self._pending += octets
        line, self._pending = self._pending.split(b"\n", 1)
        return line.decode()

    def port(self):
        word, number = self.line().split()
        assert word == "port", word
        return int(number)

    def children(self):
        return children_of(self.popen.pid)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(PATIENCE)
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream:
                stream.close()


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def as_nobody(*words):
    """The words by which another user runs these; whoever tests is root."""
    return ("setpriv", f"--reuid={pwd.getpwnam('nobody').pw_uid}", "--clear-groups", *words)


class Giver(Process):
    """The dispatcher. `counts` ends it."""

    def __init__(self, env, port=0):
        super().__init__([GIVER, POOL, str(port)], env)
        self.address = ("127.0.0.1", self.port())
        self.address6 = ("::1", self.address[1])

    def counts(self):
        self.popen.stdin.close()
        words = self.line().split()
        return {name: int(value) for name, value in zip(words[::2], words[1::2])}


class Batond(Process):
    """The same by batond itself, which looks at what each client says."""

    def __init__(self, env, folder):
        self.control = os.path.join(folder, "control")
        self.env = env
        configuration = os.path.join(folder, "batond.toml")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(f"""
[batond]
control = "{self.control}"
[listener.front]
address = ["127.0.0.1:0", "[::1]:0"]
[pool.{POOL}]
[[route]]
protocol = ["http", "postgres", "unknown"]
pool = "{POOL}"
""")
        super().__init__([BATOND, "--config", configuration], env)
        until(self.status, "batond answers")
        ports = [int(each["address"].rsplit(":", 1)[1]) for each in self.status()["batond"]["listeners"]]
        self.address, self.address6 = ("127.0.0.1", ports[0]), ("::1", ports[1])

    def status(self):
        asked = subprocess.run([BATON, "status", "--json", "--control", self.control], env=self.env, timeout=PATIENCE,
                               capture_output=True, text=True)
        return next((each for each in json.loads(asked.stdout or "[]") if "batond" in each), None)

    def counts(self):
        def settled():
            status = self.status()
            waiting = status["batond"]["undecided"] + sum(
                worker["under_way"] for pool in status["pools"] for worker in pool["workers"])
            return waiting == 0 and status["batond"]["counters"]

        return until(settled, "nothing is under way")


RESERVED = []


def free_port():
    """Of this process to its end: while it is bound and does not listen nobody is given it who asks for any port, and a server
    that names it can listen there, at any address."""
    reserved = socket.socket(socket.AF_INET6)
    reserved.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("::", 0))
    RESERVED.append(reserved)
    return reserved.getsockname()[1]


def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def until(condition, what, patience=PATIENCE):
    """Asks again until it holds: what it gave then."""
    deadline = time.monotonic() + patience
    while not (held := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.01)
    return held


class Answer:
    """What a server of server.cpp said to one client."""

    def __init__(self, address):
        with socket.create_connection(address, PATIENCE) as client:
            self.own = client.getsockname()
            octets = b""
            while not octets.endswith(b"\n"):
                part = client.recv(4096)
                if not part:
                    raise ConnectionError("the connection ended without an answer")
                octets += part
        words = octets.decode().split()
        self.pid = int(words[0])
        self.peer = words[1]
        self.more = dict(word.split(":", 1) for word in words[2:])

    @property
    def own_text(self):
        host, port = self.own[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class ServeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="baton-serve-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o1777)
        self.folder = folder.name
        self.env = dict(os.environ, BATON_RUNTIME_DIR=folder.name)
        self.env.pop("LD_PRELOAD", None)

    def start(self, process):
        self.addCleanup(process.close)
        return process

    def giver(self, port=0):
        return self.start(Batond(self.env, self.folder) if BATOND else Giver(self.env, port))

    def serve(self, *program, options=(), env=None, **more):
        return self.start_plain(self.served(*program, options=options), env, **more)

    def served(self, *program, options=()):
        return [BATON, "serve", "--tsap", POOL, *options, *(["--supervise"] if SUPERVISED else []), "--", *program]

    def start_plain(self, words, env=None, **more):
        return self.start(Process(words, env or self.env, **more))


    def killed_at_random(self, address, workers, kills=15):
        """Kills processes of workers() while clients come: each has one connection in its hands, and no other dies."""
        answered, lost, done = [], [], []

        def client(number):
            if number == 0:
                for turn in range(kills):
                    goal = len(answered) + 20
                    until(lambda: len(answered) >= goal, "clients are served")
                    running = workers()
                    os.kill(running[turn % len(running)], signal.SIGKILL)
                done.append(True)
                return
            while not done:
                try:
                    answered.append(Answer(address).pid)
                except ConnectionError:
                    lost.append(number)

        in_threads(7, client)
        self.assertLessEqual(len(lost), kills)
        self.assertGreaterEqual(len(answered), 20 * kills)


def in_threads(count, work):
    """Runs work(number) in threads; the first failure is raised."""
    failures = []

    def guarded(number):
        try:
            work(number)
        except BaseException as failure:  # raised again below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
