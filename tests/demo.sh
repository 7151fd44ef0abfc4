#!/bin/sh
# demo.sh BUILD -- the main job on real data: what `make demo` runs after the
# build. Analyses the shipped Fashion-MNIST network, searches the best candidates
# at three budgets, refines them, runs them and the uniform networks on the
# integer kernels, and prints one table. Results go to BUILD/demo.db.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
build=$1
model=tests/data/fashion_resnet8.onnx
folder=${HAWQ_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
scaled="--scale 0.00392157 --mean 0.286 --std 0.353"
db=$build/demo.db
rm -f "$db" "$db-wal" "$db-shm"

if [ ! -e "$folder/t10k-images-idx3-ubyte.gz" ]; then
    echo "demo: no Fashion-MNIST in $folder: install dataset-fashion-mnist" \
         "or set HAWQ_FASHION_MNIST to the folder of its .gz files" >&2
    exit 1
fi

say() { # a heading, then the command as a user would type it, then its output
    printf '\n=== %s\n$ %s\n\n' "$1" "$2"
    eval "$build/$2"
}

say "What does each layer lose at few bits? (1,024 training images)" \
    "hawq-analyze $model --data idx:$folder/train $scaled --limit 16384 \
--loss self-distillation --images 1024 --db $db"

for budget in 0.55x 0.35x 0.25x; do
    say "The best candidates in $budget of the uniform 8-bit size" \
        "hawq-search $model --budget weight-size=$budget --db $db"
done

say "Every best trade of size against loss" \
    "hawq-search $model --pareto weight-size --db $db --plot $build/front.svg"
printf '\nAs a picture: %s\n' "$build/front.svg"

say "Refined jointly, each layer given what those before it deliver" \
    "hawq-quantize $model --data idx:$folder/train $scaled --limit 2048 \
--images 1024 --allocation 1 --allocation 2 --allocation 3 --refine --db $db \
--output $build/refined.onnx"

say "Measured on integer kernels (10,000 test images)" \
    "hawq-bench $model --data idx:$folder/t10k $scaled --calibrate \
idx:$folder/train --calibration-limit 1024 --allocation 4 --allocation 5 \
--allocation 6 --allocation uniform8 --allocation uniform4 --allocation \
uniform2 --db $db"

printf '\nEvery number above is in %s; for example:\n' "$db"
printf "\$ sqlite3 -box %s 'SELECT cost, objective, weight_bits FROM \
pareto_front LIMIT 5'\n" "$db"
