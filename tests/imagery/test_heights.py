"""Heights of a collection, read from servers of others on loopback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from pyproj import Transformer
from tests.imagery.fault_proxy import Act, Fault, FaultProxy, cut, fault_proxy, ignore_range, reset, status
from tests.imagery.servers import api_served, files_served

from creepmeter.cli import main
from creepmeter.errors import InputError, ServiceError, StoreError
from creepmeter.geometry.terrain import heights_on
from creepmeter.imagery.access import AccessPolicy
from creepmeter.imagery.area import AreaOfInterest, read_area
from creepmeter.imagery.asking import with_source
from creepmeter.imagery.heights import MOST_TILES, FetchedHeights, fetch_heights, search_heights
from creepmeter.imagery.options import HeightOptions, ReadOptions
from creepmeter.imagery.remote import Access
from creepmeter.io.raster import read_maps, write_geotiff
from creepmeter.model.grid import Grid, centre_positions, common_part
from creepmeter.simulate import SimulatedHeights, write_heights

pytestmark = pytest.mark.enable_socket

COG = partial(write_geotiff, cog=True)
BOX = (15.004, 46.020, 15.035, 46.041)
HOLE = (15.022, 46.026, 15.026, 46.030)
QUICK = ReadOptions(tries=2, wait_s=0.0, timeout_s=1.0, whole_mb=0)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Tiles of known heights, and where they are served."""

    made: SimulatedHeights
    folder: Path
    files: str
    api: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(item["id"] for item in self.made.items)

    @property
    def host(self) -> str:
        return self.files.removeprefix("http://")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("heights")
    with files_served(folder) as files:
        made = write_heights(folder, COG, BOX, base=files)
        with api_served(made.items, tmp_path_factory.mktemp("api")) as api:
            yield World(made, folder, files, api)


@pytest.fixture(scope="module")
def area() -> AreaOfInterest:
    return read_area(",".join(map(str, BOX)))


def fetched(
    area: AreaOfInterest, target: Path, catalogue: str | Path, *hosts: str, **options: str | float
) -> FetchedHeights:
    chosen = HeightOptions().override({"catalogue": str(catalogue), **options}, step="dem")
    with Access(with_source(AccessPolicy(frozenset(hosts)), chosen.catalogue), QUICK) as access:
        return fetch_heights(area, target, access, options=chosen)


def static(folder: Path, items: Sequence[Mapping[str, Any]]) -> Path:
    """Write a list of items, which is a catalogue too."""
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}), encoding="utf-8")
    return path


def lonlat(grid: Grid) -> tuple[Floats, Floats]:
    x, y = centre_positions(grid)
    lon, lat = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(lon), np.asarray(lat)


@pytest.mark.parametrize("kind", ["api", "static"])
def test_tiles_are_joined_pixel_for_pixel(world: World, area: AreaOfInterest, tmp_path: Path, kind: str) -> None:
    catalogue = world.api if kind == "api" else f"{world.files}/catalog.json"
    done = fetched(area, tmp_path / "dem.tif", catalogue, world.host)
    assert (done.tiles, done.left_out, done.unknown) == (world.names, (), 0.0)
    values, grid = read_maps(tmp_path / "dem.tif", [1])
    shared = common_part(grid, world.made.grid)
    assert shared is not None  # the pixels of the tiles themselves
    np.testing.assert_array_equal(values[0], world.made.height(*lonlat(grid)).astype(np.float32))
    west, south, east, north = grid.boundingbox
    assert west < BOX[0] - 0.002
    assert east > BOX[2] + 0.002
    assert south < BOX[1] - 0.002
    assert north > BOX[3] + 0.002
    assert west < world.made.seam < east
    assert grid.shape[0] < world.made.grid.shape[0]  # the window only


def test_on_a_map_heights_are_within_the_curvature_of_a_pixel(
    world: World, area: AreaOfInterest, tmp_path: Path
) -> None:
    fetched(area, tmp_path / "dem.tif", world.api, world.host)
    left, bottom, right, top = area.bounds_in("EPSG:32633")
    shape = (int((top - bottom) / 20), int((right - left) / 20))
    grid = Grid(shape, Affine(20.0, 0.0, left, 0.0, -20.0, top), "EPSG:32633")
    error = heights_on(tmp_path / "dem.tif", grid) - world.made.height(*lonlat(grid))
    second = 40 * (400**2 + 300**2) / 3600**2 / 8  # of linear interpolation: step^2 / 8 times the second derivative
    assert np.abs(error).max() <= second + 1e-3
    assert np.isfinite(error).all()


