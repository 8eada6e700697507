# A thin front: every recipe is a cmake, ctest or tools/ command that can be typed as well (CONTRIBUTING.md).
PREFIX ?= /usr/local
PROMPT ?= Once upon a time
MODEL ?= models/fairy-bitnet
FUZZ_SECONDS ?= 60
SOURCES = find src include tests fuzz bench examples -name '*.cpp' -o -name '*.h'

.PHONY: help run build test install bench format lint fuzz asan tsan tsan-engine aarch64 clean
.DEFAULT_GOAL := help

help:
	@echo 'make run        install what is missing, build, and write a story (PROMPT="Once upon a time")'
	@echo 'make test       the same, then all tests; the last line counts them'
	@echo 'make build      the program: build/release/bin/bitnet'
	@echo 'make install    program, library and default model below PREFIX ($(PREFIX))'
	@echo 'make bench      microbenchmarks, then tokens per second of MODEL ($(MODEL))'
	@echo 'make lint       room check, format check, clang-tidy'
	@echo 'make format     clang-format over the sources'
	@echo 'make asan | tsan | tsan-engine | aarch64   one of the other builds of "make test", with its tests'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS ($(FUZZ_SECONDS))'
	@echo 'make clean      remove build/'

build:
	@tools/install-dependencies.sh build
	@test -f build/release/build.ninja || cmake --preset program
	@cmake --build build/release --target bitnet_cli

run: build
	@build/release/bin/bitnet run "$(PROMPT)"

test:
	@tools/install-dependencies.sh build test
	@tools/test.sh

install: build
	@cmake --build build/release --target bitnet
	@cmake --install build/release --prefix "$(PREFIX)"

bench:
	@tools/install-dependencies.sh build test
	@cmake --preset release -DBITNET_BENCH=ON
	@cmake --build build/release --target bitnet_cli microbenchmarks
	@for program in build/release/bench/*_bench; do "$$program" || exit 1; done
	@build/release/bin/bitnet bench "$(MODEL)"

format:
	@tools/install-dependencies.sh test
	@$(SOURCES) | xargs clang-format -i

lint:
	@tools/install-dependencies.sh build test
	@cmake --preset release -DBUILD_TESTING=ON
	@ctest --test-dir build/release --output-on-failure -L lint
	@tools/lint.sh build/release

asan tsan tsan-engine aarch64:
	@tools/install-dependencies.sh build test
	@tools/test.sh $@

fuzz:
	@tools/install-dependencies.sh build test
	@BITNET_FUZZ_SECONDS=$(FUZZ_SECONDS) tools/test.sh fuzz

clean:
	@rm -rf build
