# SPDX-License-Identifier: MIT
"""A worker that gives its connections to its successor: the example worker.py behind batond, while clients compare."""

import os
import subprocess
import sys
import time
import unittest

import baton
from house import House, PATIENCE

EXAMPLES = os.environ["BATON_PYTHON_EXAMPLES"]
POOL = '[pool.echo]\nhold = "20s"\n[[route]]\nprotocol = "unknown"\npool = "echo"\n'


class Succession(House):
    def example(self, name: str, *words: str) -> subprocess.Popen:
        return self.start([sys.executable, "-B", os.path.join(EXAMPLES, name), *words], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)

    @staticmethod
    def line(process: subprocess.Popen) -> str:
        assert process.stdout is not None
        return process.stdout.readline().decode().strip()

    def links(self) -> int:
        return sum(worker["credit"] > 0 for worker in self.workers("echo"))

    def setUp(self) -> None:
        super().setUp()
        self.start_batond(POOL, 'wait = "300ms"\nsilence = "200ms"\n')  # what batond cannot know is decided then
        self.serving = self.example("worker.py", "succession", "echo")
        self.assertEqual(self.line(self.serving), "serves 0 connections")
        self.talking = self.example("talk.py", str(self.port), "5")
        self.assertEqual(self.line(self.talking), "talks")

    def check_clients(self) -> None:
        output, _ = self.talking.communicate(b"enough\n", PATIENCE)
        self.assertRegex(output.decode(), r"5 connections, \d+ octets, each came back")
        self.assertEqual(self.talking.returncode, 0)

    def test_no_client_notices(self) -> None:
        late = [self.client(b"late, ")]
        for turn in range(4):
            following = self.example("worker.py", "succession", "echo")
            late.append(self.client(b"late, "))  # at any moment of it
            self.assertRegex(self.line(following), r"^serves \d+ connections$")
            self.assertEqual(self.serving.wait(PATIENCE), 0)
            self.serving = following
        self.until(lambda: self.links() == 1, "the last one has its link")
        for client in late:
            client.sendall(b"indeed")
            octets = b""
            while len(octets) < len(b"late, indeed"):
                part = client.recv(100)
                self.assertTrue(part, "the connection was closed")
                octets += part
            self.assertEqual(octets, b"late, indeed")
        self.check_clients()

    def test_a_successor_that_gives_up(self) -> None:
        self.environment_of_this_process()
        with baton.Link.connect("succession", PATIENCE) as link, link.take_group(PATIENCE):
            pass
        self.assertRegex(self.line(self.serving), "^goes on: .*back here: 5, moved: 0, in doubt: 0")
        self.assertEqual(self.line(self.serving), "serves 5 connections")
        self.until(lambda: self.links() == 1, "it is batond's worker again")
        self.check_clients()

    def test_batond_is_replaced_beneath_it(self) -> None:
        old = self.batond
        answer = self.ask("upgrade")
        self.assertTrue(answer["ok"], answer)
        self.follow(answer["process"])
        self.assertEqual(old.wait(PATIENCE), 0)
        self.until(lambda: self.links() == 1, "it has come back")
        following = self.example("worker.py", "succession", "echo")
        self.assertEqual(self.line(following), "serves 5 connections")
        self.check_clients()

    def environment_of_this_process(self) -> None:
        """This process meets those that it has started."""
        before = os.environ.get("BATON_RUNTIME_DIR")
        os.environ["BATON_RUNTIME_DIR"] = self.runtime
        self.addCleanup(lambda: os.environ.update(BATON_RUNTIME_DIR=before or ""))


if __name__ == "__main__":
    unittest.main()
