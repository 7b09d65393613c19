#!/usr/bin/env bash
# `make test`: every check of the project in stages, cheap ones first; ends at the first stage that fails.
#
#   format         clang-format agrees
#   layers         tools/check_layers.py agrees
#   dev-build      configure and build preset dev
#   unit           tests labelled unit
#   whole-process  all other tests: seed, system, crash, install ...
#   packages       the interface is the recorded one; the Debian packages: lintian, and programs outside use them
#   old-kernel     those again, as on a kernel without the newer socket options; the tests labelled system do both anyway
#   asan-build     preset asan
#   asan           all tests under AddressSanitizer, LeakSanitizer and UBSan
#   tsan-build     preset tsan, as far as the next stage needs
#   tsan           those in which threads meet, under ThreadSanitizer
#
# `tools/test.sh STAGE...` runs only those; clang-build and clang (unit tests with clang 19) run only when named.
# Environment: JOBS  parallel compilations (default: processors); TEST_JOBS  parallel tests (default 2).
set -euo pipefail
cd "$(dirname "$0")/.."

jobs="${JOBS:-$(nproc)}"
test_jobs="${TEST_JOBS:-2}"

# build PRESET [TARGET...]
build() {
  local preset="$1"
  shift
  cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 || { cat "build/$preset.configure.log"; return 1; }
  cmake --build --preset "$preset" -j "$jobs" "${@/#/--target=}" -- --quiet
}

# run_tests PRESET SELECTION...: a selection without a test is a failure.
run_tests() {
  local preset="$1"
  shift
  "${runner[@]}" ctest --preset "$preset" -j "$test_jobs" --no-tests=error "$@"
}

# True when a folder tests/*/ has tests, that is a CMakeLists.txt.
whole_process_tests_exist() { compgen -G 'tests/*/CMakeLists.txt' >/dev/null; }

stage_format() { make -s check-format; }
stage_layers() { python3 -B tools/check_layers.py; }
stage_dev-build() { build dev; }
stage_unit() { run_tests dev -L '^unit$'; }
stage_whole-process() {
  if ! whole_process_tests_exist; then
    echo "none exist"
    return
  fi
  run_tests dev -LE '^unit$'
}
stage_packages() {
  tests/install/abi_test.sh
  build dev baton_shared
  tools/abi.sh check build/dev/libbaton.so
  tools/package.sh
  tests/install/packages_test.sh build/packages
}
stage_old-kernel() { BATON_NO_KERNEL_FEATURES=1 run_tests dev -LE '^(unit|sim|system|install|compile|skew|bounds|documents)$'; }
stage_asan-build() { build asan; }
stage_asan() { run_tests asan; }
stage_tsan-build() { build tsan system_threads system_groups; }
stage_tsan() {
  # ThreadSanitizer of g++ 12 does not start on kernels that randomise addresses widely (vm.mmap_rnd_bits above 28).
  if setarch -R true 2>/dev/null; then runner=(setarch -R); fi
  run_tests tsan -L '^threads$'
}
stage_clang-build() { build clang; }
stage_clang() { run_tests clang -L '^unit$'; }

runner=()
stages=("$@")
((${#stages[@]})) || stages=(format layers dev-build unit whole-process packages old-kernel asan-build asan tsan-build tsan)
mkdir -p build
begin=$SECONDS
for stage in "${stages[@]}"; do
  printf '\n== %s\n' "$stage"
  started=$SECONDS
  trap 'echo "== $stage: FAILED after $((SECONDS - started)) s"' EXIT
  "stage_$stage" # not in an `if`, which would switch `set -e` off inside
  trap - EXIT
  printf '== %s: %d s\n' "$stage" $((SECONDS - started))
done
printf '== all stages: %d s\n' $((SECONDS - begin))
