# SPDX-License-Identifier: MIT
"""Links for asyncio: the same operations, awaited, without threads.

    link = await baton.aio.connect("server")
    await link.offer(sock)

    async with await listener.accept() as link:
        async for incoming in link:
            sock = await incoming.accept()

A cancelled operation takes its move back: the end point is usable again, and `sock.fileno()` is not -1. End points come
out non-blocking, for loop.sock_recv() and asyncio.open_connection(sock=...). The loop must not watch a socket that is
offered: a transport keeps its socket, so move connections before they have one.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from typing import TYPE_CHECKING, Iterable, List, Optional, Set, TypeVar, Union

from . import _library as lib
from ._end_points import Arrival, Outcome
from ._errors import MoveInDoubt
from ._groups import GroupBase, HeldGroupBase
from ._operations import MOMENT, Descriptor, Steps, TimedOut, Wait, accept_steps, connect_steps, new_descriptor
from ._operations import listen as listen_under
from ._steps import IncomingBase, LinkBase, Moved

if TYPE_CHECKING:
    from ._end_points import EndPoint
    from ._express import Given

__all__ = ["Group", "HeldGroup", "Incoming", "Link", "LinkListener", "connect", "listen"]

T = TypeVar("T")
A = TypeVar("A", bound="Awaiting")

# When several tasks wait for one link, what one of them reads for another shows in no descriptor: look again, seconds.
_AMONG_TASKS = 0.1
# The descriptor can tell nothing: it is not connected yet, or no longer.
_QUIET = 0.01


class Awaiting(Descriptor):
    """A descriptor whose operations are awaited. Of one event loop."""

    def __init__(self, fd: int) -> None:
        self._waiters: Set[asyncio.Future[None]] = set()
        self._readers: Set[asyncio.Future[None]] = set()
        self._writers: Set[asyncio.Future[None]] = set()
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        super().__init__(fd)

    async def __aenter__(self: A) -> A:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def detach(self) -> int:
        if self._loop is not None and self._fd >= 0:
            if self._readers:
                self._loop.remove_reader(self._fd)
            if self._writers:
                self._loop.remove_writer(self._fd)
        self._readers.clear()
        self._writers.clear()
        self._tell_others()
        return super().detach()

    def _tell_others(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _run(self, steps: Steps[T], timeout: Optional[float]) -> T:
        """Runs an operation to its end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        problem: Optional[BaseException] = None
        while True:
            try:
                wait = steps.send(None) if problem is None else steps.throw(problem)
            except StopIteration as end:
                result: T = end.value
                return result
            problem = None
            until = deadline if wait.until is None else wait.until
            try:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise TimedOut()
                await self._wait(wait, left)
            except GeneratorExit:  # the task is destroyed: nothing can be awaited any more
                steps.close()
                raise
            except BaseException as ended:
                problem = ended

    async def _wait(self, wait: Wait, left: Optional[float]) -> None:
        """Waits at most `left` seconds."""
        self._loop = loop = asyncio.get_running_loop()
        kernel = select.poll()
        kernel.register(self._fd, select.POLLIN | select.POLLOUT)
        state = sum(events for _, events in kernel.poll(0))
        quiet = wait.others or bool(state & (select.POLLHUP | select.POLLERR | select.POLLNVAL))
        writable = bool(state & select.POLLOUT)
        limits = [
            *(left, wait.look_again),
            MOMENT if wait.room and writable else None,
            _AMONG_TASKS if self._waiters else None,
            _QUIET if quiet else None,
        ]
        woken: asyncio.Future[None] = loop.create_future()
        self._waiters.add(woken)
        timers = [loop.call_later(limit, self._wake, woken) for limit in limits if limit is not None]
        try:
            if not quiet:
                self._watch(loop, woken, not writable)
            await woken
        finally:
            for timer in timers:
                timer.cancel()
            self._waiters.discard(woken)
            self._forget(loop, woken)

    @staticmethod
    def _wake(woken: asyncio.Future[None]) -> None:
        if not woken.done():
            woken.set_result(None)

    def _watch(self, loop: asyncio.AbstractEventLoop, woken: asyncio.Future[None], writing: bool) -> None:
        if not self._readers:
            loop.add_reader(self._fd, self._tell_others)
        self._readers.add(woken)
        if not writing:
            return
        if not self._writers:
            loop.add_writer(self._fd, self._tell_others)
        self._writers.add(woken)

    def _forget(self, loop: asyncio.AbstractEventLoop, woken: asyncio.Future[None]) -> None:
        """The descriptor is watched only as long as somebody waits: what nobody reads would wake the loop for ever."""
        if woken in self._readers:
            self._readers.discard(woken)
            if not self._readers:
                loop.remove_reader(self._fd)
        if woken in self._writers:
            self._writers.discard(woken)
            if not self._writers:
                loop.remove_writer(self._fd)


class Incoming(IncomingBase):
    """An end point that a listener offers: accept it, refuse it, or drop it, which refuses. See baton.Incoming."""

    _link: Link

    async def accept(self, timeout: Optional[float] = None) -> socket.socket:
        """Takes the end point, which is non-blocking. MoveError: it is still the listener's. Cancelled, or after ETIMEDOUT and EMFILE, it may still come: accept() may be called again."""
        end_point = await self._link._run(self._accept(Link, True, False), timeout)
        assert isinstance(end_point, socket.socket)
        return end_point

    async def accept_iso(self, timeout: Optional[float] = None) -> Link:
        """As accept(), where `family` is AF_ISO."""
        end_point = await self._link._run(self._accept(Link, True, True), timeout)
        assert isinstance(end_point, Link)
        return end_point

    async def refuse(self, reason: int = -1, timeout: Optional[float] = None) -> None:
        """Refuses the end point for a reason, a negative number: REFUSED, NO_DESCRIPTOR, BUSY, or one of your own."""
        await self._link._run(self._refuse(reason), timeout)


