# SPDX-License-Identifier: MIT
"""TLS through batond: by SNI, with OpenSSL and Python as clients of workers that end TLS; not an octet is decrypted."""

import os
import ssl
import subprocess
import sys
import unittest

from house import House, read_all

ROUTES = """
[pool.shop]
[pool.blog]
hold = "200ms"
[[route]]
sni = ["shop.example", "*.shop.example"]
pool = "shop"
[[route]]
sni = "blog.example"
pool = "blog"
"""


class Tls(House):
    def setUp(self) -> None:
        super().setUp()
        self.certificate = os.path.join(self.folder.name, "certificate")
        self.key = os.path.join(self.folder.name, "key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "1", "-subj", "/CN=shop.example",
                        "-addext", "subjectAltName=DNS:shop.example", "-keyout", self.key, "-out", self.certificate],
                       check=True, capture_output=True)
        self.start_batond(ROUTES)
        worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tls_worker.py")
        self.start([sys.executable, "-B", worker, "shop", "S", self.certificate, self.key])
        self.until(lambda: any(w["credit"] for w in self.workers("shop")), "the worker has credit")

    def hello_for(self, name: str) -> bytes:
        out = ssl.MemoryBIO()
        tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return out.read()

    def test_openssl(self) -> None:
        for name in ("shop.example", "a.b.shop.example"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", name,
                                   "-quiet"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
            self.assertEqual(done.stdout, f"S {name}\n".encode(), done.stderr)

    def test_a_hello_in_many_pieces(self) -> None:
        client = self.client()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=self.certificate)
        tls = context.wrap_bio(incoming, outgoing, server_hostname="shop.example")
        pieces = 7
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                hello = outgoing.read()
                for at in range(0, len(hello), pieces):
                    client.sendall(hello[at:at + pieces])
                pieces = 1 << 16
                incoming.write(client.recv(65536))
        client.sendall(outgoing.read())
        text = b""
        while not text.endswith(b"\n"):
            try:
                text += tls.read()
            except ssl.SSLWantReadError:
                incoming.write(client.recv(65536))
        self.assertEqual(text, b"S shop.example\n")

    def test_alerts(self) -> None:
        # alert(21), version, length 2, fatal(2): unrecognized_name(112), internal_error(80); RFC 8446 6.2.
        for name, description in (("nobody.example", 112), ("blog.example", 80)):
            answer = read_all(self.client(self.hello_for(name)))
            self.assertEqual((answer[0], answer[3:5], answer[5], answer[6]), (21, b"\x00\x02", 2, description))


if __name__ == "__main__":
    unittest.main()
