#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What examples.py does with examples that are wrong: examples_test.py BUILD."""

import sys
import tempfile
import unittest
from pathlib import Path

import examples

GOOD = "<!-- run -->\n```c\n#include <stdio.h>\nint main(void) { puts(\"a\"); puts(\"b\"); return 0; }\n```\n"


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.installed = examples.Installed(Path(sys.argv[1]).resolve(), Path(cls.folder.name))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def failures(self, text: str, name: str = "example.md") -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            document = Path(folder) / name
            document.write_text(text)
            examples.ROOT = Path(folder)
            return examples.check(document, self.installed)[1]

    def assert_one(self, text: str, words: str, name: str = "example.md"):
        failures = self.failures(text, name)
        self.assertEqual(len(failures), 1, failures)
        self.assertIn(words, failures[0])

    def test_a_good_one_and_its_output(self):
        self.assertEqual(self.failures(GOOD), [])
        self.assertEqual(self.failures(GOOD + "<!-- output -->\n```text\na\n...\n```\n"), [])

    def test_another_output(self):
        self.assert_one(GOOD + "<!-- output -->\n```text\na\n```\n", "prints something else")

    def test_no_mark(self):
        self.assert_one("```c\nint f(void);\n```\n", "neither compiled nor run")

    def test_no_language(self):
        self.assert_one("```\nls\n```\n", "no language")

    def test_a_fragment_says_why(self):
        self.assert_one("<!-- fragment: -->\n```c\nx\n```\n", "neither compiled nor run")
        self.assertEqual(self.failures("<!-- fragment: a part -->\n```c\nx\n```\n"), [])

    def test_what_does_not_compile(self):
        self.assert_one("<!-- compile -->\n```c\nint f(void) { return g(); }\n```\n", "example.md:3")
        self.assert_one("<!-- body: int f(int a) -->\n```c\nreturn b;\n```\n", "exit status")

    def test_what_fails(self):
        self.assert_one("<!-- run -->\n```sh\nfalse\ntrue\n```\n", "exit status 1")
        self.assert_one("<!-- run -->\n```python\nraise SystemExit(3)\n```\n", "exit status 3")

    def test_files_are_there_for_scripts(self):
        self.assertEqual(self.failures("<!-- file: a.txt -->\n```text\nhello\n```\n<!-- run -->\n```sh\ncat a.txt\n```\n"
                                       "<!-- output -->\n```text\nhello\n```\n"), [])

    def test_manual_pages(self):
        page = '.Sh EXAMPLES\n.\\" c body: int f(int a)\n.Bd -literal\nreturn a == \'\\en\';\n.Ed\n'
        self.assertEqual(self.failures(page, "page.3"), [])
        self.assert_one(page.replace('.\\" c body: int f(int a)\n', ""), "neither compiled nor run", "page.3")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
