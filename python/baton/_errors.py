# SPDX-License-Identifier: MIT
"""What a move that does not succeed raises. All other failures are plain OSError and its subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import socket

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
