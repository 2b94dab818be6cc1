"""invert_network, velocity and reference_date against MintPy 1.6.4, each fed with MintPy's own input of that step."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_array_equal

from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, read_tables
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.workflow.sbas.invert import Inverted, invert_network
from creepmeter.workflow.sbas.velocity import Series, fit_velocity_file, reference_date

pytestmark = pytest.mark.golden
Values: TypeAlias = npt.NDArray[Any]

OPTIONS = {
    "no": {"weight_func": "no"},
    "coh": {"weight_func": "coh"},
    "fim": {"weight_func": "fim"},
    "var": {},
    "options": {"mask_dataset": "coherence", "mask_threshold": 0.4, "min_norm_velocity": False},
}
RUNS = [
    ("sbas_geo", "full", "var"),
    ("sbas_geo", "tutorial", "no"),
    ("sbas_geo", "coh", "coh"),
    ("sbas_geo", "fim", "fim"),
    ("sbas_geo", "options", "options"),
    ("sbas_radar", "full", "var"),
    ("sbas_radar", "tutorial", "no"),
]
SERIES_M = {"no": 1e-5}  # MintPy solves in float32
OTHER_SERIES_M, COHERENCE, RATE_M = 2e-5, 2e-5, 1e-6
LAST = "timeseries_tropHgt_ramp_demErr.h5"


def prepared(golden: Path, scene: Path, folder: Path) -> StackFile:
    """Bring a stack into the state in which MintPy inverted it: pairs, reference, corrected cycles."""
    shutil.copytree(scene / "inputs", folder / "inputs")
    for name in ("waterMask.h5", "avgSpatialCoh.h5"):
        shutil.copyfile(golden / name, folder / name)
    after = np.load(golden / "ifgramStack_after.npz")
    stack = StackFile.open(folder / "inputs" / "ifgramStack.h5")
    stack.set_keep(after["dropIfgram"])
    stack.set_attributes({name: str(int(k)) for name, k in zip(("REF_Y", "REF_X"), after["ref_yx"], strict=True)})
    cycles = sorted((name for name in after.files if name.startswith("cycles")), key=len)
    if cycles:
        name = cycles[-1].replace("cycles", "unwrapPhase")
        turns, writer = after[cycles[-1]], stack.add_dataset(name, np.float32, {}, "golden")
        for index in range(len(stack.pairs)):
            phase = stack.read_pair("unwrapPhase", index)
            writer.put(index, np.where(phase != 0, phase + 2 * np.pi * turns[index], phase).astype(np.float32))
        writer.finish()
    return stack


def inverted(shared: Path, scene: str, run: str, kind: str, folder: Path) -> tuple[Path, Inverted]:
    golden = shared / "golden" / scene / f"mintpy_{run}"
    stack = prepared(golden, golden.parent, folder)
    geometry = next((folder / "inputs").glob("geometry*.h5"))
    return golden, invert_network(stack, folder, geometry, NetworkInversionOptions.model_validate(OPTIONS[kind]))


def series(path: Path) -> Values:
    return Series.open(path).array.read().astype(np.float64)


@pytest.mark.parametrize(("scene", "run", "kind"), RUNS)
def test_the_inversion_equals_mintpys(shared: Path, tmp_path: Path, scene: str, run: str, kind: str) -> None:
    golden, found = inverted(shared, scene, run, kind, tmp_path)
    theirs = Series.open(golden / "timeseries.h5")
    assert found.dataset == theirs.attributes["mintpy.networkInversion.obsDatasetName"]
    assert_array_equal(Series.open(tmp_path / "timeseries.h5").dates, theirs.dates)
    ours = series(tmp_path / "timeseries.h5")
    ours -= ours[theirs.place_of(theirs.attributes["REF_DATE"])].copy()
    # every pixel: those that were not inverted are 0 in both
    assert np.abs(ours - series(golden / "timeseries.h5")).max() < SERIES_M.get(kind, OTHER_SERIES_M)
    coherence = read_map(tmp_path / "temporalCoherence.h5").astype(np.float64)
    assert np.abs(coherence - read_map(golden / "temporalCoherence.h5")).max() < COHERENCE
    for name in ("numInvIfgram", "maskTempCoh"):
        assert_array_equal(read_map(tmp_path / f"{name}.h5"), read_map(golden / f"{name}.h5"), err_msg=name)
    bperp = [read_tables(folder / "timeseries.h5")["bperp"] for folder in (tmp_path, golden)]
    assert np.abs(bperp[0] - bperp[1]).max() < 1e-4
    assert (found.bridged > 0) == (run == "options")


@pytest.mark.parametrize(("scene", "run"), [("sbas_geo", "full"), ("sbas_radar", "full"), ("sbas_geo", "coh")])
def test_attributes_are_mintpys(shared: Path, tmp_path: Path, scene: str, run: str) -> None:
    golden, _ = inverted(shared, scene, run, "coh" if run == "coh" else "var", tmp_path)
    earlier = ("mintpy.unwrapError.", "REF_LAT", "REF_LON")  # that the steps before write into the stack
    later = ("FILE_PATH", "REF_DATE") if run == "full" else ()  # that reference_date has changed
    for name in ("timeseries", "temporalCoherence", "numInvIfgram", "maskTempCoh"):
        ours, theirs = (read_attributes(folder / f"{name}.h5") for folder in (tmp_path, golden))
        skipped = later if name == "timeseries" else ()
        for key, value in theirs.items():
            if not key.startswith(earlier) and key not in skipped:
                assert ours.get(key) == value, f"{name}: {key}"


@pytest.mark.parametrize(
    ("scene", "run", "source", "options"),
    [
        ("sbas_geo", "full", LAST, {}),
        ("sbas_geo", "options", LAST, {"periodic": 1.0, "step_date": "20190401"}),
        ("sbas_geo", "tutorial", "timeseries.h5", {}),
        ("sbas_radar", "full", LAST, {}),
        ("sbas_radar", "tutorial", "timeseries.h5", {}),
    ],
)
def test_the_velocity_equals_mintpys(
    shared: Path, tmp_path: Path, scene: str, run: str, source: str, options: dict[str, Any]
) -> None:
    golden = shared / "golden" / scene / f"mintpy_{run}"
    shutil.copyfile(golden / source, tmp_path / source)
    if (golden / "exclude_date.txt").exists():
        shutil.copyfile(golden / "exclude_date.txt", tmp_path / "exclude_date.txt")
    chosen = TimeFunctionOptions.model_validate(options)
    target = fit_velocity_file(tmp_path / source, tmp_path / "velocity.h5", chosen)
    assert set(list_datasets(target)) == set(list_datasets(golden / "velocity.h5"))
    moving = read_map(golden / "velocity.h5") != 0
    for name in list_datasets(target):
        ours, theirs = (read_map(path, name).astype(np.float64) for path in (target, golden / "velocity.h5"))
        if name.endswith("Phase"):  # of an amplitude that may be next to nothing
            turned = np.angle(np.exp(1j * (ours - theirs))) * read_map(target, name.replace("Phase", "Amplitude"))
            assert np.abs(turned[moving]).max() < RATE_M, name
        else:
            assert np.abs(ours - theirs).max() < RATE_M, name
    said = read_attributes(target)
    kept = {
        key: value
        for key, value in read_attributes(golden / "velocity.h5").items()
        if not key.startswith("mintpy.topographicResidual.")
    }
    assert {key: said.get(key) for key in kept} == kept  # those of an earlier step MintPy writes in two ways


@pytest.mark.parametrize("scene", ["sbas_geo", "sbas_radar"])
def test_another_reference_date_equals_mintpys(shared: Path, tmp_path: Path, scene: str) -> None:
    golden = shared / "golden" / scene / "mintpy_full"
    shutil.copyfile(golden / LAST, tmp_path / LAST)
    date = (golden / "reference_date.txt").read_text().strip()
    reference_date([tmp_path / LAST], "20180105")
    reference_date([tmp_path / LAST], date)
    assert np.abs(series(tmp_path / LAST) - series(golden / LAST)).max() < 1e-7  # float32, subtracted twice
    assert read_attributes(tmp_path / LAST)["REF_DATE"] == date
