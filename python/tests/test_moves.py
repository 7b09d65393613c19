# SPDX-License-Identifier: MIT
"""Every outcome of a move, between this process and servers of their own."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from typing import List, Tuple, cast

import baton
from support import HERE, WAIT, Case, Server, receive


class Outcomes(Case):
    def test_taken(self) -> None:
        for family in (socket.AF_INET, socket.AF_INET6):
            for timeout, there in ((None, "None"), (0.0, "0.0"), (5.0, "None")):
                with self.subTest(family=family, timeout=timeout):
                    server, link = self.server("echo"), self.link()
                    client, end_point = self.pair(family)
                    client.sendall(b"ab")
                    self.assertEqual(end_point.recv(1), b"a")  # what was read goes along, the rest stays in the socket
                    end_point.settimeout(timeout)
                    moved = link.offer(end_point, b"a", WAIT)
                    self.assertEqual(moved.pid, server.process.pid)
                    self.assertEqual(end_point.fileno(), -1)
                    server.expect(f"{int(family)} {there} {client.getsockname()[1]}")
                    self.assert_echoes(client, b"ab")
                    server.end()
                    link.close()

    def test_refused(self) -> None:
        server, link = self.server("refuse:-7", "drop", "forget", "refuse:-3"), self.link()
        client, end_point = self.pair()
        for reason in (-7, -1, -1, baton.BUSY):
            end_point.settimeout(2.5)
            with self.assertRaises(baton.MoveRefused) as caught:
                link.offer(end_point, timeout=WAIT)
            self.assertEqual((caught.exception.reason, caught.exception.errno), (reason, errno.ECONNABORTED))
            self.assertIs(caught.exception.socket, end_point)
            self.assertEqual(end_point.gettimeout(), 2.5)
            self.assert_alive(client, end_point)
        server.end()

    def test_no_answer_in_time(self) -> None:
        server, link = self.server("ignore", "echo"), self.link()
        client, end_point = self.pair()
        before = time.monotonic()
        with self.assertRaises(baton.MoveError) as caught:
            link.offer(end_point, timeout=1.0)
        self.assertLess(time.monotonic() - before, WAIT / 2)
        self.assertEqual(caught.exception.errno, errno.ETIMEDOUT)
        self.assertIs(caught.exception.socket, end_point)
        self.assert_alive(client, end_point)
        server.expect("read")
        server.tell()
        server.expect(f"not taken {errno.ECANCELED}", "done ignore")
        link.offer(end_point, timeout=WAIT)
        self.assert_echoes(client)
        server.end()

    def test_in_doubt_and_then(self) -> None:
        for word in ("take", "die"):
            with self.subTest(word):
                server, link = self.server("late"), self.link()
                client, end_point = self.pair()
                with self.assertRaises(baton.MoveInDoubt) as caught:
                    link.offer(end_point, b"x", timeout=2.0)
                doubt = caught.exception
                self.assertIsNone(doubt.socket)
                self.assertEqual(doubt.errno, errno.ETIMEDOUT)
                with self.assertRaises(baton.MoveInDoubt) as again:
                    link.settle(doubt, 0.1)
                doubt = again.exception
                server.expect("answered")
                server.tell(word)
                # The CANCEL is behind the CALL: the server reads both, and gives the end point up.
                with self.assertRaises(baton.MoveError) as settled:
                    link.settle(doubt, WAIT)
                self.assertIs(settled.exception.socket, end_point)
                self.assert_alive(client, end_point)
                if word == "take":
                    server.expect("accepts", f"not taken {errno.ECANCELED}")
                server.end(0 if word == "take" else -signal.SIGKILL)
                with self.assertRaises(ValueError):
                    link.settle(doubt)
                link.close()

    def test_called_off_after_the_answer(self) -> None:
        """The server waits for the call when the offer is called off: it is told, and has all the time it wants."""
        server, link = self.server("go", "late"), self.link()
        client, end_point = self.pair()
        offer = link._offer(end_point, b"")
        next(offer)
        server.tell()
        server.expect("waits", "done go", "answered")
        server.tell("take")
        server.expect("accepts")
        while server.state() != "S":  # it waits for the call
            time.sleep(0.001)
        offer.close()
        self.assert_alive(client, end_point)
        server.expect(f"not taken {errno.ECANCELED}", "done late")
        server.end()

    def test_server_dies(self) -> None:
        for step in ("die-offered", "die-answered", "die-called"):
            with self.subTest(step):
                server, link = self.server(step), self.link()
                client, end_point = self.pair()
                with self.assertRaises(baton.MoveError) as caught:
                    link.offer(end_point, timeout=WAIT)
                self.assertIs(caught.exception.socket, end_point)
                self.assertNotIsInstance(caught.exception, baton.MoveInDoubt)
                self.assert_alive(client, end_point)
                server.end(-signal.SIGKILL)
                link.close()

    def test_link_ends(self) -> None:
        server, link = self.server("go", "close"), self.link()
        client, end_point = self.pair()
        server.tell()
        server.end()
        with self.assertRaises(baton.MoveError) as caught:
            link.offer(end_point, timeout=WAIT)
        self.assertEqual(caught.exception.errno, errno.ECONNRESET)
        self.assert_alive(client, end_point)
        with self.assertRaises(ConnectionResetError):
            link.receive(WAIT)
        with self.assertRaises(ConnectionResetError):
            link.take(WAIT)
        link.close()
        self.assertEqual(link.fileno(), -1)
        with self.assertRaises(OSError):
            link.offer(end_point)
        self.assert_alive(client, end_point)

    def test_abandoned(self) -> None:
        server, link = self.server("late"), self.link()
        client, end_point = self.pair()
        with self.assertRaises(baton.MoveInDoubt):
            link.offer(end_point, timeout=2.0)
        self.assertEqual(link.abandon(), 1)
        self.assertEqual(baton.statistics()["in_doubt"], 0)
        server.tell("die")
        server.end(-signal.SIGKILL)
        self.assertEqual(receive(client, 1), b"")

    def test_listening_socket(self) -> None:
        with baton.LinkListener("listening") as listener:
            child = os.fork()
            if child == 0:
                with baton.Link.connect("listening", timeout=WAIT) as giving:
                    giving.offer(socket.create_server(("127.0.0.1", 0)), timeout=WAIT)
                os._exit(0)
            with listener.accept(timeout=WAIT) as link:
                moved = link.take(timeout=WAIT).accept(timeout=WAIT)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            with moved, socket.create_connection(moved.getsockname(), WAIT) as client, moved.accept()[0] as accepted:
                client.sendall(b"x")
                self.assertEqual(receive(accepted, 1), b"x")

    def test_what_does_not_move(self) -> None:
        server, link = self.server(), self.link()
        client, end_point = self.pair()
        for unfit in (socket.socket(socket.AF_UNIX), socket.socket(type=socket.SOCK_DGRAM), socket.socket()):
            with unfit, self.assertRaises(baton.MoveError) as caught:
                link.offer(unfit, timeout=WAIT)
            self.assertIs(caught.exception.socket, unfit)
        with self.assertRaises(baton.MoveError) as caught:
            link.offer(end_point, bytes(65537), WAIT)
        self.assertEqual(caught.exception.errno, errno.EMSGSIZE)
        with end_point.makefile("rb"), self.assertRaises(ValueError):
            link.offer(end_point)
        with ssl.create_default_context().wrap_socket(
            client.dup(), do_handshake_on_connect=False, server_hostname="localhost"
        ) as secured, self.assertRaises(TypeError):
            link.offer(secured)
        with self.assertRaises(TypeError):
            link.offer(end_point, cast(bytes, "text"))
        self.assert_alive(client, end_point)
        end_point.close()
        with self.assertRaises(ValueError):
            link.offer(end_point)
        server.end()

    def test_nobody_there(self) -> None:
        with self.assertRaises(ConnectionRefusedError) as caught:
            baton.Link.connect("nobody", WAIT)
        self.assertIn(os.environ["BATON_RUNTIME_DIR"], str(caught.exception))
        with self.assertRaises(ValueError):
            baton.Link.connect("x" * 33)
        with baton.LinkListener(b"\x01\x02"):
            with self.assertRaises(OSError) as taken:
                baton.LinkListener(b"\x01\x02")
            self.assertEqual(taken.exception.errno, errno.EADDRINUSE)
            before = time.monotonic()
            with self.assertRaises(TimeoutError):  # it does not accept
                baton.Link.connect(b"\x01\x02", 0.2)
            self.assertLess(time.monotonic() - before, WAIT / 2)


class Connecting(Case):
    def test_answered_while_it_is_waited_for(self) -> None:
        """Alone in its process, a connect waits in poll(2) without end until its answer comes."""
        with baton.LinkListener("slow") as names:
            connecting = subprocess.Popen([sys.executable, "-c", "import baton; baton.Link.connect('slow').close()"])
            try:
                deadline = time.monotonic() + WAIT
                while not Path(f"/proc/{connecting.pid}/wchan").read_text().startswith(("poll_", "do_sys_poll")):
                    self.assertIsNone(connecting.poll())
                    self.assertLess(time.monotonic(), deadline)
                with names.accept(WAIT):
                    self.assertEqual(connecting.wait(WAIT), 0)
            finally:
                connecting.kill()
                connecting.wait()


class Signals(Case):
    def test_a_handler_that_returns(self) -> None:
        """The wait goes on, as Python's own calls do."""
        server, link = self.server("ignore"), self.link()
        client, end_point = self.pair()
        ticks = []

        def tick(*_: object) -> None:
            ticks.append(1)
            if len(ticks) == 3:
                server.tell()

        signal.signal(signal.SIGUSR1, tick)
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.SIG_DFL)
        sender = threading.Thread(target=lambda: self.interrupt_after(server, 3, ticks))
        sender.start()
        link.offer(end_point, timeout=WAIT)
        sender.join()
        self.assertEqual(len(ticks), 3)
        self.assertEqual(receive(client, 1), b"")  # this server closes what it takes
        server.end()

    def interrupt_after(self, server: Server, count: int, ticks: List[int]) -> None:
        server.expect("read")
        for done in range(count):
            os.kill(os.getpid(), signal.SIGUSR1)
            while len(ticks) == done:
                time.sleep(0.001)

    def test_a_handler_that_raises(self) -> None:
        """The move is taken back, and the socket is usable."""
        for step, line in (("ignore", "read"), ("late", "answered")):
            with self.subTest(step):
                server, link = self.server(step), self.link()
                client, end_point = self.pair()

                def interrupt() -> None:
                    server.expect(line)
                    if step == "late":  # answers the CANCEL within the time that an interrupted move waits
                        server.tell("take")
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

                sender = threading.Thread(target=interrupt)
                sender.start()
                try:
                    link.offer(end_point, timeout=WAIT)
                    interrupted = False
                    sender.join()
                    time.sleep(WAIT)
                except KeyboardInterrupt:
                    interrupted = True
                sender.join()
                if step == "ignore":
                    self.assertTrue(interrupted)
                    server.tell()
                # Called and told to take at the same time: what the server does first wins.
                if end_point.fileno() >= 0:
                    self.assert_alive(client, end_point)
                    end_point.close()
                else:
                    self.assertEqual(step, "late")
                    self.assert_echoes(client)
                server.end()
                link.close()


