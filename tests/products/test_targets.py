"""Files that cannot be made where they are to be: what lies there stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.products import exports

import creepmeter
from creepmeter.errors import StoreError
from creepmeter.products.export import save_geotiff, save_netcdf
from creepmeter.products.gbis import save_gbis
from creepmeter.products.gmt import save_gmt
from creepmeter.products.kite import save_kite
from creepmeter.products.kmz import save_kmz
from creepmeter.products.pointtable import save_csv, save_geopackage
from creepmeter.products.roipac import save_roipac

Save = Callable[[Path, Path], object]
WRITERS: dict[str, Save] = {
    "x.kmz": lambda folder, path: save_kmz(folder / "velocity.h5", path),
    "x.grd": lambda folder, path: save_gmt(folder / "velocity.h5", path),
    "x.unw": lambda folder, path: save_roipac(folder / "velocity.h5", path),
    "x.mat": lambda folder, path: save_gbis(folder / "velocity.h5", path, geometry=folder / "geometry.h5"),
    "x.npz": lambda folder, path: save_kite(folder / "velocity.h5", path, geometry=folder / "geometry.h5"),
    "x.csv": lambda folder, path: save_csv([folder / "velocity.h5"], path),
    "x.gpkg": lambda folder, path: save_geopackage(folder / "timeseries.h5", path),
    "x.nc": lambda folder, path: save_netcdf(creepmeter.open(folder / "velocity.h5"), path),
    "x_rate_los.tif": lambda folder, path: save_geotiff(
        creepmeter.open(folder / "velocity.h5"), path.with_name("x.tif")
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exports.write_velocity(tmp_path / "velocity.h5")
    exports.write_series(tmp_path / "timeseries.h5")
    exports.write_geometry(tmp_path / "geometry.h5")
    return tmp_path


@pytest.mark.parametrize("name", list(WRITERS))
def test_a_folder_of_that_name_stays(folder: Path, name: str) -> None:
    place = folder / name
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    before = set(folder.iterdir())
    with pytest.raises(StoreError, match=rf"{name} is a folder: give the name of a file"):
        WRITERS[name](folder, place)
    assert (place / "notes.txt").read_text() == "mine"
    assert set(folder.iterdir()) == before  # nor a part of what was to be made


@pytest.mark.parametrize("name", list(WRITERS))
def test_a_file_has_no_place_in_a_file(folder: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"velocity\.h5"):
        WRITERS[name](folder, folder / "velocity.h5" / name)
