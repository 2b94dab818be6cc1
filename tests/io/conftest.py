"""Small products and images that the tests of files share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.model.schema import make_pair_stack

PAIRS = [("20200101", "20200213"), ("20200101", "20200301"), ("20200213T010203", "20200301")]


@pytest.fixture
def utm() -> GeoBox:
    return GeoBox((30, 40), Affine(30.0, 0.0, 500_000.0, 0.0, -30.0, 4_000_000.0), "EPSG:32613")


@pytest.fixture
def stack(utm: GeoBox) -> xr.Dataset:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(2, 3, 30, 40)).astype(np.float32)
    values[:, 1, :5] = np.nan
    used = [True, False, True]
    return make_pair_stack(values, PAIRS, ["east", "north"], quality=0.5, used=used, sigma=0.1, grid=utm)


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """Return a folder whose name holds spaces and letters beyond ASCII."""
    folder = tmp_path / "Hang rütschung 斜面"
    folder.mkdir()
    return folder
