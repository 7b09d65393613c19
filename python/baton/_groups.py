# SPDX-License-Identifier: MIT
"""Groups: end points that move together or not at all. `GroupBase` is the listener's side, `HeldGroupBase` the server's.

    add ... -> commit -> outcomes    the listener's until the commit; whatever ends the group before it, all come back
    take_group -> ready              parked numbers at the server, and its sockets from the commit on
"""

from __future__ import annotations

import ctypes
import errno
import time
from typing import TYPE_CHECKING, Dict, List, NamedTuple, NoReturn, Optional, Type, TypeVar

from . import _library as lib
from ._end_points import Arrival, Held, Outcome, adopt, as_move
from ._errors import GroupError, raise_failed
from ._operations import GRACE, Steps, Wait

if TYPE_CHECKING:
    from ._end_points import EndPoint
    from ._express import ExpressBase
    from ._steps import LinkBase

G = TypeVar("G", bound="GroupBase")
H = TypeVar("H", bound="HeldGroupBase")

LOOK_AGAIN = 0.1  # seconds: another call may have read what is waited for, and a death may show in no descriptor


def call_off(link: ExpressBase) -> None:
    """The group that the link gives: what is not committed is usable again."""
    lib.library.soc_abort(link.fileno())
    collect(link)


def collect(link: ExpressBase) -> None:
    """The outcomes of its group that are here."""
    try:
        while link._grouped and link._collect() is not None:
            pass
    except OSError:
        pass  # there are none, or the link is closed, or another process's


class GroupBase:
    """End points that are on their way, all or none. Left without a commit it is called off: they are usable again."""

    def __init__(self, link: ExpressBase) -> None:
        self._link = link
        self._held: Dict[int, Held] = {}  # by the id of the move: those without an outcome
        self._begun = False  # the library has a group
        self._over = False
        self.outcomes: List[Outcome] = []  # what became of its end points, as far as it is known
        link._grouped, link._group_outcomes = self._held, self.outcomes

    def __enter__(self: G) -> G:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def __del__(self) -> None:
        if not getattr(self, "_over", True):
            self.abort()

    def abort(self) -> None:
        """Calls the group off: every socket that was added is usable again. Does not wait, and does nothing where the
        group is over already: committed, failed, or called off."""
        if not self._over:
            self._call_off()
            self._let_go()

    def _add(self, end_point: EndPoint, data: lib.Octets, blob: lib.Octets) -> Steps[int]:
        self._check()
        octets, said = bytes(data), bytes(blob)
        held = Held(end_point)
        move = as_move(held, octets, said)

        def register() -> None:
            self._begun = True
            self._held[move.id] = held

        def hold() -> Optional[int]:
            with self._link._reading_moves:  # its outcome may be here as soon as it is held
                done = lib.attempt(lib.library.soc_hold, self._link._fd, ctypes.byref(move), 1)
                if done is not None:
                    register()
                return done

        try:
            yield from self._link._until(hold)
        except BaseException as problem:
            if held.is_back():
                raise_failed(problem, held.revive())
            register()  # interrupted when it was held
            raise
        return int(move.id)

    def _commit(self) -> Steps[None]:
        self._check()
        if not self._begun:
            raise GroupError(errno.ENOENT, "nothing was added to the group", [], [])
        problem: Optional[BaseException] = None
        try:
            yield from self._link._until(self._ask_for_commit, Wait(look_again=LOOK_AGAIN))
            yield from self._settle(Wait(look_again=LOOK_AGAIN))
        except BaseException as ended:
            problem = ended
            if not self._over:
                self._call_off()
            elif not isinstance(problem, (Exception, GeneratorExit)):
                try:
                    yield from self._settle(Wait(look_again=0.02, until=time.monotonic() + GRACE))
                except BaseException as again:
                    problem = problem if isinstance(again, OSError) else again
        in_doubt = [held.end_point for held in self._held.values()]
        self._let_go()
        if problem is not None and not isinstance(problem, OSError):
            raise problem
        why = problem or next((outcome.error for outcome in self.outcomes if outcome.error is not None), None)
        if why is not None:
            raise GroupError(why.errno or errno.EPROTO, why.strerror, self.outcomes, in_doubt) from problem

    def _check(self) -> None:
        if self._over or self._link._grouped is not self._held:
            raise ValueError("the group is over: the next attempt takes a new one, of link.group()")

    def _ask_for_commit(self) -> Optional[int]:
        done = lib.attempt(lib.library.soc_commit, self._link._fd, 0)
        if done is not None:
            self._over = True
        return done

    def _settle(self, wait: Wait) -> Steps[None]:
        """Waits for the outcomes of all."""
        while self._held:
            yield from self._link._until(lambda: self._link._collect() if self._held else 0, wait)

    def _call_off(self) -> None:
        self._over = True
        if self._begun and self._link._grouped is self._held:
            call_off(self._link)

    def _let_go(self) -> None:
        """Of what is in doubt link.outcomes() tells."""
        self._link._given.update(self._held)
        self._held.clear()


