#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes docs/crashes.md from the results of the crash tests, and checks that it names the cells that the code knows.

report.py RESULTS...             the document, to standard output
report.py --check DOCUMENT CELLS fails unless DOCUMENT has a row for each line of the file CELLS ("-": standard input,
                                 what `crash_points --cells` prints) and no other
"""

import os
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

CARRIERS = ("TCP over IPv4", "TCP over IPv6", "ISO over TCP", "ISO within the host")
MOVING = ("before OFFER is read", "OFFER..ANSWER", "ANSWER..CALL", "CALL..TAKEN", "after TAKEN")
BACK = "after the end point is back"
GROUP_STAGES = ("before HELD", "HELD..COMMIT", "COMMIT..TAKEN", "after TAKEN", "after ABORT")
UNREAD_STAGES = ("before the CALL is read", "CALL..TAKEN", "after TAKEN", BACK)
# Plain moves, the first table; those that do not come about, the second; groups; connections whose CR is unread.
PLAIN = ("seed", "seed, not asked", "express", "express, not asked")
FAILING = ("S refuses the offer", "S declines the call", "no answer in time", "no outcome in time")
GROUPS = ("group", "group, called off")
UNREAD = ("unread CR", "unread CR, S has no room", "unread CR, no answer in time")
MANNERS = (*PLAIN, *FAILING, *GROUPS, *UNREAD)
WHO = ("S dies", "L dies")
NUMBERS = ("kills", "kept", "taken", "died", "closed", "lost", "octets")
ROWS = "## Every cell"
# crash_chain's: who dies, and when.
CHAIN = (("L and S die", MOVING), ("S dies in the move onward", ("before the CALL", "CALL is queued")))


class Cell:
    def __init__(self):
        self.numbers = Counter()
        self.kills = Counter()  # per carrier
        self.told = Counter()

    def add(self, carrier, numbers, told):
        self.numbers.update(numbers)
        self.kills[carrier] += numbers["kills"]
        self.told.update(told)


def read_results(files):
    cells = defaultdict(Cell)
    sources = Counter()
    chain = {}
    for file in files:
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            if line.startswith(tuple(who for who, _ in CHAIN)):
                who, stage, *numbers = line.split("\t")
                chain[who, stage] = numbers
                continue
            source, who, manner, stage, carrier, *rest = line.split("\t")
            numbers = dict(zip(NUMBERS, map(int, rest[:len(NUMBERS)])))
            told = {word.split(":")[0]: int(word.split(":")[1]) for word in rest[len(NUMBERS)].split()}
            cells[who, manner, stage].add(carrier, numbers, told)
            sources[source] += numbers["kills"]
    return cells, sources, chain


def chain_table(chain):
    rows = [[who, stage, *map(lambda number: f"{int(number):,}", chain[who, stage])]
            for who, stages in CHAIN for stage in stages]
    return table(["who", "when", "kills", "connections that ended", "taken and served by T", "octets compared"], rows)


def total(cells, who, stage, manners, key):
    return sum(cells[who, m, stage].numbers[key] for m in manners if (who, m, stage) in cells)


def kills_of(cells, manners):
    return f"{sum(cell.numbers['kills'] for key, cell in cells.items() if key[1] in manners):,}"


def fate(cells, who, stage, manners):
    """What became of the connections of some cells: "L keeps: 12 · ended with S: 3"."""
    survivor, victim = ("L", "S") if who == "S dies" else ("S", "L")
    words = (("kept", "L keeps"), ("taken", "S takes"), ("died", f"ended with {victim}"),
             ("closed", "given up by the program" if survivor == "L" else "given up"), ("lost", "**lost**"))
    parts = [f"{word}: {count}" for key, word in words if (count := total(cells, who, stage, manners, key))]
    return " · ".join(parts) or "-"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
                      *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def first_table(cells):
    def row(who):
        return [f"**{who}**", *(f"{fate(cells, who, stage, PLAIN)} ({total(cells, who, stage, PLAIN, 'kills')} kills)"
                                for stage in MOVING)]
    return table(["", *MOVING], [row(who) for who in WHO])


def fates_table(cells, manners, stages):
    rows = [[f"**{who}**; {manner}", *(fate(cells, who, stage, [manner]) for stage in stages)]
            for who in WHO for manner in manners]
    return table(["", *stages], rows)


def stages_of(manner):
    """In the order in which they follow one another."""
    if manner in GROUPS:
        return GROUP_STAGES
    return UNREAD_STAGES if manner in UNREAD else (*MOVING, BACK)


def cell_rows(cells):
    rows = []
    for key in sorted(cells, key=lambda k: (WHO.index(k[0]), MANNERS.index(k[1]), stages_of(k[1]).index(k[2]))):
        cell = cells[key]
        told = ", ".join(f"{what} {count}" for what, count in sorted(cell.told.items(), key=lambda item: -item[1]))
        rows.append([*key, *(cell.kills[carrier] for carrier in CARRIERS),
                     *(cell.numbers[name] for name in NUMBERS[1:]), told or "-"])
    head = ["who", "move", "when", *CARRIERS, "L kept", "S took", "ended with its owner", "given up by a program",
            "lost otherwise", "octets compared", "the survivor's calls gave"]
    return table(head, rows)


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")


def document(files):
    cells, sources, chain = read_results(files)
    everything = Counter()
    for cell in cells.values():
        everything.update(cell.numbers)
    text = (Path(__file__).with_name("report.md")).read_text(encoding="utf-8")
    values = {
        "KILLS": f"{everything['kills']:,}",
        "CONNECTIONS": f"{sum(everything[key] for key in ('kept', 'taken', 'died', 'closed', 'lost')):,}",
        "KEPT": f"{everything['kept']:,}", "TAKEN": f"{everything['taken']:,}", "DIED": f"{everything['died']:,}",
        "CLOSED": f"{everything['closed']:,}", "LOST": f"{everything['lost']:,}",
        "OCTETS": f"{everything['octets']:,}",
        "POINT_KILLS": f"{sources['fault points']:,}", "CALL_KILLS": f"{sources['system calls']:,}",
        "CELLS": str(sum(len(cell.kills) for cell in cells.values())),
        "FIRST_TABLE": first_table(cells), "SECOND_TABLE": fates_table(cells, FAILING, (*MOVING[:4], BACK)),
        "ALL_CELLS": cell_rows(cells), "CHAIN_TABLE": chain_table(chain), "GROUP_TABLE": fates_table(cells, GROUPS, GROUP_STAGES),
        "UNREAD_TABLE": fates_table(cells, UNREAD, UNREAD_STAGES), "UNREAD_KILLS": kills_of(cells, UNREAD),
        "GROUP_KILLS": kills_of(cells, GROUPS),
        "KERNEL": os.uname().release.split("-")[0], "MACHINE": f"{os.uname().machine}, {os.cpu_count()} processors",
    }
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], text)


def check(document_file, cells_file):
    lines = (sys.stdin.read() if cells_file == "-" else Path(cells_file).read_text(encoding="utf-8")).splitlines()
    known = {tuple(line.split("\t")) for line in lines if line}
    text = Path(document_file).read_text(encoding="utf-8")
    named = set()
    for line in text[text.index(ROWS):].splitlines():
        columns = [column.strip() for column in line.strip("|").split("|")]
        if columns[0] in WHO:
            named |= {(*columns[:3], carrier) for carrier, kills in zip(CARRIERS, columns[3:7]) if int(kills) > 0}
    for cell in sorted(known - named):
        print(f"{document_file} has no kill in the cell: {', '.join(cell)}")
    for cell in sorted(named - known):
        print(f"{document_file} names a cell that the code does not know: {', '.join(cell)}")
    return 1 if known != named or not known else 0


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--check":
        return check(sys.argv[2], sys.argv[3])
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    sys.stdout.write(document(sys.argv[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
