# SPDX-License-Identifier: MIT
"""batond in a container: as process 1 of a PID namespace, and as the child of one that ends with it."""

import os
import signal
import subprocess
import unittest
from typing import List

from house import PATIENCE, POOLS, WORKER, House, http, state_of

NAMESPACE = ["--pid", "--fork", "--kill-child", "--mount-proc"] + (
    [] if os.geteuid() == 0 else ["--user", "--map-root-user"])
# Process 1, called as its first word says: ends with its only child.
INIT = 'printf "%s" "$0" >/proc/$$/comm; "$@" & wait $!'


def children(process: int) -> List[int]:
    with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


class Container(House):
    def start_inside(self, *init: str) -> None:
        """`self.first` is process 1, by its number outside."""
        self.configure(POOLS)
        self.batond = self.start_logged(["unshare", *NAMESPACE, *init, self.program, "--config", self.configuration])
        self.await_batond()
        self.first = children(self.batond.pid)[0]

    def refuses(self, why: str) -> None:
        answer = self.ask("upgrade")
        self.assertFalse(answer["ok"], answer)
        self.assertIn(why, answer["error"])
        self.assertIn("start another container", answer["error"])

    def test_an_upgrade_as_process_1_is_refused(self) -> None:
        self.start_inside()
        self.assertEqual(self.ask("status")["process"], 1)
        self.refuses("it is process 1:")
        os.kill(self.first, signal.SIGUSR2)
        self.until(lambda: self.logged().count("no upgrade, this batond goes on") == 2, "the signal is answered")
        self.assertEqual(children(self.first), [])
        held = self.client(http("shop.example"))
        self.until(lambda: self.ask("status")["held"] == 1, "it waits")
        self.start([WORKER, "shop", "S"], stdout=subprocess.DEVNULL)
        self.assertEqual(self.greeted_by(held), "S")

    def test_an_upgrade_below_a_small_init_is_refused(self) -> None:
        self.start_inside("bash", "-c", INIT, "tini")
        self.refuses("process 1, tini, ends with it:")

    def test_an_upgrade_below_one_that_stays(self) -> None:
        """Nothing is known of it."""
        self.start_inside("bash", "-c", INIT + "; while :; do wait; sleep 0.01; done", "supervisor")
        answer = self.ask("upgrade")
        self.assertTrue(answer["ok"], answer)
        self.assertEqual(self.ask("status")["process"], answer["process"])

    def test_told_to_end(self) -> None:
        """Process 1 is sent no signal that it has no handler for."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.start_inside()
            os.kill(self.first, number)
            self.assertEqual(self.batond.wait(PATIENCE), 0)

    def test_orphans_are_reaped(self) -> None:
        self.start_inside()
        enter = ["nsenter", "--target", str(self.first), "--pid", "--mount"]
        if os.geteuid() != 0:
            enter += ["--user", "--preserve-credentials"]
        self.start([*enter, "sh", "-c", "sleep 80 >/dev/null & exit 0"]).wait(PATIENCE)
        orphan = self.until(lambda: children(self.first), "it is process 1's")[0]
        os.kill(orphan, signal.SIGKILL)
        self.until(lambda: state_of(orphan) == "X", "it is gone, and no zombie")


if __name__ == "__main__":
    unittest.main()
