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

# number NAME FILE [N]: the Nth (first) number of that name in a JSON file; the last where N is $.
number() {
    sed -n "s/^ *\"$1\": *\([-+.eE0-9]*\),*$/\1/p" "$2" | sed -n "${3:-1}p"
}

# backend RUN
backend() {
    sed -n 's/^ *"\(backend\|adapter\)": "\(.*\)",*$/\2/p' "$1/summary.json" | paste -sd '/'
}

# row WHAT OURS PUBLISHED SETTINGS RUN: prints a row of the table.
row() {
    local epochs seconds seed
    # Of the last phase.
    epochs=$(number epochs "$5/summary.json" '$')
    seconds=$(number seconds "$5/summary.json")
    seed=$(number seed "$5/summary.json")
    LC_ALL=C printf '| %s | %s | %s | %s, %.0f epochs, seed %d, %s | %.0f |\n' \
        "$1" "$2" "$3" "$4" "$epochs" "$seed" "$(backend "$5")" "$seconds"
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

# decimals N NUMBER
decimals() {
    LC_ALL=C printf "%.$1f" "$2"
}

# deep RECIPE WHAT
deep() {
    local run=runs/reproduce-$1 ours pca
    train "$run" "$1" --set data.validation=0
    ours=$(decimals 2 "$(number squared_error "$run/summary.json")")
    pca=$(decimals 2 "$(number squared_error "$run/summary.json" 2)")
    row "Deep autoencoder 784-1000-500-250-30, $2: squared error of the test images" \
        "$ours (PCA-30: $pca)" "3.00 (PCA-30: 13.87)" "\`$1\`" "$run"
}

# As in the table.
samples=5000

# density RUN: estimates the log-likelihood of the test images.
density() {
    "$hourglass" evaluate "$1" --measures density --samples "$samples" --json >"$1/density.json"
}

# likelihood RUN PUBLISHED WHAT SETTINGS: a row from the run's last estimate.
likelihood() {
    local file=$1/density.json nats images sampling active
    # The last one: a model trained with more than one sample has a term of that name.
    nats=$(decimals 2 "$(number importance_weighted_nats "$file" '$')")
    images=$(decimals 2 "$(number standard_error_nats "$file")")
    sampling=$(decimals 3 "$(number monte_carlo_error_nats "$file")")
    active=$(number active_units "$file")
    row "$3: negative log-likelihood of the test images by $samples samples, nats (active units)" \
        "$nats ± $images (images) ± $sampling (samples) ($active)" "$2" "$4" "$1"
}

case $name in
deep) deep deep "from random weights" ;;
deep-rbm) deep deep-rbm "pretrained as RBMs" ;;
vae-50)
    run=runs/reproduce-vae-50
    train "$run" vae-50 --epochs 400 --set data.validation=0 --set training.learning_rate=2e-3 \
        --set objective.warmup=0.15
    density "$run"
    likelihood "$run" "86.76 (19)" "VAE, one layer of 50, k = 1" "\`vae-50\`"
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
    likelihood "$one" "86.76 (19)" "VAE, one layer of 50, k = 1" "\`iwae\`"
    likelihood "$fifty" "84.78 (25)" "IWAE, one layer of 50, k = 50" "\`iwae\`"
    "$hourglass" compare "$one" "$fifty"
    ;;
stacked-denoising)
    for seed in 0 1 2; do
        run=runs/reproduce-stacked-denoising-$seed
        train "$run" stacked-denoising --seed "$seed"
        error=$(number error "$run/summary.json")
        row "SDAE-3, fine-tuned: test error, %" "$(awk "BEGIN { printf \"%.2f\", 100 * $error }")" "1.28" \
            "\`stacked-denoising\`" "$run"
    done | awk -F '|' '{ print; sum += $3 } END { printf "mean of %d seeds: %.2f %%\n", NR, sum / NR }'
    ;;
*) usage ;;
esac
