# SPDX-License-Identifier: MIT
"""The examples in the documents: the fenced blocks of Markdown, and the displays in the EXAMPLES of manual pages.

In Markdown a comment before the block says what is to be done with it:

    <!-- run -->              a whole program, or a script: built, run, its exit status is 0
    <!-- output -->           what the block before prints; a line "..." stands for any lines
    <!-- file: NAME -->       goes under that name into the folder in which the scripts of the document run
    <!-- uses: DOCUMENT -->   on its own: the files of that document are in the folder too
    <!-- compile -->          declarations and functions: compiled
    <!-- body: SIGNATURE -->  statements: compiled as the body of this function
    <!-- fragment: WHY -->    not compiled

In a manual page the comment has the language too:  .\\" c body: int f(int s)   or   .\\" sh run
"""

import re
from pathlib import Path
from typing import Iterator, NamedTuple

NEEDS_MARK = ("c", "cpp", "python", "sh", "cmake")
MARK = re.compile(r"(run|output|file|compile|body|fragment)(?::\s*(.*\S))?\s*$")


class Block(NamedTuple):
    document: Path
    line: int  # of its first line of text
    language: str
    mark: str  # "" if there is none
    argument: str
    text: str

    def place(self) -> str:
        return f"{self.document}:{self.line}"


def blocks_of(document: Path) -> Iterator[Block]:
    lines = document.read_text().splitlines()
    return in_markdown(document, lines) if document.suffix == ".md" else in_manual(document, lines)


def used_by(document: Path) -> list[Path]:
    """The documents whose files it uses."""
    names = re.findall(r"^<!-- uses: (\S+) -->$", document.read_text(), flags=re.M)
    return [document.parent / name for name in names]


def in_markdown(document: Path, lines: list[str]) -> Iterator[Block]:
    mark, argument = "", ""
    start = None
    for number, line in enumerate(lines, 1):
        fence = re.match(r"(\s*)```(\S*)\s*$", line)
        if start is not None:
            if fence and not fence[2]:
                text = [each.removeprefix(indent) for each in lines[start:number - 1]]
                yield Block(document, start + 1, language, mark, argument, "\n".join(text) + "\n")
                start, mark, argument = None, "", ""
            continue
        if fence:
            start, indent, language = number, fence[1], fence[2]
            continue
        comment = re.match(r"\s*<!--\s*(.*?)\s*-->\s*$", line)
        found = comment and MARK.match(comment[1])
        if found:
            mark, argument = found[1], found[2] or ""
        elif line.strip():
            mark, argument = "", ""
    if start is not None:
        raise ValueError(f"{document}:{start}: the block has no end")


def plain(line: str) -> str:
    """What the formatter makes of a line of a literal display."""
    line = re.sub(r"^\\&", "", line)
    for escape, text in ((r"\(dq", '"'), (r"\(aq", "'"), (r"\(ti", "~"), (r"\(ha", "^"), (r"\-", "-"), (r"\&", ""),
                         (r"\ ", " ")):
        line = line.replace(escape, text)
    return line.replace(r"\e", "\\")


def in_manual(document: Path, lines: list[str]) -> Iterator[Block]:
    section, mark, language, argument = "", "", "", ""
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.startswith(".Sh "):
            section = line[4:]
        if section != "EXAMPLES":
            continue
        comment = re.match(r'\.\\"\s+(c|cpp|python|sh|text)\s+(.*)$', line)
        found = comment and MARK.match(comment[2])
        if found:
            language, mark, argument = comment[1], found[1], found[2] or ""
            continue
        start = number
        text = []
        if line.startswith(".Bd "):
            while not lines[number].startswith(".Ed"):
                text.append(plain(lines[number]))
                number += 1
            start += 1
        elif line.startswith(".Dl "):
            number -= 1
            while number < len(lines) and lines[number].startswith(".Dl "):
                text.append(plain(lines[number][4:]))
                number += 1
        else:
            continue
        yield Block(document, start, language or "sh", mark, argument, "\n".join(text) + "\n")
        mark, language, argument = "", "", ""


def documents(root: Path) -> list[Path]:
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("python/*.md"), *root.glob("docs/man/*.[1-8]")])


def missing_marks(block: Block) -> str:
    """What is wrong with the way the block is marked, or nothing."""
    if not block.language:
        return "the block says no language: ```c, cpp, python, sh, cmake; ```text for what is none"
    if not block.mark and block.language in NEEDS_MARK:
        return f"{block.language}: neither compiled nor run, and not marked as a fragment (tests/documents/blocks.py)"
    if block.mark in ("file", "body", "fragment") and not block.argument:
        return f"the mark '{block.mark}' says nothing behind its colon"
    if block.mark in ("compile", "body") and block.language not in ("c", "cpp", "python"):
        return f"{block.language} cannot be compiled"
    return ""
