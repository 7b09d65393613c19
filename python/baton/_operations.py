# SPDX-License-Identifier: MIT
"""Operations that do not wait: each is a generator that yields where a call would have to wait. Who runs one waits in its
own way and resumes it, or throws in what ended the wait: TimedOut, a KeyboardInterrupt, an asyncio.CancelledError.

Here also: the descriptor that operations wait for, and how links come to be.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import warnings
from typing import Callable, Generator, Optional, TypeVar, Union

from . import _library as lib

MOMENT = 0.005  # seconds, where nothing tells when to look again
GRACE = 1.0  # seconds that an interrupted move waits for its outcome

T = TypeVar("T")
D = TypeVar("D", bound="Descriptor")


class TimedOut(TimeoutError):
    """Thrown into an operation when its time is up."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, "no answer in time")


class Wait:
    """What a step waits for: the descriptor, and perhaps less."""

    def __init__(
        self,
        look_again: Optional[float] = None,
        until: Optional[float] = None,
        also: int = -1,
        room: bool = False,
        answer: bool = False,
    ) -> None:
        self.look_again = look_again  # seconds after which something may have changed that the descriptor does not show
        self.until = until  # a time of its own, in place of the caller's
        self.also = also  # a number that stands in for an end point: that the move is off shows there only
        # Room to write, or else something to read that makes room. If there is room when it is looked for, that came
        # just now, or is not what is missing: then again after a moment.
        self.room = room
        # The answer to a connection request: soc_poll_ms shows it as room to write, and may read it meanwhile itself.
        self.answer = answer
        self.others = False  # another call has to read first what stands in front


Steps = Generator[Wait, None, T]


def run_now(steps: Steps[T]) -> Optional[T]:
    """Runs an operation as far as it goes without waiting; None if it would have to."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    return None


class Descriptor:
    """Owns one AF_ISO descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_blocking(fd, False)

    def fileno(self) -> int:
        """The descriptor, for event loops; -1 once closed. Ask pending() before you wait for it."""
        return self._fd

    def detach(self) -> int:
        """Gives the descriptor away: the object is closed, the connection is not."""
        fd, self._fd = self._fd, -1
        return fd

    def close(self) -> None:
        """Closes it; more than once does no harm."""
        fd = self.detach()
        if fd >= 0:
            lib.library.soc_close(fd)

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def __enter__(self: D) -> D:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self)
            self.close()

    def __repr__(self) -> str:
        kind = type(self)
        return f"<{kind.__module__}.{kind.__qualname__} {f'fd={self._fd}' if self._fd >= 0 else 'closed'}>"

    def _tell_others(self) -> None:
        """This object's descriptor has been read by one operation: others may find what they wait for."""

    def _until(self, tried: Callable[[], Optional[T]], wait: Optional[Wait] = None) -> Steps[T]:
        """Tries until it gives something other than None."""
        wait = wait or Wait()
        first = True
        while True:
            wait.others = False
            try:
                result = tried()
            except OSError as problem:
                self._tell_others()
                # The next unit on the link is of another kind than what is waited for.
                if problem.errno not in (errno.ENOMSG, errno.EIO):
                    raise
                if self._set_aside():
                    continue
                wait.others = True
                result = None
            if result is not None or first:
                self._tell_others()
            if result is not None:
                return result
            first = False
            yield wait

    def _set_aside(self) -> bool:
        """Makes room in front, for who waits for what stands behind; whether it has."""
        return False


def connect_steps(link: Descriptor, server: Union[str, lib.Octets], nsel: str, own: Union[str, lib.Octets]) -> Steps[None]:
    """Names the link and connects it."""
    _bind(link, lib.selector(own))
    to = lib.iso_sockaddr(lib.selector(server), nsel)
    # A listener whose queue is full does not say when there is room.
    yield from link._until(
        lambda: lib.attempt(lib.library.soc_connect, link._fd, ctypes.byref(to), ctypes.sizeof(to)), Wait(answer=True)
    )


def new_descriptor() -> int:
    return lib.call(lib.library.soc_socket, lib.AF_ISO, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0)


def listen(of: Descriptor, name: Union[str, lib.Octets], backlog: int) -> None:
    _bind(of, lib.selector(name))
    lib.call(lib.library.soc_listen, of.fileno(), backlog)


def accept_steps(listener: Descriptor) -> Steps[int]:
    """The next link, confirmed: it carries what either side sends."""
    fd = yield from listener._until(lambda: lib.attempt(lib.library.soc_accept, listener.fileno(), None, None))
    # If the other end has gone already the link's next operation says so.
    lib.library.soc_setsockopt(fd, lib.SOL_TRANSPORT, lib.TPOPT_CFRM_DATA, None, 0)
    return fd


def _bind(of: Descriptor, name: bytes) -> None:
    own = lib.iso_sockaddr(name)
    lib.call(lib.library.soc_bind, of.fileno(), ctypes.byref(own), ctypes.sizeof(own))
