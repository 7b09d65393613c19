#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts the results of all measurements together.

report.py FOLDER [--quick] --seconds N --load-before X

Reads FOLDER/<measurement>.json, prints the table, and writes FOLDER/results.json and FOLDER/results.svg.
"""

import argparse
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from drawing import draw

PARTS = ("seed_sequence", "express", "api", "pause", "connections", "iso_echo")
SEED_AIM = 1.25  # of the floor, p50, two processors
EXPRESS_AIM = 250_000  # moves a second
ECHO_AIM = 0.95  # of plain TCP
API_AIM = 1.1  # of the C calls


def processor_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def conditions(quick: bool, seconds: int, load_before: float) -> dict[str, Any]:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processor": processor_model(),
        "processors": sorted(os.sched_getaffinity(0)),
        "load_before": load_before,  # of one minute: above 0.5 others used the processors
        "node": node,
        "quick": quick,
        "seconds": seconds,
    }


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def spread(value: dict[str, float], digits: int = 2) -> str:
    """Median over blocks, then the middle half and the extremes."""
    form = "{:,.0f}" if digits == 0 else "{:." + str(digits) + "f}"
    median, low, high, quarter, three = (
        form.format(value[key]) for key in ("median", "lowest", "highest", "quarter", "three_quarters")
    )
    return f"{median}  (half of the blocks {quarter}..{three}, all {low}..{high})"


def times(name: str, part: dict[str, Any]) -> str:
    return (
        f"    {name:<52}{number(part['p50']):>9}{number(part['p99']):>9}{number(part['p99.9']):>9}"
        f"{number(part['longest']):>10}{part['count']:>10,}"
    )


def headings(words: str = "microseconds") -> str:
    return f"    {words:<52}{'p50':>9}{'p99':>9}{'p99.9':>9}{'longest':>10}{'count':>10}"


def seed_lines(part: dict[str, Any]) -> list[str]:
    lines = []
    for layout, result in part["layouts"].items():
        on = result["processors"]
        lines += [
            f"  Seed sequence, blocking, one move at a time: {layout} (L on {on['listener']}, S on {on['server']})",
            headings(),
            times(f"floor: 2 round trips, {part['floor_message_octets']} octets, 1 descriptor", result["floor"]),
            times("    the same until the descriptor is at S", result["floor_take"]),
            times("baton: L's first call .. S has taken", result["take"]),
            times("baton: L's first call .. L knows the outcome", result["outcome"]),
            f"    taken / floor:   {spread(result['take_ratio'])}",
            f"    outcome / floor: {spread(result['outcome_ratio'])}",
        ]
    lines.append(
        f"    {part['blocks']} blocks of {part['moves_in_block']} of each kind in turn; ratios are of a block's p50;"
        f" aim on two processors: {SEED_AIM}"
    )
    return lines


def express_lines(part: dict[str, Any]) -> list[str]:
    on = part["processors"]
    return [
        f"  Express: {part['connections']:,} TCP connections to and fro, batches of {part['batch']},"
        f" processors {on['A']} and {on['B']}",
        f"    baton, every move acknowledged, moves/s:    {spread(part['express_per_second'], 0)}",
        f"    bare descriptors one way, descriptors/s:    {spread(part['bare_per_second'], 0)}",
        f"    baton / bare:                               {spread(part['express_of_bare'])}",
        f"    {part['blocks']} blocks of each; {part['moves']:,} moves, {part['bare_descriptors']:,} bare descriptors;"
        f" aim: {EXPRESS_AIM:,} moves/s",
    ]


def api_lines(part: dict[str, Any]) -> list[str]:
    on = part["processors"]
    return [
        f"  The C++ API beside the C calls, the same processes and link, processors {on['A']} and {on['B']}",
        f"    one by one, C calls, microseconds a move:   {spread(part['calls_us'])}",
        f"    one by one, C++ API, microseconds a move:   {spread(part['api_us'])}",
        f"    C++ / C:                                    {spread(part['ratio'])}",
        f"    express, C calls, microseconds a move:      {spread(part['express_calls_us'])}",
        f"    express, C++ API, microseconds a move:      {spread(part['express_api_us'])}",
        f"    C++ / C:                                    {spread(part['express_ratio'])}",
        f"    {part['blocks']} blocks of {part['moves_in_block']:,} and of {part['express_moves_in_block']:,} moves of each"
        f" kind in turn, in alternating order, batches of {part['batch']}; aim: {API_AIM}",
    ]


def pause_lines(part: dict[str, Any]) -> list[str]:
    ways = part["ways"]
    return [
        "  Pause of a client that streams: last octets read by the old owner .. first ones by the new owner (not pinned)",
        headings(),
        times("seed: offered while it is served, then data stop", ways["seed"]),
        times("express", ways["express"]),
        times("bare descriptor, no answer, no check", ways["bare"]),
        f"    client writes {part['client_write_octets']:,} octets at a time, {part['octets_per_second'] / 1e6:,.0f} MB/s"
        f" on average; {part['octets_checked']:,} octets, none lost or changed",
    ]


def connection_lines(part: dict[str, Any], node: str) -> list[str]:
    lines = [f"  Connections accepted, handed on and echoed ({part['octets']} octets), against Node {node} (not pinned)"]
    for at_once, services in part["at_once"].items():
        lines.append(headings(f"microseconds, connect .. echo, {at_once} at once"))
        lines += [
            times("baton, the calls of the seed", services["baton"]),
            times("Node, subprocess.send(socket), pauseOnConnect", services["node"]),
        ]
        for name in ("baton", "node"):
            lines.append(f"    {name:<5} connections/s: {spread(services[name]['per_second'], 0)}")
        ratio = services["baton"]["per_second"]["median"] / services["node"]["per_second"]["median"]
        lines.append(f"    baton / Node, connections/s: {ratio:.2f}")
    lines.append(f"    {part['blocks']} blocks of {part['connections_in_block']:,} connections of each, in turn")
    return lines


def iso_lines(part: dict[str, Any]) -> list[str]:
    lines = [
        f"  Echo of TSDUs over AF_ISO (RFC 1006, TPDUs of {part['tpdu_size']:,} octets) against plain TCP (not pinned)",
        f"    {'octets':>9} {'in flight':>9} {'AF_ISO/s':>10} {'TCP/s':>10}  {'AF_ISO / TCP':<52}{'system calls a TPDU':>20}",
    ]
    for cell in part["cells"]:
        calls = "+".join(f"{cell[kind + '_calls_per_tpdu']:.2f}" for kind in ("receive", "send", "other"))
        lines.append(
            f"    {cell['octets']:>9,} {cell['in_flight']:>9} {cell['iso_per_second']['median']:>10,.0f}"
            f" {cell['tcp_per_second']['median']:>10,.0f}  {spread(cell['of_tcp']):<52}{calls:>20}"
        )
    lines += [
        f"    {part['blocks']} blocks of each kind in turn; aim: {ECHO_AIM} in every cell;"
        " calls: the server's, receiving + sending + other (who waits, and whose number it is)",
        headings("microseconds, one connection at a time"),
        times("AF_ISO: soc_connect, up to the CC", part["connections"]["iso"]),
        times("TCP: connect .. one octet there and back", part["connections"]["tcp"]),
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--load-before", type=float, required=True)
    arguments = parser.parse_args()
    results: dict[str, Any] = {"conditions": conditions(arguments.quick, arguments.seconds, arguments.load_before)}
    for part in PARTS:
        results[part] = json.loads((arguments.folder / f"{part}.json").read_text(encoding="utf-8"))
    (arguments.folder / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (arguments.folder / "results.svg").write_text(draw(results, SEED_AIM, EXPRESS_AIM), encoding="utf-8")

    where = results["conditions"]
    small = ", quick: too few for conclusions" if arguments.quick else ""
    lines = [
        f"baton benchmarks, {where['seconds']} s{small}",
        f"  Linux {where['kernel']} {where['machine']}, {where['processor']}, processors {where['processors']},"
        f" load {where['load_before']:.1f} before the run",
    ]
    if where["load_before"] > 0.5:
        lines.append("  Others used the processors: compare ratios, not times.")
    for more in (
        seed_lines(results["seed_sequence"]),
        express_lines(results["express"]),
        api_lines(results["api"]),
        pause_lines(results["pause"]),
        connection_lines(results["connections"], where["node"]),
        iso_lines(results["iso_echo"]),
    ):
        lines += ["", *more]
    print("\n".join(lines))
    print(f"\n  all numbers: {arguments.folder / 'results.json'}\n  drawing:     {arguments.folder / 'results.svg'}")


if __name__ == "__main__":
    main()
