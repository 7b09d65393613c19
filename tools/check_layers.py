#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the rules of the house that a script can check; HACKING.md lists them.

check_layers.py [ROOT]   prints one line per violation, "file:line: what"; exit status 1 if there is any.
"""

import re
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

# No system call, no clock, no descriptor.
PURE = ("base", "cotp", "transport", "tsap", "handoff", "recognise", "routing")
# Who may include whom: a room and all that it may see.
BASE = {"base"}
ALLOWED = {
    "base": set(),
    "cotp": BASE,
    "transport": BASE | {"cotp"},
    "tsap": BASE,
    "handoff": BASE | {"cotp", "transport", "tsap"},
    "os": BASE,
    "link": BASE | {"os", "tsap"},
    "recognise": BASE | {"cotp", "tsap"},
    "routing": BASE | {"tsap", "recognise"},
}
ALLOWED["endpoint"] = ALLOWED["handoff"] | ALLOWED["link"] | {"handoff", "link"}
ALLOWED["capi"] = ALLOWED["endpoint"] | {"endpoint"}
# The C++ API is header-only (include/baton/*.hpp) over the C calls: its room holds the unit tests, which see what a user
# sees. They are linked with the library's rooms.
ALLOWED["api"] = set()
LINKED_WITH = {"api": {"capi"}}
ALLOWED["preload"] = BASE | {"os", "tsap"}
ALLOWED["dispatch"] = ALLOWED["endpoint"] | {"endpoint", "recognise", "routing"}
# Of batond: its configuration file alone.
ALLOWED["cli"] = ALLOWED["endpoint"] | {"endpoint", "dispatch", "routing"}

# Programs may print, and may read and write descriptors of their own; the rest is library.
PROGRAMS = ("cli", "dispatch")
# Rooms that may see the public headers (include/).
PUBLIC_HEADER_USERS = ("endpoint", "capi", "api", "preload", *PROGRAMS)
# Besides os/, which files may make system calls.
SYSTEM_CALLERS = ("src/base/unique_fd.cpp",)
# Tests stand beside the source, and so do the headers that only tests include.
TEST_STEM = re.compile(r"(_test|_fixture|_for_tests|^test_support)$")
MAX_LINES = 500
EXCUSE = re.compile(r"Longer than 500 lines because \S")

SYSTEM_HEADER = re.compile(
    r"(sys|net|netinet|netpacket|arpa|linux|asm|asm-generic)/.*|"
    r"(unistd|fcntl|poll|signal|pthread|sched|spawn|dirent|ifaddrs|netdb|termios|time|syslog|dlfcn)\.h|"
    r"csignal|ctime|fstream|iostream|filesystem|thread")
# Only the type iovec; the calls that it declares are looked for by name.
VALUE_HEADERS = frozenset({"sys/uio.h"})
# For inet_pton and inet_ntop, which are pure, in the one file that needs them.
ADDRESS_HEADER, ADDRESS_FILE = "arpa/inet.h", "src/recognise/ip_address.cpp"
CLOCK = re.compile(r"\b(\w*clock\s*::\s*now|clock_gettime|gettimeofday|timespec_get)\s*\(|(?<![\w.>])::\s*time\s*\("
                   r"|\bstd\s*::\s*time\s*\(")
PRINTS = re.compile(r"\b(printf|fprintf|vfprintf|puts|fputs|putchar|perror|syslog|std\s*::\s*(cout|cerr|clog|print|println))\b")
# sigaction(number, nullptr, ...) only asks.
SIGNAL_HANDLER = re.compile(r"\b(sigaction|signal|sigset)\s*\((?![^(),]*,\s*nullptr\s*,)")
THROW = re.compile(r"\bthrow\b")
ANCILLARY = re.compile(r"\bCMSG_(FIRSTHDR|NXTHDR|DATA|SPACE|LEN|ALIGN)\b")

SOCKET_CALLS = frozenset(
    "socket socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt "
    "send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg".split())
DESCRIPTOR_CALLS = frozenset(
    "read readv pread write writev pwrite close close_range dup dup2 dup3 fcntl ioctl poll ppoll select pselect "
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait".split())
CALL = re.compile(r"\b([a-z]\w*)\s*\(")
LAST_WORD = re.compile(r"(\w+)\s*$")
STATEMENT_WORDS = frozenset("return co_return co_await co_yield throw else do and or not".split())

LEXEME = re.compile(
    r'//[^\n]*|/\*.*?\*/|(?:u8|[uUL])?R"(?P<d>[^()\\\s]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"'
    r"|\b[0-9](?:'?[\w.])*|'(?:\\.|[^'\\\n])+'", re.DOTALL)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]*)"|<([^>\n]*)>)', re.MULTILINE)
ROOM_IN_BUILD = re.compile(r"^\s*baton_room\((\w+)(?:\s+DEPENDS\s+([\w\s]+))?\)", re.MULTILINE)


class Violation(NamedTuple):
    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def without_comments(source: str) -> str:
    """The same lines and columns, comments blanked."""
    return LEXEME.sub(lambda m: _blank(m[0]) if m[0].startswith(("//", "/*")) else m[0], source)


def without_comments_and_strings(source: str) -> str:
    def blanked(match: re.Match) -> str:
        text = match[0]
        if text.startswith(("//", "/*")):
            return _blank(text)
        if text[0].isdigit():
            return text
        return text[0] + _blank(text[1:-1]) + text[-1]

    return LEXEME.sub(blanked, source)


class SourceFile:
    def __init__(self, root: Path, path: Path):
        self.name = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.is_test = bool(TEST_STEM.search(path.stem))
        self.is_header = path.suffix in (".hpp", ".h")
        self.room = self.name.split("/")[1] if self.name.startswith("src/") and self.name.count("/") > 1 else ""
        code = without_comments(self.text)
        self.code = without_comments_and_strings(self.text)
        # (line, header, quoted?)
        self.includes = [(code.count("\n", 0, m.start()) + 1, m[1] if m[1] is not None else m[2], m[1] is not None)
                         for m in INCLUDE.finditer(code)]

    def at(self, offset: int) -> int:
        return self.code.count("\n", 0, offset) + 1

    def violation(self, line: int, what: str) -> Violation:
        return Violation(self.name, line, what)

    def found(self, pattern: re.Pattern, what: str) -> Iterator[Violation]:
        for match in pattern.finditer(self.code):
            yield self.violation(self.at(match.start()), f"`{match[0].strip()}`: {what}")

    def calls(self) -> Iterator[tuple[int, str, str]]:
        """(line, name, kind) of everything of the form `name(`. kind: "global" for `::name(`, "declared" for
        `type name(`, "plain" for the rest. Members and names with a scope are left out."""
        for match in CALL.finditer(self.code):
            before = self.code[max(0, match.start() - 120):match.start()].rstrip()
            word = LAST_WORD.search(before)
            kind = "plain"
            if before.endswith((".", "->", "~")):
                continue
            if before.endswith("::"):
                if re.search(r"[\w>]::$", before):
                    continue
                kind = "global"
            # clang-format writes `type* name(` for a declaration and `a * name(` for a product.
            elif (word and word[1] not in STATEMENT_WORDS) or re.search(r">$|[\w>][*&]+$", before):
                kind = "declared"
            yield self.at(match.start()), match[1], kind


def check_form(file: SourceFile) -> Iterator[Violation]:
    if not file.lines or "SPDX-License-Identifier: MIT" not in file.lines[0]:
        yield file.violation(1, "the first line has no SPDX-License-Identifier")
    if file.is_header and file.room:
        title = f"// baton: {file.name.removeprefix('src/')}: "
        if len(file.lines) < 2 or not file.lines[1].startswith(title):
            yield file.violation(2, f"a header says what it is for: the second line starts with `{title.strip()}`")
    if len(file.lines) > MAX_LINES and not EXCUSE.search("\n".join(file.lines[:12])):
        yield file.violation(MAX_LINES + 1, f"{len(file.lines)} lines, more than {MAX_LINES}, and none of the first 12 says "
                                            "`Longer than 500 lines because ...`")


def check_includes(root: Path, file: SourceFile) -> Iterator[Violation]:
    for line, header, quoted in file.includes:
        folder = header.split("/")[0]
        public = (root / "include" / header).is_file()
        if not file.room:  # a public header
            if folder in ALLOWED and "/" in header and not public:
                yield file.violation(line, f"a public header includes {header}, of a room")
            elif file.name.startswith("include/baton/") and (quoted or (folder == "baton" and not public)):
                yield file.violation(line, f"a public header includes {header}: other public ones are <baton/...>")
            continue
        if public and header.startswith(("baton/", "bs2000/")):
            if file.room not in PUBLIC_HEADER_USERS:
                yield file.violation(line, f"{file.room} may not include a public header: {header}")
            continue
        if folder in ALLOWED and "/" in header and (quoted or (root / "src" / header).is_file()):
            if not quoted:
                yield file.violation(line, f"include <{header}> is written with quotation marks")
            if folder != file.room and folder not in ALLOWED[file.room]:
                yield file.violation(line, f"{file.room} may not include {folder}: {header}")
            elif not (root / "src" / header).is_file():
                yield file.violation(line, f"there is no src/{header}")
            elif TEST_STEM.search(Path(header).stem) and not file.is_test:
                yield file.violation(line, f"{header} is for tests only")
        elif quoted:
            yield file.violation(line, f'include "{header}" is not written from src/')
        if file.room in PURE and not file.is_test:
            allowed = header in VALUE_HEADERS or (header, file.name) == (ADDRESS_HEADER, ADDRESS_FILE)
            if SYSTEM_HEADER.fullmatch(header) and not allowed and file.name not in SYSTEM_CALLERS:
                yield file.violation(line, f"{file.room} is pure and may not include <{header}>")
            if header == "base/unique_fd.hpp" and file.room != "base":
                yield file.violation(line, f"{file.room} is pure and may not know descriptors")


def check_code(file: SourceFile, own_names: set[str]) -> Iterator[Violation]:
    if file.is_test or not file.room:
        return
    if file.room in PURE:
        yield from file.found(CLOCK, "a pure room knows no clock; `now` is a parameter")
    if file.room not in PROGRAMS:
        yield from file.found(PRINTS, "library code never prints")
        yield from file.found(SIGNAL_HANDLER, "library code never installs a signal handler")
        yield from file.found(THROW, "no exceptions in the core")
    if file.room == "os" or file.name in SYSTEM_CALLERS:
        return
    yield from file.found(ANCILLARY, "only os/ touches ancillary data")
    guarded = SOCKET_CALLS if file.room in PROGRAMS else SOCKET_CALLS | DESCRIPTOR_CALLS
    for line, name, kind in file.calls():
        if name not in guarded or kind == "declared" or (kind == "plain" and name in own_names):
            continue
        yield file.violation(line, f"`{'::' if kind == 'global' else ''}{name}(`: only os/ makes system calls on descriptors")


def check_build(root: Path) -> Iterator[Violation]:
    """The libraries of the build depend on each other as the rooms do."""
    path = root / "CMakeLists.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for match in ROOM_IN_BUILD.finditer(text):
        room, below = match[1], (match[2] or "").split()
        for other in below:
            if other not in ALLOWED.get(room, set()) | LINKED_WITH.get(room, set()):
                line = text.count("\n", 0, match.start()) + 1
                yield Violation(path.name, line, f"{room} may not depend on {other}")


def violations(root: Path) -> list[Violation]:
    """All violations below root, in order of files and lines."""
    paths = [p for folder in ("src", "include") for p in sorted((root / folder).rglob("*"))
             if p.is_file() and p.suffix in (".cpp", ".hpp", ".c", ".h")]
    files = [SourceFile(root, path) for path in paths]
    # Names that a room declares itself: without "::" before them they mean the room's own function.
    own_names: dict[str, set[str]] = {}
    for file in files:
        own_names.setdefault(file.room, set()).update(name for _, name, kind in file.calls() if kind == "declared")
    found: list[Violation] = []
    for file in files:
        found += check_form(file)
        if file.room and file.room not in ALLOWED:
            found.append(file.violation(1, f"src/{file.room} is no room of the house: tools/check_layers.py lists them"))
            continue
        if file.name.startswith("src/") and not file.room:
            found.append(file.violation(1, "a source stands in a room, not in src/ itself"))
            continue
        found += check_includes(root, file)
        found += check_code(file, own_names[file.room])
    return sorted([*found, *check_build(root)])


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    found = violations(root)
    for violation in found:
        print(violation)
    if found:
        print(f"check_layers: {len(found)} violations", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
