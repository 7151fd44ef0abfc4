#!/bin/bash
# metrics.sh -- which metric a search should use: at five budgets the allocation
# that is optimal by each metric, beside uniform ones, measured on integer kernels.
#
#     tests/studies/metrics.sh BUILD MODEL.onnx "ANALYSIS OPTIONS" \
#         "CALIBRATION" "TEST OPTIONS" [DATABASE]
#
# The first options are hawq-analyze's (--data and its scaling, --loss, --images,
# --samples, -c), the last are hawq-bench's. A database that has an analysis of
# the model is searched as it is. Prints, for every metric, the loss and the
# accuracy over the budgets, mean and worst, and the regret: by how much the loss
# is above the best of all metrics at the same budget.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
build=$1 model=$2 analysis=$3 calibration=$4 test=$5 db=${6:-$(mktemp -u)}
metrics=${HAWQ_METRICS:-depth sqnr kl measured fisher trace eigen quadratic hybrid}
budgets=${HAWQ_BUDGETS:-0.8x 0.6x 0.45x 0.35x 0.3x}
uniform=${HAWQ_FORMATS:-w8 w4 w3 w2}

if ! [ -e "$db" ]; then
    # shellcheck disable=SC2086 # options are words
    "$build/hawq-analyze" "$model" $analysis -m "${metrics// /,}" --db "$db" -q \
        >/dev/null
fi
first=$(sqlite3 "$db" 'SELECT ifnull(max(id), 0) FROM allocation')
before=$(sqlite3 "$db" 'SELECT ifnull(max(id), 0) FROM benchmark')
runs=
for m in $metrics; do
    for b in $budgets; do
        "$build/hawq-search" "$model" --metric "$m" --budget "weight-size=$b" \
            --db "$db" -q >/dev/null || continue
        runs="$runs --allocation $(sqlite3 "$db" 'SELECT max(id) FROM allocation')"
    done
done
for f in $uniform; do runs="$runs --allocation $f"; done
# shellcheck disable=SC2086
"$build/hawq-bench" "$model" $runs $test --calibrate "$calibration" --db "$db" \
    --repeats 3 -q >/dev/null
sqlite3 -header -column "$db" "
WITH point AS (
    SELECT metric, limit_value AS budget, loss, accuracy
    FROM benchmark JOIN allocation ON allocation.id = benchmark.allocation_id
    JOIN allocation_budget USING (allocation_id)
    WHERE allocation.id > $first),
best AS (SELECT budget, min(loss) AS loss FROM point GROUP BY budget)
SELECT metric, count(*) AS budgets,
       printf('%.4f', avg(point.loss)) AS loss,
       printf('%.4f', max(point.loss)) AS worst,
       printf('%.4f', avg(point.loss - best.loss)) AS regret,
       printf('%.4f', max(point.loss - best.loss)) AS worst_regret,
       printf('%.4f', avg(accuracy)) AS accuracy,
       printf('%.4f', min(accuracy)) AS least
FROM point JOIN best USING (budget) GROUP BY metric ORDER BY avg(point.loss)"
sqlite3 -header -column "$db" "
SELECT label AS uniform, weight_bytes, printf('%.4f', loss) AS loss,
       printf('%.4f', accuracy) AS accuracy
FROM benchmark WHERE allocation_id IS NULL AND id > $before ORDER BY id"
