from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ImageError
from creepmeter.simulate import pair_images
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.large import HiddenImage, track_large
from creepmeter.tracking.match import Flag
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import SeenImage

OPTIONS = TrackOptions(chip_px=32, step_px=8, search_px=4)


def source(values: npt.NDArray[Any]) -> SeenImage:
    return SeenImage(values.astype(np.float32), np.isfinite(values))


def test_excluded_ground_does_not_tune_the_filter() -> None:
    pair = pair_images((400, 400), (0.3, 1.4), noise_dn=60.0, change_dn=150.0, seed=1)
    cloud = np.zeros((400, 400), bool)
    cloud[:, 150:] = True
    rng = np.random.default_rng(0)
    for image in (pair.ref, pair.sec):
        image[cloud] += 3000 * rng.normal(size=image.shape)[cloud]
    whole = track_arrays(pair.ref, pair.sec, exclude=cloud, options=OPTIONS)
    parts = track_large(source(pair.ref), source(pair.sec), OPTIONS, exclude=cloud)
    assert whole.valid.sum() > 500
    assert_array_equal(parts.flag, whole.flag)
    assert_allclose(parts.dx, whole.dx, atol=1e-3)


@pytest.mark.parametrize(("value", "blank"), [(np.nan, 0), (7.0, 1)])
def test_an_image_that_shows_nothing_is_refused(value: float, blank: int) -> None:
    images = [source(np.random.default_rng(1).normal(size=(96, 96))) for _ in range(2)]
    images[blank] = source(np.full((96, 96), value))
    name = ("reference", "secondary")[blank]
    with pytest.raises(ImageError, match=f"the {name} image shows nothing .* check nodata"):
        track_large(images[0], images[1], OPTIONS)


def test_nowhere_to_measure_is_no_error() -> None:
    image = source(np.full((96, 96), np.nan))
    field = track_large(image, image, OPTIONS, within=np.zeros((96, 96), bool))
    assert (field.flag == Flag.NOT_WANTED).all()


def test_images_smaller_than_a_chip_are_refused() -> None:
    image = source(np.random.default_rng(1).normal(size=(10, 400)))
    with pytest.raises(ImageError, match="10 x 400 pixels, smaller than a chip of 32"):
        track_large(image, image, OPTIONS)


def test_hidden_pixels_are_read_as_missing() -> None:
    hidden = np.eye(4, dtype=bool)
    read = HiddenImage(source(np.ones((4, 4))), hidden).read(slice(1, 3), slice(0, 4))
    assert_array_equal(np.isnan(read), hidden[1:3])
