#!/bin/sh
# What 16-bit arithmetic does to learning: every number format with SGD and with Adam, five seeds
# each, on the Matrix ToF flights; then what buys back the losses. Batch 1 and no validation set, as
# on the device, one pass over all training flights; the learning rates are the best (within a factor
# of 10 for SGD, 3 for Adam) of fp32, and the same for all formats.
#
#   paper/formats.sh FLIGHTS WEIGHTS [OUT]       (OUT: results/runs/formats)
#
# A cell that is there already is not made again; interrupted, it continues. MUDEPTH names the
# program, SEEDS the seeds. About 40 minutes of one core.
set -eu
[ $# -ge 2 ] && [ $# -le 3 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0" >&2; exit 2; }
flights=$1 weights=$2 out=${3:-results/runs/formats}
mudepth=${MUDEPTH:-build/mudepth} seeds=${SEEDS:-0 1 2 3 4}
config=$(dirname "$0")/../configs/matrix.yaml

cell() { # FORMAT OPTIMIZER SEED [KEY=VALUE ...]
    format=$1 optimizer=$2 seed=$3
    shift 3
    name=$out/$format-$optimizer$(printf -- '-%s' "$@" | tr -d ' ' | sed 's/-$//')-$seed.h5
    [ -e "$name" ] && return
    resume=
    [ -e "$name.checkpoint" ] && resume=--resume
    case $optimizer in sgd) lr=0.01 ;; adam) lr=0.001 ;; esac
    "$mudepth" run "$config" data.root="$flights" data.val= weights="$weights" loss=depth_l1 \
        batch=1 threads=1 format="$format" optimizer="$optimizer" lr=$lr seed="$seed" "$@" \
        -o "$name" $resume >/dev/null
}

mkdir -p "$out"
for seed in $seeds; do
    for optimizer in sgd adam; do
        for format in fp32 fp16w bf16w fp16 bf16; do
            cell $format $optimizer "$seed"
        done
    done
done
for seed in $seeds; do
    for format in fp16w fp16; do
        cell $format adam "$seed" moments=fp32
    done
    for format in bf16w bf16; do
        for update in stochastic master kahan; do
            cell $format sgd "$seed" update=$update
        done
    done
done
"$mudepth" table "$out"/*.h5 --by optimizer,format,update,moments \
    --figure "$out/formats.png"
