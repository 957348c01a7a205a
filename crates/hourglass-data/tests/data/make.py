"""Writes the arrays that the tests read, with NumPy: python tests/data/make.py"""

from pathlib import Path

import numpy

here = Path(__file__).parent
numpy.save(here / "u1-nhw.npy", numpy.arange(20, dtype="u1").reshape(2, 2, 5))
numpy.save(here / "u1-nchw.npy", numpy.arange(60, dtype="u1").reshape(2, 3, 2, 5))
numpy.save(here / "u1-nhwc.npy", numpy.arange(60, dtype="u1").reshape(2, 2, 5, 3))
floats = numpy.array([[[0, 1, 0.5, 0.2]], [[1 / 255, 2 / 255, 3 / 255, 4 / 255]]])
numpy.save(here / "f4-nhw.npy", floats.astype("<f4"))
numpy.save(here / "f8-big-nhw.npy", floats.astype(">f8"))
