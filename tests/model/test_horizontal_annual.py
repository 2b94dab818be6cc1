"""The swing of the ground in a year."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.testing import assert_allclose

from creepmeter.model.horizontal import annual_amplitude


def model(**terms: list[float]) -> xr.Dataset:
    """Return a motion model of one cell: values of east and north by term."""
    values = np.array(list(terms.values())).T[:, :, None, None]
    names = ("component", "term", "y", "x")
    return xr.Dataset({"value": (names, values)}, coords={"term": list(terms), "component": ["east", "north"]})


def test_the_amplitude_is_the_farthest_from_the_middle_at_any_day() -> None:
    rng = np.random.default_rng(0)
    day = np.linspace(0, 2 * np.pi, 4000)
    for _ in range(20):
        cosine, sine = rng.normal(size=(2, 2))
        path = cosine[:, None] * np.cos(day) + sine[:, None] * np.sin(day)
        found = annual_amplitude(model(rate=[1.0, 2.0], annual_cos=list(cosine), annual_sin=list(sine)))
        assert found is not None
        assert_allclose(found[0, 0], np.hypot(*path).max(), rtol=1e-5)


def test_without_an_annual_term_there_is_none() -> None:
    assert annual_amplitude(model(rate=[1.0, 2.0])) is None
