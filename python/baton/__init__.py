# SPDX-License-Identifier: MIT
"""baton moves live connections between processes: the client at the other end notices nothing.

    link = baton.Link.connect("server")           # at the listener
    link.offer(sock, data=already_read)

    with baton.LinkListener("server") as names:   # at the server
        for incoming in names.accept():
            sock = incoming.accept()

A move commits, or the connection stays where it was: a move that fails or is refused raises MoveError and gives the
socket back. `baton.aio` is the same for asyncio. The library is libbaton.so.0, or the file that BATON_LIBRARY names.
"""

from __future__ import annotations

import ctypes
from typing import Dict

from . import _library
from ._end_points import Arrival, Outcome
from ._errors import GroupError, MoveError, MoveInDoubt, MoveRefused
from ._groups import HeldItem
from ._library import AF_ISO, Address, IsoAddress
from ._link import Group, HeldGroup, Incoming, Link, LinkListener
from ._steps import Moved

__all__ = [
    "AF_ISO",
    "Address",
    "Arrival",
    "BUSY",
    "Group",
    "GroupError",
    "HeldGroup",
    "HeldItem",
    "Incoming",
    "IsoAddress",
    "Link",
    "LinkListener",
    "MoveError",
    "MoveInDoubt",
    "MoveRefused",
    "Moved",
    "NO_DESCRIPTOR",
    "Outcome",
    "REFUSED",
    "library_version",
    "statistics",
]

# Reasons for Incoming.refuse().
REFUSED = -1  # none given
NO_DESCRIPTOR = -2  # the server's descriptor table is full
BUSY = -3  # the server takes no more at present


def library_version() -> str:
    """ "major.minor.patch" of the library that is loaded."""
    version: bytes = _library.library.soc_version()
    return version.decode()


def statistics() -> Dict[str, int]:
    """Counters of this process since its start: offered, moved, refused, taken, in_doubt, pause_longest_ns ..."""
    counters = _library.SocStatistics(size=ctypes.sizeof(_library.SocStatistics))
    _library.call(_library.library.soc_get_statistics, ctypes.byref(counters))
    return {name: int(getattr(counters, name)) for name in _library.COUNTERS}
