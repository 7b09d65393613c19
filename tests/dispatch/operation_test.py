# SPDX-License-Identifier: MIT
"""What operates batond: metrics, the status page in a browser, systemd, and a table of descriptors that is full."""

import http.client as http_client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from typing import Dict, Tuple

from prometheus_client.parser import text_string_to_metric_families

from house import BATOND, House, PATIENCE, cpu_of, descriptors, http, read_all, reserved_port

UNITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/units")
# A name that needs escapes in the text of Prometheus, in JSON and in HTML.
ODD = 'a "name" \\ <b>of</b> it'
TWO_POOLS = f"""
[pool.shop]
[pool.blog]
hold = "100ms"
[[route]]
name = {json.dumps(ODD)}
host = "shop.example"
pool = "shop"
[[route]]
host = "blog.example"
pool = "blog"
"""


class Measured(House):
    """With [batond] metrics = self.metrics."""

    metrics = "127.0.0.1:0"

    def configure(self, text: str, listener: str = "") -> None:
        super().configure(text, listener)
        self.edit_configuration("[batond]\n", f'[batond]\nmetrics = "{self.metrics}"\n')

    def address(self) -> str:
        """Where it listens now: the last one that the log tells of."""
        return re.findall(r"metrics: listening on (\S+)", self.logged())[-1]

    def get(self, path: str) -> Tuple[int, str, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.address()}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()

    def samples(self) -> Dict[Tuple[str, Tuple[Tuple[str, str], ...]], float]:
        status, kind, text = self.get("/metrics")
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4"))
        samples = {}
        for family in text_string_to_metric_families(text):
            self.assertIn(family.type, ("counter", "gauge"))
            self.assertTrue(family.documentation, family.name)
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                self.assertNotIn(key, samples)
                samples[key] = sample.value
                # What promtool says of names: base units, counters end in _total, and nothing else does.
                self.assertRegex(sample.name, r"^batond_[a-z_]+$")
                self.assertEqual(sample.name.endswith("_total"), family.type == "counter", sample.name)
        return samples

    def value(self, name: str, **labels: str) -> float:
        return self.samples()[(name, tuple(sorted(labels.items())))]


class Metrics(Measured):
    def setUp(self) -> None:
        super().setUp()
        self.start_batond(TWO_POOLS)

    def test_they_say_what_happened(self) -> None:
        self.start_worker("shop", "S")
        self.asks("shop.example", 3)
        read_all(self.client(http("blog.example")))
        read_all(self.client(http("nobody.example")))
        for outcome, count in (("moved", 3), ("no_worker", 1), ("no_route", 1), ("refused", 0)):
            self.assertEqual(self.value("batond_connections_total", outcome=outcome), count)
        self.assertEqual(self.value("batond_route_connections_total", route=ODD), 3)
        self.assertEqual(self.value("batond_accepted_total", listener="front", address=f"127.0.0.1:{self.port}"), 5)
        self.assertEqual(self.value("batond_pool_workers", pool="shop"), 1)
        self.assertEqual(self.value("batond_pool_workers", pool="blog"), 0)
        self.assertEqual(self.value("batond_pool_moves_total", pool="shop", outcome="moved"), 3)
        self.assertGreater(self.value("batond_move_seconds_total"), 0)
        began = self.value("batond_start_time_seconds")
        self.assertLess(abs(time.time() - began), PATIENCE)

    def test_they_grow_and_never_shrink_by_a_reload(self) -> None:
        self.start_worker("shop", "S")
        self.asks("shop.example")
        before = self.samples()
        self.configure(TWO_POOLS + "[pool.more]\n[[route]]\nhost = 'x'\npool = 'more'\n")
        self.assertTrue(self.ask("reload")["ok"])
        after = self.samples()
        for key, value in before.items():
            if key[0].endswith("_total"):
                self.assertGreaterEqual(after[key], value, key)
        self.assertIn(("batond_pool_workers", (("pool", "more"),)), after)

    def test_other_requests(self) -> None:
        self.assertEqual(self.get("/nothing")[0], 404)
        host, port = self.address().rsplit(":", 1)
        for request, status in ((b"POST /metrics HTTP/1.1\r\n\r\n", b"405"), (b"rubbish\r\n\r\n", b"405"),
                                (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200")):
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
                client.sendall(request)
                self.assertEqual(read_all(client).split(b" ")[1], status)
        # More than any request has: it is closed without an answer.
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            with self.assertRaises(ConnectionError):
                for _ in range(100):
                    client.sendall(b"x" * 10000)
                self.assertEqual(read_all(client), b"")
                raise ConnectionResetError
        self.assertEqual(self.get("/metrics")[0], 200)

    def test_callers_that_say_nothing(self) -> None:
        """There are no more than 64; clients are served meanwhile."""
        self.start_worker("shop", "S")
        host, port = self.address().rsplit(":", 1)
        silent = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(64)]
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as one_more:
            self.assertEqual(one_more.recv(1), b"")
        self.asks("shop.example")
        # They are closed after 5 seconds; here they go by themselves.
        for caller in silent:
            caller.close()

        def answers() -> bool:
            try:
                return self.get("/metrics")[0] == 200
            except (OSError, http_client.HTTPException):
                return False
        self.until(answers, "it answers again")

    def test_the_address_changes_with_a_reload(self) -> None:
        before = self.address()
        self.assertEqual(self.get("/metrics")[0], 200)
        self.metrics = "[::1]:0"
        self.configure(TWO_POOLS)
        self.assertTrue(self.ask("reload")["ok"])
        self.assertTrue(self.address().startswith("[::1]:"))
        self.assertEqual(self.get("/metrics")[0], 200)
        host, port = before.rsplit(":", 1)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=PATIENCE)
        # An address that cannot be had: nothing changes.
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.metrics = f"127.0.0.1:{taken.getsockname()[1]}"
            self.configure(TWO_POOLS + "[pool.more]\n[[route]]\nhost = 'x'\npool = 'more'\n")
            answer = self.ask("reload")
        self.assertFalse(answer["ok"])
        self.assertIn(self.metrics, answer["error"])
        self.assertEqual(self.get("/metrics")[0], 200)
        self.assertNotIn("more", [pool["name"] for pool in self.ask("workers")["pools"]])

    def test_none_after_a_reload_without(self) -> None:
        self.assertEqual(self.get("/metrics")[0], 200)
        House.configure(self, TWO_POOLS)
        self.assertTrue(self.ask("reload")["ok"])
        with self.assertRaises(urllib.error.URLError):
            self.get("/metrics")


