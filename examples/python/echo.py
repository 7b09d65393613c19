#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An echo server that is replaced while its clients talk: start it again, and the new process takes over.

    python3 echo.py NAME PORT    NAME: the selector under which the next one finds this one

The new process connects to the old one, which gives it all in a group, and ends: the listening socket with its queue, and
each connection with the octets that it still owes the client. If the new one fails before it has it all, the old one
goes on. A client waits a moment; it loses nothing.
"""

import asyncio
import contextlib
import errno
import socket
import sys

import baton
import baton.aio

MOST_OWED = 65536  # octets: as much as moves along
owed = {}  # connection -> what it has sent and not got back yet


def now(call, *arguments):
    with contextlib.suppress(BlockingIOError):
        return call(*arguments)


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
        connection = accepted[0]
        connection.setblocking(False)
        owed[connection] = bytearray()
        turn(connection)


async def take_over(name):
    """The listening socket of the process that has the name, if there is one, and its connections."""
    with contextlib.suppress(ConnectionRefusedError):
        async with await baton.aio.connect(name) as old:
            with await old.take_group() as group:
                arrivals = await group.ready()
        for arrival in arrivals:
            if not arrival.listening:
                owed[arrival.socket] = bytearray(arrival.data)
        return next((arrival.socket for arrival in arrivals if arrival.listening), None)


async def hand_over(link, listening=None):
    """All to the next process: True. If it fails, all is here as before."""
    loop = asyncio.get_running_loop()
    if listening:
        loop.remove_reader(listening)  # the loop must not watch what moves
    for connection in owed:
        loop.remove_reader(connection)
        loop.remove_writer(connection)
    try:
        with link.group() as group:
            if listening:
                await group.add(listening, timeout=10)
            for connection, seen in list(owed.items()):
                try:
                    await group.add(connection, seen, timeout=10)
                except baton.MoveError as error:
                    if error.errno != errno.ENOTCONN:  # the client has gone
                        raise
            await group.commit(timeout=10)
        return True
    except baton.MoveError as error:
        print(f"goes on: {error}", flush=True)
        return False


async def main(name, port):
    loop = asyncio.get_running_loop()
    listening = await take_over(name) or socket.create_server(("127.0.0.1", port))
    listening.setblocking(False)
    given = False
    while not given:
        for connection in list(owed):
            turn(connection)
        loop.add_reader(listening, accept, listening)
        with baton.aio.listen(name) as names:
            print(f"serves {len(owed)} connections", flush=True)
            link = await names.accept()
        async with link:
            given = await hand_over(link, listening)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
