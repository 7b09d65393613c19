# SPDX-License-Identifier: MIT
"""to_called_tsap: every process of the host that has bound a TSAP is called through batond's port."""

import os
import signal
import socket
import subprocess
import unittest

from house import House, descriptors, iso, read_all, read_exactly

SERVER = os.environ["BATON_TEST_ISO_SERVER"]
ROUTE = """
[[route]]
to_called_tsap = true
[limits]
answer = "{answer}"
undecided_per_source = 4096
"""


class CalledTsap(House):
    def open(self, answer: str = "20s") -> None:
        self.start_batond(ROUTE.format(answer=answer))

    def serve(self, tsel: str) -> subprocess.Popen:
        server = self.start([SERVER, tsel], stdout=subprocess.PIPE)
        self.assertEqual(server.stdout.readline(), b"ready\n")
        return server

    def says(self, client: socket.socket, octets: bytes) -> bytes:
        """A TSDU there, and the one that comes back (RFC 905 13.7)."""
        client.sendall(bytes([3, 0, 0, 7 + len(octets), 2, 0xF0, 0x80]) + octets)
        head = read_exactly(client, 7)
        self.assertEqual((head[:2], head[4:7]), (b"\x03\x00", b"\x02\xf0\x80"))
        return read_exactly(client, int.from_bytes(head[2:4], "big") - 7)

    def connected(self, client: socket.socket) -> None:
        """The CC to iso()'s CR."""
        cc = read_exactly(client, 4)
        cc += read_exactly(client, cc[3] - 4)
        self.assertEqual((cc[5] & 0xF0, cc[6:8]), (0xD0, b"\x12\x34"))

    def served(self, called: bytes) -> socket.socket:
        client = self.client(iso(called))
        self.connected(client)
        self.serves(client, called)
        return client

    def serves(self, client: socket.socket, called: bytes) -> None:
        self.assertEqual(self.says(client, b"hello"), b"%s %d:hello" % (called, client.getsockname()[1]))

    def refused(self, called: bytes, reason: int) -> None:
        dr = read_all(self.client(iso(called)))
        self.assertEqual((dr[5], dr[6:8], dr[10]), (0x80, b"\x12\x34", reason), dr)

    def test_two_servers_behind_one_port(self) -> None:
        self.serve("SHOP")
        self.open()
        shop = self.served(b"SHOP")
        self.refused(b"BLOG", 3)
        self.serve("BLOG")  # no word of it in the configuration
        blog = self.served(b"BLOG")
        self.serves(shop, b"SHOP")
        self.refused(b"", 3)
        counters = self.ask("status")["counters"]
        self.assertEqual((counters["moved"], counters["no_route"]), (2, 2))
        route = self.ask("routes")["routes"][0]
        self.assertEqual((route["pool"], route["to_called_tsap"], route["connections"]), (None, True, 4))
        called = [{"tsap": "'BLOG'", "moved": 1, "refused": 0}, {"tsap": "'SHOP'", "moved": 1, "refused": 0},
                  {"tsap": None, "moved": 0, "refused": 2}]
        for verb in ("status", "routes"):
            self.assertEqual(self.ask(verb)["called_tsaps"], called)
        self.assertRegex(self.logged(), "moved: .* protocol=iso name='SHOP' tsap us=")
        self.assertRegex(self.logged(), "ended: .* protocol=iso name='BLOG' reason=\"no route\"")
        # What has been handed over lives on without batond.
        os.killpg(self.batond.pid, signal.SIGKILL)
        self.batond.wait()
        self.serves(shop, b"SHOP")
        self.serves(blog, b"BLOG")

    def test_no_client_becomes_a_worker(self) -> None:
        """Where workers of a pool connect no client is connected: of this batond, nor of one beside it."""
        self.open()
        self.configure(ROUTE.format(answer="20s") + "[pool.OWN]\n[[route]]\nhost = 'x'\npool = 'OWN'\n")
        self.assertTrue(self.ask("reload")["ok"])
        self.refused(b"OWN", 3)
        self.assertEqual((self.workers("OWN"), self.counter("no_route")), ([], 1))
        front, control = self.port, self.control
        self.control += ".beside"
        self.start_batond("[pool.BESIDE]\n[[route]]\nhost = 'x'\npool = 'BESIDE'\n")
        self.port = front
        client = self.client(iso(b"BESIDE"))
        while client.recv(1000):  # its end comes, behind whatever
            pass
        self.assertEqual(self.workers("BESIDE"), [])
        self.control = control
        self.serve("SHOP")
        self.served(b"SHOP")

    def test_a_server_that_dies_and_comes_again(self) -> None:
        self.open()
        for _ in range(3):
            server = self.serve("SHOP")
            client = self.served(b"SHOP")
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            self.assertEqual(client.recv(1), b"")
            self.refused(b"SHOP", 3)

    def test_one_that_is_asked_when_it_dies(self) -> None:
        self.open()
        server = self.serve("SHOP")
        os.killpg(server.pid, signal.SIGSTOP)
        clients = [self.client(iso(b"SHOP")) for _ in range(3)]
        self.until(lambda: self.counter("arrived") == 3, "they have been given")
        os.killpg(server.pid, signal.SIGKILL)
        for client in clients:  # it had not taken them: they hear a clear end
            self.assertEqual(read_all(client)[5], 0x80)

    def test_a_server_that_does_not_answer(self) -> None:
        self.open(answer="2s")  # in which it answers when it goes on
        server = self.serve("SHOP")
        before = descriptors(server.pid)
        os.killpg(server.pid, signal.SIGSTOP)
        self.refused(b"SHOP", 1)
        self.assertEqual(self.counter("no_worker"), 1)
        self.assertIn("the server at TSAP 'SHOP' does not take a client: ", self.logged())
        os.killpg(server.pid, signal.SIGCONT)
        self.served(b"SHOP").close()
        # What came too late for it is nobody's but batond's: it keeps nothing of it but the means to take.
        self.until(lambda: descriptors(server.pid) <= before + 2, "its descriptors are closed")

    def test_stalled_requests_hold_up_nobody(self) -> None:
        self.open()
        self.serve("SHOP")
        stalled = [self.client(iso(b"SHOP")[:9]) for _ in range(1000)]
        self.until(lambda: self.ask("status")["undecided"] == 1000, "all are there")
        for _ in range(20):
            self.served(b"SHOP").close()
        for garbage in (b"\x03\x00\x00\x07\x02\xf0\x80", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100):
            try:
                read_all(self.client(garbage))
            except ConnectionResetError:
                pass  # what has no words for its end
        stalled[500].sendall(iso(b"SHOP")[9:])
        self.connected(stalled[500])
        self.serves(stalled[500], b"SHOP")


if __name__ == "__main__":
    unittest.main()
