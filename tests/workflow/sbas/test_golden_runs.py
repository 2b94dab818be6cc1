"""Whole runs against MintPy 1.6.4: the same inputs, the same templates."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, read_tables
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.sbas.run import run_sbas

pytestmark = [pytest.mark.golden, pytest.mark.slow, pytest.mark.kernel]
RUNS = (
    "sbas_geo/mintpy_tutorial",
    "sbas_geo/mintpy_options",
    "sbas_geo/mintpy_coh",
    "sbas_geo/mintpy_fim",
    "sbas_geo/mintpy_full",
    "sbas_radar/mintpy_tutorial",
    "sbas_radar/mintpy_full",
)
# MintPy draws the pixels of phase closure at random: these runs may differ by whole cycles
CLOSED = {name for name in RUNS if name.startswith("sbas_geo") and name.endswith(("coh", "fim", "full"))}
SERIES_M, RATE_M, COHERENCE = 5e-5, 2e-5, 2e-5  # end to end, float32 in MintPy
HEIGHT_M = 2e-3  # a tenth of 5e-5 m of displacement at the baselines of these scenes
PHASE = "unwrapPhase"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Compared:
    """A run of ours and the folder of MintPy's."""

    name: str
    ours: Path
    theirs: Path
    result: RunResult
    after: dict[str, Array]

    def maps(self, file: str, dataset: str) -> tuple[Array, Array]:
        """Return a map of both."""
        one, other = (read_map(folder / file, dataset) for folder in (self.ours, self.theirs))
        return one.astype(np.float64), other.astype(np.float64)

    def stack(self) -> StackFile:
        """Open our stack."""
        return StackFile.open(self.ours / "inputs" / "ifgramStack.h5")

    def same_cycles(self) -> Array:
        """Return the pixels whose whole cycles are MintPy's in all kept pairs, (y, x)."""
        mine = self.cycles()
        theirs = self.after.get("cycles_bridging_phaseClosure", self.after.get("cycles_bridging"))
        if mine is None or theirs is None:
            return np.ones(self.stack().shape[1:], bool)
        kept = self.stack().keep
        return np.asarray((mine == theirs)[kept].all(axis=0))

    def cycles(self, name: str | None = None) -> Array | None:
        """Return the whole cycles that were added to the phase as loaded, (pair, y, x)."""
        stack = self.stack()
        corrected = [key for key in stack.names if key.startswith("unwrapPhase_")]
        if not corrected:
            return None
        before, after = (stack.read(key).astype(np.float64) for key in (PHASE, name or max(corrected, key=len)))
        added = np.where((before == 0) | ~np.isfinite(before), 0, (after - before) / (2 * np.pi))
        return np.asarray(np.rint(np.nan_to_num(added)))


@pytest.fixture(scope="module", params=RUNS)
def compared(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    name = str(request.param)
    theirs = shared / "golden" / name
    folder = tmp_path_factory.mktemp("run") / "work"
    shutil.copytree(theirs.parent / "inputs", folder / "inputs", copy_function=shutil.copyfile)
    result = run_sbas(theirs / "SynthSenAT1.txt", folder=folder, end="velocity")
    with np.load(theirs / "ifgramStack_after.npz", allow_pickle=False) as found:
        after = {key: found[key] for key in found.files}
    return Compared(name, folder, theirs, result, after)


def test_pairs_reference_and_masks_are_those_of_mintpy(compared: Compared) -> None:
    stack = compared.stack()
    np.testing.assert_array_equal(stack.keep, compared.after["dropIfgram"])
    assert stack.reference == tuple(compared.after["ref_yx"])
    for file, dataset in (("waterMask.h5", "waterMask"), ("maskConnComp.h5", "mask")):
        np.testing.assert_array_equal(*compared.maps(file, dataset), err_msg=file)
    mine, theirs = compared.maps("avgSpatialCoh.h5", "coherence")
    np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    table = compared.theirs / "coherenceSpatialAvg.txt"
    if table.exists():
        mine, theirs = (np.loadtxt(folder / table.name, usecols=1) for folder in (compared.ours, compared.theirs))
        np.testing.assert_allclose(mine, theirs, atol=1.01e-4)  # four figures are written


def test_the_overview_is_that_of_mintpy(compared: Compared) -> None:
    if not (compared.theirs / "avgPhaseVelocity.h5").exists():
        pytest.skip("MintPy's run holds no overview")
    mine, theirs = compared.maps("avgPhaseVelocity.h5", "velocity")
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6 * np.nanmax(np.abs(theirs)))
    np.testing.assert_array_equal(*compared.maps("numTriNonzeroIntAmbiguity.h5", "mask"))


def test_bridging_finds_the_cycles_of_mintpy(compared: Compared) -> None:
    if "cycles_bridging" not in compared.after:
        pytest.skip("MintPy's run did not bridge")
    mine = compared.cycles("unwrapPhase_bridging")
    assert mine is not None
    same = (mine == compared.after["cycles_bridging"])[compared.stack().keep]
    assert same.mean() >= 0.999


