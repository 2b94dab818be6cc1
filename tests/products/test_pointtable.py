from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from tests.products import exports
from tests.products.exports import UTM

from creepmeter.errors import GridError, InputError
from creepmeter.io.mintpy.product import write_product
from creepmeter.products import mapfile
from creepmeter.products.pointtable import PointOptions, save_csv, save_geopackage


def _write(folder: Path, grid: dict[str, str] = exports.WGS84) -> Path:
    exports.write_series(folder / "timeseries.h5", grid)
    exports.write_velocity(folder / "velocity.h5", grid)
    exports.write_map(folder / "temporalCoherence.h5", "temporalCoherence", np.full((40, 60), 0.9, "f4"), grid)
    exports.write_geometry(folder / "geometry.h5", grid)
    return folder / "timeseries.h5"


@pytest.mark.parametrize("budget", [2**23, 40_000])
@pytest.mark.parametrize("grid", [exports.WGS84, UTM])
def test_a_geopackage_has_a_column_for_each_date(
    tmp_path: Path, grid: dict[str, str], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapfile.strips, "__defaults__", (1, budget))
    path = save_geopackage(_write(tmp_path, grid), tmp_path / "points.gpkg", geometry=tmp_path / "geometry.h5")
    table = gpd.read_file(path)
    assert table.crs.to_epsg() == 4326
    names = ["CODE", "HEIGHT", "H_STDEV", "VEL", "V_STDEV", "COHERENCE", "EFF_AREA"]
    assert list(table.columns) == [*names, *(f"D{date}" for date in exports.DATES), "geometry"]
    rates, values = exports.rate_map(), exports.series_values()
    known = np.isfinite(rates)
    assert len(table) == known.sum() == table["CODE"].nunique()
    np.testing.assert_allclose(table["VEL"], rates[known] * 1000, rtol=1e-5)
    np.testing.assert_allclose(table["D20180210"], values[2][known] * 1000, rtol=1e-5)
    row, column = np.nonzero(known)
    where = table.to_crs(4326 if grid is exports.WGS84 else 32611).geometry
    west, north, width, height = (float(grid[name]) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"))
    np.testing.assert_allclose(where.x, west + (column + 0.5) * width, rtol=1e-9)
    np.testing.assert_allclose(where.y, north + (row + 0.5) * height, rtol=1e-9)


def test_windows_steps_and_the_first_date(tmp_path: Path) -> None:
    options = PointOptions(rows=slice(10, 20), columns=slice(20, 50), step=3, zero_first=True)
    table = gpd.read_file(save_geopackage(_write(tmp_path), tmp_path / "points.gpkg", options=options))
    assert len(table) == 4 * 10
    assert "HEIGHT" not in table
    assert (table["D20180105"] == 0).all()
    north, west = 34.2 - 10.5 * 0.0008, -118.5 + 20.5 * 0.001
    assert (table.geometry.y.max(), table.geometry.x.min()) == pytest.approx((north, west))


def test_csv_has_a_line_for_each_pixel(tmp_path: Path) -> None:
    _write(tmp_path, UTM)
    path = save_csv([tmp_path / "velocity.h5", tmp_path / "timeseries.h5"], tmp_path / "points.csv")
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    rates, values = exports.rate_map(), exports.series_values()
    assert len(lines) == np.isfinite(rates).sum()
    line = next(item for item in lines if (item["row"], item["column"]) == ("22", "37"))
    assert float(line["velocity"]) == pytest.approx(float(rates[22, 37]), rel=1e-6)
    assert float(line["D20190105"]) == pytest.approx(float(values[3, 22, 37]), rel=1e-6)
    assert (float(line["x"]), float(line["y"])) == (500_000 + 37.5 * 90, 3_800_000 - 22.5 * 80)
    assert float(line["longitude"]) == pytest.approx(-117 + 37.5 * 90 / 92_000, abs=3e-4)


def test_no_cell_begins_a_formula(tmp_path: Path) -> None:
    told = {**exports.BASE, **exports.WGS84, "FILE_TYPE": "mask"}
    values = np.array([[-1.5, np.nan], [2.0, -3.0]], np.float32)
    write_product(tmp_path / "odd.h5", {"=HYPERLINK(1)": values, "@b": values}, told)
    path = save_csv([tmp_path / "odd.h5"], tmp_path / "odd.csv", names=["=HYPERLINK(1)", "@b"])
    with path.open(newline="") as file:
        head, *lines = list(csv.reader(file))
    assert head[-2:] == ["'=HYPERLINK(1)", "'@b"]
    assert [line[-1] for line in lines] == ["-1.5", "2", "-3"]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    series = _write(tmp_path)
    with pytest.raises(InputError, match="no displacement series"):
        save_geopackage(tmp_path / "velocity.h5", tmp_path / "x.gpkg")
    exports.write_map(tmp_path / "mask.h5", "mask", np.zeros((40, 60), bool))
    nowhere = PointOptions(mask=tmp_path / "mask.h5")
    with pytest.raises(InputError, match="no pixel has a value inside mask and window"):
        save_geopackage(series, tmp_path / "x.gpkg", options=nowhere)
    with pytest.raises(InputError, match="no pixel has a value inside mask and window"):
        save_csv([series], tmp_path / "x.csv", options=nowhere)
    with pytest.raises(InputError, match="no product has speed: choose from timeseries"):
        save_csv([series], tmp_path / "x.csv", names=["speed"])
    exports.write_velocity(tmp_path / "utm.h5", UTM)
    with pytest.raises(GridError, match=r"utm\.h5 .* does not lie on the pixels"):
        save_csv([series, tmp_path / "utm.h5"], tmp_path / "x.csv")
    assert not [path.name for path in tmp_path.iterdir() if path.suffix in (".csv", ".gpkg", ".partial")]


def test_maps_of_one_name_from_files_of_one_name_are_columns_each(tmp_path: Path) -> None:
    files = [tmp_path / name / "velocity.h5" for name in ("asc", "desc", "other")]
    for number, path in enumerate(files):
        path.parent.mkdir()
        values = np.full((2, 3), number, np.float32) + 0.5
        write_product(path, {"velocity": values}, {**exports.BASE, **exports.WGS84, "FILE_TYPE": "velocity"})
    with save_csv(files, tmp_path / "points.csv").open(newline="") as file:
        head, line, *_ = list(csv.reader(file))
    assert len(set(head)) == len(head) == 7
    assert line[4:] == ["0.5", "1.5", "2.5"]
