#!/usr/bin/env bash
# Names every C and C++ file of the project, each ended by NUL: what `make format` and `make check-format` work on.
set -euo pipefail
cd "$(dirname "$0")/.."
folders=()
for folder in src include tests bench examples fuzz; do
  if [[ -d $folder ]]; then folders+=("$folder"); fi
done
find "${folders[@]}" -type f \( -name '*.cpp' -o -name '*.hpp' -o -name '*.c' -o -name '*.h' \) -print0 | sort -z