class Streams(Case):
    def test_back_and_forth(self) -> None:
        """A stream of which two processes read alternately, over one link: no octet lost, doubled, or out of order."""
        sizes = [random.Random(seed).randrange(1, 60000) for seed in range(20)]
        stream = random.Random(5).randbytes(sum(sizes) + 1000)
        server, link = self.server(*(f"part:{size}" for size in sizes)), self.link()
        client, end_point = self.pair()

        def send() -> None:
            client.sendall(stream)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        at = 0
        for size in sizes:
            ahead = end_point.recv(min(size, 700))
            self.assertEqual(ahead, stream[at : at + len(ahead)])
            link.offer(end_point, ahead, WAIT)
            part = hashlib.sha256(stream[at : at + size]).hexdigest().encode()
            with link.take(WAIT) as incoming:  # the digest stands before the offer
                self.assertEqual(link.receive(WAIT), part)
                end_point = incoming.accept(WAIT)
            at += size
        self.assertEqual(receive(end_point, 1 << 20), stream[at:])
        end_point.close()
        sender.join()
        server.end()

    def test_messages(self) -> None:
        big = 3000000
        server, link = self.server("hear", f"big:{big}", "say:end", "echo"), self.link()
        with self.assertRaises(TimeoutError):
            link.receive(0)
        link.send(b"hello")
        server.expect("hello")
        # Those of the server stand before its answer.
        client, end_point = self.pair()
        self.assertEqual(len(link.receive(WAIT)), big)
        link.offer(end_point, timeout=WAIT)
        self.assertEqual(link.pending(), 1)
        self.assertEqual(link.receive(WAIT), b"end")
        self.assertEqual(link.pending(), 0)
        self.assert_echoes(client)
        server.end()

    def iso_pair(self, names: baton.LinkListener) -> Tuple[baton.Link, baton.Link]:
        accepted: List[baton.Link] = []
        taker = threading.Thread(target=lambda: accepted.append(names.accept(WAIT)))
        taker.start()
        client = baton.Link.connect("front", WAIT)
        taker.join()
        self.addCleanup(client.close)
        self.addCleanup(accepted[0].close)
        return client, accepted[0]

    def test_iso_end_point(self) -> None:
        """An AF_ISO connection within the host moves like others; at the server it is a Link."""
        server, link = self.server("iso"), self.link()
        with baton.LinkListener("front") as front:
            client, end_point = self.iso_pair(front)
        self.assertEqual(client.peer, baton.IsoAddress("TESTHOST", b"front"))
        client.send(b"question")
        link.offer(end_point, timeout=WAIT)
        self.assertTrue(end_point.closed)
        self.assertEqual(client.receive(WAIT), b"seen:question")
        client.send(b"bye")
        with self.assertRaises(ConnectionResetError):
            client.receive(WAIT)
        server.end()
        with baton.LinkListener("front") as front:  # one that comes back
            client, end_point = self.iso_pair(front)
        with self.assertRaises(baton.MoveError) as caught:
            link.offer(end_point, timeout=WAIT)
        self.assertIs(caught.exception.socket, end_point)
        end_point.send(b"still here")
        self.assertEqual(client.receive(WAIT), b"still here")
        end_point.close()


