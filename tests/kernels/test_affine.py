from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.affine import AFFINE, SHIFT, refit_chips
from creepmeter.kernels.chip import DONE, LOST, Images
from creepmeter.kernels.refine import FIELDS
from creepmeter.kernels.spline import spline_coefficients
from creepmeter.kernels.threads import limit_threads
from creepmeter.kernels.together import CORRELATION, MOVE_X, MOVE_Y, STATE, compare_chips, judge_chips

pytestmark = pytest.mark.kernel
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

EDGE, CHIP, CORNER = 36, 16, 10
MIDDLE = CORNER + (CHIP - 1) / 2
LEAST = CHIP * CHIP / 2


def waves(seed: int, y: Doubles, x: Doubles) -> Doubles:
    """Return a sum of waves of five pixels and longer: known at every place, and band-limited."""
    rng = np.random.default_rng(seed)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 12))
    wavenumber = rng.uniform(0.3, 1.2, 12)
    along = np.multiply.outer(y, np.sin(angle)) + np.multiply.outer(x, np.cos(angle))
    return np.asarray(np.cos(along * wavenumber + phase).sum(axis=-1))


def deformed(seed: int, shift: tuple[float, float], strain: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return a pair where the ground moves by shift + strain (x - middle of the chip)."""
    y, x = np.indices((EDGE, EDGE), dtype=np.float64)
    moved = np.stack([y - MIDDLE - shift[0], x - MIDDLE - shift[1]])
    before = np.einsum("ij,jyx->iyx", np.linalg.inv(np.eye(2) + np.asarray(strain)), moved) + MIDDLE
    return waves(seed, y, x).astype(np.float32), waves(seed, before[0], before[1]).astype(np.float32)


def images_of(ref: Floats, sec: Floats) -> Images:
    seen = np.ones(ref.shape, np.uint8)
    return ref, seen, spline_coefficients(sec), seen


def refit(images: Images, parameters: int, *, robust: bool = False, start: tuple[float, float] = (0, 0)) -> Floats:
    places = np.array([[CORNER, CORNER, *start]], float)
    found: Floats = refit_chips(images, places, (CHIP, parameters, robust), LEAST, 1.5)[0]
    return found


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("robust", [False, True])
def test_shift_and_strain_are_found(seed: int, *, robust: bool) -> None:
    strain = np.array([[0.03, -0.02], [0.05, -0.04]])
    found = refit(images_of(*deformed(seed, (0.4, -0.3), strain)), AFFINE, robust=robust)
    assert found[5] == DONE
    assert_allclose(found[:2], [0.4, -0.3], atol=3e-3)
    assert_allclose(found[FIELDS:], strain.ravel(), atol=2e-3)
    assert found[2] > 0.999
    assert found[6] > 0.9


@pytest.mark.parametrize("robust", [False, True])
def test_a_shift_is_found_whatever_the_gain_and_level(*, robust: bool) -> None:
    ref, sec = deformed(3, (0.3, 0.6), np.zeros((2, 2)))
    for gain, level in ((1, 0), (3, 50)):
        found = refit(images_of(ref, (gain * sec + level).astype(np.float32)), SHIFT, robust=robust)
        assert_allclose(found[:2], [0.3, 0.6], atol=3e-3)


def test_a_bright_patch_is_left_out() -> None:
    ref, sec = deformed(4, (0.3, -0.2), np.zeros((2, 2)))
    rng = np.random.default_rng(4)
    ref, sec = ((image + rng.normal(0, 0.1, image.shape)).astype(np.float32) for image in (ref, sec))
    sec[:, CORNER + 12 :] = 6 + rng.normal(0, 2, sec[:, CORNER + 12 :].shape)
    plain, robust = (refit(images_of(ref, sec), SHIFT, robust=way) for way in (False, True))
    off = np.abs(robust[:2] - [0.3, -0.2])
    assert (off < 3 * robust[3:5]).all()
    assert off.max() < 0.03
    assert not np.abs(plain[:2] - [0.3, -0.2]).max() < 0.06  # or lost
    assert 0.6 < robust[6] < 0.85  # the patch does not support it


def test_what_does_not_converge_is_lost() -> None:
    ref, _ = deformed(5, (0, 0), np.zeros((2, 2)))
    for sec in (-ref, np.zeros_like(ref)):
        found = refit(images_of(ref, sec), AFFINE)
        assert found[5] == LOST
        assert np.isnan(found[:2]).all()


def test_the_order_and_the_threads_change_no_bit() -> None:
    ref, sec = deformed(6, (0.3, -0.2), np.zeros((2, 2)))
    sec[:, CORNER + 13 :] = 4
    images = images_of(ref, sec)
    places = np.array([[y, x, 0, 0] for y in (6, 10, 14) for x in (4, 8, 12)], float)
    results = []
    for threads, order in ((1, slice(None)), (2, slice(None)), (1, slice(None, None, -1))):
        with limit_threads(threads):
            results.append(refit_chips(images, places[order], (CHIP, SHIFT, True), LEAST, 1.5)[order])
    for result in results[1:]:
        assert_array_equal(result, results[0])


def test_a_comparison_asks_for_the_way_that_is_left() -> None:
    images = images_of(*deformed(7, (0.3, -0.2), np.zeros((2, 2))))
    places = np.array([[CORNER, CORNER, 0.3, -0.2], [CORNER, CORNER, 0.35, -0.25]])
    look = compare_chips(images, places, CHIP, LEAST)
    assert_array_equal(look[:, STATE], DONE)
    assert_allclose(look[:, MOVE_Y : MOVE_X + 1], np.array([[0.0, 0.0], [0.05, -0.05]]), atol=5e-3)
    judged, parts = judge_chips(images, places, CHIP, LEAST)
    assert_array_equal(judged[:, : look.shape[1]], look)
    assert_allclose(parts[..., 1], parts[..., 0], rtol=0.02)  # all parts correlate fully
    assert look[0, CORRELATION] > look[1, CORRELATION] > 0.9
