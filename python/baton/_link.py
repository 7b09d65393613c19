# SPDX-License-Identifier: MIT
"""Links for programs that wait: each call takes a timeout in seconds, None for as long as it takes."""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Iterable, Iterator, List, Optional, TypeVar, Union

from . import _library as lib
from ._end_points import Arrival, Outcome
from ._errors import MoveInDoubt
from ._groups import GroupBase, HeldGroupBase
from ._operations import MOMENT, Descriptor, Steps, TimedOut, Wait, accept_steps, connect_steps, new_descriptor
from ._operations import listen
from ._steps import IncomingBase, LinkBase, Moved

if TYPE_CHECKING:
    from ._end_points import EndPoint
    from ._express import Given

T = TypeVar("T")

# What another thread has read of a link no descriptor shows to this one. Where there are threads: look again.
_AMONG_THREADS = 0.2


class Waiting(Descriptor):
    """A descriptor whose operations wait in the call."""

    def _run(self, steps: Steps[T], timeout: Optional[float]) -> T:
        """Runs an operation to its end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        problem: Optional[BaseException] = None
        last: Optional[Wait] = None
        ready = False
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
                ready = self._wait(wait, left, ready and wait is last)
            except BaseException as ended:  # also what a signal handler raises
                problem = ended
            last = wait

    def _wait(self, wait: Wait, left: Optional[float], in_vain: bool) -> bool:
        """Waits at most `left` seconds; `in_vain`: it was ready, and the operation found nothing. Whether it is ready."""
        if wait.others or in_vain:
            time.sleep(MOMENT if left is None else min(left, MOMENT))
            return in_vain
        if threading.active_count() > 1:
            left = _AMONG_THREADS if left is None else min(left, _AMONG_THREADS)
        kernel = select.poll()
        kernel.register(self._fd, select.POLLOUT)
        writable = bool(kernel.poll(0))
        if wait.room and writable:
            left = MOMENT if left is None else min(left, MOMENT)
        own = lib.PollFd(self._fd, select.POLLIN | (select.POLLOUT if wait.answer or not writable else 0))
        entries = (lib.PollFd * 2)(own, lib.PollFd(wait.also, select.POLLIN))
        result = lib.library.soc_poll_ms(entries, 2, -1 if left is None else math.ceil(left * 1000))
        if result < 0:
            problem = lib.failure()
            # Python runs the handlers of the signal before the next step, and they may raise.
            if not isinstance(problem, InterruptedError):
                raise problem
        return bool(result > 0)


class Incoming(IncomingBase):
    """An end point that a listener offers: accept it, refuse it, or drop it, which refuses.

    `data` are the octets of the client that the listener has read already, `family` is AF_INET, AF_INET6 or AF_ISO.
    Until accept() has returned it is the listener's. As a context manager it is dropped at the end of the block.
    """

    _link: Link

    def accept(self, timeout: Optional[float] = None) -> socket.socket:
        """Takes the end point. It is blocking or not as it was at the listener; one that had a timeout there blocks.

        MoveError: it is still the listener's. With ETIMEDOUT and EMFILE it may still come: accept() may be called again.
        """
        end_point = self._link._run(self._accept(Link, False, False), timeout)
        assert isinstance(end_point, socket.socket)
        return end_point

    def accept_iso(self, timeout: Optional[float] = None) -> Link:
        """As accept(), where `family` is AF_ISO."""
        end_point = self._link._run(self._accept(Link, False, True), timeout)
        assert isinstance(end_point, Link)
        return end_point

    def refuse(self, reason: int = -1, timeout: Optional[float] = None) -> None:
        """Refuses the end point for a reason, a negative number: REFUSED, NO_DESCRIPTOR, BUSY, or one of your own."""
        self._link._run(self._refuse(reason), timeout)


class Group(GroupBase):
    """End points that move together, all or none: made by link.group(), used as a context manager.

    A block that is left without a commit, by an exception too, calls the group off: every socket is usable again, the
    same object, with its timeout. `outcomes` says what became of each.
    """

    _link: Link

    def add(
        self, end_point: EndPoint, data: lib.Octets = b"", blob: lib.Octets = b"", timeout: Optional[float] = None
    ) -> int:
        """Adds a connection or a listening socket, with what waits in its queue: its id. `data`: up to 64 KiB that this
        program has read of the client; `blob`: up to 16 MiB that it says of it. Waits for the server's credit alone.

        The socket is detached. MoveError: this one was not added and is usable; the others are still in the group,
        unless it is off, which commit() then says.
        """
        return self._link._run(self._add(end_point, data, blob), timeout)

    def commit(self, timeout: Optional[float] = None) -> None:
        """Waits until the server is ready, moves all of it, and waits until the server has it. Then all of it is there.

        GroupError: it is not, and says in `back`, `moved` and `in_doubt` where each is. If the server has refused, has
        died, or was not ready in time, every one is back. The group is over, however this ends. An exception of a signal
        handler calls it off too; then `fileno()` of each socket says whether it is back.
        """
        self._link._run(self._commit(), timeout)


class HeldGroup(HeldGroupBase):
    """A group as it has come, whole: `items` says what it is. Until ready() has returned it is the listener's.

    As a context manager it is refused at the end of the block, unless it was taken; so it is when it is dropped.
    """

    _link: Link

    def ready(self, timeout: Optional[float] = None) -> List[Arrival]:
        """Says that this program has all it needs, and waits for the commit: the sockets, in the order of `items`, now
        usable, each blocking or not as it was at the listener. One that somebody has used meanwhile is missing: it is
        still the listener's.

        GroupError: nothing of it is here. ECANCELED: the listener called it off or died; ETIMEDOUT: it has not
        committed in time, and the group is refused.
        """
        return self._link._run(self._ready(Link, False), timeout)


class Link(Waiting, LinkBase):
    """An AF_ISO connection. Within the host, end points are moved over it.

    Any number of threads may use one. After os.fork() it belongs to the parent: the child can only close it.
    """

    _incoming_type = Incoming
    _held_group_type = HeldGroup

    @classmethod
    def connect(
        cls,
        server: Union[str, lib.Octets],
        timeout: Optional[float] = None,
        *,
        nsel: str = "",
        own: Union[str, lib.Octets] = b"",
    ) -> Link:
        """Connects to the selector `server`, on this host unless `nsel` names another. `own`: a selector for this end,
        any free one if empty. ConnectionRefusedError, PermissionError, TimeoutError; ETIMEDOUT also after 30 s without
        an answer."""
        link = cls(new_descriptor())
        try:
            link._run(connect_steps(link, server, nsel, own), timeout)
        except BaseException:
            link.close()
            raise
        return link

    def send(self, data: lib.Octets, timeout: Optional[float] = None) -> None:
        """Sends `data` as one message. After a TimeoutError what was begun goes out before the next message."""
        self._run(self._send(data), timeout)

    def receive(self, timeout: Optional[float] = None) -> bytes:
        """The next message, whole. ConnectionResetError: the link has ended."""
        return self._run(self._receive(), timeout)

    def offer(self, end_point: EndPoint, data: lib.Octets = b"", timeout: Optional[float] = None) -> Moved:
        """Moves a connected end point to the server, in the steps of the seed.

        `data`: up to 64 KiB that this program has read of the client and not answered. `end_point` is detached, and
        returns to life if the move fails or is refused: MoveError, with the same object in `socket`. If its outcome is
        not known when the time is up: MoveInDoubt. An exception of a signal handler takes the move back too; then
        `end_point.fileno()` says whether it is back.
        """
        return self._run(self._offer(end_point, data), timeout)

    def settle(self, doubt: MoveInDoubt, timeout: Optional[float] = None) -> Moved:
        """Waits for the outcome of a move in doubt: as offer() would have returned or raised."""
        return self._run(self._settle(doubt), timeout)

    def give(self, end_points: Iterable[Given], timeout: Optional[float] = None) -> List[int]:
        """Moves many at once, each an end point, (end point, data) or (end point, data, blob), in one round trip to a
        server that calls take_many(). `data` is what this process has read of the client, `blob` what it says of the end
        point, up to 16 MiB. Does not wait for outcomes, only for the server's credit.

        Returns the ids of those that went out, in order; the objects of the others remain usable. MoveError: none went
        out, for this reason. Then call outcomes() until every id has been told.
        """
        return self._run(self._give(end_points), timeout)

    def outcomes(self, most: int = lib.MOST_MOVES, timeout: Optional[float] = None) -> List[Outcome]:
        """What became of given end points: at least one if any is out, else an empty list."""
        return self._run(self._outcomes(most), timeout)

    def group(self) -> Group:
        """A group of end points that move together, to a server that calls take_group(). One at a time on a link."""
        self._check_no_group()
        return Group(self)

    def take(self, timeout: Optional[float] = None) -> Incoming:
        """The next end point that is offered. ConnectionResetError: the link has ended."""
        incoming = self._run(self._take(), timeout)
        assert isinstance(incoming, Incoming)
        return incoming

    def __iter__(self) -> Iterator[Incoming]:
        """Offers until the link ends."""
        while True:
            try:
                yield self.take()
            except ConnectionResetError:
                return

    def take_many(self, most: int = 64, timeout: Optional[float] = None) -> List[Arrival]:
        """Takes end points that the listener gives with give(): at least one. EOPNOTSUPP: it was a group, which is refused
        by a program that has not called take_group() on this link."""
        return self._run(self._take_many(most, Link, False), timeout)

    def take_group(self, timeout: Optional[float] = None) -> HeldGroup:
        """The next group, as soon as all of it has come. What has come when the time is up stays for the next call.

        GroupError: the listener called it off, or died. ConnectionResetError: the link has ended. EMFILE: close some
        descriptors and call again.
        """
        group = self._run(self._take_group(Link, False), timeout)
        assert isinstance(group, HeldGroup)
        return group


class LinkListener(Waiting):
    """Waits under a selector for listeners that connect, to move end points here."""

    def __init__(self, name: Union[str, lib.Octets], backlog: int = 16) -> None:
        super().__init__(new_descriptor())
        try:
            listen(self, name, backlog)
        except BaseException:
            self.close()
            raise

    def accept(self, timeout: Optional[float] = None) -> Link:
        """The next link."""
        return Link(self._run(accept_steps(self), timeout))
