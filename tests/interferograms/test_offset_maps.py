from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pydantic import ValidationError

import creepmeter as cm
from creepmeter.errors import EpochError, GridError, ImageError, InputError, NetworkError
from creepmeter.interferograms.offset_maps import load_offset_maps, load_series_maps, store_offset_maps
from creepmeter.interferograms.options import OffsetMapOptions, SeriesMapOptions
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import grid_of
from creepmeter.model.schema import PAIR_STACK, TIME_SERIES, check

GRID = GeoBox((6, 7), Affine(80.0, 0.0, 5e5, 0.0, -80.0, 4e6), "EPSG:32613")
FOREIGN = OffsetMapOptions(bands=("east", "south", "mask"), unit="px", pixel_size_m=10.0)
NAMES = [
    "20170112T230221_20180102T230219-F.tif",
    "20180102T230219_20190107T230231-F.tif",
    "20170112T230221_20190107T230231-F.tif",
]


def offsets(seed: int, grid: GeoBox = GRID) -> npt.NDArray[np.float32]:
    """Return bands east px, south px, mask."""
    rng = np.random.default_rng(seed)
    return np.stack([*rng.normal(size=(2, *grid.shape)), rng.random(grid.shape) > 0.2]).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "maps of Übung 斜"
    for seed, name in enumerate(NAMES):
        write_geotiff(place / name, offsets(seed), GRID)
    return place


def test_a_foreign_layout_becomes_metres_east_and_north(folder: Path) -> None:
    stack = load_offset_maps(str(folder / "*.tif"), options=FOREIGN)
    check(stack, PAIR_STACK)
    assert list(stack.component.values) == ["east", "north"]
    assert grid_of(stack) == GRID
    assert stack.displacement.dtype == np.float32
    for k, seed in enumerate((0, 2, 1)):  # in order of ref, then sec
        east, south, mask = offsets(seed)
        expected = np.where(mask != 0, [10 * east, -10 * south], np.nan)
        np.testing.assert_allclose(stack.displacement[:, k], expected, rtol=1e-6)
    assert [str(time)[:19] for time in stack.ref_time.values[[0, 2]]] == ["2017-01-12T23:02:21", "2018-01-02T23:02:19"]
    assert stack.used.all()


def test_every_way_to_name_the_files_gives_the_same(folder: Path) -> None:
    expected = load_offset_maps(folder, options=FOREIGN)
    files = sorted(folder.iterdir())
    for given_as in (files, files[::-1], [str(file) for file in files], str(folder / "201*-F.tif")):
        assert load_offset_maps(given_as, options=FOREIGN).identical(expected)


@settings(max_examples=20)
@given(roles=st.permutations(["west", "south", "sigma", "quality", "skip", "mask"]))
def test_roles_may_come_in_any_order(tmp_path_factory: pytest.TempPathFactory, roles: list[str]) -> None:
    rng = np.random.default_rng(5)
    of_role = {role: rng.random(GRID.shape).astype(np.float32) for role in roles}
    of_role["mask"][0, 0] = 0
    of_role["sigma"][1, 1] = 0
    path = tmp_path_factory.mktemp("roles")
    write_geotiff(path / NAMES[0], np.stack([of_role[role] for role in roles]), GRID)
    stack = load_offset_maps(path, options=OffsetMapOptions(bands=",".join(roles), unit="m")).isel(pair=0)
    use = of_role["mask"] != 0
    expected = np.where(use, [-of_role["west"], -of_role["south"]], np.nan)
    np.testing.assert_array_equal(stack.displacement, expected)
    sigma = np.where(use & (of_role["sigma"] > 0), of_role["sigma"], np.nan)
    np.testing.assert_array_equal(stack.sigma, [sigma, sigma])
    np.testing.assert_array_equal(stack.quality, np.where(use, of_role["quality"], np.nan))


def test_sigma_of_each_component(tmp_path: Path) -> None:
    values = np.stack([np.full(GRID.shape, value, np.float32) for value in (1, 2, 0.1, 0.2)])
    write_geotiff(tmp_path / NAMES[0], values, GRID)
    options = OffsetMapOptions(bands=("north", "east", "sigma", "sigma"), pixel_size_m=10)
    found = load_offset_maps(tmp_path, options=options).isel(pair=0, y=0, x=0)
    np.testing.assert_allclose(found.displacement, [20, 10])
    np.testing.assert_allclose(found.sigma, [2, 1])


def test_a_pixel_is_the_step_of_the_map_unless_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = FOREIGN.model_copy(update={"pixel_size_m": None})
    ratio = (
        load_offset_maps(folder, options=options).displacement / load_offset_maps(folder, options=FOREIGN).displacement
    )
    np.testing.assert_allclose(ratio.values[np.isfinite(ratio.values)], 8, rtol=1e-6)
    assert "taken as 80 m, the step of the maps' grid" in caplog.text


