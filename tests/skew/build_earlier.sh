#!/usr/bin/env bash
# build_earlier.sh FOLDER: builds party.cpp with the earlier sources: FOLDER/party. Done once; a minute of two processors.
#
# earlier.tar.xz holds CMakeLists.txt, cmake, include and src (without tests and command line) of commit 980d624: the
# handoff as it was before ISO end points moved, whose CALL records end earlier. With each release it gives way to the
# sources of the one before.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
folder="$1"
mkdir -p "$folder"
cd "$folder"
exec 9>lock
flock 9
built="$(cat "$here/earlier.tar.xz" "$here/party.cpp" "$here/build_earlier.sh" | sha256sum)"
[[ ! -f built || "$(cat built)" != "$built" ]] || exit 0
rm -rf source build built
mkdir source
tar -xJf "$here/earlier.tar.xz" -C source --strip-components=1
cmake -S source -B build -G Ninja -DBATON_DEVELOPER=OFF -DBATON_TOOLS=OFF -DCMAKE_BUILD_TYPE=Debug >configure.log
cmake --build build -j "$(nproc)" --target baton_static >build.log
c++ -std=c++23 -Isource/include "$here/party.cpp" -o party build/libbaton.a -pthread
echo "$built" >built
