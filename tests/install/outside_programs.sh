#!/usr/bin/env bash
# outside_programs.sh PREFIX VERSION: builds and runs programs against what is installed under PREFIX, through pkg-config and
# through CMake. Environment: CC, CXX; BATON_PREINSTALLED=1: the system finds what is under PREFIX by itself.
set -euo pipefail
tree="$(cd "$1" && pwd)" version="$2"
outside="$(cd "$(dirname "$0")" && pwd)/outside"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "outside_programs: $*" >&2
  exit 1
}
# prints_version WHAT PROGRAM
prints_version() {
  local printed
  printed="$("$2")"
  [[ $printed == "$version" ]] || fail "$1 printed \"$printed\", not $version"
  echo "ok: $1"
}

package="$(find "$tree" -name baton.pc)"
libraries="$(dirname "$(dirname "$package")")"
[[ -n ${BATON_PREINSTALLED:-} ]] || export PKG_CONFIG_PATH="${package%/*}" LD_LIBRARY_PATH="$libraries" CMAKE_PREFIX_PATH="$tree"

# --- what the library shows and needs
exported="$(nm -D --defined-only "$libraries/libbaton.so" | sed 's/.* //; s/@.*//' | grep -v -e '^soc_' -e '^BATON_' || true)"
[[ -z $exported ]] || fail "libbaton.so exports more than soc_*: $exported"
needed="$(readelf -d "$libraries/libbaton.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
  grep -v -e '^libc\.so' -e '^libstdc++\.so' -e '^libgcc_s\.so' -e '^libm\.so' -e '^ld-linux' || true)"
[[ -z $needed ]] || fail "libbaton.so needs more than libc and libstdc++: $needed"
[[ $(readelf -d "$libraries/libbaton.so") == *"soname: [libbaton.so.0]"* ]] || fail "libbaton.so has another soname"
echo "ok: exports, dependencies, soname"

# --- pkg-config
[[ $(pkg-config --modversion baton) == "$version" && $(pkg-config --modversion baton-bs2000) == "$version" ]] ||
  fail "pkg-config tells another version"
strict=(-Wall -Wextra -Wpedantic -Werror)
read -ra flags < <(pkg-config --cflags --libs baton)
"$CC" -std=c11 "${strict[@]}" "$outside/c/version.c" "${flags[@]}" -o c
prints_version "C, pkg-config, shared" ./c
"$CXX" -x c++ -std=c++17 "${strict[@]}" "$outside/c/version.c" "${flags[@]}" -o cxx
prints_version "C++, pkg-config, shared" ./cxx
echo '#include <baton/baton.hpp>' >old.cpp
for standard in c++17 c++20; do
  ! "$CXX" "-std=$standard" "${flags[@]}" -fsyntax-only old.cpp 2>said || fail "baton.hpp compiles as $standard"
  [[ $(grep -c 'error:' said) == 1 ]] && grep -q 'baton/baton.hpp needs C++23: compile with -std=c++23' said || fail "as $standard: $(<said)"
done
"$CXX" -std=c++23 "${strict[@]}" "${flags[@]}" -fsyntax-only old.cpp
echo "ok: C++, the standard it needs"
read -ra flags < <(pkg-config --static --cflags --libs baton)
"$CC" -std=c11 "${strict[@]}" "$outside/c/version.c" "${flags[@]/-lbaton/-l:libbaton.a}" -o archive
prints_version "C, pkg-config, archive" ./archive
[[ $(readelf -d archive) != *libbaton* ]] || fail "the program of the archive needs the shared library"
read -ra flags < <(pkg-config --cflags --libs baton-bs2000)
"$CC" -std=c11 "${strict[@]}" "$outside/c/plain_names.c" "${flags[@]}" -o plain
./plain
[[ $(nm -u plain) == *soc_socket* ]] || fail "socket() of a program with the plain names is not soc_socket()"
echo "ok: C, pkg-config, plain names"

# --- CMake: a project in C, and one in C++
# build_project NAME
build_project() {
  cmake -S "$outside/$1" -B "cmake_$1" -G Ninja -DWANTED_VERSION="$version" >cmake.log 2>&1 &&
    cmake --build "cmake_$1" >>cmake.log 2>&1 || { cat cmake.log; fail "the CMake project $1 does not build"; }
}
build_project c
prints_version "CMake, C, baton::baton" cmake_c/version_baton
prints_version "CMake, C, baton::baton_static" cmake_c/version_baton_static
cmake_c/plain_names
echo "ok: CMake, C, baton::bs2000"
build_project cxx
prints_version "CMake, C++, baton::baton" cmake_cxx/version
prints_version "CMake, C++, baton::baton_static" cmake_cxx/version_static
