#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each link of a Markdown document to a file of the sources leads to one, and to a heading that the file has."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def main() -> int:
    count, wrong = 0, []
    for document in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("python/**/*.md")]):
        text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.S | re.M)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            count += 1
            path, _, anchor = link.partition("#")
            target = (document.parent / path).resolve() if path else document
            if not target.exists():
                wrong.append(f"{document.relative_to(ROOT)}: {link} does not exist")
            elif anchor and anchor not in anchors(target):
                wrong.append(f"{document.relative_to(ROOT)}: {link}: no such heading")
    print(*wrong, sep="\n")
    print(f"{count} links, {len(wrong)} lead nowhere")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
