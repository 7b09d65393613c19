# SPDX-License-Identifier: MIT
"""Upgrades of batond: what the new one keeps of the one before, and what of its own configuration it does otherwise."""

import socket
import unittest
from typing import List

from house import PATIENCE, Upgrades, http, read_exactly


class Targets(Upgrades):
    """Pools whose connections are copied."""

    def setUp(self) -> None:
        super().setUp()
        self.servers: List[socket.socket] = []
        for _ in range(3):
            server = socket.create_server(("127.0.0.1", 0))
            self.addCleanup(server.close)
            server.settimeout(PATIENCE)
            self.servers.append(server)

    def names(self, *numbers: int) -> str:
        return ", ".join(f'"127.0.0.1:{self.servers[number].getsockname()[1]}"' for number in numbers)

    def drained(self) -> List[bool]:
        return [target["draining"] for target in self.workers("old")]

    def goes_to(self, number: int, count: int = 4) -> None:
        """So many clients, one after the other."""
        for _ in range(count):
            client = self.client(http("a"))
            connection, _ = self.servers[number].accept()
            with connection:
                connection.settimeout(PATIENCE)
                self.assertEqual(read_exactly(connection, len(http("a"))), http("a"))
            client.close()

    def test_one_that_is_drained_stays_so(self) -> None:
        self.start_batond(f'[pool.old]\nconnect = [{self.names(0, 1)}]\n[[route]]\nhost = "*"\npool = "old"\n')
        drained, open_one = self.workers("old")
        self.assertTrue(self.ask("drain", pool="old", worker=drained["id"])["ok"])
        for _ in range(2):
            self.upgraded()
            self.assertEqual(self.drained(), [True, False])
            self.goes_to(1)
        # Also where the targets are others now: with the configuration that is upgraded to, and with a reload.
        self.edit_configuration(self.names(0, 1), self.names(2, 0))
        self.upgraded()
        self.assertEqual(self.drained(), [False, True])
        self.goes_to(2)
        self.edit_configuration(self.names(2, 0), self.names(0, 1))
        self.assertTrue(self.ask("reload")["ok"])
        self.assertEqual(self.drained(), [True, False])
        # And not for longer than it is drained.
        self.assertTrue(self.ask("drain", pool="old", on=False)["ok"])
        self.upgraded()
        self.assertEqual(self.drained(), [False, False])


if __name__ == "__main__":
    unittest.main()
