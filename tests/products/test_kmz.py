from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from pyproj import Transformer
from tests.products import exports
from tests.products.exports import COLUMNS, ROWS, UTM, every, text_at

from creepmeter.errors import ConfigError, GridError, StoreError
from creepmeter.io import store
from creepmeter.io.mintpy.product import write_product
from creepmeter.model.grid import Grid
from creepmeter.products.canvas import colour_map
from creepmeter.products.kmz import save_kmz
from creepmeter.products.kmz_options import KmzOptions
from creepmeter.products.mapfile import MapFile

Maker = Callable[..., xr.Dataset]
SPAN = KmzOptions(vmin=-5, vmax=5, cmap="vik")


def _overlays(path: Path) -> list[tuple[str, dict[str, float]]]:
    """Return name and edges of each picture."""
    (_, root), *_ = list(exports.documents(path))
    return [
        (
            text_at(item, "Icon/href"),
            {side: float(text_at(item, f"LatLonBox/{side}")) for side in ("north", "south", "east", "west")},
        )
        for item in every(root, "GroundOverlay")
    ]


def _colour(rates: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what colours rates have between -5 and 5 cm/year, within one step of 255."""
    return np.asarray(colour_map("vik")((rates * 100 + 5) / 10, bytes=True))


def _at(path: Path, longitude: npt.NDArray[Any], latitude: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the colours at positions, from the last picture that covers each."""
    found = np.zeros((*longitude.shape, 4), np.uint8)
    for name, box in _overlays(path):
        image = exports.picture(path, name)
        column = np.floor((longitude - box["west"]) / (box["east"] - box["west"]) * image.shape[1]).astype(int)
        row = np.floor((box["north"] - latitude) / (box["north"] - box["south"]) * image.shape[0]).astype(int)
        inside = (column >= 0) & (column < image.shape[1]) & (row >= 0) & (row < image.shape[0])
        found[inside] = image[row[inside], column[inside]]
    return found


def _centres(grid: dict[str, str]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    column, row = np.meshgrid(np.arange(COLUMNS) + 0.5, np.arange(ROWS) + 0.5)
    x = float(grid["X_FIRST"]) + column * float(grid["X_STEP"])
    return x, float(grid["Y_FIRST"]) + row * float(grid["Y_STEP"])


def _same(found: npt.NDArray[Any], rates: npt.NDArray[Any]) -> None:
    missing = np.isnan(rates)
    assert (found[missing, 3] == 0).all()
    assert (found[~missing, 3] == 255).all()
    difference = found[~missing, :3].astype(int) - _colour(rates[~missing])[:, :3].astype(int)
    assert np.abs(difference).max() <= 6


def test_a_pixel_of_the_map_is_a_pixel_of_the_picture(tmp_path: Path) -> None:
    rates = exports.write_velocity(tmp_path / "velocity.h5")
    path = save_kmz(tmp_path / "velocity.h5", tmp_path / "velocity.kmz", options=SPAN)
    ((name, box),) = _overlays(path)
    assert box == pytest.approx({"north": 34.2, "south": 34.168, "west": -118.5, "east": -118.44}, abs=1e-9)
    _same(exports.picture(path, name), rates)


def test_a_map_in_metres_lies_where_its_coordinates_say(tmp_path: Path) -> None:
    rates = exports.write_velocity(tmp_path / "velocity.h5", UTM)
    path = save_kmz(tmp_path / "velocity.h5", tmp_path / "velocity.kmz", options=SPAN)
    longitude, latitude = Transformer.from_crs(32611, 4326, always_xy=True).transform(*_centres(UTM))
    middle = (slice(2, None, 5), slice(2, None, 5))  # of the patches
    _same(_at(path, longitude[middle], latitude[middle]), rates[middle])


@pytest.mark.parametrize("grid", [exports.WGS84, UTM])
def test_tiles_make_the_same_picture(tmp_path: Path, grid: dict[str, str]) -> None:
    path = tmp_path / "velocity.h5"
    exports.write_velocity(path, grid)
    large, small = (write_large(tmp_path / f"{edge}.h5", grid, edge) for edge in (2048, 64))
    (whole, _), *more = _overlays(large)
    assert not more
    picture = exports.picture(large, whole)
    overlays = _overlays(small)
    finest = {name: exports.picture(small, name) for name, _ in overlays if "/level0_" in name}
    assert len(finest) > 1
    assert any("/level1_" in name for name, _ in overlays)
    joined = np.zeros_like(picture)
    for name, part in finest.items():
        row, column = (64 * int(text) for text in name.removesuffix(".png").split("_")[1:])
        joined[row : row + part.shape[0], column : column + part.shape[1]] = part
    assert (joined == picture).all()


def write_large(path: Path, grid: dict[str, str], edge: int) -> Path:
    values = exports.rate_map(90, 130)
    attributes = {**exports.BASE, **grid, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    write_product(path, {"velocity": values}, attributes)
    options = SPAN.model_copy(update={"tile_px": edge})
    return save_kmz(path, path.with_suffix(".kmz"), options=options)


def test_a_mask_hides_and_the_reference_is_marked(tmp_path: Path) -> None:
    rates = exports.write_velocity(tmp_path / "velocity.h5")
    keep = np.zeros(rates.shape, bool)
    keep[10:20, 30:50] = True
    exports.write_map(tmp_path / "mask.h5", "mask", keep)
    path = save_kmz(tmp_path / "velocity.h5", tmp_path / "v.kmz", options=SPAN, mask=tmp_path / "mask.h5")
    ((name, _),) = _overlays(path)
    assert ((exports.picture(path, name)[..., 3] > 0) == keep).all()
    (_, root), *_ = list(exports.documents(path))
    (mark,) = every(root, "Placemark")
    longitude, latitude, _ = map(float, text_at(mark, "Point/coordinates").split(","))
    assert (longitude, latitude) == pytest.approx((-118.5 + 20.5 * 0.001, 34.2 - 30.5 * 0.0008), abs=1e-9)


def test_attributes_are_shown_and_no_markup(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "velocity.h5", PROJECT_NAME="<script>alert(1)</script>&")
    path = save_kmz(tmp_path / "velocity.h5", tmp_path / "v.kmz")
    (_, root), *_ = list(exports.documents(path))
    described = text_at(root, "Document/description")
    assert "<script>" not in described
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in described
    assert "REF_DATE</td><td>20180105" in described


def test_a_difference_of_two_dates(tmp_path: Path) -> None:
    values = exports.write_series(tmp_path / "timeseries.h5")
    options = SPAN.model_copy(update={"vmin": -1.0, "vmax": 1.0})
    path = save_kmz(tmp_path / "timeseries.h5", tmp_path / "v.kmz", "20180117_20180210", options=options)
    ((name, _),) = _overlays(path)
    _same(exports.picture(path, name), (values[2] - values[1]) * 5)


def test_fringes_are_periodic(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "velocity.h5")
    options = KmzOptions(wrap=True, wrap_range=(-1, 1), unit="cm")
    path = save_kmz(tmp_path / "velocity.h5", tmp_path / "v.kmz", options=options)
    ((name, _),) = _overlays(path)
    found = exports.picture(path, name).astype(int)
    rates = np.round(1e4 * np.nan_to_num(exports.rate_map(), nan=1e6))
    turns = {first: [found[rates == first + 200 * k][0] for k in range(-3, 4) if (rates == first + 200 * k).any()]
             for first in (4, 104)}  # fmt: skip
    assert all(len(same) > 1 and np.ptp(same, axis=0).max() <= 6 for same in turns.values())
    assert np.abs(turns[4][0] - turns[104][0]).max() > 20


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "radar.h5", {})
    with pytest.raises(GridError, match=r"radar\.h5 is in radar coordinates.*geocode it first"):
        save_kmz(tmp_path / "radar.h5", tmp_path / "v.kmz")
    exports.write_velocity(tmp_path / "velocity.h5")
    with pytest.raises(ConfigError, match="no map 'speed': choose from velocity, velocityStd"):
        save_kmz(tmp_path / "velocity.h5", tmp_path / "v.kmz", "speed")
    with pytest.raises(StoreError, match=r"ends in \.kmz, not '\.kml'"):
        save_kmz(tmp_path / "velocity.h5", tmp_path / "v.kml")
    assert [path.name for path in tmp_path.glob("*.km*")] == []


def test_a_horizontal_velocity_is_drawn_by_its_speed(tmp_path: Path, utm: Grid, make_motion: Maker) -> None:
    store.write(make_motion(utm), tmp_path / "velocity.zarr")
    rate = make_motion(utm)["value"].sel(term="rate")
    speed = np.hypot(rate.sel(component="east").values, rate.sel(component="north").values)
    layer = MapFile.open(tmp_path / "velocity.zarr").layer()
    assert (layer.title, layer.unit) == ("speed", "m/yr")
    np.testing.assert_allclose(layer.floats(), speed, rtol=1e-6)
    options = KmzOptions(vmin=0, vmax=1000 * np.nanmax(speed), unit="mm/year")
    path = save_kmz(tmp_path / "velocity.zarr", tmp_path / "v.kmz", options=options)
    (_, root), *_ = list(exports.documents(path))
    assert "mm/year" in text_at(root, "Document/description")


def test_a_map_across_180_degrees(tmp_path: Path) -> None:
    grid = UTM | {"X_FIRST": "774000", "UTM_ZONE": "60N"}
    rates = exports.write_velocity(tmp_path / "velocity.h5", grid)
    path = save_kmz(
        tmp_path / "velocity.h5", tmp_path / "velocity.kmz", options=SPAN.model_copy(update={"tile_px": 64})
    )
    longitude, latitude = Transformer.from_crs(32660, 4326, always_xy=True).transform(*_centres(grid))
    assert longitude.min() < -179
    assert longitude.max() > 179
    middle = (slice(2, None, 5), slice(2, None, 5))
    _same(_at(path, longitude[middle], latitude[middle]), rates[middle])
