#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes Doxygen read the comments of the public headers: reference_filter.py FILE writes the file to standard output.

The headers are written for those who read them: /* */ and // without marks, sentences before what they are about. Here
they get the marks. Each function of baton/soc.h gets what its manual page says it is for, with the page's name.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMENT = re.compile(r"/\*.*?\*/", re.S)
PROTOTYPE = re.compile(r"^[a-z][\w ]*[ *]+(soc_\w+)\([^;{]*\);", re.M)


def escaped(text: str) -> str:
    """Nothing in it is a command or an element to Doxygen."""
    return re.sub(r"([\\@<&#])", r"\\\1", text)


def pages() -> dict[str, str]:
    """Function -> what it is for, and where that is said at length."""
    found = {}
    for page in sorted(ROOT.glob("docs/man/*.3")):
        name_section = page.read_text().split(".Sh NAME\n")[1].split(".Sh ")[0]
        purpose = re.search(r"^\.Nd (.*)$", name_section, re.M)[1]
        for name in re.findall(r"^\.Nm (\S+)", name_section, re.M):
            found[name] = f"Manual page {page.stem}(3): {escaped(purpose)}."
    return found


def head(text: str) -> str:
    """The first comment of a file is about the file; its drawings stay as they are."""
    return "/** \\file\n\\verbatim\n" + text.replace("*/", "* /") + "\n\\endverbatim */\n"


def c_header(text: str) -> str:
    first = COMMENT.match(text)
    lines = [re.sub(r"^ \*", "", line) for line in first[0][2:-2].splitlines()]
    rest = text[first.end():]
    out, end = [head("\n".join(lines[1:]).rstrip())], 0
    for comment in COMMENT.finditer(rest):
        before, after = rest[end:comment.start()], rest[comment.end():]
        out.append(before)
        end = comment.end()
        body = escaped(comment[0][2:-2])
        line = before.rpartition("\n")[2]
        if line.strip():
            out.append(f"/**<{body}*/")  # behind what it is about
        elif re.match(r"\n[ \t]*[^\s/]", after) and not body.startswith(" ---"):
            out.append(f"/**{body}*/")
        else:
            out.append(comment[0])  # a heading
    out.append(rest[end:])
    return with_pages("".join(out))


def with_pages(text: str) -> str:
    """Each function's page: at the end of its own comment, or as its comment."""
    known, out, end = pages(), [], 0
    for prototype in PROTOTYPE.finditer(text):
        before = text[end:prototype.start()]
        own = re.search(r"/\*\*(?:(?!\*/).)*(?P<close> \*/\n)\Z", before, re.S)
        page = known[prototype[1]]
        before = f"{before[:own.start('close')]}\n\n{page} */\n" if own else f"{before}/** {page} */\n"
        out += [before, prototype[0]]
        end = prototype.end()
    return "".join(out) + text[end:]


def cpp_header(text: str) -> str:
    lines = text.splitlines()
    count = next(i for i, line in enumerate(lines) if not line.startswith("//"))
    rest = [re.sub(r"(///<?)(.*)$", lambda match: match[1] + escaped(match[2]), line) for line in lines[count:]]
    return head("\n".join(line.removeprefix("//") for line in lines[1:count])) + "\n".join(rest) + "\n"


def main() -> int:
    path = Path(sys.argv[1])
    text = path.read_text()
    if path.suffix == ".h":
        text = c_header(text)
    elif path.suffix == ".hpp":
        text = cpp_header(text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
