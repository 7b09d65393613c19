# SPDX-License-Identifier: MIT
"""Groups at the server: nothing of one is here before its commit, whoever refuses, is late or dies."""

from __future__ import annotations

import errno
import signal
import socket
import unittest
from typing import Callable, Tuple

import baton
from support import WAIT, Server, receive
from test_groups import GroupCase


class Taking(GroupCase):
    """This process takes what another one gives."""

    def setUp(self) -> None:
        super().setUp()
        self.names = baton.LinkListener("here")
        self.addCleanup(self.names.close)

    def take_from(self, *end_points: socket.socket) -> Tuple[Server, baton.Link]:
        """A listener that has the end points, which are closed here, and the link to it."""
        giver = self.giver("here", *end_points)
        link = self.names.accept(WAIT)
        self.addCleanup(link.close)
        link.credit(8)
        return giver, link

    def whole(self, giver: Server, link: baton.Link, count: int) -> baton.HeldGroup:
        """The group of `count`, which is not committed."""
        for word in [*["add"] * count, "whole"]:
            giver.tell(word)
            giver.expect(f"done {word}")
        return link.take_group(WAIT)

    def assert_no_group(self, call: Callable[[], object], number: int) -> None:
        with self.assertRaises(baton.GroupError) as caught:
            call()
        error = caught.exception
        self.assertEqual((error.errno, error.back, error.moved, error.in_doubt), (number, [], [], []), error)

    def assert_ended(self, *clients: socket.socket) -> None:
        """The listener had them, and has died."""
        for client in clients:
            self.assertEqual(receive(client, 1), b"")

    def test_items_and_sockets(self) -> None:
        (client, end_point), (client6, end_point6) = self.pair(), self.pair(socket.AF_INET6)
        listening, queued = self.listening()
        end_point6.setblocking(False)
        names = [each.getsockname() for each in (end_point, end_point6, listening)]
        giver, link = self.take_from(end_point, end_point6, listening)
        with self.whole(giver, link, 3) as group:
            self.assertEqual([item.family for item in group.items], [socket.AF_INET, socket.AF_INET6, socket.AF_INET])
            self.assertEqual([item.listening for item in group.items], [False, False, True])
            self.assertEqual([item.local for item in group.items], names)
            peers = [client.getsockname(), client6.getsockname(), None]
            self.assertEqual([item.peer for item in group.items], peers)
            self.assertEqual([item.data for item in group.items], [b"read"] * 3)
            self.assertEqual([item.blob for item in group.items], [b"blob 2", b"blob 1", b"blob 0"])
            giver.tell("commit")
            arrivals = group.ready(WAIT)
            with self.assertRaises(ValueError):
                group.ready()
        giver.expect("done commit")
        for arrival, item in zip(arrivals, group.items):
            self.addCleanup(arrival.socket.close)
            self.assertEqual(arrival[1:], (item.data, item.id, item.blob, item.listening))
        self.assertEqual([arrival.socket.gettimeout() for arrival in arrivals], [None, 0.0, None])
        self.assertEqual([arrival.socket.getsockname() for arrival in arrivals], names)
        self.assert_alive(client, arrivals[0].socket)
        self.assert_alive(client6, arrivals[1].socket)
        with arrivals[2].socket.accept()[0] as accepted:
            self.assert_alive(queued, accepted)
        giver.tell()
        giver.expect("has 0")
        giver.end()

    def test_listener_dies(self) -> None:
        for when in ("while it adds", "when it is whole"):
            with self.subTest(when):
                (client, end_point), (other, last) = self.pairs(2)
                giver, link = self.take_from(end_point, last)
                if when == "while it adds":
                    giver.tell("add")
                    giver.expect("done add")
                    with self.assertRaises(TimeoutError):
                        link.take_group(0)
                    giver.kill()
                    self.assert_no_group(lambda: link.take_group(WAIT), errno.ECANCELED)
                else:
                    with self.whole(giver, link, 2) as group:
                        giver.kill()
                        self.assert_no_group(lambda: group.ready(WAIT), errno.ECANCELED)
                        with self.assertRaises(ValueError):
                            group.ready(WAIT)
                self.assert_ended(client, other)
                with self.assertRaises(ConnectionResetError):
                    link.take_group(WAIT)
                link.close()
                giver.end(-signal.SIGKILL)

    def test_listener_calls_it_off(self) -> None:
        """While it waits for the rest, and when it is whole. The next group on the link is not touched by that."""
        (_, end_point), (client, last) = self.pairs(2)
        giver, link = self.take_from(end_point, last)
        giver.tell("add")
        giver.expect("done add")
        with self.assertRaises(TimeoutError):
            link.take_group(0.05)
        giver.tell("abort")
        self.assert_no_group(lambda: link.take_group(WAIT), errno.ECANCELED)
        giver.expect("done abort")
        held = self.whole(giver, link, 1)
        giver.tell("abort")
        giver.expect("done abort")
        self.assert_no_group(lambda: held.ready(WAIT), errno.ECANCELED)
        giver.tell()
        giver.expect("has 2")
        giver.end()

    def test_refused(self) -> None:
        class Enough(Exception):
            pass

        for way in ("refused", "left", "exception", "dropped", "link closed", "not in time"):
            with self.subTest(way):
                giver, link = self.take_from(*(end_point for _, end_point in self.pairs(2)))
                group = self.whole(giver, link, 2)
                if way == "refused":
                    group.refuse()
                    group.refuse()
                elif way == "left":
                    with group:
                        pass
                elif way == "exception":
                    with self.assertRaises(Enough), group:
                        raise Enough()
                elif way == "dropped":
                    del group
                elif way == "link closed":
                    link.close()
                    self.assert_no_group(lambda: group.ready(WAIT), errno.EBADF)
                else:
                    self.assert_no_group(lambda: group.ready(0.1), errno.ETIMEDOUT)
                giver.tell("commit")
                giver.expect(f"not committed {errno.ECANCELED}, back 2", "done commit")
                giver.tell()
                giver.expect("has 2")
                giver.end()
                link.close()

    def test_given_before_a_group(self) -> None:
        """It is kept for take_many(), and what has come of a group for the next take_group()."""
        pairs = self.pairs(1)
        listening, queued = self.listening()
        giver, link = self.take_from(listening, *(end_point for _, end_point in pairs))
        for word in ("give", "add"):
            giver.tell(word)
            giver.expect(f"done {word}")
        with self.assertRaises(TimeoutError):
            link.take_group(0.05)
        self.assertGreaterEqual(link.pending(), 1)
        (given,) = link.take_many()
        self.assertEqual((given.data, given.listening), (b"given", True))
        giver.tell("whole")
        giver.expect("done whole")
        with link.take_group(WAIT) as group:
            giver.tell("commit")
            (arrival,) = group.ready(WAIT)
        with given.socket, given.socket.accept()[0] as accepted, arrival.socket:
            self.assert_alive(queued, accepted)
            self.assert_alive(pairs[0][0], arrival.socket)
        giver.expect("done commit")
        giver.tell()
        giver.expect("has 0")
        giver.end()

    def test_link_closed_with_half_a_group(self) -> None:
        giver, link = self.take_from(*(end_point for _, end_point in self.pairs(2)))
        giver.tell("add")
        giver.expect("done add")
        with self.assertRaises(TimeoutError):
            link.take_group(0)
        link.close()
        giver.tell("commit")
        giver.expect(f"not committed {errno.ECANCELED}, back 1", "done commit")
        giver.tell()
        giver.expect("has 2")
        giver.end()


if __name__ == "__main__":
    unittest.main()
