"""MintPy itself reads what is written here; skipped unless CREEPMETER_MINTPY names the folder of its programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.io.mintpy import samples

from creepmeter.io.mintpy import product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.mintpy.writestack import create_stack

ROWS, COLUMNS = 24, 30


@pytest.fixture(scope="module")
def programs() -> Path:
    folder = Path(os.environ.get("CREEPMETER_MINTPY", ""))
    if not (folder / "info.py").is_file():
        pytest.skip("no MintPy: set CREEPMETER_MINTPY to the folder of its programs (bin of its environment)")
    return folder


@pytest.fixture(params=["geo", "radar"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with a stack, geometry, series, velocity and mask, written by creepmeter."""
    chosen = samples.ATTRIBUTES if request.param == "geo" else samples.RADAR
    corners = {f"{axis}_REF{k}": str(10 + k % 2) for axis in ("LAT", "LON") for k in (1, 2, 3, 4)}
    common = {
        **chosen,
        **corners,
        "EARTH_RADIUS": "6371000",
        "HEIGHT": "700000",
        "STARTING_RANGE": "800000",
        "HEADING": "-12",
        "ORBIT_DIRECTION": "ASCENDING",
        "PLATFORM": "Sen",
        "ANTENNA_SIDE": "-1",
        "NCORRLOOKS": "25",
        "START_DATE": samples.DATES[0],
        "END_DATE": samples.DATES[-1],
    }
    rng = np.random.default_rng(0)
    rate = rng.normal(size=(ROWS, COLUMNS)).astype("f4")
    kinds = {"unwrapPhase": "f4", "coherence": "f4", "connectComponent": "i2"}
    writer = create_stack(
        tmp_path / "inputs" / "ifgramStack.h5",
        pairs=samples.pairs(),
        bperp=samples.BPERP,
        shape=(ROWS, COLUMNS),
        datasets=kinds,
        attributes=common,
        key="k",
    )
    full = np.full((ROWS, COLUMNS), 0.9, "f4")
    for k, pair in enumerate(samples.pairs()):
        phase = (rate * pair.days / 12).astype("f4")
        writer.put(k, {"unwrapPhase": phase, "coherence": full, "connectComponent": np.ones((ROWS, COLUMNS), "i2")})
    writer.finish({})
    stack = StackFile.open(tmp_path / "inputs" / "ifgramStack.h5")
    stack.set_attributes({"REF_Y": "3", "REF_X": "4", "REF_LAT": "1", "REF_LON": "1"})
    added = stack.add_dataset("unwrapPhase_bridging", "f4", {}, "k")
    for k in range(len(stack.pairs)):
        added.put(k, stack.read_pair("unwrapPhase", k))
    added.finish()
    maps = dict.fromkeys(("height", "incidenceAngle", "azimuthAngle", "slantRangeDistance"), full)
    maps |= {"waterMask": np.ones((ROWS, COLUMNS), bool), "shadowMask": np.zeros((ROWS, COLUMNS), bool)}
    if request.param == "radar":
        rows, columns = np.mgrid[:ROWS, :COLUMNS].astype("f4")
        maps |= {"latitude": 40 - rows * 1e-3, "longitude": 10 + columns * 1e-3}
    name = "geometryGeo.h5" if request.param == "geo" else "geometryRadar.h5"
    product.write_product(tmp_path / "inputs" / name, maps, {**common, "FILE_TYPE": "geometry"}, compression="lzf")
    series = np.stack([rate * k for k in range(4)]).astype("f4")
    more = {**common, "REF_DATE": samples.DATES[0], "REF_Y": "3", "REF_X": "4", "FILE_TYPE": "timeseries", "UNIT": "m"}
    tables = {"date": samples.dates_of(samples.DATES), "bperp": np.arange(4.0)}
    product.write_product(tmp_path / "timeseries.h5", {"timeseries": series}, more, tables=tables)
    more |= {"FILE_TYPE": "mask", "UNIT": "1"}
    product.write_product(tmp_path / "maskTempCoh.h5", {"mask": full > 0}, more)
    return tmp_path


def call(programs: Path, work: Path, *words: str) -> str:
    env = {**os.environ, "MPLBACKEND": "Agg", "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(programs / words[0]), *words[1:]], cwd=work, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mintpy_looks_at_and_goes_on_with_our_files(programs: Path, work: Path) -> None:
    geometry = next((work / "inputs").glob("geometry*.h5")).relative_to(work).as_posix()
    for name in ("inputs/ifgramStack.h5", geometry, "timeseries.h5", "maskTempCoh.h5"):
        assert "file type" in call(programs, work, "info.py", name)
        call(programs, work, "view.py", name, "--nodisplay", "-o", "view.png")
    call(programs, work, "subset.py", geometry, "-x", "2", "20", "-y", "2", "20", "-o", "cut.h5")
    call(programs, work, "mask.py", "timeseries.h5", "-m", "maskTempCoh.h5")
    call(programs, work, "timeseries2velocity.py", "timeseries.h5")
    stack = "inputs/ifgramStack.h5"
    call(programs, work, "reference_point.py", stack, "-y", "5", "-x", "6")
    call(programs, work, "ifgram_inversion.py", stack, "-i", "unwrapPhase_bridging", "-w", "no")
    found = StackFile.open(work / stack)
    assert found.reference == (5, 6)
    phase = found.read_pair("unwrapPhase", 0)
    expected = -0.056 / (4 * np.pi) * (phase - phase[5, 6])
    series = product.read_map(work / "timeseries.h5", f"timeseries-{samples.DATES[1]}")
    np.testing.assert_allclose(series, expected, atol=1e-6)
    found.set_keep([True, False, True, True])  # still ours: changed in place
    assert not (work / "inputs" / "ifgramStack.creepmeter.h5").exists()
