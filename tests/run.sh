#!/bin/sh
# Runs test programs one after the other and adds up what they say.
# usage: run.sh LOGS PROGRAM...
# Fails when a test fails, when a program ends without Criterion's closing line, or when a sanitizer
# found something (Criterion lets a leak pass, so the reports go to files that must not appear).
logs=$1
shift
rm -rf "$logs"
mkdir -p "$logs"
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$PWD/$logs/sanitizer"
UBSAN_OPTIONS="print_stacktrace=1:log_path=$PWD/$logs/sanitizer"
OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS UBSAN_OPTIONS OPENBLAS_NUM_THREADS
tested=0 failed=0 skipped=0
for program in "$@"; do
    name=$(basename "$program")
    began=$(date +%s)
    "$program" -j1 >"$logs/$name.log" 2>&1
    status=$?
    closing=$(grep -a 'Synthesis: Tested:' "$logs/$name.log" | tail -n 1)
    # "... Tested: 7 | Passing: 7 | Failing: 0 | Crashing: 0"
    numbers=$(echo "$closing" | sed 's/\x1b\[[0-9;]*m//g' | grep -o '[0-9]*' | tr '\n' ' ')
    # shellcheck disable=SC2086
    set_numbers() { ran=${1:-0} passing=${2:-0} failing=${3:-0} crashing=${4:-0}; }
    # shellcheck disable=SC2086
    set_numbers $numbers
    skips=$(grep -a -c '^SKIP:' "$logs/$name.log")
    grep -a '^SKIP:' "$logs/$name.log" | sort -u
    bad=$((failing + crashing))
    if [ -z "$closing" ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
        bad=1
    fi
    echo "$name: $passing of $ran passed$([ "$bad" -gt 0 ] && echo ', FAILED') ($(($(date +%s) - began)) s)"
    [ "$bad" -gt 0 ] && sed 's/\x1b\[[0-9;]*m//g' "$logs/$name.log" | grep -av '^SKIP:' | tail -n 60
    tested=$((tested + passing))
    failed=$((failed + bad))
    skipped=$((skipped + skips))
done
for report in "$logs"/sanitizer*; do
    [ -e "$report" ] || continue
    echo "a sanitizer reported:"
    head -n 60 "$report"
    failed=$((failed + 1))
done
echo
echo "$tested passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$tested" -gt 0 ]
