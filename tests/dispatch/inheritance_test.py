# SPDX-License-Identifier: MIT
"""Upgrades of batond: what the new one keeps of the one before, and what of its own configuration it does otherwise."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import unittest
from typing import Dict, List

from house import PATIENCE, POOLS, Upgrades, http, read_all, read_exactly, reserved_port


def is_accepted(client: socket.socket) -> bool:
    """By who listens at 127.0.0.1: proc_pid_net(5), a socket that nobody has accepted has no inode."""
    ends = [f"0100007F:{end[1]:04X}" for end in (client.getpeername(), client.getsockname())]
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(row[1:3] == ends and row[9] != "0" for row in map(str.split, table))


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


class Headers(Upgrades):
    """PROXY headers, which batond reads when it knows what is behind them."""

    V1 = b"PROXY TCP4 192.0.2.7 198.51.100.8 1234 8080\r\n"
    # Version 2, PROXY, TCP over IPv4, 19 octets: the same addresses, and the TLV NOOP (PP2_TYPE_NOOP).
    V2_ADDRESSES = bytes([192, 0, 2, 7, 198, 51, 100, 8]) + (1234).to_bytes(2, "big") + (8080).to_bytes(2, "big")
    V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
    V2 = V2_SIGNATURE + b"\x21\x11\0\x13" + V2_ADDRESSES + b"\x04\0\x04\0\0\0\0"

    def cut_anywhere(self, use: str) -> None:
        """An upgrade that fails and two that succeed while a header, or what is behind it, is half received."""
        self.start_batond('[pool.named]\nhold = "20s"\n[pool.other]\n[[route]]\npool = "named"\nhost = "*"\n'
                          'source = "192.0.2.0/24"\n[[route]]\npool = "other"\nhost = "*"\n',
                          f'proxy = "{use}"\nwait = "5m"\n')
        self.start_worker("named", "NAMED")
        all_said = [header + http("a") for header in (self.V1, self.V2)]
        cut = [(said, at) for said in all_said for at in range(len(said))]
        clients = [self.client(said[:at]) for said, at in cut]
        self.replace_program("exit 7\n")
        for succeeds in (False, True, True):
            self.until(lambda: self.ask("status")["undecided"] == len(cut), "they wait")
            self.assertEqual(self.upgrade()["ok"], succeeds)
            self.restore_program()
        self.until(lambda: self.ask("status")["undecided"] == len(cut), "they wait")
        self.until(lambda: any(worker["credit"] for worker in self.workers("named")), "the worker is back")
        for client, (said, at) in zip(clients, cut):
            client.sendall(said[at:])
        for client in clients:
            self.assertEqual(self.greeted_by(client), "NAMED")
            self.echoes(client)

    def test_required_and_half_received(self) -> None:
        self.cut_anywhere("required")

    def test_optional_and_half_received(self) -> None:
        self.cut_anywhere("optional")

    def test_one_that_was_read_is_passed_on(self) -> None:
        """All that a server which sees the client by a header of ours is told: the client waits for it meanwhile."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE)
            self.start_batond(f'[pool.old]\nconnect = ["127.0.0.1:{server.getsockname()[1]}"]\nproxy_protocol = true\n'
                              'hold = "20s"\n[[route]]\nhost = "*"\npool = "old"\n', 'proxy = "required"\n')
            self.assertTrue(self.ask("drain", pool="old")["ok"])
            clients = [self.client(header + http("a")) for header in (self.V1, self.V2)]
            self.until(lambda: self.ask("status")["held"] == len(clients), "they are held")
            for _ in range(2):
                self.upgraded()
                self.until(lambda: self.ask("status")["held"] == len(clients), "they are held there")
            self.assertTrue(self.ask("drain", pool="old", on=False)["ok"])
            expected = self.V2_SIGNATURE + b"\x21\x11\0\x0c" + self.V2_ADDRESSES + http("a")
            for _ in clients:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    self.assertEqual(read_exactly(connection, len(expected)), expected)


