"""MintPy itself goes on with a run of ours; skipped unless CREEPMETER_MINTPY names the folder of its programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.workflow.sbas.samples import write_project

from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.workflow.sbas.run import run_sbas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TEMPLATE = """\
mintpy.networkInversion.minNumPixel = 20
mintpy.troposphericDelay.method = height_correlation
mintpy.deramp = linear
mintpy.save.kmz = no
mintpy.plot = no
"""


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
    work = tmp_path / "work"
    write_project(work, rows=60, columns=70, dates=9, connections=3)
    (tmp_path / "Project.txt").write_text(TEMPLATE)
    run_sbas(tmp_path / "Project.txt", folder=work, end="velocity")
    before = read_map(work / "velocity.h5", "velocity")
    steps = ("correct_troposphere", "deramp", "correct_topography", "residual_RMS", "reference_date", "velocity")
    for step in steps:
        _call(programs, work, "smallbaselineApp.py", "smallbaselineApp.cfg", "--dostep", step)
    assert "timeseries_tropHgt_ramp_demErr.h5" in {path.name for path in work.iterdir()}
    assert not np.array_equal(read_map(work / "velocity.h5", "velocity"), before)
    chosen = (work / "reference_date.txt").read_text().strip()
    again = run_sbas(tmp_path / "Project.txt", folder=work, end="velocity")
    assert again.made[-1] == "velocity"  # that of the corrected series is not ours
    assert read_attributes(work / "timeseries.h5")["REF_DATE"] == chosen
    # the reference date shifts the intercept, not the rate: float32 of a few centimetres
    np.testing.assert_allclose(read_map(work / "velocity.h5", "velocity"), before, atol=1e-7)


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
