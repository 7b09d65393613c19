#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles and runs the examples in the documents, as a user would: against an installed copy, through pkg-config.

examples.py BUILD [DOCUMENT...]     BUILD: a built tree; without documents: all of them. blocks.py says how they are
                                    marked. Run it in a network namespace (tests/interop/in_namespace.sh).
"""

import ast
import os
import re
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blocks import Block, blocks_of, documents, missing_marks, used_by

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 60
DIALECT = {"c": "-std=gnu11", "cpp": "-std=c++23"}
SUFFIX = {"c": ".c", "cpp": ".cpp", "python": ".py", "sh": ".sh"}
# A body is a piece of a function that uses what stands around it.
STRICT = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
LOOSE = ["-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-unused-parameter", "-Wno-return-type"]


class Failure(Exception):
    pass


class Installed:
    """A copy of the library, installed into `folder`, and the environment in which users see it."""

    def __init__(self, build: Path, folder: Path):
        self.prefix = folder / "tree"
        run_checked(["cmake", "--install", str(build), "--prefix", str(self.prefix)], folder, os.environ.copy())
        packages = next(self.prefix.rglob("baton.pc")).parent
        libraries = packages.parent
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BATON_")},
            "PATH": f"{self.prefix}/bin:{os.environ['PATH']}", "PKG_CONFIG_PATH": str(packages),
            "LD_LIBRARY_PATH": str(libraries), "CMAKE_PREFIX_PATH": str(self.prefix),
            "PYTHONPATH": f"{ROOT}/python", "BATON_STRICT": "1"}
        self.flags = {name: run_checked(["pkg-config", "--cflags", "--libs", name], folder, self.environment).split()
                      for name in ("baton", "baton-bs2000")}

    def compiler(self, language: str) -> list[str]:
        return [os.environ.get("CC", "cc") if language == "c" else os.environ.get("CXX", "c++"), DIALECT[language]]

    def flags_for(self, text: str) -> list[str]:
        plain_names = re.search(r"#include <(sys\.socket|iso|netinet\.in|sys\.poll)\.h>", text)
        return [*self.flags["baton-bs2000" if plain_names else "baton"], "-pthread"]


def run_checked(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Runs it in a process group of its own, which ends with it; gives its standard output."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=errors, start_new_session=True)
        try:
            status = child.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            status = f"has not ended in {RUN_SECONDS} seconds"
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        output.seek(0)
        errors.seek(0)
        printed, complaints = output.read(), errors.read()
    if status != 0:
        raise Failure(f"{' '.join(command[:2])} ...: exit status {status}\n{printed}{complaints}")
    return printed


def source_of(block: Block) -> str:
    line = f'#line {block.line} "{block.document}"\n'
    if block.mark == "body":
        return f'#include "prelude.h"\n{block.argument} {{\n{line}{block.text}}}\n'
    return line + block.text if block.language in DIALECT else block.text


def compile_python(block: Block, installed: Installed) -> None:
    """It is Python, and what it uses of the package `baton` is there."""
    tree = compile(block.text, str(block.document), "exec",
                   ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    used = sorted({ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                   and re.fullmatch(r"baton(\.\w+)+", ast.unparse(node))})
    run_checked([sys.executable, "-B", "-c", f"import baton, baton.aio; {'; '.join(used) or 'pass'}"], ROOT,
                installed.environment)


def compile_block(block: Block, source: Path, installed: Installed, output: list[str]) -> None:
    if block.language == "python":
        compile_python(block, installed)
        return
    loose = LOOSE if block.mark == "body" else []
    # Sources come before the libraries they use.
    flags = installed.flags_for(block.text)
    run_checked([*installed.compiler(block.language), *STRICT, *loose, f"-I{Path(__file__).parent}", str(source),
                 *output, *(flags if "-fsyntax-only" not in output else [each for each in flags if not each.startswith("-l")])],
                source.parent, installed.environment)


def agrees(wanted: list[str], printed: list[str]) -> bool:
    if not wanted:
        return not printed
    if wanted[0].strip() == "...":
        return any(agrees(wanted[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and wanted[0].rstrip() == printed[0].rstrip() and agrees(wanted[1:], printed[1:])


def do(block: Block, folder: Path, installed: Installed, number: int) -> str:
    """What it printed, where it was run."""
    if block.mark == "file":
        (folder / block.argument).write_text(block.text)
        if block.language in DIALECT:
            named = folder / f"part{number}{SUFFIX[block.language]}"
            named.write_text(source_of(block))
            compile_block(block, named, installed, ["-fsyntax-only"])
        return ""
    source = folder / f"block{number}{SUFFIX.get(block.language, '.txt')}"
    source.write_text(source_of(block))
    if block.mark in ("compile", "body"):
        compile_block(block, source, installed, ["-fsyntax-only"])
        return ""
    environment = {**installed.environment, "BATON_RUNTIME_DIR": str(folder / "run")}
    if block.language == "sh":
        return run_checked(["sh", "-eu", str(source)], folder, environment)
    if block.language == "python":
        return run_checked([sys.executable, "-B", str(source)], folder, environment)
    program = folder / f"program{number}"
    compile_block(block, source, installed, ["-o", str(program)])
    return run_checked([str(program)], folder, environment)


def check(document: Path, installed: Installed) -> tuple[int, list[str]]:
    done, failures = 0, []
    printed = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for other in used_by(document):
            for block in blocks_of(other):
                if block.mark == "file":
                    (folder / block.argument).write_text(block.text)
        for number, block in enumerate(blocks_of(document)):
            place = f"{document.relative_to(ROOT)}:{block.line}"
            if wrong := missing_marks(block):
                failures.append(f"{place}: {wrong}")
                continue
            try:
                if block.mark == "output":
                    if printed is None or not agrees(block.text.splitlines(), printed.splitlines()):
                        failures.append(f"{place}: the example before it prints something else:\n{printed}")
                elif block.mark not in ("", "fragment"):
                    printed = do(block, folder, installed, number)
                    done += 1
            except (Failure, SyntaxError) as failure:
                failures.append(f"{place}: {failure}")
    return done, failures


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    chosen = [Path(each).resolve() for each in sys.argv[2:]] or documents(ROOT)
    with tempfile.TemporaryDirectory() as name:
        installed = Installed(build, Path(name))
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda document: check(document, installed), chosen))
    failures = [each for _, found in results for each in found]
    print(*failures, sep="\n")
    done = sum(count for count, _ in results)
    print(f"{done} examples of {len(chosen)} documents, {len(failures)} failures")
    return 1 if failures or done == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
