# SPDX-License-Identifier: MIT
"""Many end points at once: given and taken in one round trip, and groups of them. A part of `LinkBase`."""

from __future__ import annotations

import ctypes
import errno
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Deque, Dict, Iterable, List, Optional, Tuple, Type, Union

from . import _library as lib
from ._end_points import Arrival, Held, Outcome, adopt, as_move
from ._errors import MoveError, raise_failed
from ._groups import LOOK_AGAIN, HeldGroupBase, call_off
from ._operations import Descriptor, Steps, Wait, run_now

if TYPE_CHECKING:
    from ._end_points import EndPoint
    from ._steps import LinkBase

    # The end point, what was read of its client, and what this program says of it.
    Given = Union[EndPoint, Tuple[EndPoint, lib.Octets], Tuple[EndPoint, lib.Octets, lib.Octets]]

OWN_DATA = 4096  # octets of room for those of each end point but the first in a batch
BATCH = 64  # end points that one call takes of a group


def _parts(end_point: EndPoint, data: lib.Octets = b"", blob: lib.Octets = b"") -> Tuple[EndPoint, bytes, bytes]:
    return end_point, bytes(data), bytes(blob)


class ExpressBase(Descriptor):
    """The express moves of a link, in both directions, and its groups."""

    _held_group_type: Type[HeldGroupBase] = HeldGroupBase

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._given: Dict[int, Held] = {}  # by the id of the move
        self._told: Deque[Outcome] = deque()  # of these, and not asked for yet
        self._grouped: Dict[int, Held] = {}  # the same of the group that is open
        self._group_outcomes: List[Outcome] = []
        self._reading_moves = threading.RLock()  # what one call reads is told before another one reads on
        self._arrived: Deque[Arrival] = deque()  # found where a group was looked for
        self._coming: Optional[HeldGroupBase] = None  # not whole yet
        self._takes_groups = False  # take_group() was called: one that comes at any time is for the next call
        self._taken: Optional[weakref.ref[HeldGroupBase]] = None  # the last one that was handed out

    # --- listener -----------------------------------------------------------------------------------------------

    def recall(self, id: int = 0) -> int:
        """Asks for the return of what was given and has no outcome: the move `id`, or all. outcomes() tells, as ever:
        ECANCELED and the socket, or that it has moved after all, or any other. Returns how many were asked for: fewer
        than all if the link is full (then again, after outcomes()), 0 if it has ended."""
        return lib.call(lib.library.soc_recall, self._fd, id)

    def _give(self, given: Iterable[Given]) -> Steps[List[int]]:
        parts = [_parts(*each) if isinstance(each, tuple) else _parts(each) for each in given]
        if not parts:
            return []
        moves = (lib.SocMove * len(parts))()
        held: List[Held] = []
        count = 0
        problem: Optional[OSError] = None

        def give() -> Optional[int]:
            nonlocal count
            first = ctypes.cast(ctypes.byref(moves, count * ctypes.sizeof(lib.SocMove)), ctypes.POINTER(lib.SocMove))
            rest = min(len(held) - count, lib.MOST_MOVES)
            with self._reading_moves:  # outcomes may be here as soon as they are given
                given = lib.attempt(lib.library.soc_give, self._fd, first, rest)
                for index in range(count, count + (given or 0)):
                    self._given[moves[index].id] = held[index]
                count += given or 0
            return given

        try:
            for index, (end_point, data, blob) in enumerate(parts):
                held.append(Held(end_point))
                moves[index] = as_move(held[-1], data, blob)
            while count < len(held):
                yield from self._until(give)
        except OSError as failure:
            problem = failure
        finally:
            for index in range(count, len(held)):
                if held[index].is_back():
                    held[index].revive()
                else:  # interrupted when it was given
                    self._given[moves[index].id] = held[index]
        if problem is not None and count == 0:
            raise_failed(problem, parts[0][0])
        return [int(move.id) for move in moves[:count]]

    def _outcomes(self, most: int) -> Steps[List[Outcome]]:
        ended: List[Outcome] = []

        def look() -> Optional[int]:
            return len(self._told) or (self._collect() if self._given else 0)

        while len(ended) < most:
            try:
                if not ended:
                    yield from self._until(look, Wait(look_again=LOOK_AGAIN))
                elif run_now(self._until(look)) is None:
                    break
            except OSError as problem:
                if ended:
                    break  # the next call meets it again
                if problem.errno != errno.ENOENT:
                    raise
                self._given.clear()  # abandoned
            if self._told:
                ended.append(self._told.popleft())
            elif not self._given:
                break
        return ended

    def _collect(self) -> Optional[int]:
        """Reads one outcome and keeps it for who asks for it; None: there is none yet."""
        with self._reading_moves:
            move = lib.SocMove()
            # One by one: the library's sentence is about the last failure.
            if not lib.attempt(lib.library.soc_outcomes, self._fd, ctypes.byref(move), 1, 0):
                return None
            of_group = move.id in self._grouped
            held = (self._grouped if of_group else self._given).pop(move.id)
            error: Optional[MoveError] = None
            if move.error:
                failure = lib.failure(move.error)
                back = held.revive() if move.fd >= 0 else None
                error = MoveError(move.error, failure.strerror, back)
            outcome = Outcome(held.end_point, error, int(move.id))
            if of_group:
                self._group_outcomes.append(outcome)
            else:
                self._told.append(outcome)
            return 1

    def _check_no_group(self) -> None:
        if self._grouped:
            raise OSError(errno.EBUSY, "one group at a time on a link: commit or abort the one that is open first")

    def _end_groups(self) -> None:
        """Before the link is closed."""
        if self._grouped:
            call_off(self)
        if self._coming is not None:
            self._coming.refuse()

    def _kept_at_hand(self) -> int:
        return len(self._told) + len(self._arrived) + (1 if self._has_whole_group() else 0)

    def _is_in_use(self) -> bool:
        return bool(self._given or self._grouped or self._told or self._arrived or self._coming)

    # --- server -------------------------------------------------------------------------------------------------

    def _take_many(self, most: int, link_type: Type[LinkBase], nonblocking: bool) -> Steps[List[Arrival]]:
        def look() -> Optional[int]:
            while not self._arrived:
                if self._read_arrivals(most, link_type, nonblocking) is None:
                    return None
                if self._coming is not None and not self._takes_groups:
                    refused, self._coming = self._coming, None
                    refused.refuse()
                    raise OSError(errno.EOPNOTSUPP, "the listener gave a group, which is refused: take_group() takes one")
            return 1

        yield from self._until(look)
        return [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]

    def _take_group(self, link_type: Type[LinkBase], nonblocking: bool) -> Steps[HeldGroupBase]:
        """What has come of it is kept where the wait ends before the group has: the next call goes on."""

        def look() -> Optional[int]:
            while not self._has_whole_group():
                if self._read_arrivals(BATCH, link_type, nonblocking) is None:
                    return None
            return 1

        self._takes_groups = True
        yield from self._until(look, Wait(look_again=LOOK_AGAIN))
        group, self._coming = self._coming, None
        assert group is not None
        if group._off is not None:
            group.refuse()
            group._fail(group._off)
        self._taken = weakref.ref(group)
        return group

    def _has_whole_group(self) -> bool:
        """Or the end of one."""
        return self._coming is not None and (self._coming._whole or self._coming._off is not None)

    def _read_arrivals(self, most: int, link_type: Type[LinkBase], nonblocking: bool) -> Optional[int]:
        """Takes what has come: end points are kept for take_many(), those of a group for take_group()."""
        moves = (lib.SocMove * most)()
        room = ctypes.create_string_buffer(lib.MOST_DATA + (most - 1) * OWN_DATA)
        at = ctypes.addressof(room)
        for index, move in enumerate(moves):
            move.length = OWN_DATA if index else lib.MOST_DATA
            move.data = at
            at += move.length
        with self._reading_moves:
            try:
                count = lib.attempt(lib.library.soc_take, self._fd, moves, most, 0)
            except OSError as problem:
                if not self._called_off(problem):
                    raise
                return 1
            come = deque(moves[: count or 0])
            try:
                while come:
                    self._sort(come.popleft(), link_type, nonblocking)
            finally:
                for move in come:  # only where that has failed
                    lib.take_over(move.blob, move.blob_length)
                    lib.library.soc_close(move.fd)
            return count or None

    def _sort(self, move: lib.SocMove, link_type: Type[LinkBase], nonblocking: bool) -> None:
        """An end point, one of a group, or the end of a group."""
        blob = lib.take_over(move.blob, move.blob_length)
        data = ctypes.string_at(move.data, move.length) if move.fd >= 0 else b""
        if move.flags == 0:
            end_point = adopt(move.fd, link_type, nonblocking)
            self._arrived.append(Arrival(end_point, data, int(move.id), blob, move.kind == lib.LISTENING))
            return
        if self._coming is None:
            self._coming = self._held_group_type(self)
        if move.flags & lib.GROUP_END:
            self._coming._whole = True
        else:
            self._coming._park(move, data, blob)

    def _called_off(self, problem: OSError) -> bool:
        """Whether `problem` is the end of a group, which is told to who has it."""
        if problem.errno not in (errno.ECANCELED, errno.ECONNRESET):
            return False
        if self._coming is not None and self._coming._off is None:
            self._coming._off = problem
            return True
        if problem.errno == errno.ECONNRESET:
            return False
        taken = self._taken() if self._taken is not None else None
        if taken is not None and taken._parked:
            taken._off = problem
        elif self._takes_groups:  # of which nothing was seen
            self._coming = self._held_group_type(self)
            self._coming._off = problem
        return True
