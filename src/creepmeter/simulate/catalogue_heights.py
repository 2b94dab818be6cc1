"""Heights for a simulated catalogue: tiles in degrees, as of the Copernicus DEM, that meet inside the ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from creepmeter.model.grid import Grid, centre_positions
from creepmeter.simulate.catalogue import with_addresses, write_links
from creepmeter.simulate.files import WriteRaster

COLLECTION = "cop-dem-glo-30"
NO_HEIGHT = -32767.0
_PER_DEGREE = 3600  # pixels of one second of arc
_REACH_PX = 80  # beyond the box on every side
Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class SimulatedHeights:
    """Tiles on disk, and the truth.

    Parameters
    ----------
    items : tuple of dict
        STAC items as JSON, west and east, with absolute addresses.
    seam : float
        Longitude where they meet, degrees.
    grid : Grid
        Of both tiles as one.
    """

    items: tuple[dict[str, Any], ...]
    seam: float
    grid: Grid

    def height(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> Floats:
        """Return the true height of the ground, metres."""
        west, north = self.grid.affine.c, self.grid.affine.f
        east, south = np.asarray(lon) - west, north - np.asarray(lat)
        return np.asarray(900 + 6000 * east + 4000 * south + 40 * np.sin(400 * east) * np.cos(300 * south))


def write_heights(
    folder: str | Path, write: WriteRaster, bbox: Box, *, base: str | None = None, hole: Box | None = None
) -> SimulatedHeights:
    """Add a collection of heights to a static STAC catalogue.

    Parameters
    ----------
    folder : str or Path
        Of the catalogue, such as `write_catalogue` makes.
    write : callable
        `creepmeter.io.raster.write_geotiff` with ``cog=True``.
    bbox : (float, float, float, float)
        West, south, east, north in degrees of what the tiles show at least; they meet in its middle.
    base : str, optional
        Address under which `folder` is served; default paths on this machine.
    hole : (float, float, float, float), optional
        Box in degrees without heights.

    Returns
    -------
    SimulatedHeights
        Items and truth.
    """
    target = Path(folder)
    # as in the Copernicus DEM, centres of pixels lie on whole seconds: edges do not
    left, top = (np.floor(edge * _PER_DEGREE) for edge in (bbox[0], bbox[3]))
    wide, tall = (int(np.ceil((bbox[k + 2] - bbox[k]) * _PER_DEGREE)) + 2 * _REACH_PX for k in (0, 1))
    step = 1 / _PER_DEGREE
    west, north = (left - _REACH_PX - 0.5) * step, (top + _REACH_PX + 0.5) * step
    whole = Grid((tall, wide), Affine(step, 0.0, west, 0.0, -step, north), "EPSG:4326")
    middle = wide // 2
    truth = SimulatedHeights((), west + middle * step, whole)
    items = [
        _write_tile(target, write, truth.height, Grid((tall, stop - start), _moved(whole, start), whole.crs), hole)
        for start, stop in ((0, middle), (middle, wide))
    ]
    write_links(target, items)
    prefix = str(target.resolve()) if base is None else base.rstrip("/")
    return SimulatedHeights(tuple(with_addresses(item, prefix) for item in items), truth.seam, whole)


def _moved(grid: Grid, columns: int) -> Affine:
    a, b, west, d, e, north = grid.affine[:6]
    return Affine(a, b, west + columns * a, d, e, north)


def _write_tile(
    folder: Path, write: WriteRaster, height: Callable[[Floats, Floats], Floats], grid: Grid, hole: Box | None
) -> dict[str, Any]:
    """Write a tile and return its item with relative links."""
    lon, lat = centre_positions(grid)
    heights = height(lon, lat).astype(np.float32)
    if hole is not None:
        heights[(lon > hole[0]) & (lat > hole[1]) & (lon < hole[2]) & (lat < hole[3])] = NO_HEIGHT
    west, north, step = grid.affine.c, grid.affine.f, grid.affine.a
    east, south = west + grid.shape[1] * step, north - grid.shape[0] * step
    name = f"Copernicus_DSM_COG_10_{round(south * _PER_DEGREE)}_{round(west * _PER_DEGREE)}_DEM"
    place = folder / COLLECTION / name
    place.mkdir(parents=True, exist_ok=True)
    write(place / f"{name}.tif", heights, grid, nodata=NO_HEIGHT)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    asset = {"href": f"./{name}.tif", "type": "image/tiff; application=geotiff; profile=cloud-optimized"}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": "2021-04-22T00:00:00Z", "gsd": 30, "proj:epsg": 4326},
        "links": [],
        "assets": {"data": {**asset, "roles": ["data"]}},
    }
