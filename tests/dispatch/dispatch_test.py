# SPDX-License-Identifier: MIT
"""batond, with real workers and real clients: recognised, routed, handed over, or told why not."""

import os
import re
import signal
import socket
import time
import unittest
from typing import List

from house import House, PATIENCE, cpu_of, descriptors, http, iso, postgres, read_all, read_exactly, reserved_port

TWO_POOLS = """
[pool.shop]
hold = "300ms"
[pool.blog]
hold = "300ms"
[[route]]
tsap = "SHOP"
pool = "shop"
[[route]]
tsap = "BLOG*"
pool = "blog"
[[route]]
sni = "shop.example"
pool = "shop"
[[route]]
sni = "*.blog.example"
pool = "blog"
[[route]]
host = "shop.example"
pool = "shop"
[[route]]
host = "shop.example"
path = "/blog"
pool = "blog"
[[route]]
host = "closed.example"
refuse = true
[[route]]
database = "sales"
pool = "shop"
"""


class Routes(House):
    def setUp(self) -> None:
        super().setUp()
        self.start_batond(TWO_POOLS)
        self.start_worker("shop", "S")
        self.start_worker("blog", "B")

    def iso_client(self, called: bytes) -> str:
        client = self.client(iso(called))
        cc = read_exactly(client, 11)
        self.assertEqual(cc[5] & 0xF0, 0xD0)
        self.assertEqual(cc[6:8], b"\x12\x34")
        read_exactly(client, 7)
        name = self.greeted_by(client)
        self.echoes(client)
        return name

    def test_iso_by_the_called_tsel(self) -> None:
        self.assertEqual(self.iso_client(b"SHOP"), "S")
        self.assertEqual(self.iso_client(b"BLOG1"), "B")

    def test_http_by_host_and_path(self) -> None:
        for request, name in ((http("shop.example"), "S"), (http("SHOP.example:80", "/x"), "S"),
                              (http("shop.example", "/blog/1"), "B")):
            client = self.client(request)
            self.assertEqual(self.greeted_by(client), name)
            self.echoes(client, b"x" * 100000)

    def test_a_request_in_single_octets(self) -> None:
        client = self.client()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in http("shop.example"):
            client.send(bytes([octet]))
        self.assertEqual(self.greeted_by(client), "S")

    def test_postgres_by_database(self) -> None:
        self.assertEqual(self.greeted_by(self.client(postgres("app", "sales"))), "S")

    def test_nobody_of_that_name(self) -> None:
        dr = read_all(self.client(iso(b"NOBODY")))
        self.assertEqual((dr[5] & 0xF0, dr[6:8], dr[10]), (0x80, b"\x12\x34", 3))
        self.assertIn(b"421", read_all(self.client(http("nobody.example"))).split(b"\r\n")[0])
        self.assertIn(b"403", read_all(self.client(http("closed.example"))).split(b"\r\n")[0])
        self.assertIn(b"08004", read_all(self.client(postgres("app", "none"))))

    def test_no_worker_is_a_clear_end_in_each_protocol(self) -> None:
        for worker in self.processes[1:]:
            os.killpg(worker.pid, signal.SIGKILL)
        self.until(lambda: not self.workers("shop") and not self.workers("blog"), "the workers are gone")
        begun = time.monotonic()
        self.assertIn(b"503", read_all(self.client(http("shop.example"))).split(b"\r\n")[0])
        self.assertGreater(time.monotonic() - begun, 0.25)  # it was held for one to come
        dr = read_all(self.client(iso(b"SHOP")))
        self.assertEqual((dr[5] & 0xF0, dr[10]), (0x80, 1))
        self.assertIn(b"57P03", read_all(self.client(postgres("app", "sales"))))

    def test_one_that_is_held_gets_the_worker_that_comes(self) -> None:
        self.configure(TWO_POOLS.replace("300ms", "20s"))
        self.assertTrue(self.ask("reload")["ok"])
        os.killpg(self.processes[1].pid, signal.SIGKILL)
        self.until(lambda: not self.workers("shop"), "the worker is gone")
        client = self.client(http("shop.example"))
        self.until(lambda: self.ask("status")["held"] == 1, "it is held")
        self.start_worker("shop", "NEW")
        self.assertEqual(self.greeted_by(client), "NEW")

    def test_half_closed_clients_cost_nothing(self) -> None:
        for _ in range(20):
            self.client(b"GET / HT").shutdown(socket.SHUT_WR)

        def decided() -> bool:
            status = self.ask("status")
            return status["listeners"][0]["accepted"] >= 20 and status["undecided"] == 0
        self.until(decided, "they are decided")
        self.assertEqual(self.greeted_by(self.client(http("shop.example"))), "S")

    def test_an_end_behind_a_whole_request_goes_along(self) -> None:
        client = self.client(http("shop.example"))
        client.shutdown(socket.SHUT_WR)
        self.assertTrue(read_all(client).startswith(b"S "))

    def test_stalled_clients_and_scans_cost_others_nothing(self) -> None:
        stalled = [self.half_client() for _ in range(300)]
        for _ in range(100):
            self.client().close()
            self.client(os.urandom(64)).close()
        self.until(lambda: self.ask("status")["undecided"] == len(stalled), "they wait")
        before = cpu_of(self.batond.pid)
        begun = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.greeted_by(self.client(http("shop.example"))), "S")
        self.assertLess(time.monotonic() - begun, PATIENCE / 4)
        self.assertLess(cpu_of(self.batond.pid) - before, 1.0)
        self.go_on(stalled[7])

    def test_no_descriptor_is_left(self) -> None:
        self.greeted_by(self.client(http("shop.example")))
        self.until(lambda: self.status()["parting"] == 0, "nobody parts")
        before = descriptors(self.batond.pid)
        for _ in range(50):
            self.greeted_by(self.client(http("shop.example")))
            read_all(self.client(http("nobody.example")))
        # The last control connection may be open for a moment in either count: hence no more than before, in time.
        self.until(lambda: descriptors(self.batond.pid) <= before, "its descriptors are as many as before")

    def test_the_connection_outlives_batond(self) -> None:
        client = self.client(http("shop.example"))
        self.assertEqual(self.greeted_by(client), "S")
        os.killpg(self.batond.pid, signal.SIGKILL)
        self.batond.wait()
        self.echoes(client, b"y" * 300000)

    def test_sigterm_ends_it_and_no_client(self) -> None:
        client = self.client(http("shop.example"))
        self.assertEqual(self.greeted_by(client), "S")
        self.batond.send_signal(signal.SIGTERM)
        self.assertEqual(self.batond.wait(PATIENCE), 0)
        self.echoes(client)


