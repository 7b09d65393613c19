# SPDX-License-Identifier: MIT
"""Prints which lines llvm-cov says were reached: coverage_table.py EXPORT [--least PERCENT] GROUP...

GROUP: a room without its tests, or NAME=FILE,FILE... with files as room/file.cpp. Exit status 1 where a group has fewer
than PERCENT.
"""
import argparse
import json
import sys
from pathlib import Path


TESTS = ("_test.cpp", "_for_tests.hpp", "_fixture.hpp", "test_support.hpp")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("export", type=Path)
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("groups", nargs="+")
    arguments = parser.parse_args()
    lines = {}
    for file in json.loads(arguments.export.read_text())["data"][0]["files"]:
        _, found, name = file["filename"].rpartition("/src/")
        if found and file["summary"]["lines"]["count"]:
            lines[name] = file["summary"]["lines"]
    too_few = []
    print(f"\n{'lines reached':30} {'of':>6} {'reached':>8} {'%':>6}")
    for group in arguments.groups:
        title, _, listed = group.partition("=")
        wanted = listed.split(",") if listed else sorted(
            name for name in lines if name.startswith(title + "/") and not name.endswith(TESTS))
        missing = [name for name in wanted if name not in lines]
        if missing or not wanted:
            print(f"{title}: no lines of {', '.join(missing) or 'any file'}", file=sys.stderr)
            return 2
        for name in wanted:
            print(f"  {name:28} {lines[name]['count']:6} {lines[name]['covered']:8} {lines[name]['percent']:6.1f}")
        total = sum(lines[name]["count"] for name in wanted)
        reached = sum(lines[name]["covered"] for name in wanted)
        print(f"{title:30} {total:6} {reached:8} {100 * reached / total:6.1f}")
        if 100 * reached < arguments.least * total:
            too_few.append(title)
    for title in too_few:
        print(f"{title}: fewer than {arguments.least} % of the lines", file=sys.stderr)
    return 1 if too_few else 0


if __name__ == "__main__":
    sys.exit(main())
