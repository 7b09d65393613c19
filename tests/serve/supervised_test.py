# SPDX-License-Identifier: MIT
"""Servers whose calls no library reaches: `baton serve` stays as their parent and answers their accept."""

import http.client
import json
import os
import pwd
import signal
import socket
import subprocess
import unittest
from pathlib import Path

from others_test import free_address, listens
from serving import BATON, PATIENCE, POOL, Answer, Giver, ServeTest, as_nobody, children_of, in_threads, is_open, until

STATIC = os.environ["SERVE_STATIC_SERVER"]

# Accepts when it is told to, by a line on standard input, and says what came of it.
TOLD = """
import resource, signal, socket, sys
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print('port', s.getsockname()[1], flush=True)
class Interrupted(Exception): pass
def interrupt(*_): raise Interrupted
signal.signal(signal.SIGUSR1, interrupt)
def say(*words): print(*words, flush=True)
for line in sys.stdin:
  word = line.strip()
  try:
    if word == 'accept':
      c, peer = s.accept(); c.sendall(b'%d\\n' % peer[1]); c.close(); say('accepted', peer[1])
    elif word == 'full':
      resource.setrlimit(resource.RLIMIT_NOFILE, (len(__import__('os').listdir('/proc/self/fd')) - 1, 4096)); say('done')
    elif word == 'room':
      resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096)); say('done')
    elif word == 'timeout':
      s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, b'\\0' * 8 + (100000).to_bytes(8, 'little')); say('done')
    elif word == 'close':
      s.close(); say('done')
  except Interrupted: say('interrupted')
  except OSError as error: say('error', error.errno)
"""


class SupervisedTest(ServeTest):
    def told(self, **more):
        server = self.serve("/usr/bin/python3", "-c", TOLD, options=["--supervise"], **more)
        server.at = ("127.0.0.1", server.port())
        return server

    def tell(self, server, word):
        server.popen.stdin.write(word.encode() + b"\n")

    def says(self, server, word):
        self.tell(server, word)
        return server.line()

    def offered(self, giver):
        """How many connections it has given."""
        asked = subprocess.run([BATON, "status", "--json", str(giver.popen.pid)], env=self.env, timeout=PATIENCE,
                               capture_output=True, text=True)
        return sum(each["offered"] for each in json.loads(asked.stdout or "[]"))

    def client(self, address):
        client = socket.create_connection(address, PATIENCE)
        self.addCleanup(client.close)
        return client

    def is_served_as_itself(self, client):
        self.assertEqual(client.recv(64), b"%d\n" % client.getsockname()[1])


class Static(SupervisedTest):
    def test_is_supervised_unasked(self):
        server = self.serve(STATIC, "edge")
        direct = ("127.0.0.1", server.port())
        giver = self.giver()

        def client(number):
            for turn in range(20):
                answer = Answer(giver.address if (turn + number) % 2 == 0 else direct)
                self.assertEqual((answer.peer, answer.more["accept"]), (answer.own_text, answer.own_text))
                self.assertEqual(answer.more["nodelay"], "1")
                self.assertEqual((answer.more["nonblocking"], answer.more["cloexec"]), ("1", "1"))

        in_threads(4, client)
        self.assertEqual(giver.counts()["moved"], 40)

    def test_processes_killed_at_random_under_load(self):
        server = self.serve(STATIC, "exclusive")
        server.port()
        giver = self.giver()
        Answer(giver.address)
        parent = server.children()[0]
        self.killed_at_random(giver.address, lambda: children_of(parent))

    def test_by_another_user(self):
        self.env["BATON_ALLOW_UIDS"] = f"0,{pwd.getpwnam('nobody').pw_uid}"
        words = as_nobody(BATON, "serve", "--tsap", POOL, "--", STATIC, "level")
        server = self.start_plain(words)
        server.port()
        answer = Answer(self.giver().address)
        self.assertEqual(answer.peer, answer.own_text)


    def test_another_user_is_told_what_to_set(self):
        self.giver()
        server = self.start_plain(as_nobody(*self.served(STATIC, "level")), stderr=subprocess.STDOUT)
        lines = [server.line(), server.line()]  # in either order
        self.assertTrue(any(line.startswith("port ") for line in lines), lines)
        self.assertTrue(any(line.startswith("baton serve: it waits") and "BATON_ALLOW_UIDS" in line for line in lines), lines)