class Workers(House):
    POOL = '[pool.p]\nhold = "10s"\n[[route]]\npool = "p"\nhost = "*"\n'

    def test_killed_with_moves_under_way(self) -> None:
        """A stopped worker has moves that it never takes; its death gives them to the next, and no client notices."""
        self.start_batond(self.POOL)
        stopped = self.start_worker("p", "STOPPED", "stop-after-link")
        clients = self.under_way("p", "a", 30)
        self.start_worker("p", "NEXT")
        os.killpg(stopped.pid, signal.SIGKILL)
        for client in clients:
            self.assertEqual(self.greeted_by(client), "NEXT")
            self.echoes(client)
        self.assertEqual(self.pool("p")["lost"], 30)

    def test_what_waits_for_too_long_is_asked_back(self) -> None:
        """A stopped worker has moves; when it goes on it gives them back for another, and no client notices."""
        self.start_batond(self.POOL + '[limits]\nanswer = "1s"\n')
        stopped = self.start_worker("p", "STOPPED", "stop-after-link")
        clients = self.under_way("p", "a", 30)
        self.assertTrue(self.ask("drain", pool="p", worker=self.workers("p")[0]["id"])["ok"])  # none goes back to it
        self.start_worker("p", "NEXT")
        self.until(lambda: self.workers("p")[0]["asked_back"] == 30, "it is asked for all")
        self.assertEqual([worker["late"] for worker in self.workers("p")], [True, False])
        os.killpg(stopped.pid, signal.SIGCONT)
        for client in clients:
            self.assertEqual(self.greeted_by(client), "NEXT")
            self.echoes(client)
        self.assertEqual((self.pool("p")["recalled"], self.workers("p")[0]["asked_back"]), (30, 0))

    def test_one_that_answers_late_is_told_of(self) -> None:
        """Once, although its clients go on waiting for it."""
        self.start_batond(self.POOL + '[limits]\nanswer = "1s"\n')
        stopped = self.start_worker("p", "STOPPED", "stop-after-link")
        self.assertFalse(self.workers("p")[0]["late"])
        clients = self.under_way("p", "a", 2)
        self.until(lambda: self.workers("p")[0]["late"], "it is late")
        clients.append(self.client(http("a")))
        self.until(lambda: self.ask("status")["held"] == 1, "it gets no more")
        os.killpg(stopped.pid, signal.SIGCONT)
        for client in clients:
            self.assertEqual(self.greeted_by(client), "STOPPED")
        self.until(lambda: not self.workers("p")[0]["late"], "it is late no more")
        worker = f"pool p: worker {self.workers('p')[0]['name']}, process {stopped.pid}, "
        self.assertEqual(self.logged().count(f"warning: {worker}has not answered for 2 clients"), 1)
        self.assertEqual(self.logged().count(worker), 2)
        self.assertIn(f"{worker}answers again", self.logged())

    def test_credit_is_the_bound_and_the_rest_is_held(self) -> None:
        self.start_batond(self.POOL)
        stopped = self.start_worker("p", "STOPPED", "stop-after-link")
        credit = self.workers("p")[0]["credit"]
        clients = [self.client(http("a")) for _ in range(credit + 10)]
        self.until(lambda: self.ask("status")["held"] == 10, "ten are held")
        os.killpg(stopped.pid, signal.SIGCONT)
        for client in clients:
            self.assertEqual(self.greeted_by(client), "STOPPED")

    def test_one_that_talks_holds_up_nobody(self) -> None:
        self.start_batond(self.POOL + '[pool.q]\n[[route]]\nhost = "q"\npool = "q"\n')
        self.start_worker("q", "Q")
        self.start_worker("p", "TALKS", "talk")
        begun = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.greeted_by(self.client(http("q"))), "Q")
        self.assertLess(time.monotonic() - begun, PATIENCE / 4)

    def test_a_drained_worker_gets_nothing_new(self) -> None:
        self.start_batond(self.POOL)
        self.start_worker("p", "A")
        first = self.workers("p")[0]["id"]
        self.start_worker("p", "B")
        self.assertTrue(self.ask("drain", pool="p", worker=first)["ok"])
        self.assertEqual({self.greeted_by(self.client(http("a"))) for _ in range(6)}, {"B"})
        self.assertTrue(self.ask("drain", pool="p", worker=first, on=False)["ok"])
        self.assertEqual({self.greeted_by(self.client(http("a"))) for _ in range(6)}, {"A", "B"})
        self.assertFalse(self.ask("drain", pool="p", worker=12345)["ok"])
        # What was meant for a worker ends neither the pool nor batond.
        for meant in ({"worker": first}, {"on": False}, {"pool": "p", "worker": 0}):
            self.assertFalse(self.ask("drain", **meant)["ok"], meant)
        self.assertFalse(self.ask("status")["draining"])
        self.assertFalse(any(w["draining"] for w in self.workers("p")))

    def test_a_worker_finds_the_batond_that_follows(self) -> None:
        self.start_batond(self.POOL)
        self.start_worker("p", "A")
        os.killpg(self.batond.pid, signal.SIGKILL)
        self.batond.wait()
        self.start_batond(self.POOL)
        self.assertEqual(self.greeted_by(self.client(http("a"))), "A")