class Group(GroupBase):
    """End points that move together, all or none: made by link.group(), used as a context manager; see baton.Group."""

    _link: Link

    async def add(
        self, end_point: EndPoint, data: lib.Octets = b"", blob: lib.Octets = b"", timeout: Optional[float] = None
    ) -> int:
        """Adds a connection or a listening socket: its id. See baton.Group.add. Cancelled, it is not in the group."""
        return await self._link._run(self._add(end_point, data, blob), timeout)

    async def commit(self, timeout: Optional[float] = None) -> None:
        """Waits until the server is ready, and moves all of it. See baton.Group.commit.

        Cancelled, the group is called off. One that is committed already waits up to a second for the outcomes;
        `outcomes` has them, link.outcomes() the others.
        """
        await self._link._run(self._commit(), timeout)


class HeldGroup(HeldGroupBase):
    """A group as it has come, whole: `items` says what it is. See baton.HeldGroup."""

    _link: Link

    async def ready(self, timeout: Optional[float] = None) -> List[Arrival]:
        """Waits for the commit: the sockets, non-blocking. See baton.HeldGroup.ready. Cancelled, the group is refused."""
        return await self._link._run(self._ready(Link, True), timeout)


class Link(Awaiting, LinkBase):
    """An AF_ISO connection in an event loop. Any number of tasks may use one. The methods are those of baton.Link."""

    _incoming_type = Incoming
    _held_group_type = HeldGroup

    async def send(self, data: lib.Octets, timeout: Optional[float] = None) -> None:
        """Sends `data` as one message. Cancelled, or timed out, what was begun goes out before the next message."""
        await self._run(self._send(data), timeout)

    async def receive(self, timeout: Optional[float] = None) -> bytes:
        """The next message, whole. ConnectionResetError: the link has ended."""
        return await self._run(self._receive(), timeout)

    async def offer(self, end_point: EndPoint, data: lib.Octets = b"", timeout: Optional[float] = None) -> Moved:
        """Moves a connected end point to the server; see baton.Link.offer.

        Cancelled, the move is taken back: `end_point.fileno()` is not -1 if it is. A move that was called waits up to a
        second for the server's word on that.
        """
        return await self._run(self._offer(end_point, data), timeout)

    async def settle(self, doubt: MoveInDoubt, timeout: Optional[float] = None) -> Moved:
        """Waits for the outcome of a move in doubt: as offer() would have returned or raised."""
        return await self._run(self._settle(doubt), timeout)

    async def give(self, end_points: Iterable[Given], timeout: Optional[float] = None) -> List[int]:
        """Moves many at once; see baton.Link.give."""
        return await self._run(self._give(end_points), timeout)

    async def outcomes(self, most: int = lib.MOST_MOVES, timeout: Optional[float] = None) -> List[Outcome]:
        """What became of given end points: at least one if any is out, else an empty list."""
        return await self._run(self._outcomes(most), timeout)

    def group(self) -> Group:
        """A group of end points that move together, to a server that calls take_group(). One at a time on a link."""
        self._check_no_group()
        return Group(self)

    async def take(self, timeout: Optional[float] = None) -> Incoming:
        """The next end point that is offered. ConnectionResetError: the link has ended."""
        incoming = await self._run(self._take(), timeout)
        assert isinstance(incoming, Incoming)
        return incoming

    def __aiter__(self) -> Link:
        """Offers until the link ends."""
        return self

    async def __anext__(self) -> Incoming:
        try:
            return await self.take()
        except ConnectionResetError:
            raise StopAsyncIteration from None

    async def take_many(self, most: int = 64, timeout: Optional[float] = None) -> List[Arrival]:
        """Takes end points that the listener gives with give(): at least one."""
        return await self._run(self._take_many(most, Link, True), timeout)

    async def take_group(self, timeout: Optional[float] = None) -> HeldGroup:
        """The next group, as soon as all of it has come; see baton.Link.take_group. Cancelled, it loses nothing."""
        group = await self._run(self._take_group(Link, True), timeout)
        assert isinstance(group, HeldGroup)
        return group


class LinkListener(Awaiting):
    """Waits under a selector for listeners that connect, to move end points here."""

    def __init__(self, name: Union[str, lib.Octets], backlog: int = 16) -> None:
        super().__init__(new_descriptor())
        try:
            listen_under(self, name, backlog)
        except BaseException:
            self.close()
            raise

    async def accept(self, timeout: Optional[float] = None) -> Link:
        """The next link."""
        return Link(await self._run(accept_steps(self), timeout))

    def __aiter__(self) -> LinkListener:
        return self

    async def __anext__(self) -> Link:
        return await self.accept()


def listen(name: Union[str, lib.Octets], backlog: int = 16) -> LinkListener:
    """Waits for links under a selector."""
    return LinkListener(name, backlog)


async def connect(
    server: Union[str, lib.Octets],
    timeout: Optional[float] = None,
    *,
    nsel: str = "",
    own: Union[str, lib.Octets] = b"",
) -> Link:
    """Connects to the selector `server`; see baton.Link.connect."""
    link = Link(new_descriptor())
    try:
        await link._run(connect_steps(link, server, nsel, own), timeout)
    except BaseException:
        link.close()
        raise
    return link
