#!/bin/sh
# What 16-bit arithmetic does to learning: every number format with SGD and with Adam, five seeds
# each, on the Matrix ToF flights; then what buys back the losses, and SGD with a rate ten times
# smaller. As on the device: batch 1, no validation set, one pass over the training flights. SGD's
# rate of 0.01 is the smallest power of ten with which fp32 beats the dummy predictor in that pass.
#
#   paper/formats.sh FLIGHTS WEIGHTS [OUT]       (OUT: results/runs/formats)
#
# A cell that is there already is not made again, and an interrupted one continues. MUDEPTH names
# the program, SEEDS the seeds. About 40 minutes of one core.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    sed -n '/^set/q; 2,$s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
flights=$1 weights=$2 out=${3:-results/runs/formats}
mudepth=${MUDEPTH:-build/mudepth}
config=$(dirname "$0")/../configs/matrix.yaml

cells() { # FORMAT OPTIMIZER LR [KEY=VALUE]: one for each seed
    for seed in ${SEEDS:-0 1 2 3 4}; do
        name=$out/$1-$2-$3-${4:-plain}-$seed.h5
        [ -e "$name" ] || "$mudepth" run "$config" data.root="$flights" data.val= \
            weights="$weights" loss=depth_l1 batch=1 threads=1 seed="$seed" format="$1" \
            optimizer="$2" lr="$3" ${4:+"$4"} -o "$name" \
            $([ ! -e "$name.checkpoint" ] || echo --resume) >/dev/null ||
            [ -e "$name" ] # some diverge: their cells say so
    done
}

mkdir -p "$out"
for format in fp32 fp16w bf16w fp16 bf16; do
    cells $format sgd 0.01
    cells $format adam 0.001
done
for format in fp16w fp16; do
    cells $format adam 0.001 moments=fp32
done
cells fp32 sgd 0.001
for format in bf16w bf16; do
    cells $format sgd 0.001
    for storage in stochastic master kahan; do
        cells $format sgd 0.001 weight_storage=$storage
    done
done
for storage in stochastic master kahan; do
    cells bf16w sgd 0.01 weight_storage=$storage
done
"$mudepth" query "$out" --by optimizer,lr,format,weight_storage,moments -f --figure "$out/formats.png"
