# SPDX-License-Identifier: MIT
"""libbaton.so.0 through ctypes: its structures, its calls, its failures. The one module that knows the C interface.

ctypes lets go of the interpreter's lock during each call. Links are non-blocking here, so that no call waits but
`soc_poll_ms`, and Python's signal handlers run as soon as a signal ends that.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
from typing import Any, NamedTuple, Optional, Tuple, Union

AF_ISO = 200
SOL_TRANSPORT = 0xFFFE
TPOPT_CFRM_DATA = 0x600
TPOPT_REDI_DATA = 0x1000
TPOPT_REDI_BDOK = 0x1001
TPOPT_REDI_CALL = 0x1002
REDBIND_OK = 1
MOST_MOVES = 252  # SOC_MOVES_MAX
LISTENING = 1  # SOC_LISTENING
GROUP_END = 2  # SOC_GROUP_END
MOST_DATA = 65536  # octets already read that go along with an end point
LONGEST_SELECTOR = 32  # TSAPNAMMAXLEN
SO_COOKIE = 57
SO_DOMAIN = 39
SOL_SOCKET = 1
LONGEST = 0xFFFFFFFF  # what the length of octets can say

Octets = Union[bytes, bytearray, memoryview]


class PollFd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class MsgHdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(IoVec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class SockaddrIso(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_ubyte),
        ("family", ctypes.c_ubyte),
        ("plen", ctypes.c_ubyte),
        ("slen", ctypes.c_ubyte),
        ("tlen", ctypes.c_ubyte),
        ("isoa_len", ctypes.c_ubyte),
        ("genaddr", ctypes.c_ubyte * 40),
        ("pad", ctypes.c_ubyte * 6),
    ]


class RedInfoTcp(ctypes.Structure):
    _fields_ = [(name, ctypes.c_short) for name in ("fd", "port", "domain", "flags")] + [
        (name, ctypes.c_int) for name in ("cid", "if_index", "rwindow", "wwindow")
    ]


class RedInfoIso(ctypes.Structure):
    _fields_ = [
        ("fd", ctypes.c_short),
        ("domain", ctypes.c_short),
        ("flags", ctypes.c_short),
        ("tsellen", ctypes.c_short),
        ("rwindow", ctypes.c_int),
        ("wwindow", ctypes.c_int),
        ("tsel", ctypes.c_char * 32),
        ("tesn", ctypes.c_char * 8),
    ]


class RedInfoSvrs(ctypes.Structure):
    _fields_ = [
        ("domain", ctypes.c_short),
        ("fd_server", ctypes.c_short),
        ("tsor_server", ctypes.c_int),
        ("cref_server", ctypes.c_int),
    ]


class RedInfo(ctypes.Union):
    _fields_ = [
        ("tcp", RedInfoTcp),
        ("iso", RedInfoIso),
        ("svrs", RedInfoSvrs),
        ("tsap_name", ctypes.c_char * 32),
    ]


class RedHdr(ctypes.Structure):
    """struct cmsg_redhdr."""

    _fields_ = [
        ("cmsg_len", ctypes.c_uint),
        ("cmsg_level", ctypes.c_int),
        ("cmsg_type", ctypes.c_int),
        ("info", RedInfo),
        ("bind_ok", ctypes.c_short),
        ("handoff_ok", ctypes.c_short),
        ("tsap_name_len", ctypes.c_short),
        ("fd_server", ctypes.c_short),
        ("domain", ctypes.c_short),
        ("tsn", ctypes.c_int),
    ]


class SocMove(ctypes.Structure):
    """struct soc_move."""

    _fields_ = [
        ("fd", ctypes.c_int),
        ("error", ctypes.c_int),
        ("id", ctypes.c_uint64),
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_uint32),
        ("blob", ctypes.c_void_p),
        ("blob_length", ctypes.c_uint32),
        ("kind", ctypes.c_int),
        ("flags", ctypes.c_int),
    ]


_free = ctypes.CDLL(None).free
_free.argtypes = (ctypes.c_void_p,)
_free.restype = None


def take_over(memory: Optional[int], length: int) -> bytes:
    """The octets of memory that the library has allocated for its caller, which is freed."""
    if not memory:
        return b""
    octets = ctypes.string_at(memory, length)
    _free(memory)
    return octets


COUNTERS = (
    *("offered", "moved", "refused", "cancelled", "given_back", "in_doubt", "touched", "abandoned"),
    *("received", "taken", "links", "pause_count", "pause_total_ns", "pause_longest_ns"),
)


class SocStatistics(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("version", ctypes.c_uint32)] + [
        (name, ctypes.c_uint64) for name in COUNTERS
    ]


def _load() -> ctypes.CDLL:
    name = os.environ.get("BATON_LIBRARY") or "libbaton.so.0"
    try:
        library = ctypes.CDLL(name, use_errno=True)
    except OSError as failure:
        raise ImportError(
            f"{name} cannot be loaded ({failure}): install libbaton, or name the file in BATON_LIBRARY"
        ) from failure
    number, size, pointer = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
    moves = ctypes.POINTER(SocMove)
    prototypes = {
        "soc_socket": (number, (number, number, number)),
        "soc_bind": (number, (number, pointer, number)),
        "soc_listen": (number, (number, number)),
        "soc_accept": (number, (number, pointer, pointer)),
        "soc_connect": (number, (number, pointer, number)),
        "soc_getsockname": (number, (number, pointer, pointer)),
        "soc_getpeername": (number, (number, pointer, pointer)),
        "soc_getsockopt": (number, (number, number, number, pointer, pointer)),
        "soc_setsockopt": (number, (number, number, number, pointer, number)),
        "soc_send": (ctypes.c_ssize_t, (number, pointer, size, number)),
        "soc_sendmsg": (ctypes.c_ssize_t, (number, ctypes.POINTER(MsgHdr), number)),
        "soc_recvmsg": (ctypes.c_ssize_t, (number, ctypes.POINTER(MsgHdr), number)),
        "soc_close": (number, (number,)),
        "soc_pending": (number, (number,)),
        "soc_poll_ms": (number, (ctypes.POINTER(PollFd), ctypes.c_ulong, number)),
        "soc_cancel": (number, (number, number)),
        "soc_abandon": (number, (number, ctypes.c_uint64)),
        "soc_recall": (number, (number, ctypes.c_uint64)),
        "soc_give": (number, (number, moves, number)),
        "soc_hold": (number, (number, moves, number)),
        "soc_commit": (number, (number, number)),
        "soc_abort": (number, (number,)),
        "soc_ready": (number, (number, number)),
        "soc_decline": (number, (number,)),
        "soc_outcomes": (number, (number, moves, number, number)),
        "soc_take": (number, (number, moves, number, number)),
        "soc_credit": (number, (number, number)),
        "soc_get_statistics": (number, (ctypes.POINTER(SocStatistics),)),
        "soc_error_text": (ctypes.c_char_p, ()),
        "soc_version": (ctypes.c_char_p, ()),
    }
    for call, (result, arguments) in prototypes.items():
        try:
            function = getattr(library, call)
        except AttributeError as failure:
            raise ImportError(f"{name} has no {call}: it is older than this package") from failure
        function.restype, function.argtypes = result, arguments
    return library


library: Any = _load()


def failure(number: Optional[int] = None) -> OSError:
    """The failure of the call that this thread has just made, with the library's sentence. OSError picks the class:
    ConnectionResetError, TimeoutError, PermissionError ..."""
    number = ctypes.get_errno() if number is None else number
    return OSError(number, library.soc_error_text().decode(errors="replace"))


def call(function: Any, *arguments: Any) -> int:
    """Makes a call that does not wait; begins again where a signal has ended it."""
    while True:
        result: int = function(*arguments)
        if result >= 0:
            return result
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise failure(number)


def attempt(function: Any, *arguments: Any) -> Optional[int]:
    """As call(); None where the call would have to wait."""
    try:
        return call(function, *arguments)
    except BlockingIOError:
        return None


def header(kind: int, domain: int = 0, fd: int = -1, fd_server: int = -1) -> RedHdr:
    made = RedHdr(cmsg_len=ctypes.sizeof(RedHdr), cmsg_level=SOL_TRANSPORT, cmsg_type=kind)
    made.domain, made.fd_server = domain, fd_server
    # red_ltcp and red_liso begin with the same member. A number that no `short` holds must not become another one.
    if max(fd, fd_server) > 0x7FFF:
        raise OSError(errno.EOVERFLOW, "a descriptor above 32767 cannot be offered: close some, or give() it")
    made.info.tcp.fd = fd
    return made


def message(control: Optional[RedHdr], buffer: Any = None, length: int = 0) -> MsgHdr:
    """The message around `control` and `length` octets at `buffer`; ctypes keeps both alive with it."""
    made = MsgHdr()
    if control is not None:
        made.control = ctypes.addressof(control)
        made.controllen = ctypes.sizeof(control)
    if length:
        made.iov = ctypes.pointer(IoVec(ctypes.cast(buffer, ctypes.c_void_p), length))
        made.iovlen = 1
    made._kept = (control, buffer)
    return made


def option(fd: int, name: int, value: RedHdr) -> Optional[int]:
    length = ctypes.c_uint32(ctypes.sizeof(value))
    return attempt(
        library.soc_getsockopt, fd, SOL_TRANSPORT, name, ctypes.byref(value), ctypes.byref(length)
    )


def cookie(fd: int) -> Optional[int]:
    """The kernel's name of the socket behind `fd`; None where the number only stands in for an end point."""
    value, length = ctypes.c_uint64(), ctypes.c_uint32(8)
    if library.soc_getsockopt(fd, SOL_SOCKET, SO_COOKIE, ctypes.byref(value), ctypes.byref(length)) < 0:
        return None
    return value.value


