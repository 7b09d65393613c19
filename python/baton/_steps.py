# SPDX-License-Identifier: MIT
"""What a link can do, as operations that do not wait. `baton.Link` waits with soc_poll_ms, `baton.aio.Link` in the
event loop.

    offer:  REDI_DATA -> REDI_BDOK -> REDI_CALL -> outcome -> closed here
                  \\________\\___________\\_________\\-> taken back: usable again | moved after all | in doubt
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Deque, Dict, NamedTuple, Optional, Type, TypeVar

from . import _library as lib
from ._end_points import Held, adopt
from ._errors import MoveError, MoveInDoubt, MoveRefused, raise_failed
from ._express import ExpressBase
from ._operations import GRACE, Steps, Wait

if TYPE_CHECKING:
    from ._end_points import EndPoint

I = TypeVar("I", bound="IncomingBase")
MOST_KEPT = 64  # messages read ahead of the program because an answer stands behind them


class Moved(NamedTuple):
    """A move that has succeeded: process and number that have the end point now."""

    pid: int
    fd: int


class IncomingBase:
    """An end point that a listener offers. It is the listener's until accept() has returned; dropped, it is refused."""

    def __init__(self, link: LinkBase, control: lib.RedHdr, data: bytes) -> None:
        self._link = link
        self._fd: int = control.fd_server
        self._answered = False
        self.family: int = control.domain
        self.data = data

    @property
    def peer(self) -> lib.Address:
        """The client's address."""
        return lib.name_of(self._fd, True)

    @property
    def local(self) -> lib.Address:
        """The address that the client has connected to."""
        return lib.name_of(self._fd, False)

    def close(self) -> None:
        """Refuses the end point, unless it was accepted or refused already."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            lib.library.soc_close(fd)
            self._link._tell_others()

    def __enter__(self: I) -> I:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()

    def _control(self, kind: int) -> lib.RedHdr:
        if self._fd < 0:
            raise ValueError("accepted, refused or dropped already")
        return lib.header(kind, self.family, fd_server=self._fd)

    def _answer(self, bind_ok: int) -> Steps[None]:
        control = self._control(lib.TPOPT_REDI_BDOK)
        control.bind_ok = bind_ok
        message = lib.message(control)
        yield from self._link._until(
            lambda: lib.attempt(lib.library.soc_sendmsg, self._link._fd, message, 0), Wait(room=True)
        )

    def _accept(self, link_type: Type[LinkBase], nonblocking: bool, iso: bool) -> Steps[EndPoint]:
        if iso != (self.family == lib.AF_ISO):
            raise ValueError("accept_iso() is for end points of AF_ISO, accept() for those of TCP")
        control = self._control(lib.TPOPT_REDI_CALL)
        try:
            if not self._answered:
                yield from self._answer(lib.REDBIND_OK)
                self._answered = True
            yield from self._link._until(
                lambda: lib.option(self._link._fd, lib.TPOPT_REDI_CALL, control), Wait(also=self._fd)
            )
        except OSError as problem:
            # With these it may still come: accept() may be called again.
            if problem.errno not in (errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE):
                self.close()
            raise MoveError(problem.errno or errno.EPROTO, problem.strerror) from problem
        fd, self._fd = self._fd, -1
        return adopt(fd, link_type, nonblocking)

    def _refuse(self, reason: int) -> Steps[None]:
        if not -0x8000 <= reason < 0:
            raise ValueError(f"a reason is a negative number of 16 bits, not {reason}")
        if self._answered:
            self.close()
            return
        try:
            yield from self._answer(reason)
        finally:
            self.close()


class LinkBase(ExpressBase):
    """An AF_ISO connection: user data, and within the host the moves that are agreed on it."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._offers: Deque[IncomingBase] = deque()
        self._messages: Deque[bytes] = deque()
        self._partial = bytearray()  # of a message whose end has not come
        self._reading = threading.Lock()
        self._unsent = b""  # of a message that a short write has begun
        self._sending = threading.Lock()
        self._doubts: Dict[int, Held] = {}  # by number

    # --- the connection -----------------------------------------------------------------------------------------

    @property
    def peer(self) -> lib.IsoAddress:
        """The address of the other end."""
        name = lib.name_of(self._fd, True)
        assert isinstance(name, lib.IsoAddress)
        return name

    @property
    def peer_pid(self) -> int:
        """The process that has sent last on this link, 0 if none has."""
        control = lib.header(lib.TPOPT_REDI_DATA)
        lib.option(self._fd, lib.TPOPT_REDI_DATA, control)
        return int(control.tsn)

    def pending(self) -> int:
        """How much has been read and not been asked for: messages, offers, answers, outcomes. Whoever waits for
        fileno() itself asks this first."""
        kept = len(self._messages) + len(self._offers) + self._kept_at_hand()
        return lib.call(lib.library.soc_pending, self._fd) + kept

    def close(self) -> None:
        """Closes the link. What was offered and not accepted is refused; what is in doubt the library settles; a group
        that is not committed is called off. End points that were given and whose outcomes were not collected are out of
        reach: collect first."""
        self._end_groups()
        while self._offers:
            self._offers.popleft().close()
        while self._doubts:
            lib.library.soc_close(self._doubts.popitem()[0])
        super().close()

    def abandon(self) -> int:
        """Lets go of all moves in doubt without knowing what became of them: how many. The one call that can lose a
        connection."""
        count = lib.call(lib.library.soc_abandon, self._fd, 0)
        while self._doubts:
            lib.library.soc_close(self._doubts.popitem()[0])
        return count

    def credit(self, count: int) -> int:
        """Server: says that up to `count` given end points are taken; each keeps a descriptor free. Returns how many it
        is. take_many() says 64 if nobody has said anything, and again what has been taken, unless the last call
        was with 0."""
        return lib.call(lib.library.soc_credit, self._fd, count)

    def check_movable(self) -> None:
        """An AF_ISO connection can be an end point too, if nothing of it is kept in this object."""
        if self._offers or self._messages or self._partial or self._unsent or self._doubts or self._is_in_use():
            raise OSError(errno.EBUSY, "messages or moves of the connection are still here: finish them first")

    def attach(self, fd: int) -> None:
        """The end point has come back from its move."""
        os.set_blocking(fd, False)
        self._fd = fd

    def _set_aside(self) -> bool:
        """Keeps messages and offers that stand in front for who asks for them. Whether there were any."""
        if len(self._messages) >= MOST_KEPT:
            raise OSError(errno.ENOBUFS, f"{MOST_KEPT} messages wait on the link: receive() them first")
        moved = False
        for read in (self._read_message, self._read_offer):
            try:
                while read() is not None:
                    moved = True
                    if len(self._messages) >= MOST_KEPT:
                        return True
            except OSError as problem:
                if problem.errno not in (errno.ENOMSG, errno.EIO):
                    raise
        return moved

    # --- user data ----------------------------------------------------------------------------------------------

    def _read_message(self) -> Optional[int]:
        """Reads a part of a message."""
        if not self._reading.acquire(blocking=False):
            raise OSError(errno.EIO, "another thread reads")
        try:
            room = ctypes.create_string_buffer(lib.MOST_DATA)
            message = lib.message(None, room, len(room))
            length = lib.attempt(lib.library.soc_recvmsg, self._fd, message, 0)
            if length is None:
                return None
            self._partial += memoryview(room)[:length]
            if message.flags & socket.MSG_EOR:
                self._messages.append(bytes(self._partial))
                self._partial.clear()
            return length
        finally:
            self._reading.release()

    def _receive(self) -> Steps[bytes]:
        while True:
            try:
                return self._messages.popleft()
            except IndexError:
                yield from self._until(lambda: len(self._messages) or self._read_message())

    def _send(self, data: lib.Octets) -> Steps[None]:
        octets = bytes(data)
        if not octets:
            raise ValueError("a message has at least one octet")
        while not self._sending.acquire(blocking=False):
            wait = Wait(look_again=0.01)
            wait.others = True
            yield wait
        try:
            # What an earlier call has left owed comes first: its length is on the wire already.
            while self._unsent:
                yield from self._send_piece()
            self._unsent = octets
            begun = False
            try:
                while self._unsent:
                    yield from self._send_piece()
                    begun = True
            finally:
                if self._unsent and not begun:
                    self._unsent = b""
        finally:
            self._sending.release()

    def _send_piece(self) -> Steps[None]:
        octets = self._unsent
        sent = yield from self._until(
            lambda: lib.attempt(lib.library.soc_send, self._fd, octets, len(octets), 0), Wait(room=True)
        )
        self._unsent = octets[sent:]

    # --- moves, listener ----------------------------------------------------------------------------------------

    def _offer(self, end_point: EndPoint, data: lib.Octets) -> Steps[Moved]:
        octets = bytes(data)
        held = Held(end_point)
        try:
            domain = _family(end_point)
            control = lib.header(lib.TPOPT_REDI_DATA, domain, held.fd)
            offer = lib.message(control, octets, len(octets))
            yield from self._until(
                lambda: lib.attempt(lib.library.soc_sendmsg, self._fd, offer, 0), Wait(room=True)
            )
            control.cmsg_type = lib.TPOPT_REDI_BDOK
            answer = lib.message(control)
            yield from self._until(lambda: lib.attempt(lib.library.soc_recvmsg, self._fd, answer, 0))
            if control.bind_ok != lib.REDBIND_OK:
                sentence = f"the server refused the end point, reason {control.bind_ok}"
                raise MoveRefused(errno.ECONNABORTED, sentence, None, control.bind_ok)
            control.cmsg_type = lib.TPOPT_REDI_CALL
            size = ctypes.sizeof(control)
            yield from self._until(
                lambda: lib.attempt(
                    *(lib.library.soc_setsockopt, self._fd, lib.SOL_TRANSPORT, lib.TPOPT_REDI_CALL),
                    *(ctypes.byref(control), size),
                ),
                Wait(room=True),
            )
            return (yield from self._outcome(held, Wait(look_again=0.1)))
        except BaseException as problem:
            return (yield from self._take_back(held, problem))

    def _outcome(self, held: Held, wait: Wait) -> Steps[Moved]:
        """Waits for the outcome of a move that was called."""
        control = lib.header(lib.TPOPT_REDI_CALL, _family(held.end_point), held.fd)
        yield from self._until(lambda: lib.option(self._fd, lib.TPOPT_REDI_CALL, control), wait)
        lib.library.soc_close(held.fd)
        return Moved(control.tsn, control.info.svrs.fd_server)

    def _cancel(self, held: Held) -> Optional[int]:
        """Takes a move back: 0 the end point is usable again, ENOTCONN it has moved, EINPROGRESS in doubt, else gone."""
        number = 0
        if lib.library.soc_cancel(self._fd, held.fd) < 0:
            number = ctypes.get_errno()
        if held.is_back():
            return 0
        # Of a link that another thread has closed the library hears the outcome.
        return number or errno.EUCLEAN

    def _take_back(self, held: Held, problem: BaseException) -> Steps[Moved]:
        """The end of a move that `problem` has ended: raises, unless the end point has moved after all."""
        interrupted = not isinstance(problem, Exception)
        state = self._cancel(held)
        if state == errno.EINPROGRESS and interrupted and not isinstance(problem, GeneratorExit):
            try:
                yield from self._until(
                    lambda: None if self._cancel(held) == errno.EINPROGRESS else 0,
                    Wait(look_again=0.02, until=time.monotonic() + GRACE),
                )
            except BaseException as again:
                problem = problem if isinstance(again, OSError) else again
            state = self._cancel(held)
        if state == errno.ENOTCONN:
            if not interrupted:
                return (yield from self._outcome(held, Wait()))
            lib.library.soc_close(held.fd)
            raise problem
        if state == errno.EINPROGRESS:
            self._doubts[held.fd] = held
            if not isinstance(problem, OSError):
                raise problem
            sentence = "called, and the outcome is not known yet: settle() waits for it"
            raise MoveInDoubt(problem.errno or errno.EINPROGRESS, sentence, held.fd) from problem
        if state != 0:
            lib.library.soc_close(held.fd)
        raise_failed(problem, held.revive() if state == 0 else None)

    def _settle(self, doubt: MoveInDoubt) -> Steps[Moved]:
        held = self._doubts.pop(doubt.fd, None)
        if held is None:
            raise ValueError("not in doubt on this link, or settled already")
        try:
            return (yield from self._outcome(held, Wait(look_again=0.1)))
        except BaseException as problem:
            return (yield from self._take_back(held, problem))

    # --- moves, server ------------------------------------------------------------------------------------------

    _incoming_type: Type[IncomingBase] = IncomingBase

    def _read_offer(self) -> Optional[int]:
        control = lib.header(lib.TPOPT_REDI_DATA)
        room = ctypes.create_string_buffer(lib.MOST_DATA)
        message = lib.message(control, room, len(room))
        length = lib.attempt(lib.library.soc_recvmsg, self._fd, message, 0)
        if length is None:
            return None
        self._offers.append(self._incoming_type(self, control, room.raw[:length]))
        return 1

    def _take(self) -> Steps[IncomingBase]:
        while True:
            try:
                return self._offers.popleft()
            except IndexError:
                yield from self._until(lambda: len(self._offers) or self._read_offer())


def _family(end_point: EndPoint) -> int:
    return int(end_point.family) if isinstance(end_point, socket.socket) else lib.AF_ISO
