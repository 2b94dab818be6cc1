"""Products added, subtracted and calculated with: dates, references, grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.workflow.sbas.products import DATES, GRID, REFERENCE, make_series, make_velocity

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, write_product
from creepmeter.workflow.sbas.combine import add_files, calculate_file, subtract_files
from creepmeter.workflow.sbas.velocity import Series

TINY = 1e-6
STEP = 2e-9  # of float32 at the size of these values


def series_of(path: Path) -> np.ndarray:
    """Return the values of a series."""
    return np.asarray(Series.open(path).array.read())


@pytest.mark.parametrize("memory_gb", [4.0, TINY])
def test_a_sum_takes_a_difference_back_whatever_the_references(tmp_path: Path, memory_gb: float) -> None:
    first = make_series(tmp_path / "a.h5", 1)
    make_series(tmp_path / "b.h5", 2, reference=(12, 20), date=DATES[3])
    subtract_files(tmp_path / "a.h5", [tmp_path / "b.h5"], tmp_path / "d.h5", memory_gb=memory_gb)
    add_files([tmp_path / "d.h5", tmp_path / "b.h5"], tmp_path / "s.h5", memory_gb=memory_gb)
    assert_allclose(series_of(tmp_path / "s.h5"), first, atol=4 * STEP)
    made = series_of(tmp_path / "d.h5")
    assert (made[0] == 0).all()
    assert (made[:, REFERENCE[0], REFERENCE[1]] == 0).all()
    assert (made[:, :4, :6] == 0).all()
    assert read_attributes(tmp_path / "d.h5")["REF_DATE"] == DATES[0]


def test_dates_are_matched_by_name(tmp_path: Path) -> None:
    first = make_series(tmp_path / "a.h5", 1)
    longer = (*DATES[:2], "20180210", *DATES[2:])
    second = make_series(tmp_path / "b.h5", 2, dates=longer)
    subtract_files(tmp_path / "a.h5", [tmp_path / "b.h5"], tmp_path / "d.h5")
    assert_allclose(series_of(tmp_path / "d.h5"), first - second[[0, 1, 3, 4, 5, 6]], atol=STEP)
    with pytest.raises(InputError, match=r"a\.h5 lacks 1 of 7 dates of .*b\.h5 \(20180210\): --force"):
        subtract_files(tmp_path / "b.h5", [tmp_path / "a.h5"], tmp_path / "e.h5")
    assert not (tmp_path / "e.h5").exists()
    subtract_files(tmp_path / "b.h5", [tmp_path / "a.h5"], tmp_path / "e.h5", force=True)
    made = series_of(tmp_path / "e.h5")
    assert_array_equal(made[2], second[2])
    assert_allclose(made[3], second[3] - first[2], atol=STEP)
    make_series(tmp_path / "c.h5", 3, dates=("20200101", "20200113"))
    with pytest.raises(InputError, match="has no date of"):
        subtract_files(tmp_path / "a.h5", [tmp_path / "c.h5"], tmp_path / "f.h5", force=True)


def test_a_velocity_is_subtracted_as_motion(tmp_path: Path) -> None:
    first = make_series(tmp_path / "a.h5", 1, date=DATES[1])
    rate = make_velocity(tmp_path / "velocity.h5", reference=(3, 3))
    subtract_files(tmp_path / "a.h5", [tmp_path / "velocity.h5"], tmp_path / "d.h5")
    years = np.arange(-1, 5) * 24 / 365.25
    expected = first - years[:, None, None] * (rate - rate[REFERENCE])
    assert_allclose(series_of(tmp_path / "d.h5")[:, 4:], expected[:, 4:], atol=1e-8)


def test_velocities_are_made_relative_to_the_pixel_of_the_first(tmp_path: Path) -> None:
    one, two = make_velocity(tmp_path / "a.h5", 1), make_velocity(tmp_path / "b.h5", 2, reference=(20, 20))
    subtract_files(tmp_path / "a.h5", [tmp_path / "b.h5"], tmp_path / "d.h5")
    assert_allclose(read_map(tmp_path / "d.h5", "velocity"), one - (two - two[REFERENCE]), atol=STEP)
    add_files([tmp_path / "d.h5", tmp_path / "b.h5"], tmp_path / "s.h5")
    assert_allclose(read_map(tmp_path / "s.h5", "velocity"), one, atol=2 * STEP)


def test_masks(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((3, 8, 9)) < 0.5
    paths = [
        write_product(tmp_path / f"{k}.h5", {f"m{k}": mask}, {"FILE_TYPE": "mask"}) for k, mask in enumerate(masks)
    ]
    subtract_files(paths[0], paths[1:], tmp_path / "d.h5")
    assert_array_equal(read_map(tmp_path / "d.h5"), masks[0] & ~masks[1] & ~masks[2])
    add_files(paths, tmp_path / "s.h5")
    assert_array_equal(read_map(tmp_path / "s.h5"), masks.sum(axis=0))


def test_stacks_are_subtracted_relative_to_their_pixels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    dates = np.array([[b"20180105", b"20180117"], [b"20180117", b"20180129"]])
    phases = random.normal(size=(2, 2, 6, 7)).astype(np.float32)
    phases[0, 1, 2, 3] = 0.0
    for name, phase, column in zip("ab", phases, (1, 2), strict=True):
        write_product(
            tmp_path / f"{name}.h5",
            {"unwrapPhase": phase, "coherence": np.ones_like(phase)},
            {"FILE_TYPE": "ifgramStack", "REF_Y": "1", "REF_X": str(column)},
            tables={"date": dates, "dropIfgram": np.ones(2, bool)},
        )
    subtract_files(tmp_path / "a.h5", [tmp_path / "b.h5"], tmp_path / "d.h5")
    one, two = (phase - phase[:, 1, column, None, None] for phase, column in zip(phases, (1, 2), strict=True))
    expected = np.where(phases[0] == 0, 0, one - two)
    found = read_map(tmp_path / "d.h5", "unwrapPhase-20180117_20180129")
    assert_allclose(found, expected[1], atol=1e-6)
    assert "coherence" not in list_datasets(tmp_path / "d.h5")


def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    make_series(tmp_path / "a.h5")
    make_series(tmp_path / "small.h5", shape=(20, 31))
    make_series(tmp_path / "shifted.h5", X_FIRST="10.5")
    make_series(tmp_path / "radar.h5", Y_FIRST=None)
    cases = {
        "small.h5": r"small\.h5 has 20 x 31 pixels and .*a\.h5 24 x 31",
        "shifted.h5": r"shifted\.h5",
        "radar.h5": r"one of .*a\.h5 and .*radar\.h5 is in radar coordinates",
    }
    for name, match in cases.items():
        with pytest.raises(CreepmeterError, match=match):
            subtract_files(tmp_path / "a.h5", [tmp_path / name], tmp_path / "d.h5")
        with pytest.raises(CreepmeterError, match=match):
            calculate_file(tmp_path / "a.h5", "*", tmp_path / name, tmp_path / "d.h5")
    with pytest.raises(InputError, match="give two files or more"):
        add_files([tmp_path / "a.h5"], tmp_path / "d.h5")
    maps = {"one": np.zeros((24, 31)), "two": np.zeros((24, 31))}
    write_product(tmp_path / "maps.h5", maps, {"FILE_TYPE": "dem", **GRID})
    make_velocity(tmp_path / "velocity.h5")
    with pytest.raises(
        InputError, match=r"no dataset in common \(.*velocity.h5: velocity, velocityStd; .*maps.h5: one, two"
    ):
        add_files([tmp_path / "velocity.h5", tmp_path / "maps.h5"], tmp_path / "d.h5")
    assert not (tmp_path / "d.h5").exists()


def test_a_reference_pixel_without_value_is_said(tmp_path: Path) -> None:
    make_series(tmp_path / "a.h5")
    values = make_velocity(tmp_path / "b.h5", 2, reference=(20, 20))
    values[REFERENCE] = np.nan
    facts = read_attributes(tmp_path / "b.h5")
    write_product(tmp_path / "b.h5", {"velocity": values}, facts)
    with pytest.raises(
        InputError, match=r"b\.h5, dataset 'velocity' has no value at the reference pixel \(row 7, column 5"
    ):
        subtract_files(tmp_path / "a.h5", [tmp_path / "b.h5"], tmp_path / "d.h5")


def test_image_math(tmp_path: Path) -> None:
    values = make_series(tmp_path / "a.h5", 1)
    rate = make_velocity(tmp_path / "velocity.h5")
    calculate_file(tmp_path / "a.h5", "*", 100.0, tmp_path / "cm.h5", memory_gb=TINY)
    assert_allclose(series_of(tmp_path / "cm.h5"), 100 * values, rtol=1e-6)
    calculate_file(tmp_path / "a.h5", "+", tmp_path / "velocity.h5", tmp_path / "sum.h5")
    assert_allclose(series_of(tmp_path / "sum.h5"), values + rate, atol=STEP)
    second = make_series(tmp_path / "b.h5", 2, dates=("20171212", *DATES))
    calculate_file(tmp_path / "a.h5", "-", tmp_path / "b.h5", tmp_path / "less.h5")
    assert_allclose(series_of(tmp_path / "less.h5"), values - second[1:], atol=STEP)
    with pytest.raises(
        InputError, match=r"a\.h5 lacks 1 of 7 dates of .*b\.h5 \(20171212\): give a series that has them"
    ):
        calculate_file(tmp_path / "b.h5", "-", tmp_path / "a.h5", tmp_path / "less.h5")
    calculate_file(tmp_path / "velocity.h5", "-", 0.5, tmp_path / "velocity.h5")
    assert_allclose(read_map(tmp_path / "velocity.h5", "velocity"), rate - 0.5, atol=1e-7)
