"""MintPy itself goes on with a run of ours; skipped unless CREEPMETER_MINTPY names the folder of its programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.workflow.sbas.samples import write_project

from creepmeter.corrections.ramp import POWERS
from creepmeter.corrections.series_options import RampOptions
from creepmeter.io.mintpy.product import read_attributes, read_map, update_product
from creepmeter.workflow.sbas.deramp import remove_ramp, write_coefficients
from creepmeter.workflow.sbas.run import run_sbas
from creepmeter.workflow.sbas.velocity import Series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TEMPLATE = """\
mintpy.networkInversion.minNumPixel = 20
mintpy.troposphericDelay.method = height_correlation
mintpy.deramp = linear
mintpy.save.kmz = no
mintpy.plot = no
"""

STEPS = ("correct_troposphere", "deramp", "correct_topography", "residual_RMS", "reference_date", "velocity")


@pytest.fixture(scope="module")
def programs() -> Path:
    folder = Path(os.environ.get("CREEPMETER_MINTPY", ""))
    if not (folder / "smallbaselineApp.py").is_file():
        pytest.skip("no MintPy: set CREEPMETER_MINTPY to the folder of its programs (bin of its environment)")
    return folder


def _call(programs: Path, work: Path, *arguments: str) -> str:
    command = [str(programs / "python"), str(programs / arguments[0]), *arguments[1:]]
    done = subprocess.run(
        command, cwd=work, capture_output=True, text=True, check=False, env={**os.environ, "MPLBACKEND": "Agg"}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_mintpy_goes_on_with_our_run_and_we_with_its(programs: Path, tmp_path: Path) -> None:
    work, other = tmp_path / "work", tmp_path / "other"
    write_project(work, rows=60, columns=70, dates=9, connections=3, dem_error_m=8.0, stratified=0.01)
    (tmp_path / "Project.txt").write_text(TEMPLATE)
    run_sbas(tmp_path / "Project.txt", folder=work, end="invert_network")
    shutil.copytree(work, other)
    run_sbas(tmp_path / "Project.txt", folder=work, end="velocity")
    for step in STEPS:
        _call(programs, other, "smallbaselineApp.py", "smallbaselineApp.cfg", "--dostep", step)
    assert (work / "reference_date.txt").read_text() == (other / "reference_date.txt").read_text()
    for name in ("timeseries_tropHgt.h5", "timeseries_tropHgt_ramp.h5", "timeseries_tropHgt_ramp_demErr.h5"):
        one, theirs = (Series.open(folder / name).array.read() for folder in (work, other))
        np.testing.assert_allclose(one, theirs, atol=2e-7, err_msg=name)
    for name, dataset, worst in (("demErr.h5", "dem", 1e-4), ("velocity.h5", "velocity", 5e-7)):
        mine, theirs = (read_map(folder / name, dataset) for folder in (work, other))
        np.testing.assert_allclose(mine, theirs, atol=worst, err_msg=name)
    mine, theirs = (np.loadtxt(folder / "rms_timeseriesResidual_ramp.txt") for folder in (work, other))
    np.testing.assert_allclose(mine, theirs, atol=1e-8)
    rate = read_map(work / "velocity.h5", "velocity")
    again = run_sbas(tmp_path / "Project.txt", folder=other, end="velocity")
    assert again.made[-6:] == STEPS  # its products are not ours
    np.testing.assert_allclose(read_map(other / "velocity.h5", "velocity"), rate, atol=1e-7)


def test_the_drift_of_the_oscillator_is_that_of_mintpy(programs: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work)
    update_product(work / "inputs" / "ifgramStack.h5", attributes={"PLATFORM": "Env"})
    (tmp_path / "Project.txt").write_text(TEMPLATE)
    run_sbas(tmp_path / "Project.txt", folder=work, end="correct_LOD")
    arguments = ("timeseries.h5", "inputs/geometryGeo.h5", "-o", "theirs.h5")
    _call(programs, work, "local_oscilator_drift.py", *arguments)
    measured = (Series.open(work / "timeseries.h5").array.read() != 0).any(axis=0)
    ours, theirs = (Series.open(work / name).array.read() for name in ("timeseries_LOD.h5", "theirs.h5"))
    assert np.abs(ours).max() > 1e-4
    np.testing.assert_allclose(ours[:, measured], theirs[:, measured], atol=2e-8)


@pytest.mark.parametrize("kind", [kind for kind in POWERS if "_" in kind])
def test_ramps_of_one_direction_are_those_of_mintpy(programs: Path, tmp_path: Path, kind: str) -> None:
    work = tmp_path / "work"
    write_project(work)
    (tmp_path / "Project.txt").write_text(TEMPLATE)
    run_sbas(tmp_path / "Project.txt", folder=work, end="invert_network")
    ramps = remove_ramp(work / "timeseries.h5", work / "ours.h5", RampOptions(ramp=kind))
    flags = ("-m", "maskTempCoh.h5", "-s", kind, "-o", "theirs.h5", "--save-ramp-coeff")
    _call(programs, work, "remove_ramp.py", "timeseries.h5", *flags)
    ours, theirs = (Series.open(work / name).array.read() for name in ("ours.h5", "theirs.h5"))
    np.testing.assert_allclose(ours, theirs, atol=5e-8)
    written = np.loadtxt(work / "rampCoeff_timeseries.txt")
    mine = np.loadtxt(write_coefficients(ramps, work / "timeseries.h5", work / "ours.h5"))
    np.testing.assert_allclose(mine, written, rtol=1e-3, atol=1e-9)


def test_mintpy_opens_every_product_of_a_run(programs: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work)
    (tmp_path / "Project.txt").write_text(TEMPLATE)
    run_sbas(tmp_path / "Project.txt", folder=work, end="velocity")
    for path in [*sorted(work.glob("*.h5")), *sorted((work / "inputs").glob("*.h5"))]:
        assert read_attributes(path)["FILE_TYPE"].lower() in _call(programs, work, "info.py", str(path)).lower()
        if path.parent == work:
            _call(programs, work, "view.py", path.name, "--nodisplay", "-o", f"{path.stem}.png")
            assert (work / f"{path.stem}.png").exists()
