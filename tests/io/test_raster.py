from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

import creepmeter as cm
from creepmeter.errors import GridError, ImageError, InputError, StoreError
from creepmeter.io.raster import (
    read_bands,
    read_header,
    read_image,
    read_maps,
    require_usable,
    write_geotiff,
    write_geotiff_parts,
)
from creepmeter.model.grid import pixel_grid, same_grid


def make(path: Path, array: npt.NDArray[np.generic], **profile: object) -> Path:
    """Write a raster with rasterio alone."""
    bands = array[None] if array.ndim == 2 else array
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{"driver": "GTiff", **shape, **profile}) as target:
            target.write(bands)
    return path


PLACED = {"crs": "EPSG:32613", "transform": Affine(10, 0, 500_000, 0, -10, 4_000_000)}
JPEG = {"driver": "JPEG", "QUALITY": 95}


@pytest.fixture
def texture() -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(2)
    return rng.integers(20, 250, (48, 64), dtype=np.uint8)


@settings(max_examples=15)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)),
    kind=st.sampled_from(["f4", "u1", "i2", "u2"]),
    cog=st.booleans(),
)
def test_a_map_written_is_the_map_read(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    kind: str,
    cog: bool,  # noqa: FBT001 - hypothesis names its arguments
) -> None:
    values = (np.random.default_rng(0).random(shape) * 100).astype(kind)
    if kind == "f4":
        values[:, 0, 0] = np.nan
    grid = GeoBox(shape[1:], Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32613")
    path = tmp_path_factory.mktemp("map") / "größe 1.tif"
    write_geotiff(path, values, grid, cog=cog)
    found, found_grid, nodata = read_bands(path)
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype
    assert found_grid == grid
    assert (nodata is not None) == (kind == "f4")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_names_tags_overviews_and_types_are_there_for_other_programs(tmp_path: Path) -> None:
    grid = GeoBox((600, 700), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32613")
    write_geotiff(
        tmp_path / "a.tif", np.zeros((2, 600, 700)), grid, names=["east", "north"], tags={"units": "m"}, cog=True
    )
    with rasterio.open(tmp_path / "a.tif") as found:
        assert found.descriptions == ("east", "north")
        assert found.tags()["units"] == "m"
        assert found.dtypes == ("float32", "float32")
        assert found.overviews(1)
        assert found.block_shapes[0] == (256, 256)
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.isnan(found.nodata)
    header = read_header(tmp_path / "a.tif")
    assert (header.grid, header.count, header.dtype, header.names) == (grid, 2, "float32", ("east", "north"))


def test_a_geotiff_opens_lazily_as_bands_on_its_grid(tmp_path: Path) -> None:
    values = np.arange(12 * 10, dtype=np.float32).reshape(2, 6, 10)
    values[0, 2, 3] = np.nan
    grid = GeoBox((6, 10), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32613")
    write_geotiff(tmp_path / "a.tif", values, grid, names=["east", ""])
    found = cm.open(tmp_path / "a.tif")
    assert list(found.data_vars) == ["east", "band_2"]
    np.testing.assert_array_equal(found.east, values[0])
    for key in ((3, slice(1, 8, 3)), (slice(None, None, -2), 4), (slice(2, 2), slice(None)), (-1, -1)):
        np.testing.assert_array_equal(found.band_2[key], values[1][key])
    np.testing.assert_array_equal(found.band_2[[4, 0], [9, 2]], values[1][np.ix_([4, 0], [9, 2])])
    np.testing.assert_allclose(found.x, 5e5 + 10 * (np.arange(10) + 0.5))


def test_south_up_rasters_are_turned(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    north_up = make(tmp_path / "n.tif", values, crs="EPSG:32613", transform=Affine(10, 0, 0, 0, -10, 30))
    south_up = make(tmp_path / "s.tif", values[::-1], crs="EPSG:32613", transform=Affine(10, 0, 0, 0, 10, 0))
    expected, grid = read_image(north_up)
    found, turned = read_image(south_up)
    np.testing.assert_array_equal(found, expected)
    assert same_grid(turned, grid)
    np.testing.assert_array_equal(cm.open(south_up).band_1[1:], expected[1:])


def test_half_a_pixel_is_another_grid(tmp_path: Path) -> None:
    values = np.ones((3, 4), np.float32)
    grids = [
        read_image(make(tmp_path / f"{k}.tif", values, **{**PLACED, "transform": Affine(10, 0, k * 5, 0, -10, 30)}))[1]
        for k in range(2)
    ]
    assert not same_grid(*grids)


def test_colour_is_averaged_and_alpha_is_a_mask(tmp_path: Path, texture: npt.NDArray[np.uint8]) -> None:
    alpha = np.full_like(texture, 255)
    alpha[:4] = 0
    path = tmp_path / "a.png"
    make(path, np.stack([texture, texture // 2, texture // 4, alpha]), driver="PNG")
    image, grid = read_image(path, pixel_size_m=10)
    assert np.isnan(image[:4]).all()
    expected = (texture.astype(float) + texture // 2 + texture // 4) / 3
    np.testing.assert_allclose(image[4:], expected[4:], rtol=1e-6)
    assert image.dtype == np.float32
    assert grid == pixel_grid((48, 64), 10)
    np.testing.assert_array_equal(read_image(path, band=2)[0][4:], (texture // 2)[4:])


@pytest.mark.parametrize("nodata", [0, -32767, np.nan])
def test_what_the_file_calls_missing_is_nan(tmp_path: Path, nodata: float) -> None:
    values = np.ones((4, 5), np.float32)
    values[1, 2] = nodata
    image, _ = read_image(make(tmp_path / "a.tif", values, nodata=nodata, **PLACED))
    assert np.isnan(image[1, 2])
    assert np.isfinite(image).sum() == 19


def test_a_given_nodata_counts_beside_the_declared_one(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tif", np.array([[0, 7, 9]], np.int16), nodata=7, **PLACED)
    np.testing.assert_array_equal(read_image(path, nodata=0)[0], [[np.nan, np.nan, 9]])
    np.testing.assert_array_equal(read_image(path)[0], [[0, np.nan, 9]])


def test_nodata_means_missing_only_where_all_bands_have_it(tmp_path: Path) -> None:
    values = np.array([[[0, 0, 3]], [[0, 6, 3]]], np.uint8)
    image, _ = read_image(make(tmp_path / "a.tif", values, **PLACED), nodata=0)
    np.testing.assert_array_equal(image, [[np.nan, 3, 3]])


def test_a_black_frame_in_jpeg_goes_with_its_halo(tmp_path: Path, texture: npt.NDArray[np.uint8]) -> None:
    framed = np.zeros((3, 48, 64), np.uint8)
    framed[:, 16:32, 16:48] = texture[:16, :32]
    path = make(tmp_path / "a.jpg", framed, **JPEG)
    image, _ = read_image(path, missing_below=3, grow_px=4)
    kept = np.isfinite(image)
    assert kept[22:26, 22:42].all()
    assert not kept[:19].any()
    assert not kept[:, :19].any()
    assert not kept[30:].any()


def test_infinite_and_complex_values(tmp_path: Path) -> None:
    values = np.array([[np.inf, -np.inf, 1.0]], np.float32)
    np.testing.assert_array_equal(read_image(make(tmp_path / "a.tif", values, **PLACED))[0], [[np.nan, np.nan, 1]])
    slc = make(tmp_path / "slc.tif", np.ones((2, 2), np.complex64), **PLACED)
    with pytest.raises(ImageError, match="give an image of real numbers"):
        read_image(slc)


def test_maps_of_measurements_hold_nan_band_by_band(tmp_path: Path) -> None:
    values = np.array([[[0, 5]], [[6, 0]]], np.int16)
    found, _ = read_maps(make(tmp_path / "a.tif", values, nodata=0, **PLACED), [2, 1])
    np.testing.assert_array_equal(found, [[[6, np.nan]], [[np.nan, 5]]])


# --- refusals -------------------------------------------------------------------------------------------------------


def test_without_georeference_a_pixel_size_is_needed(tmp_path: Path, texture: npt.NDArray[np.uint8]) -> None:
    path = make(tmp_path / "a.jpg", texture, **JPEG)
    for size in (None, 0.0, -3.0, float("nan")):
        with pytest.raises(InputError, match="no georeference and pixel_size_m is"):
            read_image(path, pixel_size_m=size)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
@pytest.mark.parametrize("kind", ["deflate", "lzw", "cog", "jpeg", "png", "jp2", "bare"])
def test_a_cut_image_is_an_error_and_never_zeros(tmp_path: Path, kind: str, share: float) -> None:
    values = np.random.default_rng(3).integers(1, 255, (300, 320), dtype=np.uint8)
    profiles: dict[str, dict[str, object]] = {
        "deflate": {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64},
        "lzw": {"compress": "lzw"},
        "cog": {"driver": "COG"},
        "jpeg": {"driver": "JPEG"},
        "png": {"driver": "PNG"},
        "jp2": {"driver": "JP2OpenJPEG"},
        "bare": {},
    }
    path = make(tmp_path / "whole", values, **profiles[kind])
    content = path.read_bytes()
    cut = tmp_path / "cut image.tif"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError, match=r"cut image\.tif"):
        read_image(cut)


def test_other_formats_and_addresses_are_refused(tmp_path: Path) -> None:
    vrt = tmp_path / "a.tif"
    vrt.write_text('<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>')
    with pytest.raises(ImageError, match="not one of GTiff"):
        read_image(vrt)
    for name in ("/vsicurl/http://x.org/a.tif", "https://x.org/a.tif", "NETCDF:a.nc:v", "GTIFF_DIR:1:a.tif"):
        with pytest.raises(ImageError, match="not the name of a local file"):
            read_image(name)
    with pytest.raises(ImageError, match=r"nothing\.tif does not exist"):
        read_image(tmp_path / "nothing.tif")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)


def test_absurd_sizes_are_refused_before_allocation(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    profile: dict[str, object] = {
        "width": 1_000_000,
        "height": 1_000_000,
        "count": 1,
        "dtype": "uint8",
        "tiled": True,
        "SPARSE_OK": True,
    }
    with rasterio.open(
        path, "w", driver="GTiff", BIGTIFF="YES", blockxsize=16384, blockysize=16384, **PLACED, **profile
    ):
        pass
    for action in (read_image, read_bands, cm.open):
        with pytest.raises(ImageError, match=r"huge\.tif claims 1000000 x 1000000 px"):
            action(path)
    with pytest.raises(ImageError, match="more than the limit"):
        read_image(make(tmp_path / "a.tif", np.ones((20, 20), np.uint8), **PLACED), max_pixels=399)


def test_bands_that_are_not_there(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tif", np.ones((2, 2), np.uint8), **PLACED)
    for band in (0, 2):
        with pytest.raises(ImageError, match=rf"has 1 band\(s\), band {band} was asked for"):
            read_image(path, band=band)


def test_colour_tables_are_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.tif", np.ones((2, 2), np.uint8), **PLACED)
    with rasterio.open(path, "r+") as target:
        target.write_colormap(1, {0: (0, 0, 0), 1: (255, 0, 0)})
        target.colorinterp = [ColorInterp.palette]
    with pytest.raises(ImageError, match="colour table"):
        read_image(path)


def test_images_with_nothing_to_match_are_named() -> None:
    with pytest.raises(ImageError, match="image x has no valid pixel"):
        require_usable(np.full((3, 3), np.nan), "x")
    with pytest.raises(ImageError, match=r"image x is constant \(7 everywhere\)"):
        require_usable(np.array([[7.0, np.nan], [7.0, 7.0]]), "x")
    require_usable(np.array([[7.0, np.nan], [7.0, 8.0]]), "x")


def test_writing_refuses_what_does_not_fit(tmp_path: Path) -> None:
    grid = pixel_grid((3, 4), 10)
    with pytest.raises(GridError, match=r"shape \(4, 3\) does not fit a grid of 3 x 4"):
        write_geotiff(tmp_path / "a.tif", np.zeros((4, 3)), grid)
    with pytest.raises(GridError, match=r"2 band names for 1 band\(s\)"):
        write_geotiff(tmp_path / "a.tif", np.zeros((3, 4)), grid, names=["a", "b"])
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*a\.tif"):
        write_geotiff(tmp_path / "file" / "a.tif", np.zeros((3, 4)), grid)


def test_parts_make_the_whole_and_what_no_part_covers_is_missing(tmp_path: Path) -> None:
    grid = GeoBox((520, 300), Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_100_000.0), "EPSG:32633")
    values = np.random.default_rng(1).integers(1, 4000, (520, 300)).astype(np.uint16)
    ends = [(0, 256), (300, 512)]
    parts = ((slice(*rows), slice(0, 300), values[slice(*rows)]) for rows in ends)
    write_geotiff_parts(tmp_path / "a.tif", parts, grid, dtype=np.uint16, nodata=0)
    found, where, nodata = read_bands(tmp_path / "a.tif")
    covered = np.zeros(520, bool)
    covered[np.r_[0:256, 300:512]] = True
    np.testing.assert_array_equal(found[0], np.where(covered[:, None], values, 0))
    assert found.dtype == np.uint16
    assert (where, nodata) == (grid, 0)


@pytest.mark.parametrize(("rows", "shape"), [((0, 2), (3, 4)), ((2, 5), (3, 4))])
def test_a_part_that_does_not_fit_leaves_no_file(tmp_path: Path, rows: tuple[int, int], shape: tuple[int, int]) -> None:
    part = (slice(*rows), slice(0, 4), np.ones(shape, np.float32))
    with pytest.raises(GridError, match=r"part of shape \(3, 4\) does not fit rows .* of a grid of 4 x 4 px"):
        write_geotiff_parts(tmp_path / "a.tif", [part], pixel_grid((4, 4), 10), dtype=np.float32)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_of_a_raster_goes_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    target, gone = tmp_path / "map.tif", subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stray = [tmp_path / f".map.tif.{gone.pid}.{kind}.tif" for kind in ("partial", "packed")]
    others = [tmp_path / f".map.tif.{os.getppid()}.partial.tif", tmp_path / f".mapXtif.{gone.pid}.partial.tif"]
    for file in (*stray, *others):
        file.write_bytes(b"II*")
    write_geotiff(target, np.ones((4, 5), np.float32), pixel_grid((4, 5), 10.0))
    assert target.exists()
    assert not any(file.exists() for file in stray)
    assert all(file.exists() for file in others)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = pixel_grid((3, 4), 10)
    write_geotiff(tmp_path / "a.tif", np.ones((3, 4)), grid)

    def disk_full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("creepmeter.io.swap.sync_file", disk_full)
    with pytest.raises(StoreError, match="No space left"):
        write_geotiff(tmp_path / "a.tif", np.zeros((3, 4)), grid)
    assert read_bands(tmp_path / "a.tif")[0].all()
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.golden
def test_real_jpegs_with_a_black_frame(shared: Path) -> None:
    path = shared / "data" / "optical_s2_glacier_perito_moreno" / "20200101.jpg"
    image, grid = read_image(path, missing_below=3, grow_px=8)
    assert image.shape == (1231, 1731)
    assert grid.crs is None
    assert 0.4 < np.isnan(image).mean() < 0.5


def test_nodata_of_a_jpeg_allows_for_its_compression(tmp_path: Path, texture: npt.NDArray[np.uint8]) -> None:
    framed = np.zeros((48, 64), np.uint8)
    framed[16:40, 16:56] = texture[:24, :40]
    image, _ = read_image(make(tmp_path / "a.jpg", framed, driver="JPEG", QUALITY=80), nodata=0)
    kept = np.isfinite(image)
    assert kept[26:30, 26:46].all()
    assert not kept[:22].any()
    assert not kept[:, :22].any()
    exact, _ = read_image(make(tmp_path / "a.png", framed, driver="PNG"), nodata=0)
    np.testing.assert_array_equal(np.isfinite(exact), framed > 0)
