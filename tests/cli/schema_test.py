# SPDX-License-Identifier: MIT
"""docs/batond.schema.json says of configurations what batond says of them, as far as a schema can.

batond speaks by `baton check --json`: an unknown key is answered with all keys that there are, an unknown word with all
words. So the keys and words of both are compared, and values of right and wrong types are shown to both.
"""

import json
import os
import re
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from jsonschema import Draft7Validator

BATON = os.environ["BATON_PROGRAM"]
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/batond.schema.json").read_text(encoding="utf-8"))

Configuration = Dict[str, Any]


def base() -> Configuration:
    """Runs, and has one of everything that the examples of the schema name."""
    return {"listener": {"web": {"address": ":1"}}, "pattern": {"mqtt": {"text": "x"}},
            "pool": {"shop": {}, "blog": {}}, "route": [{"pool": "shop"}]}


# Where a table of each kind stands in base(), and in the schema.
TABLES: List[Tuple[Tuple[Any, ...], Tuple[str, ...]]] = [
    ((), ()),
    (("batond",), ("properties", "batond")),
    (("limits",), ("properties", "limits")),
    (("listener", "web"), ("properties", "listener", "additionalProperties")),
    (("pattern", "mqtt"), ("properties", "pattern", "additionalProperties")),
    (("pool", "shop"), ("properties", "pool", "additionalProperties")),
    (("route", 0), ("properties", "route", "items")),
]


def at(tree: Any, steps: Tuple[Any, ...]) -> Any:
    for step in steps:
        tree = tree.setdefault(step, {}) if isinstance(tree, dict) else tree[step]
    return tree