def test_where_heights_come_from_is_in_the_file(world: World, area: AreaOfInterest, tmp_path: Path) -> None:
    fetched(area, tmp_path / "dem.tif", world.api, world.host)
    with rasterio.open(tmp_path / "dem.tif") as raster:
        made = json.loads(raster.tags()["PROVENANCE"])
    assert made["options"] == {"catalogue": world.api, "collection": "cop-dem-glo-30"}
    assert made["tiles"] == {item["id"]: item["assets"]["data"]["href"] for item in world.made.items}
    fetched(area, tmp_path / "again.tif", world.api, world.host)
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "dem.tif").read_bytes()


def test_a_tile_that_is_gone_is_named_and_the_other_is_taken(
    world: World, area: AreaOfInterest, tmp_path: Path
) -> None:
    items = copy.deepcopy(list(world.made.items))
    items[1]["assets"]["data"]["href"] += ".gone"
    done = fetched(area, tmp_path / "dem.tif", static(tmp_path, items), world.host)
    assert done.tiles == world.names[:1]
    assert len(done.left_out) == 1
    assert world.names[1] in done.left_out[0]
    assert "404" in done.left_out[0]
    assert 0.4 < done.unknown < 0.6
    values, grid = read_maps(tmp_path / "dem.tif", [1])
    np.testing.assert_array_equal(np.isnan(values[0]), lonlat(grid)[0] > world.made.seam)


def test_without_any_tile_no_file_is_made_and_an_older_one_stays(
    world: World, area: AreaOfInterest, tmp_path: Path
) -> None:
    items = copy.deepcopy(list(world.made.items))
    for item in items:
        item["assets"]["data"]["href"] += ".gone"
    target = tmp_path / "dem.tif"
    target.write_bytes(b"older")
    with pytest.raises(ServiceError, match=r"no tile of cop-dem-glo-30 can be read.*404"):
        fetched(area, target, static(tmp_path, items), world.host)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dem.tif", "items.json"]
    assert target.read_bytes() == b"older"


@pytest.mark.parametrize("fault", [status(503), cut, reset, ignore_range])
def test_a_tile_whose_server_fails_is_left_out_whole(
    world: World, area: AreaOfInterest, tmp_path: Path, fault: Act
) -> None:
    name = world.names[0]
    with fault_proxy(world.files, Fault(fault, match=name)) as proxy:
        done = fetched(area, tmp_path / "dem.tif", static(tmp_path, moved(world, proxy)), proxy.url[7:])
    assert done.tiles == world.names[1:]
    assert name in done.left_out[0]


def moved(world: World, proxy: FaultProxy) -> list[dict[str, Any]]:
    """Return the items with addresses of a proxy."""
    found: list[dict[str, Any]] = json.loads(json.dumps(world.made.items).replace(world.files, proxy.url))
    return found


def test_pixels_without_height_are_missing_and_zero_is_the_sea(area: AreaOfInterest, tmp_path: Path) -> None:
    made = write_heights(tmp_path, COG, BOX, hole=HOLE)
    done = fetched(area, tmp_path / "dem.tif", tmp_path / "catalog.json")
    share = (HOLE[2] - HOLE[0]) * (HOLE[3] - HOLE[1]) / ((BOX[2] - BOX[0]) * (BOX[3] - BOX[1]))
    assert done.unknown == pytest.approx(share, rel=0.15)
    values, grid = read_maps(tmp_path / "dem.tif", [1])
    lon, lat = lonlat(grid)
    hole = (lon > HOLE[0]) & (lat > HOLE[1]) & (lon < HOLE[2]) & (lat < HOLE[3])
    np.testing.assert_array_equal(np.isnan(values[0]), hole)
    np.testing.assert_array_equal(values[0][~hole], made.height(lon, lat).astype(np.float32)[~hole])


def rewritten(made: SimulatedHeights, number: int, values: npt.NDArray[Any], grid: Grid, nodata: float | None) -> None:
    write_geotiff(made.items[number]["assets"]["data"]["href"], values, grid, nodata=nodata, cog=True)


