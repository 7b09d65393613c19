# SPDX-License-Identifier: MIT
"""The programs of README.md: the listener moves a connection to the server, both as they stand there."""

from __future__ import annotations

import ast
import re
import socket
import threading
import time
import unittest
from typing import Any, Dict, List

import baton
from support import HERE, WAIT, Case, receive


class Readme(Case):
    def test_programs(self) -> None:
        text = (HERE.parent / "README.md").read_text()
        listener, server, awaited = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        served: List[socket.socket] = []

        def serve(end_point: socket.socket, data: bytes = b"") -> None:
            served.append(end_point)
            end_point.sendall(data)

        for busy, first in ((False, b"seen"), (True, b"")):  # taken; refused, and served by the listener itself
            names = {"baton": baton, "serve": serve, "busy": lambda: busy}
            serving = threading.Thread(target=exec, args=(server, dict(names)))
            serving.start()
            client, end_point = self.pair()
            scope: Dict[str, Any] = dict(names, sock=end_point, already_read=b"seen")
            self.run_when_served(listener, scope)
            scope["link"].close()
            serving.join()
            with served.pop() as connection:
                self.assertIs(connection is end_point, busy)
                connection.sendall(b".")
                self.assertEqual(receive(client, len(first) + 1), first + b".")
        compile(awaited, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    def run_when_served(self, program: str, scope: Dict[str, Any]) -> None:
        """Again, as long as the server does not have its name yet."""
        deadline = time.monotonic() + WAIT
        while True:
            try:
                return exec(program, scope)
            except ConnectionRefusedError:
                self.assertLess(time.monotonic(), deadline)


if __name__ == "__main__":
    unittest.main()
