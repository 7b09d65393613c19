# SPDX-License-Identifier: MIT
"""Every way in which a server waits for connections: its own and the dispatcher's arrive, each with its client's address."""

import contextlib
import os
import signal
import socket
import unittest
from pathlib import Path

from serving import SERVER, Answer, ServeTest, in_threads, until

ROUNDS = 12


class Ways(ServeTest):
    def check(self, answer, mode):
        self.assertEqual(answer.peer, answer.own_text, mode)
        self.assertEqual(answer.more["accept"], answer.own_text, mode)
        # As the listening socket has them: the dispatcher's connections are none of its.
        self.assertEqual(answer.more["nodelay"], "1", mode)
        self.assertEqual(answer.more["keepalive"], "1", mode)

    def way(self, mode):
        server = self.serve(SERVER, mode)
        direct = ("127.0.0.1", server.port())
        giver = self.giver()  # after the server: it finds the pool when it comes
        seen = []

        def client(number):
            for turn in range(ROUNDS):
                moved = (turn + number) % 2 == 0
                answer = Answer(giver.address if moved else direct)
                self.check(answer, mode)
                seen.append((moved, (answer.more["nonblocking"], answer.more["cloexec"])))

        in_threads(3, client)
        self.assertIsNone(server.popen.poll(), mode)
        # The flags are those that the call asked for, wherever the connection came from.
        self.assertEqual(len({flags for _, flags in seen}), 1, mode)
        self.assertEqual(giver.counts()["moved"], sum(moved for moved, _ in seen), mode)

    def test_level_triggered(self):
        self.way("level")

    def test_edge_triggered(self):
        self.way("edge")

    def test_exclusive_in_several_processes(self):
        self.way("exclusive")

    def test_one_shot_in_two_threads(self):
        self.way("one-shot")

    def test_one_shot_in_two_sets(self):
        self.way("one-shot-in-two-sets")

    def test_an_event_comes_again_until_it_is_accepted(self):
        self.way("asking-twice")

    def test_added_while_a_thread_waits(self):
        self.way("added-while-waited-on")

    def test_registered_anew_each_time(self):
        self.way("reregistering")

    def test_poll(self):
        self.way("poll")

    def test_ppoll(self):
        self.way("ppoll")

    def test_select_on_two_blocking_sockets(self):
        self.way("select")

    def test_pselect(self):
        self.way("pselect")

    def test_blocking_accept(self):
        self.way("blocking")

    def test_blocking_accept_in_threads(self):
        self.way("threads")

    def test_blocking_accept_in_forked_processes(self):
        self.way("forked")

    def test_duplicate_of_the_listening_socket(self):
        self.way("duplicate")

    def test_a_listening_socket_for_each_process(self):
        self.way("shared-port")

    def test_one_set_for_all_processes(self):
        self.way("common-set")


