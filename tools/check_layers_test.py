#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each rule of check_layers.py is broken once in a small tree of its own, and found; what is right is let through."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import check_layers

SPDX = "// SPDX-License-Identifier: MIT\n"


class CheckLayers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for room in check_layers.ALLOWED:
            self.header(f"{room}/{room}.hpp")
        self.header("base/unique_fd.hpp")
        self.write("include/baton/soc.h", "/* SPDX-License-Identifier: MIT */\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def header(self, name, body=""):
        self.write(f"src/{name}", f"{SPDX}// baton: {name}: for a test.\n{body}")

    def source(self, name, body):
        self.write(f"src/{name}", SPDX + body)

    def found(self):
        return [str(violation) for violation in check_layers.violations(self.root)]

    def assert_found(self, place, *words):
        """Exactly one violation, at `place`, which names `words`."""
        found = self.found()
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(place + ": "), found)
        for word in words:
            self.assertIn(word, found[0])

    def assert_clean(self):
        self.assertEqual(self.found(), [])

    # --- who may include whom

    def test_every_allowed_include_passes(self):
        for room, below in check_layers.ALLOWED.items():
            self.source(f"{room}/all.cpp", "".join(f'#include "{other}/{other}.hpp"\n' for other in sorted({room, *below})))
        self.assert_clean()

    def test_every_other_include_is_found(self):
        for room, below in check_layers.ALLOWED.items():
            for other in set(check_layers.ALLOWED) - below - {room}:
                with self.subTest(room=room, other=other):
                    self.source(f"{room}/wrong.cpp", f'\n#include "{other}/{other}.hpp"\n')
                    self.assert_found(f"src/{room}/wrong.cpp:3", f"{room} may not include {other}")
                    (self.root / f"src/{room}/wrong.cpp").unlink()

    def test_the_table_is_the_one_of_the_design(self):
        allowed = check_layers.ALLOWED
        self.assertEqual(allowed["handoff"], {"base", "cotp", "transport", "tsap"})
        self.assertEqual(allowed["link"], {"base", "os", "tsap"})
        self.assertEqual(allowed["endpoint"], {"base", "cotp", "transport", "tsap", "handoff", "os", "link"})
        self.assertNotIn("capi", allowed["cli"])

    def test_tests_of_a_room_follow_its_lines_too(self):
        self.source("cotp/tpdu_test.cpp", '#include "os/os.hpp"\n')
        self.assert_found("src/cotp/tpdu_test.cpp:2", "cotp may not include os")

    def test_an_include_in_a_comment_is_none(self):
        self.source("cotp/a.cpp", '// #include "os/os.hpp"\n/*\n#include "os/os.hpp"\n*/\n')
        self.assert_clean()

    def test_an_include_relative_to_the_file_is_found(self):
        self.source("cotp/a.cpp", '#include "cotp.hpp"\n')
        self.assert_found("src/cotp/a.cpp:2", "not written from src/")

    def test_an_include_with_dots_is_found(self):
        self.source("transport/a.cpp", '#include "../cotp/cotp.hpp"\n')
        self.assert_found("src/transport/a.cpp:2", "not written from src/")

    def test_an_include_of_a_room_in_angle_brackets_is_found(self):
        self.source("transport/a.cpp", "#include <cotp/cotp.hpp>\n")
        self.assert_found("src/transport/a.cpp:2", "quotation marks")

    def test_an_include_of_a_missing_file_is_found(self):
        self.source("transport/a.cpp", '#include "cotp/gone.hpp"\n')
        self.assert_found("src/transport/a.cpp:2", "there is no src/cotp/gone.hpp")

    def test_a_header_for_tests_in_a_product_file_is_found(self):
        self.header("os/runtime_fixture.hpp")
        self.source("os/a_test.cpp", '#include "os/runtime_fixture.hpp"\n')
        self.assert_clean()
        self.source("os/a.cpp", '#include "os/runtime_fixture.hpp"\n')
        self.assert_found("src/os/a.cpp:2", "tests only")

    def test_public_headers_are_for_the_upper_rooms(self):
        self.source("capi/a.cpp", '#include "baton/soc.h"\n#include <baton/soc.h>\n')
        self.assert_clean()
        self.source("link/a.cpp", "#include <baton/soc.h>\n")
        self.assert_found("src/link/a.cpp:2", "public header")

    def test_a_public_header_that_needs_a_room_is_found(self):
        self.write("include/baton/stream.hpp", SPDX + '#include "base/base.hpp"\n')
        self.assert_found("include/baton/stream.hpp:2", "base/base.hpp")

    def test_public_headers_include_each_other_in_angle_brackets(self):
        self.write("include/baton/error.hpp", SPDX)
        self.write("include/baton/link.hpp", SPDX + "#include <baton/error.hpp>\n#include <vector>\n")
        self.assert_clean()
        self.write("include/baton/link.hpp", SPDX + '#include "baton/error.hpp"\n')
        self.assert_found("include/baton/link.hpp:2", "other public ones")
        self.write("include/baton/link.hpp", SPDX + "#include <baton/missing.hpp>\n")
        self.assert_found("include/baton/link.hpp:2", "other public ones")

    def test_the_api_room_sees_public_headers_only(self):
        self.write("include/baton/error.hpp", SPDX)
        self.source("api/a_test.cpp", "#include <baton/error.hpp>\n")
        self.assert_clean()
        self.header("os/socket.hpp")
        self.source("api/a_test.cpp", '#include "os/socket.hpp"\n')
        self.assert_found("src/api/a_test.cpp:2", "api may not include os")

    def test_a_folder_that_is_no_room_is_found(self):
        self.source("util/a.cpp", "")
        self.assert_found("src/util/a.cpp:1", "no room")

    def test_a_source_outside_of_all_rooms_is_found(self):
        self.source("a.cpp", "")
        self.assert_found("src/a.cpp:1", "stands in a room")

    def test_a_library_that_depends_on_a_room_above_is_found(self):
        self.write("CMakeLists.txt", "baton_room(base)\nbaton_room(link DEPENDS os tsap)\n")
        self.assert_clean()
        self.write("CMakeLists.txt", "baton_room(base)\nbaton_room(link DEPENDS os handoff)\n")
        self.assert_found("CMakeLists.txt:2", "link may not depend on handoff")

    # --- the pure half

    def test_a_system_header_in_a_pure_room_is_found(self):
        for room in check_layers.PURE:
            for header in ("sys/socket.h", "unistd.h", "poll.h", "fcntl.h", "netinet/in.h", "arpa/inet.h", "fstream"):
                with self.subTest(room=room, header=header):
                    self.source(f"{room}/a.cpp", f"#include <{header}>\n")
                    self.assert_found(f"src/{room}/a.cpp:2", f"<{header}>")
                    (self.root / f"src/{room}/a.cpp").unlink()

    def test_a_type_for_gathered_octets_passes_and_its_calls_are_found(self):
        self.source("transport/a.cpp", "#include <sys/uio.h>\niovec part{};\n")
        self.assert_clean()
        self.source("transport/a.cpp", "#include <sys/uio.h>\nlong got = ::readv(3, parts, 1);\n")
        self.assert_found("src/transport/a.cpp:3", "readv")

    def test_the_text_of_addresses_is_read_in_one_file(self):
        self.source("recognise/ip_address.cpp", "#include <arpa/inet.h>\n")
        self.assert_clean()
        self.source("recognise/ip_address.cpp", "#include <arpa/inet.h>\nint s = ::socket(1, 2, 3);\n")
        self.assert_found("src/recognise/ip_address.cpp:3", "socket")

    def test_system_headers_elsewhere_pass(self):
        self.source("base/unique_fd.cpp", "#include <unistd.h>\n")
        self.source("os/a.cpp", "#include <sys/socket.h>\n")
        self.source("base/base_test.cpp", "#include <unistd.h>\n")
        self.assert_clean()

    def test_descriptors_in_a_pure_room_are_found(self):
        self.source("handoff/a.cpp", '#include "base/unique_fd.hpp"\n')
        self.assert_found("src/handoff/a.cpp:2", "descriptors")

    def test_a_clock_in_a_pure_room_is_found(self):
        for call in ("std::chrono::steady_clock::now()", "clock_gettime(1, &t)", "::time(nullptr)", "std::time(nullptr)"):
            with self.subTest(call=call):
                self.source("transport/a.cpp", f"auto t = {call};\n")
                self.assert_found("src/transport/a.cpp:2", "clock")

    def test_a_deadline_in_a_pure_room_passes(self):
        self.header("transport/a.hpp", "#include <chrono>\nInstant time() const;\nbool late = m.time() < now();\n")
        self.assert_clean()

    # --- system calls

    def test_a_socket_call_outside_of_os_is_found(self):
        for room in ("link", "endpoint", "capi", "api", "cli"):
            for name in ("recvmsg", "sendmsg", "socket", "connect", "bind", "accept4", "setsockopt"):
                for scope in ("", "::"):
                    with self.subTest(room=room, call=scope + name):
                        self.source(f"{room}/a.cpp", f"int f() {{\n  return {scope}{name}(1, nullptr, 0);\n}}\n")
                        self.assert_found(f"src/{room}/a.cpp:3", f"`{scope}{name}(`")
                        (self.root / f"src/{room}/a.cpp").unlink()

    def test_a_call_on_a_descriptor_outside_of_os_is_found(self):
        self.source("endpoint/a.cpp", "void f(int s) { ::close(s); }\n")
        self.assert_found("src/endpoint/a.cpp:2", "`::close(`")

    def test_programs_read_their_own_descriptors(self):
        self.source("cli/a.cpp", "auto n = ::read(0, buffer, size);\n")
        self.assert_clean()

    def test_socket_calls_of_os_and_of_tests_pass(self):
        self.source("os/a.cpp", "auto n = ::recvmsg(s, &m, 0);\n")
        self.source("endpoint/a_test.cpp", "auto n = ::recvmsg(s, &m, 0);\n")
        self.assert_clean()

    def test_names_that_only_look_like_system_calls_pass(self):
        self.source("capi/a.cpp", "int soc_recvmsg(int s, msghdr* m, int f) { return soc_connect(s); }\n"
                                  "auto a = os::recvmsg(s); auto b = object.send(x); auto c = object->bind(y);\n"
                                  'const char* text = "::socket(";  // ::socket(1)\n'
                                  "Result<int> Table::connect(int s) { return Table::bind(s); }\n")
        self.assert_clean()

    def test_a_function_of_the_room_itself_passes_without_scope_only(self):
        self.header("endpoint/a.hpp", "class A {\n  Result<int> send(Bytes octets);\n};\n")
        self.source("endpoint/a.cpp", "auto n = send(octets);\n")
        self.assert_clean()
        self.source("endpoint/a.cpp", "auto n = ::send(1, p, 2, 0);\n")
        self.assert_found("src/endpoint/a.cpp:2", "`::send(`")

    def test_ancillary_data_outside_of_os_is_found(self):
        self.source("link/a.cpp", "auto* c = CMSG_FIRSTHDR(&m);\n")
        self.assert_found("src/link/a.cpp:2", "ancillary")

    # --- library code

    def test_a_library_that_prints_throws_or_handles_signals_is_found(self):
        for statement in ('std::cerr << "x";', 'printf("x");', "throw 1;", "sigaction(1, &a, nullptr);"):
            with self.subTest(statement=statement):
                self.source("endpoint/a.cpp", f"void f() {{ {statement} }}\n")
                self.assert_found("src/endpoint/a.cpp:2")
                self.source("endpoint/a.cpp", "")
                self.source("cli/a.cpp", f"void f() {{ {statement} }}\n")
                self.assert_clean()
                self.source("cli/a.cpp", "")

    def test_words_that_contain_a_forbidden_one_pass(self):
        self.source("endpoint/a.cpp", "auto p = new (std::nothrow) int; snprintf(b, 9, format); // throw\n")
        self.assert_clean()

    # --- form

    def test_a_file_without_licence_is_found(self):
        self.write("src/cotp/a.cpp", "int a;\n")
        self.assert_found("src/cotp/a.cpp:1", "SPDX")

    def test_a_header_that_does_not_say_what_it_is_for_is_found(self):
        self.write("src/cotp/a.hpp", SPDX + "// baton: cotp/b.hpp: moved.\n")
        self.assert_found("src/cotp/a.hpp:2", "cotp/a.hpp")

    def test_a_long_file_is_found_unless_it_says_why(self):
        self.source("cotp/a.cpp", "\n" * 499)
        self.assert_clean()
        self.source("cotp/a.cpp", "\n" * 500)
        self.assert_found("src/cotp/a.cpp:501", "501 lines")
        self.source("cotp/a.cpp", "// Longer than 500 lines because it is one table.\n" + "\n" * 500)
        self.assert_clean()
        self.source("cotp/a.cpp", "\n" * 500 + "// Longer than 500 lines because it is one table.\n")
        self.assert_found("src/cotp/a.cpp:501")

    # --- the lexer

    def test_literals_do_not_hide_what_follows(self):
        self.source("link/a.cpp", "int n = 1'000; char q = '\"'; auto r = R\"x(\" // )x\"; char b = '\\''; ::socket(1, 2, 3);\n")
        self.assert_found("src/link/a.cpp:2", "`::socket(`")

    # --- the program

    def test_the_exit_status_tells(self):
        program = [sys.executable, check_layers.__file__, str(self.root)]
        self.assertEqual(subprocess.run(program, check=False, capture_output=True).returncode, 0)
        self.source("cotp/a.cpp", '#include "os/os.hpp"\n')
        run = subprocess.run(program, check=False, capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout), (1, "src/cotp/a.cpp:2: cotp may not include os: os/os.hpp\n"))


if __name__ == "__main__":
    unittest.main()
