#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""baton: tests/install/readme_programs.py: takes the programs out of README.md, so that they can be built elsewhere.

    readme_programs.py FOLDER     writes them into FOLDER: run<N>.c and run<N>.cpp, whole programs (marked `run`), and
                                  move.c, the function move(), for readme_listener.c

Ends with 1 where README.md has neither a program in C nor the function, or none in C++ though there are headers for it.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/documents"))
sys.dont_write_bytecode = True
from blocks import blocks_of  # noqa: E402


def main() -> int:
    folder = Path(sys.argv[1])
    suffix = {"c": ".c", "cpp": ".cpp"}
    written = set()
    for block in blocks_of(ROOT / "README.md"):
        if block.language not in suffix:
            continue
        if block.mark == "run":
            name = f"run{len(written)}{suffix[block.language]}"
        elif block.language == "c" and "\nint move(int s, int accepted) {" in block.text:
            name = "move.c"
        elif "int main(" in block.text:
            print(f"{block.place()}: a whole program that is not marked `run` is not run", file=sys.stderr)
            return 1
        else:
            continue
        (folder / name).write_text(block.text)
        written.add(name)
    if not any(name.endswith(".c") for name in written):
        print("README.md has no program in C, nor the function move()", file=sys.stderr)
        return 1
    shown = any(block.language == "cpp" for block in blocks_of(ROOT / "README.md"))
    if shown and not any(name.endswith(".cpp") for name in written):
        print("README.md has C++, but no block marked `run`", file=sys.stderr)
        return 1
    print("\n".join(sorted(written)))
    return 0


sys.exit(main())
