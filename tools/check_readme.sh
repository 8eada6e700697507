#!/bin/sh
# The README's C++ example is the source of examples/consumer, which the test "consumer" builds and runs.
set -eu
cd "$(dirname "$0")/.."
sed -n '/^```cpp$/,/^```$/p' README.md | grep -v '^```' | diff - examples/consumer/main.cpp
