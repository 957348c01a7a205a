#!/usr/bin/env bash
# Makes the pictures of docs/gallery.md and of the README's section on use, from published models and the test images of MNIST.
#
#   scripts/gallery.sh [hourglass]
#
# The argument is the program, by default target/release/hourglass. MNIST must have been fetched. A minute or two on 2 cores.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
hourglass=$(realpath "${1:-$root/target/release/hourglass}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
options=(--backend flex)

# grid NAME COMMAND...: keeps the grid of pictures before and after.
grid() {
    local name=$1
    shift
    "$hourglass" "$@" --limit 32 --grid-only "${options[@]}" --out "$name"
    cp "$name/grid.png" "$root/docs/images/$name.png"
}

grid reconstructed reconstruct conv mnist
grid denoised denoise denoising mnist --corrupt masking:0.3
grid inpainted inpaint variational mnist --mask half:bottom
"$hourglass" sample conv --data mnist --count 48 --columns 16 --out sampled.png "${options[@]}"
"$hourglass" interpolate variational test:0 test:1 --data mnist --out interpolated.gif "${options[@]}"
"$hourglass" traverse variational --dimensions 0,1,2,3,4,5,6,7 --out traversed.png "${options[@]}"
"$hourglass" embed variational mnist --method tsne --out map.svg "${options[@]}"
cp sampled.png interpolated.gif traversed.png map.svg "$root/docs/images/"