def test_numbers_that_are_no_heights_are_missing_though_the_file_does_not_say_so(
    area: AreaOfInterest, tmp_path: Path
) -> None:
    made = write_heights(tmp_path, COG, BOX)
    values, grid = read_maps(made.items[0]["assets"]["data"]["href"], [1])
    whole = np.rint(values[0]).astype(np.int16)
    whole[::2] = np.where(np.arange(whole.shape[1]) % 2, -9999, -32768)
    whole[1] = 0
    rewritten(made, 0, whole, grid, None)
    fetched(area, tmp_path / "dem.tif", tmp_path / "catalog.json")
    found, joined = read_maps(tmp_path / "dem.tif", [1])
    theirs, ours = common_part(grid, joined) or ((slice(0), slice(0)),) * 2
    expected = np.where(whole < -1000, np.nan, whole).astype(np.float32)[theirs]
    assert expected.size > 1000
    np.testing.assert_array_equal(found[0][ours], expected)


def test_tiles_of_wider_pixels_are_brought_to_the_finer_ones(area: AreaOfInterest, tmp_path: Path) -> None:
    made = write_heights(tmp_path, COG, BOX)
    _, fine = read_maps(made.items[1]["assets"]["data"]["href"], [1])
    a, _, west, _, e, north = fine.affine[:6]
    wide = Grid((fine.shape[0], fine.shape[1] * 2 // 3), Affine(a * 1.5, 0.0, west, 0.0, e, north), "EPSG:4326")
    rewritten(made, 1, made.height(*lonlat(wide)).astype(np.float32), wide, None)
    done = fetched(area, tmp_path / "dem.tif", tmp_path / "catalog.json")
    values, grid = read_maps(tmp_path / "dem.tif", [1])
    assert common_part(grid, made.grid) is not None
    assert done.unknown == 0
    lon, lat = lonlat(grid)
    error = values[0] - made.height(lon, lat)
    np.testing.assert_allclose(error[lon < made.seam], 0, atol=1e-4)
    inner = lon > made.seam + 2 * a
    assert np.abs(error[inner]).max() < 40 * 400**2 * (1.5 * a) ** 2 / 8 + 1e-3
    assert np.abs(error[~inner]).max() < 22000 * 1.5 * a / 2  # beside the seam less than half a wide pixel of slope


def test_tiles_of_another_reference_system_are_joined_too(area: AreaOfInterest, tmp_path: Path) -> None:
    made = write_heights(tmp_path, COG, BOX)
    left, bottom, right, top = read_area(",".join(map(str, BOX)), buffer_m=800).bounds_in("EPSG:32633")
    shape = (int((top - bottom) / 20), int((right - left) / 20))
    metric = Grid(shape, Affine(20.0, 0.0, left, 0.0, -20.0, top), "EPSG:32633")
    rewritten(made, 1, made.height(*lonlat(metric)).astype(np.float32), metric, None)
    done = fetched(area, tmp_path / "dem.tif", tmp_path / "catalog.json")
    values, grid = read_maps(tmp_path / "dem.tif", [1])
    assert (done.unknown, grid.crs) == (0, metric.crs)  # pixels of 20 m are the finer ones
    assert common_part(grid, metric) is not None
    lon, lat = lonlat(grid)
    np.testing.assert_allclose(values[0], made.height(lon, lat), atol=0.02)


def test_over_the_180th_meridian_tiles_of_both_sides_meet(tmp_path: Path) -> None:
    box = (179.98, -17.02, 180.01, -17.0)
    made = write_heights(tmp_path, COG, box)
    item = copy.deepcopy(made.items[1])  # what lies east of the seam has longitudes of the other side
    values, grid = read_maps(item["assets"]["data"]["href"], [1])
    turned = Grid(
        grid.shape, Affine(grid.affine.a, 0.0, grid.affine.c - 360, 0.0, grid.affine.e, grid.affine.f), grid.crs
    )
    rewritten(made, 1, values[0], turned, None)
    item["geometry"]["coordinates"] = [[[lon - 360, lat] for lon, lat in item["geometry"]["coordinates"][0]]]
    area = read_area("179.98,-17.02,-179.99,-17.0")
    done = fetched(area, tmp_path / "dem.tif", static(tmp_path, [made.items[0], item]))
    assert (len(done.tiles), done.unknown) == (2, 0)
    values, grid = read_maps(tmp_path / "dem.tif", [1])
    np.testing.assert_allclose(values[0], made.height(*centre_positions(grid)), atol=1e-3)
    left, bottom, right, top = area.bounds_in("EPSG:32701")
    metric = Grid((8, 12), Affine((right - left) / 12, 0.0, left, 0.0, (bottom - top) / 8, top), "EPSG:32701")
    lon, lat = lonlat(metric)
    np.testing.assert_allclose(heights_on(tmp_path / "dem.tif", metric), made.height(lon % 360, lat), atol=3)


def test_an_area_too_large_is_refused_before_pixels_are_read(
    world: World, area: AreaOfInterest, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--memory-gb"):
        fetched(area, tmp_path / "dem.tif", world.api, world.host, memory_gb=0.0641)
    assert not (tmp_path / "dem.tif").exists()


def test_a_unit_other_than_metres_is_refused(area: AreaOfInterest, tmp_path: Path) -> None:
    made = write_heights(tmp_path, COG, BOX)
    for item in made.items:
        values, grid = read_maps(item["assets"]["data"]["href"], [1])
        write_geotiff(item["assets"]["data"]["href"], values[0], grid)
        with rasterio.open(item["assets"]["data"]["href"], "r+") as raster:
            raster.units = ["ft"]
    with pytest.raises(ServiceError, match="'ft', not in metres"):
        fetched(area, tmp_path / "dem.tif", tmp_path / "catalog.json")


def test_a_collection_that_is_not_there_or_elsewhere_says_so(
    world: World, area: AreaOfInterest, tmp_path: Path
) -> None:
    for catalogue in (world.api, f"{world.files}/catalog.json"):
        with pytest.raises(InputError, match="no tile of cop-dem-glo-30"):
            fetched(read_area("100,10,100.1,10.1"), tmp_path / "dem.tif", catalogue, world.host)
    with pytest.raises(InputError, match="no tile of alos"):
        fetched(area, tmp_path / "dem.tif", f"{world.files}/catalog.json", world.host, collection="alos")


def test_buckets_that_are_open_to_all_are_asked_over_https(world: World, area: AreaOfInterest, tmp_path: Path) -> None:
    item = copy.deepcopy(world.made.items[0])
    item["assets"] = {"data": {"href": "s3://copernicus-dem-30m/N46/N46.tif"}, "thumbnail": {"href": "a.png"}}
    options = HeightOptions(catalogue=str(static(tmp_path, [item])))
    with Access(with_source(AccessPolicy(), options.catalogue), QUICK) as access:
        (tile,), left_out, _ = search_heights(area, options, access)
    assert tile.href == "https://copernicus-dem-30m.s3.amazonaws.com/N46/N46.tif"
    assert left_out == ()


def test_more_tiles_than_can_be_meant_are_named(world: World, area: AreaOfInterest, tmp_path: Path) -> None:
    items = [{**world.made.items[0], "id": f"tile-{k:04d}"} for k in range(MOST_TILES + 1)]
    options = HeightOptions(catalogue=str(static(tmp_path, items)))
    with Access(with_source(AccessPolicy(), options.catalogue), QUICK) as access:
        tiles, left_out, _ = search_heights(area, options, access)
    assert len(tiles) == MOST_TILES
    assert any("smaller area" in text for text in left_out)


def test_an_item_that_does_not_tell_its_heights_is_named(world: World, area: AreaOfInterest, tmp_path: Path) -> None:
    item = copy.deepcopy(world.made.items[0])
    asset = item["assets"].pop("data")
    item["assets"] = {"one": asset, "two": asset}
    other = {**copy.deepcopy(world.made.items[1]), "assets": {"raster": asset}}
    done = fetched(area, tmp_path / "dem.tif", static(tmp_path, [item, other]), world.host)
    assert done.tiles == world.names[1:]
    assert any("one, two" in text and world.names[0] in text for text in done.left_out)


def test_a_private_server_is_not_asked_for_tiles_unless_allowed(
    world: World, area: AreaOfInterest, tmp_path: Path
) -> None:
    with pytest.raises(ServiceError, match="--allow-host"):
        fetched(area, tmp_path / "dem.tif", static(tmp_path, world.made.items))


def test_the_command_makes_the_file_and_names_what_is_missing(world: World, tmp_path: Path) -> None:
    target, box = tmp_path / "dem.tif", ",".join(map(str, BOX))
    words = ["scenes", "dem", box, "-o", str(target), "--allow-host", world.host, "--tries", "1"]
    done = CliRunner().invoke(main, [*words, "--catalogue", world.api])
    assert done.exit_code == 0, done.output
    assert "2 tile(s)" in done.output
    items = copy.deepcopy(list(world.made.items))
    items[0]["assets"]["data"]["href"] += ".gone"
    partly = CliRunner().invoke(main, [*words, "--catalogue", str(static(tmp_path, items))])
    assert partly.exit_code == 3
    assert world.names[0] in partly.output
    assert "has no height" in partly.output


def test_a_folder_that_cannot_be_written_is_named(world: World, area: AreaOfInterest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match=r"dem\.tif"):
        fetched(area, tmp_path / "file" / "dem.tif", world.api, world.host)