class HeldItem(NamedTuple):
    """An end point of a group that is not committed yet: it is the listener's.

    `data`: what the listener has read of the client; `blob`: what its program says of the end point. Where it is
    `listening`, `peer` is None."""

    family: int
    listening: bool
    local: lib.Address
    peer: Optional[lib.Address]
    data: bytes
    blob: bytes
    id: int


class HeldGroupBase:
    """A group as it has come, whole. Nothing of it is this process's before ready() has returned; dropped, it is refused."""

    def __init__(self, link: ExpressBase) -> None:
        self._link = link
        self._parked: List[int] = []  # the number of each item, until it is a socket or closed
        self._whole = False
        self._off: Optional[OSError] = None
        self.items: List[HeldItem] = []

    def __enter__(self: H) -> H:
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()

    def __del__(self) -> None:
        if getattr(self, "_parked", None):
            self.refuse()

    def refuse(self) -> None:
        """Everything stays with the listener. Does nothing where ready() has succeeded, or the group is off."""
        parked, self._parked = self._parked, []
        if not parked:
            return
        if self._off is None and not self._link.closed:
            lib.library.soc_decline(self._link.fileno())
        for number in parked:
            lib.library.soc_close(number)
        self._link._tell_others()

    def _ready(self, link_type: Type[LinkBase], nonblocking: bool) -> Steps[List[Arrival]]:
        if not self._parked:
            raise ValueError("the group was taken or refused already")
        try:
            yield from self._link._until(self._ask_for_end_points, Wait(look_again=LOOK_AGAIN))
        except BaseException as problem:
            self.refuse()
            self._fail(problem)
        return self._adopt(link_type, nonblocking)

    def _ask_for_end_points(self) -> Optional[int]:
        if self._off is not None:
            raise self._off
        try:
            return lib.attempt(lib.library.soc_ready, self._link._fd, 0)
        except OSError as problem:
            if problem.errno in (errno.ECANCELED, errno.ENOENT):
                self._off = problem  # what the library has now is the next group
            raise

    def _adopt(self, link_type: Type[LinkBase], nonblocking: bool) -> List[Arrival]:
        arrivals = []
        for item in self.items:
            number = self._parked.pop(0)
            if lib.cookie(number) is None:
                lib.library.soc_close(number)  # somebody has used it meanwhile: the listener keeps it
                continue
            end_point = adopt(number, link_type, nonblocking)
            arrivals.append(Arrival(end_point, item.data, item.id, item.blob, item.listening))
        return arrivals

    def _park(self, move: lib.SocMove, data: bytes, blob: bytes) -> None:
        """Adds an end point that has come."""
        number, listening = int(move.fd), move.kind == lib.LISTENING
        self._parked.append(number)
        local = lib.name_of(number, False)
        peer = None if listening else lib.name_of(number, True)
        self.items.append(HeldItem(lib.family_of(local), listening, local, peer, data, blob, int(move.id)))

    @staticmethod
    def _fail(problem: BaseException) -> NoReturn:
        if isinstance(problem, OSError):
            raise GroupError(problem.errno or errno.EPROTO, problem.strerror, [], []) from problem
        raise problem