class Around(ServeTest):
    def test_a_signal_with_restart_does_not_end_a_blocking_accept(self):
        server = self.serve(SERVER, "blocking")
        direct = ("127.0.0.1", server.port())
        giver = self.giver()
        Answer(giver.address)
        for _ in range(20):
            os.kill(server.popen.pid, signal.SIGUSR1)
        Answer(direct)
        Answer(giver.address)
        self.assertIsNone(server.popen.poll())

    def test_without_a_dispatcher_it_is_the_server_alone(self):
        server = self.serve(SERVER, "level")
        direct = ("127.0.0.1", server.port())
        for _ in range(5):
            Answer(direct)

    def test_a_dispatcher_that_goes_is_found_again(self):
        server = self.serve(SERVER, "level")
        direct = ("127.0.0.1", server.port())
        first = self.giver()
        Answer(first.address)
        first.close()
        Answer(direct)
        second = self.giver()
        Answer(second.address)

    def test_only_the_socket_that_is_named(self):
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            other = reserved.getsockname()[1]
        server = self.serve(SERVER, "level", options=("--listen", f"127.0.0.1:{other}"))
        direct = ("127.0.0.1", server.port())
        giver = self.giver()
        Answer(direct)
        with socket.create_connection(giver.address, 5) as client:
            client.settimeout(0.3)
            self.assertRaises(TimeoutError, client.recv, 1)
        self.assertEqual(giver.counts(), {"moved": 0, "back": 0, "links": 0, "waiting": 1})

    def test_a_server_that_opens_its_socket_again_and_again(self):
        program = ("import socket\n"
                   "for _ in range(200): socket.create_server(('127.0.0.1', 0)).close()\n"
                   "s = socket.create_server(('127.0.0.1', 0)); print('port', s.getsockname()[1], flush=True)\n"
                   "while True: c, p = s.accept(); c.sendall(f'1 {p[0]}:{p[1]}\\n'.encode()); c.close()\n")
        server = self.serve("/usr/bin/python3", "-c", program)
        direct = ("127.0.0.1", server.port())
        giver = self.giver()
        for address in (direct, giver.address, giver.address, direct):
            answer = Answer(address)
            self.assertEqual(answer.peer, answer.own_text)

    def test_an_ipv6_client_by_the_dispatcher(self):
        server = self.serve(SERVER, "select")
        server.port()
        answer = Answer(self.giver().address6)
        self.assertEqual(answer.peer, answer.own_text)
        self.assertEqual(answer.more["accept"], answer.own_text)

    def test_no_descriptor_and_no_setting_reaches_a_program_that_the_server_executes(self):
        program = ("import os, select, socket, subprocess, sys\n"
                   "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print('port', s.getsockname()[1], flush=True)\n"
                   "while True:\n"
                   "  c, _ = s.accept()\n"
                   "  c.sendall(subprocess.run(['/bin/sh', '-c', 'ls -l /proc/self/fd; env'], close_fds=False,"
                   " stdin=subprocess.DEVNULL, capture_output=True).stdout); c.close()\n")
        server = self.serve("/usr/bin/python3", "-c", program)
        server.port()
        with socket.create_connection(self.giver().address, 30) as client:
            text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        self.assertIn("/dev/null", text)
        self.assertNotIn("socket:", text)
        self.assertNotIn("eventpoll", text)
        self.assertNotIn("LD_PRELOAD", text)
        self.assertNotIn("BATON_SERVE", text)
        self.assertIn("BATON_RUNTIME_DIR", text)  # the user's own stays


