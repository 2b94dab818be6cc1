"""Steps velocity and reference_date on series in MintPy's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError, EpochError, InputError, StoreError
from creepmeter.io.mintpy.product import (
    list_datasets,
    read_attributes,
    read_map,
    read_tables,
    update_product,
    write_product,
)
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.workflow.sbas import velocity as step
from creepmeter.workflow.sbas.velocity import Series, date_from, excluded_dates, fit_velocity_file, reference_date

Values: TypeAlias = npt.NDArray[Any]
DATES = np.datetime64("2018-01-05", "ns") + np.arange(20) * np.timedelta64(24, "D")
SHAPE = (6, 5)
ATTRIBUTES = {
    "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": "20180105", "CENTER_LINE_UTC": "7200.0",
    "START_DATE": "20180105", "END_DATE": "20190406", "PROCESSOR": "isce",
}  # fmt: skip


def options(**changes: Any) -> TimeFunctionOptions:  # noqa: ANN401 - fields of the options
    return TimeFunctionOptions.model_validate(changes)


def write_series(path: Path, values: Values | None = None, **attributes: str) -> Values:
    if values is None:
        years = (DATES - DATES[0]) / np.timedelta64(1, "D") / 365.25
        rate = np.linspace(-0.05, 0.05, 30).reshape(SHAPE)
        values = years[:, None, None] * rate + 1e-3 * np.random.default_rng(0).normal(size=(20, *SHAPE))
        values = (values - values[0]).astype(np.float32)
        values[:, 0, 0] = 0
    tables = {"date": DATES, "bperp": np.arange(20, dtype=np.float32)}
    write_product(path, {"timeseries": values}, {**ATTRIBUTES, **attributes}, tables=tables)
    return values


def test_the_file_is_mintpys(tmp_path: Path) -> None:
    values = write_series(tmp_path / "timeseries.h5")
    chosen = options(periodic=1.0, step_date=20180801, exclude_date=("20180129", "20180222"))
    target = fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", chosen)
    found = list_datasets(target)
    assert set(found) == {
        "intercept", "interceptStd", "velocity", "velocityStd", "annualAmplitude", "annualPhase", "step20180801",
        "step20180801Std", "residue",
    }  # fmt: skip
    assert {(shape, dtype.str) for shape, dtype in found.values()} == {(SHAPE, "<f4")}
    attributes = read_attributes(target)
    expected = {
        "FILE_TYPE": "velocity", "UNIT": "m/year", "START_DATE": "20180105", "END_DATE": "20190406",
        "DATE12": "20180105_20190406", "REF_DATE": "20180105", "FILE_PATH": "timeseries.h5",
        "mintpy.timeFunc.periodic": "[1.0]", "mintpy.timeFunc.stepDate": "['20180801']",
        "mintpy.timeFunc.polynomial": "1", "mintpy.timeFunc.startDate": "None", "mintpy.timeFunc.exp": "[]",
        "mintpy.timeFunc.uncertaintyQuantification": "residue", "PROCESSOR": "isce",
        "mintpy.timeFunc.excludeDate": "['20180129', '20180222']",
    }  # fmt: skip
    assert {name: attributes[name] for name in expected} == expected
    assert read_map(target)[0, 0] == 0
    assert values.shape[1:] == SHAPE


def test_blocks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "timeseries.h5")
    chosen = options(periodic=(1.0, 0.5))
    names = list(list_datasets(fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "one.h5", chosen)))
    monkeypatch.setattr(step, "_MOST_GB", 1e-6)
    fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "many.h5", chosen)
    for name in names:
        assert_array_equal(read_map(tmp_path / "many.h5", name), read_map(tmp_path / "one.h5", name))


def test_exclude_date_txt_beside_the_series_counts_and_may_be_missing(tmp_path: Path) -> None:
    write_series(tmp_path / "timeseries.h5")
    plain = read_map(fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5"))
    (tmp_path / "exclude_date.txt").write_text("# noisy\n20180105\n20180222, 20180318\n")
    less = read_map(fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5"))
    given = options(exclude_date=("20180105", "20180222", "20180318"))
    same = read_map(fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "given.h5", given))
    assert (plain != less).any()
    assert_array_equal(less, same)
    assert read_attributes(tmp_path / "velocity.h5")["START_DATE"] == "20180129"
    with pytest.raises(InputError, match=r"mine.txt is neither a date YYYYMMDD nor a file in"):
        excluded_dates(["mine.txt"], tmp_path)
    (tmp_path / "bad.txt").write_text("20181301\n")
    with pytest.raises(EpochError, match=r"bad.txt: '20181301' is not a date"):
        excluded_dates(["bad.txt"], tmp_path)


def test_another_reference_moves_all_but_what_was_not_inverted(tmp_path: Path) -> None:
    values = write_series(tmp_path / "timeseries.h5")
    plain = fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "plain.h5")
    chosen = options(ref_yx=(3, 2), ref_date="20180318")
    moved = fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "moved.h5", chosen)
    rate = read_map(plain).astype(np.float64)
    expected = rate - rate[3, 2]
    expected[0, 0] = 0
    assert_allclose(read_map(moved), expected, atol=1e-6)
    attributes = read_attributes(moved)
    assert [attributes[name] for name in ("REF_Y", "REF_X", "REF_DATE")] == ["3", "2", "20180318"]
    assert values.any()
    for pixel, message in (((9, 0), "ref_yx 9,0 lies outside"), ((0, 0), "nothing is measured at ref_yx 0,0")):
        with pytest.raises(InputError, match=message):
            fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "v.h5", options(ref_yx=pixel))


def test_a_series_of_offsets_needs_no_reference_pixel(tmp_path: Path) -> None:
    write_series(tmp_path / "timeseriesRg.h5")
    assert "REF_Y" not in read_attributes(tmp_path / "timeseriesRg.h5")
    fit_velocity_file(tmp_path / "timeseriesRg.h5", tmp_path / "velocityRg.h5")
    assert np.isfinite(read_map(tmp_path / "velocityRg.h5")).all()


def test_errors_of_the_series_come_from_the_file_beside_it(tmp_path: Path) -> None:
    values = write_series(tmp_path / "timeseries.h5")
    chosen = options(uncertainty_quantification="covariance")
    with pytest.raises(
        ConfigError, match=r"covariance needs .*timeseriesSigma.h5: make it by creepmeter ifgram-inversion --calc-cov"
    ):
        fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", chosen)
    write_series(tmp_path / "timeseriesSigma.h5", np.full_like(values, 2e-3))
    fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", chosen)
    years = (DATES - DATES[0]) / np.timedelta64(1, "D") / 365.25
    expected = 2e-3 / np.sqrt(((years - years.mean()) ** 2).sum())
    assert_allclose(read_map(tmp_path / "velocity.h5", "velocityStd"), expected, rtol=3e-3)  # MintPy's clock
    tables = {"date": DATES + np.timedelta64(1, "D")}
    write_product(tmp_path / "other.h5", {"timeseries": values}, ATTRIBUTES, tables=tables)
    wrong = options(uncertainty_quantification="covariance", time_series_cov_file="other.h5")
    with pytest.raises(InputError, match=r"other.h5 has other dates or pixels than .*timeseries.h5"):
        fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", wrong)


def test_what_is_no_series_is_refused(tmp_path: Path) -> None:
    write_product(tmp_path / "mask.h5", {"mask": np.ones(SHAPE, bool)}, {"FILE_TYPE": "mask"})
    with pytest.raises(InputError, match=r"mask.h5 is no displacement series \(FILE_TYPE mask\)"):
        fit_velocity_file(tmp_path / "mask.h5", tmp_path / "velocity.h5")
    write_series(tmp_path / "timeseries.h5")
    update_product(tmp_path / "timeseries.h5", attributes={"CENTER_LINE_UTC": "noon"})
    with pytest.raises(StoreError, match="attribute CENTER_LINE_UTC is 'noon', not a number"):
        fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5")


def test_dates_with_a_time_of_day_keep_it(tmp_path: Path) -> None:
    values = write_series(tmp_path / "timeseries.h5")
    times = DATES + np.timedelta64(2, "h")
    attributes = {**ATTRIBUTES, "REF_DATE": "20180105T0200"}
    write_product(tmp_path / "timed.h5", {"timeseries": values}, attributes, tables={"date": times})
    plain = fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "plain.h5")
    timed = fit_velocity_file(tmp_path / "timed.h5", tmp_path / "velocity.h5")
    assert_array_equal(read_map(timed), read_map(plain))  # both at 2 o'clock
    assert read_attributes(timed)["DATE12"] == "20180105T0200_20190406T0200"
    reference_date([tmp_path / "timed.h5"], "20180318")
    assert read_attributes(tmp_path / "timed.h5")["REF_DATE"] == "20180318T0200"


# ------------------------------------------------------------------------------------------------------ reference date


def test_series_are_referred_to_a_date_once(tmp_path: Path) -> None:
    path = tmp_path / "timeseries.h5"
    values = write_series(path)
    assert reference_date([path], "20180318") == [path]
    found = Series.open(path).array.read()
    assert_array_equal(found, values - values[3])
    assert not found[3].any()
    assert read_attributes(path)["REF_DATE"] == "20180318"
    assert_array_equal(read_tables(path)["bperp"], np.arange(20))
    assert_array_equal(read_tables(path)["date"], DATES)
    before = path.read_bytes()
    assert reference_date([path], "2018-03-18") == []
    assert path.read_bytes() == before


def test_going_back_to_the_first_date_gives_the_series_again(tmp_path: Path) -> None:
    path = tmp_path / "timeseries.h5"
    values = write_series(path)
    reference_date([path], "20180318")
    reference_date([path], "20180105")
    assert_allclose(Series.open(path).array.read(), values, atol=1e-8)  # two subtractions in float32


def test_nothing_is_changed_when_one_series_lacks_the_date(tmp_path: Path) -> None:
    write_series(tmp_path / "timeseries.h5")
    other = DATES[:-1] + np.timedelta64(1, "D")
    short = {"timeseries": np.zeros((19, *SHAPE), np.float32)}
    write_product(tmp_path / "timeseries_ramp.h5", short, ATTRIBUTES, tables={"date": other})
    before = (tmp_path / "timeseries.h5").read_bytes()
    with pytest.raises(InputError, match=r"timeseries_ramp.h5 has no date 20180318: it has 19 from 2018-01-06 to"):
        reference_date([tmp_path / "timeseries.h5", tmp_path / "timeseries_ramp.h5"], "20180318")
    assert (tmp_path / "timeseries.h5").read_bytes() == before


def test_standard_errors_are_not_referred(tmp_path: Path) -> None:
    write_series(tmp_path / "timeseriesSigma.h5", STANDARD_ERROR_OF="timeseries.h5")
    assert reference_date([tmp_path / "timeseriesSigma.h5"], "20180318") == []


def test_a_date_is_taken_from_text_file_or_series(tmp_path: Path) -> None:
    write_series(tmp_path / "timeseries.h5", REF_DATE="20180129")
    (tmp_path / "reference_date.txt").write_text("20180318\n")
    assert date_from("2018-02-22") == "20180222"
    assert date_from(str(tmp_path / "reference_date.txt")) == "20180318"
    assert date_from(str(tmp_path / "timeseries.h5")) == "20180129"
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match=r"empty.txt holds no reference date"):
        date_from(str(tmp_path / "empty.txt"))
    with pytest.raises(InputError, match="minRMS is neither a date YYYYMMDD nor a file"):
        date_from("minRMS")
