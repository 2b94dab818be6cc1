"""The line fit of a published series (Sydney, Envisat) is found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from creepmeter.velocity.fit import fit_velocity

DATES = [
    "20060619", "20060828", "20061002", "20061106", "20061211", "20070115", "20070219", "20070326", "20070430",
    "20070604", "20070709", "20070813", "20070917",
]  # fmt: skip


@pytest.mark.golden
def test_rate_of_the_published_series(shared: Path) -> None:
    folder = shared / "data" / "insar_roipac_gamma_sydney" / "linear_rate"
    after = np.moveaxis(np.load(folder / "tscuml_0.npy"), -1, 0)
    series = np.concatenate([np.zeros((1, *after.shape[1:])), after])  # millimetres; the first date is 0
    rate = fit_velocity(series, terms=["rate"], times=DATES)["value"].sel(term="rate").values.squeeze()
    published = np.load(folder / "linear_rate.npy")
    np.testing.assert_array_equal(np.isnan(rate), np.isnan(published))
    assert np.nanmax(np.abs(rate - published)) <= 1e-5  # mm/yr; days of 365.25 a year in both
