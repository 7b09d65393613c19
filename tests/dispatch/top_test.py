# SPDX-License-Identifier: MIT
"""baton top beside a real batond: one frame for scripts, and the live view in a terminal (pty(7))."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest
from typing import List

from house import House, PATIENCE

BATON = os.environ["BATON_PROGRAM"]
ROUTES = """
[pool.shop]
[[route]]
name = "shop"
host = "shop.example"
pool = "shop"
""" + "".join(f'[[route]]\nname = "r{number}"\nhost = "{number}.example"\npool = "shop"\n' for number in range(40))


class Terminal:
    """A terminal of so many rows and columns, with a program in it; a screen is what it wrote since the last one."""

    def __init__(self, rows: int, columns: int, words: List[str], environment: dict) -> None:
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.written = b""

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(words, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=environment,
                                        preexec_fn=own_terminal)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def screen(self, part: str) -> List[str]:
        """The lines of the next whole frame that has this part."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            begin, found, rest = self.written.partition(b"\x1b[J")
            if found:
                self.written = rest
                frame = begin.rpartition(b"\x1b[H")[2].decode().replace("\x1b[K", "").split("\r\n")
                if part in "\n".join(frame):
                    return frame
            elif select.select([self.master], [], [], 0.1)[0]:
                self.written += os.read(self.master, 65536)
        raise AssertionError(f"no screen with {part!r}: {self.written!r}")

    def end(self) -> bytes:
        """All that it wrote to its end."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.written += os.read(self.master, 65536)
        while select.select([self.master], [], [], 0)[0]:
            self.written += os.read(self.master, 65536)
        return self.written

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class Top(House):
    def setUp(self) -> None:
        super().setUp()
        self.environment["BATON_STATUS"] = "1"
        self.start_batond(ROUTES)
        self.worker = self.start_worker("shop", "S")
        self.environment["BATON_CONTROL"] = self.control

    def terminal(self, rows: int, columns: int) -> Terminal:
        terminal = Terminal(rows, columns, [BATON, "top", "--interval", "0.1"], self.environment)
        self.addCleanup(terminal.close)
        return terminal

    def test_one_frame(self) -> None:
        self.asks("shop.example", 5)
        done = subprocess.run([BATON, "top", "--once", "--interval", "0.1"], env=self.environment, text=True,
                              capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertIn(f"process {self.batond.pid}, up ", lines[0])
        self.assertEqual(lines[1], "0.0 moves/s, accept to taken -; each second refused 0.0, ended 0.0, came back 0.0; "
                                   "undecided 0, held 0")
        self.assertEqual(len([line for line in lines if re.match(r"r\d+ ", line)]), 40)
        self.assertRegex(next(line for line in lines if re.match(r"shop +shop", line)), r" 0\.0 +5$")
        self.assertRegex(next(line for line in lines if f" {self.worker.pid} " in line),
                         rf"^shop +\d+ +\S+ +{self.worker.pid}  up +0\.0 +5 .* - +\d+\.\d [um]s$")

    def test_live_resized_and_ended(self) -> None:
        terminal = self.terminal(60, 150)
        frame = terminal.screen("r39")
        self.assertLessEqual(len(frame), 60)
        self.assertTrue(all(len(line) <= 150 for line in frame))
        self.assertEqual(len([line for line in frame if re.match(r"r\d+ ", line)]), 40)
        self.asks("shop.example", 3)
        self.until(lambda: any(re.match(r"shop +shop +\S+ +3$", line) for line in terminal.screen("r39")), "they are seen")
        terminal.resize(12, 40)
        frame = terminal.screen("routes with less to do")
        self.assertLessEqual(len(frame), 12)
        self.assertTrue(all(len(line) <= 40 for line in frame))
        # The worker keeps its place.
        self.assertTrue(any(line.startswith("shop") and str(self.worker.pid) in line for line in frame), frame)
        os.write(terminal.master, b"x q")
        self.ended_well(terminal)

    def ended_well(self, terminal: Terminal) -> None:
        written = terminal.end()
        self.assertEqual(terminal.process.returncode, 0, written)
        self.assertTrue(written.endswith(b"\x1b[?25h\x1b[?1049l"), written[-100:])
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    def test_other_ends(self) -> None:
        terminal = self.terminal(24, 80)
        terminal.screen("moves/s")
        self.assertNotEqual(termios.tcgetattr(terminal.slave), terminal.before)
        os.write(terminal.master, b"\x03")  # Ctrl-C, by the terminal itself
        self.ended_well(terminal)
        terminal = self.terminal(24, 80)
        terminal.screen("moves/s")
        terminal.process.terminate()
        self.ended_well(terminal)

    def test_batond_that_goes_and_one_that_comes(self) -> None:
        terminal = self.terminal(24, 200)
        terminal.screen("moves/s")
        os.killpg(self.batond.pid, signal.SIGKILL)
        self.batond.wait()
        terminal.screen("no batond runs")
        self.start_batond(ROUTES)
        terminal.screen(f"process {self.batond.pid},")
        os.write(terminal.master, b"q")
        self.ended_well(terminal)

    def test_without_a_terminal(self) -> None:
        done = subprocess.run([BATON, "top"], env=self.environment, capture_output=True, text=True, timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("--once prints one frame", done.stderr)


if __name__ == "__main__":
    unittest.main()
