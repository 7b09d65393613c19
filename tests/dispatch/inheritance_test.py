# SPDX-License-Identifier: MIT
"""Upgrades of batond: what the new one keeps of the one before, and what of its own configuration it does otherwise."""

import socket
import unittest
from typing import Dict, List

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


class AnyPort(Upgrades):
    """Listeners of one address and port 0, which their names tell apart."""

    def ports(self) -> Dict[str, List[int]]:
        """Of each listener, in the order of its addresses."""
        ports: Dict[str, List[int]] = {}
        for listener in self.ask("status")["listeners"]:
            ports.setdefault(listener["name"], []).append(int(listener["address"].rsplit(":", 1)[1]))
        return ports

    def arrives_at(self, port: int, pool: str) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(http("a"))
            self.assertEqual(self.greeted_by(client), pool)

    def configure_listeners(self, listeners: Dict[str, str]) -> None:
        """By their names: their addresses. Each has a pool of its own."""
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f'[batond]\ncontrol = "{self.control}"\n')
            for name, addresses in listeners.items():
                file.write(f'[listener.{name}]\naddress = {addresses}\n[pool.{name}]\nhold = "20s"\n'
                           f'[[route]]\nlistener = "{name}"\npool = "{name}"\n')

    def test_each_keeps_its_own(self) -> None:
        one, two = '"127.0.0.1:0"', '["127.0.0.1:0", "127.0.0.1:0"]'
        self.configure_listeners({"a": one, "b": two})
        self.batond = self.start_logged([self.program, "--config", self.configuration])
        self.await_batond()
        before = self.ports()
        self.assertEqual(len({*before["a"], *before["b"]}), 3)
        self.configure_listeners({"c": one, "b": two, "a": one})
        self.upgraded()
        upgraded = self.ports()
        self.assertEqual({name: upgraded[name] for name in "ab"}, before)
        self.configure_listeners({"b": two, "c": one})
        self.assertTrue(self.ask("reload")["ok"])
        self.assertEqual(self.ports(), {name: upgraded[name] for name in "bc"})
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", before["a"][0]), timeout=PATIENCE)
        for name in "bc":
            self.start_worker(name, name)
            for port in upgraded[name]:
                self.arrives_at(port, name)


if __name__ == "__main__":
    unittest.main()
