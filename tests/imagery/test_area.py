from __future__ import annotations

import logging
import math
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from pyproj import Geod
from shapely.geometry import shape as shape_of

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.imagery.area import AreaOfInterest, read_area

GEOD = Geod(ellps="WGS84")
SQUARE = "POLYGON ((15 46, 15.1 46, 15.1 46.1, 15 46.1, 15 46))"


def square_metres(area: AreaOfInterest) -> float:
    return abs(float(GEOD.geometry_area_perimeter(area.shape)[0]))


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "shp", "kml", "fgb"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633", "EPSG:3857"])
def test_files_of_every_format_and_system_give_the_same_area(ending: str, crs: str, tmp_path: Path) -> None:
    path = tmp_path / f"aoi.{ending}"
    frame = gpd.GeoDataFrame({"Name": ["a"]}, geometry=[shapely.from_wkt(SQUARE)], crs="EPSG:4326")
    if ending == "kml" and crs != "EPSG:4326":
        pytest.skip("KML is always in degrees")
    frame.to_crs(crs).to_file(path, engine="pyogrio", driver={"kml": "KML"}.get(ending))
    area = read_area(path)
    assert_allclose(area.bbox, (15, 46, 15.1, 46.1), atol=2e-5)  # an edge that is straight in metres bends by a metre
    assert square_metres(area) == pytest.approx(square_metres(read_area(SQUARE)), rel=1e-3)


def test_wkt_as_text_in_a_file_and_a_box_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "aoi.wkt"
    path.write_text(f"SRID=4326;{SQUARE}\n", encoding="utf-8")
    boxes = [read_area(SQUARE), read_area(path), read_area("15,46,15.1,46.1"), read_area(" 15.0 , 46, 15.1, 46.1 ")]
    assert all(one.shape.equals(boxes[0].shape) for one in boxes)


def test_a_box_in_another_system_is_taken_where_it_says() -> None:
    area = read_area("500000,5100000,510000,5110000", crs="EPSG:32633")
    assert_allclose(area.bounds_in("EPSG:32633"), (500000, 5100000, 510000, 5110000), atol=0.5)
    assert_allclose(area.bounds_in(32633)[:2], area.outline_in("EPSG:32633").bounds[:2])


@given(
    st.floats(-179.9, 179.9),
    st.floats(-80, 80),
    st.floats(10, 20_000),
)
def test_a_point_with_a_buffer_is_a_disc_of_that_radius_everywhere(lon: float, lat: float, radius: float) -> None:
    area = read_area(f"POINT ({lon} {lat})", buffer_m=radius)
    assert square_metres(area) == pytest.approx(math.pi * radius**2, rel=0.01)  # a circle of 64 corners, and the plane
    ring = np.array(area.shape.exterior.coords)
    _, _, away = GEOD.inv(np.full(len(ring), lon), np.full(len(ring), lat), ring[:, 0], ring[:, 1])
    assert_allclose(away, radius, rtol=2e-3)


@given(
    st.floats(-179.9, 179.9),
    st.floats(-80, 79),
    st.floats(0.01, 3),
    st.floats(0.01, 3),
    st.floats(0, 5000),
)
def test_outlines_are_valid_within_180_degrees_and_hold_the_same_ground(
    west: float, south: float, width: float, height: float, buffer_m: float
) -> None:
    east = west + width if west + width <= 180 else west + width - 360
    area = read_area(f"{west!r},{south!r},{east!r},{south + height!r}", buffer_m=buffer_m)
    outline = shape_of(area.outline)
    assert outline.is_valid
    assert -180 <= outline.bounds[0] <= outline.bounds[2] <= 180
    assert outline.area == pytest.approx(area.shape.area, rel=1e-9)
    assert area.crosses_antimeridian == (area.shape.bounds[2] > 180 or area.shape.bounds[0] < -180)
    again = read_area(outline.wkt)
    assert again.shape.symmetric_difference(area.shape).area <= 1e-6 * area.shape.area or area.shape.bounds[0] < -180
    assert again.covered_by(outline) == pytest.approx(1.0)
    assert area.covered_by(shapely.transform(area.shape, lambda points: points + np.array([360, 0]))) == pytest.approx(
        1.0
    )


