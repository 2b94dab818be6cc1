"""Every correction against MintPy 1.6.4, given MintPy's input of the step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.io.mintpy.product import list_datasets, read_map
from creepmeter.workflow.sbas.deramp import remove_ramp_of_series
from creepmeter.workflow.sbas.residuals import judge_residuals
from creepmeter.workflow.sbas.stratified import correct_by_height
from creepmeter.workflow.sbas.template import SbasTemplate, read_template
from creepmeter.workflow.sbas.topography import Targets, correct_topography
from creepmeter.workflow.sbas.velocity import Series, fit_velocity_file, reference_date

pytestmark = [pytest.mark.golden, pytest.mark.kernel]
RUNS = ("sbas_geo/mintpy_full", "sbas_geo/mintpy_options", "sbas_radar/mintpy_full")
SERIES_M, HEIGHT_M, RATE_M, RMS_M = 2e-5, 1e-4, 1e-6, 1e-6  # float32 in MintPy


@dataclass(frozen=True)
class Peer:
    """A run of MintPy, and a folder of ours."""

    theirs: Path
    ours: Path
    geometry: Path
    template: SbasTemplate

    def take(self, *names: str) -> Path:
        """Copy files of MintPy's into our folder; return the first."""
        for name in names:
            shutil.copyfile(self.theirs / name, self.ours / name)
        return self.ours / names[0]

    def require_series(self, name: str, made: Path) -> None:
        """Compare a series with MintPy's."""
        ours, theirs = (Series.open(path).array.read().astype(float) for path in (made, self.theirs / name))
        assert_array_equal(np.isnan(ours), np.isnan(theirs))
        assert_allclose(ours, theirs, atol=SERIES_M)


@pytest.fixture(params=RUNS)
def peer(request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> Peer:
    theirs = shared / "golden" / str(request.param)
    geometry = next((theirs.parent / "inputs").glob("geometry*.h5"))
    return Peer(theirs, tmp_path, geometry, read_template(theirs / "SynthSenAT1.txt"))


def test_troposphere_by_height(peer: Peer) -> None:
    source = peer.take("timeseries.h5", "maskTempCoh.h5")
    made = correct_by_height(
        source, peer.ours / "made.h5", peer.geometry, peer.ours / "maskTempCoh.h5", peer.template.height_correlation
    )
    peer.require_series("timeseries_tropHgt.h5", made)


def test_ramp(peer: Peer) -> None:
    source = peer.take("timeseries_tropHgt.h5", "maskTempCoh.h5")
    remove_ramp_of_series(source, peer.ours / "made.h5", peer.template.ramp)
    peer.require_series("timeseries_tropHgt_ramp.h5", peer.ours / "made.h5")


def test_error_of_the_heights(peer: Peer) -> None:
    source = peer.take("timeseries_tropHgt_ramp.h5", "temporalCoherence.h5")
    targets = Targets(*(peer.ours / name for name in ("made.h5", "demErr.h5", "residual.h5")))
    correct_topography(source, targets, peer.geometry, peer.template.topography)
    peer.require_series("timeseries_tropHgt_ramp_demErr.h5", targets.corrected)
    peer.require_series("timeseriesResidual.h5", targets.residual)
    assert_allclose(read_map(targets.height_error), read_map(peer.theirs / "demErr.h5"), atol=HEIGHT_M)


def test_residuals(peer: Peer) -> None:
    found = judge_residuals(peer.take("timeseriesResidual.h5", "maskTempCoh.h5"), peer.template.residual)
    peer.require_series("timeseriesResidual_ramp.h5", found.files[0])
    table = "rms_timeseriesResidual_ramp.txt"
    assert_allclose(np.loadtxt(peer.ours / table), np.loadtxt(peer.theirs / table), atol=RMS_M)
    for name in ("reference_date.txt", "exclude_date.txt"):
        ours, theirs = (
            (home / name).read_text() if (home / name).exists() else "" for home in (peer.ours, peer.theirs)
        )
        assert ours == theirs, name


def test_reference_date(peer: Peer) -> None:
    path = peer.take("timeseries_tropHgt_ramp_demErr.h5")
    reference = (peer.theirs / "reference_date.txt").read_text().strip()
    reference_date([path], str(Series.open(path).dates[5])[:10])
    reference_date([path], reference)
    peer.require_series(path.name, path)


def test_velocity(peer: Peer) -> None:
    if (peer.theirs / "exclude_date.txt").exists():
        peer.take("exclude_date.txt")
    source = peer.take("timeseries_tropHgt_ramp_demErr.h5")
    made = fit_velocity_file(source, peer.ours / "velocity.h5", peer.template.velocity)
    theirs = peer.theirs / "velocity.h5"
    assert set(list_datasets(made)) == set(list_datasets(theirs))
    for name in list_datasets(theirs):
        scale: npt.NDArray[Any] | float = 1.0
        if name.endswith("Phase"):  # an angle means little where the amplitude is small
            scale = read_map(theirs, name.replace("Phase", "Amplitude"))
        assert_allclose(read_map(made, name) * scale, read_map(theirs, name) * scale, atol=RATE_M, err_msg=name)
