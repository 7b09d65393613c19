# SPDX-License-Identifier: MIT
"""The structures and numbers of baton/_library.py are those of baton/soc.h: a C compiler compares them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import unittest
from typing import Dict, Tuple, Type

import baton
from baton import _library as lib
from support import HERE

HEADERS = HERE.parent.parent / "include"

NUMBERS = {
    "AF_ISO": lib.AF_ISO,
    "SOL_TRANSPORT": lib.SOL_TRANSPORT,
    "TPOPT_CFRM_DATA": lib.TPOPT_CFRM_DATA,
    "TPOPT_REDI_DATA": lib.TPOPT_REDI_DATA,
    "TPOPT_REDI_BDOK": lib.TPOPT_REDI_BDOK,
    "TPOPT_REDI_CALL": lib.TPOPT_REDI_CALL,
    "REDBIND_OK": lib.REDBIND_OK,
    "REDBIND_REFUSED": baton.REFUSED,
    "REDBIND_NO_DESCRIPTOR": baton.NO_DESCRIPTOR,
    "REDBIND_BUSY": baton.BUSY,
    "SOC_MOVES_MAX": lib.MOST_MOVES,
    "SOC_LISTENING": lib.LISTENING,
    "SOC_GROUP_END": lib.GROUP_END,
    "TSAPNAMMAXLEN": lib.LONGEST_SELECTOR,
    "SO_DOMAIN": lib.SO_DOMAIN,
    "SO_COOKIE": lib.SO_COOKIE,
    "SOL_SOCKET": lib.SOL_SOCKET,
}

# Structure -> its C name, and the C names of the members that Python calls otherwise.
STRUCTURES: Dict[Type[ctypes.Structure], Tuple[str, Dict[str, str]]] = {
    lib.SocMove: ("struct soc_move", {}),
    lib.SocStatistics: ("struct soc_statistics", {}),
    lib.RedInfoTcp: ("struct red_info_tcp", {}),
    lib.RedInfoIso: ("struct red_info_iso", {}),
    lib.RedInfoSvrs: ("struct red_info_svrs", {}),
    lib.RedHdr: ("struct cmsg_redhdr", {"info": "cmsg_redhdr_info"}),
    lib.PollFd: ("struct pollfd", {}),
    lib.IoVec: ("struct iovec", {"base": "iov_base", "length": "iov_len"}),
    lib.MsgHdr: (
        "struct msghdr",
        {name: f"msg_{name}" for name in ("name", "namelen", "iov", "iovlen", "control", "controllen", "flags")},
    ),
    lib.SockaddrIso: (
        "struct sockaddr_iso",
        {
            **{name: f"siso_{name}" for name in ("family", "plen", "slen", "tlen", "pad")},
            **{"length": "siso_len", "isoa_len": "siso_addr.isoa_len", "genaddr": "siso_addr.isoa_genaddr"},
        },
    ),
}


class Layout(unittest.TestCase):
    def test_as_in_the_header(self) -> None:
        wanted: Dict[str, int] = dict(NUMBERS)
        for structure, (name, members) in STRUCTURES.items():
            wanted[f"sizeof({name})"] = ctypes.sizeof(structure)
            for field in structure._fields_:
                member = members.get(field[0], field[0])
                wanted[f"offsetof({name}, {member})"] = getattr(structure, field[0]).offset
                wanted[f"sizeof((({name} *)0)->{member})"] = getattr(structure, field[0]).size
        lines = ["#define _GNU_SOURCE", "#include <baton/soc.h>", "#include <stddef.h>"]
        lines += [f'_Static_assert({expression} == {value}, "{expression}");' for expression, value in wanted.items()]
        compiled = subprocess.run(
            [os.environ.get("CC", "cc"), "-std=gnu11", "-fsyntax-only", f"-I{HEADERS}", "-xc", "-"],
            input="\n".join(lines),
            text=True,
            stderr=subprocess.PIPE,
        )
        self.assertEqual((compiled.returncode, compiled.stderr), (0, ""), "baton/_library.py is not as baton/soc.h")


if __name__ == "__main__":
    unittest.main()
