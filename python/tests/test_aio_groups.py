# SPDX-License-Identifier: MIT
"""Groups in an event loop: what is cancelled is called off, refused, or loses nothing; many tasks on one link."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import unittest
from typing import Awaitable, Callable, List, Tuple
from unittest import mock

import baton
import baton.aio
from support import WAIT, receive
from test_aio import heard, in_loop
from test_groups import GroupCase, Pairs, of


class LoopGroups(GroupCase):
    async def both(self) -> Tuple[baton.aio.Link, baton.aio.Link]:
        """The two ends of a link, in this process."""
        with baton.aio.listen("here") as names:
            link, far = await asyncio.gather(baton.aio.connect("here"), names.accept())
        self.addCleanup(link.close)
        self.addCleanup(far.close)
        far.credit(8)
        return link, far

    async def add_all(self, group: baton.aio.Group, pairs: Pairs) -> None:
        for _, end_point in pairs:
            await group.add(end_point, b"read ", b"blob", WAIT)

    async def fails(self, operation: Awaitable[object]) -> baton.GroupError:
        with self.assertRaises(baton.GroupError) as caught:
            await operation
        return caught.exception

    async def cancelled(self, task: asyncio.Future[None]) -> None:
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task

    async def moves(self, link: baton.aio.Link, far: baton.aio.Link, pairs: Pairs) -> None:
        """All of it, and it is closed then."""

        async def take() -> List[baton.Arrival]:
            with await far.take_group(WAIT) as group:
                return await group.ready(WAIT)

        taking = asyncio.ensure_future(take())
        with link.group() as group:
            await self.add_all(group, pairs)
            await group.commit(WAIT)
        self.assertEqual([outcome.error for outcome in group.outcomes], [None] * len(pairs))
        for (client, end_point), arrival in zip(pairs, await taking):
            self.assertEqual((end_point.fileno(), arrival.socket.gettimeout()), (-1, 0.0))
            self.assert_alive(client, arrival.socket)
            arrival.socket.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.001)

    @in_loop
    async def test_all_of_it_moves(self) -> None:
        server = self.server("group")
        listening, queued = self.listening()
        pairs = self.pairs(3)
        server.tell("ready")
        async with await baton.aio.connect("server") as link:
            with link.group() as group:
                await group.add(listening)
                await self.add_all(group, pairs[:2])
                await group.add(pairs[2][1], b"read ", bytes(65537))
                await group.commit(WAIT)
            for client in (queued, *(client for client, _ in pairs)):
                self.ask(client)
            self.assertEqual(receive(queued, 1 << 20), b"from the queue: question")
            for (client, _), size in zip(pairs, (4, 4, 65537)):
                self.assertEqual(receive(client, 1 << 20), b"read %d: question" % size)
        server.end()

    @in_loop
    async def test_in_one_process(self) -> None:
        link, far = await self.both()
        for _ in range(2):
            await self.moves(link, far, self.pairs(3))

    @in_loop
    async def test_exception_in_the_block(self) -> None:
        link, far = await self.both()
        pairs = self.pairs(2)
        with self.assertRaises(ZeroDivisionError), link.group() as group:
            await self.add_all(group, pairs)
            raise ZeroDivisionError
        self.assert_all_alive(pairs)
        self.assertEqual((await self.fails(far.take_group(WAIT))).errno, errno.ECANCELED)
        await self.moves(link, far, pairs)

    @in_loop
    async def test_add_cancelled(self) -> None:
        """For want of credit; it is not in the group, which moves."""
        link, far = await self.both()
        pairs = self.pairs(9)
        with link.group() as group:
            await self.add_all(group, pairs[:8])
            adding = asyncio.ensure_future(group.add(pairs[8][1]))
            await self.until(lambda: pairs[8][1].fileno() < 0)
            await asyncio.sleep(0)
            adding.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await adding
            self.assert_alive(*pairs[8])
            committing = asyncio.ensure_future(group.commit(WAIT))
            with await far.take_group(WAIT) as held:
                arrivals = await held.ready(WAIT)
            await committing
        for (client, _), arrival in zip(pairs, arrivals):
            self.assert_alive(client, arrival.socket)
            arrival.socket.close()
        self.assertEqual(len(arrivals), 8)

    @in_loop
    async def test_commit_cancelled(self) -> None:
        link, far = await self.both()
        pairs = self.pairs(2)
        with link.group() as group:
            await self.add_all(group, pairs)
            committing = asyncio.ensure_future(group.commit())
            with await far.take_group(WAIT) as held:
                await self.cancelled(committing)
                self.assert_all_alive(pairs)
                self.assertEqual((await self.fails(held.ready(WAIT))).errno, errno.ECANCELED)
        await self.moves(link, far, pairs)

    @in_loop
    async def test_commit_cancelled_too_late(self) -> None:
        """It is committed: the group waits a while for the server, and says what became of it."""
        for word in ("take", "nothing"):
            with self.subTest(word), mock.patch("baton._groups.GRACE", WAIT if word == "take" else 0.5):
                server, pairs = self.server("group"), self.pairs(2)
                server.tell("late")
                async with await baton.aio.connect("server") as link:
                    with link.group() as group:
                        await self.add_all(group, pairs)
                        self.assertIsNone(group._ask_for_commit())
                        for _ in pairs:
                            await asyncio.get_running_loop().run_in_executor(None, server.line)
                        await heard(server, "is ready")
                        committing = asyncio.ensure_future(group.commit())
                        await self.until(lambda: group._over)
                        if word == "take":
                            server.tell("take")
                        await self.cancelled(committing)
                    if word == "take":
                        self.assertEqual([outcome.error for outcome in group.outcomes], [None, None])
                        for client, _ in pairs:
                            self.assert_echoes(client, b"read 4: ")
                        server.end()
                    else:
                        self.assertEqual(group.outcomes, [])
                        server.tell("die")
                        told = await link.outcomes(timeout=WAIT)
                        while len(told) < 2:
                            told += await link.outcomes(timeout=WAIT)
                        self.assert_all_alive(pairs)
                        server.end(-signal.SIGKILL)

    @in_loop
    async def test_take_group_cancelled(self) -> None:
        """What has come of it is there for the next call."""
        link, far = await self.both()
        pairs = self.pairs(2)
        with link.group() as group:
            await group.add(pairs[0][1])
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(far.take_group(), 0.05)
            self.assertIsNotNone(far._coming)
            await group.add(pairs[1][1])
            committing = asyncio.ensure_future(group.commit(WAIT))
            arrivals = await (await far.take_group(WAIT)).ready(WAIT)
            await committing
        for (client, _), arrival in zip(pairs, arrivals):
            self.assert_alive(client, arrival.socket)
            arrival.socket.close()

    @in_loop
    async def test_ready_cancelled_or_late(self) -> None:
        """The group is refused."""
        link, far = await self.both()
        pairs = self.pairs(2)
        for late in (False, True):
            with link.group() as group:
                await self.add_all(group, pairs)
                self.assertIsNone(group._ask_for_commit())
                held = await far.take_group(WAIT)
                if late:
                    self.assertEqual((await self.fails(held.ready(0.05))).errno, errno.ETIMEDOUT)
                else:
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(held.ready(), 0.05)
                error = await self.fails(group.commit(WAIT))
            self.assert_off(error, errno.ECANCELED, pairs)
        await self.moves(link, far, pairs)

    @in_loop
    async def test_called_off_and_begun_anew(self) -> None:
        """Who hears late of the end of one group does not touch the next."""
        link, far = await self.both()
        first, second = self.pairs(2), self.pairs(1)
        with link.group() as group:
            await self.add_all(group, first)
            self.assertIsNone(group._ask_for_commit())
            held = await far.take_group(WAIT)
        self.assert_all_alive(first)
        with link.group() as group:
            await self.add_all(group, second)
            self.assertEqual((await self.fails(held.ready(WAIT))).errno, errno.ECANCELED)
            committing = asyncio.ensure_future(group.commit(WAIT))
            (arrival,) = await (await far.take_group(WAIT)).ready(WAIT)
            await committing
        self.assert_alive(second[0][0], arrival.socket)
        arrival.socket.close()
        await self.moves(link, far, first)

    @in_loop
    async def test_refused_and_not_in_time(self) -> None:
        link, far = await self.both()
        pairs = self.pairs(2)
        for refused in (True, False):
            with link.group() as group:
                await self.add_all(group, pairs)
                committing = asyncio.ensure_future(group.commit(WAIT if refused else 0.05))
                with await far.take_group(WAIT):
                    if not refused:
                        await asyncio.wait([committing])
                self.assert_off(await self.fails(committing), errno.ECANCELED if refused else errno.ETIMEDOUT, pairs)
        await self.moves(link, far, pairs)

    @in_loop
    async def test_server_dies(self) -> None:
        server, pairs = self.server("group"), self.pairs(2)
        async with await baton.aio.connect("server") as link:
            with link.group() as group:
                await self.add_all(group, pairs)
                committing = asyncio.ensure_future(group.commit())
                for _ in pairs:
                    await asyncio.get_running_loop().run_in_executor(None, server.line)
                server.kill()
                self.assert_off(await self.fails(committing), errno.ECONNRESET, pairs)
        server.end(-signal.SIGKILL)

    @in_loop
    async def test_listener_dies(self) -> None:
        for whole in (False, True):
            with self.subTest(whole=whole), baton.aio.listen("here") as names:
                ((client, end_point),) = self.pairs(1)
                giver = self.giver("here", end_point)
                async with await names.accept(WAIT) as link:
                    link.credit(8)
                    giver.tell("add")
                    await heard(giver, "done add")
                    taking = asyncio.ensure_future(link.take_group())
                    if whole:
                        giver.tell("whole")
                        await heard(giver, "done whole")
                        held = await taking
                        ready = asyncio.ensure_future(held.ready())
                        await asyncio.sleep(0)
                        giver.kill()
                        self.assertEqual((await self.fails(ready)).errno, errno.ECANCELED)
                    else:
                        await self.until(lambda: link._coming is not None)
                        giver.kill()
                        self.assertEqual((await self.fails(taking)).errno, errno.ECANCELED)
                    self.assertEqual(receive(client, 1), b"")
                giver.end(-signal.SIGKILL)

    @in_loop
    async def test_both_ends_give(self) -> None:
        """What becomes of the group of one end is nothing to that of the other."""
        link, far = await self.both()
        link.credit(8)
        mine, theirs = self.pairs(2), self.pairs(2)
        with link.group() as group:
            await self.add_all(group, mine)
            for _ in range(2):
                with far.group() as other:
                    await self.add_all(other, theirs)
                    committing = asyncio.ensure_future(other.commit(WAIT))
                    (await link.take_group(WAIT)).refuse()
                    self.assert_off(await self.fails(committing), errno.ECANCELED, theirs)
            committing = asyncio.ensure_future(group.commit(WAIT))
            with await far.take_group(WAIT) as held:
                arrivals = await held.ready(WAIT)
            await committing
        for (client, _), arrival in zip(mine, arrivals):
            self.assert_alive(client, arrival.socket)
            arrival.socket.close()
        await self.moves(far, link, theirs)

    @in_loop
    async def test_both_ends_give_and_one_calls_its_own_off(self) -> None:
        link, far = await self.both()
        link.credit(8)
        mine, theirs = self.pairs(2), self.pairs(2)
        with link.group() as group, far.group() as other:
            await self.add_all(group, mine)
            await self.add_all(other, theirs)
            committing = asyncio.ensure_future(other.commit(WAIT))
            with await link.take_group(WAIT) as held:
                group.abort()
                self.assertEqual([outcome.socket for outcome in group.outcomes], of(mine))
                arrivals = await held.ready(WAIT)
            await committing
        for (client, _), arrival in zip(theirs, arrivals):
            self.assert_alive(client, arrival.socket)
            arrival.socket.close()
        for client, end_point in mine:
            self.assert_alive(client, end_point)
        with self.assertRaises(baton.GroupError):
            await far.take_group(WAIT)
        await self.moves(link, far, mine)

    @in_loop
    async def test_tasks_share_a_link(self) -> None:
        """Groups, given end points and messages, each for the task that waits for it."""
        link, far = await self.both()
        given, rounds = self.pairs(6), 3
        grouped = [self.pairs(3) for _ in range(rounds)]
        taken: List[baton.Arrival] = []
        groups: List[List[baton.Arrival]] = []

        async def give() -> None:
            for _, end_point in given:
                await link.give([(end_point, b"given")])
            told: List[baton.Outcome] = []
            while len(told) < len(given):
                told += await link.outcomes()
            self.assertEqual([outcome.error for outcome in told], [None] * len(given))
            self.assertEqual([outcome.socket for outcome in told], of(given))

        async def hand_over() -> None:
            for pairs in grouped:
                with link.group() as group:
                    await self.add_all(group, pairs)
                    await link.send(b"whole")
                    await group.commit()
                self.assertEqual([outcome.error for outcome in group.outcomes], [None] * 3)

        async def take() -> None:
            while len(taken) < len(given):
                taken.extend(await far.take_many())

        async def take_groups() -> None:
            while len(groups) < rounds:
                with await far.take_group() as held:
                    groups.append(await held.ready())

        async def listen() -> None:
            for _ in range(rounds):
                self.assertEqual(await far.receive(), b"whole")

        await asyncio.wait_for(asyncio.gather(take_groups(), take(), listen(), give(), hand_over()), WAIT)
        for pairs, arrivals in zip([given, *grouped], [taken, *groups]):
            for (client, _), arrival in zip(pairs, arrivals):
                self.assert_alive(client, arrival.socket)
                arrival.socket.close()


if __name__ == "__main__":
    unittest.main()
