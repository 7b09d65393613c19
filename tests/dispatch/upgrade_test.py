# SPDX-License-Identifier: MIT
"""Upgrades of batond: under load, and where the new one fails at any step.

BATON_UPGRADES: how many under load, by default 5.
"""

import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest
from typing import Any, Callable, Dict, List

from house import (BATOND, PATIENCE, POOLS, Upgrades, alive, http, read_all, read_exactly, read_line, reserved_port,
                   state_of)

SUCCESSOR = os.environ["BATON_TEST_SUCCESSOR"]
UPGRADES = int(os.environ.get("BATON_UPGRADES", "5"))


class Load:
    """Clients that come all the time; what went wrong with any of them."""

    def __init__(self, port: int, threads: int) -> None:
        self.port = port
        self.served = 0
        self.failures: List[str] = []
        self.slowest = 0.0
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, number: int) -> None:
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as client:
                    request = http("shop.example")
                    if number % 2:
                        client.sendall(request[:20])
                        time.sleep(0.002 * random.random())  # it comes in two parts
                        client.sendall(request[20:])
                    else:
                        client.sendall(request)
                    line = read_line(client)
                    if not line.endswith("\n"):
                        raise ConnectionError(f"closed after {line!r}")
                    client.sendall(b"more")
                    if read_exactly(client, 4) != b"more":
                        raise ConnectionError("closed behind the greeting")
            except OSError as error:
                with self.lock:
                    self.failures.append(f"{type(error).__name__}: {error}")
                continue
            with self.lock:
                self.served += 1
                self.slowest = max(self.slowest, time.monotonic() - begun)

    def end(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


class UnderLoad(Upgrades):
    def test_no_client_notices(self) -> None:
        self.start_batond(POOLS.replace("20s", "30m"), 'wait = "30m"\n')
        for name in ("S1", "S2"):
            self.start_worker("shop", name)
        half: List[socket.socket] = []
        held: List[socket.socket] = []
        pauses: List[int] = []
        load = Load(self.port, 6)
        try:
            for _ in range(UPGRADES):
                half += [self.half_client() for _ in range(10)]
                held += [self.client(http("blog.example")) for _ in range(5)]
                before = self.ask("status")["process"]
                served = load.served
                answer = self.upgraded()
                pauses.append(answer["pause_us"])
                self.assertNotEqual(answer["process"], before)
                self.assertEqual(self.ask("status")["process"], answer["process"])
                self.assertGreaterEqual(answer["clients"], len(held))
                self.until(lambda: load.served > served + 20 or load.failures, "clients are served")
                # Half of those that are stalled go on, the others see the next upgrade.
                self.go_on(*half[::2])
                half = half[1::2]
                self.until(lambda: not alive(before), "the one before has ended")
        finally:
            load.end()
        self.assertEqual(load.failures, [])
        self.go_on(*half)
        self.start_worker("blog", "B")
        for client in held:
            self.assertEqual(self.greeted_by(client), "B")
        print(f"\n{UPGRADES} upgrades: {load.served} connections served, {len(load.failures)} failed; slowest "
              f"{load.slowest * 1000:.0f} ms; nobody accepted for {min(pauses)} to {max(pauses)} us", flush=True)


class Kept(Upgrades):
    def test_arrival_time_and_silence_go_on(self) -> None:
        self.start_batond('[pool.p]\nhold = "30s"\n[[route]]\npool = "p"\nhost = "*"\n[[route]]\nprotocol = "silent"\n'
                          'pool = "p"\n', 'wait = "7s"\nsilence = "5s"\n')
        begun = time.monotonic()
        late = self.client(b"GET / HT")
        silent = self.client()
        self.until(lambda: self.ask("status")["undecided"] == 2, "they wait")
        while time.monotonic() < begun + 2.5:  # half of the time of `silent`
            self.ask("status")
        self.upgraded()
        upgraded = time.monotonic()
        self.assertEqual(self.ask("status")["undecided"], 2)
        self.until(lambda: self.ask("status")["held"] == 1, "it has been silent for long enough")
        self.assertGreater(time.monotonic() - begun, 4.5)
        self.assertLess(time.monotonic() - upgraded, 4.8)  # its silence began with the first batond
        with self.assertRaises(ConnectionResetError):  # HTTP that has not ended: no words for it
            read_all(late)
        self.assertGreater(time.monotonic() - begun, 6.5)
        self.assertLess(time.monotonic() - upgraded, 6.8)  # its time began with the first batond
        self.start_worker("p", "W")
        silent.sendall(b"at last")
        self.assertEqual(self.greeted_by(silent), "W")

    def test_more_clients_than_a_group_has(self) -> None:
        """The rest follows when the new one runs."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.start_batond(POOLS + "[limits]\nundecided_per_source = 4096\n", 'wait = "30m"\n')
        self.start_worker("shop", "S")
        half = [self.half_client() for _ in range(1300)]
        self.until(lambda: self.status()["undecided"] == len(half), "they wait")
        self.assertEqual(self.upgraded()["clients"], len(half))
        self.until(lambda: self.status()["undecided"] == len(half), "they wait there")
        self.go_on(*half)

    def test_a_small_table_of_descriptors(self) -> None:
        """The group is smaller than the clients that wait, and what is held ready for it fits, too."""
        self.start_batond(POOLS, 'wait = "30m"\n')
        resource.prlimit(self.batond.pid, resource.RLIMIT_NOFILE, (256, 256))  # the next one's, too
        self.start_worker("shop", "S")
        half = [self.half_client() for _ in range(70)]
        self.until(lambda: self.status()["undecided"] == len(half), "they wait")
        for _ in range(2):
            self.assertEqual(self.upgraded()["clients"], len(half))
            self.until(lambda: self.status()["undecided"] == len(half), "they wait there")
        self.go_on(*half)

    def test_the_address_of_a_proxy_header(self) -> None:
        self.start_batond('[pool.a]\nhold = "20s"\n[pool.b]\n[[route]]\npool = "a"\nhost = "*"\nsource = "192.0.2.0/24"\n'
                          '[[route]]\npool = "b"\nhost = "*"\n', 'proxy = "required"\n')
        header = b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n"
        client = self.client(header + http("x"))
        half = self.client(header[:10])
        self.until(lambda: self.ask("status")["held"] == 1 and self.ask("status")["undecided"] == 1, "they wait")
        self.upgraded()
        self.until(lambda: self.ask("status")["held"] == 1 and self.ask("status")["undecided"] == 1, "they wait there")
        half.sendall(header[10:] + http("y"))
        self.start_worker("a", "A")
        self.assertEqual(self.greeted_by(client), "A")
        self.assertEqual(self.greeted_by(half), "A")

    def test_moves_under_way_end_with_the_old_one(self) -> None:
        """A stopped worker has moves; when it dies they come back to the old batond, which gives them to the new."""
        self.start_batond(POOLS)
        stopped = self.start_worker("shop", "STOPPED", "stop-after-link")
        clients = self.under_way("shop", "shop.example", 30)
        old = self.batond
        self.upgraded()
        self.assertIsNone(old.poll())
        self.start_worker("shop", "NEXT")
        # And from the one that they come back to by way of another.
        self.upgraded()
        os.killpg(stopped.pid, signal.SIGKILL)
        for client in clients:
            self.assertEqual(self.greeted_by(client), "NEXT")
            self.echoes(client)
        self.assertEqual(old.wait(PATIENCE), 0)

    def test_copied_connections_stay_with_the_old_one(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE)
            self.start_batond(f'[pool.old]\nconnect = ["127.0.0.1:{server.getsockname()[1]}"]\n'
                              '[[route]]\nhost = "*"\npool = "old"\n')
            client = self.client(http("a"))
            connection, _ = server.accept()
            with connection:
                connection.settimeout(PATIENCE)
                self.assertEqual(read_exactly(connection, len(http("a"))), http("a"))
                old = self.batond
                self.upgraded()
                connection.sendall(b"z" * 300000)
                self.assertEqual(read_exactly(client, 300000), b"z" * 300000)
                self.assertIsNone(old.poll())
            self.assertEqual(read_all(client), b"")
            client.close()
            self.assertEqual(old.wait(PATIENCE), 0)

    def test_a_drained_worker_stays_so(self) -> None:
        self.start_batond(POOLS)
        first = self.start_worker("shop", "A")
        self.assertTrue(self.ask("drain", pool="shop", worker=self.workers("shop")[0]["id"])["ok"])
        self.start_worker("shop", "B")
        self.upgraded()
        self.until(lambda: len([w for w in self.workers("shop") if w["credit"]]) == 2, "both are here")
        self.assertEqual([w["draining"] for w in self.workers("shop") if w["process"] == first.pid], [True])
        self.assertEqual({self.greeted_by(self.client(http("shop.example"))) for _ in range(6)}, {"B"})

    def test_a_new_configuration_and_metrics(self) -> None:
        reserved = reserved_port()
        self.addCleanup(reserved.close)
        metrics = reserved.getsockname()
        self.start_batond(POOLS)
        self.configure(POOLS.replace("shop.example", "new.example"))
        self.edit_configuration("[batond]\n", f'[batond]\nmetrics = "{metrics[0]}:{metrics[1]}"\n')
        self.start_worker("shop", "S")
        for _ in range(2):  # opened by the first that follows, taken over by the second
            self.upgraded()
            self.assertEqual(self.greeted_by(self.client(http("new.example"))), "S")
            with socket.create_connection(metrics, timeout=PATIENCE) as asked:
                asked.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                self.assertIn(b"200 OK", read_all(asked))

    def test_a_listener_that_goes_leaves_nobody(self) -> None:
        self.start_batond(POOLS)
        half = self.client(http("shop.example")[:10])
        self.until(lambda: self.ask("status")["undecided"] == 1, "it waits")
        self.edit_configuration("[listener.front]", "[listener.other]")
        self.start_worker("shop", "S")
        self.upgraded()
        half.sendall(http("shop.example")[10:])
        self.assertEqual(self.greeted_by(half), "S")

    def test_workers_of_a_pool_go_before_its_fallback(self) -> None:
        """Also where those of the fallback are back first."""
        self.start_batond('[pool.first]\nfallback = "second"\n[pool.second]\n[[route]]\nhost = "*"\npool = "first"\n')
        self.start_worker("second", "TWO")
        self.start_worker("first", "ONE")
        for _ in range(3):
            self.upgraded()
            for _ in range(4):
                self.assertEqual(self.greeted_by(self.client(http("a"))), "ONE")

    def test_systemd_hears_of_it(self) -> None:
        """Sockets that systemd has opened go along, and the main process is the new one."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.bind(os.path.join(self.folder.name, "notify"))
        notify.settimeout(PATIENCE)
        self.configure(POOLS + '[listener.web]\nsystemd = "web"\n')
        with socket.create_server(("127.0.0.1", 0)) as web:
            web.setblocking(False)
            as_systemd = {**self.environment, "NOTIFY_SOCKET": notify.getsockname(), "LISTEN_FDS": "1",
                          "LISTEN_FDNAMES": "web"}
            self.batond = self.start_logged(
                ["sh", "-c", f'exec 3<&{web.fileno()}; LISTEN_PID=$$ exec "$@"', "sh", self.program, "--config",
                 self.configuration], env=as_systemd, pass_fds=[web.fileno()])
            self.port = web.getsockname()[1]
        self.until(lambda: self.status() is not None, "batond answers")
        self.start_worker("shop", "S")
        for _ in range(2):
            self.serves()
            process = self.upgraded()["process"]
            while f"MAINPID={process}" not in notify.recv(4096).decode().split("\n"):
                pass
        self.serves()

    def test_by_signal_and_told_to_end(self) -> None:
        self.start_batond(POOLS)
        self.start_worker("shop", "S")
        self.batond.send_signal(signal.SIGUSR2)
        self.assertEqual(self.batond.wait(PATIENCE), 0)
        process = self.ask("status")["process"]
        self.follow(process)
        self.serves()
        client = self.client(http("shop.example"))
        self.greeted_by(client)
        os.kill(process, signal.SIGTERM)
        self.until(lambda: not alive(process), "it has ended")
        self.echoes(client)


class Failing(Upgrades):
    """The old one goes on as if nothing had happened, and says why."""

    def setUp(self) -> None:
        super().setUp()
        self.start_batond(POOLS + '[limits]\nupgrade = "20s"\n')
        self.start_worker("shop", "S")
        self.half = self.half_client()
        self.held = self.client(http("blog.example"))
        self.until(lambda: self.status()["undecided"] == 1 and self.status()["held"] == 1, "they wait")

    def fails(self, why: str, meanwhile: Callable[[], Any] = lambda: None) -> None:
        load = Load(self.port, 2)
        try:
            with self.begin_to_ask("upgrade") as control:
                meanwhile()
                answer = self.answer_on(control)
            self.assertFalse(answer["ok"], answer)
            self.assertIn(why, answer["error"])
            self.assertIn(answer["error"], self.logged())
            served = load.served
            self.until(lambda: load.served > served + 10 or load.failures, "clients are served")
        finally:
            load.end()
        self.assertEqual(load.failures, [])
        self.is_unharmed()

    def is_unharmed(self) -> None:
        """All that waited is there still, and the next upgrade succeeds with all of it."""
        self.assertEqual(self.ask("status")["process"], self.batond.pid)
        self.until(lambda: self.status()["undecided"] == 1 and self.status()["held"] == 1, "they wait still")
        self.restore_program()
        self.configure(POOLS)
        self.upgraded()
        self.go_on(self.half)
        self.start_worker("blog", "B")
        self.assertEqual(self.greeted_by(self.held), "B")
        self.serves()

    def follow_with(self, step: str) -> None:
        """tests/dispatch/successor.cpp, which goes as far as that step."""
        self.replace_program(f'exec "{SUCCESSOR}" {step}\n')

    def test_a_configuration_with_errors(self) -> None:
        self.configure(POOLS + '[[route]]\nhost = "x"\npool = "shp"\n')
        self.fails('did you mean "shop"?')
        self.assertEqual(self.logged().count('did you mean "shop"?'), 1)

    def test_an_address_that_another_has(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.configure(POOLS + f'[listener.more]\naddress = "{address}"\n')
            self.fails(address)

    def test_no_program(self) -> None:
        os.unlink(self.program)
        self.fails("cannot start")

    def test_one_that_ends_at_once(self) -> None:
        self.replace_program("exit 7\n")
        self.fails("status 7")

    def test_one_that_hangs(self) -> None:
        self.configure(POOLS + '[limits]\nupgrade = "300ms"\n')
        self.assertTrue(self.ask("reload")["ok"])
        self.replace_program("exec sleep 80\n")
        self.fails("in time")

    def test_killed_when_it_has_prepared(self) -> None:
        self.follow_with("killed-prepared")
        self.fails("signal 9")

    def test_killed_when_it_has_the_group(self) -> None:
        self.follow_with("killed-collected")
        self.fails("signal 9")

    def test_killed_when_it_is_ready(self) -> None:
        """batond is stopped meanwhile: it commits to a dead one."""
        self.follow_with("killed-ready")

        def let_go_on() -> None:
            self.until(lambda: state_of(self.batond.pid) == "T", "batond is stopped")
            started = re.search(r"is started, process (\d+)", self.logged())
            assert started
            self.until(lambda: state_of(int(started[1])) == "Z", "the new one is dead")
            os.kill(self.batond.pid, signal.SIGCONT)
        self.fails("signal 9", let_go_on)

    def test_hangs_with_the_group(self) -> None:
        self.follow_with("hangs-collected")
        self.fails("in time")

    def test_refuses_the_group(self) -> None:
        self.follow_with("fails-collected")
        self.fails("no room for it")

    def test_another_protocol(self) -> None:
        self.follow_with("other-protocol")
        self.fails("another protocol")

    def test_two_at_a_time(self) -> None:
        self.replace_program("exec sleep 80\n")
        with self.begin_to_ask("upgrade") as first:
            self.until(lambda: "is started" in self.logged(), "it is started")
            self.assertIn("under way", self.ask("upgrade")["error"])
            self.assertIn("under way", self.ask("reload")["error"])
            self.batond.send_signal(signal.SIGTERM)
            self.assertIn("told to end", self.answer_on(first)["error"])
        self.start_worker("blog", "B")
        self.assertEqual(self.greeted_by(self.held), "B")

    def test_killed_when_it_has_committed(self) -> None:
        """What it has taken is its own and ends with it; the listening sockets and their queues are not lost."""
        self.follow_with("killed-committed")
        answer = self.upgrade()
        self.assertFalse(answer["ok"], answer)
        self.assertEqual(self.ask("status")["process"], self.batond.pid)
        self.serves()
        self.restore_program()
        self.upgraded()
        self.serves()


class OldOneKilled(Upgrades):
    def follow_one_that(self, step: str) -> int:
        """batond follows tests/dispatch/successor.cpp, which is killed at that step: the process of batond."""
        self.configure(POOLS)
        before = self.start_logged([SUCCESSOR, step, "127.0.0.1:0 (front)", BATOND, "--config", self.configuration],
                                   stdout=subprocess.PIPE)
        self.follow(int(before.stdout.readline()))
        self.assertEqual(before.wait(PATIENCE), -signal.SIGKILL)
        return self.batond.pid

    def test_before_the_commit_the_new_one_ends(self) -> None:
        for step in ("dies-prepared", "dies-held"):
            process = self.follow_one_that(step)
            self.until(lambda: not alive(process), "the new one has ended")
            self.assertIn("has ended or goes on itself", self.logged())

    def test_behind_the_commit_the_new_one_has_it(self) -> None:
        process = self.follow_one_that("dies-committed")
        self.await_batond()
        self.assertEqual(self.status()["process"], process)
        self.start_worker("shop", "S")
        self.serves()

    def test_when_it_drains_the_new_one_has_it_all(self) -> None:
        self.start_batond(POOLS)
        self.start_worker("shop", "S")
        stopped = self.start_worker("blog", "STOPPED", "stop-after-link")
        self.under_way("blog", "blog.example", 1)
        half = self.half_client()
        self.until(lambda: self.status()["undecided"] == 1, "it waits")
        old = self.batond
        self.upgraded()
        self.assertIsNone(old.poll())  # it waits for that worker
        os.kill(old.pid, signal.SIGKILL)
        old.wait(PATIENCE)
        self.serves()
        self.go_on(half)
        os.killpg(stopped.pid, signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
