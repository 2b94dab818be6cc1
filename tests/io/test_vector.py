from __future__ import annotations

import json
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning

from creepmeter.errors import GridError, ImageError, InputError, StoreError
from creepmeter.io.raster import write_geotiff
from creepmeter.io.vector import burn_mask, polygons, trace_polygons, write_frame
from creepmeter.model.grid import chip_grid, pixel_grid

BOX = shapely.box(500_100, 3_999_400, 500_400, 3_999_700)  # columns 10 to 40, rows 30 to 60 of a 10 m grid


@pytest.fixture
def grid() -> GeoBox:
    return GeoBox((80, 90), Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32613")


def expected() -> npt.NDArray[np.bool_]:
    mask = np.zeros((80, 90), bool)
    mask[30:60, 10:40] = True
    return mask


def save(shapes: list[shapely.Geometry], path: Path, crs: str | None = "EPSG:32613", driver: str | None = None) -> Path:
    frame = gpd.GeoDataFrame({"name": ["a"] * len(shapes)}, geometry=shapes, crs=crs)
    frame.to_file(path, driver=driver) if driver else frame.to_file(path)
    return path


@pytest.mark.parametrize(
    ("name", "driver"),
    [("ä b.geojson", "GeoJSON"), ("a.gpkg", "GPKG"), ("a.shp", "ESRI Shapefile"), ("a.fgb", "FlatGeobuf")],
)
def test_polygons_of_any_format_burn_where_their_cells_lie(
    odd_folder: Path, grid: GeoBox, name: str, driver: str
) -> None:
    path = save([BOX], odd_folder / name, driver=driver)
    np.testing.assert_array_equal(burn_mask(path, grid, name="moving"), expected())


def test_kml(tmp_path: Path, grid: GeoBox) -> None:
    lonlat = gpd.GeoSeries([BOX], crs="EPSG:32613").to_crs(4326).iloc[0]
    corners = " ".join(f"{x!r},{y!r},0" for x, y in lonlat.exterior.coords)
    (tmp_path / "a.kml").write_text(
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><Polygon><outerBoundaryIs>'
        f"<LinearRing><coordinates>{corners}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>"
        "</Document></kml>"
    )
    np.testing.assert_array_equal(burn_mask(tmp_path / "a.kml", grid), expected())


def test_another_reference_system_is_brought_over(tmp_path: Path, grid: GeoBox) -> None:
    lonlat = gpd.GeoSeries([BOX], crs="EPSG:32613").to_crs(4326)
    path = save(list(lonlat), tmp_path / "a.geojson", crs="EPSG:4326")
    np.testing.assert_array_equal(burn_mask(path, grid), expected())
    assert polygons(path, "EPSG:32613")[0].equals_exact(BOX, tolerance=1e-3)


def test_no_reference_system_means_that_of_the_images(
    tmp_path: Path, grid: GeoBox, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        path = save([BOX], tmp_path / "a.gpkg", crs=None)
    np.testing.assert_array_equal(burn_mask(path, grid), expected())
    assert "has no reference system" in caplog.text


def test_a_geometry_on_a_pixel_grid() -> None:
    found = burn_mask(shapely.box(20, -50, 40, -10), pixel_grid((8, 9), 10))
    assert found.sum() == 8
    assert found[1:5, 2:4].all()


def test_a_cell_counts_by_its_centre(grid: GeoBox) -> None:
    chips = chip_grid(grid, (10, 11), chip_px=16, step_px=7)
    found = burn_mask(BOX, chips)
    rows, columns = (15 / 2 + 7 * np.arange(n) for n in (10, 11))
    inside = ((rows >= 30) & (rows <= 59))[:, None] & ((columns >= 10) & (columns <= 39))
    np.testing.assert_array_equal(found, inside)


def test_self_crossing_polygons_are_repaired(grid: GeoBox) -> None:
    bow = shapely.Polygon([(500_100, 3_999_400), (500_400, 3_999_700), (500_400, 3_999_400), (500_100, 3_999_700)])
    frame = gpd.GeoDataFrame(geometry=[bow], crs="EPSG:32613")
    assert not bow.is_valid
    assert burn_mask(bow, grid).any() or frame.size


def test_polygons_outside_name_both_extents(tmp_path: Path, grid: GeoBox) -> None:
    path = save([shapely.box(0, 0, 10, 10)], tmp_path / "far.gpkg")
    with pytest.raises(
        InputError, match=r"within .*far\.gpkg: the polygons \(x 0\.0 to 10\.0, .*\(x 500000\.0 to 500900"
    ):
        burn_mask(path, grid, name="within")


def test_files_without_polygons_and_of_other_kinds(tmp_path: Path, grid: GeoBox) -> None:
    (tmp_path / "empty.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    with pytest.raises(InputError, match=r"empty\.geojson"):
        burn_mask(tmp_path / "empty.geojson", grid)
    with pytest.raises(InputError, match="holds no polygon"):
        burn_mask(save([shapely.Point(500_200, 3_999_500)], tmp_path / "point.gpkg"), grid)
    (tmp_path / "bad.gpkg").write_text("no database")
    with pytest.raises(InputError, match=r"bad\.gpkg cannot be read as polygons"):
        burn_mask(tmp_path / "bad.gpkg", grid)
    (tmp_path / "trick.shp").write_text('<OGRVRTDataSource><OGRVRTLayer name="a"/></OGRVRTDataSource>')
    with pytest.raises(InputError, match=r"trick\.shp cannot be read as polygons"):
        burn_mask(tmp_path / "trick.shp", grid)
    with pytest.raises(ImageError, match="not the name of a local file"):
        burn_mask("/vsicurl/http://x.org/a.geojson", grid)
    with pytest.raises(InputError, match=r"nothing\.gpkg does not exist"):
        burn_mask(tmp_path / "nothing.gpkg", grid)


def picture(path: Path, values: npt.NDArray[np.uint8], **profile: object) -> None:
    """Write an image without georeference."""
    rows, columns = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", height=rows, width=columns, count=1, dtype="uint8", **profile) as target:
            target.write(values[None])


# --- rasters --------------------------------------------------------------------------------------------------------


def test_a_raster_mask_on_the_grid(tmp_path: Path, grid: GeoBox) -> None:
    values = expected().astype(np.float32) * -2
    values[0, 0] = np.nan
    write_geotiff(tmp_path / "m.tif", values, grid)
    np.testing.assert_array_equal(burn_mask(tmp_path / "m.tif", grid), expected())


@pytest.mark.parametrize("crs", ["EPSG:32613", "EPSG:32614"])
def test_a_raster_mask_on_another_grid_is_taken_by_nearest_pixel(tmp_path: Path, grid: GeoBox, crs: str) -> None:
    fine = GeoBox((400, 450), Affine(2, 0, 500_000, 0, -2, 4_000_000), "EPSG:32613")
    values = np.kron(expected().astype(np.uint8), np.ones((5, 5), np.uint8))
    write_geotiff(tmp_path / "m.tif", values, fine, nodata=None)
    if crs == "EPSG:32613":
        np.testing.assert_array_equal(burn_mask(tmp_path / "m.tif", grid), expected())
    else:
        corner = gpd.GeoSeries([shapely.Point(500_450, 3_999_600)], crs="EPSG:32613").to_crs(crs).iloc[0]
        target = GeoBox((90, 90), Affine(10, 0, corner.x - 450, 0, -10, corner.y + 450), crs)
        found = burn_mask(tmp_path / "m.tif", target)
        area = abs(target.affine.a * target.affine.e) * found.sum()
        assert area == pytest.approx(BOX.area, rel=0.05)


def test_jpeg_masks_are_cut_at_half(tmp_path: Path) -> None:
    mask = np.zeros((40, 48), np.uint8)
    mask[8:32, 12:36] = 255
    picture(tmp_path / "m.jpg", mask, driver="JPEG", QUALITY=40)
    np.testing.assert_array_equal(burn_mask(tmp_path / "m.jpg", pixel_grid((40, 48), 10)), mask > 0)


def test_a_mask_without_georeference_has_the_shape_of_the_images(tmp_path: Path, grid: GeoBox) -> None:
    picture(tmp_path / "m.png", expected().astype(np.uint8), driver="PNG")
    np.testing.assert_array_equal(burn_mask(tmp_path / "m.png", grid), expected())
    chips = chip_grid(grid, (10, 11), chip_px=16, step_px=7)
    np.testing.assert_array_equal(burn_mask(tmp_path / "m.png", chips, image=grid), burn_mask(BOX, chips))
    with pytest.raises(
        GridError, match=r"exclude .*m\.png has 80 x 90 px and no georeference, the images have 10 x 11"
    ):
        burn_mask(tmp_path / "m.png", chips, name="exclude")


def test_a_raster_mask_elsewhere_is_refused(tmp_path: Path, grid: GeoBox) -> None:
    write_geotiff(
        tmp_path / "m.tif", np.ones((5, 5), np.uint8), GeoBox((5, 5), Affine(10, 0, 0, 0, -10, 0), "EPSG:32613")
    )
    with pytest.raises(InputError, match="lies outside the images"):
        burn_mask(tmp_path / "m.tif", grid)
    with pytest.raises(GridError, match="give both a reference system"):
        burn_mask(tmp_path / "m.tif", pixel_grid((5, 5), 3))


def test_the_outline_of_cells_burns_back_to_the_cells(grid: GeoBox) -> None:
    mask = np.random.default_rng(0).random(grid.shape) < 0.4
    outline = trace_polygons(mask, grid)
    np.testing.assert_allclose(outline.area, mask.sum() * 100)
    np.testing.assert_array_equal(burn_mask(outline, grid), mask)


@pytest.mark.parametrize("name", ["a b.gpkg", "a.geojson"])
def test_shapes_are_written_whole_and_in_their_place(odd_folder: Path, name: str) -> None:
    frame = gpd.GeoDataFrame({"speed": [1.5]}, geometry=[BOX], crs="EPSG:32613")
    for _ in range(2):  # the second replaces the first
        write_frame(frame, odd_folder / name, "polygons")
    found = gpd.read_file(odd_folder / name)
    assert len(found) == 1
    assert found["speed"][0] == 1.5
    assert abs(found.to_crs("EPSG:32613").geometry[0].area / BOX.area - 1) < 1e-6
    assert [path.name for path in odd_folder.iterdir() if "partial" in path.name] == []


def test_shapes_that_cannot_be_written_leave_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    frame = gpd.GeoDataFrame({"speed": [1.5]}, geometry=[BOX], crs="EPSG:32613")
    with pytest.raises(StoreError, match=r"cannot write .*a\.gpkg"):
        write_frame(frame, tmp_path / "file" / "a.gpkg", "polygons")