def test_missing_values_of_the_file_stay_missing(tmp_path: Path) -> None:
    values = np.ones((2, *GRID.shape), np.float32)
    values[0, 1, 2], values[1, 3, 3], values[0, 4, 4] = -9999, -9999, np.inf
    write_geotiff(tmp_path / NAMES[0], values, GRID, nodata=-9999)
    stack = load_offset_maps(tmp_path, options=OffsetMapOptions(unit="m")).isel(pair=0)
    assert [int(np.isnan(stack.displacement[k]).sum()) for k in range(2)] == [2, 1]


def test_a_store_made_pair_by_pair_is_the_stack(folder: Path, tmp_path: Path) -> None:
    path = store_offset_maps(folder, tmp_path / "stack.zarr", options=FOREIGN)
    found, expected = cm.open(path), load_offset_maps(folder, options=FOREIGN)
    assert "provenance" in found.attrs
    assert found.drop_attrs(deep=False).identical(expected.drop_attrs(deep=False))


def test_an_interrupted_load_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Stop:
        def start(self, name: str, total: int) -> None:
            seen.append(f"{name} {total}")

        def advance(self, n: int) -> None:
            seen.extend(["file"] * n)
            if len(seen) == 3:
                message = "stopped by hand"
                raise KeyboardInterrupt(message)

        def finish(self) -> None:
            seen.append("end")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        store_offset_maps(folder, tmp_path / "stack.zarr", options=FOREIGN, progress=Stop())
    assert seen == ["load offset maps 3", "file", "file", "end"]
    read: list[Path] = []
    from creepmeter.interferograms import mapfiles, offset_maps  # noqa: PLC0415 - patched below

    def counted(file: Path, *rest: object) -> object:
        read.append(file)
        return mapfiles.read_map(file, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(offset_maps, "read_map", counted)
    store_offset_maps(folder, tmp_path / "stack.zarr", options=FOREIGN)
    assert len(read) == 1
    store_offset_maps(folder, tmp_path / "calm.zarr", options=FOREIGN)
    assert cm.open(tmp_path / "stack.zarr").drop_attrs().identical(cm.open(tmp_path / "calm.zarr").drop_attrs())


# --- faults ---------------------------------------------------------------------------------------------------------


def test_files_without_two_dates_are_listed(folder: Path) -> None:
    for name in ("mean.tif", "20170112_only.tif", "20240230_20240301.tif"):
        write_geotiff(folder / name, offsets(0), GRID)
    with pytest.raises(EpochError, match=r"3 of 6 names .*20170112_only\.tif, 20240230_20240301\.tif, mean\.tif"):
        load_offset_maps(folder, options=FOREIGN)


def test_dates_by_pattern(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "v20200101_2019-04-01_2019-04-13.tif", offsets(0), GRID)
    stack = load_offset_maps(tmp_path, options=FOREIGN.model_copy(update={"dates_pattern": "%Y-%m-%d"}))
    assert str(stack.ref_time.values[0])[:10] == "2019-04-01"
    assert str(stack.sec_time.values[0])[:10] == "2019-04-13"


def test_a_pair_that_runs_backward_is_refused(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "20200201_20200101.tif", offsets(0), GRID)
    with pytest.raises(NetworkError, match=r"20200201_20200101\.tif: the first date .* is not before the second"):
        load_offset_maps(tmp_path, options=FOREIGN)


def test_a_pair_twice_is_refused_or_the_newest_kept(folder: Path) -> None:
    again = NAMES[0].replace("-F", "-G")
    write_geotiff(folder / again, offsets(9), GRID)
    os.utime(folder / NAMES[0], (2e9, 2e9))
    with pytest.raises(NetworkError, match=r"more than one file, such as 20170112_20180102 from .*-F\.tif, .*-G\.tif"):
        load_offset_maps(folder, options=FOREIGN)
    newest = FOREIGN.model_copy(update={"duplicates": "newest"})
    kept = load_offset_maps(folder, options=newest)
    (folder / again).unlink()
    assert kept.identical(load_offset_maps(folder, options=FOREIGN))


def test_maps_on_other_grids_are_listed_and_never_reshaped(folder: Path) -> None:
    shifted = GeoBox(GRID.shape, Affine(80.0, 0.0, 5e5 + 40, 0.0, -80.0, 4e6), GRID.crs)
    smaller = GeoBox((5, 7), GRID.affine, GRID.crs)
    for name, grid in (("20200101_20200201.tif", shifted), ("20200101_20200301.tif", smaller)):
        write_geotiff(folder / name, offsets(0, grid), grid)
    with pytest.raises(GridError, match=r"3 grids .*20200101_20200201\.tif.*20200101_20200301\.tif"):
        load_offset_maps(folder, options=FOREIGN)
    stack = load_offset_maps(folder, options=FOREIGN.model_copy(update={"strict": False}))
    assert stack.sizes["pair"] == 3
    assert [text.split(":")[0] for text in stack.attrs["skipped"]] == ["20200101_20200201.tif", "20200101_20200301.tif"]


@pytest.mark.parametrize("kept_bytes", [100, -200])
def test_damaged_files_stop_or_are_left_out(folder: Path, tmp_path: Path, kept_bytes: int) -> None:
    content = (folder / NAMES[1]).read_bytes()
    (folder / NAMES[1]).write_bytes(content[:kept_bytes])
    with pytest.raises(ImageError, match=NAMES[1][:31]):
        load_offset_maps(folder, options=FOREIGN)
    lax = FOREIGN.model_copy(update={"strict": False})
    stack = load_offset_maps(folder, options=lax)
    assert stack.sizes["pair"] == 2
    assert len(stack.attrs["skipped"]) == 1
    stored = cm.open(store_offset_maps(folder, tmp_path / "s.zarr", options=lax))
    assert stored.drop_attrs(deep=False).identical(stack.drop_attrs(deep=False))
    assert stored.attrs["skipped"] == stack.attrs["skipped"]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file matches"):
        load_offset_maps(str(tmp_path / "*.tif"), options=FOREIGN)
    (tmp_path / NAMES[0]).write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"none of 1 file\(s\) can be used"):
        load_offset_maps(tmp_path, options=FOREIGN.model_copy(update={"strict": False}))