class StatusPage(Measured):
    def dom(self) -> str:
        """What the page has become after three seconds of the browser's own time."""
        with tempfile.TemporaryDirectory(prefix="batond-chromium-") as home:
            done = subprocess.run(
                ["timeout", "-s", "KILL", "90", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-proxy-server", "--disable-background-networking",
                 "--disable-component-update", "--no-first-run", f"--user-data-dir={home}",
                 "--virtual-time-budget=3500", "--dump-dom", f"http://{self.address()}/"],
                capture_output=True, text=True, check=False, env={**os.environ, "HOME": home})
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return done.stdout

    def test_a_browser_shows_what_there_is(self) -> None:
        self.start_batond(TWO_POOLS)
        worker = self.start_worker("shop", "S")
        self.asks("shop.example", 7)
        page = self.dom()
        self.assertRegex(page, rf'<p id="state" role="status" class="">process {self.batond.pid}, version [\d.]+, '
                               r"up \d+ s, 0 moves/s</p>")
        rows = [re.findall(r"<t[dh]>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
        self.assertIn(["moved", "7"], rows)
        self.assertIn(["a \"name\" \\ &lt;b&gt;of&lt;/b&gt; it", "shop", "7"], rows)
        self.assertTrue(any(row[:1] == ["shop"] and str(worker.pid) in row and "up" in row for row in rows), rows)
        self.assertIn(["front", f"127.0.0.1:{self.port}", "7", "0", "0", "0", "0"], rows)
        self.assertEqual([re.sub("<.*?>", "", head) for head in re.findall(r"<h2>.*?</h2>", page)],
                         ["Connections", "Workers", "Pools", "Routes", "TSAPs called", "Listeners"])


class Systemd(House):
    """By the environment that systemd sets; systemd-socket-activate(1) is its own program for that."""

    def notified(self) -> socket.socket:
        path = os.path.join(self.folder.name, "notify")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.bind(path)
        notify.settimeout(PATIENCE)
        self.environment["NOTIFY_SOCKET"] = path
        return notify

    def configure(self, text: str, listener: str = "") -> None:
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f'[batond]\ncontrol = "{self.control}"\n[listener.web]\nsystemd = "web"\n{text}')

    def test_a_socket_of_systemd(self) -> None:
        notify = self.notified()
        self.configure(TWO_POOLS)
        reserved = reserved_port()
        self.addCleanup(reserved.close)
        self.port = reserved.getsockname()[1]
        self.batond = self.start_logged(
            ["systemd-socket-activate", "--fdname=web", f"--listen=127.0.0.1:{self.port}", "--setenv=NOTIFY_SOCKET",
             "--setenv=BATON_RUNTIME_DIR", BATOND, "--config", self.configuration])
        self.until(self.accepts, "the socket listens")
        # The first client starts it.
        client = self.client(http("shop.example"))
        self.assertEqual(notify.recv(1000), b"READY=1")
        self.start_worker("shop", "S")
        self.assertEqual(self.greeted_by(client), "S")
        self.assertEqual(self.ask("status")["listeners"][0]["address"], f"127.0.0.1:{self.port}")
        self.assertTrue(self.ask("reload")["ok"])
        self.assertEqual(self.greeted_by(self.client(http("shop.example"))), "S")
        said = []
        self.batond.send_signal(signal.SIGTERM)
        self.assertEqual(self.batond.wait(PATIENCE), 0)
        while b"STOPPING=1" not in said:
            said.append(notify.recv(1000))
        self.echoes(client)

    def accepts(self) -> bool:
        """Somebody listens there; without a connection, which would start batond."""
        with open("/proc/net/tcp", encoding="ascii") as table:
            return any(line.split()[1] == f"0100007F:{self.port:04X}" and line.split()[3] == "0A" for line in table
                       if ":" in line.split()[1])

    def test_a_socket_that_systemd_has_not_passed(self) -> None:
        self.configure(TWO_POOLS)
        done = subprocess.run([BATOND, "--config", self.configuration], env=self.environment, capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('systemd has passed no socket of the name "web", and none of another:', done.stderr)

    def test_a_socket_that_systemd_has_passed_under_another_name(self) -> None:
        self.configure(TWO_POOLS)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            as_systemd = f'exec 3<&{listening.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=wrong exec "$0" "$@"'
            self.batond = self.start_logged(["bash", "-c", as_systemd, BATOND, "--config", self.configuration],
                                            pass_fds=(listening.fileno(),))
            self.assertEqual(self.batond.wait(PATIENCE), 1)
        self.assertIn('systemd has passed no socket of the name "web", but "wrong": start batond', self.logged())

    def test_the_units(self) -> None:
        """systemd reads them without a complaint, and has little against their sandbox."""
        with open(os.path.join(UNITS, "batond.service"), encoding="utf-8") as unit:
            service = unit.read().replace("/usr/sbin/batond", BATOND)
        with open(os.path.join(self.folder.name, "batond.service"), "w", encoding="utf-8") as file:
            file.write(service)
        with open(os.path.join(UNITS, "batond.socket"), encoding="utf-8") as unit:
            sockets = unit.read()
        with open(os.path.join(self.folder.name, "batond.socket"), "w", encoding="utf-8") as file:
            file.write(sockets)
        environment = {**os.environ, "SYSTEMD_UNIT_PATH": self.folder.name + ":"}
        for unit in ("batond.service", "batond.socket"):
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", os.path.join(self.folder.name, unit)],
                                  capture_output=True, text=True, timeout=PATIENCE * 2, check=False, env=environment)
            said = [line for line in (done.stdout + done.stderr).splitlines() if "batond" in line]
            self.assertEqual((done.returncode, said), (0, []), done.stderr)
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager",
                               os.path.join(self.folder.name, "batond.service")], capture_output=True, text=True,
                              timeout=PATIENCE * 2, check=False, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout[-2500:] + done.stderr)