class Express(Case):
    def test_many(self) -> None:
        server, link = self.server("many:12"), self.link()
        pairs = [self.pair(socket.AF_INET6 if each % 3 == 0 else socket.AF_INET) for each in range(12)]
        ids = link.give([(end_point, b"read %d " % each) for each, (_, end_point) in enumerate(pairs)], WAIT)
        self.assertEqual(len(set(ids)), 12)
        for client, _ in pairs:
            self.ask(client)
        told = []
        while outcomes := link.outcomes(5, WAIT):
            told += outcomes
        for each, (client, _) in enumerate(pairs):
            self.assertEqual(receive(client, 1 << 20), b"read %d question" % each)
        self.assertEqual(sorted(outcome.id for outcome in told), sorted(ids))
        self.assertEqual([outcome.error for outcome in told], [None] * 12)
        self.assertEqual({id(outcome.socket) for outcome in told}, {id(end_point) for _, end_point in pairs})
        server.end()

    def test_many_with_blobs(self) -> None:
        """In the frame, and beside it; one that is too long leaves the end point usable."""
        server, link = self.server("many:4"), self.link()
        blobs = [b"", b"blob", bytearray(b"B" * 65536), b"b" * 200_000]
        pairs = [self.pair() for _ in blobs]
        with self.assertRaises(baton.MoveError) as caught:
            link.give([(pairs[0][1], b"", bytes((1 << 24) + 1))], WAIT)
        self.assertEqual(caught.exception.errno, errno.EMSGSIZE)
        self.assert_alive(*pairs[0])
        with self.assertRaises(TypeError):
            link.give([(pairs[0][1], b"", "no octets")], WAIT)  # type: ignore[list-item]
        ids = link.give([(end_point, b"read ", blob) for (_, end_point), blob in zip(pairs, blobs)], WAIT)
        self.assertEqual(len(ids), len(blobs))
        for (client, _), blob in zip(pairs, blobs):
            self.ask(client)
            whole = b"read " + blob + b"question"
            self.assertEqual(receive(client, len(whole)), whole)
        told: List[baton.Outcome] = []
        while outcomes := link.outcomes(timeout=WAIT):
            told += outcomes
        self.assertEqual([(outcome.id, outcome.error) for outcome in told], [(each, None) for each in ids])
        server.end()

    def test_more_than_the_credit(self) -> None:
        """What found no credit in time remains usable; what the dead server had not taken comes back."""
        server, link = self.server("credit:3", "go", "die"), self.link()
        server.expect("done credit:3", "waits")
        pairs = [self.pair() for _ in range(5)]
        ids = link.give([end_point for _, end_point in pairs], 1.0)
        self.assertEqual(len(ids), 3)
        for client, end_point in pairs[3:]:
            self.assert_alive(client, end_point)
        with self.assertRaises(baton.MoveError) as caught:
            link.give([pairs[3][1]], 0.1)
        self.assertEqual(caught.exception.errno, errno.ETIMEDOUT)
        self.assertIs(caught.exception.socket, pairs[3][1])
        server.tell()
        told = []
        while outcomes := link.outcomes(timeout=WAIT):
            told += outcomes
        self.assertEqual(sorted(outcome.id for outcome in told), sorted(ids))
        for outcome in told:
            assert outcome.error is not None
            self.assertIs(outcome.error.socket, outcome.socket)
            self.assertNotEqual(str(outcome.error), "")
        for client, end_point in pairs:
            self.assert_alive(client, end_point)
        self.assertEqual(link.give([]), [])
        server.end(-signal.SIGKILL)

    def test_one_that_does_not_fit(self) -> None:
        server, link = self.server("many:1"), self.link()
        client, end_point = self.pair()
        with socket.socket() as unfit:
            with self.assertRaises(baton.MoveError) as caught:
                link.give([unfit, end_point], WAIT)
            self.assertIs(caught.exception.socket, unfit)
            self.assertEqual(len(link.give([end_point, unfit], WAIT)), 1)
            self.assertGreaterEqual(unfit.fileno(), 0)
        # Until the outcome is known this process holds the connection too, and the client sees no end of file.
        self.assertEqual([outcome.error for outcome in link.outcomes(timeout=WAIT)], [None])
        self.assert_echoes(client)
        server.end()


