#!/bin/sh
# clang-format over every source; names each place that differs.
set -eu
cd "$(dirname "$0")/.."
find src include tests fuzz bench examples -name '*.cpp' -o -name '*.h' | LC_ALL=C sort |
  xargs clang-format --dry-run --Werror