def test_bands_must_fit_the_files_and_each_other(folder: Path) -> None:
    with pytest.raises(ImageError, match=r"has 3 band\(s\), roles are given for 4"):
        load_offset_maps(folder, options=OffsetMapOptions(bands=("east", "north", "mask", "quality")))
    for bands in ("mask", "east,west", "east,north,sigma,sigma,sigma", "quality,quality,east", "east,sideways"):
        with pytest.raises(ValidationError, match="bands"):
            OffsetMapOptions(bands=bands)


def test_quality_in_percent_is_refused(tmp_path: Path) -> None:
    write_geotiff(tmp_path / NAMES[0], np.full((3, *GRID.shape), 80.0), GRID)
    with pytest.raises(ImageError, match="quality runs from 80 to 80"):
        load_offset_maps(tmp_path, options=OffsetMapOptions(bands=("east", "north", "quality")))


def test_pixels_of_a_grid_in_degrees_need_a_size(tmp_path: Path) -> None:
    degrees = GeoBox((6, 7), Affine(0.001, 0, 10, 0, -0.001, 50), "EPSG:4326")
    write_geotiff(tmp_path / NAMES[0], offsets(0, degrees)[:2], degrees)
    with pytest.raises(GridError, match="in degrees"):
        load_offset_maps(tmp_path)
    assert load_offset_maps(tmp_path, options=OffsetMapOptions(unit="m")).displacement.notnull().all()


# --- series ---------------------------------------------------------------------------------------------------------


def test_maps_since_one_date_become_a_series(tmp_path: Path) -> None:
    values = [np.full(GRID.shape, value, np.float32) for value in (0.01, 0.03)]
    values[1][0, 0] = np.nan
    for name, map_ in zip(("d_20160708_20160801.tif", "d_20160708_20160825.tif"), values, strict=True):
        write_geotiff(tmp_path / name, map_, GRID)
    series = load_series_maps(tmp_path)
    check(series, TIME_SERIES)
    assert [str(time)[:10] for time in series.time.values] == ["2016-07-08", "2016-08-01", "2016-08-25"]
    assert series.attrs["reference_time"].startswith("2016-07-08")
    np.testing.assert_array_equal(series.displacement[0], [np.zeros(GRID.shape), *values])
    assert list(series.component.values) == ["los"]


def test_maps_of_single_dates_count_from_the_first(tmp_path: Path) -> None:
    for k, name in enumerate(("d_20160825.tif", "d_20160708.tif", "d_20160801.tif")):
        write_geotiff(tmp_path / name, np.full((2, *GRID.shape), float(k + 1)), GRID)
    series = load_series_maps(tmp_path, options=SeriesMapOptions(bands=("up", "sigma")))
    np.testing.assert_array_equal(series.displacement[0, :, 0, 0], [0, 1, -1])
    np.testing.assert_allclose(series.sigma[0, :, 0, 0], [0, np.hypot(2, 3), np.hypot(2, 1)])


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["20160708_20160801", "20160801_20160825"], "2 reference dates"),
        (["20160708_20160801", "20160825"], "names hold two dates"),
        (["a_20160708", "b_20160708"], "both have the date"),
        (["20160708_20160601"], "not after 2016-07-08"),
        (["20160708"], r"1 date\(s\) in 1 file"),
    ],
)
def test_names_that_make_no_series(tmp_path: Path, names: list[str], why: str) -> None:
    for name in names:
        write_geotiff(tmp_path / f"{name}.tif", np.ones(GRID.shape), GRID)
    with pytest.raises(EpochError, match=why):
        load_series_maps(tmp_path)


@pytest.mark.golden
def test_a_real_series_of_another_producer(shared: Path) -> None:
    series = load_series_maps(shared / "data" / "insar_disp_timeseries_west_texas" / "displacement_*.tif")
    assert dict(series.sizes) == {"component": 1, "time": 9, "y": 362, "x": 357}
    assert grid_of(series).crs == "EPSG:32613"
    assert 0.01 < np.nanmax(np.abs(series.displacement)) < 0.1
