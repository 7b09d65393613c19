# SPDX-License-Identifier: MIT
"""What the tests share: a runtime folder of their own, servers in their own processes, connections, counted
descriptors."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import baton

HERE = Path(__file__).resolve().parent
WAIT = 20.0  # seconds: longer than anything here takes


class Server:
    """A process that runs role.py, or another program that says when it is ready."""

    def __init__(
        self, *steps: str, name: str = "server", program: str = "role.py", descriptors: Sequence[int] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / program), name, *steps],
            pass_fds=descriptors,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.timer = threading.Timer(WAIT, self.kill)
        self.timer.start()
        self.expect("ready")

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def expect(self, *lines: str) -> None:
        for wanted in lines:
            line = self.line()
            assert line == wanted, f"the server said {line!r}, not {wanted!r}"

    def tell(self, text: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def state(self) -> str:
        """As /proc has it: S when it waits."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def kill(self) -> None:
        self.process.kill()

    def end(self, status: Optional[int] = 0) -> None:
        """The process has ended by itself, as it should; one that lived has closed all its descriptors."""
        assert self.process.stdout is not None and self.process.stdin is not None
        if status == 0:
            self.tell()
        rest = self.process.stdout.read().split("\n")
        self.process.wait()
        self.close()
        assert self.process.returncode == status, f"the server ended with {self.process.returncode}: {rest}"
        if status == 0:
            assert rest[-2] == "descriptors 0", f"the server said {rest}"

    def close(self) -> None:
        self.kill()
        self.process.wait()
        self.timer.cancel()
        self.timer.join()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def pair(family: int = socket.AF_INET) -> Tuple[socket.socket, socket.socket]:
    """A client, and the end point that the listener has accepted."""
    with socket.create_server(("127.0.0.1" if family == socket.AF_INET else "::1", 0), family=family) as listening:
        client = socket.create_connection(listening.getsockname()[:2], WAIT)
        accepted, _ = listening.accept()
    return client, accepted


def descriptors() -> List[str]:
    gc.collect()
    folder = "/proc/self/fd"
    found = []
    for fd in os.listdir(folder):
        try:
            found.append(f"{fd} {os.readlink(f'{folder}/{fd}')}")
        except FileNotFoundError:
            pass  # the one that reads the folder
    return sorted(found)


class Case(unittest.TestCase):
    """Each test begins and ends with the same descriptors, has servers that are ended, and an end itself."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="baton-python-")
        self.addCleanup(folder.cleanup)
        os.environ["BATON_RUNTIME_DIR"] = folder.name
        os.environ["BATON_STRICT"] = "1"
        os.environ["BATON_NSEL"] = "TESTHOST"
        os.environ["PYTHONPATH"] = str(HERE.parent)
        with baton.LinkListener("warm"):
            pass
        self.kept = 0
        before = descriptors()
        self.addCleanup(lambda: self.assert_descriptors(before))
        signal.alarm(int(2 * WAIT))
        self.addCleanup(signal.alarm, 0)

    def assert_descriptors(self, before: List[str]) -> None:
        """As before, but for one of the library's own that a test says it keeps. The outcome reader may be closing."""
        deadline = time.monotonic() + WAIT
        while True:
            after = descriptors()
            more = [each.split(" ", 1)[1] for each in after if each not in before]
            same = all(each in after for each in before)
            if same and more in ([], ["anon_inode:[eventfd]"] * self.kept):
                return
            if time.monotonic() > deadline:
                self.assertEqual(after, before)
            time.sleep(0.01)

    def server(self, *steps: str, name: str = "server") -> Server:
        made = Server(*steps, name=name)
        self.addCleanup(made.close)
        return made

    def giver(self, name: str, *end_points: socket.socket) -> Server:
        """A listener that connects to `name`, and has the end points."""
        numbers = [end_point.fileno() for end_point in end_points]
        made = Server(*map(str, numbers), name=name, program="giver.py", descriptors=numbers)
        self.addCleanup(made.close)
        for end_point in end_points:
            end_point.close()
        return made

    def pair(self, family: int = socket.AF_INET) -> Tuple[socket.socket, socket.socket]:
        made = pair(family)
        for each in made:
            self.addCleanup(each.close)
        return made

    def link(self, name: str = "server") -> baton.Link:
        made = baton.Link.connect(name, WAIT)
        self.addCleanup(made.close)
        return made

    def assert_alive(self, client: socket.socket, end_point: socket.socket) -> None:
        """The connection goes both ways, from this process."""
        end_point.setblocking(True)
        end_point.sendall(b"from here")
        self.assertEqual(receive(client, 9), b"from here")
        client.sendall(b"from the client")
        self.assertEqual(receive(end_point, 15), b"from the client")

    def ask(self, client: socket.socket) -> None:
        """Sends what a server echoes, and is done."""
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)

    def assert_echoes(self, client: socket.socket, first: bytes = b"") -> None:
        """The server has the connection; its first octets are `first`."""
        self.ask(client)
        self.assertEqual(receive(client, 1 << 20), first + b"question")


def receive(end_point: socket.socket, most: int) -> bytes:
    """`most` octets, or those until the end of file."""
    octets = b""
    while len(octets) < most:
        more = end_point.recv(most - len(octets))
        if not more:
            break
        octets += more
    return octets
