#!/bin/sh
# Makes the report: the sweeps that are missing, tables and figures from their cells, the PDF. A cell
# that is there already is not made again, and an interrupted one continues.
#
#   paper/make.sh OUT        (from the top folder; OUT: for everything but the cells)
#
# The studies run on stand-ins, as their captions say: streets for KITTI, a flat for NYU Depth v2, a
# hall for the field; about 15 minutes of two cores. On the real sets, for days, where the
# environment names them:
#   KITTI NYUV2 FIELD   folders of the release's micro sets
#   FLIGHTS             the Matrix ToF flights, a better stand-in for the field
#   WEIGHTS             network pre-trained on TartanAir, to start from on all of those
#   CELLS JOBS MUDEPTH  folder of the cells, worker processes, the program
# shellcheck disable=SC2086 # stand-ins are lists of words
set -euf
if [ $# -ne 1 ]; then
    sed -n '/^# shellcheck/q; 2,$s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
out=$1 cells=${CELLS:-results/runs/paper} mudepth=${MUDEPTH:-build/mudepth}
pretrained=weights=${WEIGHTS:-tartanair_pretrain.pth}
mkdir -p "$out" "$cells"

# ---- sweeps ----

sweep() { # NAME CONFIG OVERRIDE...
    name=$1 config=$2
    shift 2
    echo "== $name"
    "$mudepth" sweep "configs/$config.yaml" "$@" -j "${JOBS:-2}" -o "$cells/$name"
}

# What makes a stand-in of a config: a world, few samples, batches as small.
world="data.set=synthetic data.root= protocol=textbook batch=4 data.test=test[0:100]"
streets="$world data.world=road data.max_depth_m=80 data.count=600 data.val=val[0:50]"
flat="$world data.world=field data.max_depth_m=4 data.count=600 data.val=val[0:50] cap_m=4
      data.label=tof8 data.fraction=20"
hall="$world data.world=arena data.max_depth_m=4 data.count=100 data.val=val[0:20]"
source=weights=configs/source_world.h5

if [ -n "${KITTI:-}" ]; then
    sweep kitti paper_kitti "data.root=$KITTI" "$pretrained"
    sweep kitti_scratch paper_scratch "data.root=$KITTI"
else
    sweep kitti paper_kitti $streets $source epochs=4
    sweep kitti_scratch paper_scratch $streets epochs=4 lr=0.001
fi
if [ -n "${NYUV2:-}" ]; then
    sweep nyuv2 paper_nyuv2 "data.root=$NYUV2" "$pretrained"
    sweep nyuv2_scratch paper_scratch data.set=micro-nyuv2 "data.root=$NYUV2"
else
    sweep nyuv2 paper_nyuv2 $flat $source epochs=4
    sweep nyuv2_scratch paper_scratch $flat epochs=4 lr=0.001
fi
if [ -n "${FIELD:-}" ]; then
    sweep field paper_field "data.root=$FIELD" "$pretrained"
elif [ -n "${FLIGHTS:-}" ]; then
    sweep field paper_field data.set=matrix "data.root=$FLIGHTS" "$pretrained" data.fraction=3 \
        protocol=textbook
else
    sweep field paper_field $hall $source
fi
if [ -n "${FLIGHTS:-}" ]; then
    mkdir -p "$cells/learning"
    for fold in 0 1 2 3; do
        sweep "learning/fold$fold" learning "data.root=$FLIGHTS" "$pretrained" \
            "data.train=rest$fold" "data.test=fold$fold"
    done
fi

# ---- tables and figures ----

made() { # FILE COMMAND...: what the command prints, whole or not at all
    made=$1
    shift
    "$@" >"$made.new" 2>"$made.notes" || { cat "$made.notes" >&2; exit 1; }
    mv "$made.new" "$made"
}

set +f
for file in paper/studies/*.yaml; do
    study=$(basename "$file" .yaml)
    [ "$study" != learning ] || [ -n "${FLIGHTS:-}" ] || continue # no stand-in has its keys
    case $study in
    *_scratch | field) folder=$cells/$study ;;
    *) folder=$cells/${study%%_*} ;;
    esac
    made "$out/$study.tex" "$mudepth" table "$study" "$folder" --latex
    made "$out/$study.values.tex" "$mudepth" table "$study" "$folder" --values
    if grep -q '^figure:' "$file"; then
        "$mudepth" plot "$study" "$folder" -f -o "$out/$study.pdf"
    fi
done
for policy in d0 full; do # what a device would need, by format
    for format in fp32 bf16; do
        "$mudepth" plan configs/micro.yaml policy=$policy format=$format batch=1 \
            optimizer=sgd |
            sed -n "s/^on a device.*: \([0-9]*\)[0-9]\{3\} bytes$/\\\\mdvalue{plan $policy $format}{\1}/p"
    done
done >"$out/plan.values.tex"
cat "$out"/*.values.tex >"$out/values.tex"

# ---- the report ----

TEXINPUTS=$out:paper: latexmk -pdf -interaction=nonstopmode -halt-on-error -outdir="$out" \
    paper/report.tex >"$out/latexmk.log" 2>&1 || { grep -A4 '^!' "$out/latexmk.log" >&2; exit 1; }
if grep -E '^Overfull|undefined|multiply defined|Missing character' "$out/report.log" >&2; then
    echo "$out/report.log: see above" >&2
    exit 1
fi
echo "$out/report.pdf"
