#!/usr/bin/env bash
# Trains the models of a published table on the full MNIST, measures them as the table does, and prints their rows of
# docs/reproductions.md. Run again after it was stopped, it goes on where it was.
#
#   scripts/reproduce.sh NAME [hourglass]
#
# NAME: deep               Hinton & Salakhutdinov 2006, from random weights
#       deep-rbm           the same, pretrained as a stack of RBMs
#       vae-50             Burda et al. 2016, table 1, VAE with k = 1
#       iwae-50            the same, k = 50 beside k = 1 after as many epochs
#       stacked-denoising  Vincent et al. 2010, SDAE-3, three seeds
# The second argument is the program, by default target/release/hourglass. MNIST must have been fetched.
set -euo pipefail

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'
    exit 2
}

name=${1:-}
hourglass=${2:-target/release/hourglass}

# number NAME FILE [N]: the Nth (first) number of that name in a JSON file.
number() {
    sed -n "s/^ *\"$1\": *\([-+.eE0-9]*\),*$/\1/p" "$2" | sed -n "${3:-1}p"
}

# train RUN RECIPE OPTIONS...: starts the run, or goes on with it, unless it has ended.
train() {
    local run=$1
    shift
    if [ -e "$run/summary.json" ]; then
        return
    elif [ -e "$run/config.toml" ]; then
        "$hourglass" train --resume --out "$run" >&2
    else
        "$hourglass" train "$@" --data mnist --out "$run" >&2
    fi
}

# deep RECIPE TITLE
deep() {
    local run=runs/reproduce-$1
    train "$run" "$1" --set data.validation=0
    awk -v ours="$(number squared_error "$run/summary.json")" -v pca="$(number squared_error "$run/summary.json" 2)" \
        -v seconds="$(number seconds "$run/summary.json")" -v title="$2" 'BEGIN {
        printf "| %s: squared error of the test images | %.2f | 3.00 | PCA-30: %.2f | %d |\n", title, ours, pca, seconds }'
}

# As in the table.
samples=5000

# density RUN: estimates the log-likelihood of the test images.
density() {
    "$hourglass" evaluate "$1" --measures density --samples "$samples" --json >"$1/density.json"
}

# likelihood RUN PUBLISHED TITLE: a row from the run's last estimate.
likelihood() {
    awk -v nats="$(number importance_weighted_nats "$1/density.json")" \
        -v error="$(number standard_error_nats "$1/density.json")" \
        -v sampling="$(number monte_carlo_error_nats "$1/density.json")" \
        -v samples="$samples" \
        -v active="$(number active_units "$1/density.json")" \
        -v epochs="$(number epochs "$1/summary.json")" \
        -v seconds="$(number seconds "$1/summary.json")" -v published="$2" -v title="$3" 'BEGIN {
        printf "| %s: negative log-likelihood by %d samples | %.2f nats ± %.2f (images) ± %.3f (samples), %d active | %s | %d epochs | %d |\n",
            title, samples, nats, error, sampling, active, published, epochs, seconds }'
}

case $name in
deep) deep deep "Deep autoencoder 784-1000-500-250-30, from random weights" ;;
deep-rbm) deep deep-rbm "Deep autoencoder 784-1000-500-250-30, pretrained as RBMs" ;;
vae-50)
    run=runs/reproduce-vae-50
    train "$run" vae-50 --epochs 400 --set data.validation=0 --set training.learning_rate=2e-3 \
        --set objective.warmup=0.15
    density "$run"
    likelihood "$run" "86.76 (19)" "VAE, one layer of 50, k = 1"
    ;;
iwae-50)
    # The same recipe, images and epochs; only k differs.
    one=runs/reproduce-iwae-1
    fifty=runs/reproduce-iwae-50
    for run in "$one" "$fifty"; do
        train "$run" iwae --epochs 20 --set data.validation=0 --set training.learning_rate=2e-3 \
            --set objective.samples="${run##*-}"
        density "$run"
    done
    likelihood "$one" "86.76 (19)" "VAE, one layer of 50, k = 1"
    likelihood "$fifty" "84.78 (25)" "IWAE, one layer of 50, k = 50"
    "$hourglass" compare "$one" "$fifty"
    ;;
stacked-denoising)
    errors=()
    for seed in 0 1 2; do
        run=runs/reproduce-stacked-denoising-$seed
        train "$run" stacked-denoising --seed "$seed"
        errors+=("$(number error "$run/summary.json")")
    done
    printf '%s\n' "${errors[@]}" | awk -v seconds="$(number seconds "$run/summary.json")" '{
        list = list sprintf("%s%.2f", NR > 1 ? ", " : "", 100 * $1); sum += 100 * $1 } END {
        printf "| SDAE-3, fine-tuned: test error of %d seeds | %s; mean %.2f %% | 1.28 %% | - | %d each |\n",
            NR, list, sum / NR, seconds }'
    ;;
*) usage ;;
esac
