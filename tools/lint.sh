#!/bin/sh
# clang-tidy, with the checks of .clang-tidy, over the sources of one build folder (its compile_commands.json).
#
#   tools/lint.sh BUILD-FOLDER [FILE...]        without files: all of src/ except the tests
set -eu
build=$1
shift
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2046 — paths of the repository hold no spaces
  set -- $(find src -name '*.cpp' ! -name '*_test.cpp' | LC_ALL=C sort)
fi
# Sources of another processor are not in the database and cannot be read here.
for file in "$@"; do
  ! grep -q "\"file\": \".*/$file\"" "$build/compile_commands.json" || echo "$file"
done | xargs -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet 2>/dev/null
