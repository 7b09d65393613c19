#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The echo server of echo.py as a worker of batond, replaced while its clients talk: start it again with the same NAME.

    python3 worker.py NAME TSAP    NAME: the selector under which the next one finds this one; TSAP: of batond's pool

What is new comes by a link to batond, which stays with the process; the connections go to the next one in a group. New
clients wait at batond meanwhile, for as long as the pool says (`hold`).
"""

import asyncio
import contextlib
import sys

import baton
import baton.aio

import echo


async def take(tsap):
    """Connections from batond, until this is cancelled; what was not taken then goes to another worker."""
    while True:
        with contextlib.suppress(ConnectionError):  # batond is not there, or was replaced
            async with await baton.aio.connect(tsap) as link:
                link.credit(16)
                while True:
                    for arrival in await link.take_many():
                        echo.owed[arrival.socket] = bytearray(arrival.data)
                        echo.turn(arrival.socket)
        await asyncio.sleep(0.02)


async def main(name, tsap):
    await echo.take_over(name)
    given = False
    while not given:
        for connection in list(echo.owed):
            echo.turn(connection)
        taking = asyncio.create_task(take(tsap))
        with baton.aio.listen(name) as names:
            print(f"serves {len(echo.owed)} connections", flush=True)
            link = await names.accept()
        taking.cancel()
        await asyncio.wait([taking])  # the link to batond is closed
        async with link:
            given = await echo.hand_over(link)


asyncio.run(main(*sys.argv[1:]))
