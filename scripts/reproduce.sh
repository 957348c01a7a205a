#!/usr/bin/env bash
# Trains a model of a published table on the full MNIST, measures it as the table does, and prints its row of
# docs/reproductions.md. Run again after it was stopped, it goes on from the last checkpoint.
#
#   scripts/reproduce.sh NAME [hourglass]
#
# NAME: vae-50 (Burda et al. 2016, table 1, VAE with k = 1)
# The second argument is the program, by default target/release/hourglass. MNIST must have been fetched.
set -euo pipefail

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
}

name=${1:-}
hourglass=${2:-target/release/hourglass}
run=runs/reproduce-$name

# number NAME FILE: the first number of that name in a JSON file.
number() {
    sed -n "s/^ *\"$1\": *\([-+.eE0-9]*\),*$/\1/p" "$2" | head -n 1
}

# train RECIPE OPTIONS...: starts the run, or goes on with it.
train() {
    if [ -e "$run/config.toml" ]; then
        "$hourglass" train --resume --out "$run"
    else
        "$hourglass" train "$@" --data mnist --out "$run"
    fi
}

case $name in
vae-50)
    train vae-50 --epochs 150 --set data.validation=0 --set training.learning_rate=2e-3
    "$hourglass" evaluate "$run" --measures density --samples 5000 --json >"$run/density.json"
    awk -v nats="$(number importance_weighted_nats "$run/density.json")" \
        -v error="$(number standard_error_nats "$run/density.json")" \
        -v samples="$(number monte_carlo_error_nats "$run/density.json")" \
        -v active="$(number active_units "$run/density.json")" \
        -v seconds="$(number seconds "$run/summary.json")" 'BEGIN {
        printf "| VAE, one layer of 50 | %.2f nats ± %.2f (images) ± %.3f (samples), %d active | 86.76 (19) | 150 epochs | %d s |\n",
            nats, error, samples, active, seconds }'
    ;;
*) usage ;;
esac
