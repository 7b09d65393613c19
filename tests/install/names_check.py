#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""baton: tests/install/names_check.py: the plain names of include/bs2000 reach soc_*, whatever the compiler does.

    names_check.py plain     every name, in every order of includes: which symbols are asked for, and do arguments arrive
    names_check.py seed      the same symbols for the two programs that transcribe the handoff's description
    names_check.py headers   each header compiles alone, and leaves no macro with the name of a call
    names_check.py misuse    what must not compile does not

`--all` behind it tries every combination; else `plain` tries a third of them, and clang fewer orders of includes.
gcc and g++ are needed, clang-19 takes part where it is installed. Ends with 0 if all is well.
"""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parent.parent / "include"
INCLUDES = [f"-I{INCLUDE / 'bs2000'}", f"-I{INCLUDE}"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# Those of every combination, and those that are tried with the orders of includes in FEW_ORDERS only.
STANDARDS = {"c": ["c11"], "c++": ["c++17", "c++23"]}
MORE_STANDARDS = {"c": ["gnu11"], "c++": ["c++20"]}
FORTIFIED = ["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
OPTIMISATIONS = [["-O0"], FORTIFIED, ["-O2", "-flto"]]
MORE_OPTIMISATIONS = [["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]]
FEW_ORDERS = ["nothing", "manual's first", "using std"]

PLAIN = set(
    "socket bind listen accept connect getsockname getpeername getsockopt setsockopt "
    "send sendto recv recvfrom sendmsg recvmsg shutdown select".split()
)
LIBC = set("read write close poll fcntl ioctl".split())

# What a program may have included before the manual's headers.
ORDERS = {
    "c": {
        "nothing": "",
        "unistd": "#include <unistd.h>",
        "time and types": "#include <sys/time.h>\n#include <sys/types.h>\n#include <sys/select.h>",
        "types alone": "#include <sys/types.h>",
        "socket": "#include <sys/socket.h>\n#include <sys/select.h>",
        "internet": "#include <netinet/in.h>\n#include <arpa/inet.h>\n#include <netdb.h>",
        "resolver first": "#include <netdb.h>\n#include <arpa/inet.h>\n#include <sys/socket.h>",
        "poll and unix": "#include <poll.h>\n#include <sys/un.h>\n#include <sys/uio.h>\n#include <stdlib.h>",
        "library": "#include <baton/soc.h>",
        "manual's first": "#include <sys.socket.h>\n#include <sys/socket.h>\n#include <sys/time.h>\n#include <netdb.h>\n"
        "#include <arpa/inet.h>\n#include <sys/un.h>\n#include <unistd.h>\n#include <stdlib.h>",
        "manual's backwards": "#include <netinet.in.h>\n#include <ioctl.h>\n#include <sys.uio.h>\n#include <sys.time.h>\n"
        "#include <sys.poll.h>\n#include <iso.h>",
        "GNU": "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif\n#include <sys/socket.h>",
    },
    "c++": {
        "C++ first": "#define WITH_STD_BIND\n#include <iostream>\n#include <string>\n#include <thread>\n#include <functional>",
        "C++ last": "#define WITH_STD_BIND\n#include <sys.socket.h>\n#include <functional>\n#include <thread>\n"
        "#include <string>\n#include <iostream>",
        "using std": "#define WITH_STD_BIND\n#include <functional>\n#include <iostream>\n#include <string>\n"
        "#include <thread>\nusing namespace std;",
        "using std after": "#define WITH_STD_BIND\n#include <sys.socket.h>\n#include <functional>\nusing namespace std;",
        "inside extern C": 'extern "C" {\n#include <stdlib.h>\n#include <sys/types.h>\n#include <sys/socket.h>\n'
        "#include <netdb.h>\n}",
    },
}
ORDERS["c++"] = {**ORDERS["c"], **ORDERS["c++"]}


class Failure(Exception):
    """Something that the test is there to find; its text says what, and how to see it again."""


def run(command, source=None):
    english = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, input=source, text=True, capture_output=True, env=english)


def expect_success(command, source=None):
    result = run(command, source)
    if result.returncode != 0:
        raise Failure(f"{shlex.join(command)}\n--- standard input:\n{source or ''}\n--- said:\n{result.stderr}")
    return result.stdout


def compilers():
    """[(language, compiler)]; a compiler that is needed and missing is a failure."""
    pairs = [("gcc", "g++")]
    if shutil.which("clang-19"):
        pairs.append(("clang-19", "clang++-19"))
    for name in itertools.chain(*pairs):
        if not shutil.which(name):
            sys.exit(f"names_check.py: {name} is not installed")
    return [(language, name) for pair in pairs for language, name in zip(("c", "c++"), pair)]


def variants():
    """(language, compiler, standard) for all that take part."""
    return [
        (language, name, standard)
        for language, name in compilers()
        for standard in STANDARDS[language] + MORE_STANDARDS[language]
    ]


def in_full(compiler, standard, optimisation):
    """Whether this is one of the combinations that are tried with every order of includes."""
    listed = any(standard in some for some in STANDARDS.values()) and optimisation in OPTIMISATIONS
    # `--all` tries clang as fully as gcc; the order of includes is a matter of the headers, not of the compiler.
    return listed and (compiler in ("gcc", "g++") or "--all" in sys.argv)


def asked_for(program):
    """Symbols that a linked program wants from shared libraries, without their versions."""
    lines = expect_success(["nm", "-D", "-u", str(program)]).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def offered(program):
    lines = expect_success(["nm", "-D", "--defined-only", str(program)]).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def of_libc(symbols):
    """Those of the symbols by which the C library would be reached under a plain name."""
    forbidden = PLAIN | {f"__{name}{tail}" for name in PLAIN for tail in ("", "_chk", "64", "_alias")}
    return {symbol for symbol in symbols if symbol in forbidden or symbol.startswith("baton_libc_")}


def build_stub(folder):
    stub = folder / "libstub_soc.so"
    command = ["gcc", "-std=c11", "-O2", *WARNINGS, "-fPIC", "-shared", f"-I{INCLUDE}"]
    expect_success([*command, str(HERE / "stub_soc.c"), "-o", str(stub)])
    return stub


def link(compiler, language, standard, optimisation, source, stub, program):
    expect_success(
        [compiler, f"-std={standard}", *optimisation, *WARNINGS, *INCLUDES, f"-I{HERE}", "-x", language, "-"]
        + ["-x", "none", str(stub), f"-Wl,-rpath,{stub.parent}", "-o", str(program)],
        source,
    )
    symbols = asked_for(program)
    if of_libc(symbols):
        raise Failure(f"asks the C library for {sorted(of_libc(symbols))}")
    if offered(program) & PLAIN:
        raise Failure(f"interposes {sorted(offered(program) & PLAIN)}")
    return symbols


def check_plain(compiler, language, standard, optimisation, order, stub, program):
    source = f'{ORDERS[language][order]}\n#include "plain_names.h"\n'
    symbols = link(compiler, language, standard, optimisation, source, stub, program)
    missing = {f"soc_{name}" for name in PLAIN} - symbols
    missing |= {name for name in LIBC if not symbols & {name, f"__{name}_chk", f"{name}64"}}
    if language == "c++" or order == "GNU":
        missing |= {"accept4"} - symbols
    if compiler in ("gcc", "g++") and "-U_FORTIFY_SOURCE" in optimisation:
        missing |= {"__read_chk"} - symbols  # else this run was not fortified at all
    if missing:
        raise Failure(f"does not ask for {sorted(missing)}")
    if symbols & {f"soc_{name}" for name in LIBC - {"poll"}}:
        raise Failure(f"the C library's own names are redirected: {sorted(symbols)}")
    expect_success([str(program)])


def plain(folder):
    stub = build_stub(folder)
    check_the_check(folder)
    return [
        (check_plain, (compiler, language, standard, optimisation, order, stub))
        for i, (language, compiler, standard) in enumerate(variants())
        for j, optimisation in enumerate(OPTIMISATIONS + MORE_OPTIMISATIONS)
        for k, order in enumerate(ORDERS[language])
        if order in FEW_ORDERS or in_full(compiler, standard, optimisation)
        # A third: each compiler and standard still meets each order of includes, with one optimisation of three.
        if (i + j + k) % 3 == 0 or "--all" in sys.argv
    ]


def check_the_check(folder):
    """Without our headers the same symbols must be found: a check that finds nothing proves nothing."""
    source = (
        "#include <sys/socket.h>\n"
        "int main(int argc, char** argv) {\n"
        "  char octets[4]; (void)argv;\n"
        "  return socket(argc, argc, argc) + (int)recv(argc, octets, (size_t)argc, 0);\n}\n"
    )
    program = folder / "unaided"
    expect_success(["gcc", *FORTIFIED, "-x", "c", "-", "-o", str(program)], source)
    if of_libc(asked_for(program)) != {"socket", "__recv_chk"}:
        raise Failure("a program without baton's headers should ask for socket and __recv_chk")


SEED = {
    "seed_listener.c": "socket bind connect listen getsockname accept sendmsg recvmsg setsockopt close".split(),
    "seed_server.c": "socket bind listen accept recvmsg sendmsg getsockopt read write close".split(),
}


def check_seed(compiler, language, standard, optimisation, name, stub, program):
    symbols = link(compiler, language, standard, optimisation, (HERE / name).read_text(), stub, program)
    missing = {f"soc_{call}" for call in SEED[name]} - symbols
    if missing:
        raise Failure(f"does not ask for {sorted(missing)}")


def seed(folder):
    stub = build_stub(folder)
    return [
        (check_seed, (compiler, language, standard, optimisation, name, stub))
        for language, compiler, standard in variants()
        for optimisation in OPTIMISATIONS + MORE_OPTIMISATIONS
        for name in SEED
    ]


def check_header(compiler, language, standard, header, _program):
    source = f"#include <{header}>\nint one_definition;\n"
    command = [compiler, f"-std={standard}", *WARNINGS, *INCLUDES, "-x", language, "-"]
    expect_success([*command, "-fsyntax-only"], source)
    expect_success([*command, "-fsyntax-only"], f"#include <{header}>\n{source}")


def check_macros(compiler, language, standard, order, _program):
    source = f'{ORDERS[language][order]}\n#include "plain_names.h"\n'
    command = [compiler, f"-std={standard}", "-O2", "-D_FORTIFY_SOURCE=2", *INCLUDES, f"-I{HERE}"]
    macros = expect_success([*command, "-x", language, "-dM", "-E", "-"], source)
    defined = set(re.findall(r"^#define (\w+)", macros, re.MULTILINE))
    if "msg_control_len" not in defined or "redhdr_red_ltcp" not in defined:
        raise Failure("the seed's own macros are missing")
    if defined & (PLAIN | LIBC | {"accept4"}):
        raise Failure(f"macros with the names of calls survive: {sorted(defined & (PLAIN | LIBC | {'accept4'}))}")
    if "baton_libc_" in macros:
        raise Failure("a macro still leads to the C library's renamed prototypes")


def check_wrong_path(compiler, language, standard, guard, header, _program):
    command = [compiler, f"-std={standard}", *INCLUDES, f"-D{guard}=1", "-x", language, "-fsyntax-only", "-"]
    result = run(command, f"#include <{header}>\n")
    if result.returncode == 0 or "include/bs2000 before it" not in result.stderr:
        raise Failure(f"the C library's <{header}> came first, and nobody complained:\n{result.stderr}")


def headers(_folder):
    root = INCLUDE / "bs2000"
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.h"))
    if "sys.socket.h" not in names:
        raise Failure(f"{root} has no sys.socket.h")
    alone = [
        (check_header, (compiler, language, standard, name))
        for language, compiler, standard in variants()
        for name in names
    ]
    macros = [
        (check_macros, (compiler, language, standard, order))
        for language, compiler, standard in variants()
        for order in ORDERS[language]
    ]
    guards = [("_SYS_SOCKET_H", "sys/socket.h"), ("_SYS_SELECT_H", "sys/select.h")]
    wrong_path = [
        (check_wrong_path, (compiler, language, standard, guard, header))
        for language, compiler, standard in variants()
        for guard, header in guards
    ]
    return alone + macros + wrong_path


LENGTH_CALLS = {
    "accept": "accept(0, &name, &length)",
    "getsockname": "getsockname(0, &name, &length)",
    "getpeername": "getpeername(0, &name, &length)",
    "getsockopt": "getsockopt(0, SOL_TRANSPORT, TPOPT_REDI_CALL, &name, &length)",
    "recvfrom": "(int)recvfrom(0, &name, 1, 0, &name, &length)",
}


def check_misuse(compiler, language, standard, call, length, _program):
    command = [compiler, f"-std={standard}", *WARNINGS, *INCLUDES, "-x", language, "-fsyntax-only", "-"]
    source = (
        "#include <iso.h>\n#include <sys.socket.h>\n"
        "int misuse(void);\n"
        "int misuse(void) {{ struct sockaddr_iso name; {} length = 0; return {}; }}\n"
    )
    expect_success(command, source.format("int", LENGTH_CALLS[call]))
    result = run(command, source.format(length, LENGTH_CALLS[call]))
    reasons = ["the length must be an int or a socklen_t"] if language == "c++" else ["incompatible type", "discards"]
    if result.returncode == 0 or not any(reason in result.stderr for reason in reasons):
        raise Failure(f"{call} takes a {length} * as its length:\n{result.stderr}")


def misuse(_folder):
    return [
        (check_misuse, (compiler, language, standard, call, length))
        for language, compiler, standard in variants()
        for call in LENGTH_CALLS
        for length in ("size_t", "double", "short", "const int")
    ]


def describe(arguments):
    words = [" ".join(word) if isinstance(word, list) else str(word) for word in arguments]
    return ", ".join(word for word in words if not word.endswith(".so"))


def main():
    parts = {"plain": plain, "seed": seed, "headers": headers, "misuse": misuse}
    if len(sys.argv) < 2 or sys.argv[1] not in parts or sys.argv[2:] not in ([], ["--all"]):
        sys.exit(__doc__)
    failures = []
    with tempfile.TemporaryDirectory(prefix="baton-names-") as name:
        folder = Path(name)
        try:
            cases = parts[sys.argv[1]](folder)
        except Failure as failure:
            sys.exit(f"FAILED {failure}")

        def attempt(numbered):
            number, (check, arguments) = numbered
            program = folder / f"program{number}"
            try:
                check(*arguments, program)
            except Failure as failure:
                failures.append(f"{check.__name__}: {describe(arguments)}: {failure}")
            program.unlink(missing_ok=True)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(attempt, enumerate(cases)))
    for failure in failures[:5]:
        print(f"FAILED {failure}\n")
    print(f"names_check.py {sys.argv[1]}: {len(cases)} combinations, {len(failures)} failed")
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