def path_of(steps: Tuple[Any, ...]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + step
    return text


def resolved(schema: Dict[str, Any]) -> Dict[str, Any]:
    return SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return json.dumps(value)


def document(configuration: Configuration) -> str:
    return "".join(f"{key} = {toml(value)}\n" for key, value in configuration.items())


def errors_of_schema(configuration: Configuration) -> List[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(configuration)]


class Schema(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="baton-schema-")
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "batond.toml")

    def findings(self, text: str) -> List[Dict[str, Any]]:
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run([BATON, "check", "--json", self.file], capture_output=True, text=True, timeout=60,
                              check=False)
        findings = json.loads(done.stdout)
        errors = [each for each in findings if each["severity"] == "error"]
        self.assertEqual(done.returncode, 3 if errors else 0, done.stderr)
        return errors

    def both_accept(self, configuration: Configuration, what: str) -> None:
        self.assertEqual(errors_of_schema(configuration), [], what)
        self.assertEqual(self.findings(document(configuration)), [], what)

    def both_reject(self, configuration: Configuration, path: str, what: str) -> None:
        self.assertNotEqual(errors_of_schema(configuration), [], what)
        found = [each["path"] for each in self.findings(document(configuration))]
        self.assertTrue(any(each.startswith(path) for each in found), (what, found))

    def tables(self) -> Iterator[Tuple[Tuple[Any, ...], Dict[str, Any]]]:
        for place, steps in TABLES:
            yield place, at(SCHEMA, steps)
        for key, target in (("tsaps", "tsap_target"), ("connect", "connect_target")):
            yield ("pool", "blog", key, 0), SCHEMA["definitions"][target]["oneOf"][1]

    def test_it_is_a_schema_and_closed(self) -> None:
        Draft7Validator.check_schema(SCHEMA)
        for place, table in self.tables():
            self.assertIs(table["additionalProperties"], False, place)
            for key, setting in table["properties"].items():
                if len(place) < 4:
                    self.assertTrue(setting.get("description"), (place, key))

    def test_the_keys_are_batonds(self) -> None:
        for place, table in self.tables():
            configuration = base()
            if len(place) == 4:
                configuration["pool"]["blog"][place[2]] = [{}]
            at(configuration, place)["zzzzzzzzzzzz"] = 1
            advice = next(each["advice"] for each in self.findings(document(configuration))
                          if each["what"] == "there is no such setting here")
            self.assertEqual(sorted(advice.removeprefix("there are ").split(", ")), sorted(table["properties"]), place)
            self.assertNotEqual(errors_of_schema(configuration), [])

    def settings(self) -> Iterator[Tuple[Tuple[Any, ...], str, Dict[str, Any]]]:
        for place, table in self.tables():
            if place and len(place) < 4:
                for key, setting in table["properties"].items():
                    yield place, key, setting

    @staticmethod
    def words_of(setting: Dict[str, Any]) -> List[str]:
        if "enum" in setting:
            return setting["enum"]
        return resolved(setting["oneOf"][0]).get("enum", []) if "oneOf" in setting else []

    def test_the_words_are_batonds(self) -> None:
        count = 0
        for place, key, setting in self.settings():
            words = self.words_of(setting)
            if not words:
                continue
            count += 1
            for word in words:
                configuration = base()
                at(configuration, place)[key] = word
                self.both_accept(configuration, f"{path_of(place)}.{key} = {word}")
            configuration = base()
            at(configuration, place)[key] = "zzzzzzzzzzzz"
            advice = next(each["advice"] for each in self.findings(document(configuration))
                          if each["path"] == f"{path_of(place)}.{key}")
            self.assertEqual(advice.removeprefix("give one of ").split(", "), words)
        self.assertGreaterEqual(count, 5)

    def test_right_values(self) -> None:
        for place, key, setting in self.settings():
            values = [*setting.get("examples", []), *([setting["default"]] if "default" in setting else [])]
            for limit in ("minimum", "maximum"):
                values += [setting[limit]] if limit in setting else []
            self.assertTrue(values, (place, key))
            for value in values:
                configuration = base()
                table = at(configuration, place)
                if key == "octets":
                    del table["text"]
                table[key] = value
                if (key, value) in (("refuse", True), ("to_called_tsap", True)):
                    del table["pool"]
                self.both_accept(configuration, f"{path_of(place)}.{key} = {value!r}")

    @staticmethod
    def wrong_values(key: str, setting: Dict[str, Any]) -> List[Any]:
        wrong = {"integer": ["x", 1.5, -1, 10 ** 12], "boolean": ["yes", 1], "string": [7, True, [[]]]}.get(
            setting.get("type", ""), [7, True, [], [7], {}])
        if key in ("wait", "silence", "answer", "upgrade", "hold"):
            wrong += ["10", "10 s", "-1s", "x", "1.5s", "2000000s"]
        if key in ("wait", "silence", "answer", "upgrade"):
            wrong += ["0s"]
        if key == "address":
            wrong += ["443", "host:443", "[::1]", ":99999999"]
        if key in ("source", "proxy_from"):
            wrong += ["host", "192.0.2.0/1000"]
        if key == "path":
            wrong += ["cart", "/a?b", "/a*"]
        if key in ("sni", "host"):
            wrong += ["a*.example", "*a"]
        if key in ("user", "database", "rdp_user"):
            wrong += ["a*b"]
        return wrong

    def test_wrong_values(self) -> None:
        """The n-th document has the n-th wrong value of every setting: each is found by both."""
        wrong = [(place, key, self.wrong_values(key, setting)) for place, key, setting in self.settings()
                 if key not in ("text", "tsaps", "connect")]
        for number in range(max(len(values) for _, _, values in wrong)):
            configuration = base()
            del configuration["pattern"]["mqtt"]["text"]
            paths = []
            for place, key, values in wrong:
                at(configuration, place)[key] = values[number % len(values)]
                paths.append(f"{path_of(place)}.{key}")
            by_batond = {each["path"].replace("[0]", "") for each in self.findings(document(configuration))}
            by_schema = " ".join(errors_of_schema(configuration))
            for path in paths:
                self.assertTrue(any(each.startswith(path.replace("[0]", "")) for each in by_batond), (path, by_batond))
                self.assertIn(f"$.{path}", by_schema)
        for key in ("tsaps", "connect"):
            for value in (7, True, [], [7], [{}], {"weight": 2}, [{"weight": "x"}]):
                configuration = base()
                configuration["pool"]["shop"][key] = value
                self.both_reject(configuration, f"pool.shop.{key}", f"{key} = {value!r}")

    def test_what_belongs_together(self) -> None:
        wrong: List[Tuple[str, Any, Any]] = [
            ("pool.shop", ("pool", "shop"), {"tsap": "A", "tsaps": ["B"]}),
            ("pool.shop", ("pool", "shop"), {"tsaps": "A", "connect": "h:1"}),
            ("pool.shop.connect[0].weight", ("pool", "shop"), {"connect": [{"address": "h:1", "weight": 1000001}]}),
            ("pool.shop.connect", ("pool", "shop"), {"connect": [{"weight": 1}]}),
            ("pool.shop.connect", ("pool", "shop"), {"connect": "unix:app.sock"}),
            ("pool.shop.connect", ("pool", "shop"), {"connect": "unix:/" + "a" * 107}),
            ("pattern.mqtt", ("pattern", "mqtt"), {"octets": "00"}),
            ("route[0]", ("route", 0), {"refuse": True}),
            ("route[0]", ("route", 0), {"to_called_tsap": True}),
        ]
        for path, place, keys in wrong:
            configuration = base()
            at(configuration, place).update(keys)
            self.both_reject(configuration, path, str(keys))
        for keys in ({}, {"refuse": False}):
            configuration = base()
            configuration["route"].append(keys)
            self.both_reject(configuration, "route[1]", str(keys))
        for keys in ({"refuse": True}, {"to_called_tsap": True}, {"pool": "shop", "refuse": False, "sni": "a"}):
            configuration = base()
            configuration["route"].append(keys)
            self.both_accept(configuration, str(keys))
        for keys in ({"tsaps": ["A", {"tsap": "B", "weight": 0}]}, {"connect": {"address": "[::1]:2"}},
                     {"connect": ["unix:/run/app.sock", "unix:/" + "a" * 106]}):
            configuration = base()
            configuration["pool"]["blog"] = keys
            self.both_accept(configuration, str(keys))
        configuration = base()
        configuration["listener"]["web"] = {}
        self.both_reject(configuration, "listener.web", "a listener at nothing")
        self.both_reject({}, "listener", "nothing")

    def texts(self) -> Iterator[Tuple[str, str]]:
        """Configurations of documents and tests."""
        yield "example", (ROOT / "docs/batond.example.toml").read_text(encoding="utf-8")
        for name in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
            for text in re.findall(r"^```toml\n(.*?)^```", name.read_text(encoding="utf-8"), flags=re.M | re.S):
                yield str(name), text
        manual = (ROOT / "docs/man/batond.8").read_text(encoding="utf-8")
        yield "batond(8)", re.findall(r"^\.Bd .*?\n(\[listener.*?)^\.Ed", manual, flags=re.M | re.S)[0]
        for name in ROOT.glob("tests/**/*_test.py"):
            for text in re.findall(r'(?<!f)"""\n(\[.*?)"""', name.read_text(encoding="utf-8"), flags=re.S):
                yield str(name), "[listener.front]\naddress = '127.0.0.1:0'\n" + text

    def test_what_batond_runs_the_schema_accepts(self) -> None:
        names = []
        for name, text in self.texts():
            try:
                configuration = tomllib.loads(text)
            except tomllib.TOMLDecodeError:
                continue  # a test of just that
            if self.findings(text):
                continue
            names.append(name)
            self.assertEqual(errors_of_schema(configuration), [], f"{name}:\n{text}")
        self.assertIn("example", names)
        self.assertIn("batond(8)", names)
        self.assertTrue(any(name.endswith("dispatch_test.py") for name in names), names)


if __name__ == "__main__":
    unittest.main()
