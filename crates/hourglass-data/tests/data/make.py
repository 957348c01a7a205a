"""Writes the arrays and JPEG files that the tests read, with NumPy and Pillow: python tests/data/make.py"""

from pathlib import Path

import numpy
from PIL import Image

here = Path(__file__).parent
numpy.save(here / "u1-nhw.npy", numpy.arange(20, dtype="u1").reshape(2, 2, 5))
numpy.save(here / "u1-nchw.npy", numpy.arange(60, dtype="u1").reshape(2, 3, 2, 5))
numpy.save(here / "u1-nhwc.npy", numpy.arange(60, dtype="u1").reshape(2, 2, 5, 3))
floats = numpy.array([[[0, 1, 0.5, 0.2]], [[1 / 255, 2 / 255, 3 / 255, 4 / 255]]])
numpy.save(here / "f4-nhw.npy", floats.astype("<f4"))
numpy.save(here / "f8-big-nhw.npy", floats.astype(">f8"))

row, column = numpy.mgrid[:40, :50]
waves = [numpy.sin(row / 5), numpy.cos(column / 7), numpy.sin((row + column) / 9)]
colours = Image.fromarray(numpy.stack([127 + 100 * wave for wave in waves], -1).astype("u1"))
colours.convert("L").save(here / "grey.jpg", quality=50)
colours.save(here / "colours.jpg", quality=50, subsampling=0)
colours.save(here / "subsampled.jpg", quality=50, subsampling=2)
colours.save(here / "progressive.jpg", quality=50, subsampling=2, progressive=True)
colours.save(here / "restarts.jpg", quality=50, subsampling=2, restart_marker_blocks=3)
