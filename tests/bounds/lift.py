#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes files of src/ once more, with bounds that a program can set: lift.py SRC OUT FILE:NAME[:NAME...]...

Fails where a file no longer has the constant, so that no bound goes missing unseen.
"""
import re
import sys
from pathlib import Path


def lift(text: str, file: str, names: list[str]) -> str:
    for name in names:
        text, found = re.subn(rf"constexpr ([\w:]+) {name} = ([^;]+);",
                              rf'const \1 {name} = baton::bounds::lifted<\1>("{name}", \2);', text)
        if found != 1:
            sys.exit(f"{file} has no constant {name} of the form that lift.py knows")
    # Before the first other inclusion.
    return text.replace("#include", '#include "lifted.hpp"\n#include', 1)


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for argument in sys.argv[3:]:
        file, *names = argument.split(":")
        target = out / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(lift((source / file).read_text(encoding="utf-8"), file, names), encoding="utf-8")


if __name__ == "__main__":
    main()
