#!/bin/bash
# low_bits.sh -- what a network keeps of its accuracy at few bits: uniform
# formats, and searched allocations at fractions of the bytes of uniform 8 bits,
# all refined, measured on integer kernels; beside them rounding to nearest.
#
#     tests/studies/low_bits.sh BUILD MODEL.onnx "CALIBRATION OPTIONS" \
#         "TEST OPTIONS" [DATABASE]
#
# The options are those of --data, for example
#     "--data cifar:data_batch_1.bin --scale 0.00392157 --mean ... --std ..."
# Prints a table: name, bytes, mean bits, KL and accuracy.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
build=$1 model=$2 calibration=$3 test=$4 db=${5:-$(mktemp -u)}
budgets=${HAWQ_BUDGETS:-0.55x 0.45x 0.35x 0.30x 0.22x}
formats=${HAWQ_FORMATS:-w8 w4 w4c w3c w2c t w4a4}
images=${HAWQ_IMAGES:-512}

# shellcheck disable=SC2086 # options are words
"$build/hawq-analyze" "$model" $calibration --limit $((2 * images)) \
    --loss self-distillation --images 256 --db "$db" -q >/dev/null
names=
for f in $formats; do names="$names --allocation $f"; done
for b in $budgets; do
    "$build/hawq-search" "$model" --budget "weight-size=$b" --db "$db" -q \
        >/dev/null || { [ $? = 3 ] && continue; exit 1; } # no such network
    id=$(sqlite3 "$db" 'SELECT max(allocation_id) FROM allocation_summary')
    echo "allocation $id: searched, $b of uniform 8 bits"
    names="$names --allocation $id"
done
# shellcheck disable=SC2086
"$build/hawq-quantize" "$model" $names $calibration --limit $((2 * images)) \
    --images "$images" --refine --db "$db" | tee "$db.refined"
runs=
for id in $(awk '$1 ~ /^[0-9]+$/ { print $1 }' "$db.refined"); do
    runs="$runs --allocation $id"
done
for f in $formats; do runs="$runs --allocation $f"; done
# shellcheck disable=SC2086
"$build/hawq-bench" "$model" $runs $test --calibrate \
    "$(printf '%s\n' $calibration | sed -n '/^--data$/{n;p}')" \
    --calibration-limit "$images" --repeats 3 --db "$db"
