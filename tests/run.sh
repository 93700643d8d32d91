#!/bin/sh
# Runs test programs, one more at a time than there are processors, for some wait for others, and adds
# up what they say.
# usage: run.sh LOGS PROGRAM...
# Fails when a test fails, when a program ends without Criterion's closing line, or when a sanitizer
# found something (Criterion lets a leak pass, so the reports go to files that must not appear).

# run.sh --one LOGS PROGRAM: one of them. Leaves LOGS/NAME.log, and "passing bad skipped" in
# LOGS/NAME.sum.
if [ "$1" = --one ]; then
    name=$(basename "$3") log=$2/$(basename "$3").log
    began=$(date +%s)
    "$3" -j1 >"$log" 2>&1
    status=$?
    times >"$log.times" # of this shell, and on the second line of the program: "1m2.50s 0m0.25s"
    cpu=$(tr ms '  ' <"$log.times" | awk 'NR == 2 { printf "%.0f", 60 * ($1 + $3) + $2 + $4 }')
    # "... Tested: 7 | Passing: 7 | Failing: 0 | Crashing: 0"
    # shellcheck disable=SC2046
    set -- "$2" $(grep -a 'Synthesis: Tested:' "$log" | tail -n 1 | sed 's/\x1b\[[0-9;]*m//g' |
        grep -o '[0-9]*')
    bad=$((${4:-1} + ${5:-0}))
    [ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    echo "$name: ${3:-0} of ${2:-0} passed$([ "$bad" -gt 0 ] && echo ', FAILED') ($(($(date +%s) - began)) s, $cpu of a processor)"
    echo "${3:-0} $bad $(grep -a -c '^SKIP:' "$log")" >"$1/$name.sum"
    exit 0
fi

logs=$1
shift
rm -rf "$logs"
mkdir -p "$logs"
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$PWD/$logs/sanitizer"
UBSAN_OPTIONS="print_stacktrace=1:log_path=$PWD/$logs/sanitizer"
OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS UBSAN_OPTIONS OPENBLAS_NUM_THREADS
printf '%s\n' "$@" | xargs -P $(($(nproc) + 1)) -I '{}' "$0" --one "$logs" '{}'

tested=0 failed=0 skipped=0
for program in "$@"; do
    name=$(basename "$program")
    read -r passing bad skips <"$logs/$name.sum"
    grep -a '^SKIP:' "$logs/$name.log" | sort -u
    if [ "$bad" -gt 0 ]; then
        echo "$name failed:"
        sed 's/\x1b\[[0-9;]*m//g' "$logs/$name.log" | grep -av '^SKIP:' | tail -n 60
    fi
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
