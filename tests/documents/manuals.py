#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the manual pages: manuals.py BUILD     BUILD: a configured tree; its pages are installed and looked at.

- mandoc has nothing to say against a page, from warnings on;
- each function of baton/soc.h has a page that names it in NAME, and in SYNOPSIS with the prototype of the header, and
  the pages have no other functions; each constant of it stands in a page;
- a page of a function has all sections; each errno of its ERRORS stands in docs/errors.md;
- a reference to a page of ours leads to one, and each name of NAME is found as a page once installed.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUES", "EXAMPLES", "ERRORS", "SEE ALSO")
OURS = re.compile(r"(soc_|baton|libbaton)")


def normal(prototype: str) -> str:
    """One way to write it: no blanks but between words."""
    return re.sub(r"\s*([*(),\[\]])\s*", r"\1", " ".join(prototype.split()))


def prototypes_of_header(text: str) -> dict[str, str]:
    text = re.sub(r"/\*.*?\*/|//[^\n]*|^[ \t]*#(\\\n|[^\n])*", "", text, flags=re.S | re.M)
    found = re.findall(r"^([a-z][\w ]*[ *]+)(soc_\w+)(\([^;{]*\));", text, flags=re.M)
    return {name: normal(f"{kind} {name}{arguments}") for kind, name, arguments in found}


def sections_of(page: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in page.splitlines():
        if line.startswith(".Sh "):
            current = sections.setdefault(line[4:].strip('"'), [])
        elif sections:
            current.append(line)
    return sections


def prototypes_of_page(synopsis: list[str]) -> dict[str, str]:
    found, kind = {}, ""
    for line in synopsis:
        if line.startswith(".Ft "):
            kind = line[4:]
        elif line.startswith(".Fn "):
            name, rest = re.match(r"\.Fn (\S+)\s*(.*)$", line).groups()
            arguments = re.findall(r'"([^"]*)"|(\S+)', rest)
            found[name] = normal(f"{kind} {name}({', '.join(a or b for a, b in arguments)})")
    return found


def names_of(page: list[str]) -> list[str]:
    return [match[1] for line in page if (match := re.match(r"\.Nm (\S+)", line))]


def references(text: str) -> list[tuple[str, str]]:
    found = []
    for line in text.splitlines():
        if re.match(r"\.(.* )?Xr ", line):
            found += re.findall(r"\bXr (\S+) (\d)", line)
            found += re.findall(r" , (\S+) (\d)\b", line) if line.startswith(".Xr ") else []
    return [(name.replace(r"\-", "-"), section) for name, section in found]


def check_page(path: Path, header: dict[str, str], known_errors: set[str]) -> list[str]:
    """What is wrong with it."""
    text = path.read_text()
    sections = sections_of(text)
    wrong = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(path)], capture_output=True, text=True,
                           check=False).stdout.splitlines()
    if path.suffix != ".3":
        return wrong
    wrong += [f"{path.name}: no section {name}" for name in SECTIONS if name not in sections]
    stated = prototypes_of_page(sections.get("SYNOPSIS", []))
    for name in names_of(sections.get("NAME", [])):
        if name not in stated:
            wrong.append(f"{path.name}: {name} is in NAME and not in SYNOPSIS")
    for name, prototype in stated.items():
        if prototype != header.get(name):
            wrong.append(f"{path.name}: {prototype}\n    the header has: {header.get(name)}")
    for error in re.findall(r"^\.It .*", "\n".join(sections.get("ERRORS", [])), flags=re.M):
        wrong += [f"{path.name}: {name} is not in docs/errors.md" for name in re.findall(r"\bE[A-Z0-9]+\b", error)
                  if name not in known_errors]
    return wrong


def installed_pages(build: str) -> set[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cmake", "--install", build, "--prefix", folder, "--component", "manuals"], check=True,
                       stdout=subprocess.DEVNULL)
        for page in Path(folder).rglob("*.[1-8]"):
            link = re.fullmatch(r"\.so (man\d/\S+)\n", page.read_text())
            if link and not (page.parents[1] / link[1]).is_file():
                raise SystemExit(f"{page}: leads to {link[1]}, which is not installed")
        return {(page.stem, page.suffix[1]) for page in Path(folder).rglob("man*/*.[1-8]")}


def main() -> int:
    text = (ROOT / "include/baton/soc.h").read_text()
    header = prototypes_of_header(text)
    known_errors = set(re.findall(r"\bE[A-Z0-9]{2,}\b", (ROOT / "docs/errors.md").read_text()))
    pages = sorted(ROOT.glob("docs/man/*.[1-8]"))
    installed = installed_pages(sys.argv[1])
    wrong, named = [], set()
    for path in pages:
        wrong += check_page(path, header, known_errors)
        for name in names_of(sections_of(path.read_text()).get("NAME", [])):
            named.add(name)
            if (name, path.suffix[1]) not in installed:
                wrong.append(f"{path.name}: {name}({path.suffix[1]}) is not installed")
        for name, section in references(path.read_text()):
            if OURS.match(name) and (name, section) not in installed:
                wrong.append(f"{path.name}: leads to {name}({section}), which does not exist")
    wrong += [f"{name}: no page names it" for name in header if name not in named]
    told = "".join(path.read_text() for path in pages)
    macros = re.findall(r"^#define ((?:TPOPT|RED|REDBIND|SOC|SOL|AF)_\w+)", text, flags=re.M)
    wrong += [f"{macro}: no page tells of it" for macro in macros if not re.search(rf"\b{macro}\b", told)]
    print(*wrong, sep="\n")
    print(f"{len(pages)} pages, {len(header)} functions, {len(wrong)} faults")
    return 1 if wrong or not header or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
