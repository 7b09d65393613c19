# SPDX-License-Identifier: MIT
"""Strangers at the TSAP of a takeover, and one who poses as the batond that goes: neither is heard."""

import os
import socket
import subprocess
import unittest

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
