# SPDX-License-Identifier: MIT
"""baton exec: a program for each connection, which is its standard input and output."""

import os
import signal
import socket
import subprocess
import unittest

from serving import BATON, PATIENCE, POOL, Process, ServeTest, as_nobody, in_threads, until


class Exec(ServeTest):
    def execute(self, *program, options=()):
        return self.start(Process([BATON, "exec", "--tsap", POOL, *options, "--", *program], self.env))

    def ask(self, address, octets=b""):
        """(own address, what came until the end)"""
        with socket.create_connection(address, PATIENCE) as client:
            client.sendall(octets)
            client.shutdown(socket.SHUT_WR)
            return client.getsockname(), b"".join(iter(lambda: client.recv(65536), b""))

    def both_ways(self, options):
        baton = self.execute("/bin/sh", "-c", "read x; echo $TCPREMOTEIP:$TCPREMOTEPORT $$ $x $PROTO; cat",
                             options=options)
        giver = self.giver()
        processes = set()

        def client(number):
            for turn in range(8):
                own, said = self.ask(giver.address, f"{turn} {number}\nand\nmore".encode())
                first, rest = said.split(b"\n", 1)
                peer, pid, *words = first.decode().split()
                self.assertEqual(peer, f"{own[0]}:{own[1]}")
                self.assertEqual(words, [str(turn), str(number), "TCP"])
                self.assertEqual(rest, b"and\nmore")
                processes.add(pid)

        in_threads(4, client)
        self.assertEqual(len(processes), 32)  # one for each connection
        self.assertEqual(giver.counts()["moved"], 32)
        return baton

    def test_a_process_for_each(self):
        baton = self.both_ways(())
        until(lambda: not baton.children(), "all are reaped")

    def test_a_pool_of_processes(self):
        baton = self.both_ways(("--pool", "3"))
        until(lambda: len(baton.children()) == 3, "three wait")
        waiting = baton.children()
        os.kill(baton.popen.pid, signal.SIGTERM)
        self.assertEqual(baton.popen.wait(PATIENCE), 0)
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in waiting), "those that waited have ended")

    def test_why_there_is_no_link_is_told_once(self):
        for options in ((), ("--pool", "3")):
            baton = self.start(Process([BATON, "exec", "--tsap", POOL, *options, "--", "cat"], self.env,
                                       stderr=subprocess.STDOUT))
            self.assertRegex(baton.line(), rf"^baton exec: it waits for TSAP '{POOL}': .*nobody listens")
            giver = self.giver()
            self.assertEqual(baton.line(), f"baton exec: TSAP '{POOL}' takes it now.")
            self.assertEqual(self.ask(giver.address, b"x")[1], b"x")
            baton.close()
            giver.close()

    def test_another_user_is_told_what_to_set(self):
        self.giver()
        baton = self.start(Process(as_nobody(BATON, "exec", "--tsap", POOL, "--", "cat"), self.env, stderr=subprocess.STDOUT))
        self.assertRegex(baton.line(), "it waits for TSAP .*BATON_ALLOW_UIDS")

    def test_a_program_goes_on_when_baton_ends(self):
        for options in ((), ("--pool", "1")):
            baton = self.execute("cat", options=options)
            giver = self.giver()
            with socket.create_connection(giver.address, PATIENCE) as client:
                client.sendall(b"before")
                self.assertEqual(client.recv(64), b"before")
                os.kill(baton.popen.pid, signal.SIGTERM)
                self.assertEqual(baton.popen.wait(PATIENCE), 0)
                client.sendall(b"after")
                self.assertEqual(client.recv(64), b"after")
            giver.close()

    def test_no_more_than_the_limit(self):
        baton = self.execute("cat", options=("--limit", "2"))
        giver = self.giver()
        clients = [socket.create_connection(giver.address, PATIENCE) for _ in range(3)]
        for client in clients:
            self.addCleanup(client.close)
            client.sendall(b"x")
        for client in clients[:2]:
            self.assertEqual(client.recv(1), b"x")
        self.assertEqual(len(baton.children()), 2)
        clients[2].settimeout(0.2)
        self.assertRaises(TimeoutError, clients[2].recv, 1)
        clients[0].close()
        clients[2].settimeout(PATIENCE)
        self.assertEqual(clients[2].recv(1), b"x")

    def test_standard_error_and_descriptors(self):
        program = ("/bin/sh", "-c", "ls -l /proc/self/fd | grep -c socket:; echo error >&2")
        self.execute(*program, options=("--stderr",))
        _, said = self.ask(self.giver().address)
        self.assertEqual(said, b"2\nerror\n")  # of ls, whose output is the pipe

    def test_what_cannot_be_run(self):
        for words, status in ((("--tsap", "web", "--", "no-such-program"), 127), (("--tsap", "web", "--", "/tmp"), 126),
                              (("--", "cat"), 125), (("--tsap", "web", "--pool", "0", "--", "cat"), 125),
                              (("--tsap", "web", "--pool", "1", "--limit", "1", "--", "cat"), 125)):
            process = self.start(Process([BATON, "exec", *words], self.env))
            self.assertEqual(process.popen.wait(PATIENCE), status, words)


if __name__ == "__main__":
    unittest.main()