@given(st.lists(st.tuples(st.floats(14.9, 15.1), st.floats(45.9, 46.1)), min_size=3, max_size=8, unique=True))
def test_any_ring_is_an_area_or_a_clear_error(points: list[tuple[float, float]]) -> None:
    ring = ", ".join(f"{x!r} {y!r}" for x, y in [*points, points[0]])
    try:
        area = read_area(f"POLYGON (({ring}))")
    except InputError as problem:
        assert "encloses no ground" in str(problem)  # noqa: PT017 - either is right
        return
    assert area.shape.is_valid
    assert area.shape.area > 0
    assert area.covered_by(area.shape) == pytest.approx(1.0)


def test_the_way_round_a_ring_does_not_matter() -> None:
    turned = shapely.from_wkt(SQUARE).reverse().wkt
    assert read_area(turned).shape.equals(read_area(SQUARE).shape)
    ring = np.array(read_area(turned).outline["coordinates"][0])
    assert shapely.is_ccw(shapely.linearrings(ring))  # as GeoJSON wants it


def test_a_ring_that_crosses_itself_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        area = read_area("POLYGON ((15 46, 15.1 46.1, 15.1 46, 15 46.1, 15 46))")
    assert area.shape.geom_type == "MultiPolygon"
    assert area.shape.area == pytest.approx(0.005)
    assert "crosses itself" in caplog.text


def test_polygons_are_joined_and_holes_kept(tmp_path: Path) -> None:
    holed = shapely.box(15, 46, 15.2, 46.2).difference(shapely.box(15.05, 46.05, 15.1, 46.1))
    shapes = [holed, shapely.box(15.15, 46.1, 15.3, 46.15), shapely.Point(15, 46)]
    path = tmp_path / "aoi.geojson"
    gpd.GeoDataFrame(geometry=shapes, crs=4326).to_file(path, engine="pyogrio")
    area = read_area(path)
    assert area.shape.equals_exact(shapely.union_all(shapes[:2]), 1e-9) or area.shape.equals(
        shapely.union_all(shapes[:2])
    )
    assert len(area.shape.interiors) == 1


# -------------------------------------------------------------------------------------------------------- antimeridian


CROSSING = {
    "box": "179.8,-17,-179.8,-16.8",
    "beyond 180": "POLYGON ((179.8 -17, 180.2 -17, 180.2 -16.8, 179.8 -16.8, 179.8 -17))",
    "jumping": "POLYGON ((179.8 -17, -179.8 -17, -179.8 -16.8, 179.8 -16.8, 179.8 -17))",
    "below -180": "POLYGON ((-180.2 -17, -179.8 -17, -179.8 -16.8, -180.2 -16.8, -180.2 -17))",
    "cut in two": (
        "MULTIPOLYGON (((179.8 -17, 180 -17, 180 -16.8, 179.8 -16.8, 179.8 -17)), "
        "((-180 -17, -179.8 -17, -179.8 -16.8, -180 -16.8, -180 -17)))"
    ),
}


@pytest.mark.parametrize("kind", CROSSING)
def test_areas_over_the_180th_meridian_are_one_however_they_are_written(kind: str) -> None:
    area = read_area(CROSSING[kind])
    assert area.crosses_antimeridian
    assert area.shape.geom_type == "Polygon"
    assert_allclose(area.bbox, (179.8, -17, -179.8, -16.8), atol=1e-9)
    outline = shape_of(area.outline)
    assert outline.geom_type == "MultiPolygon"
    assert outline.area == pytest.approx(0.08)
    left, _, right, _ = area.bounds_in("EPSG:32760")
    assert right - left == pytest.approx(42_700, rel=0.01)
    assert area.covered_by(shapely.box(179.8, -17, 180.2, -16.8)) == pytest.approx(1.0)
    assert area.covered_by(shapely.box(-180, -17, -179.8, -16.8)) == pytest.approx(0.5, rel=1e-3)


