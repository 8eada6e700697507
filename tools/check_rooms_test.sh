#!/bin/sh
# Shows that tools/check_rooms.sh goes red: a small tree with one breach of each rule, each of which it must name.
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/docs" "$tree/include/bitnet" "$tree/src/base" "$tree/src/model" "$tree/src/loading" "$tree/src/attic" \
  "$tree/src/kernels/avx2"
cp "$tools/../docs/rooms.txt" "$tree/docs/"
cd "$tree"
printf '#include <string>\n' > include/bitnet/error.h
printf '#include "base/fail.h"\n#include "bitnet/error.h"\n#include <nlohmann/json.hpp>\n' > src/loading/load.cpp
printf '#include "kernels/kernel_table.h"\n#include <immintrin.h>\n' > src/kernels/avx2/table.cpp
"$tools/check_rooms.sh" "$tree" || { echo "a tree without a breach was refused"; exit 1; }

printf '#include "model/rope.h"\n' > src/base/fail.h                     # upwards
printf '#include "backend/cpu/cpu_backend.h"\n' > src/model/block.cpp    # sideways
printf '#include "backend/cpu/cpu_backend.h"\n' > src/model/block_test.cpp  # allowed: a test beside the code
printf '#include "bitnet/engine.h"\n' > src/model/config.cpp             # a public header from above
printf '#include <fmt/format.h>\n' > include/bitnet/version.h            # a library in a public header
printf '#include "base/json.h"\n' > include/bitnet/chat.h                # an inner header in a public header
printf '#include <vector>\n' > src/kernels/avx2/gemm.cpp                 # shared inline functions
printf '#include "base/thread_pool.h"\n' > src/kernels/avx2/rope.cpp     # more than pointers
printf '\n' > src/attic/old.cpp                                          # a folder that is no room
printf '\n' > include/bitnet/unlisted.h
printf '#include "pantry/jam.h"\n' > src/loading/jam.cpp                 # an include that lies in no room
if "$tools/check_rooms.sh" "$tree" > found; then echo "a tree full of breaches passed"; exit 1; fi
status=0
for file in src/base/fail.h src/model/block.cpp src/model/config.cpp include/bitnet/version.h include/bitnet/chat.h \
  src/kernels/avx2/gemm.cpp src/kernels/avx2/rope.cpp src/attic/old.cpp include/bitnet/unlisted.h src/loading/jam.cpp; do
  grep -q "^$file:" found || { echo "the breach in $file was not found"; status=1; }
done
[ "$(wc -l < found)" -eq 10 ] || { echo "expected 10 lines:"; cat found; status=1; }
exit $status
