#!/usr/bin/env bash
# One-class detection on MNIST: a model of each digit alone, which has to tell the other nine in the full test set.
#
#   scripts/one_class.sh [HOURGLASS] [DIRECTORY] > table.md
#
# HOURGLASS is the program (default: hourglass), DIRECTORY where the runs are kept (default: runs/one-class). A run that is
# there is not trained again. It needs the full MNIST (`hourglass data fetch mnist`) and jq.
set -euo pipefail
hourglass=${1:-hourglass}
runs=${2:-runs/one-class}
recipe=$(dirname "$0")/one_class.toml
mkdir -p "$runs"

echo "| digit | AUROC, error | AUROC, distance | AUROC, PCA | AP, error | AP, PCA | precision | recall | false alarms |"
echo "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
for digit in 0 1 2 3 4 5 6 7 8 9; do
    run=$runs/$digit
    [ -e "$run/model.safetensors" ] || "$hourglass" train "$recipe" --set "data.labels=[$digit]" --out "$run" > /dev/null
    for score in error distance pca; do
        "$hourglass" detect "$run" --normal "$digit" --score "$score" --json > "$run/$score.json"
    done
    jq -rs --arg digit "$digit" '
        def share: . * 10000 | round / 10000;
        map(.quality) as [$error, $distance, $pca]
        | [$digit, $error.auroc.value, $distance.auroc.value, $pca.auroc.value, $error.average_precision.value,
           $pca.average_precision.value, $error.precision.value, $error.recall.value, $error.false_alarms.value]
        | "| " + ([.[0]] + (.[1:] | map(share | tostring)) | join(" | ")) + " |"' "$run"/{error,distance,pca}.json
done
jq -rs '
    def mean: add / length * 10000 | round / 10000 | tostring;
    def column($score; f): map(select(.score == $score) | .quality | f) | mean;
    "| mean | " + ([column("error"; .auroc.value), column("distance"; .auroc.value), column("pca"; .auroc.value),
        column("error"; .average_precision.value), column("pca"; .average_precision.value),
        column("error"; .precision.value), column("error"; .recall.value), column("error"; .false_alarms.value)]
        | join(" | ")) + " |"' "$runs"/*/{error,distance,pca}.json
