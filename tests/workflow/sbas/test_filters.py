"""Products filtered in space and time: what is missing, borders of blocks, references."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.workflow.sbas.products import DATES, REFERENCE, make_series, make_velocity

from creepmeter.errors import InputError
from creepmeter.filters.options import DEFAULTS, SpatialFilterOptions, TemporalFilterOptions
from creepmeter.filters.spatial import filter_map
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, read_tables, write_product
from creepmeter.workflow.sbas.filters import differentiate_file, filter_file, smooth_file
from creepmeter.workflow.sbas.velocity import Series

TINY = 1e-6  # gigabytes: blocks as small as the filter lets them be


@pytest.mark.parametrize("name", DEFAULTS)
def test_blocks_do_not_change_a_result(tmp_path: Path, name: str) -> None:
    make_series(tmp_path / "timeseries.h5", shape=(61, 75))
    options = SpatialFilterOptions(filter_type=name)
    found = [
        Series.open(filter_file(tmp_path / "timeseries.h5", tmp_path / f"{k}.h5", options, memory_gb=gb)).array.read()
        for k, gb in enumerate((4.0, TINY))
    ]
    assert_array_equal(found[0], found[1])


def test_zeros_of_what_was_not_inverted_stay_and_the_reference_pixel_counts(tmp_path: Path) -> None:
    values = make_series(tmp_path / "timeseries.h5")
    target = filter_file(tmp_path / "timeseries.h5", tmp_path / "out.h5", SpatialFilterOptions(filter_par=(2,)))
    found = Series.open(target).array.read()
    assert (found[:, :4, :6] == 0).all()
    known = values.copy()
    known[:, :4, :6] = np.nan
    expected = filter_map(known, filter_par=(2,))
    assert_array_equal(found[:, 4:], expected[:, 4:])
    assert (found[1:, *REFERENCE] != 0).all()
    assert_array_equal(read_tables(target)["date"], read_tables(tmp_path / "timeseries.h5")["date"])
    assert read_attributes(target)["REF_DATE"] == DATES[0]


def test_only_the_datasets_asked_for_are_filtered(tmp_path: Path) -> None:
    values = make_velocity(tmp_path / "velocity.h5")
    options = SpatialFilterOptions(filter_type="hp_avg")
    target = filter_file(tmp_path / "velocity.h5", tmp_path / "out.h5", options, names=("velocity",))
    assert_array_equal(read_map(target, "velocityStd"), read_map(tmp_path / "velocity.h5", "velocityStd"))
    assert_allclose(read_map(target, "velocity"), filter_map(values, options), atol=1e-9)
    with pytest.raises(InputError, match=r"has no dataset speed: it holds velocity, velocityStd"):
        filter_file(tmp_path / "velocity.h5", tmp_path / "x.h5", options, names=("speed",))


def test_zeros_of_masks_and_heights_are_zeros(tmp_path: Path) -> None:
    mask = np.zeros((9, 9), bool)
    mask[3:6, 3:6] = True
    write_product(tmp_path / "mask.h5", {"mask": mask}, {"FILE_TYPE": "mask"})
    target = filter_file(tmp_path / "mask.h5", tmp_path / "out.h5", SpatialFilterOptions(filter_type="lowpass_avg"))
    found = read_map(target)
    assert found.dtype == np.float32
    assert_allclose([found[4, 4], found[2, 4], found[0, 0]], [9 / 25, 6 / 25, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        TemporalFilterOptions(filter_type="median", time_win=3),
        TemporalFilterOptions(filter_type="gaussian", time_win=1),
    ],
)
def test_a_series_smoothed_stays_relative_to_its_date_whatever_the_blocks(
    tmp_path: Path, options: TemporalFilterOptions
) -> None:
    make_series(tmp_path / "timeseries.h5", date=DATES[2])
    found = [
        Series.open(smooth_file(tmp_path / "timeseries.h5", tmp_path / f"{k}.h5", options, memory_gb=gb)).array.read()
        for k, gb in enumerate((4.0, TINY))
    ]
    assert_array_equal(found[0], found[1])
    assert (found[0][2] == 0).all()
    assert (found[0][:, :4, :6] == 0).all()
    assert (found[0][:, REFERENCE[0], REFERENCE[1]] == 0).all()
    assert found[0][:, 10:].std() > 0.001


def test_derivatives(tmp_path: Path) -> None:
    values = make_series(tmp_path / "timeseries.h5")
    steps = differentiate_file(tmp_path / "timeseries.h5", tmp_path / "steps.h5")
    found = Series.open(steps).array.read()
    assert_allclose(np.cumsum(found, axis=0), values, atol=1e-7)
    assert read_attributes(steps)["UNIT"] == "m"
    rate = differentiate_file(tmp_path / "timeseries.h5", tmp_path / "rate.h5", per_year=True)
    assert_allclose(Series.open(rate).array.read()[1:], found[1:] * 365.25 / 24, rtol=1e-5, atol=1e-8)
    assert read_attributes(rate)["UNIT"] == "m/year"


def test_phases_of_a_stack_are_missing_one_by_one(tmp_path: Path) -> None:
    phase = np.ones((2, 8, 9), np.float32)
    phase[1, 2:5] = 0.0
    dates = np.array([[b"20180105", b"20180117"], [b"20180117", b"20180129"]])
    tables = {"date": dates, "dropIfgram": np.ones(2, bool)}
    path = write_product(tmp_path / "a.h5", {"unwrapPhase": phase}, {"FILE_TYPE": "ifgramStack"}, tables=tables)
    found = filter_file(path, tmp_path / "out.h5", SpatialFilterOptions(filter_par=(1,)))
    with h5py.File(found) as file:
        assert_allclose(file["unwrapPhase"][()], phase, rtol=1e-6)
    assert set(list_datasets(found)) == {"unwrapPhase", "date", "dropIfgram"}