class Waiting(SupervisedTest):
    def test_what_is_not_accepted_goes_elsewhere_when_the_server_dies(self):
        first = self.told()
        giver = self.start(Giver({**self.env, "BATON_STATUS": "1"}))
        clients = [self.client(giver.address) for _ in range(3)]
        until(lambda: self.offered(giver) == 3, "all are given to it")
        self.says(first, "accept")
        self.is_served_as_itself(clients[0])
        os.kill(first.children()[0], signal.SIGKILL)
        self.assertEqual(first.popen.wait(PATIENCE), 128 + signal.SIGKILL)
        second = self.told()
        for _ in clients[1:]:
            self.says(second, "accept")
        for client in clients[1:]:
            self.is_served_as_itself(client)
        self.assertEqual(giver.counts()["back"], 2)

    def test_when_the_supervisor_dies_the_server_is_told_to_end(self):
        server = self.told()
        giver = self.giver()
        client = self.client(giver.address)
        pid = server.children()[0]
        os.kill(server.popen.pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists(), "the server has ended")
        self.says(second := self.told(), "accept")
        self.is_served_as_itself(client)
        self.assertIsNone(second.popen.poll())

    def test_a_closed_socket_is_closed_and_its_connections_go_elsewhere(self):
        server = self.told()
        giver = self.giver()
        first = self.client(giver.address)
        self.says(server, "accept")
        self.is_served_as_itself(first)
        self.assertEqual(self.says(server, "close"), "done")
        # The supervisor has a duplicate for as long as it answers an accept, and is not through with it when it has answered.
        until(lambda: not is_open(server.at[1]), "nobody listens there")
        client = self.client(giver.address)
        self.says(self.told(), "accept")
        self.is_served_as_itself(client)

    def test_a_full_table_loses_nothing(self):
        server = self.told()
        giver = self.giver()
        for address in (giver.address, server.at):
            with self.subTest(address=address):
                client = self.client(address)
                self.says(server, "full")
                self.assertEqual(self.says(server, "accept"), "error 24")  # EMFILE
                self.says(server, "room")
                self.assertEqual(self.says(server, "accept"), f"accepted {client.getsockname()[1]}")
                self.is_served_as_itself(client)

    def test_signals_and_timeouts_end_an_accept(self):
        server = self.told()
        giver = self.giver()
        pid = server.children()[0]
        self.tell(server, "accept")
        # Trapped, and so in the kernel for good: the supervisor passes the signal on.
        until(lambda: Path(f"/proc/{pid}/wchan").read_text() == "seccomp_do_user_notification" or
              "seccomp" in Path(f"/proc/{pid}/stack").read_text(), "it is in accept")
        os.kill(server.popen.pid, signal.SIGUSR1)
        self.assertEqual(server.line(), "interrupted")
        client = self.client(giver.address)
        self.assertEqual(self.says(server, "accept"), f"accepted {client.getsockname()[1]}")
        self.says(server, "timeout")
        self.assertEqual(self.says(server, "accept"), "error 11")  # EAGAIN
        client = self.client(server.at)
        self.assertEqual(self.says(server, "accept"), f"accepted {client.getsockname()[1]}")


class Ends(SupervisedTest):
    def run_supervised(self, *words):
        return subprocess.run([BATON, "serve", "--tsap", POOL, "--supervise", "--", *words], env=self.env, timeout=PATIENCE,
                              capture_output=True, text=True)

    def test_the_status_is_the_programs(self):
        self.assertEqual(self.run_supervised("sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(self.run_supervised("sh", "-c", "kill -TERM $$").returncode, 128 + signal.SIGTERM)

    def test_it_stays_until_the_last_process_has_ended(self):
        done = self.run_supervised("sh", "-c", "(read line < '%s'; echo last) & exit 3" % self.pipe(b"go\n"))
        self.assertEqual((done.returncode, done.stdout), (3, "last\n"))

    def pipe(self, octets):
        path = Path(self.folder, "octets")
        path.write_bytes(octets)
        return path

    def test_a_file_that_cannot_be_executed(self):
        plain = Path(self.folder, "plain")
        plain.write_bytes(b"\0\1\2\3")
        plain.chmod(0o755)
        done = self.run_supervised(str(plain))
        self.assertEqual(done.returncode, 126)
        self.assertIn(f"{plain} cannot be executed", done.stderr)

    def test_one_in_another(self):
        done = self.run_supervised(BATON, "serve", "--tsap", POOL, "--supervise", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("answered by somebody already", done.stderr)

    def test_a_terminated_supervisor_ends_its_server(self):
        server = self.serve(STATIC, "level")
        server.port()
        os.kill(server.popen.pid, signal.SIGTERM)
        self.assertEqual(server.popen.wait(PATIENCE), 128 + signal.SIGTERM)


class Go(SupervisedTest):
    """Caddy, as Debian has it."""

    def setUp(self):
        super().setUp()
        self.env.update(HOME=self.folder, XDG_DATA_HOME=self.folder, XDG_CONFIG_HOME=self.folder)
        self.direct = free_address()
        configuration = Path(self.folder, "Caddyfile")
        host, port = self.direct
        configuration.write_text("{\n admin off\n auto_https off\n log {\n  level ERROR\n }\n}\n"
                                 f"http://:{port} {{\n bind {host}\n"
                                 " respond \"{remote_host}:{remote_port}\"\n}\n")
        self.server = self.serve("caddy", "run", "--config", str(configuration), "--adapter", "caddyfile")
        listens(self.direct)

    def request(self, address):
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        try:
            for _ in range(2):  # and again on the same connection
                connection.request("GET", "/")
                own = connection.sock.getsockname()
                self.assertEqual(connection.getresponse().read().decode(), f"{own[0]}:{own[1]}")
        finally:
            connection.close()

    def test_clients_have_their_own_addresses(self):
        giver = self.giver()

        def client(number):
            for turn in range(25):
                self.request(giver.address if (turn + number) % 2 == 0 else self.direct)

        in_threads(6, client)
        self.assertEqual(giver.counts()["moved"], 75)
        os.kill(self.server.popen.pid, signal.SIGTERM)
        self.assertEqual(self.server.popen.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
