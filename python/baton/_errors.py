# SPDX-License-Identifier: MIT
"""What a move that does not succeed raises. All other failures are plain OSError and its subclasses."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, List, NoReturn, Optional, Union

if TYPE_CHECKING:
    import socket

    from ._end_points import EndPoint, Outcome
    from ._steps import LinkBase


class MoveError(OSError):
    """A move did not succeed. The connection lives on where it was.

    `errno` says why, as the C calls do; `strerror` is a sentence with what to do. `socket` is the end point, back with
    this program, the same object that was offered: usable again, with its timeout. It is None at the server, and where
    the outcome is not known yet (MoveInDoubt).
    """

    def __init__(
        self, number: int, sentence: str, end_point: Union[socket.socket, LinkBase, None] = None
    ) -> None:
        super().__init__(number, sentence)
        self.socket: Any = end_point  # a socket.socket, or a Link where one was offered


class MoveRefused(MoveError):
    """The server refused the offer. `reason` is its negative number: REFUSED, NO_DESCRIPTOR, BUSY, or one of its own."""

    def __init__(
        self, number: int, sentence: str, end_point: Union[socket.socket, LinkBase, None], reason: int
    ) -> None:
        super().__init__(number, sentence, end_point)
        self.reason = reason


class MoveInDoubt(MoveError):
    """Called, and no outcome yet: the library keeps the end point, and has asked the server to give it up.

    `link.settle(error)` waits for the outcome, which also comes when the server dies. Closing the link leaves the wait
    to the library.
    """

    def __init__(self, number: int, sentence: str, fd: int) -> None:
        super().__init__(number, sentence)
        self.fd = fd


class GroupError(MoveError):
    """A group did not move as a whole; `socket` is None.

    Before the commit everything stays where it was: at the listener all of the group is in `back`. After it each end
    point goes its own way, and the three lists say which. They are empty at the server, which has none of the group.
    """

    def __init__(self, number: int, sentence: str, outcomes: List[Outcome], in_doubt: List[Any]) -> None:
        self.outcomes = list(outcomes)  # of each that has one
        self.in_doubt = in_doubt  # the objects of those that have none yet: link.outcomes() tells it
        if outcomes or in_doubt:
            sentence += f" (back here: {len(self.back)}, moved: {len(self.moved)}, in doubt: {len(in_doubt)})"
        super().__init__(number, sentence)

    @property
    def back(self) -> List[Any]:
        """The sockets that are this program's again: the same objects, usable."""
        return [each.socket for each in self.outcomes if each.error is not None and each.error.socket is not None]

    @property
    def moved(self) -> List[Any]:
        """The objects of those that the server has."""
        return [each.socket for each in self.outcomes if each.error is None]


def raise_failed(problem: BaseException, end_point: Optional[EndPoint]) -> NoReturn:
    """The end of the move of an end point, which is back if it is not None."""
    if isinstance(problem, MoveError):
        problem.socket = end_point
    elif isinstance(problem, OSError):
        raise MoveError(problem.errno or errno.EPROTO, problem.strerror, end_point) from problem
    raise problem