class Wrappers(ServeTest):
    """The process that `baton serve` becomes keeps the library when it executes the server in its own place."""

    # Each of libc's calls: the program, as Python's ctypes calls it, has been one of this process before.
    CALLS = {
        "execv": "libc.execv(path, words)",
        "execve": "libc.execve(path, words, names)",
        "execvp": "libc.execvp(path, words)",
        "execvpe": "libc.execvpe(path, words, names)",
        "execl": "libc.execl(path, path, b'level', None)",
        "execlp": "libc.execlp(path, path, b'level', None)",
        "execle": "libc.execle(path, path, b'level', None, names)",
        "fexecve": "libc.fexecve(os.open(path, os.O_RDONLY), words, names)",
        "execveat": "libc.execveat(-100, path, words, names, 0)",
    }
    WRAPPER = ("import ctypes, os, sys\n"
               "libc = ctypes.CDLL(None)\n"
               "path = os.fsencode(sys.argv[1])\n"
               "words = (ctypes.c_char_p * 3)(path, b'level', None)\n"
               # Neither the library nor its settings, and one that is not there: as if the wrapper had made its own.
               "names = (ctypes.c_char_p * 3)(b'BATON_RUNTIME_DIR=' + os.environb[b'BATON_RUNTIME_DIR'], b'OWN=1', None)\n"
               "%s\n"
               "sys.exit('not executed')\n")

    def takes_what_is_moved(self, *program):
        with contextlib.closing(self.serve(*program)) as server:
            direct = ("127.0.0.1", server.port())
            with contextlib.closing(self.giver()) as giver:
                answer = Answer(giver.address)
                self.assertEqual(answer.peer, answer.own_text)
                self.assertEqual(answer.pid, server.popen.pid)
                Answer(direct)

    def test_each_call(self):
        for name, call in self.CALLS.items():
            with self.subTest(call=name):
                self.takes_what_is_moved("/usr/bin/python3", "-c", self.WRAPPER % call, SERVER)

    def test_scripts_and_commands(self):
        for words in (("sh", "-c", 'exec "$@"', "sh"), ("bash", "-c", 'exec "$@"', "bash"), ("env", "MORE=1"),
                      ("env", "-i", f"BATON_RUNTIME_DIR={self.folder}"), ("sh", "-c", 'exec sh -c \'exec "$@"\' sh "$@"', "sh"),
                      ("nice", "-n", "1"), ("setpriv", "--no-new-privs")):
            with self.subTest(wrapper=words):
                self.takes_what_is_moved(*words, SERVER, "level")

    def test_a_server_that_executes_itself_anew_blocks_as_before(self):
        program = Path(self.folder, "server.py")
        program.write_text(
            "import os, socket, sys\n"
            "if len(sys.argv) > 1: s = socket.socket(fileno=int(sys.argv[1]))\n"
            "else: s = socket.create_server(('127.0.0.1', 0)); os.set_inheritable(s.fileno(), True)\n"
            "print('port', s.getsockname()[1], os.get_blocking(s.fileno()), flush=True)\n"
            "c, p = s.accept()\n"
            "c.sendall(f'{os.getpid()} {p[0]}:{p[1]}\\n'.encode()); c.close()\n"
            "os.execv(sys.executable, [sys.executable, sys.argv[0], str(s.fileno())])\n")
        server = self.serve("/usr/bin/python3", str(program))
        port = server.line().split()[1]
        giver = self.giver()
        for address in (("127.0.0.1", int(port)), giver.address, giver.address, ("127.0.0.1", int(port))):
            answer = Answer(address)
            self.assertEqual((answer.pid, answer.peer), (server.popen.pid, answer.own_text))
            self.assertEqual(server.line(), f"port {port} True")

    def test_libraries_of_the_user_stay(self):
        self.takes_what_is_moved("sh", "-c", 'LD_PRELOAD=libm.so.6 exec "$@"', "sh", SERVER, "level")

    def test_a_child_has_it_only_with_inherit(self):
        wrapper = ("sh", "-c", '"$@"; exit 0', "sh", SERVER, "level")  # which waits for its child
        server = self.serve(*wrapper)
        direct = ("127.0.0.1", server.port())
        giver = self.giver()
        Answer(direct)
        self.assertEqual(giver.counts()["links"], 0)
        server.close()
        self.serve(*wrapper, options=["--inherit"]).port()
        Answer(self.giver().address)


class Deaths(ServeTest):
    def test_what_a_killed_worker_had_not_taken_goes_to_another(self):
        server = self.serve(SERVER, "exclusive")
        server.port()
        giver = self.giver()
        until(lambda: len({Answer(giver.address).pid for _ in range(9)}) == 3, "three workers have links")
        workers = server.children()
        stopped = workers[0]

        def state():
            return Path(f"/proc/{stopped}/stat").read_text().split()[2]

        # One that waits has said that it takes one.
        until(lambda: state() == "S", "it waits")
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: state() == "T", "stopped")
        answers = []

        def client(_):
            answers.append(Answer(giver.address).pid)

        def killer(number):
            if number < 24:
                return client(number)
            # A third of the clients is the stopped worker's: the others have their answer before it dies.
            until(lambda: len(answers) >= 16, "the others are served")
            os.kill(stopped, signal.SIGKILL)

        in_threads(25, killer)
        self.assertEqual(len(answers), 24)
        self.assertNotIn(stopped, answers)
        self.assertGreaterEqual(giver.counts()["back"], 1)

    def test_workers_killed_at_random_under_load(self):
        server = self.serve(SERVER, "exclusive")
        server.port()
        giver = self.giver()
        until(lambda: len({Answer(giver.address).pid for _ in range(9)}) == 3, "three workers have links")
        self.killed_at_random(giver.address, server.children)


if __name__ == "__main__":
    unittest.main()
