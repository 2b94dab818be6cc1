"""Units, fringes, windows and masks of what is drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from creepmeter.errors import ConfigError
from creepmeter.model.grid import Grid
from creepmeter.products.options import ViewOptions
from creepmeter.products.scale import factor_between, wrapped
from creepmeter.products.view import split_names, view
from creepmeter.products.window import masked, relative, window

Maker = Callable[..., xr.Dataset]
HALF_WAVELENGTH = 0.0277


@pytest.mark.parametrize(
    ("unit", "wanted", "factor"),
    [("m", "mm", 1000), ("m/year", "cm/yr", 100), ("radian", "degree", 180 / np.pi), ("1", "1", 1)],
)
def test_units_of_one_kind_turn_into_each_other(unit: str, wanted: str, factor: float) -> None:
    assert factor_between(unit, wanted) == pytest.approx(factor)


def test_half_a_wavelength_toward_the_satellite_is_one_turn_less_of_phase() -> None:
    assert factor_between("m", "radian", cycle_m=HALF_WAVELENGTH) * HALF_WAVELENGTH == pytest.approx(-2 * np.pi)
    both = factor_between("cm", "degree", cycle_m=0.03) * factor_between("degree", "cm", cycle_m=0.03)
    assert both == pytest.approx(1)


@pytest.mark.parametrize(("unit", "wanted"), [("m", "mm/yr"), ("m", "radian"), ("degree", "m"), ("1", "m")])
def test_units_of_different_kinds_are_refused(unit: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be drawn in '{wanted}'"):
        factor_between(unit, wanted)


@given(st.floats(-1e4, 1e4), st.floats(-10, 10), st.floats(0.1, 20))
def test_wrapped_values_differ_by_whole_turns_and_lie_inside(value: float, low: float, length: float) -> None:
    found = float(wrapped(np.array([value]), (low, low + length))[0])
    assert low - 1e-9 <= found <= low + length + 1e-9
    turns = (value - found) / length
    assert turns == pytest.approx(round(turns), abs=1e-6)


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(ConfigError, match="is empty"):
        wrapped(np.zeros(3), (1.0, 1.0))


def test_window_by_pixels_is_the_window_by_coordinates(grid: Grid, make_motion: Maker) -> None:
    motion = make_motion(grid)
    cut = window(motion, ViewOptions(sub_y=(1, 4), sub_x=(2, 6)))
    y, x = cut["y"].values, cut["x"].values
    same = window(motion, ViewOptions(sub_lat=(y.min(), y.max()), sub_lon=(x.min(), x.max())))
    xr.testing.assert_identical(cut, same)
    assert cut.sizes["y"] == 3
    assert_allclose(cut["value"], motion["value"][:, :, 1:4, 2:6])


def test_window_beside_the_map_names_what_there_is(grid: Grid, make_motion: Maker) -> None:
    with pytest.raises(ConfigError, match="holds no pixel"):
        window(make_motion(grid), ViewOptions(sub_y=(1000, 2000)))
    with pytest.raises(ConfigError, match="not both"):
        window(make_motion(grid), ViewOptions(sub_y=(0, 2), sub_lat=(0.0, 1.0)))


def test_mask_takes_pixels_away_and_must_fit(grid: Grid, make_motion: Maker) -> None:
    motion = make_motion(grid)
    mask = np.ones(grid.shape, bool)
    mask[0] = False
    found = masked(motion, "value", mask)["value"]
    assert np.isnan(found[:, :, 0]).all()
    assert_allclose(found[:, :, 1:], motion["value"][:, :, 1:])
    with pytest.raises(ConfigError, match="mask of the same product"):
        masked(motion, "value", mask[1:])


def test_reference_pixel_is_zero_afterwards(grid: Grid, make_motion: Maker) -> None:
    found = relative(make_motion(grid), "value", ViewOptions(ref_yx=(6, 7)))["value"]
    assert_allclose(found.isel(y=6, x=7), 0)
    with pytest.raises(ConfigError, match="outside the map"):
        relative(make_motion(grid), "value", ViewOptions(ref_yx=(2, 3000)))
    with pytest.raises(ConfigError, match="has no dates"):
        relative(make_motion(grid), "value", ViewOptions(ref_date="20200101"))


def test_reference_date_is_zero_afterwards(grid: Grid, make_series: Maker) -> None:
    series = make_series(grid)
    day = str(series["time"].values[1])[:10].replace("-", "")
    found = relative(series, "displacement", ViewOptions(ref_date=day))["displacement"]
    assert_allclose(found.isel(time=1).fillna(0), 0)
    with pytest.raises(ConfigError, match="is no date of this file"):
        relative(series, "displacement", ViewOptions(ref_date="19990101"))


def test_fringes_keep_to_their_interval(grid: Grid, make_series: Maker) -> None:
    options = ViewOptions(wrap=True, wrap_range=(-0.01, 0.01), component="east")
    figure = view(make_series(grid), options=options)
    shown: np.ndarray = np.ma.asarray(figure.axes[0].images[0].get_array()).compressed()
    assert np.abs(shown).max() <= 0.01 + 1e-9


def test_names_are_told_from_dates(grid: Grid, make_series: Maker) -> None:
    series = make_series(grid)
    assert split_names(series, ["sigma-20200131", "20200201"]) == ("sigma", ("20200131", "20200201"))
    assert split_names(series, ["timeseries"]) == ("displacement", ())
    assert split_names(series, ["3"]) == (None, ("3",))
    with pytest.raises(ConfigError, match="one variable at a time"):
        split_names(series, ["sigma", "displacement"])
