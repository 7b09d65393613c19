# SPDX-License-Identifier: MIT
"""batond in its width: IPv6, HTTP/2, policies, weights, pools of TSAPs that servers have bound."""

import os
import signal
import socket
import subprocess
import sys
import threading
import unittest
from collections import Counter
from typing import Dict, List, Tuple

from house import House, PATIENCE, http, read_all

ANY = '[[route]]\nhost = "*"\npool = "p"\n'


class Addresses(House):
    def listening(self) -> List[str]:
        return [each["address"] for each in self.ask("status")["listeners"]]

    def test_an_ipv6_address(self) -> None:
        self.start_batond("[pool.p]\n" + ANY + '[listener.six]\naddress = "[::1]:0"\n')
        self.start_worker("p", "W")
        six = next(each for each in self.listening() if each.startswith("[::1]:"))
        with socket.create_connection(("::1", int(six.rsplit(":", 1)[1])), timeout=PATIENCE) as client:
            client.sendall(http("a"))
            self.assertEqual(self.greeted_by(client), "W")
            self.echoes(client, b"z" * 200000)

    def test_all_addresses_of_both_families(self) -> None:
        self.start_batond("[pool.p]\n" + ANY + '[listener.all]\naddress = ":0"\n')
        self.start_worker("p", "W")
        port = int(next(each for each in self.listening() if each.startswith("[::]:")).rsplit(":", 1)[1])
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port), timeout=PATIENCE) as client:
                client.sendall(http("a"))
                self.assertEqual(self.greeted_by(client), "W")

    def test_ipv4_clients_of_an_ipv6_socket_are_known_by_their_ipv4_address(self) -> None:
        self.start_batond('[pool.p]\n[pool.q]\n[listener.all]\naddress = ":0"\n'
                          '[[route]]\nsource = "127.0.0.0/8"\npool = "p"\n[[route]]\nsource = "::1/128"\npool = "q"\n')
        self.start_worker("p", "FOUR")
        self.start_worker("q", "SIX")
        port = int(next(each for each in self.listening() if each.startswith("[::]:")).rsplit(":", 1)[1])
        for address, name in (("127.0.0.1", "FOUR"), ("::1", "SIX")):
            with socket.create_connection((address, port), timeout=PATIENCE) as client:
                client.sendall(http("a"))
                self.assertEqual(self.greeted_by(client), name)


class Policies(House):
    def from_source(self, source: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE, source_address=(source, 0)) as client:
            client.sendall(http("a"))
            return self.greeted_by(client)

    def by_source(self) -> Dict[str, str]:
        return {source: self.from_source(source) for source in (f"127.0.1.{number}" for number in range(1, 121))}

    def test_a_hash_keeps_each_clients_worker(self) -> None:
        self.start_batond('[pool.p]\npolicy = "hash"\n' + ANY)
        workers = {name: self.start_worker("p", name) for name in ("A", "B", "C")}
        self.until(lambda: sum(1 for each in self.workers("p") if each["credit"]) == 3, "all have credit")
        first = self.by_source()
        self.assertEqual(set(first.values()), set(workers))
        self.assertEqual(self.by_source(), first)
        os.killpg(workers["B"].pid, signal.SIGKILL)
        self.until(lambda: len(self.workers("p")) == 2, "one is gone")
        second = self.by_source()
        self.assertEqual({source: name for source, name in first.items() if name != "B"},
                         {source: second[source] for source, name in first.items() if name != "B"})
        self.assertEqual({second[source] for source, name in first.items() if name == "B"}, {"A", "C"})

    def test_weights_are_shares(self) -> None:
        with Counting() as light, Counting() as heavy, Counting() as none:
            self.start_batond(
                f'[pool.p]\nconnect = ["127.0.0.1:{light.port}", {{ address = "127.0.0.1:{heavy.port}", weight = 3 }}, '
                f'{{ address = "127.0.0.1:{none.port}", weight = 0 }}]\n' + ANY)
            for _ in range(40):
                self.assertEqual(read_all(self.client(http("a"))), b"served")
            self.assertEqual((light.count, heavy.count, none.count), (10, 30, 0))
            self.assertEqual([each["weight"] for each in self.workers("p")], [1, 3, 0])

    def test_the_first_that_can(self) -> None:
        self.start_batond('[pool.p]\npolicy = "first"\n' + ANY)
        for name in ("A", "B"):
            self.start_worker("p", name)
        self.assertEqual({self.from_source("127.0.0.1") for _ in range(6)}, {"A"})
        self.assertTrue(self.ask("drain", pool="p", worker=self.workers("p")[0]["id"])["ok"])
        self.assertEqual(self.from_source("127.0.0.1"), "B")


