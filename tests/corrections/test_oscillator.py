"""The drift of the local oscillator of Envisat."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.blocks import Block
from creepmeter.corrections.oscillator import OscillatorDrift
from creepmeter.model.epoch import as_epochs

TIMES = as_epochs(["20040101", "20050101", "20060101", "20080101"])


def test_it_grows_with_years_and_range() -> None:
    distance = 830_000.0 + 1000.0 * np.arange(12.0).reshape(3, 4)
    drift = OscillatorDrift(TIMES, TIMES[1], distance, float(distance[1, 2]))
    found = drift.predict(Block(0, slice(0, 3), slice(0, 4)))
    assert_allclose(found[3, 2, 3], 3.87e-7 * 5000 * 3, rtol=1e-12)  # 5 km farther, three years later: 5.8 mm
    assert_allclose(found[0, 0, 0], 3.87e-7 * -6000 * -1, rtol=1e-12)
    assert_array_equal(found[1], 0)
    assert_array_equal(found[:, 1, 2], 0)
    assert_array_equal(drift.predict(Block(0, slice(1, 3), slice(2, 3))), found[:, 1:3, 2:3])
