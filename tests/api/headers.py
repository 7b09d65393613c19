#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The headers of the C++ API: headers.py alone | asio | misuse

alone    each header compiles as the first and only one, without a warning, with g++ and with clang
asio     the same for those that need Asio, which do not need its coroutines
misuse   what must not compile does not, for the reason meant: beside each snippet stands the same with the mistake mended,
         which has to compile, and the compiler's message has to name what is wrong
Ends with 0 if all is well.
"""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPILERS = ("g++", "clang++-19")
WARNINGS = ("-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wundef -Wnon-virtual-dtor "
            "-Wold-style-cast -Wswitch-enum -Werror").split()
# Those that need what is not part of baton: with Asio.
NEED_ASIO = ("asio.hpp", "asio_detail.hpp", "asio_operations.hpp")

BEGIN = """#include <baton/baton.hpp>
using namespace baton;
using namespace std::chrono_literals;
"""
ARGUMENTS = ("[[maybe_unused]] Link& link, [[maybe_unused]] Connection& connection, [[maybe_unused]] Incoming& incoming, "
             "[[maybe_unused]] Listener& listener, [[maybe_unused]] LinkListener& links")

# What is tried, the mistake, the same mended, and a word of which the message has at least one.
MISUSES = {
    "a Connection is not copied": (
        "Connection other = connection;", "Connection other = std::move(connection);", ("deleted", "copy")),
    "a Connection is not assigned a copy": (
        "Connection other; other = connection;", "Connection other; other = std::move(connection);", ("deleted", "copy")),
    "a Link is not copied": ("Link other = link;", "Link other = std::move(link);", ("deleted", "copy")),
    "a Listener is not copied": ("Listener other = listener;", "Listener other = std::move(listener);", ("deleted", "copy")),
    "a LinkListener is not copied": (
        "LinkListener other = links;", "LinkListener other = std::move(links);", ("deleted", "copy")),
    "an Incoming is not copied": ("Incoming other = incoming;", "Incoming other = std::move(incoming);", ("deleted", "copy")),
    "a move is not copied": (
        "auto move = link.begin_offer(std::move(connection)); auto other = *move; (void)other;",
        "auto move = link.begin_offer(std::move(connection)); auto other = std::move(*move); (void)other;",
        ("deleted", "copy")),
    "a Connection is no number": (
        "int number = connection; (void)number;", "int number = connection.native_handle(); (void)number;", ("convert", "conversion")),
    "a number is no Connection": (
        "Connection other = 3;", "Connection other = Connection::adopt(3);", ("convert", "conversion")),
    "an offer takes the connection away visibly": (
        "(void)link.offer(connection);", "(void)link.offer(std::move(connection));", ("no match",)),
    "begin_offer does too": (
        "(void)link.begin_offer(connection);", "(void)link.begin_offer(std::move(connection));", ("no match",)),
    "give does too": (
        "(void)link.give(connection);", "(void)link.give(std::move(connection));", ("no match",)),
    "a released descriptor is not looked at twice": (
        "(void)connection.release();", "(void)std::move(connection).release();", ("rvalue", "discards qualifiers", "lvalue")),
    "the outcome of an offer is looked at": (
        "link.offer(std::move(connection));", "(void)link.offer(std::move(connection));", ("nodiscard",)),
    "a move that is under way is kept": (
        "link.begin_offer(std::move(connection));", "auto move = link.begin_offer(std::move(connection));", ("nodiscard",)),
    "an offer that has come is kept": ("link.await_offer();", "auto offer = link.await_offer();", ("nodiscard",)),
    "how much was given is looked at": (
        "Outgoing one; link.give({&one, 1});", "Outgoing one; (void)link.give({&one, 1});", ("nodiscard",)),
    "what was taken is kept": ("link.take();", "auto taken = link.take();", ("nodiscard",)),
    "what was given back is kept": ("link.outcomes();", "auto outcomes = link.outcomes();", ("nodiscard",)),
    "a short write is looked at": (
        'connection.write_some("x");', '(void)connection.write_some("x");', ("nodiscard",)),
    "a failed write is looked at": ('connection.write("x");', '(void)connection.write("x");', ("nodiscard",)),
    "a released number is kept": (
        "std::move(connection).release();", "(void)std::move(connection).release();", ("nodiscard",)),
    "an Incoming is accepted once": (
        "(void)incoming.accept();", "(void)std::move(incoming).accept();", ("rvalue", "discards qualifiers", "lvalue")),
    "an Incoming is begun once": (
        "(void)incoming.begin_accept();", "(void)std::move(incoming).begin_accept();", ("rvalue", "discards qualifiers", "lvalue")),
    "an Incoming is refused once": (
        "(void)incoming.refuse();", "(void)std::move(incoming).refuse();", ("rvalue", "discards qualifiers", "lvalue")),
    "a refusal is no acceptance": (
        "(void)std::move(incoming).refuse(1);", "(void)std::move(incoming).refuse(Refusal::Busy);", ("convert", "conversion", "initialize")),
    "a number is no deadline": (
        "(void)listener.accept(5);", "(void)listener.accept(5s);", ("convert", "conversion", "no match")),
    "no number is, nor is 0": (
        "(void)links.accept(0);", "(void)links.accept(Deadline::now());", ("convert", "conversion", "no match")),
    "nor in an offer": (
        "(void)link.offer(std::move(connection), 0);", "(void)link.offer(std::move(connection), 1ms);",
        ("no match", "ambiguous", "convert")),
    "a deadline is no number": (
        "int left = Deadline::now(); (void)left;", "int left = Deadline::now().milliseconds(); (void)left;",
        ("convert", "conversion")),
    "a time of day is no deadline": (
        "(void)listener.accept(std::chrono::system_clock::now());", "(void)listener.accept(std::chrono::steady_clock::now());",
        ("convert", "conversion", "no match")),
    "a TSEL of a literal has at most 32 octets": (
        'constexpr Selector long_one = "123456789012345678901234567890123"; (void)long_one;',
        'constexpr Selector long_one = "12345678901234567890123456789012"; (void)long_one;', ("convert", "conversion", "constraint", "no match")),
    "a TSEL of a buffer is checked when the program runs": (
        'char text[] = "work"; (void)Link::connect(text);', 'char text[] = "work"; (void)Link::connect(Selector::from_text(text).value());',
        ("constant", "consteval")),
    "a Group is not copied": (
        "Group group{link}; Group other = group;", "Group group{link}; Group other = std::move(group);", ("deleted", "copy")),
    "a group takes end points away visibly": (
        "Group group{link}; (void)group.add(listener);", "Group group{link}; (void)group.add(std::move(listener));",
        ("no match",)),
    "whether a group is committed is looked at": (
        "Group group{link}; group.commit();", "Group group{link}; (void)group.commit();", ("nodiscard",)),
    "a group that has come is kept": (
        "HeldGroup group{link}; group.ready();", "HeldGroup group{link}; auto all = group.ready();", ("nodiscard",)),
    "an error is no success": (
        "if (link.await_offer().error()) {}", "if (!link.await_offer()) {}", ("convert", "conversion")),
}


def compile_text(compiler: str, text: str, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run([compiler, "-std=c++23", *WARNINGS, *options, f"-I{ROOT / 'include'}", "-fsyntax-only", "-x", "c++", "-"],
                          input=text, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})


def check_alone(job: tuple[str, str]) -> list[str]:
    compiler, header = job
    # Twice: the guard holds.
    done = compile_text(compiler, f"#include <baton/{header}>\n#include <baton/{header}>\nint main() {{}}\n")
    return [] if done.returncode == 0 else [f"{compiler}: baton/{header}:\n{done.stderr[:2000]}"]


def program(snippets: list[str]) -> str:
    """A function for each; messages about it name it as file `snippet`, line as its place in the list."""
    return BEGIN + "".join(f'#line {i} "snippet"\nvoid user{i}({ARGUMENTS}) {{ {snippet} }}\n' for i, snippet in enumerate(snippets, 1))


def messages(text: str) -> dict[int, str]:
    """What the compiler says of each snippet, from an error on to the next."""
    found: dict[int, str] = {}
    current = 0
    for line in text.splitlines():
        if match := re.match(r"snippet:(\d+):\d+: error: ", line):
            current = int(match[1])
        elif " error: " in line:
            current = 0
        if current:
            found[current] = found.get(current, "") + line + "\n"
    return found


def check_misuse(compiler: str) -> list[str]:
    control = compile_text(compiler, program([right for _, right, _ in MISUSES.values()]))
    faults = [] if control.returncode == 0 else [f"{compiler}: the right forms do not compile:\n{control.stderr[:4000]}"]
    limit = "-fmax-errors=0" if "clang" not in compiler else "-ferror-limit=0"
    said = messages(compile_text(compiler, program([wrong for wrong, _, _ in MISUSES.values()]), limit).stderr)
    # clang has other words for the same.
    names = {"no match": "no matching", "nodiscard": "unused-result"}
    for i, (what, (wrong, _, words)) in enumerate(MISUSES.items(), 1):
        if i not in said:
            faults.append(f"{compiler}: {what}: compiles: {wrong}")
        elif not any(word in said[i] for word in [*words, *(names[word] for word in words if word in names)]):
            faults.append(f"{compiler}: {what}: does not compile for another reason: {said[i][:500]}")
    return faults


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in ("alone", "asio", "misuse"):
        sys.exit(__doc__)
    headers = sorted(p.name for p in (ROOT / "include/baton").glob("*.hpp") if (p.name in NEED_ASIO) == (sys.argv[1] == "asio"))
    with ThreadPoolExecutor(2) as pool:
        if sys.argv[1] in ("alone", "asio"):
            found = list(pool.map(check_alone, [(compiler, header) for compiler in COMPILERS for header in headers]))
        else:
            found = list(pool.map(check_misuse, COMPILERS))
    faults = [fault for each in found for fault in each]
    for fault in faults:
        print(fault)
    print(f"{len(headers)} headers, {len(MISUSES)} misuses, {len(faults)} faults")
    return 1 if faults or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
