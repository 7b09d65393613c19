#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client of echo.py that checks every octet: several connections, through any number of restarts of the server.

    python3 talk.py PORT CONNECTIONS    until a line comes on standard input; then it says what it has seen
"""

import asyncio
import hashlib
import os
import sys


async def connect(port):
    """A connection that the server has, for it has answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello")
    await reader.readexactly(5)
    return reader, writer


async def talk(reader, writer, done):
    """Sends random octets, reads their echo meanwhile, and compares."""
    sent, got = hashlib.sha256(), hashlib.sha256()
    octets = 0

    async def read():
        while part := await reader.read(65536):
            got.update(part)

    reading = asyncio.ensure_future(read())
    while not done.is_set():
        part = os.urandom(20000)
        sent.update(part)
        octets += len(part)
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.002)
    writer.write_eof()
    await reading
    writer.close()
    assert sent.digest() == got.digest(), "the echo differs"
    return octets


async def main(port, count):
    done = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, done.set)
    connections = [await connect(port) for _ in range(count)]
    print("talks", flush=True)
    octets = await asyncio.gather(*(talk(*connection, done) for connection in connections))
    print(f"{count} connections, {sum(octets)} octets, each came back")


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
