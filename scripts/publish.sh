#!/usr/bin/env bash
# Trains the published models by their recipes on the full MNIST and writes their folders, models/NAME: config.json,
# config.toml, model.safetensors in float16, metrics.json and README.md. Run again after it was stopped, it goes on where it was.
#
#   scripts/publish.sh [hourglass]
#
# The argument is the program, by default target/release/hourglass. MNIST must have been fetched. About 30 minutes on 2 cores.
# The program has the models of its build: build it again afterwards.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
hourglass=$(realpath "${1:-$root/target/release/hourglass}")
cd "$root"

for name in undercomplete deep-rbm conv sparse denoising contractive variational; do
    run=runs/publish-$name
    options=(--data mnist --backend flex --out "$run")
    # As the paper whose numbers it is compared with does: docs/reproductions.md.
    [ "$name" != deep-rbm ] || options+=(--set data.validation=0)
    if [ ! -e "$run/config.toml" ]; then
        "$hourglass" train "$name" "${options[@]}"
    elif [ ! -e "$run/summary.json" ]; then
        "$hourglass" train --resume --out "$run"
    fi
    cp "$run/config.json" "$run/config.toml" "models/$name/"
    "$hourglass" export "$run" --precision float16 --out "models/$name/model.safetensors" --force
    cd models
    "$hourglass" evaluate "$name" --backend flex --json >"$name/.metrics.json.tmp"
    mv "$name/.metrics.json.tmp" "$name/metrics.json"
    "$hourglass" card "$name" --licence cc-by-sa-3.0 --force
    cd ..
done