def selector(of: Union[str, Octets]) -> bytes:
    """A TSEL: text stands for its UTF-8 octets."""
    octets = of.encode() if isinstance(of, str) else bytes(of)
    if len(octets) > LONGEST_SELECTOR:
        raise ValueError(f"a selector has at most {LONGEST_SELECTOR} octets, this one has {len(octets)}")
    return octets


class IsoAddress(NamedTuple):
    """An address of AF_ISO: the host's name, without the blanks behind it, and the selector there."""

    nsel: str
    tsel: bytes


def iso_sockaddr(tsel: bytes, nsel: str = "") -> SockaddrIso:
    if len(nsel) > 8 or not nsel.isascii():
        raise ValueError(f"a host name of AF_ISO has at most 8 characters of ASCII: {nsel!r}")
    made = SockaddrIso(length=ctypes.sizeof(SockaddrIso), family=AF_ISO, tlen=len(tsel))
    octets = nsel.encode().ljust(8) + tsel
    made.genaddr[: len(octets)] = list(octets)
    return made


Address = Union[IsoAddress, Tuple[str, int], Tuple[str, int, int, int]]


def family_of(address: Address) -> int:
    if isinstance(address, IsoAddress):
        return AF_ISO
    return int(socket.AF_INET if len(address) == 2 else socket.AF_INET6)


def name_of(fd: int, peer: bool) -> Address:
    """getsockname or getpeername, which also answer for a number that stands in for an end point."""
    room = ctypes.create_string_buffer(128)
    length = ctypes.c_uint32(len(room))
    call(library.soc_getpeername if peer else library.soc_getsockname, fd, room, ctypes.byref(length))
    family = int.from_bytes(room.raw[:2], sys.byteorder)
    port = int.from_bytes(room.raw[2:4], "big")
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, room.raw[4:8]), port
    if family == socket.AF_INET6:
        flow = int.from_bytes(room.raw[4:8], "big")
        scope = ctypes.c_uint32.from_buffer(room, 24).value
        return socket.inet_ntop(socket.AF_INET6, room.raw[8:24]), port, flow, scope
    iso = SockaddrIso.from_buffer(room)
    octets = bytes(iso.genaddr)
    return IsoAddress(octets[:8].decode("ascii", "replace").rstrip(), octets[8 : 8 + iso.tlen])
