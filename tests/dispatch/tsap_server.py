# SPDX-License-Identifier: MIT
"""A server that has bound a TSAP, to which batond connects: tsap_server.py TSAP NAME.

A client gets "NAME <its port>\\n" and the end of the connection. Says "ready" in a line when it can be connected to.
"""

import sys
import threading

import baton


def greet(connection, name: str) -> None:
    with connection:
        connection.settimeout(20)
        connection.recv(65536)
        connection.sendall(f"{name} {connection.getpeername()[1]}\n".encode())


def main() -> None:
    tsap, name = sys.argv[1:3]
    listener = baton.LinkListener(tsap)
    print("ready", flush=True)
    while True:
        with listener.accept() as link:
            link.credit(16)
            try:
                while True:
                    for arrival in link.take_many():
                        threading.Thread(target=greet, args=(arrival.socket, name), daemon=True).start()
            except OSError:
                continue  # that batond is gone; another one may come


main()
