# SPDX-License-Identifier: MIT
"""What moves: a socket.socket of TCP, or an AF_ISO connection. Taken out of its object for a move, put back after a
failed one, made anew from a descriptor that has come."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Type, Union

from . import _library as lib

if TYPE_CHECKING:
    from ._errors import MoveError
    from ._steps import LinkBase

    EndPoint = Union[socket.socket, LinkBase]


class Arrival(NamedTuple):
    """An end point that has come by give() or in a group: it is this process's already. `data` is what the listener had
    read, `blob` what its program says of it.

    `socket` is a socket.socket, or a Link where it is one of AF_ISO; `listening`: it accepts connections."""

    socket: Any
    data: bytes
    id: int
    blob: bytes = b""
    listening: bool = False


class Outcome(NamedTuple):
    """What became of an end point that was given, or of one in a group. `error` is None if it has moved; else `socket`
    is usable again, and is in `error.socket` too. That is None where the connection had to be reset: the server has died
    with it, and may have used it."""

    socket: Any
    error: Optional[MoveError]
    id: int


def _why_no_end_point(given: object) -> str:
    kind = type(given).__name__
    # What writer.get_extra_info("socket") gives; asyncio.trsock is there only if the program has loaded it.
    if kind == "TransportSocket":
        return "an asyncio transport keeps its socket: move connections before they have one (loop.sock_accept, sock_recv)"
    return f"only a socket.socket of TCP or a Link can move, not this {kind}"


class Held:
    """An end point during its move: the object is detached, the number is here."""

    def __init__(self, end_point: EndPoint) -> None:
        self.end_point = end_point
        self.timeout: Optional[float] = None
        if isinstance(end_point, socket.socket):
            ssl = sys.modules.get("ssl")
            if ssl is not None and isinstance(end_point, ssl.SSLSocket):
                raise TypeError("a TLS connection cannot move: its keys are in this process")
            # makefile() reads ahead, and closes the number when it goes.
            if getattr(end_point, "_io_refs", 0) > 0:
                raise ValueError("close what makefile() has made of the socket before it moves")
            self.timeout = end_point.gettimeout()
        elif hasattr(end_point, "check_movable"):
            end_point.check_movable()
        else:
            raise TypeError(_why_no_end_point(end_point))
        if end_point.fileno() < 0:
            raise ValueError("the socket is closed, or detached")
        self.cookie = lib.cookie(end_point.fileno())
        self.fd = end_point.detach()
        # A timeout is this process's matter, and so is that links are non-blocking here: what waits here shall wait
        # there. It is put back with the end point.
        if self.timeout or not isinstance(end_point, socket.socket):
            os.set_blocking(self.fd, True)

    def is_back(self) -> bool:
        """The number is the end point itself, not what stands in for it."""
        return self.cookie is not None and lib.cookie(self.fd) == self.cookie

    def revive(self) -> EndPoint:
        """Puts the end point back into its object."""
        if isinstance(self.end_point, socket.socket):
            socket.socket.__init__(self.end_point, fileno=self.fd)
            self.end_point.settimeout(self.timeout)
        else:
            self.end_point.attach(self.fd)
        return self.end_point


def as_move(held: Held, data: bytes, blob: bytes = b"") -> lib.SocMove:
    """What the library is told of an end point; ctypes keeps the octets alive with it."""
    made = lib.SocMove(fd=held.fd)
    # Too long, whatever it is, and not the remainder that fits.
    made.length, made.blob_length = (min(len(octets), lib.LONGEST) for octets in (data, blob))
    made._kept = (data, blob)
    made.data, made.blob = (ctypes.cast(ctypes.c_char_p(octets), ctypes.c_void_p) for octets in (data, blob))
    return made


def adopt(fd: int, link_type: Type[LinkBase], nonblocking: bool = False) -> EndPoint:
    """The object for an end point that has come. It is blocking or not as it was at the listener; with `nonblocking`
    it is so in any case. Closes `fd` if no object can be made."""
    try:
        if _is_iso(fd):
            return link_type(fd)
        made = socket.socket(fileno=fd)
    except BaseException:
        lib.library.soc_close(fd)
        raise
    if nonblocking or not os.get_blocking(fd):
        made.settimeout(0.0)
    else:
        made.settimeout(socket.getdefaulttimeout())
    return made


def _is_iso(fd: int) -> bool:
    domain, length = ctypes.c_int(), ctypes.c_uint32(4)
    # Not of the kernel, which sees what carries the connection.
    lib.call(
        *(lib.library.soc_getsockopt, fd, lib.SOL_SOCKET, lib.SO_DOMAIN),
        *(ctypes.byref(domain), ctypes.byref(length)),
    )
    return domain.value == lib.AF_ISO
