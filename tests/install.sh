#!/bin/sh
# install.sh BUILD VERSION -- what is installed and what is packed, from outside.
#
# Claims: every program comes with a page of the manual and a completion that
# know each option of its help; the page has no warning of man's; programs run
# from where they were put; none of them says where it was built; the licence
# and the schema are there; and the package, where it can be made, holds the
# same and depends on what is linked and on what is loaded at run time.
# SPDX-License-Identifier: GPL-3.0-or-later
set -eu
build=$1
version=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

fail() {
    echo "FAILED: $1"
    failed=1
}

[ -e "$build/completions/hawq-bench" ] || {
    echo "skipped: the target installable is not built"
    exit 77
}

# same TEXT WANT WHAT
same() {
    [ "$1" = "$2" ] || fail "$3: '$1', expected '$2'"
}

# page FILE: nothing to complain about
page() {
    command -v man >/dev/null || return 0
    man --warnings -l "$1" >"$folder/page" 2>"$folder/warnings" || fail "man $1"
    [ ! -s "$folder/warnings" ] || fail "$1: $(head -n 3 "$folder/warnings")"
    # "No manual: minimized system" and the like replace man on small machines
    ! grep -q SYNOPSIS "$folder/page" || grep -q "EXIT STATUS" "$folder/page" ||
        fail "$1 is cut"
}

# options PROGRAM PAGE COMPLETION: whatever --help lists is in both
options() {
    "$1" --help | sed -n 's/^  \(-.,\|   \) \(--[a-z-]*\).*/\2/p' >"$folder/list"
    [ "$(wc -l <"$folder/list")" -gt 8 ] || fail "$1: few options"
    while read -r option; do
        grep -qF -e "fB$(echo "$option" | sed 's/-/\\-/g')\\fR" "$2" ||
            fail "$2 lacks $option"
        grep -q -e "[' ]$option[' ]" "$3" || fail "$3 lacks $option"
    done <"$folder/list"
}

# complete SCRIPT WORD...: what the last word is completed to
complete() {
    command -v bash >/dev/null || return 0
    bash -c 'file=$1; shift; . "$file"; COMP_WORDS=("$@")
             COMP_CWORD=$(($# - 1)); "_$(basename "$file" | tr - _)"
             echo "${COMPREPLY[*]}"' bash "$@"
}

# tree ROOT: what lies in ROOT/bin, ROOT/share
tree() {
    for program in "$build"/man/*.1; do
        name=$(basename "$program" .1)
        at=$1/bin/$name
        [ -x "$at" ] || fail "$at is missing"
        same "$("$at" --version | head -n 1)" "$name $version" "$at"
        "$at" --version | grep -q OpenBLAS || fail "$at: no OpenBLAS"
        for path in "$HAWQ_SOURCE" "$build"; do
            ! grep -qaF "$path" "$at" || fail "$at names $path"
        done
        page "$1/share/man/man1/$name.1"
        options "$at" "$1/share/man/man1/$name.1" \
            "$1/share/bash-completion/completions/$name"
    done
    page "$1/share/man/man7/hawq.7"
    for file in LICENSE copyright README.md; do
        [ -s "$1/share/doc/hawq-c/$file" ] || fail "$file is missing"
    done
    grep -q "CREATE TABLE run " "$1/share/hawq-c/schema.sql" || fail "no schema"
    (
        cd "$folder"
        echo '{"layers": [{"name": "a", "candidates": [
               {"weight_bits": 4, "activation_bits": 8, "loss": 1,
                "cost": {"weight-size": 4}},
               {"weight_bits": 8, "activation_bits": 8, "loss": 0,
                "cost": {"weight-size": 8}}]}],
               "budgets": {"weight-size": 5}}' >p.json
        "$1/bin/hawq-search" --problem p.json --format json --solver ilp
    ) >"$folder/out" 2>&1 || fail "hawq-search: $(cat "$folder/out")"
    grep -q '"weight_bits": 4' "$folder/out" || fail "$(cat "$folder/out")"
}

DESTDIR=$folder/there cmake --install "$build" --prefix /opt/hawq >"$folder/log" ||
    fail "cmake --install"
tree "$folder/there/opt/hawq"
if command -v bash >/dev/null; then
    script=$folder/there/opt/hawq/share/bash-completion/completions/hawq-bench
    same "$(complete "$script" hawq-bench --dev)" "--device" "an option"
    same "$(complete "$script" hawq-bench --device c)" "cpu cuda" "a value"
    same "$(complete "$script" hawq-bench --device = c)" "cpu cuda" "after ="
    same "$(complete "$script" hawq-bench --device =)" "cpu cuda opencl" "at ="
    same "$(complete "$script" hawq-bench --repeats '')" "" "a number"
    touch "$folder/some.onnx"
    same "$(complete "$script" hawq-bench "$folder/some")" \
        "$folder/some.onnx" "a file"
fi

if command -v cpack >/dev/null && command -v dpkg-shlibdeps >/dev/null; then
    (cd "$build" && cpack -G DEB -B "$folder/package") >"$folder/log" 2>&1 ||
        fail "cpack: $(tail -n 3 "$folder/log")"
    set -- "$folder"/package/hawq-c_"$version"_*.deb
    [ -e "$1" ] || fail "no package: $(ls "$folder/package")"
    dpkg-deb -x "$1" "$folder/packed"
    tree "$folder/packed/usr"
    same "$(dpkg-deb -f "$1" Version)" "$version" "its version"
    depends=$(dpkg-deb -f "$1" Depends)
    for library in libc6 libgsl libsqlite3-0 libprotobuf-c1 libzip libcjson1 \
        libopenblas0-pthread coinor-libcbc3; do
        case $depends in
        *"$library"*) ;;
        *) fail "the package does not depend on $library: $depends" ;;
        esac
    done
else
    echo "no cpack and dpkg-shlibdeps here: the package is left out"
fi
exit $failed
