# SPDX-License-Identifier: MIT
"""The example: an echo server that is replaced three times, and three times not, while clients talk and compare."""

from __future__ import annotations

import socket
import subprocess
import sys
import unittest

import baton
from support import HERE, WAIT, Case

EXAMPLES = HERE.parent.parent / "examples" / "python"


class Example(Case):
    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

        def end() -> None:
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def test_restart(self) -> None:
        # Bound and not listening, it keeps the port for the servers.
        kept = socket.socket()
        self.addCleanup(kept.close)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = str(kept.getsockname()[1])
        serving = self.start("echo.py", "echo", port)
        self.assertEqual(self.line(serving), "serves 0 connections")
        talking = self.start("talk.py", port, "5")
        self.assertEqual(self.line(talking), "talks")
        for _ in range(3):
            following = self.start("echo.py", "echo", port)
            self.assertEqual(self.line(following), "serves 5 connections")
            self.assertEqual(serving.wait(WAIT), 0)
            serving = following
            with baton.Link.connect("echo", WAIT) as link, link.take_group(WAIT):
                pass  # a next one that gives up
            self.assertRegex(self.line(serving), "^goes on: .*back here: 6, moved: 0, in doubt: 0")
            self.assertEqual(self.line(serving), "serves 5 connections")
        output, _ = talking.communicate("enough\n", WAIT)
        self.assertRegex(output, r"5 connections, \d+ octets, each came back")
        self.assertEqual(talking.returncode, 0)


if __name__ == "__main__":
    unittest.main()
