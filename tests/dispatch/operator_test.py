# SPDX-License-Identifier: MIT
"""The operator's verbs of `baton` beside a real batond: what they show is what it does."""

import json
import os
import socket
import subprocess
import unittest
from typing import List

from house import House, PATIENCE, http, iso, read_all

BATON = os.environ["BATON_PROGRAM"]

TWO_POOLS = """
[pool.shop]
[pool.blog]
[[route]]
name = "to the shop"
host = "shop.example"
pool = "shop"
[[route]]
host = "blog.example"
pool = "blog"
[[route]]
host = "closed.example"
refuse = true
"""


class Operated(House):
    def baton(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([BATON, *words], env={**self.environment, "BATON_CONTROL": self.control},
                              capture_output=True, text=True, timeout=PATIENCE * 2, check=False)

    def does(self, *words: str) -> str:
        done = self.baton(*words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def fails(self, status: int, *words: str) -> str:
        done = self.baton(*words)
        self.assertEqual(done.returncode, status, (done.stdout, done.stderr))
        self.assertTrue(done.stderr.endswith(".\n"), done.stderr)
        return done.stderr

    def row(self, table: str, *begins: str) -> List[str]:
        """The words of the one line that begins with these."""
        rows = [line.split() for line in table.splitlines() if tuple(line.split()[:len(begins)]) == begins]
        self.assertEqual(len(rows), 1, table)
        return rows[0]

class Look(Operated):
    def setUp(self) -> None:
        super().setUp()
        self.start_batond(TWO_POOLS)
        self.start_worker("shop", "S")
        self.asks("shop.example", 3)
        self.client(http("closed.example")).recv(1000)
        self.until(lambda: self.counter("refused") == 1, "it is counted")

    def test_status(self) -> None:
        text = self.does("status")
        self.assertIn(f"process {self.batond.pid}, up ", text)
        self.assertIn(f"configuration {self.configuration}\n", text)
        lines = text.splitlines()
        heads = next(number for number, line in enumerate(lines) if line.lstrip().startswith("recognised"))
        self.assertEqual(lines[heads + 1].split()[:8], ["4", "3", "0", "0", "0", "1", "0", "0"])
        self.assertRegex(lines[heads + 1], r" \d+\.\d [um]s$")
        self.assertEqual(self.row(text, "front", f"127.0.0.1:{self.port}")[2], "4")
        self.assertEqual(self.row(text, "shop", "workers")[2:5], ["1", "of", "1"])
        self.assertEqual(self.row(text, "blog", "workers")[2:5], ["0", "of", "0"])
        self.assertNotIn("Processes that move", text)

    def test_status_as_json(self) -> None:
        everybody = json.loads(self.does("status", "--json"))
        self.assertEqual([each["pid"] for each in everybody], [self.batond.pid])
        self.assertEqual(everybody[0]["batond"]["counters"]["moved"], 3)
        self.assertEqual([pool["name"] for pool in everybody[0]["pools"]], ["shop", "blog"])
        self.assertEqual(json.loads(self.does("status", "--json", str(self.batond.pid)))[0]["batond"]["held"], 0)

    def test_status_beside_processes_that_answer(self) -> None:
        self.environment["BATON_STATUS"] = "1"
        worker = self.start_worker("blog", "B")
        self.asks("blog.example", 2)
        table = self.does("status").split("Processes that move connections:\n")[1]
        self.assertEqual(self.row(table, str(worker.pid))[1:3], ["0", "2"])
        by_pid = {each["pid"]: each for each in json.loads(self.does("status", "--json"))}
        self.assertEqual(by_pid[worker.pid]["taken"], 2)
        self.assertNotIn("batond", by_pid[worker.pid])
        self.assertNotIn("recognised", self.does("status", str(worker.pid)))

    def test_routes(self) -> None:
        table = self.does("routes")
        self.assertEqual(self.row(table, "to", "the", "shop"), ["to", "the", "shop", "shop", "3"])
        self.assertIn("(refused)", table)
        routes = json.loads(self.does("routes", "--json"))
        self.assertEqual([(each["pool"], each["connections"]) for each in routes], [("shop", 3), ("blog", 0), (None, 1)])

    def test_workers(self) -> None:
        worker = self.workers("shop")[0]
        row = self.row(self.does("workers"), "shop", str(worker["id"]))
        self.assertEqual(row[3:6], [str(worker["process"]), "up", "1"])
        self.assertEqual(row[-3:], ["3", "0", "0"])
        self.assertEqual(json.loads(self.does("workers", "shop", "--json"))[0]["pool"], "shop")
        self.assertIn("Pool blog has no worker now", self.does("workers", "blog"))
        self.assertIn('there is no pool "shp": did you mean "shop"?', self.fails(1, "workers", "shp"))


class Called(Operated):
    def test_who_is_called_by_tsel_is_counted_beside_the_routes(self) -> None:
        self.start_batond("[[route]]\nto_called_tsap = true\n")
        self.assertNotIn("TSAP called ", self.does("status"))
        read_all(self.client(iso(b"NOBODY")))
        for verb in ("routes", "status"):
            self.assertEqual(self.row(self.does(verb), "(others)"), ["(others)", "0", "1"])
        self.assertIn("no workers: baton routes counts them", self.does("workers"))


class Act(Operated):
    def setUp(self) -> None:
        super().setUp()
        self.start_batond(TWO_POOLS)

    def test_drain_a_worker_by_id_process_or_name(self) -> None:
        for pool in ("shop", "shop", "blog"):
            self.start_worker(pool, "W")
        first, second = self.workers("shop")
        for name in (first["id"], first["process"]):
            self.assertIn(f"worker {first['id']} of pool shop gets nothing new", self.does("drain", str(name)))
            self.assertEqual([each["draining"] for each in self.workers("shop")], [True, False])
            self.assertEqual(self.row(self.does("workers"), "shop", str(first["id"]))[4], "draining")
            self.assertIn("gets connections again", self.does("drain", "--undo", str(name)))
            self.assertEqual([each["draining"] for each in self.workers("shop")], [False, False])
        self.assertNotEqual(first["name"], second["name"])
        if self.workers("blog")[0]["name"] in (first["name"], second["name"]):
            self.assertIn("workers are meant by", self.fails(1, "drain", self.workers("blog")[0]["name"]))
        self.does("drain", "shop")
        self.assertEqual([each["draining"] for each in self.workers("shop")], [True, True])
        self.assertFalse(self.workers("blog")[0]["draining"])
        self.assertIn('there is no pool or worker "blgo": did you mean "blog"?', self.fails(1, "drain", "blgo"))
        self.assertEqual(self.baton("drain", "--undo").returncode, 2)

    def test_completion_knows_pools_and_workers(self) -> None:
        self.start_worker("shop", "S")
        worker = str(self.workers("shop")[0]["id"])
        self.assertEqual(self.does("__complete", "workers", "").split(), ["shop", "blog"])
        self.assertEqual(self.does("__complete", "drain", "").split(), ["shop", "blog", worker])
        self.assertEqual(self.does("__complete", "drain", "--undo", "b").split(), ["blog"])
        self.assertEqual(self.does("__complete", "drain", "--control", self.control + "x", "").split(), [])
        self.assertEqual(self.does("__complete", "drain", "shop", "").split(), [])

    def test_drain_ends_batond_and_no_client(self) -> None:
        self.start_worker("shop", "S")
        client = self.client(http("shop.example"))
        self.assertEqual(self.greeted_by(client), "S")
        self.assertIn("accepts no more", self.does("drain"))
        self.assertEqual(self.batond.wait(PATIENCE), 0)
        self.echoes(client)
        for verb in ("drain", "routes", "workers", "reload", "upgrade"):
            self.assertIn("no batond runs", self.fails(1, verb))

    def test_upgrade(self) -> None:
        self.start_worker("shop", "S")
        client = self.client(http("shop.example"))
        self.assertEqual(self.greeted_by(client), "S")
        said = self.does("upgrade")
        self.assertRegex(said, r"^batond [\d.]+, process \d+, has taken over: 1 listening socket, 0 clients that waited; "
                               r"new ones waited for \d+\.\d [um]?s\.\n$")
        old = self.batond
        self.follow(int(said.split("process ")[1].split(",")[0]))
        self.assertEqual(old.wait(PATIENCE), 0)
        self.assertIn(f"process {self.batond.pid}, up ", self.does("status"))
        self.echoes(client)
        self.asks("shop.example")

    def test_upgrade_that_cannot_be(self) -> None:
        self.configure(TWO_POOLS + '[[route]]\nhost = "x"\npool = "shp"\n')
        self.assertIn("the batond before goes on: ", self.fails(1, "upgrade"))
        self.assertIn(f"process {self.batond.pid}, up ", self.does("status"))

    def test_reload(self) -> None:
        self.configure(TWO_POOLS + '[pool.new]\n[[route]]\nhost = "new.example"\npool = "new"\n')
        self.assertEqual(self.does("reload"), f"{self.configuration} is in force.\n")
        self.assertIn("new", self.does("routes"))
        self.configure(TWO_POOLS + '[[route]]\nhost = "x"\npool = "shp"\n')
        done = self.baton("reload")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout, r'^/.*/batond.toml:\d+:\d+: error: route\[3\].pool: .*did you mean "shop"\?\n$')
        self.assertIn("the configuration before goes on", done.stderr)
        self.assertFalse(json.loads(self.baton("reload", "--json").stdout)["ok"])
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.configure(TWO_POOLS + f'[listener.more]\naddress = "{address}"\n'
                           '[[route]]\nlistener = "more"\npool = "shop"\n')
            self.assertIn(address, self.fails(1, "reload"))
        os.remove(self.configuration)
        self.assertIn("cannot read", self.fails(1, "reload"))


class Followed(Operated):
    def test_the_way_of_one_client(self) -> None:
        """A worker that cannot take it gives it back, and another one takes it: both are in the diagram."""
        trace = os.path.join(self.folder.name, "trace")
        self.environment["BATON_TRACE"] = trace
        self.start_batond('[pool.p]\npolicy = "first"\nhold = "10s"\n[[route]]\nhost = "*"\npool = "p"\n')
        self.start_worker("p", "NO", "refuse")  # it cannot open the trace either
        can = self.start_worker("p", "YES")
        client = self.client(http("a"))
        other = self.client(http("a"))
        for each in (client, other):
            self.assertEqual(self.greeted_by(each), "YES")
        self.until(lambda: self.counter("moved") == 2, "they are counted")
        del self.environment["BATON_TRACE"]
        name = f"127.0.0.1:{client.getsockname()[1]}"
        way = self.does("trace", trace, "--client", name)
        self.assertRegex(way, rf"^connection [0-9a-f]+ of client {name}: 2 moves\n")
        self.assertEqual(way.splitlines()[2].split(), ["us", str(self.batond.pid), "(no", "trace)", str(can.pid)])
        self.assertRegex(way, r"(?s)CALL \(express\).*given back|given back.*CALL \(express\)")
        self.assertRegex(way, r"(?s)TAKEN: no,.* TAKEN -")
        self.assertNotIn(str(other.getsockname()[1]), way)
        cookie = way.split()[1]
        self.assertEqual(self.does("trace", trace, "--connection", cookie), way)
        self.assertIn(f"127.0.0.1:{other.getsockname()[1]}", self.does("trace", trace, "--newest"))
        self.assertIn("127.0.0.1:", self.fails(1, "trace", trace, "--client", "192.0.2.1"))


class OtherAnswers(Operated):
    """What a batond of another version, or one that ends, may answer."""

    def answered_with(self, answer: bytes, *words: str) -> subprocess.CompletedProcess:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.control)
            listening.listen()
            listening.settimeout(PATIENCE)
            baton = subprocess.Popen([BATON, *words, "--control", self.control], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True)
            self.addCleanup(baton.kill)
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(PATIENCE)
                self.assertEqual(json.loads(connection.makefile().readline())["do"], words[0])
                connection.sendall(answer)
        os.remove(self.control)
        out, err = baton.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(words, baton.returncode, out, err)

    def test_none(self) -> None:
        done = self.answered_with(b"", "routes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("has closed the connection", done.stderr)

    def test_no_answer_at_all(self) -> None:
        for rubbish in (b"rubbish\n", b"[]\n"):
            done = self.answered_with(rubbish, "workers")
            self.assertEqual(done.returncode, 1)
            self.assertIn("answers nothing that is an answer", done.stderr)

    def test_of_other_types(self) -> None:
        done = self.answered_with(b'{"ok": true, "pools": [7, {"name": 1, "workers": [{"id": "x", "up": 3}, null]}]}\n',
                                  "workers")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("down", done.stdout)

    def test_control_characters_reach_no_terminal(self) -> None:
        done = self.answered_with(b'{"ok": true, "routes": [{"name": "\\u001b[2J", "pool": "p", "connections": 1}]}\n',
                                  "routes")
        self.assertIn("?[2J", done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    def test_upgrade(self) -> None:
        done = self.answered_with(b'{"ok": true, "process": 4711, "version": "0.2.0", "sockets": 2, "clients": 3, '
                                  b'"pause_us": 1500}\n', "upgrade")
        self.assertEqual((done.returncode, done.stdout),
                         (0, "batond 0.2.0, process 4711, has taken over: 2 listening sockets, 3 clients that waited; "
                             "new ones waited for 1.5 ms.\n"))

    def test_upgrade_that_fails(self) -> None:
        done = self.answered_with(b'{"ok": false, "error": "the successor has ended"}\n', "upgrade")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "baton upgrade: the batond before goes on: the successor has ended.\n")


class InTheRuntimeFolder(Operated):
    """Nothing says where the control socket is: neither the configuration nor the command line."""

    def setUp(self) -> None:
        super().setUp()
        self.control = os.path.join(self.runtime, "batond", "control")

    def configure(self, text: str, listener: str = "") -> None:
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f'[listener.front]\naddress = "127.0.0.1:0"\n{listener}\n{text}')

    def test_it_is_found(self) -> None:
        self.start_batond(TWO_POOLS)
        for words in (["status"], ["routes"], ["reload"]):
            done = subprocess.run([BATON, *words], env=self.environment, capture_output=True, text=True, timeout=PATIENCE,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
