# SPDX-License-Identifier: MIT
"""The same in an event loop: outcomes, cancelled operations, many tasks on one link."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import time
import unittest
from typing import Any, Awaitable, Callable, Coroutine, List, TypeVar
from unittest import mock

import baton
import baton.aio
from support import WAIT, Case, Server, receive

T = TypeVar("T")


def in_loop(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    return lambda case: asyncio.run(asyncio.wait_for(test(case), 2 * WAIT))


async def heard(server: Server, *lines: str) -> None:
    """Waits for a server's lines beside the loop."""
    await asyncio.get_running_loop().run_in_executor(None, server.expect, *lines)


class Loop(Case):
    async def fails(self, operation: Awaitable[object]) -> baton.MoveError:
        with self.assertRaises(baton.MoveError) as caught:
            await operation
        return caught.exception

    @in_loop
    async def test_taken_and_refused(self) -> None:
        server = self.server("echo", "refuse:-5", "hear", "say:hello", "iso")
        async with await baton.aio.connect("server", WAIT) as link:
            client, end_point = self.pair()
            end_point.settimeout(0)
            self.assertEqual((await link.offer(end_point, b"seen ", WAIT)).pid, server.process.pid)
            self.assertEqual(server.line().split()[1], "0.0")
            self.assert_echoes(client, b"seen ")
            client, end_point = self.pair()
            error = await self.fails(link.offer(end_point))
            assert isinstance(error, baton.MoveRefused)
            self.assertEqual((error.reason, error.socket), (-5, end_point))
            self.assert_alive(client, end_point)
            await link.send(b"a message", WAIT)
            self.assertEqual(await link.receive(WAIT), b"hello")
            with baton.aio.listen("front") as front:
                far, near = await asyncio.gather(baton.aio.connect("front"), front.accept())
            async with far:
                await far.send(b"question")
                await link.offer(near)
                self.assertEqual(await far.receive(), b"seen:question")
                await far.send(b"bye")
                with self.assertRaises(ConnectionResetError):
                    await far.receive()
        server.end()

    @in_loop
    async def test_what_a_transport_keeps_and_what_is_none(self) -> None:
        server = self.server("echo")
        async with await baton.aio.connect("server") as link:
            client, end_point = self.pair()
            reader, writer = await asyncio.open_connection(sock=end_point)
            offers: List[Callable[[Any], Awaitable[Any]]] = [link.offer, lambda unfit: link.give([(unfit, b"")])]
            for offer in offers:
                with self.assertRaisesRegex(TypeError, "an asyncio transport keeps its socket"):
                    await offer(writer.get_extra_info("socket"))
                with self.assertRaisesRegex(TypeError, "not this int"):
                    await offer(client.fileno())
            client.sendall(b"still here")
            self.assertEqual(await reader.readexactly(10), b"still here")
            writer.close()
            client, end_point = self.pair()
            await link.offer(end_point)
            await asyncio.get_running_loop().run_in_executor(None, self.ask, client)
        server.end()

    @in_loop
    async def test_no_answer_in_time(self) -> None:
        server = self.server("ignore", "echo")
        async with await baton.aio.connect("server") as link:
            client, end_point = self.pair()
            error = await self.fails(link.offer(end_point, timeout=1.0))
            self.assertEqual((error.errno, error.socket), (errno.ETIMEDOUT, end_point))
            self.assert_alive(client, end_point)
            server.tell()
            await link.offer(end_point, b"", WAIT)
            self.assert_echoes(client)
        server.end()

    @in_loop
    async def test_cancelled_before_the_answer(self) -> None:
        server = self.server("ignore", "echo")
        async with await baton.aio.connect("server") as link:
            client, end_point = self.pair()
            offer = asyncio.ensure_future(link.offer(end_point))
            await heard(server, "read")
            self.assertEqual(end_point.fileno(), -1)
            offer.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await offer
            self.assert_alive(client, end_point)
            server.tell()
            await heard(server, f"not taken {errno.ECANCELED}")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(link.take(), 0.05)
            await link.offer(end_point)
            self.assert_echoes(client)
        server.end()

    @in_loop
    async def test_cancelled_in_doubt(self) -> None:
        """The move waits a while for the server's word; without one it stays in doubt, with the library."""
        self.kept = 1  # the event of the outcome reader
        for word in ("take", "nothing"):
            with self.subTest(word), mock.patch("baton._steps.GRACE", WAIT if word == "take" else 0.5):
                server = self.server("late")
                async with await baton.aio.connect("server") as link:
                    client, end_point = self.pair()
                    offer = asyncio.ensure_future(link.offer(end_point))
                    await heard(server, "answered")
                    while not baton.statistics()["in_doubt"]:
                        await asyncio.sleep(0.001)
                    offer.cancel()
                    if word == "take":
                        # After the CANCEL, which goes out in the next turn of the loop.
                        await asyncio.sleep(0.01)
                        server.tell(word)
                    with self.assertRaises(asyncio.CancelledError):
                        await offer
                    if word == "take":
                        self.assert_alive(client, end_point)
                        server.end()
                    else:
                        self.assertEqual(end_point.fileno(), -1)
                        server.tell("die")
                        server.end(-signal.SIGKILL)
                if word == "nothing":  # the link is closed: the library settles it, and lets go
                    self.assertEqual(receive(client, 1), b"")

    @in_loop
    async def test_in_doubt(self) -> None:
        server = self.server("late")
        async with await baton.aio.connect("server") as link:
            client, end_point = self.pair()
            error = await self.fails(link.offer(end_point, timeout=2.0))
            assert isinstance(error, baton.MoveInDoubt)
            settled = asyncio.ensure_future(link.settle(error, WAIT))
            server.tell("die")
            self.assertIs((await self.fails(settled)).socket, end_point)
            self.assert_alive(client, end_point)
        server.end(-signal.SIGKILL)

    @in_loop
    async def test_server_dies(self) -> None:
        for step in ("die-offered", "die-answered", "die-called"):
            with self.subTest(step):
                server = self.server(step)
                async with await baton.aio.connect("server") as link:
                    client, end_point = self.pair()
                    error = await self.fails(link.offer(end_point, timeout=WAIT))
                    self.assertIs(error.socket, end_point)
                    self.assert_alive(client, end_point)
                    async for _ in link:
                        self.fail("nothing was offered")
                server.end(-signal.SIGKILL)

    @in_loop
    async def test_many_tasks(self) -> None:
        """Moves, messages and given end points of many tasks share two links between two tasks of one loop."""
        count = 40

        async def serve(link: baton.aio.Link) -> int:
            taken = 0
            async for incoming in link:
                if incoming.data == b"refuse":
                    await incoming.refuse(-9)
                else:
                    end_point = await incoming.accept()
                    loop.create_task(answer(end_point))
                    taken += 1
            return taken

        async def answer(end_point: socket.socket) -> None:
            reader, writer = await asyncio.open_connection(sock=end_point)
            writer.write(await reader.readexactly(8))
            writer.close()
            await writer.wait_closed()

        async def one(number: int) -> None:
            client, end_point = self.pair()
            if number % 4 == 0:
                error = await self.fails(link.offer(end_point, b"refuse", WAIT))
                self.assertIs(error.socket, end_point)
                self.assert_alive(client, end_point)
                return
            await link.offer(end_point, b"", WAIT)
            client.setblocking(False)
            await loop.sock_sendall(client, b"question")
            self.assertEqual(await loop.sock_recv(client, 100), b"question")
            self.assertEqual(await loop.sock_recv(client, 100), b"")

        loop = asyncio.get_running_loop()
        with baton.aio.listen("here") as names:
            link, far = await asyncio.gather(baton.aio.connect("here"), names.accept())
        serving = asyncio.ensure_future(serve(far))
        messages = asyncio.gather(*(link.receive() for _ in range(20)))
        sent = asyncio.gather(*(far.send(b"%d" % number) for number in range(20)))
        await asyncio.gather(*(one(number) for number in range(count)))
        await sent
        self.assertEqual(sorted(map(int, await messages)), list(range(20)))
        link.close()
        self.assertEqual(await serving, count - count // 4)
        far.close()

    @in_loop
    async def test_given(self) -> None:
        with baton.aio.listen("here") as names:
            link, far = await asyncio.gather(baton.aio.connect("here"), names.accept())
        pairs = [self.pair() for _ in range(9)]
        given = asyncio.ensure_future(link.give([(end_point, b"seen", b"said") for _, end_point in pairs]))
        taken: List[baton.Arrival] = []
        while len(taken) < len(pairs):
            taken += await far.take_many(4)
        ids = await given
        self.assertEqual([arrival.id for arrival in taken], ids)
        outcomes = []
        while more := await link.outcomes():
            outcomes += more
        self.assertEqual([(outcome.id, outcome.error) for outcome in outcomes], [(each, None) for each in ids])
        for (client, _), arrival in zip(pairs, taken):
            self.assertEqual((arrival.data, arrival.blob, arrival.socket.gettimeout()), (b"seen", b"said", 0.0))
            self.assert_alive(client, arrival.socket)
            arrival.socket.close()
        far.close()
        link.close()

    @in_loop
    async def test_closed_while_waited_for(self) -> None:
        with baton.aio.listen("here") as names:
            link, far = await asyncio.gather(baton.aio.connect("here"), names.accept())
            waits = asyncio.ensure_future(far.take())
            await asyncio.sleep(0)
            far.close()
            with self.assertRaises(OSError):
                await waits
            link.close()

    @in_loop
    async def test_idle_links_cost_nothing(self) -> None:
        """A task that waits leaves the loop asleep, also with messages on the link that nobody asks for."""
        with baton.aio.listen("here") as names:
            link, far = await asyncio.gather(baton.aio.connect("here"), names.accept())
        for _ in range(3):
            await link.send(b"nobody reads this")
        waits = asyncio.ensure_future(far.take())
        await asyncio.sleep(0.05)
        before = time.process_time()
        await asyncio.sleep(0.5)
        self.assertLess(time.process_time() - before, 0.1)
        waits.cancel()
        self.assertEqual(await far.receive(), b"nobody reads this")
        far.close()
        link.close()

    @in_loop
    async def test_connecting(self) -> None:
        with self.assertRaises(ConnectionRefusedError):
            await baton.aio.connect("nobody")
        with baton.aio.listen("slow", 1) as names:
            with self.assertRaises(TimeoutError):
                await baton.aio.connect("slow", 0.1)
            accepted = []

            async def accept() -> None:
                async for link in names:
                    accepted.append(link)

            accepting = asyncio.ensure_future(accept())
            # More than the queue holds.
            connected = await asyncio.gather(*(baton.aio.connect("slow", WAIT) for _ in range(6)))
            accepting.cancel()
            self.assertGreaterEqual(len(accepted), 6)
            for link in [*accepted, *connected]:
                link.close()


if __name__ == "__main__":
    unittest.main()
