"""Tides, plate motion and ionosphere beside MintPy's; what we write is opened by MintPy.

Skipped unless CREEPMETER_MINTPY names the folder of MintPy's programs (bin of its own environment).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import call_main
from tests.oracle.mintpy import programs
from tests.workflow.sbas.samples import write_project, write_template
from tests.workflow.sbas.test_ionosphere import ionosphere, write_ion_stack

from creepmeter.io.mintpy.product import read_map
from creepmeter.workflow.sbas.run import run_sbas
from creepmeter.workflow.sbas.velocity import Series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("geocoded", [True, False])
def test_tides_and_plate_motion_are_those_of_mintpy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    geocoded: bool,
) -> None:
    mintpy = programs()
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_project(ours, geocoded=geocoded)
    run_sbas(write_template(ours), folder=ours, end="velocity")
    shutil.copytree(ours, theirs)
    geometry = f"inputs/geometry{'Geo' if geocoded else 'Radar'}.h5"
    mintpy.many(
        theirs,
        [
            ("solid_earth_tides", ["timeseries.h5", "-g", geometry]),
            ("plate_motion", ["-g", geometry, "--plate", "Eurasia", "-v", "velocity.h5"]),
        ],
    )
    monkeypatch.chdir(ours)
    for arguments in (
        ["solid_earth_tides.py", "timeseries.h5", "-g", geometry],
        ["plate_motion.py", "-g", geometry, "--plate", "Eurasia", "-v", "velocity.h5"],
    ):
        done = call_main(*arguments)
        assert done.exit_code == 0, done.output
    for name in ("inputs/SET.h5", "timeseries_SET.h5"):
        mine, other = (Series.open(folder / name).array.read() for folder in (ours, theirs))
        assert np.abs(mine - other).max() < 1e-3  # PySolid's Sun and Moon are good to some arc minutes
        assert np.abs(other).max() > 1e-3
    for name in ("inputs/ITRF14.h5", "velocity_ITRF14.h5"):
        mine, other = (read_map(folder / name, "velocity") for folder in (ours, theirs))
        measured = (read_map(ours / "velocity.h5", "velocity") != 0) | (name == "inputs/ITRF14.h5")
        assert np.abs(mine - other)[measured].max() < 3e-5  # m/yr: a sphere in place of the ellipsoid
    files = ["inputs/SET.h5", "timeseries_SET.h5", "inputs/ITRF14.h5", "inputs/ITRF14enu.h5", "velocity_ITRF14.h5"]
    mintpy.many(ours, [("info", [name]) for name in files])


def test_ionosphere_is_that_of_mintpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mintpy = programs()
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    simulated = write_project(ours)
    write_ion_stack(ours, simulated, ionosphere(simulated))
    run_sbas(write_template(ours), folder=ours, end="invert_network")
    shutil.copytree(ours, theirs)
    held = Series.open(ours / "timeseries.h5").attributes
    pixel = f"mintpy.reference.yx = {held['REF_Y']},{held['REF_X']}\n"
    config = (theirs / "smallbaselineApp.cfg").read_text(encoding="utf-8")
    (theirs / "ion.txt").write_text(f"{config}\n{pixel}", encoding="utf-8")
    mintpy.many(theirs, [("iono_split_spectrum", ["-t", "ion.txt", "-f", "timeseries.h5"])])
    monkeypatch.chdir(ours)
    done = call_main("iono_split_spectrum.py", "-f", "timeseries.h5")
    assert done.exit_code == 0, done.output
    for name in ("ion.h5", "timeseries_ion.h5"):
        mine, other = (Series.open(folder / name).array.read() for folder in (ours, theirs))
        np.testing.assert_allclose(mine, other, atol=1e-7)  # float32 of some centimetres
    mintpy.many(ours, [("info", [name]) for name in ("ion.h5", "timeseries_ion.h5", "numInvIon.h5")])
