# SPDX-License-Identifier: MIT
"""A worker of batond that tells each client what batond has said of it: told_worker.py TSAP. A line: "HOST PORT HOST PORT",
the client and whom it connected to, or "-" where nothing was said."""

import socket
import struct
import sys
from typing import Tuple

import baton

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def addresses_in(header: bytes) -> Tuple[str, int, str, int]:
    """As a program reads it that knows the PROXY protocol and nothing of baton."""
    assert header[:12] == SIGNATURE and header[12] == 0x21, header
    family, size = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}[header[13]]
    assert len(header) == 16 + struct.unpack("!H", header[14:16])[0], header
    client, destination, client_port, port = struct.unpack(f"!{size}s{size}sHH", header[16:])
    return socket.inet_ntop(family, client), client_port, socket.inet_ntop(family, destination), port


def main() -> None:
    link = baton.Link.connect(sys.argv[1])
    link.credit(16)
    print("ready", flush=True)
    while True:
        try:
            arrivals = link.take_many()
        except ConnectionResetError:
            return  # batond has ended
        for arrival in arrivals:
            with arrival.socket as client:
                said = " ".join(map(str, addresses_in(arrival.blob))) if arrival.blob else "-"
                client.settimeout(20)
                client.recv(65536)
                client.sendall(said.encode() + b"\n")


main()
