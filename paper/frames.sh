#!/bin/sh
# What the published checkpoints say of real frames they were not made for here: KITTI and NYU Depth
# v2 as downloaded, by both protocols and at every depth cap, beside the dummy predictor (the mean
# depth of the same frames).
#
#   paper/frames.sh DATA WEIGHTS
#
# DATA holds kitti/object, kitti/raw and nyu/NYUDv2-IS; WEIGHTS tartanair_pretrain.pth and
# kitti_scratch.pth. MUDEPTH names the program. Two minutes.
set -eu
if [ $# -ne 2 ]; then
    sed -n '/^set/q; 2,$s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
data=$1 weights=$2
mudepth=${MUDEPTH:-build/mudepth}

row='%-15s %-22s %-9s %5s %9s %9s %9s %7s\n'

frames() { # NAME SPEC CAPS
    for protocol in textbook release; do
        for cap in $3; do
            for file in tartanair_pretrain kitti_scratch; do
                "$mudepth" eval --weights "$weights/$file.pth" --data "$2" --protocol $protocol \
                    --cap "$cap" |
                    awk -v row="$row" -v name="$1" -v file=$file -v protocol=$protocol -v cap="$cap" '
                        $1 == "upydnet" { printf row, name, file, protocol, cap, $2, $3, $4, $NF }
                        $1 == "dummy" && file == "kitti_scratch" {
                            printf row, name, "dummy predictor", protocol, cap, $6, $7, $8, $NF }'
            done
        done
    done
}

# shellcheck disable=SC2059 # the format is a constant
printf "$row" set weights protocol "cap m" "RMSE (m)" abs_rel delta1 images
frames kitti-object "{set: kitti-object, root: '$data/kitti/object', split: all}" "15 25 50 80"
frames kitti-raw "{set: kitti, root: '$data/kitti/raw', split: all}" "15 25 50 80"
frames kitti-annotated \
    "{set: kitti, root: '$data/kitti/raw', split: 2011_09_26_drive_metric3d_sync}" "15 80"
frames nyu "{set: nyu-folder, root: '$data/nyu/NYUDv2-IS', split: all, evaluation_crop: nyu}" "5 10"