def test_the_series_is_that_of_mintpy(compared: Compared) -> None:
    same = compared.same_cycles()
    assert same.mean() >= (0.9 if compared.name in CLOSED else 1)
    dates = [str(date)[:10].replace("-", "") for date in read_tables(compared.theirs / "timeseries.h5")["date"]]
    reference = read_attributes(compared.theirs / "timeseries.h5")["REF_DATE"]
    shift = read_map(compared.ours / "timeseries.h5", f"timeseries-{reference}").astype(np.float64)
    worst = 0.0
    for date in dates:
        mine, theirs = compared.maps("timeseries.h5", f"timeseries-{date}")
        worst = max(worst, float(np.abs(mine - shift - theirs)[same].max()))
    assert worst <= SERIES_M


def test_quality_is_that_of_mintpy(compared: Compared) -> None:
    same = compared.same_cycles()
    mine, theirs = compared.maps("temporalCoherence.h5", "temporalCoherence")
    np.testing.assert_allclose(mine[same], theirs[same], atol=COHERENCE)
    for file in ("numInvIfgram.h5", "maskTempCoh.h5"):
        mine, theirs = compared.maps(file, "mask")
        np.testing.assert_array_equal(mine[same], theirs[same], err_msg=file)


def _inside(compared: Compared) -> Array:
    """Return the pixels to compare: where phase closure found other cycles than MintPy's, they differ by cycles."""
    return np.asarray(compared.same_cycles())


def test_the_corrected_series_are_those_of_mintpy(compared: Compared) -> None:
    names = sorted(path.name for path in compared.theirs.glob("timeseries?*.h5"))
    if not names:
        pytest.skip("MintPy's run corrected nothing")
    for name in names:
        for date in read_tables(compared.theirs / name)["date"]:
            mine, theirs = compared.maps(name, f"timeseries-{str(date)[:10].replace('-', '')}")
            worst = np.abs(mine - theirs)[_inside(compared)].max()
            assert worst <= SERIES_M, f"{name}, {date}"
    mine, theirs = compared.maps("demErr.h5", "dem")
    np.testing.assert_allclose(mine[_inside(compared)], theirs[_inside(compared)], atol=HEIGHT_M)


def test_noisy_dates_and_reference_date_are_those_of_mintpy(compared: Compared) -> None:
    table = "rms_timeseriesResidual_ramp.txt"
    if not (compared.theirs / table).exists():
        pytest.skip("MintPy's run judged no dates")
    mine, theirs = (np.loadtxt(folder / table) for folder in (compared.ours, compared.theirs))
    np.testing.assert_allclose(mine, theirs, atol=1e-6)
    for name in ("reference_date.txt", "exclude_date.txt"):
        found = [folder / name for folder in (compared.ours, compared.theirs)]
        texts = [path.read_text() if path.exists() else "" for path in found]
        assert texts[0] == texts[1], name


def test_the_velocity_is_that_of_mintpy(compared: Compared) -> None:
    if not (compared.theirs / "velocity.h5").exists():
        pytest.skip("MintPy's run ended before")
    for dataset in list_datasets(compared.theirs / "velocity.h5"):
        mine, theirs = compared.maps("velocity.h5", dataset)
        known = _inside(compared) & np.isfinite(theirs)
        np.testing.assert_array_equal(np.isfinite(mine)[_inside(compared)], np.isfinite(theirs)[_inside(compared)])
        if dataset.endswith("Phase"):  # of an amplitude of millimetres
            amplitude = compared.maps("velocity.h5", dataset.replace("Phase", "Amplitude"))[1]
            mine, theirs = mine * amplitude, theirs * amplitude
        np.testing.assert_allclose(mine[known], theirs[known], atol=RATE_M, err_msg=dataset)


def test_nothing_is_left_out(compared: Compared) -> None:
    assert compared.result.left_out == ()


def test_a_second_run_does_nothing(compared: Compared) -> None:
    again = run_sbas(compared.theirs / "SynthSenAT1.txt", folder=compared.ours, end="velocity")
    assert again.made == ()


def _true_rate(compared: Compared) -> tuple[Array, Array]:
    """Return the rate of the true displacement relative to the reference pixel, and the pixels to compare."""
    truth = compared.theirs.parent / "truth"
    moved = np.load(truth / "truth_disp.npy").astype(np.float64)
    dates = read_tables(compared.theirs / "timeseries.h5")["date"]
    years = (dates - dates[0]) / np.timedelta64(1, "D") / 365.25
    rate = np.polyfit(years, moved.reshape(len(years), -1), 1)[0].reshape(moved.shape[1:])
    row, column = compared.stack().reference or (0, 0)
    mask = read_map(compared.theirs / "maskTempCoh.h5") != 0
    return rate - rate[row, column], mask


def test_the_velocity_is_as_near_the_truth_as_that_of_mintpy(compared: Compared) -> None:
    if not (compared.theirs / "velocity.h5").exists():
        pytest.skip("MintPy's run ended before")
    rate, mask = _true_rate(compared)
    ours, theirs = (np.sqrt(np.mean((found - rate)[mask] ** 2)) for found in compared.maps("velocity.h5", "velocity"))
    assert ours <= 1.001 * theirs
