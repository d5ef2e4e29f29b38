#!/bin/sh
# Trains the ensemble that ships once more, each member from its seed; some ten hours of two cores.
# Interrupted, the same command goes on where it was.
#
#     sh weights/retrain.sh cells.csv lite1.safetensors retrained all.csv
#
# cells.csv: labelled images, as for slidescreen train. lite1.safetensors: made by convert_lite1.py. all.csv: the images
# of cells.csv and those of other laboratories, for the last trainings of each member. The package nncf must be installed.
set -eu
data=$1 lite1=$2 out=$3 all=$4
here=$(dirname "$0")
left_out="--leave-out plasma_cell --leave-out promonocyte --leave-out normal_unspecified"
onecycle="--drop-duplicates --optimizer adamw --weight-decay 0.02 --schedule onecycle"
strong="--scale 2 --colour 1.5 --focus 1.5"
mkdir -p "$out"

# Backbone, name of the stage, then the options that are its own. `widen` trains on all laboratories.
train() { train_on "$data" "$left_out" "$@"; }
widen() { train_on "$all" "$left_out --leave-out blast" "$@"; }
train_on() {
    table=$1 passed_over=$2 backbone=$3 stage=$out/$4
    shift 4
    if [ -e "$stage/training-state.safetensors" ]; then
        set -- "$@" --resume
    elif [ -e "$stage/$backbone.safetensors" ]; then
        return 0 # finished by an earlier run
    fi
    # shellcheck disable=SC2086 # the lists of options are to be split
    slidescreen train "$table" $passed_over $onecycle --backbone "$backbone" --out "$stage" "$@"
}

mean() {
    python "$here/average.py" "$out/$1" "$out/$2" "$out/$3" --share "$4"
}

b1=efficientnet_b1 v2=efficientnetv2_b2
# shellcheck disable=SC2086
{
    train $b1 first --init "$lite1" --image-size 128 --epochs 6 --progressive 96:4 \
        --learning-rate 0.001 --weight-average 0.997
    train $b1 second --init "$out/first/$b1.safetensors" --image-size 160 --epochs 12 --progressive 96:9 \
        --learning-rate 0.0008 --weight-average 0.998 --focus 1.5
    train $b1 third --init "$out/second/$b1.safetensors" --image-size 128 --epochs 7 --progressive 96:4 \
        --learning-rate 0.0008 --weight-average 0.998 $strong
    mean second/$b1.safetensors third/$b1.safetensors mean.safetensors 0.5
    train $b1 fourth --init "$out/mean.safetensors" --image-size 160 --epochs 4 --progressive 128:2 \
        --learning-rate 0.0005 --weight-average 0.998 $strong
    mean fourth/$b1.safetensors second/$b1.safetensors home-$b1.safetensors 0.25

    train $v2 v2-first --teacher "$out/first/$b1.safetensors" --teacher-weight 0.7 --image-size 96 --epochs 10 \
        --progressive 80:7 --learning-rate 0.0015 --weight-average 0.998 --drop-path 0
    train $v2 v2-second --init "$out/v2-first/$v2.safetensors" --teacher "$out/home-$b1.safetensors" --teacher-weight 0.6 \
        --image-size 128 --epochs 15 --progressive 96:11 --batch-size 64 \
        --learning-rate 0.002 --weight-average 0.997 --drop-path 0 $strong
    train $v2 v2-third --init "$out/v2-second/$v2.safetensors" --image-size 160 --epochs 10 --progressive 128:8 \
        --batch-size 64 --seed 7 --learning-rate 0.0015 --weight-average 0.997 --drop-path 0.05 $strong
    train $v2 v2-fourth --init "$out/v2-third/$v2.safetensors" --image-size 160 --epochs 12 --progressive 128:4 \
        --batch-size 64 --seed 11 --learning-rate 0.0015 --weight-average 0.997 --drop-path 0.05 $strong

    widen $b1 fifth --init "$out/home-$b1.safetensors" --image-size 160 --epochs 10 --batch-size 128 \
        --learning-rate 0.0008 --weight-average 0.99 --drop-path 0.05 $strong --stain-exchange 0.5 --surroundings 0.4
    mean fifth/$b1.safetensors home-$b1.safetensors $b1.safetensors 0.3
    widen $v2 v2-fifth --init "$out/v2-fourth/$v2.safetensors" --image-size 160 --epochs 16 --batch-size 128 \
        --learning-rate 0.0015 --weight-average 0.99 --drop-path 0.05 $strong --stain-exchange 0.5
    mean v2-fifth/$v2.safetensors v2-fourth/$v2.safetensors taught-from.safetensors 0.5
    train_on "$all" "--leave-out plasma_cell --leave-out promonocyte" $v2 v2-sixth --init "$out/taught-from.safetensors" \
        --teacher "$out/$b1.safetensors" --teacher-weight 0.7 --image-size 160 --epochs 4 --progressive 128:1 --batch-size 64 \
        --learning-rate 0.0008 --weight-average 0.98 --drop-path 0.05 $strong --stain-exchange 0.5 --surroundings 0.4
    mean v2-sixth/$v2.safetensors taught-from.safetensors $v2.safetensors 0.3

    slidescreen ensemble "$out/$b1.safetensors" "$out/$v2.safetensors" --data "$data" --drop-duplicates \
        --leave-out normal_unspecified --unknown plasma_cell --unknown promonocyte --out "$out/ensemble" --int8 --overwrite
}