class Reload(House):
    def test_new_routes_old_workers_the_same_port(self) -> None:
        self.start_batond(TWO_POOLS)
        self.start_worker("shop", "S")
        half = self.client(b"GET / HTTP/1.1\r\nHost: new.exa")
        self.configure(TWO_POOLS + '[[route]]\nhost = "new.example"\npool = "shop"\n')
        self.assertTrue(self.ask("reload")["ok"])
        half.sendall(b"mple\r\n\r\n")
        self.assertEqual(self.greeted_by(half), "S")
        self.assertEqual(self.greeted_by(self.client(http("new.example"))), "S")
        self.assertEqual(len(self.workers("shop")), 1)

    def test_all_or_nothing(self) -> None:
        self.start_batond(TWO_POOLS)
        self.start_worker("shop", "S")
        self.configure(TWO_POOLS + '[[route]]\nhost = "x"\npool = "shp"\n')
        answer = self.ask("reload")
        self.assertFalse(answer["ok"])
        self.assertIn("shop", str(answer["findings"]))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.configure(TWO_POOLS + f'[listener.more]\naddress = "{address}"\n[pool.more]\n'
                           '[[route]]\nlistener = "more"\npool = "more"\n')
            answer = self.ask("reload")
        self.assertFalse(answer["ok"])
        self.assertIn(address, answer["error"])
        self.assertEqual([pool["name"] for pool in self.ask("workers")["pools"]], ["shop", "blog"])
        self.assertEqual(self.greeted_by(self.client(http("shop.example"))), "S")

    def test_sighup_and_a_pool_that_goes(self) -> None:
        self.start_batond(TWO_POOLS)
        self.start_worker("shop", "S")
        client = self.client(http("shop.example"))
        self.assertEqual(self.greeted_by(client), "S")
        self.configure('[pool.other]\n[[route]]\nhost = "*"\npool = "other"\n')
        self.batond.send_signal(signal.SIGHUP)
        self.until(lambda: [pool["name"] for pool in self.ask("workers")["pools"]] == ["other"], "the pools are new")
        self.echoes(client)
        self.start_worker("other", "O")
        self.assertEqual(self.greeted_by(self.client(http("shop.example"))), "O")


