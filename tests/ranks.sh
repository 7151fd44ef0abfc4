#!/bin/sh
# ranks.sh BUILD MPIRUN... -- samples spread over ranks change nothing.
#
# Claims: the report is the same bytes for 2 and 5 ranks as without mpirun,
# for a fixed number of samples and for --tolerance; a run that another number
# of ranks had begun is resumed to the same bytes; an error is one sentence of
# one rank, with the exit code it has alone, and nobody waits for ever.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
build=$1
shift
data=${HAWQ_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
model=$HAWQ_SOURCE/tests/data/fashion_resnet8.onnx
[ -e "$data/t10k-images-idx3-ubyte.gz" ] || {
    echo "skipped: no Fashion-MNIST in $data"
    exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

fail() {
    echo "FAILED: $1"
    failed=1
}

# analyze RANKS NAME OPTION...: report to NAME.json, database NAME.db
analyze() {
    ranks=$1
    name=$folder/$2
    shift 2
    set -- "$build/hawq-analyze" "$model" --data "idx:$data/t10k" --limit 64 \
        --scale 0.00392157 --batch-size 8 --images 16 --threads 1 \
        --format json --db "$name.db" "$@"
    [ "$ranks" = 0 ] || set -- $mpirun "$ranks" "$@"
    code=0
    timeout 100 "$@" >"$name.json" 2>"$name.err" </dev/null || code=$?
}

same() { # NAME NAME WHAT
    [ -s "$folder/$1.json" ] && cmp -s "$folder/$1.json" "$folder/$2.json" ||
        fail "$3"
}

mpirun=$*
metrics="--metric trace,gauss-newton,measured,depth"
tolerance="--metric trace --tolerance 2.5"

analyze 0 alone --samples 7 $metrics
[ $code = 0 ] || fail "alone: exit code $code: $(cat "$folder/alone.err")"
analyze 0 stop $tolerance
for n in 2 5; do
    analyze $n ranks$n --samples 7 $metrics
    [ $code = 0 ] || fail "$n ranks: exit code $code"
    same alone ranks$n "$n ranks, 7 samples"
    analyze $n stop$n $tolerance
    same stop stop$n "$n ranks, --tolerance"
done

if command -v sqlite3 >/dev/null; then
    sqlite3 "$folder/ranks2.db" "DELETE FROM sensitivity; DELETE FROM estimate;
        DELETE FROM sample WHERE metric LIKE 'gauss-newton%';
        DELETE FROM sample WHERE sample > 3;
        UPDATE run SET state = 'running'"
    analyze 3 ranks2 --samples 7 $metrics --resume
    [ $code = 0 ] || fail "resumed: exit code $code"
    same alone ranks2 "resumed by 3 ranks"
    [ "$(sqlite3 "$folder/ranks2.db" 'SELECT count(*) FROM run')" = 1 ] ||
        fail "resumed: another run"
    dump="SELECT metric, sample, layer, value, probe_scale FROM sample"
    sqlite3 "$folder/alone.db" "$dump" >"$folder/alone.txt"
    sqlite3 "$folder/ranks2.db" "$dump" >"$folder/ranks2.txt"
    cmp -s "$folder/alone.txt" "$folder/ranks2.txt" || fail "stored samples"
fi

one_error() { # WHAT CODE SENTENCE
    [ "$(grep -c "^hawq-analyze: $3" "$folder/error.err")" = 1 ] &&
        [ "$(grep -c '^hawq-analyze: ' "$folder/error.err")" = 1 ] &&
        [ $code = "$2" ] && [ ! -s "$folder/error.json" ] ||
        fail "$1: exit code $code: $(cat "$folder/error.err")"
}
analyze 3 error --samples none
one_error "unknown number" 2 "--samples"
analyze 3 error --batch-size 1000
one_error "batch too large" 2 "the data has 64 images"
analyze 3 error --samples 7 --db "$folder/none/x.db"
one_error "no database" 1 ".*none/x.db"

[ $failed = 0 ] && echo "ranks: all as alone"
exit $failed
