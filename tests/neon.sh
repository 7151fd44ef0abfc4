#!/bin/sh
# neon.sh BUILD -- the kernels for aarch64, on whatever machine this is.
#
# Claim: cross-compiled without a warning, every table for aarch64 equals ref bit
# for bit (test_kernels.c), under an emulator that has all its instructions. It
# proves nothing of speed. Skipped without aarch64-linux-gnu-gcc or qemu-aarch64.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
build=$1/neon
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v $tool >/dev/null && continue
    echo "skipped: $tool is not installed"
    exit 77
done
mkdir -p "$build"
cd "$HAWQ_SOURCE"
objects=
for name in ref select tiled outliers timer neon neon_dotprod; do
    flags=
    [ $name = neon_dotprod ] && flags=-march=armv8.2-a+dotprod
    aarch64-linux-gnu-gcc -std=c17 -O2 -Wall -Wextra -Wpedantic -Werror $flags \
        -D_GNU_SOURCE -I. -c kernels/$name.c -o "$build/$name.o"
    objects="$objects $build/$name.o"
done
aarch64-linux-gnu-gcc -std=c17 -O2 -D_GNU_SOURCE -I. tests/test_kernels.c \
    $objects -static -lm -o "$build/test_kernels"
qemu-aarch64 -cpu max "$build/test_kernels" | tee "$build/said.txt"
grep -q "^tables: neon-dotprod neon ref" "$build/said.txt"
grep -q " 0 failed" "$build/said.txt"
