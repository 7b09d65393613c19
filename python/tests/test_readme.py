# SPDX-License-Identifier: MIT
"""The programs of README.md: the listener moves a connection to the server, both as they stand there."""

from __future__ import annotations

import ast
import contextlib
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
        listener, server, awaited, old, new = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
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
        self.restart(old, new)

    def restart(self, old: str, new: str) -> None:
        """A new process that is not fit, and one that is."""
        said: List[str] = []
        served: List[socket.socket] = []
        prepared: List[List[bytes]] = []

        def prepare(blobs: List[bytes]) -> None:
            prepared.append(blobs)
            if len(prepared) == 1:
                raise RuntimeError("not fit")

        with socket.create_server(("127.0.0.1", 0)) as listening, baton.LinkListener("successor") as names:
            client, end_point = self.pair()
            for _ in range(2):
                scope = {"baton": baton, "listening": listening, "clients": [(end_point, b"state")], "go_on": said.append}

                def give() -> None:
                    with names.accept(WAIT) as link:
                        exec(old, dict(scope, link=link))

                giving = threading.Thread(target=give)
                giving.start()
                with self.link("successor") as link, contextlib.suppress(RuntimeError):
                    exec(new, {"link": link, "prepare": prepare, "serve": lambda each, _: served.append(each)})
                giving.join()
                self.assertEqual(len(said), 1)
            self.assertEqual(prepared, [[b"", b"state"]] * 2)
            self.assertRegex(said.pop(), "back here: 2, moved: 0, in doubt: 0")
            self.assertEqual(said, [])
            self.assertEqual([listening.fileno(), end_point.fileno()], [-1, -1])
            self.assert_alive(client, served[1])
            with socket.create_connection(served[0].getsockname(), WAIT):
                served[0].accept()[0].close()
            for each in served:
                each.close()

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
