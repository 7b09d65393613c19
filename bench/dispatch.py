#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""batond beside what people put before a server today: HAProxy, nginx, sslh, Node's cluster; in one run, on one machine.

dispatch.py BUILD_DIR [--quick]     --quick: a small version of each, under 20 seconds, to see that all work

Every one of them stands before the same worker (dispatch_worker), looks for the TLS client's server name as far as it can,
and routes by it: batond moves the connection, the proxies copy it. The floor is a program that looks and passes the descriptor,
with no acknowledgement, no proof and no care for those that cannot be served (dispatch_bare). Node's cluster passes the
accepted connection to a Node worker, without looking, and is compared with the same Node worker alone. Blocks of all take
turns.

Measured: short connections (connect, ClientHello, answer of 64 octets, end) per second, 64 at a time; the time to the first
octet of the answer, one at a time; an ISO server's CC to a CR, at a port of its own and behind batond; one upload, and what it costs the one in the middle in processor time; memory and
descriptors of 1,000 open connections in the middle. Leaves BUILD_DIR/bench/dispatch.json.
"""

import json
import os
import platform
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

NAME = "shop.example.org"
# TPKT, and a CR that calls ORDERS (RFC 905 13.3).
CR = b"\x03\0\0\x13" + b"\x0e\xe0\0\0\0\x01\0" + b"\xc2\x06ORDERS"
NODE = """
const cluster = require('cluster'), net = require('net');
const alone = process.argv[2] === 'alone';
if (!alone && cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.fork();
} else {
  const answer = Buffer.alloc(64);
  const server = net.createServer({noDelay: true}, s => { s.on('error', () => {}); s.once('data', () => s.end(answer)); });
  server.listen({port: +process.argv[3] || 0, host: '127.0.0.1', backlog: 4096}, () => console.log(server.address().port));
}
"""


class Party:
    """Something that stands at a port; `pid` is the process in the middle, if there is one."""

    def __init__(self, name: str, port: int, pid: Optional[int], base: str = "direct") -> None:
        self.name, self.port, self.pid, self.base = name, port, pid, base
        self.rates: List[float] = []
        self.latencies: List[Dict[str, float]] = []
        self.bulk: List[float] = []
        self.more: Dict[str, Any] = {}

    def ticks(self) -> float:
        """Processor time of the process in the middle and its children, those that have ended too (seconds)."""
        total = 0
        for pid in family(self.pid):
            fields = of_process(pid, "stat").rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
        return total / os.sysconf("SC_CLK_TCK")

    def holds(self) -> Dict[str, int]:
        kib = descriptors = 0
        for pid in family(self.pid):
            for line in of_process(pid, "smaps_rollup").splitlines():
                if line.startswith("Private_"):
                    kib += int(line.split()[1])
            try:
                descriptors += len(os.listdir(f"/proc/{pid}/fd"))
            except FileNotFoundError:
                pass
        return {"KiB": kib, "descriptors": descriptors}


def of_process(pid: int, name: str) -> str:
    """The file of /proc; empty if the process has just ended, as sslh's do, one for each connection (proc(5))."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def family(pid: Optional[int]) -> List[int]:
    if pid is None:
        return []
    children = of_process(pid, f"task/{pid}/children").split()
    return [pid] + [each for child in children for each in family(int(child))]


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=NAME)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bench:
    def __init__(self, build: Path, quick: bool) -> None:
        self.build, self.quick = build, quick
        self.folder = Path(tempfile.mkdtemp(prefix="bench-dispatch-"))
        self.folder.chmod(0o755)
        self.environment = {**os.environ, "BATON_RUNTIME_DIR": str(self.folder / "run")}
        self.children: List[subprocess.Popen] = []
        self.hello = client_hello()

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                os.killpg(child.pid, 9)
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, words: List[str], **more: Any) -> subprocess.Popen:
        child = subprocess.Popen(["timeout", "-s", "KILL", "600", *words], env=self.environment, start_new_session=True,
                                 stderr=open(self.folder / "errors", "ab"), **more)
        self.children.append(child)
        return child

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def until_open(self, port: int) -> None:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    sys.exit(f"bench: nobody listens; what was said:\n{(self.folder / 'errors').read_text()[-4000:]}")
                time.sleep(0.02)

    def middle(self, name: str, words: List[str], port: int) -> Party:
        child = self.start(words)
        self.until_open(port)
        return Party(name, port, family(child.pid)[1])

    def starts(self, words: List[str]) -> Tuple[subprocess.Popen, str]:
        """The program has said its first line."""
        child = self.start(words, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            sys.exit(f"bench: {words[0]} has ended:\n{(self.folder / 'errors').read_text()[-4000:]}")
        return child, line

    def line_of(self, words: List[str]) -> int:
        return int(self.starts(words)[1])

    def parties(self) -> List[Party]:
        port, iso_port = free_port(), free_port()
        configuration = self.write("batond.toml", f"""
[batond]
log = "warning"
[limits]
undecided_per_source = 16384
[listener.front]
address = "127.0.0.1:{port}"
[listener.iso]
address = "127.0.0.1:{iso_port}"
[[route]]
to_called_tsap = true
[pool.shop]
[[route]]
sni = "{NAME}"
pool = "shop"
[[route]]
protocol = "unknown"
pool = "shop"
""")
        batond = self.middle("batond", [str(self.build / "src/dispatch/batond"), "--config", configuration], port)
        worker = self.line_of([str(self.build / "bench/bench_dispatch_worker"), "shop"])
        direct = Party("direct", worker, None)
        self.iso = [Party("direct", self.iso_server(), None), Party("batond", iso_port, None)]
        self.proxies = [self.haproxy(worker), self.nginx(worker), self.sslh(worker)]
        return [direct, self.bare(), batond, *self.proxies, *self.node()]

    def bare(self) -> Party:
        """With a worker of its own, so nothing is known of the program in the middle alone."""
        programs = [str(self.build / "bench" / f"bench_dispatch_{name}") for name in ("bare", "worker")]
        return Party("bare descriptors", self.line_of([*programs, NAME]), None)

    def iso_server(self) -> int:
        """An example, which knows nothing of batond, and has a port as well."""
        port = free_port()
        self.environment["BATON_ISO_LISTEN"] = f"127.0.0.1:{port}"
        self.starts([str(self.build / "examples/iso_server"), "ORDERS"])
        del self.environment["BATON_ISO_LISTEN"]
        return port

    def haproxy(self, worker: int) -> Party:
        port = free_port()
        configuration = self.write("haproxy.cfg", f"""
global
  maxconn 8000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port} backlog 4096
  tcp-request inspect-delay 5s
  tcp-request content accept if {{ req_ssl_hello_type 1 }}
  tcp-request content accept if {{ req_len gt 0 }}
  use_backend shop if {{ req_ssl_sni -i {NAME} }}
  default_backend shop
backend shop
  server one 127.0.0.1:{worker}
""")
        return self.middle("HAProxy, tcp mode", ["haproxy", "-db", "-f", configuration], port)

    def nginx(self, worker: int) -> Party:
        port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = self.write("nginx.conf", f"""
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 2; pid {self.folder}/nginx.pid; error_log stderr; {user}
events {{ worker_connections 8192; }}
stream {{
  map $ssl_preread_server_name $to {{ {NAME} shop; default shop; }}
  upstream shop {{ server 127.0.0.1:{worker}; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; ssl_preread on; preread_timeout 5s; proxy_pass $to; }}
}}
""")
        return self.middle("nginx stream, ssl_preread", ["/usr/sbin/nginx", "-c", configuration], port)

    def sslh(self, worker: int) -> Party:
        port = free_port()
        words = ["/usr/sbin/sslh", "--foreground", "--numeric", "--listen", f"127.0.0.1:{port}", "--tls", f"127.0.0.1:{worker}",
                 "--anyprot", f"127.0.0.1:{worker}", "--user", "root" if os.geteuid() == 0 else os.environ["USER"]]
        return self.middle("sslh", words, port)

    def node(self) -> List[Party]:
        script = self.write("server.js", NODE)
        alone = Party("Node alone", self.line_of(["node", script, "alone"]), None)
        child, port = self.starts(["node", script, "cluster"])
        return [alone, Party("Node cluster", int(port), family(child.pid)[1], "Node alone")]

    def load(self, party: Party, *words: str, hello: Optional[bytes] = None) -> Dict[str, Any]:
        program = [str(self.build / "bench/bench_dispatch_load"), str(party.port), *words]
        done = subprocess.run(program, input=hello or self.hello, capture_output=True, timeout=120)
        if done.returncode != 0:
            sys.exit(f"bench: {party.name}: {done.stderr.decode()}\n{(self.folder / 'errors').read_text()[-2000:]}")
        return json.loads(done.stdout)

    def held(self, party: Party, count: int) -> Dict[str, int]:
        before = party.holds()
        program = [str(self.build / "bench/bench_dispatch_load"), str(party.port), "hold", str(count)]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
            assert clients.stdin is not None and clients.stdout is not None
            if clients.stdout.readline() != b"held\n":
                sys.exit(f"bench: {party.name} does not hold {count} connections")
            after = party.holds()
            clients.stdin.close()
        return {key: after[key] - before[key] for key in before}

    def run(self) -> Dict[str, Any]:
        blocks, block_ms, octets, count = (2, 100, 1 << 26, 100) if self.quick else (9, 1000, 1 << 31, 1000)
        load_before = os.getloadavg()[0]
        parties = self.parties()
        for block in range(blocks + 1):  # the first one warms up
            for party in parties:
                print(f"\r  block {block} of {blocks}: {party.name:<30}", end="", file=sys.stderr, flush=True)
                rate = self.load(party, "short", "64", str(block_ms))
                alone = self.load(party, "short", "1", str(block_ms // 2))
                if block > 0:
                    party.rates.append(rate["per_second"])
                    party.latencies.append(alone["us"])
        for _ in range(blocks):
            for party in self.iso:
                party.latencies.append(self.load(party, "first", str(block_ms * 2), hello=CR)["us"])
        for party in parties:
            if party.name.startswith("Node"):
                continue  # its worker is another one
            for _ in range(3):
                before = party.ticks()
                party.bulk.append(self.load(party, "bulk", str(octets))["per_second"])
                party.more.setdefault("cpu_s_per_GB", []).append((party.ticks() - before) / (octets / 1e9))
            if party.pid is not None:
                party.more["held"] = self.held(party, count)
        print(file=sys.stderr)
        return self.result(parties, load_before, count)

    def result(self, parties: List[Party], load_before: float, count: int) -> Dict[str, Any]:
        of = {party.name: party for party in parties}
        rows = []
        for party in parties:
            base = of[party.base]
            row: Dict[str, Any] = {
                "name": party.name,
                "per_second": statistics.median(party.rates),
                "of_direct": statistics.median(a / b for a, b in zip(party.rates, base.rates)),
                "p50_us": statistics.median(each["p50"] for each in party.latencies),
                "p99_us": statistics.median(each["p99"] for each in party.latencies),
                "p50_of_direct": statistics.median(
                    a["p50"] / b["p50"] for a, b in zip(party.latencies, base.latencies)),
            }
            if party.bulk:
                row["bulk_per_second"] = statistics.median(party.bulk)
                row["cpu_s_per_GB"] = statistics.median(party.more["cpu_s_per_GB"])
            row.update(party.more.get("held", {}))
            rows.append(row)
        iso: Dict[str, Any] = {
            party.name: {key: statistics.median(each[key] for each in party.latencies) for key in ("p50", "p99")}
            for party in self.iso}
        iso["p50_of_direct"] = statistics.median(
            a["p50"] / b["p50"] for a, b in zip(self.iso[1].latencies, self.iso[0].latencies))
        return {"iso": iso, "load_before": load_before, "kernel": platform.release(), "processors": len(os.sched_getaffinity(0)),
                "quick": self.quick, "held": count, "proxies": [proxy.name for proxy in self.proxies], "blocks": len(parties[0].rates), "rows": rows}


def table(result: Dict[str, Any]) -> str:
    lines = [
        f"  {'':<28}{'conn./s':>9}{'of direct':>10}{'p50 us':>8}{'p99 us':>8}{'p50 of':>8}{'GB/s':>7}{'CPU s':>7}"
        f"{'KiB':>8}{'descr.':>8}",
        f"  {'':<28}{'64 at a time':>19}{'one at a time':>16}{'direct':>8}{'bulk':>7}{'a GB':>7}"
        f"{'of ' + str(result['held']) + ' held':>16}",
    ]
    for row in result["rows"]:
        bulk = f"{row['bulk_per_second'] / 1e9:>7.2f}{row['cpu_s_per_GB']:>7.2f}" if "bulk_per_second" in row else f"{'':>14}"
        held = f"{row['KiB']:>8}{row['descriptors']:>8}" if "KiB" in row else ""
        lines.append(f"  {row['name']:<28}{row['per_second']:>9,.0f}{row['of_direct']:>10.2f}{row['p50_us']:>8.0f}"
                     f"{row['p99_us']:>8.0f}{row['p50_of_direct']:>8.2f}{bulk}{held}")
    _, bare, ours, *others = result["rows"]
    best = max(row["of_direct"] for row in others if row["name"] in result["proxies"])
    lines.append(f"  batond: {ours['of_direct']:.2f} of direct, {ours['of_direct'] / best:.2f} times the best proxy; beside bare "
                 f"descriptors {ours['of_direct'] / bare['of_direct']:.2f} of the connections/s, "
                 f"{ours['p50_us'] / bare['p50_us']:.2f} of p50. Node's cluster is compared with Node alone.")
    iso = result["iso"]
    lines.append(f"  ISO, CR to CC: direct p50 {iso['direct']['p50']:.0f} us, p99 {iso['direct']['p99']:.0f}; behind batond "
                 f"{iso['batond']['p50']:.0f}, {iso['batond']['p99']:.0f}: {iso['p50_of_direct']:.2f} of direct")
    lines.append(f"  {result['blocks']} blocks of each in turn, medians; kernel {result['kernel']}, {result['processors']} processors, "
                 f"load before {result['load_before']:.2f}")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--quick"]):
        sys.exit(__doc__)
    bench = Bench(Path(sys.argv[1]).resolve(), len(sys.argv) == 3)
    try:
        result = bench.run()
    finally:
        bench.close()
    (bench.build / "bench/dispatch.json").write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
