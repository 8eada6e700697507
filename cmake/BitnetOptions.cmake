# Options and flags that every target shares.
option(BITNET_BENCH "Build the microbenchmarks (Google Benchmark)" OFF)
option(BITNET_FUZZ "Build the fuzz targets (needs clang)" OFF)
set(BITNET_SANITIZE "" CACHE STRING "Sanitizers for every target, e.g. address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# -ffp-contract=off: a compiler must never fuse a multiply and an add by itself. Where results are fused, the
# source says std::fma, so that every kernel table and compiler rounds alike (docs/ARCHITECTURE.md, decision 8).
add_compile_options(-Wall -Wextra -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees an overlap in std::string's own concatenation (GCC bug 105651).
  add_compile_options(-Wno-restrict)
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ takes the sources of a unit for headers, where types of unnamed namespaces in members would be a mistake.
  add_compile_options(-Wno-subobject-linkage)
endif()
if(BITNET_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "BITNET_FUZZ needs clang: configure with --preset asan-ubsan or -DCMAKE_CXX_COMPILER=clang++-14")
  endif()
  if(NOT BITNET_SANITIZE)
    set(BITNET_SANITIZE address,undefined)
  endif()
endif()
if(BITNET_SANITIZE)
  add_compile_options(-fsanitize=${BITNET_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BITNET_SANITIZE})
endif()
if(BITNET_FUZZ)
  # Every room is instrumented, so that the fuzzer sees which branches an input reaches.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