class ControlSocket(Upgrades):
    """Where the new batond is asked: where its configuration says. The old one answers, and leaves nothing there."""

    def setUp(self) -> None:
        super().setUp()
        self.start_batond(POOLS)

    def upgraded_to(self, path: str, line: str) -> None:
        """`line` stands in the configuration, by which the new one is at that path."""
        old = self.control
        with self.begin_to_ask("status") as idle:
            self.answer_on(idle)
            self.edit_configuration(f'control = "{old}"\n', line)
            answer = self.upgraded()
            self.assertEqual(idle.recv(1), b"")
        self.control = path
        self.assertEqual(self.ask("status")["process"], answer["process"])
        if path != old:
            self.until(lambda: not os.path.lexists(old), "the old one has let go")

    def test_another_path_and_back(self) -> None:
        old = self.control
        for path in (old + "2", old, old):
            self.upgraded_to(path, f'control = "{path}"\n')
        self.start_worker("shop", "S")
        self.serves()

    def test_while_the_old_one_drains(self) -> None:
        self.start_worker("shop", "STOPPED", "stop-after-link")
        self.under_way("shop", "shop.example", 1)
        old = self.batond
        self.upgraded_to(self.control + "2", f'control = "{self.control}2"\n')
        self.assertIsNone(old.poll())

    def test_the_runtime_folder(self) -> None:
        self.upgraded_to(os.path.join(self.runtime, "batond", "control"), "")
        # Another name for that place.
        self.edit_configuration("[batond]\n", f'[batond]\ncontrol = "{self.runtime}/./batond/control"\n')
        answer = self.upgraded()
        self.assertEqual(self.ask("status")["process"], answer["process"])

    def test_a_file_that_was_removed(self) -> None:
        """Nobody can ask the old one; the new one is there again."""
        os.unlink(self.control)
        old = self.batond
        old.send_signal(signal.SIGUSR2)
        started = self.until(lambda: re.search(r"is started, process (\d+)", self.logged()), "the new one is started")
        self.follow(int(started[1]))
        self.assertEqual(old.wait(PATIENCE), 0)
        self.assertEqual(self.ask("status")["process"], self.batond.pid)

    def test_one_that_fails_leaves_nothing(self) -> None:
        old = self.control
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.edit_configuration(f'control = "{old}"\n', f'control = "{old}2"\n'
                                    f'metrics = "127.0.0.1:{taken.getsockname()[1]}"\n')
            answer = self.upgrade()
        self.assertFalse(answer["ok"])
        self.assertIn("metrics", answer["error"])
        self.assertFalse(os.path.lexists(old + "2"))
        self.assertEqual(self.ask("status")["process"], self.batond.pid)
        # What it had found taken is free now.
        self.assertTrue(self.upgraded()["ok"])
        self.control = old + "2"
        self.assertEqual(self.ask("status")["process"], self.batond.pid)


