# Each from a fresh clone to the end:
#
#     make demo     analyse, search and run the shipped network
#     make deb      a package in build/
#     make test     all tests; again under ASan and UBSan; threads under TSan;
#                   what reads files under libFuzzer, some seconds each
#
# On Debian and its kin missing packages are installed (as root or through
# sudo); elsewhere the list is printed and the build goes on with what is there.
# SPDX-License-Identifier: GPL-3.0-or-later
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory
.PHONY: demo deb test fuzz deps build clean
.NOTPARALLEL:

PACKAGES := gcc libc6-dev cmake ninja-build pkg-config libopenblas-pthread-dev \
    libgsl-dev libsqlite3-dev sqlite3 libprotobuf-c-dev protobuf-c-compiler \
    libonnx-dev libzip-dev zlib1g-dev libcjson-dev coinor-libcbc-dev \
    libxxhash-dev dataset-fashion-mnist
# For `make test`: compilers for other processors, and those processors; 190 MB
# to download, 1.3 GB in place. Tests say which they miss, and are skipped.
OTHERS   := gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm \
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user libsimde-dev
OPTIONAL :=
MODULES  := gsl sqlite3 libprotobuf-c libzip zlib libcjson cbc libxxhash
JOBS     := $(shell nproc 2>/dev/null || echo 2)

configure = mkdir -p $(1); cmake -S . -B $(1) \
    $$(test -e $(1)/CMakeCache.txt || ! command -v ninja >/dev/null || \
       echo -G Ninja) $(2) >$(1)/configure.log 2>&1 || \
    { cat $(1)/configure.log; exit 1; }
compile   = cmake --build $(1) -j $(JOBS) $(2)
check     = ctest --test-dir $(1) --output-on-failure -j $(JOBS) $(2) \
    </dev/null 2>&1 | tee $(1)/summary.txt

demo: build
	@tests/demo.sh build

deb: PACKAGES += dpkg-dev
deb: deps
	@$(call configure,build,)
	@$(call compile,build,--target installable)
	@cd build && cpack

test: PACKAGES += clang libclang-rt-dev
test: OPTIONAL := $(OTHERS)
test: deps
	@$(call configure,build,-DHAWQ_WERROR=ON)
	@$(call compile,build,)
	@$(call check,build,)
	@$(call configure,build-address,-DHAWQ_SANITIZE=address$(comma)undefined)
	@$(call compile,build-address,)
	@$(call check,build-address,-LE slow)
	@$(call configure,build-thread,-DHAWQ_SANITIZE=thread)
	@$(call compile,build-thread,--target thread_tests)
	@$(call check,build-thread,-L threads)
	@if command -v clang >/dev/null; then $(MAKE) fuzz; else \
	    echo "no clang here: the fuzzers are left out"; \
	fi
	@for b in build build-address build-thread build-fuzz; do \
	    test ! -e $$b/summary.txt || \
	    echo "$$b: $$(grep -h 'tests passed' $$b/summary.txt)"; \
	done

# For longer: make fuzz FUZZ_SECONDS=3600
FUZZ_SECONDS := 8
fuzz:
	@$(call configure,build-fuzz,-DCMAKE_C_COMPILER=$(shell command -v clang) \
	    -DHAWQ_FUZZ=ON -DHAWQ_SANITIZE=address$(comma)undefined \
	    -DHAWQ_FUZZ_SECONDS=$(FUZZ_SECONDS))
	@$(call compile,build-fuzz,--target fuzz_targets)
	@$(call check,build-fuzz,-L fuzz)

build: deps
	@$(call configure,build,)
	@$(call compile,build,)

comma := ,

# What dpkg does not know is installed, optional packages where there are any of
# that name; without apt-get, what pkg-config lacks.
deps:
	@if command -v apt-get >/dev/null; then \
	    lacks() { \
	        ! dpkg-query -W -f '$${Status}' $$1 2>/dev/null | \
	            grep -q 'ok installed'; \
	    }; \
	    missing=; optional=; \
	    for p in $(PACKAGES); do ! lacks $$p || missing+=" $$p"; done; \
	    for p in $(OPTIONAL); do ! lacks $$p || optional+=" $$p"; done; \
	    test -n "$$missing$$optional" || exit 0; \
	    echo "installing:$$missing$$optional"; \
	    root=; test $$(id -u) = 0 || root=sudo; \
	    if test -n "$$root" && ! command -v sudo >/dev/null; then \
	        echo "as root, please: apt-get install$$missing$$optional"; \
	        test -n "$$missing" && exit 1 || exit 0; \
	    fi; \
	    $$root apt-get update -q </dev/null; \
	    for p in $$optional; do \
	        ! apt-cache show $$p >/dev/null 2>&1 || missing+=" $$p"; \
	    done; \
	    test -n "$$missing" || exit 0; \
	    $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qy \
	        --no-install-recommends $$missing </dev/null; \
	elif ! pkg-config --exists $(MODULES) || ! command -v protoc-c >/dev/null; \
	then \
	    echo "no apt-get here; please install what these Debian packages hold:"; \
	    echo "    $(PACKAGES)"; \
	    exit 1; \
	fi

clean:
	rm -rf build build-address build-thread build-fuzz
