"""Series of delays beside MintPy: it opens them, and takes them off a series as we do.

Skipped unless CREEPMETER_MINTPY names the folder of MintPy's programs (bin of its own environment).
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.cli.conftest import call_main
from tests.oracle.mintpy import MintPy, programs
from tests.workflow.sbas.weather_samples import DATES, write_series, write_weather

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROUNDING = 5e-7  # metres: MintPy subtracts delays of 3 m in float32, three times


@pytest.fixture(scope="module")
def mintpy() -> MintPy:
    return programs()


def _series(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return np.asarray(file["timeseries"][()], np.float64)


@pytest.mark.parametrize("dates", [DATES, DATES[:3]])
def test_mintpy_takes_our_delays_off_as_we_do(mintpy: MintPy, tmp_path: Path, dates: tuple[str, ...]) -> None:
    write_series(tmp_path)
    write_weather(tmp_path / "weather" / "ERA5", dates)
    call = ("tropo-pyaps3", "-f", tmp_path / "timeseries.h5", "-g", tmp_path / "inputs" / "geometryGeo.h5")
    result = call_main(*call, "-w", tmp_path / "weather")
    assert result.exit_code == (0 if dates == DATES else 3), result.output
    calls = [
        ("info", ["inputs/ERA5.h5"]),
        ("diff", ["timeseries.h5", "inputs/ERA5.h5", "-o", "theirs.h5", "--force"]),
        ("view", ["inputs/ERA5.h5", DATES[1], "--nodisplay", "-o", "delay.png"]),
        ("timeseries2velocity", ["timeseries_ERA5.h5", "-o", "velocity.h5"]),
    ]
    told = mintpy.many(tmp_path, calls)
    assert "timeseries" in told["info inputs/ERA5.h5"]
    ours, theirs = _series(tmp_path / "timeseries_ERA5.h5"), _series(tmp_path / "theirs.h5")
    np.testing.assert_allclose(ours, theirs, atol=ROUNDING)
    assert np.abs(ours - _series(tmp_path / "timeseries.h5")).max() > 1e-3