class CannotStart(House):
    """A sentence says why, and what to do."""

    def fails(self, *words: str, limit: int = 1024) -> str:
        done = subprocess.run([BATOND, *words], env=self.environment, capture_output=True, text=True, timeout=PATIENCE,
                              check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr.splitlines()[-1]

    def test_without_a_configuration(self) -> None:
        self.assertRegex(self.fails("--config", "/nonexistent"), "cannot read /nonexistent: No such file or directory: "
                         "say where the configuration is by --config FILE; batond.example.toml ")

    def test_without_a_folder_for_the_control_socket(self) -> None:
        self.control = os.path.join(self.folder.name, "none", "control")
        self.configure(TWO_POOLS)
        self.assertIn(f"control socket {self.control}: No such file or directory: make its folder, or give another path "
                      "as [batond] control", self.fails("--config", self.configuration))

    def test_without_descriptors(self) -> None:
        """However far it comes."""
        self.control = os.path.join(self.folder.name, "none", "control")
        self.configure(TWO_POOLS)
        said = [self.fails("--config", self.configuration, limit=limit) for limit in range(10, 24)]
        short = [line for line in said if "Too many open files" in line]
        self.assertTrue(short, said)
        for line in short:
            self.assertIn("Too many open files: raise LimitNOFILE= or `ulimit -n`", line)


class FullTable(House):
    """Without descriptors batond accepts no more; who waits gets its turn, and nobody is lost."""

    MOST = 48

    def test_it_goes_on(self) -> None:
        self.start_batond("[pool.shop]\nhold = '20s'\n[[route]]\nhost = '*'\npool = 'shop'\n", 'wait = "60s"\n',
                          first=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (self.MOST,) * 2))
        self.start_worker("shop", "S")
        silent = [self.client() for _ in range(2 * self.MOST)]
        self.until(lambda: descriptors(self.batond.pid) == self.MOST, "its table is full")
        self.until(lambda: "cannot accept: Too many open files" in self.logged(), "it says so")
        # Nobody spins meanwhile.
        used = cpu_of(self.batond.pid)
        waiting = [self.client(http("shop")) for _ in range(20)]
        asking = self.begin_to_ask("status")
        self.addCleanup(asking.close)
        time.sleep(0.5)  # the time over which it may use a tenth of a processor
        self.assertLess(cpu_of(self.batond.pid) - used, 0.1)
        for client in silent:
            client.close()
        for client in waiting:
            self.assertEqual(self.greeted_by(client), "S")
        self.assertTrue(self.answer_on(asking)["ok"])


if __name__ == "__main__":
    unittest.main()