class Counting:
    """A server that answers each connection "served", and counts them."""

    def __enter__(self) -> "Counting":
        self.count = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.listening.close()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(65536)
                self.count += 1
                connection.sendall(b"served")


class Tsaps(House):
    """Servers have bound TSAPs, and batond connects to them: again when they come back."""

    POOL = '[pool.p]\ntsaps = ["ONE", { tsap = "TWO", weight = 2 }]\nhold = "10s"\n' + ANY

    def server(self, tsap: str, name: str) -> subprocess.Popen:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tsap_server.py")
        server = self.start([sys.executable, "-B", script, tsap, name], stdout=subprocess.PIPE)
        self.assertEqual(server.stdout.readline(), b"ready\n")
        return server

    def served(self, count: int) -> Counter:
        return Counter(self.greeted_by(self.client(http("a"))) for _ in range(count))

    def credit(self) -> Tuple[int, ...]:
        return tuple(1 if each["credit"] else 0 for each in self.workers("p"))

    def test_by_weight_and_back_again(self) -> None:
        self.server("ONE", "1")
        two = self.server("TWO", "2")
        self.start_batond(self.POOL)
        self.until(lambda: self.credit() == (1, 1), "both have credit")
        self.assertEqual(self.served(12), {"1": 4, "2": 8})
        self.assertEqual(self.pool("p")["kind"], "tsaps")
        os.killpg(two.pid, signal.SIGKILL)
        two.wait()
        self.assertEqual(self.served(4), {"1": 4})
        self.server("TWO", "again")
        self.until(lambda: self.credit() == (1, 1), "it is back")
        self.assertEqual(self.served(6), {"1": 2, "again": 4})

    def test_one_that_comes_late_gets_who_is_held(self) -> None:
        self.start_batond(self.POOL)
        client = self.client(http("a"))
        self.until(lambda: self.ask("status")["held"] == 1, "it is held")
        self.server("ONE", "late")
        self.assertEqual(self.greeted_by(client), "late")


class Http2(House):
    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    @staticmethod
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def request(self, authority: str) -> bytes:
        """Preface, SETTINGS, and HEADERS of stream 1: GET, http, /, :authority as a literal (RFC 7541 6.2.2)."""
        block = b"\x82\x86\x84\x01" + bytes([len(authority)]) + authority.encode()
        return self.PREFACE + self.frame(4, 0, 0, b"") + self.frame(1, 0x5, 1, block)

    @staticmethod
    def frames(octets: bytes) -> List[Tuple[int, int, bytes]]:
        found = []
        while octets:
            size = int.from_bytes(octets[:3], "big")
            found.append((octets[3], int.from_bytes(octets[5:9], "big"), octets[9:9 + size]))
            octets = octets[9 + size:]
        return found

    def setUp(self) -> None:
        super().setUp()
        self.start_batond('[pool.p]\nhold = "100ms"\n[[route]]\nhost = "here.example"\npool = "p"\n'
                          '[[route]]\nhost = "closed.example"\nrefuse = true\n')

    def test_by_authority(self) -> None:
        self.start_worker("p", "W")
        self.assertEqual(self.greeted_by(self.client(self.request("here.example"))), "W")

    def test_a_clear_end(self) -> None:
        """SETTINGS, a response on the stream, and GOAWAY without error that names it (RFC 9113 6.8)."""
        for authority, status in (("nobody.example", b"421"), ("closed.example", b"403"), ("here.example", b"503")):
            settings, response, goaway = self.frames(read_all(self.client(self.request(authority))))
            self.assertEqual((settings[0], settings[1]), (4, 0))
            self.assertEqual((response[0], response[1], response[2][:5]), (1, 1, b"\x08\x03" + status))
            self.assertEqual(goaway, (7, 0, (1).to_bytes(4, "big") + bytes(4)))

    def test_curl_understands_it(self) -> None:
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--max-time", "20",
                               "--noproxy", "*", "--http2-prior-knowledge", "-H", "Host: nobody.example",
                               f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, done.returncode), ("2 421", 0))

    def test_bad_input(self) -> None:
        bad = self.PREFACE + self.frame(4, 0, 0, b"") + self.frame(1, 0x5, 1, b"\xff\xff\xff\xff\xff\xff")
        frames = self.frames(read_all(self.client(bad)))
        self.assertEqual([kind for kind, _, _ in frames], [4, 7])
        self.assertEqual(frames[-1][2][4:8], (1).to_bytes(4, "big"))


if __name__ == "__main__":
    unittest.main()
