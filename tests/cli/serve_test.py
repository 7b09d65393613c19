# SPDX-License-Identifier: MIT
"""baton serve: what it refuses, and what the program that it executes is left with."""

import os
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

BATON = os.environ["BATON_PROGRAM"]


def run(*words, **more):
    return subprocess.run([BATON, *words], capture_output=True, text=True, timeout=60, **more)


class Serve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="baton-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def refused(self, done, status, *parts):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        for part in parts:
            self.assertIn(part, done.stderr)

    def test_the_status_is_the_programs(self):
        for status in (0, 3, 77):
            self.assertEqual(run("serve", "--tsap", "web", "--", "/bin/sh", "-c", f"exit {status}").returncode, status)

    def test_the_program_is_looked_for_in_the_path(self):
        done = run("serve", "--tsap", "web", "--", "echo", "--tsap", "x", "y z")
        self.assertEqual((done.returncode, done.stdout), (0, "--tsap x y z\n"))

    def test_a_program_that_is_not_there(self):
        self.refused(run("serve", "--tsap", "web", "--", "no-such-program"), 127, "there is no program 'no-such-program'")
        self.refused(run("serve", "--tsap", "web", "--", "/no/such"), 127, "/no/such")

    def test_a_file_that_is_no_program(self):
        plain = self.folder / "plain"
        plain.write_text("text")
        self.refused(run("serve", "--tsap", "web", "--", str(plain)), 126, str(plain))
        self.refused(run("serve", "--tsap", "web", "--", str(self.folder)), 126, str(self.folder))

    def test_wrong_words(self):
        self.refused(run("serve", "--", "true"), 125, "--tsap")
        self.refused(run("serve", "--tsap", "web"), 125, "PROGRAM")
        self.refused(run("serve", "--tsap", "n" * 33, "--", "true"), 125, "32")
        self.refused(run("serve", "--tsap", "0x", "--", "true"), 125, "empty")
        self.refused(run("serve", "--tsap", "web", "--listen", "8080", "--", "true"), 125, "ADDRESS:PORT", "8080")
        self.refused(run("serve", "--tsap", "web", "--credit", "0", "--", "true"), 125, "--credit")

    def test_a_set_user_id_program_is_refused(self):
        raised = self.folder / "raised"
        shutil.copy("/bin/true", raised)
        if os.geteuid() == 0:
            os.chown(raised, 65534, -1)
            raised.chmod(0o4755)
        else:
            raised = Path(shutil.which("su"))
        self.assertTrue(raised.stat().st_mode & stat.S_ISUID)
        self.refused(run("serve", "--tsap", "web", "--", str(raised)), 125, "set-user-ID")

    def test_a_program_of_another_machine_is_refused(self):
        other = self.folder / "other"
        program = bytearray(Path("/bin/true").read_bytes())
        struct.pack_into("<H", program, 18, 2)  # e_machine: SPARC
        other.write_bytes(program)
        other.chmod(0o755)
        self.refused(run("serve", "--tsap", "web", "--", str(other)), 125, "another machine")
        script = self.folder / "script"
        script.write_text(f"#!{other} -x\n")
        script.chmod(0o755)
        self.refused(run("serve", "--tsap", "web", "--", str(script)), 125, "another machine")

    def test_a_go_program_is_supervised(self):
        go = self.folder / "go"
        program = bytearray(Path("/bin/sleep").read_bytes())
        at, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
        for i in range(count):
            kind, _, offset = struct.unpack_from("<IIQ", program, at + i * size)
            if kind == 4:
                program[offset + 12:offset + 16] = b"Go\0\0"
        go.write_bytes(program)
        go.chmod(0o755)
        with subprocess.Popen([BATON, "serve", "--tsap", "web", "--", str(go), "60"]) as served:
            children = Path(f"/proc/{served.pid}/task/{served.pid}/children")
            deadline = time.monotonic() + 30

            def is_the_program(child):
                return os.readlink(f"/proc/{child}/exe") == os.path.realpath(go)

            while not any(map(is_the_program, children.read_text().split())):
                self.assertLess(time.monotonic(), deadline, "it is its parent")
            os.kill(int(children.read_text()), signal.SIGKILL)
            self.assertEqual(served.wait(30), 128 + signal.SIGKILL)

    def test_what_the_environment_is_left_with(self):
        other = "/no/such/library.so"  # ld.so(8) says so on standard error, and goes on
        environment = dict(os.environ, LD_PRELOAD=other, BATON_RUNTIME_DIR=str(self.folder))
        done = run("serve", "--tsap", "web", "--", "env", env=environment)
        self.assertIn(f"\nLD_PRELOAD={other}\n", "\n" + done.stdout)
        self.assertNotIn("BATON_SERVE", done.stdout)
        self.assertIn("BATON_RUNTIME_DIR=", done.stdout)

    def test_inherit_leaves_the_library_to_children(self):
        done = run("serve", "--tsap", "web", "--inherit", "--credit", "2", "--listen", ":80", "--", "env")
        lines = done.stdout.splitlines()
        self.assertTrue(any(line.startswith("LD_PRELOAD=") and "libbaton-serve.so" in line for line in lines))
        for line in ("BATON_SERVE_TSAP=776562", "BATON_SERVE_CREDIT=2", "BATON_SERVE_LISTEN=:80"):
            self.assertIn(line, lines)


if __name__ == "__main__":
    unittest.main()
