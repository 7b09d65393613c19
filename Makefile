# The commands of baton. `make` alone lists them. The build itself is CMake's: CMakePresets.json.
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
export JOBS

.DEFAULT_GOAL := help
.PHONY: help deps peers demo test bench bench-dispatch crash soak restart upgrade coverage fuzz reference format check-format tidy asan tsan clang install package check-packages abi abi-record clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the Debian packages that are missing (tools/packages.txt)
	@tools/deps.sh

peers: deps # the programs of others that the interop tests run
	@tests/interop/install.sh

demo: deps ## build and show live connections moving between processes, and batond
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS) -- --quiet
	@examples/demo.sh build/release

test: peers ## run every check and test (eight minutes once built; stages: tools/test.sh)
	@tools/test.sh

bench: deps ## build and run the benchmarks
	@cmake --preset release -DBATON_BENCH=ON >/dev/null
	@cmake --build --preset release -j $(JOBS) -- --quiet
	@bench/run.sh build/release

bench-dispatch: deps ## batond beside HAProxy, nginx, sslh and Node's cluster, for some minutes
	@cmake --preset release -DBATON_BENCH=ON >/dev/null
	@cmake --build --preset release -j $(JOBS) -- --quiet
	@python3 -B bench/dispatch.py build/release

soak: deps ## 10,000 connections to and fro under traffic for a minute (SOAK="--moves 1000000 ...": otherwise; BUILD=asan)
	@tools/soak.sh $(or $(BUILD),dev) $(SOAK)

restart: deps ## 50 live restarts under 1,000 busy and 1,000 idle clients, three times: no request fails; some minutes
	@tests/restart/long.sh

upgrade: deps ## 50 upgrades of batond under clients that come all the time: none fails (UPGRADES=500: more)
	@tests/dispatch/long.sh $(UPGRADES)

coverage: deps ## which lines of what reads from outside tests and fuzzers reach; fails below 90 %
	@tools/coverage.sh

crash: deps ## kill L and S more than 20,000 times; writes docs/crashes.md
	@tests/crash/long.sh

fuzz: deps ## run each fuzzer for a minute (FUZZ="SECONDS NAME...": others; tools/fuzz.sh)
	@tools/fuzz.sh $(FUZZ)

reference: deps ## the reference of the public headers, as HTML: build/reference/html/index.html
	@tools/reference.sh

format: ## lay out all C and C++ files as .clang-format says
	@tools/sources.sh | xargs -0 -r clang-format-19 -i

check-format: ## fail if `make format` would change a file
	@tools/sources.sh | xargs -0 -r clang-format-19 --dry-run -Werror

tidy: deps ## clang-tidy over src/ (.clang-tidy)
	@cmake --preset dev >/dev/null
	@run-clang-tidy-19 -quiet -p build/dev -j $(JOBS) '$(CURDIR)/src/.*(?<!_test)\.cpp$$'

asan: peers ## all tests under AddressSanitizer, LeakSanitizer and UBSan
	@tools/test.sh asan-build asan

tsan: deps ## the tests in which threads meet, under ThreadSanitizer
	@tools/test.sh tsan-build tsan

clang: deps ## build and run the unit tests with clang 19
	@tools/test.sh clang-build clang

install: ## build and install for users: PREFIX=/usr/local, DESTDIR honoured
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build --preset release -j $(JOBS) -- --quiet
	@cmake --install build/release

package: deps ## build the Debian packages, in build/packages
	@tools/package.sh

check-packages: package ## install them in a clean Debian 12 root, build programs there, purge them (as root)
	@tests/install/packages_in_root.sh build/packages build/check-packages

abi: deps ## fail if the interface of libbaton.so is not the one recorded in abi/ (tools/abi.sh)
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -j $(JOBS) --target baton_shared -- --quiet
	@tools/abi.sh check build/dev/libbaton.so

abi-record: deps ## record the interface of libbaton.so: with each change that is meant
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -j $(JOBS) --target baton_shared -- --quiet
	@tools/abi.sh record build/dev/libbaton.so

clean: ## remove everything that was built
	@rm -rf build
