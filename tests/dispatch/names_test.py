# SPDX-License-Identifier: MIT
"""Pools whose targets have names: batond in a mount namespace, whose hosts file is the test's own."""

import os
import socket
import unittest
from typing import List

from house import PATIENCE, House, http, read_all, read_exactly, reserved_everywhere

NAMESPACE = ["unshare", "--mount", "--propagation", "private"] + (
    [] if os.geteuid() == 0 else ["--user", "--map-root-user"])
INSIDE = ('mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && exec "$@"')
ROUTE = '[[route]]\nhost = "*"\npool = "old"\n'


class Names(House):
    def setUp(self) -> None:
        super().setUp()
        self.hosts = os.path.join(self.folder.name, "hosts")
        self.write("nsswitch.conf", "hosts: files\n")
        self.servers: List[socket.socket] = []
        reserved = reserved_everywhere()  # a port that is free at both
        self.addCleanup(reserved.close)
        self.at = reserved.getsockname()[1]
        for address in ("127.0.0.1", "127.0.0.2"):
            self.server(address, self.at)

    def server(self, address: str, port: int) -> socket.socket:
        server = socket.create_server((address, port))
        self.addCleanup(server.close)
        server.settimeout(PATIENCE)
        self.servers.append(server)
        return server

    def write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder.name, name), "w", encoding="ascii") as file:
            file.write(text)

    def pool_of(self, manner: str = "") -> str:
        return f'[pool.old]\n{manner}connect = ["backend.test:{self.at}"]\n{ROUTE}'

    def start_inside(self, text: str) -> None:
        self.configure(text)
        self.batond = self.start_logged([*NAMESPACE, "sh", "-c", INSIDE, self.folder.name, self.program, "--config",
                                         self.configuration])
        self.await_batond()

    def says(self, text: str) -> None:
        self.until(lambda: text in self.logged(), f"the log says {text!r}")

    def is_served_by(self, server: int, client: socket.socket) -> None:
        connection, _ = self.servers[server].accept()
        with connection:
            connection.settimeout(PATIENCE)
            self.assertEqual(read_exactly(connection, len(http("a"))), http("a"))
            connection.sendall(b"served")
        self.assertEqual(read_all(client), b"served")

    def test_a_reload_looks_up(self) -> None:
        self.write("hosts", "127.0.0.1 backend.test\n")
        self.start_inside(self.pool_of())
        self.is_served_by(0, self.client(http("a")))
        self.write("hosts", "127.0.0.2 backend.test\n")
        self.is_served_by(0, self.client(http("a")))
        self.assertTrue(self.ask("reload")["ok"])
        self.says(f"pool old: backend.test:{self.at}: it is at 127.0.0.2:{self.at}")
        self.is_served_by(1, self.client(http("a")))

    def test_one_that_cannot_be_reached_is_looked_up(self) -> None:
        self.write("hosts", "127.0.0.1 backend.test\n")
        self.start_inside(self.pool_of('hold = "20s"\n'))
        self.servers[0].close()
        self.write("hosts", "127.0.0.2 backend.test\n")
        self.is_served_by(1, self.client(http("a")))
        # A name that is gone keeps its address, whether or not anybody asks.
        self.write("hosts", "")
        self.assertTrue(self.ask("reload")["ok"])
        self.says("there is no such host: its address before is taken until it is found")
        self.is_served_by(1, self.client(http("a")))

    def test_one_that_was_not_found_is_looked_up(self) -> None:
        self.write("hosts", "")
        self.start_inside(self.pool_of('hold = "20s"\n'))
        self.says(f"pool old: backend.test:{self.at}: there is no such host: it gets no connection until it is found")
        client = self.client(http("a"))
        self.until(lambda: self.ask("status")["held"] == 1, "it waits")
        self.assertFalse(self.workers("old")[0]["up"])
        self.write("hosts", "127.0.0.1 backend.test\n")
        self.is_served_by(0, client)
        self.assertTrue(self.workers("old")[0]["up"])

    def test_nobody_waits_for_the_resolver(self) -> None:
        """It waits itself, until somebody opens its hosts file from the other side."""
        os.mkfifo(self.hosts)
        worker = '[pool.shop]\n[[route]]\nhost = "shop.example"\npool = "shop"\n'
        self.start_inside(worker)
        self.start_worker("shop", "S")
        self.configure(worker + self.pool_of('hold = "20s"\n'))
        self.assertTrue(self.ask("reload")["ok"])
        self.client(http("a"))
        self.until(lambda: self.ask("status")["held"] == 1, "it waits")
        self.asks("shop.example", 3)
        self.assertNotIn("backend.test", self.logged())
        self.until(self.opens_hosts, "the resolver opens it")
        self.says("there is no such host: it gets no connection")  # glibc takes no file that cannot seek

    def opens_hosts(self) -> bool:
        try:
            os.close(os.open(self.hosts, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    def test_targets_that_stay_in_the_configuration_keep_their_address(self) -> None:
        """Until they are found again."""
        self.write("hosts", "127.0.0.1 backend.test\n")
        self.start_inside(self.pool_of('hold = "0s"\n'))
        self.is_served_by(0, self.client(http("a")))
        self.write("hosts", "")
        self.edit_configuration(f'["backend.test:{self.at}"]',
                                f'["backend.test:{self.at}", {{ address = "other.test:1", weight = 0 }}]')
        self.assertTrue(self.ask("reload")["ok"])
        self.is_served_by(0, self.client(http("a")))


if __name__ == "__main__":
    unittest.main()
