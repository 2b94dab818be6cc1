from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

from creepmeter.kernels.patchwork import pad_periodic, sample_patchwork

pytestmark = pytest.mark.kernel

SHAPE = (40, 48)
FAR = 1e9  # patches so large that only the first is seen


@pytest.fixture(scope="module")
def coefficients() -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal(SHAPE, dtype=np.float32)


def positions(seed: int, low: float, high: float) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(low, high, (2, 6, 7))


def test_one_patch_is_the_periodic_quintic_spline(coefficients: npt.NDArray[np.float32]) -> None:
    rows, columns = positions(2, 0.0, 200.0)
    places = np.array([[[7, 11]]])
    found = sample_patchwork(pad_periodic(coefficients), places, rows, columns, FAR, 0.25)
    expected = ndimage.map_coordinates(
        coefficients, [rows + 7, columns + 11], order=5, mode="grid-wrap", prefilter=False
    )
    assert_allclose(found, expected, atol=2e-6)  # sums of 36 float32 terms of order 1


def test_splines_of_a_constant_are_constant_between_and_on_cells() -> None:
    rows, columns = positions(3, -50.0, 50.0)
    rows[0], columns[:, 0] = np.rint(rows[0]), np.rint(columns[:, 0])
    level = pad_periodic(np.ones(SHAPE, np.float32))
    assert_allclose(sample_patchwork(level, np.zeros((1, 1, 2), int), rows, columns, FAR, 0.25), 1.0, atol=1e-6)


def test_patches_blend_so_that_squares_of_weights_sum_to_one(coefficients: npt.NDArray[np.float32]) -> None:
    edge, blend = 30.0, 0.5
    places = np.random.default_rng(4).integers(40, size=(3, 3, 2))
    rows, columns = positions(5, -60.0, 120.0)
    padded = pad_periodic(coefficients)
    found = sample_patchwork(padded, places, rows, columns, edge, blend)
    patch = [np.floor(part / edge).astype(int) for part in (rows, columns)]
    rise = [
        np.clip((part / edge - one - 0.5) / blend, 0.0, 1.0) for part, one in zip((rows, columns), patch, strict=True)
    ]
    turn = [np.pi / 2 * part**2 * (3 - 2 * part) for part in rise]
    expected = np.zeros(rows.shape)
    for down in (0, 1):
        for right in (0, 1):
            start = places[(patch[0] + down) % 3, (patch[1] + right) % 3]
            value = ndimage.map_coordinates(
                coefficients,
                [rows + start[..., 0], columns + start[..., 1]],
                order=5,
                mode="grid-wrap",
                prefilter=False,
            )
            weights = [
                (np.sin if next_one else np.cos)(part) for part, next_one in zip(turn, (down, right), strict=True)
            ]
            expected += weights[0] * weights[1] * value
    assert_allclose(found, expected, atol=5e-6)
