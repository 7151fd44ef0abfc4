#!/bin/sh
# gpu_checklist.sh -- everything to be done on a machine with a GPU, in one go.
#
#     tests/gpu_checklist.sh [FOLDER]    results and objects; default: a new one
#
# Needs nvcc (12 or later, for C++20), gcc and g++; no CMake, no library but
# CUDA's. In order:
#   1. compiles kernels/*.c, kernels/cuda.cu for sm_80, sm_90 and later ones,
#      test_kernels and bench_cuda;
#   2. looks for the 4-wide dot product in the machine code (where cuobjdump is);
#   3. runs test_kernels with the CUDA kernels emulated on the processor;
#   4. runs test_kernels with the GPU: all usable tables against ref, every bit;
#   5. times the convolutions beside cuBLASLt: FOLDER/gpu.md, ready for
#      results/gpu.md.
# Exit status: 0 all done, 1 something failed, 77 no GPU: steps 1 to 3 passed.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
cd "$(dirname "$0")/.."
out=${1:-$(mktemp -d)}
mkdir -p "$out/emulated"
say() { echo "gpu_checklist: $*"; }

say "1. building in $out"
targets="-gencode arch=compute_80,code=sm_80
-gencode arch=compute_90,code=[sm_90,compute_90]"
objects=
for file in kernels/*.c; do
    flags=
    case $file in
    kernels/opencl.c) continue ;;
    kernels/avx2.c | kernels/avx2_slots.c | kernels/avxvnni.c)
        flags="-mavx2 -mfma -ffp-contract=off" ;;
    kernels/avx512vnni.c)
        flags="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni" ;;
    kernels/f32_avx2.c) flags="-mavx2 -mfma -ffp-contract=fast" ;;
    kernels/f32_avx512.c) flags="-mavx512f -ffp-contract=fast" ;;
    esac
    case $(uname -m) in x86_64) ;; *) flags= ;; esac
    object=$out/$(basename "$file" .c).o
    gcc -std=c17 -O2 -D_GNU_SOURCE -DHAWQ_CUDA -ffp-contract=off $flags -I. \
        -c "$file" -o "$object"
    objects="$objects $object"
done
gcc -std=c17 -O2 -D_GNU_SOURCE -I. -c tests/test_kernels.c -o "$out/test.o"
nvcc -std=c++20 -O3 $targets -I. -c kernels/cuda.cu -o "$out/cuda.obj"
nvcc $targets "$out/test.o" "$out/cuda.obj" $objects -o "$out/test_kernels"
nvcc -std=c++20 -O3 $targets -DHAWQ_CUDA -I. tests/bench_cuda.cu $objects \
    -lcublasLt -o "$out/bench_cuda"
: >"$out/emulated/cuda_runtime.h"
g++ -std=c++20 -O2 -D_GNU_SOURCE -I. -I"$out/emulated" \
    -c tests/cuda_emulated.cpp -o "$out/emulated/cuda.obj"
g++ "$out/test.o" "$out/emulated/cuda.obj" $objects \
    -o "$out/emulated/test_kernels" -lm

if command -v cuobjdump >/dev/null; then
    n=$(cuobjdump -sass "$out/cuda.obj" | grep -c 'IDP\.4A\.U8\.S8') || true
    say "2. $n instructions IDP.4A.U8.S8 in the machine code"
    test "$n" -gt 0
else
    say "2. no cuobjdump: the machine code was not looked at"
fi

# Passes only if the table stayed usable to the end.
compare() {
    "$1" >"$out/compared.txt" || { cat "$out/compared.txt"; exit 1; }
    cat "$out/compared.txt"
    grep -q '^tables:.* cuda ' "$out/compared.txt"
}
say "3. emulated on the processor"
compare "$out/emulated/test_kernels"

status=0
"$out/bench_cuda" 1 >/dev/null 2>&1 || status=$?
if test $status = 77; then
    say "no GPU: built, and equal to ref in emulation; not run, not timed"
    exit 77
fi
say "4. on the GPU"
compare "$out/test_kernels"
say "5. timing"
"$out/bench_cuda" >"$out/gpu.md" || { cat "$out/gpu.md"; exit 1; }
cat "$out/gpu.md"
say "done: $out/gpu.md"
