from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pyproj import CRS
from shapely.geometry import LineString, Point

from creepmeter.errors import ImageError, InputError
from creepmeter.io.points import read_points, write_table


def write(folder: Path, text: str, name: str = "points.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_any_delimiter_is_read(tmp_path: Path, delimiter: str) -> None:
    lines = [["name", "Y", "X"], ["a", "4000000.5", "500000"], ["Übung", "-3e2", "1.25"]]
    table = read_points(write(tmp_path, "\ufeff" + "\r\n".join(map(delimiter.join, lines)) + "\r\n\r\n"))
    assert_array_equal(table.x, [500000, 1.25])
    assert_array_equal(table.y, [4000000.5, -300])
    assert table.crs is None
    assert table.columns["name"] == ["a", "Übung"]
    assert list(table.columns) == ["name", "Y", "X"]


@pytest.mark.parametrize("names", ["lon,lat", "longitude,latitude", "Lon,Lat"])
def test_longitude_and_latitude_are_known(tmp_path: Path, names: str) -> None:
    path = write(tmp_path, f"{names}\n11.5,47.25\n")
    table = read_points(path)
    assert table.crs is not None
    assert CRS(table.crs).to_epsg() == 4326
    assert (table.x[0], table.y[0]) == (11.5, 47.25)
    other = read_points(path, "EPSG:4258")
    assert other.crs is not None
    assert CRS(other.crs).to_epsg() == 4258


def test_columns_of_numbers_may_have_gaps(tmp_path: Path) -> None:
    table = read_points(write(tmp_path, "x,y,search_px\n1,2,\n3,4,7\n"))
    assert_array_equal(table.numbers("search_px"), [np.nan, 7])
    assert table.numbers("chip_px") is None


@pytest.mark.parametrize("name", ["points.geojson", "points.gpkg"])
def test_points_of_vector_files_carry_their_system(tmp_path: Path, name: str) -> None:
    frame = gpd.GeoDataFrame({"id": ["a", "b"]}, geometry=[Point(11, 47), Point(12.5, 47.5, 800)], crs="EPSG:4326")
    frame.to_file(tmp_path / name)
    table = read_points(tmp_path / name)
    assert_allclose(table.x, [11, 12.5])
    assert_allclose(table.y, [47, 47.5])
    assert table.columns["id"] == ["a", "b"]
    assert table.crs is not None
    assert CRS(table.crs).to_epsg() == 4326


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"points\.csv is empty"),
        ("a,b\n1,2\n", r"among them x and y or lon and lat.*columns a, b"),
        ("x,y\n", r"a line for each point; found 1 line"),
        ("x,y\n1,2\n3\n", r"point 2 has 1 entries, the first line names 2 columns"),
        ("x,y\n1,here\n", r"column y, point 1: 'here' is not a number"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_points(write(tmp_path, text))


def test_other_faults_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y\n1,2\n")
    with pytest.raises(InputError, match=r"reference system 'nowhere' is not known.*EPSG:32633"):
        read_points(path, "nowhere")
    with pytest.raises(ImageError, match=r"absent\.csv does not exist"):
        read_points(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"x,y\n\xff\xfe,2\n")
    with pytest.raises(InputError, match=r"binary\.csv is not text in UTF-8"):
        read_points(tmp_path / "binary.csv")
    lines = gpd.GeoDataFrame(geometry=[LineString([(0, 0), (1, 1)])], crs="EPSG:4326")
    lines.to_file(tmp_path / "lines.geojson")
    with pytest.raises(InputError, match=r"lines\.geojson must hold points only"):
        read_points(tmp_path / "lines.geojson")
    with pytest.raises(InputError, match=r"text\.geojson cannot be read as points"):
        read_points(write(tmp_path, "nothing", "text.geojson"))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.csv"
    write_table(path, {"x": ["1", "2"], "y": [3.0, 4.5], "name, of": ['a "b"', "c;d"], "east_m": [np.nan, -0.125]})
    table = read_points(path)
    assert_array_equal(table.y, [3, 4.5])
    assert table.columns["name, of"] == ['a "b"', "c;d"]
    assert_array_equal(table.numbers("east_m"), [np.nan, -0.125])
    assert [found.name for found in path.parent.iterdir()] == ["out.csv"]


def test_text_that_is_a_formula_is_written_as_text_and_numbers_stay(tmp_path: Path) -> None:
    write_table(tmp_path / "out.csv", {"name": ["=1+1", "-3.5", "+x", "@a", "-a"], "value": [-1.5] * 5})
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == [
        "'=1+1,-1.5", "-3.5,-1.5", "'+x,-1.5", "'@a,-1.5", "'-a,-1.5",
    ]  # fmt: skip


def test_lines_of_remarks_are_left_out(tmp_path: Path) -> None:
    table = read_points(write(tmp_path, "# surveyed by hand\nx,y\n1,2\n# lost\n3,4\n"))
    assert_array_equal(table.x, [1, 3])
