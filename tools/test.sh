#!/bin/sh
# Builds and runs the tests, stage by stage, and adds up the results of all of them.
#
#   tools/test.sh [STAGE...]        without a stage: release asan tsan aarch64
#
#   release   g++, optimised: every test; style and room checks; the outside consumer of the installed package
#   asan      clang with AddressSanitizer and UndefinedBehaviorSanitizer: every test but those of the program, which
#             wait for its answer in time, and those of whole models (parity_test, model_golden_test), whose code the
#             tests of its rooms run as well; and each fuzz target for BITNET_FUZZ_SECONDS (5)
#   tsan      ThreadSanitizer: the tests of what runs in several threads
#   tsan-engine  the same for whole models, sessions and downloads; not among the default stages, it builds all rooms once more
#   aarch64   cross-compiled, under qemu: the kernels, what computes with them, and the fingerprint
#   fuzz      the fuzz targets of asan alone
#
# The last line is "N passed, N failed, N skipped"; exit status 1 when something failed. A stage that cannot be built
# or that finds no test counts as one failure.
set -u
cd "$(dirname "$0")/.."
jobs=$(nproc)
reports=build/reports
mkdir -p "$reports"
failed_stages=$reports/failed-stages
rm -f "$reports"/*.xml
: > "$failed_stages"

# What one test program covers is its name: ctest calls its tests "<program>:<test>".
threaded="base_test backend_cpu_test"
threaded_engine="engine_test parity_test hub_test"
whole_models="parity_test model_golden_test"
on_arm="base_test pack_test kernels_test backend_cpu_test parity_test"

fuzz="-DBITNET_FUZZ_SECONDS=${BITNET_FUZZ_SECONDS:-5}"

stage_failed() { echo "$1" >> "$failed_stages"; echo "FAILED: $1"; }

# stage NAME PRESET TARGETS CTEST-ARGUMENTS [CONFIGURE-ARGUMENTS]
# TARGETS and arguments are lists separated by spaces.
stage() {
  name=$1 preset=$2 targets=$3 select=$4 configure=${5-} started=$(date +%s)
  printf '\n== %s\n' "$name"
  # shellcheck disable=SC2086
  if ! cmake --preset "$preset" $configure > "$reports/$name.configure.log" 2>&1; then
    cat "$reports/$name.configure.log"
    stage_failed "$name: configure"
    return
  fi
  # shellcheck disable=SC2086
  if ! $wrapper cmake --build "build/$preset" --target $targets; then
    stage_failed "$name: build"
    return
  fi
  built=$(date +%s)
  # shellcheck disable=SC2086
  $wrapper ctest --test-dir "build/$preset" -j "$jobs" --timeout 600 --output-on-failure --no-tests=error \
    --output-junit "$PWD/$reports/$name.xml" $select > "$reports/$name.log" 2>&1 ||
    sed -n '/^[0-9 ]*% tests passed/,$p;/\*\*\*/,/^ *[0-9]*\/[0-9]* Test/p' "$reports/$name.log"
  [ -s "$reports/$name.xml" ] && grep -q '<testcase' "$reports/$name.xml" || stage_failed "$name: no test ran"
  echo "$name: built in $((built - started)) s, tested in $(($(date +%s) - built)) s"
}

# "a b" → "^(a|b):"
programs() { echo "^($(echo "$1" | tr ' ' '|')):"; }

run_stage() {
  wrapper=
  case $1 in
    # Ten files a unit, as in the other stages: half of the time. A fresh "make build" compiles them one by one.
    release) stage release release all "" "-DBUILD_TESTING=ON -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=10" ;;
    asan) stage asan asan-ubsan all "-E $(programs "$whole_models")" "$fuzz" ;;
    tsan | tsan-engine)
      [ "$1" = tsan ] && tests=$threaded || tests=$threaded_engine
      # The sanitizer of g++ 12 dies at random where the kernel randomises addresses by more than 28 bits.
      ! setarch "$(uname -m)" -R true 2>/dev/null || wrapper="setarch $(uname -m) -R"
      stage "$1" tsan "$tests" "-R $(programs "$tests")" ;;
    aarch64)
      # On an Arm machine the release stage has already run these tests.
      [ "$(uname -m)" != aarch64 ] || return
      if tools/aarch64-sysroot.sh .cache/sysroot-aarch64; then
        stage aarch64 aarch64 "$on_arm" "-R $(programs "$on_arm")"
      else
        stage_failed "aarch64: libraries"
      fi ;;
    fuzz) stage fuzz asan-ubsan fuzzers "-L fuzz" "$fuzz" ;;
    *) echo "test.sh: unknown stage '$1' (there are: release, asan, tsan, tsan-engine, aarch64, fuzz)" >&2; exit 2 ;;
  esac
}

[ $# -gt 0 ] || set -- release asan tsan aarch64
for name in "$@"; do run_stage "$name"; done

printf '\n== summary\n'
find "$reports" -name '*.xml' | LC_ALL=C sort | xargs awk -f tools/summarize_tests.awk "$failed_stages"
