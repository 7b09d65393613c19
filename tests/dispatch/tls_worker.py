# SPDX-License-Identifier: MIT
"""A worker of batond that speaks TLS: tls_worker.py TSAP NAME CERTIFICATE KEY. A client gets "NAME <server name>\\n"."""

import ssl
import sys
import threading

import baton


def serve(context: ssl.SSLContext, connection, name: str) -> None:
    asked = []
    with connection:
        connection.settimeout(20)
        context.sni_callback = lambda _, server_name, __: asked.append(server_name)
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.sendall(f"{name} {asked[0]}\n".encode())
            stream.unwrap()


def main() -> None:
    tsap, name, certificate, key = sys.argv[1:5]
    link = baton.Link.connect(tsap)
    link.credit(16)
    print("ready", flush=True)
    while True:
        for arrival in link.take_many():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            threading.Thread(target=serve, args=(context, arrival.socket, name), daemon=True).start()


main()
