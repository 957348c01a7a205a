"""Sets models beside JPEG and WebP: bytes per image and squared error over all test images of MNIST.

    cargo run --release --workspace --example rate_distortion -- mnist models/undercomplete ... > points.csv
    python scripts/compression/table.py points.csv DIRECTORY_OF_MNIST > table.md

JPEG and WebP are Pillow's, of two kinds: a file for each image, and one file of all images side by side, which spares them the
headers and lets them use what neighbouring images share. Versions are printed below the table.
"""

import csv
import io
import sys
from math import log10
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

SIDE = 28


def test_images(directory):
    raw = (Path(directory) / "t10k-images-idx3-ubyte").read_bytes()
    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, SIDE, SIDE)


def squared_error(images, restored):
    difference = images.astype(np.float64) - restored
    return (difference**2).sum() / 255.0**2 / len(images)


def coded(picture, kind, quality):
    """The bytes of a picture, and what is read from them."""
    file = io.BytesIO()
    options = {"optimize": True} if kind == "JPEG" else {"method": 6}
    Image.fromarray(picture).save(file, kind, quality=quality, **options)
    file.seek(0)
    return file.getbuffer().nbytes, np.asarray(Image.open(file).convert("L"))


def each_alone(images, kind, quality):
    sizes, restored = zip(*(coded(image, kind, quality) for image in images))
    return sum(sizes) / len(images), squared_error(images, np.stack(restored))


def tiled(images):
    columns = 100
    rows = -(-len(images) // columns)
    blank = np.zeros((rows * columns - len(images), SIDE, SIDE), np.uint8)
    cells = np.concatenate([images, blank]).reshape(rows, columns, SIDE, SIDE)
    return cells.transpose(0, 2, 1, 3).reshape(rows * SIDE, columns * SIDE)


def cut(picture, count):
    rows, columns = (side // SIDE for side in picture.shape)
    cells = picture.reshape(rows, SIDE, columns, SIDE).transpose(0, 2, 1, 3)
    return cells.reshape(-1, SIDE, SIDE)[:count]


def side_by_side(images, kind, quality):
    size, restored = coded(tiled(images), kind, quality)
    return size / len(images), squared_error(images, cut(restored, len(images)))


def psnr(error):
    return 10 * log10(SIDE * SIDE / error)


def main():
    points, directory = sys.argv[1:]
    images = test_images(directory)
    print("| method | code | steps | bits | bytes per image | squared error | PSNR (dB) | model (bytes) |")
    print("|---|--:|---|--:|--:|--:|--:|--:|")
    for row in csv.DictReader(open(points)):
        error = float(row["squared_error"])
        print(
            f"| {row['method']} | {row['code']} | {row['steps']} | {row['bits']} | {float(row['bytes_per_image']):.2f} "
            f"| {error:.2f} | {psnr(error):.2f} | {int(row['model_bytes']):,} |"
        )
    for kind in ["JPEG", "WEBP"]:
        for quality in [0, 2, 5, 10, 20, 30, 50, 75]:
            size, error = side_by_side(images, kind, quality)
            print(f"| {kind}, one file | | | quality {quality} | {size:.2f} | {error:.2f} | {psnr(error):.2f} | |")
        for quality in [0, 10, 30, 50]:
            size, error = each_alone(images, kind, quality)
            print(f"| {kind}, a file each | | | quality {quality} | {size:.2f} | {error:.2f} | {psnr(error):.2f} | |")
    print(f"\nPillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, libwebp {features.version('webp')}")


if __name__ == "__main__":
    main()
