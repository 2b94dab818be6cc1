"""Ionospheric pairs: to a series, from the displacement, in a run; excluded dates and missing files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from tests.cli.conftest import call_main
from tests.workflow.sbas.samples import SMALL, write_project, write_template

from creepmeter.errors import InputError
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.mintpy.writestack import create_stack
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.hyp3 import write_hyp3
from creepmeter.simulate.radar import RadarStack, simulate_radar
from creepmeter.workflow.sbas.ionosphere import correct_ionosphere
from creepmeter.workflow.sbas.run import run_sbas
from creepmeter.workflow.sbas.velocity import Series

Floats = npt.NDArray[np.float64]
WANTED = "mintpy.ionosphericDelay.method = split_spectrum\nmintpy.deramp = no\n"


def ionosphere(simulated: RadarStack) -> dict[np.datetime64, Floats]:
    """Return phase of the ionosphere by date: a tilted plane, nowhere 0 between two dates."""
    rows, columns = simulated.height.shape
    y, x = np.mgrid[:rows, :columns]
    dates = sorted({date for pair in simulated.pairs for date in (pair.ref, pair.sec)})
    random = np.random.default_rng(3)
    return {date: random.normal(size=3) @ np.stack([y / rows, x / columns, y**0]).reshape(3, -1) + 5.0 * k
            for k, date in enumerate(dates)}  # fmt: skip


def write_ion_stack(folder: Path, simulated: RadarStack, phases: dict[np.datetime64, Floats]) -> Path:
    rows, columns = simulated.height.shape
    target = folder / "inputs" / "ionStack.h5"
    writer = create_stack(
        target,
        pairs=simulated.pairs,
        bperp=simulated.bperp,
        shape=(rows, columns),
        datasets={"unwrapPhase": np.float32, "coherence": np.float32},
        attributes=simulated.attributes,
        key="ion",
    )
    for k, pair in enumerate(simulated.pairs):
        phase = (phases[pair.sec] - phases[pair.ref]).reshape(rows, columns)
        writer.put(k, {"unwrapPhase": phase.astype(np.float32), "coherence": np.ones((rows, columns), np.float32)})
    writer.finish()
    return target


def _expected(series: Series, phases: dict[np.datetime64, Floats]) -> Floats:
    """Return what the ionosphere adds to a series, relative to its date and pixel."""
    scale = -float(series.attributes["WAVELENGTH"]) / (4 * np.pi)
    found = scale * np.stack([phases[date].reshape(series.shape) for date in series.dates])
    found -= found[series.place_of(series.attributes["REF_DATE"])].copy()
    row, column = int(series.attributes["REF_Y"]), int(series.attributes["REF_X"])
    return np.asarray(found - found[:, row, column][:, None, None])


def test_run_takes_the_ionosphere_away(tmp_path: Path) -> None:
    simulated = write_project(tmp_path)
    phases = ionosphere(simulated)
    write_ion_stack(tmp_path, simulated, phases)
    done = run_sbas(write_template(tmp_path, WANTED), folder=tmp_path, end="velocity")
    assert "correct_ionosphere" in done.made
    before, after = (Series.open(tmp_path / name) for name in ("timeseries.h5", "timeseries_ion.h5"))
    measured = before.array.read() != 0
    removed = before.array.read().astype(np.float64) - after.array.read()
    np.testing.assert_allclose(removed, np.where(measured, _expected(before, phases), 0), atol=2e-6)  # float32 phase
    assert measured.mean() > 0.3
    assert not (tmp_path / "maskTempCoh_ion.h5").exists()
    assert (tmp_path / "maskTempCoh.h5").exists()
    again = run_sbas(folder=tmp_path, dostep="correct_ionosphere")
    assert "correct_ionosphere" in again.fresh


def test_excluded_date_stays_and_is_named(tmp_path: Path) -> None:
    simulated = write_project(tmp_path)
    phases = ionosphere(simulated)
    write_ion_stack(tmp_path, simulated, phases)
    dates = [written(date) for date in phases]
    bad = f"{written(simulated.pairs[0].ref)}_{written(simulated.pairs[0].sec)}"
    text = f"mintpy.ionosphericDelay.excludeDate = {dates[3]}\nmintpy.ionosphericDelay.excludeDate12 = {bad}\n"
    run_sbas(write_template(tmp_path, WANTED), folder=tmp_path, end="invert_network")
    stack = StackFile.open(tmp_path / "inputs" / "ionStack.h5")
    done = run_sbas(write_template(tmp_path, WANTED + text), folder=tmp_path, dostep="correct_ionosphere")
    assert [text for text in done.left_out if f"stay as they were: {dates[3]}" in text]
    keep = StackFile.open(stack.path).keep
    labels = [f"{written(pair.ref)}_{written(pair.sec)}" for pair in stack.pairs]
    assert keep.tolist() == [dates[3] not in label and label != bad for label in labels]
    before, after = (Series.open(tmp_path / name).array.read() for name in ("timeseries.h5", "timeseries_ion.h5"))
    np.testing.assert_array_equal(after[3], before[3])
    series = Series.open(tmp_path / "timeseries.h5")
    expected = np.where(before != 0, _expected(series, phases), 0)
    np.testing.assert_allclose((before - after)[[2, 4]], expected[[2, 4]], atol=2e-6)


def test_pixels_without_an_estimate_are_counted(tmp_path: Path) -> None:
    simulated = write_project(tmp_path)
    path = write_ion_stack(tmp_path, simulated, ionosphere(simulated))
    run_sbas(write_template(tmp_path), folder=tmp_path, end="invert_network")
    before = Series.open(tmp_path / "timeseries.h5").array.read()
    y, x = np.argwhere((before != 0).any(axis=0))[100]
    with h5py.File(path, "r+") as file:
        file["unwrapPhase"][:, y, x] = np.nan
    done = run_sbas(write_template(tmp_path, WANTED), folder=tmp_path, dostep="correct_ionosphere")
    assert done.left_out == ("correct_ionosphere: 1 pixel(s) without an estimate stay as they were",)
    after = Series.open(tmp_path / "timeseries_ion.h5").array.read()
    np.testing.assert_array_equal(after[:, y, x], before[:, y, x])


def test_without_pairs_the_step_is_left_out(tmp_path: Path) -> None:
    write_project(tmp_path)
    done = run_sbas(write_template(tmp_path, WANTED), folder=tmp_path, end="velocity")
    (reason,) = done.left_out
    assert reason.startswith("correct_ionosphere: there is no ionStack.h5 in")
    assert "mintpy.load.ionUnwFile" in reason
    assert Series.open(tmp_path / "timeseries.h5").dates.size == 7
    assert not (tmp_path / "timeseries_ion.h5").exists()
    assert (tmp_path / "velocity.h5").exists()


def test_command_and_its_default_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = write_project(tmp_path)
    phases = ionosphere(simulated)
    write_ion_stack(tmp_path, simulated, phases)
    run_sbas(write_template(tmp_path), folder=tmp_path, end="invert_network")
    monkeypatch.chdir(tmp_path)
    done = call_main("iono_split_spectrum.py", "-f", "timeseries.h5")
    assert done.exit_code == 0, done.output
    series, ion = Series.open(tmp_path / "timeseries.h5"), Series.open(tmp_path / "ion.h5")
    np.testing.assert_allclose(ion.array.read(), _expected(series, phases), atol=2e-6)  # also over water
    assert (tmp_path / "timeseries_ion.h5").exists()


def test_all_pairs_excluded_is_an_error(tmp_path: Path) -> None:
    simulated = write_project(tmp_path)
    phases = ionosphere(simulated)
    stack = StackFile.open(write_ion_stack(tmp_path, simulated, phases))
    with pytest.raises(InputError, match="all 11 ionospheric pairs are excluded"):
        correct_ionosphere(
            tmp_path / "timeseries.h5", stack, tmp_path / "out.h5", (0, 0), exclude=[written(date) for date in phases]
        )


def test_pairs_are_loaded_from_the_files_that_the_template_names(tmp_path: Path) -> None:
    """The phase of the interferograms stands in for the ionosphere: nothing is left."""
    simulated = simulate_radar(**SMALL, seed=4)
    write_hyp3(simulated, tmp_path / "hyp3", write_geotiff)
    layers = {"unwFile": "unw_phase", "ionUnwFile": "unw_phase", "corFile": "corr", "ionCorFile": "corr"}
    layers |= {"demFile": "dem", "incAngleFile": "lv_theta", "azAngleFile": "lv_phi"}
    lines = ["mintpy.load.processor = hyp3", "mintpy.networkInversion.weightFunc = no"]
    lines += [f"mintpy.load.{key} = hyp3/*/*_{layer}.tif" for key, layer in layers.items()]
    work, template = tmp_path / "work", write_template(tmp_path, WANTED + "\n".join(lines) + "\n")
    done = run_sbas(template, folder=work, end="velocity")
    assert done.left_out == ()
    stack = StackFile.open(work / "inputs" / "ionStack.h5")
    assert stack.pairs == simulated.pairs
    np.testing.assert_allclose(stack.read("unwrapPhase"), simulated.phase, atol=1e-5)
    assert np.abs(Series.open(work / "timeseries.h5").array.read()).max() > 0.005
    assert np.abs(Series.open(work / "timeseries_ion.h5").array.read()).max() < 2e-6
    assert "correct_ionosphere" in run_sbas(template, folder=work, end="velocity").fresh
