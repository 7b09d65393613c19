#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/errors.md has every errno that a call of the library can give by itself, with its sentence.

- Each row of the table in capi/faults.cpp is a row of the page, with the same errno and the same sentence, and the page
  has no others there.
- Each errno that capi gives without the table, and each piece of advice for one of the system, is on the page.
- Each row says whose fault it is and what to do.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
SAME = {"EWOULDBLOCK": "EAGAIN"}


def joined(literals: str) -> str:
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"')


def rows(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def main() -> int:
    table = (ROOT / "src/capi/faults.cpp").read_text()
    page = (ROOT / "docs/errors.md").read_text()
    library, system = (re.search(rf"^## What the {who} says$(.*?)(?=^## |\Z)", page, re.S | re.M)[1]
                       for who in ("library", "system"))
    wrong = []

    given = {(error, joined(words)) for error, words in re.findall(rf"return \{{\s*(E[A-Z0-9]+),\s*{WORDS}\}}", table)}
    stated = {(row[0].strip("`"), row[1]) for row in rows(library)}
    cases = len(re.findall(r"case Fault::", table)) - 1  # Fault::System has no errno of its own
    if len(given) != cases:
        wrong.append(f"faults.cpp has {cases} faults, of which {len(given)} are understood here")
    wrong += [f"not on the page: {error}: {sentence}" for error, sentence in sorted(given - stated)]
    wrong += [f"on the page, and not in capi: {error}: {sentence}" for error, sentence in sorted(stated - given)]

    for error, advice in re.findall(rf"case (E[A-Z]+):\s*return {WORDS};", table):
        if joined(advice) not in system:
            wrong.append(f"the advice for {error} is not on the page")
    of_calls = set()
    for source in (ROOT / "src/capi").glob("*.cpp"):
        if not source.stem.endswith("_test"):
            of_calls |= set(re.findall(r"(?:report_errno\(|Errno\{|errno = )(E[A-Z0-9]+)", source.read_text()))
    named = set(re.findall(r"`(E[A-Z0-9]+)`", page))
    wrong += [f"not on the page: {error}" for error in sorted(of_calls) if SAME.get(error, error) not in named
              and error not in named]

    for row in rows(library) + rows(system):
        if len(row) != 4 or not all(row):
            wrong.append(f"not errno, sentence, whose fault, what to do: {row}")
    print(*wrong, sep="\n")
    print(f"{len(given)} sentences, {len(named)} errno values, {len(wrong)} faults")
    return 1 if wrong or not given or not of_calls else 0


if __name__ == "__main__":
    sys.exit(main())