class Lifetime(Case):
    def test_forked_child(self) -> None:
        """A child can close the link, which does no harm to the parent's."""
        server, link = self.server("echo"), self.link()
        child = os.fork()
        if child == 0:
            try:
                link.send(b"not mine")
                os._exit(1)
            except PermissionError:
                link.close()
                os._exit(0)
            finally:
                os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        client, end_point = self.pair()
        link.offer(end_point, timeout=WAIT)
        self.assert_echoes(client)
        server.end()

    def test_version(self) -> None:
        """The package is of one release with the library."""
        said = re.search(r'^version = "(.*)"$', (HERE.parent / "pyproject.toml").read_text(), re.MULTILINE)
        assert said is not None
        self.assertEqual(said[1], baton.library_version())

    def test_not_closed(self) -> None:
        server, link = self.server(), baton.Link.connect("server", WAIT)
        with self.assertWarns(ResourceWarning):
            del link
        server.end()

    def test_threads_share_a_link(self) -> None:
        count = 8
        server, link = self.server(f"many:{0}", *(["refuse:-9"] * count)), self.link()
        reasons = []

        def offer() -> None:
            client, end_point = self.pair()
            try:
                link.offer(end_point, timeout=WAIT)
            except baton.MoveRefused as error:
                reasons.append(error.reason)
                self.assert_alive(client, end_point)

        threads = [threading.Thread(target=offer) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(reasons, [-9] * count)
        server.end()


if __name__ == "__main__":
    unittest.main()
