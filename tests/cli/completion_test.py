# SPDX-License-Identifier: MIT
"""The completion of bash, zsh and fish: each knows every verb and option that --help knows."""

import os
import re
import subprocess
import tempfile
import unittest
from typing import List

BATON = os.environ["BATON_PROGRAM"]
FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../completion")

BASH = """
source "$COMPLETION/baton.bash"
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_baton baton "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Outside of a line that is edited the functions of its completion system are not there: these say that they were called.
ZSH = """
compadd() { [[ $1 == -a ]] && print -rl -- "${(@P)2}" }
_files() { print FILES }
_command_names() { print COMMANDS }
words=("$@")
CURRENT=$#words
source "$COMPLETION/_baton"
"""


class Completion(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="baton-completion-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.environment = {**os.environ, "COMPLETION": FILES, "PATH": os.path.dirname(BATON) + ":" + os.environ["PATH"],
                            "BATON_RUNTIME_DIR": os.path.join(self.folder, "run"), "HOME": self.folder}
        self.environment.pop("BATON_CONTROL", None)

    def run_shell(self, *words: str) -> List[str]:
        done = subprocess.run(words, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [line for line in done.stdout.splitlines() if line]

    def bash(self, *words: str) -> List[str]:
        return self.run_shell("bash", "--norc", "-c", BASH, "bash", "baton", *words)

    def help_of(self, *verb: str) -> str:
        return subprocess.run([BATON, *verb, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout

    def verbs(self, *above: str) -> List[str]:
        section = self.help_of(*above).partition("Subcommands:\n")[2]
        return re.findall(r"^  ([a-z]+) ", section, flags=re.M)

    def test_every_verb_and_every_option(self) -> None:
        verbs = self.verbs()
        self.assertGreater(len(verbs), 10)
        self.assertEqual(sorted(self.bash("")), sorted(verbs))
        self.assertEqual(sorted(self.bash("iso", "")), sorted(self.verbs("iso")))
        for verb in [(verb,) for verb in verbs if verb != "iso"] + [("iso", verb) for verb in self.verbs("iso")]:
            options = set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", self.help_of(*verb), flags=re.M))
            self.assertIn("--help", options, verb)
            self.assertEqual(set(self.bash(*verb, "--")), options, verb)

    def test_only_what_begins_so(self) -> None:
        self.assertEqual(self.bash("dr"), ["drain"])
        self.assertEqual(self.bash("drain", "--u"), ["--undo"])
        self.assertEqual(self.bash("help", "iso", "pr"), ["probe"])
        self.assertEqual(self.bash("help", "up"), ["upgrade"])
        self.assertEqual(self.bash("nothing"), [])
        # Nothing runs whose pools could be told.
        self.assertEqual(self.bash("drain", ""), [])

    def test_files_and_programs(self) -> None:
        for name in ("batond.toml", "trace"):
            with open(os.path.join(self.folder, name), "w", encoding="ascii"):
                pass
        self.assertEqual(self.bash("check", "bat"), ["batond.toml"])
        self.assertEqual(self.bash("trace", "tr"), ["trace"])
        self.assertEqual(self.bash("trace", "trace", "--svg", "tr"), ["trace"])
        self.assertEqual(self.bash("status", "--control", "bat"), ["batond.toml"])
        self.assertIn("printf", self.bash("exec", "--tsap", "x", "--", "print"))
        self.assertEqual(self.bash("exec", "--tsap", "x", "--", "printf", "tr"), ["trace"])
        self.assertEqual(self.bash("exec", "--tsap", ""), [])

    def test_zsh(self) -> None:
        def zsh(*words: str) -> List[str]:
            return self.run_shell("zsh", "-f", "-c", ZSH, "zsh", "baton", *words)
        self.assertEqual(sorted(zsh("")), sorted(self.verbs()))
        self.assertEqual(zsh("drain", "--u"), ["--undo"])
        self.assertEqual(zsh("check", ""), ["FILES"])
        self.assertEqual(zsh("serve", "--"), ["--help", "--tsap", "--listen", "--credit", "--inherit", "--supervise"])
        self.assertEqual(zsh("serve", "--", ""), ["COMMANDS"])

    def test_fish(self) -> None:
        def fish(line: str) -> List[str]:
            return self.run_shell("fish", "--no-config", "-c", f"source {FILES}/baton.fish; complete -C {line!r}")
        self.assertEqual(sorted(fish("baton ")), sorted(self.verbs()))
        self.assertEqual(fish("baton drain --u"), ["--undo"])
        with open(os.path.join(self.folder, "some.toml"), "w", encoding="ascii"):
            pass
        self.assertEqual([each.split("\t")[0] for each in fish("baton check so")], ["some.toml"])


if __name__ == "__main__":
    unittest.main()