class OfSystemd(Upgrades):
    """Sockets that systemd has opened, which it passes as they are: they block."""

    def start_activated(self, text: str, count: int) -> List[int]:
        """With so many sockets of the name "web": their ports."""
        self.configure(text)
        with contextlib.ExitStack() as opened:
            sockets = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
            passed = [fcntl.fcntl(each, fcntl.F_DUPFD, 3 + count) for each in sockets]  # none in the place of another
            for number in passed:
                opened.callback(os.close, number)
            numbers = " ".join(f"{3 + i}<&{number}" for i, number in enumerate(passed))
            self.batond = self.start_logged(
                ["bash", "-c", f'exec {numbers}; LISTEN_PID=$$ exec "$@"', "bash", self.program, "--config",
                 self.configuration], pass_fds=passed,
                env={**self.environment, "LISTEN_FDS": str(count), "LISTEN_FDNAMES": ":".join(["web"] * count)})
            ports = [each.getsockname()[1] for each in sockets]
            self.await_batond()
        self.start_worker("shop", "S")
        return ports

    def serves_at(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(http("shop.example"))
            self.assertEqual(self.greeted_by(client), "S")

    def test_a_listener_that_comes_with_the_new_one(self) -> None:
        ports = self.start_activated(POOLS, 2)
        self.configure(POOLS + '[listener.web]\nsystemd = "web"\n')
        for _ in range(2):
            self.upgraded()
            self.assertEqual([int(listener["address"].rsplit(":", 1)[1])
                              for listener in self.ask("status")["listeners"] if listener["name"] == "web"], ports)
            for port in ports:
                self.serves_at(port)
            self.serves()

    def test_a_listener_that_goes_and_comes_back(self) -> None:
        """A socket that nobody asks for is kept: systemd passes it once."""
        port, = self.start_activated(POOLS + '[listener.web]\nsystemd = "web"\n', 1)
        self.serves_at(port)
        self.configure(POOLS)
        self.upgraded()
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(http("shop.example"))
            self.configure(POOLS + '[listener.web]\nsystemd = "web"\n')
            self.assertTrue(self.ask("reload")["ok"])
            self.assertEqual(self.greeted_by(client), "S")
        self.assertNotIn("closed", self.logged())


class Metrics(Upgrades):
    def setUp(self) -> None:
        super().setUp()
        self.addresses = []
        for _ in range(2):
            reserved = reserved_port()
            self.addCleanup(reserved.close)
            self.addresses.append(reserved.getsockname())
        self.lines = [f'metrics = "{host}:{port}"\n' for host, port in self.addresses]
        self.configure(POOLS)
        self.edit_configuration("[batond]\n", "[batond]\n" + self.lines[0])
        self.batond = self.start_logged([self.program, "--config", self.configuration])
        self.await_batond()

    def asked(self, number: int) -> socket.socket:
        asked = socket.create_connection(self.addresses[number], timeout=PATIENCE)
        self.addCleanup(asked.close)
        return asked

    def answers(self, asked: socket.socket, rest: bytes = b"GET /metrics HTTP/1.1\r\n\r\n") -> None:
        asked.sendall(rest)
        answer = read_all(asked)
        self.assertIn(b"200 OK", answer)
        self.assertIn(b"batond_info", answer)

    def upgraded_and_over(self) -> None:
        old = self.batond
        self.upgraded()
        self.until(lambda: old.poll() is not None, "the old one has ended")

    def test_another_address_and_none(self) -> None:
        self.edit_configuration(self.lines[0], self.lines[1])
        for _ in range(2):
            self.upgraded_and_over()
            self.answers(self.asked(1))
            with self.assertRaises(ConnectionRefusedError):
                self.asked(0)
        self.edit_configuration(self.lines[1], "")
        self.upgraded_and_over()
        with self.assertRaises(ConnectionRefusedError):
            self.asked(1)

    def test_an_address_that_the_new_one_cannot_have(self) -> None:
        with socket.create_server(self.addresses[1]):
            self.edit_configuration(self.lines[0], self.lines[1])
            self.assertIn("metrics", self.upgrade()["error"])
            self.answers(self.asked(0))
        self.upgraded_and_over()
        self.answers(self.asked(1))

    def test_who_has_asked_the_old_one_in_part(self) -> None:
        for number, line in ((0, self.lines[0]), (1, self.lines[1])):
            self.edit_configuration(self.lines[0], line)
            old = self.batond
            half = self.asked(0)
            half.sendall(b"GET /metrics HT")
            self.until(lambda: is_accepted(half), "it is accepted")
            self.upgraded()
            self.answers(half, b"TP/1.1\r\n\r\n")
            self.until(lambda: old.poll() is not None, "the old one has ended")
            self.answers(self.asked(number))


if __name__ == "__main__":
    unittest.main()
