# SPDX-License-Identifier: MIT
"""Strangers at the TSAP of a takeover, and one who poses as the batond that goes: neither is heard."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import unittest
from typing import Optional

from house import BATOND, PATIENCE, POOLS, Upgrades, alive, http
from upgrade_test import SUCCESSOR, Load


class Strangers(Upgrades):
    def test_they_come_first(self) -> None:
        """Before the one that batond has started; the upgrade succeeds, and no client is lost."""
        self.start_batond(POOLS)
        self.start_worker("shop", "S")
        half = self.half_client()
        held = self.client(http("blog.example"))
        self.until(lambda: self.status()["undecided"] == 1 and self.status()["held"] == 1, "they wait")
        go_on = self.program + ".go"
        named = self.program + ".name"
        os.mkfifo(go_on)
        self.replace_program(f'echo "$BATOND_TAKES_OVER" >"{named}"\nread word <"{go_on}"\nexec "{BATOND}" "$@"\n')
        load = Load(self.port, 2)
        try:
            with self.begin_to_ask("upgrade") as control:
                self.until(lambda: os.path.exists(named) and os.path.getsize(named) > 1, "it is started")
                with open(named, encoding="ascii") as file:
                    name = file.read().strip()
                silent = [self.raw_link(name) for _ in range(140)]
                for octets in (b"\0", b"\xff" * 65000, b"\xe0", b'{"say": "hello", "protocol": 1}'):
                    self.raw_link(name).sendall(octets)
                subprocess.run([SUCCESSOR, "stranger"], env={**self.environment, "BATOND_TAKES_OVER": name}, check=True,
                               timeout=PATIENCE * 2)
                with open(go_on, "w", encoding="ascii") as file:
                    file.write("now\n")
                answer = self.answer_on(control)
            self.assertTrue(answer["ok"], answer)
            self.follow(answer["process"])
            self.assertGreaterEqual(answer["clients"], 2)  # and those of the load that had said half
            served = load.served
            self.until(lambda: load.served > served + 10 or load.failures, "clients are served")
        finally:
            load.end()
        self.assertEqual(load.failures, [])
        for link in silent:
            self.assertEqual(link.recv(1), b"")
        self.go_on(half)
        self.start_worker("blog", "B")
        self.assertEqual(self.greeted_by(held), "B")

    def raw_link(self, name: str) -> socket.socket:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(link.close)
        link.connect(os.path.join(self.runtime, "tsap", name))
        link.settimeout(PATIENCE)
        return link

    def test_one_takes_the_name_of_a_pool_while_it_changes_hands(self) -> None:
        """The old one goes on, and has the name again when that one lets go of it."""
        self.start_batond(POOLS)
        self.start_worker("shop", "S")
        self.replace_program(f'exec "{SUCCESSOR}" hangs-collected\n')
        with self.begin_to_ask("upgrade") as control:
            lock = self.until(lambda: self.locked("shop"), "the name is free")
            try:
                os.kill(int(self.until(lambda: re.search(r"is started, process (\d+)", self.logged()), "it is said")[1]),
                        signal.SIGKILL)
                self.assertFalse(self.answer_on(control)["ok"])
                self.until(lambda: "pool shop: cannot take workers at 'shop'" in self.logged(), "it misses the name")
                self.serves()  # by the worker that is there
            finally:
                os.close(lock)
        self.until(lambda: os.path.exists(self.named("shop")), "it has the name again")
        self.start_worker("shop", "T")
        self.assertEqual({self.greeted_by(self.client(http("shop.example"))) for _ in range(6)}, {"S", "T"})

    def named(self, tsel: str) -> str:
        return os.path.join(self.runtime, "tsap", tsel.encode().hex())

    def locked(self, tsel: str) -> Optional[int]:
        """As another process takes a name: by its lock. None: somebody has it."""
        path = self.named(tsel) + ".lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(lock)
        return None

    def test_one_who_has_not_started_it_is_not_followed(self) -> None:
        """A shell stands between the two."""
        self.configure(POOLS)
        before = self.start_logged([SUCCESSOR, "dies-committed", "127.0.0.1:0", "/bin/sh", "-c", '"$@" & wait', "sh",
                                    BATOND, "--config", self.configuration], stdout=subprocess.PIPE)
        shell = int(before.stdout.readline())
        self.assertEqual(before.wait(PATIENCE), 9)  # it could not give anything
        self.until(lambda: not alive(shell), "the new one has ended")
        self.assertIn("has not started this one", self.logged())


if __name__ == "__main__":
    unittest.main()
