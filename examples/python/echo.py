#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An echo server that is replaced while its clients talk: start it again, and the new process takes over.

    python3 echo.py NAME PORT    NAME: the selector under which the next one finds this one

The new process connects to the old one, which moves its connections over that link, each with the octets that it still
owes the client, and ends. A client waits a moment; it loses nothing.
"""

import asyncio
import contextlib
import socket
import sys

import baton.aio

MOST_OWED = 65536  # octets: as much as moves along
owed = {}  # connection -> what it has sent and not got back yet


def now(call, *arguments):
    with contextlib.suppress(BlockingIOError):
        return call(*arguments)


def serve(connection, seen=b""):
    connection.setblocking(False)
    owed[connection] = bytearray(seen)
    turn(connection)


def turn(connection):
    """Reads and writes what can be now."""
    buffer, loop = owed[connection], asyncio.get_running_loop()
    try:
        octets = now(connection.recv, MOST_OWED - len(buffer)) if len(buffer) < MOST_OWED else None
        buffer += octets or b""
        del buffer[: now(connection.send, buffer) or 0]
    except ConnectionError:
        octets, buffer[:] = b"", b""
    loop.add_writer(connection, turn, connection) if buffer else loop.remove_writer(connection)
    if octets != b"" and len(buffer) < MOST_OWED:
        loop.add_reader(connection, turn, connection)
    else:
        loop.remove_reader(connection)
    if octets == b"" and not buffer:
        del owed[connection]
        connection.close()


def accept(listening):
    while accepted := now(listening.accept):
        serve(accepted[0])


async def main(name, port):
    loop = asyncio.get_running_loop()
    # Both processes listen for a moment; the old one serves whom it has accepted until then.
    listening = socket.create_server(("127.0.0.1", port), reuse_port=True)
    listening.setblocking(False)
    with contextlib.suppress(ConnectionRefusedError):  # nobody to replace
        async with await baton.aio.connect(name) as old:
            async for incoming in old:
                serve(await incoming.accept(), incoming.data)
    loop.add_reader(listening, accept, listening)
    with baton.aio.listen(name) as names:
        print(f"serves {len(owed)} connections of the last one", flush=True)
        link = await names.accept()
    loop.remove_reader(listening)
    accept(listening)
    listening.close()
    async with link:
        for connection, seen in list(owed.items()):
            loop.remove_reader(connection)  # the loop must not watch what moves
            loop.remove_writer(connection)
            await link.offer(connection, seen)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