def test_a_file_in_metres_over_the_180th_meridian(tmp_path: Path) -> None:
    path = tmp_path / "aoi.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.box(800_000, 8_100_000, 860_000, 8_130_000)], crs=32760).to_file(path)
    area = read_area(path)
    assert area.crosses_antimeridian
    assert_allclose(area.bounds_in(32760), (800_000, 8_100_000, 860_000, 8_130_000), atol=1)


def test_a_buffer_may_reach_over_the_180th_meridian() -> None:
    area = read_area("POINT (179.999 -17)", buffer_m=5000)
    assert area.crosses_antimeridian
    assert square_metres(area) == pytest.approx(math.pi * 5000**2, rel=0.01)


# -------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("15,46.1,15.1,46", "south .46.1. must be less than north"),
        ("15.1,46,15,46.1", "perhaps 15,46,15.1,46.1"),
        ("15,46,15,46.1", "west .15. must be less"),
        ("15,46,15.1", "not a box W,S,E,N"),
        ("15,46,15.1,46.1,7", "not a box W,S,E,N"),
        ("15,46,1e400,46.1", "not a box W,S,E,N"),
        ("POINT (15 46)", "--buffer-m"),
        ("LINESTRING (15 46, 16 46)", "--buffer-m"),
        ("POLYGON ((15 46, 16 46, 15 46))", "encloses no ground"),
        ("POLYGON ((15 46, 16", "WKT"),
        ("POLYGON EMPTY", "empty"),
        ("POLYGON ((500000 5100000, 510000 5100000, 510000 5110000, 500000 5100000))", "--crs"),
        ("POLYGON ((46 150, 46.1 150, 46.1 150.1, 46 150))", "longitude first"),
        ("-40,-89,40,-86", "latitude"),
        ("POINT (0 90)", "latitude"),
        ("-170,-10,170,10", "340 degrees wide"),
        ("POLYGON ((-100 -10, 100 -10, 0 10, -100 -10))", "200 degrees wide"),
    ],
)
def test_what_is_no_area_is_refused_with_a_way_out(source: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_area(source)


def test_a_buffer_over_the_pole_is_refused() -> None:
    with pytest.raises(InputError, match="latitude"):
        read_area("POINT (10 84)", buffer_m=200_000)
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="buffer"):
            read_area("POINT (10 46)", buffer_m=wrong)


@pytest.mark.parametrize(
    "name", ["nothing.geojson", "nothing.wkt", "https://example.com/aoi.geojson", "/vsicurl/a.gpkg"]
)
def test_files_that_are_not_there_and_addresses_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CreepmeterError, match=r"nothing|address"):
        read_area(name if "/" in name else tmp_path / name)


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(InputError, match="EPSG:999999"):
        read_area("15,46,15.1,46.1", crs="EPSG:999999")
    with pytest.raises(InputError, match="nonsense"):
        read_area("15,46,15.1,46.1").bounds_in("nonsense")


def test_a_file_without_shapes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "aoi.geojson"
    path.write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")
    with pytest.raises(InputError, match="holds no shape"):
        read_area(path)


def test_an_outline_that_is_misspelt_is_no_name_of_a_file() -> None:
    ring = ", ".join(f"{k / 100:.6f} 46" for k in range(40))
    with pytest.raises(InputError, match="neither a box W,S,E,N nor WKT"):
        read_area(f"POLYGONS (({ring}))")


def test_wkt_that_names_its_system_lies_where_that_says() -> None:
    corners = "((500000 5100000, 501000 5100000, 501000 5101000, 500000 5100000))"
    named = read_area(f"srid=32633;POLYGON {corners}")
    assert named.shape.equals(read_area(f"POLYGON {corners}", crs="EPSG:32633").shape)
    with pytest.raises(InputError, match="EPSG:999999"):
        read_area(f"SRID=999999;POLYGON {corners}")
