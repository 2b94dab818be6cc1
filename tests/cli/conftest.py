from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner, Result
from odc.geo.geobox import GeoBox

from creepmeter.cli import main
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate import (
    MotionField,
    Slide,
    nearest_pairs,
    pair_stack,
    scene_stack,
    write_offset_maps,
    write_scenes,
)

Call = Callable[..., Result]
DATES = ("2017-01-12T23:02:21", "2018-01-02T23:02:19", "2019-01-07T23:02:31", "2020-01-11T23:02:25")
GRID = GeoBox((9, 11), Affine(80.0, 0.0, 5e5, 0.0, -80.0, 4e6), "EPSG:32613")
MOTION = MotionField(
    (Slide(centre=(500_300.0, 3_999_700.0), semi_axes=(200.0, 160.0), speed=2.0, direction_deg=120.0),),
    origin=DATES[0],
)
OUTLINE = """{"type": "FeatureCollection",
 "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32613"}},
 "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates":
  [[[500100, 3999500], [500540, 3999500], [500540, 3999900], [500100, 3999900], [500100, 3999500]]]}}]}"""


@dataclass(frozen=True)
class Products:
    """One product of each kind, made by the commands from offset maps in a foreign layout."""

    maps: Path
    stack: Path
    stable: Path
    series: Path
    velocity: Path
    outline: Path


def call_main(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="creepmeter")


@pytest.fixture
def call() -> Call:
    """Call the program; the result has exit_code, stdout and stderr."""
    return call_main


@pytest.fixture
def done(call: Call) -> Call:
    """Call the program, which must succeed."""

    def checked(*arguments: object) -> Result:
        result = call(*arguments)
        assert result.exit_code == 0, result.output
        return result

    return checked


@pytest.fixture(scope="session")
def products(tmp_path_factory: pytest.TempPathFactory) -> Products:
    home = tmp_path_factory.mktemp("products of Übung 斜")
    stack, _ = pair_stack(
        MOTION, nearest_pairs(DATES, 2), GRID, seed=3, noise_m=0.05, shift_m=0.5, missing_fraction=0.02
    )
    write_offset_maps(stack, home / "maps", write_geotiff, pixel_size_m=10.0)
    made = Products(
        maps=home / "maps",
        stack=home / "stack.zarr",
        stable=home / "stable.zarr",
        series=home / "series.zarr",
        velocity=home / "velocity.zarr",
        outline=home / "slide.geojson",
    )
    made.outline.write_text(OUTLINE, encoding="utf-8")
    layout = ("--bands", "east,south,mask", "--unit", "px", "--pixel-size", 10)
    for arguments in (
        ("load", "offsets", made.maps / "*.tif", *layout, "-o", made.stack),
        ("stable", made.stack, "--moving", made.outline, "--min-stable", 20, "-o", made.stable),
        ("invert", made.stable, "--norm", "l2", "-o", made.series),
        ("velocity", made.series, "-o", made.velocity),
    ):
        result = call_main(*arguments)
        assert result.exit_code == 0, result.output
    return made


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of 96 x 96 pixels of 10 m, masks and outlines, as files."""
    slide = Slide(centre=(480.0, -480.0), semi_axes=(300.0, 250.0), speed=8.0, direction_deg=90.0)
    dates = ("2019-08-01", "2020-08-05", "2021-08-03")
    images = scene_stack(dates, (96, 96), motion=[slide], seed=2, jitter_px=0.2, noise_dn=10.0)
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(images, folder, write_geotiff)
    return folder


@pytest.fixture
def broken_network(tmp_path: Path) -> Path:
    """Offset maps of two pairs that share no date."""
    folder = tmp_path / "broken"
    bands = np.ones((2, *GRID.shape), np.float32)
    for name in ("20170101_20170201.tif", "20180101_20180201.tif"):
        write_geotiff(folder / name, bands, GRID)
    return folder