class Fallback(House):
    def is_copied(self, client: socket.socket, connection: socket.socket) -> None:
        """Both ways, the end of one before that of the other."""
        self.assertEqual(read_exactly(connection, len(http("a"))), http("a"))
        connection.sendall(b"z" * 3000000)
        self.assertEqual(read_exactly(client, 3000000), b"z" * 3000000)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(connection.recv(1), b"")
        connection.sendall(b"still open")

    def test_copied_both_ways_with_a_proxy_header(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE)
            self.start_batond(f'[pool.old]\nconnect = ["127.0.0.1:{server.getsockname()[1]}"]\nproxy_protocol = true\n'
                              '[[route]]\nhost = "*"\npool = "old"\n')
            client = self.client(http("a"))
            connection, _ = server.accept()
            with connection:
                connection.settimeout(PATIENCE)
                header = read_exactly(connection, 28)
                self.assertEqual(header[:16], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")
                self.assertEqual(header[16:24], socket.inet_aton("127.0.0.1") * 2)
                self.assertEqual(int.from_bytes(header[24:26], "big"), client.getsockname()[1])
                self.is_copied(client, connection)
            self.assertEqual(read_all(client), b"still open")
        self.until(lambda: self.pool("old")["copied"] == 1 and self.pool("old")["copying"] == 0, "it is over")

    def test_copied_to_a_socket_of_the_file_system(self) -> None:
        path = os.path.join(self.folder.name, "app.sock")
        self.start_batond(f'[pool.old]\nhold = "20s"\nconnect = ["unix:{path}"]\nproxy_protocol = true\n'
                          '[[route]]\nhost = "*"\npool = "old"\n', 'proxy = "optional"\nproxy_from = "127.0.0.1"\n')
        client = self.client(b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n" + http("a"))
        self.until(lambda: self.pool("old")["connect_failures"] > 1, "nobody is there")
        self.assertEqual(self.workers("old")[0]["name"], f"unix:{path}")
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(PATIENCE)
            server.bind(path)
            server.listen()
            connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("192.0.2.7") +
                      socket.inet_aton("192.0.2.8") + (1234).to_bytes(2, "big") + (80).to_bytes(2, "big"))
            self.assertEqual(read_exactly(connection, len(header)), header)
            self.is_copied(client, connection)
        self.assertEqual(read_all(client), b"still open")
        self.until(lambda: self.pool("old")["copied"] == 1 and self.pool("old")["copying"] == 0, "it is over")

    def test_a_target_that_is_down_is_tried_again(self) -> None:
        """It has said nothing of this client, which waits for it as for any server."""
        server = reserved_port()
        self.addCleanup(server.close)
        server.settimeout(PATIENCE)
        self.start_batond(f'[pool.old]\nhold = "20s"\nconnect = ["127.0.0.1:{server.getsockname()[1]}"]\n'
                          '[[route]]\nhost = "*"\npool = "old"\n')
        client = self.client(http("a"))
        self.until(lambda: self.pool("old")["connect_failures"] > 1 and self.ask("status")["held"] == 1, "it waits")
        server.listen()
        connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            self.assertEqual(read_exactly(connection, len(http("a"))), http("a"))
            connection.sendall(b"at last")
        self.assertEqual(read_all(client), b"at last")

    def test_a_target_that_stays_down_ends_the_wait(self) -> None:
        with reserved_port() as server:
            self.start_batond(f'[pool.old]\nhold = "2s"\nconnect = ["127.0.0.1:{server.getsockname()[1]}"]\n'
                              '[[route]]\nhost = "*"\npool = "old"\n')
            begun = time.monotonic()
            self.assertTrue(read_all(self.client(http("a"))).startswith(b"HTTP/1.1 503 "))
            self.assertGreater(time.monotonic() - begun, 1.5)
            self.assertGreater(self.pool("old")["connect_failures"], 1)

    def test_clients_that_nobody_takes_are_told_of(self) -> None:
        """Without a line for each of them."""
        self.configure('[pool.shop]\nhold = "0s"\n[[route]]\nhost = "*"\npool = "shop"\n')
        self.edit_configuration('log = "debug"', 'log = "info"')
        self.batond = self.start_logged([self.program, "--config", self.configuration])
        self.await_batond()
        for _ in range(20):
            self.assertTrue(read_all(self.client(http("a"))).startswith(b"HTTP/1.1 503 "))
        self.until(lambda: "warning: pool shop: no worker took a client; 0 of 0 are up\n" in self.logged(), "it tells")

        def told() -> List[int]:
            return [int(count) for count in re.findall("pool shop: no worker took ([0-9]+) clients;", self.logged())]

        self.until(lambda: sum(told()) == 19, "it tells of the others")
        self.assertLess(len(told()), 5)

    def test_a_pool_falls_back_to_another(self) -> None:
        self.start_batond('[pool.first]\nfallback = "second"\n[pool.second]\n[[route]]\nhost = "*"\npool = "first"\n')
        self.start_worker("second", "TWO")
        self.assertEqual(self.greeted_by(self.client(http("a"))), "TWO")
        self.start_worker("first", "ONE")
        self.assertEqual(self.greeted_by(self.client(http("a"))), "ONE")


class Proxied(House):
    def test_the_header_is_read_and_nothing_else(self) -> None:
        self.start_batond(TWO_POOLS, 'proxy = "required"\n')
        self.start_worker("shop", "S")
        client = self.client(b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n" + http("shop.example"))
        self.assertEqual(self.greeted_by(client), "S")
        with self.assertRaises(ConnectionResetError):  # no words for what has no header
            read_all(self.client(http("shop.example")))

    def test_a_strangers_header_is_not_believed(self) -> None:
        header = b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n"
        routes = TWO_POOLS + '[[route]]\nhost = "shop.example"\nsource = "192.0.2.0/24"\npool = "blog"\n'
        manner = 'proxy = "optional"\nproxy_from = "127.0.0.2"\n'
        self.start_batond(routes, manner)
        self.start_worker("shop", "S")
        self.start_worker("blog", "B")

        def client_from(source: str, octets: bytes) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE, source_address=(source, 0))
            self.addCleanup(client.close)
            client.sendall(octets)
            return client

        self.assertEqual(self.greeted_by(client_from("127.0.0.2", header + http("shop.example"))), "B")
        self.assertEqual(self.greeted_by(client_from("127.0.0.3", http("shop.example"))), "S")
        with self.assertRaises(ConnectionResetError):  # the stranger's is a protocol that nobody knows
            read_all(client_from("127.0.0.3", header + http("shop.example")))
        self.configure(routes, manner.replace("optional", "required"))
        self.assertTrue(self.ask("reload")["ok"])
        self.assertEqual(self.greeted_by(client_from("127.0.0.2", header + http("shop.example"))), "B")
        # Who may not send one may not connect.
        unwelcome = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE,
                                             source_address=("127.0.0.3", 0))
        self.addCleanup(unwelcome.close)
        self.assertEqual(unwelcome.recv(1), b"")
        self.assertEqual(self.ask("status")["listeners"][0]["unwelcome"], 1)


if __name__ == "__main__":
    unittest.main()
