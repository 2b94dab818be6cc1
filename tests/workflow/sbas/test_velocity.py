"""Steps velocity and reference_date on series in MintPy's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.workflow.sbas.samples import write_project

from creepmeter.errors import ConfigError, EpochError, InputError, StoreError
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.inversion.weights import phase_spread, phase_weights
from creepmeter.io.mintpy.product import (
    list_datasets,
    read_attributes,
    read_map,
    read_tables,
    update_product,
    write_product,
)
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.network import Network
from creepmeter.simulate.radar import RadarStack
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.velocity.timefunctions import make_time_functions
from creepmeter.workflow.sbas import series as series_module
from creepmeter.workflow.sbas.invert import invert_network
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
    monkeypatch.setattr(series_module, "_MOST_GB", 1e-6)
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


COVARIANCE = options(uncertainty_quantification="covariance")


def write_covariance(path: Path, covariance: Values, dates: Values = DATES) -> Path:
    """Write an n by n matrix for each pixel, as MintPy does."""
    with h5py.File(path, "w") as file:
        file["date"] = np.array([str(date)[:10].replace("-", "") for date in dates], "S8")
        file["timeseries"] = np.broadcast_to(covariance[..., None, None], (*covariance.shape, *SHAPE)).astype("f4")
        file.attrs["FILE_TYPE"] = "timeseries"
    return path


def test_a_covariance_of_mintpy_is_propagated(tmp_path: Path) -> None:
    write_series(tmp_path / "timeseries.h5")
    factor = 1e-3 * np.random.default_rng(2).normal(size=(20, 30))
    factor[0] = 0  # relative to the first date
    covariance = factor @ factor.T
    write_covariance(tmp_path / "timeseriesCov.h5", covariance)
    chosen = COVARIANCE.override({"time_series_cov_file": "timeseriesCov.h5"}, step="velocity")
    fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", chosen)
    inverse = np.linalg.pinv(make_time_functions(Series.open(tmp_path / "timeseries.h5").times, chosen).design)
    variances = np.diagonal(inverse @ covariance @ inverse.T)
    for name, expected in zip(("interceptStd", "velocityStd"), variances, strict=True):
        found = read_map(tmp_path / "velocity.h5", name)
        assert_allclose(found.ravel()[1:], np.sqrt(expected), rtol=1e-5)
        assert found[0, 0] == 0  # not inverted
    later = COVARIANCE.override({"time_series_cov_file": "timeseriesCov.h5", "ref_date": "20180318"}, step="velocity")
    fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "later.h5", later)
    moved = factor - factor[3]
    inverse = np.linalg.pinv(make_time_functions(Series.open(tmp_path / "timeseries.h5").times, later).design)
    expected = np.sqrt(np.diagonal(inverse @ moved @ moved.T @ inverse.T)[0])
    assert_allclose(read_map(tmp_path / "later.h5", "interceptStd").ravel()[1:], expected, rtol=1e-5)
    short = write_covariance(tmp_path / "short.h5", covariance[1:, 1:], DATES[1:])
    wrong = COVARIANCE.override({"time_series_cov_file": short.name}, step="velocity")
    with pytest.raises(InputError, match=r"short.h5 has other dates or pixels than .*timeseries.h5"):
        fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", wrong)


def test_without_stack_or_covariance_the_way_out_is_named(tmp_path: Path) -> None:
    values = write_series(tmp_path / "timeseries.h5")
    with pytest.raises(ConfigError, match=r"needs the stack that .*timeseries.h5 was inverted from, .* name it"):
        fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", COVARIANCE)
    write_series(tmp_path / "timeseriesSigma.h5", np.full_like(values, 2e-3))
    for name, match in (("timeseriesSigma.h5", "holds no covariance of dates: give the stack"), ("no.h5", "not there")):
        chosen = COVARIANCE.override({"time_series_cov_file": name}, step="velocity")
        with pytest.raises(ConfigError, match=match):
            fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", chosen)


def inverted(folder: Path, seed: int, **changes: Any) -> RadarStack:  # noqa: ANN401 - options of the inversion
    """Invert a simulated stack whose coherence decays in half a year, relative to its most coherent pixel."""
    made = write_project(folder, seed=seed, dates=16, connections=3, coherence=0.9, decay_days=150.0, seasonal_m=0.0)
    stack = StackFile.open(folder / "inputs" / "ifgramStack.h5")
    level = np.where((made.phase != 0).all(axis=0), made.coherence.mean(axis=0), 0)
    row, column = np.unravel_index(level.argmax(), level.shape)
    stack.set_attributes({"REF_Y": str(row), "REF_X": str(column)})
    chosen = NetworkInversionOptions(**{"min_num_pixel": 1, **changes})
    invert_network(stack, folder, None, chosen)
    return made


def errors_and_sigma(folder: Path, made: RadarStack) -> tuple[Values, Values]:
    """Return error and stated standard error of the velocity of all pixels but the reference."""
    path = fit_velocity_file(folder / "timeseries.h5", folder / "velocity.h5", COVARIANCE)
    row, column = (int(read_attributes(path)[name]) for name in ("REF_Y", "REF_X"))
    design = make_time_functions(Series.open(folder / "timeseries.h5").times, COVARIANCE).design
    moved = made.truth.displacement.astype(float).reshape(len(design), -1)
    rate = (np.linalg.pinv(design) @ moved)[1].reshape(made.height.shape)
    sigma = read_map(path, "velocityStd")
    return (read_map(path) - (rate - rate[row, column]))[sigma > 0], sigma[sigma > 0]


def test_one_sigma_of_the_velocity_covers_two_thirds_of_its_errors(tmp_path: Path) -> None:
    ratios = []
    for seed in range(8):  # the noise of the reference pixel is common to all pixels, so that one stack says little
        made = inverted(tmp_path / str(seed), seed)
        error, sigma = errors_and_sigma(tmp_path / str(seed), made)
        ratios.append(error / sigma)
        assert sigma.max() > 2 * sigma.min()  # follows the coherence
    covered = np.mean(np.abs(np.concatenate(ratios)) < 1)
    assert 0.60 < covered < 0.75  # 0.68 of Gaussian errors


@pytest.mark.parametrize("weights", ["var", "fim", "coh", "no"])
def test_the_covariance_is_that_of_the_network(tmp_path: Path, weights: str) -> None:
    made = inverted(tmp_path, 7, weight_func=weights)
    fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", COVARIANCE)
    network, looks = Network(made.pairs), int(made.attributes["NCORRLOOKS"])
    design = make_time_functions(Series.open(tmp_path / "timeseries.h5").times, COVARIANCE).design
    incidence = network.incidence()[:, 1:]
    reference = tuple(int(read_attributes(tmp_path / "timeseries.h5")[name]) for name in ("REF_Y", "REF_X"))
    for row, column in np.argwhere((made.phase != 0).all(axis=0))[100::300]:
        level = made.coherence[:, row, column]
        common = made.coherence[:, reference[0], reference[1]]
        variance = sum(phase_spread(part, looks, 0.05546576 / 2) ** 2 for part in (level, common))
        weight = np.ones(len(level)) if weights == "no" else phase_weights(level, weights, looks)
        normal = np.linalg.inv(incidence.T @ (weight[:, None] * incidence))
        gain = np.zeros((len(design), len(level)))
        gain[1:] = normal @ incidence.T * weight
        expected = np.linalg.pinv(design) @ gain @ np.diag(variance) @ gain.T @ np.linalg.pinv(design).T
        for name, square in zip(("interceptStd", "velocityStd"), np.diagonal(expected), strict=True):
            assert_allclose(read_map(tmp_path / "velocity.h5", name)[row, column], np.sqrt(square), rtol=1e-4)


def test_a_stack_that_has_changed_is_refused(tmp_path: Path) -> None:
    inverted(tmp_path, 7)
    stack = StackFile.open(tmp_path / "inputs" / "ifgramStack.h5")
    keep = stack.keep.copy()
    keep[3] = False
    stack.set_keep(keep)
    with pytest.raises(InputError, match=r"has other pairs, dates or pixels than .*timeseries.h5 was inverted from"):
        fit_velocity_file(tmp_path / "timeseries.h5", tmp_path / "velocity.h5", COVARIANCE)


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
