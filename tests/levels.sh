#!/bin/sh
# One training step by every level of the operators and on every kind of processor, against one
# trace. Emulated processors have no more than their level, so code that wants more dies there:
# Nehalem has no AVX, Haswell AVX2, FMA and F16C and no AVX-512.
# usage: levels.sh BUILD           (BUILD/mudepth-portable and -aarch64 are built)
#        levels.sh BUILD PART...   some of it: a format (first), an emulated processor
set -eu
unset MUDEPTH_CPU # not every program here has the level that everything else may be forced to
build=$1

# step FORMAT: a step's words. In 16 bits, where many of these processors take a hundred times as long,
# the last layer alone learns (their gradients are compared by test_ops).
step() {
    echo "configs/demo.yaml batch=1 data.count=1 format=$1 --steps 1 $([ "$1" = fp32 ] || echo policy=last)"
}

# same WHO FORMAT COMMAND...: what WHO computes is what is in the trace.
same() {
    who=$1 format=$2
    shift 2
    # shellcheck disable=SC2046
    said=$("$@" compare $(step "$format") --a "trace:$build/levels.$format" --b "${side:-host}" \
        2>"$build/levels.errors.$$") || {
        echo "$who, $format: ${said:-it died}" && cat "$build/levels.errors.$$" && exit 1
    }
    echo "$who, $format: $said"
}

format() {
    # shellcheck disable=SC2046
    "$build/mudepth" compare $(step "$1") --force --save-trace "$build/levels.$1"
    for level in ref scalar avx2 avx512 avx512fp16; do
        if MUDEPTH_CPU=$level "$build/mudepth" plan configs/demo.yaml >/dev/null 2>&1; then
            same "MUDEPTH_CPU=$level" "$1" env MUDEPTH_CPU=$level "$build/mudepth"
        else
            echo "SKIP: this processor has no $level"
        fi
    done
    same "portable build" "$1" "$build/mudepth-portable"
    side=aarch64:cores=2 same "aarch64" "$1" "$build/mudepth"
    side=aarch64:neon same "aarch64:neon" "$1" "$build/mudepth"
}

part() {
    case $1 in
    fp32 | fp16 | bf16) format "$1" ;;
    max | cortex-a53) # the operators of ARM processors, of which the second computes no binary16
        for test in ops elements; do
            echo "$1, test_$test:"
            MUDEPTH_CALLS=4 qemu-aarch64 -cpu "$1" "$build/aarch64/tests/test_$test" levels random \
                elementwise 2>&1
        done
        ;;
    Nehalem) same "$1" fp32 qemu-x86_64 -cpu "$1" "$build/mudepth" ;;
    Haswell)
        for format in fp32 bf16; do
            same "$1" $format qemu-x86_64 -cpu "$1" "$build/mudepth"
        done
        ;;
    esac
}

# Side by side, each with its words together.
parts() {
    printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c \
        '"$0" "$1" {} >"$1/levels.{}.log" 2>&1; ok=$?; cat "$1/levels.{}.log"; [ $ok = 0 ] || exit 255' \
        "$0" "$build"
}

if [ $# = 1 ]; then
    parts fp32 fp16 bf16
    parts Haswell cortex-a53 max Nehalem # the longest first
else
    shift
    for name in "$@"; do
        part "$name"
    done
fi
rm -f "$build/levels.errors.$$"
