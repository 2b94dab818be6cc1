"""Longitude and latitude of the pixels of a product: from its grid, or from its geometry in radar coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from creepmeter.errors import InputError
from creepmeter.model.grid import Grid, map_position, system_of
from creepmeter.products.mapfile import MapFile, MapLayer

Floats = npt.NDArray[np.float64]
DEGREES = "EPSG:4326"
_HALF = 180.0


@dataclass(frozen=True)
class Places:
    """Where pixels lie.

    Parameters
    ----------
    grid : Grid
        Of the product.
    layers : (MapLayer, MapLayer) or None
        Longitude and latitude, where the grid does not tell.
    """

    grid: Grid
    layers: tuple[MapLayer, MapLayer] | None = None

    def at(self, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        """Return longitude and latitude of the centres of a window, degrees (WGS 84), -180 to 180."""
        if self.layers is not None:
            longitude, latitude = (layer.floats(rows, columns) for layer in self.layers)
            return np.where(longitude > _HALF, longitude - 2 * _HALF, longitude), latitude  # 190 east is 170 west
        tall, wide = (range(*cut.indices(size)) for cut, size in zip((rows, columns), self.grid.shape, strict=True))
        column, row = np.meshgrid(np.array(wide) + 0.5, np.array(tall) + 0.5)
        return self.of(column, row)

    def of(self, column: Floats, row: Floats) -> tuple[Floats, Floats]:
        """Return longitude and latitude of positions in pixels, on a map."""
        x, y = map_position(self.grid, column, row)
        longitude, latitude = Transformer.from_crs(system_of(self.grid).to_wkt(), DEGREES, always_xy=True).transform(
            x, y
        )
        return (np.asarray(longitude) + 180) % 360 - 180, np.asarray(latitude, np.float64)


def places_of(file: MapFile, geometry: MapFile | None) -> Places:
    """Return where the pixels of a product lie.

    Raises
    ------
    InputError
        It is in radar coordinates, and the geometry has no latitude and longitude.
    """
    if file.is_geocoded:
        return Places(file.grid)
    if geometry is None or not {"latitude", "longitude"} <= set(geometry.arrays):
        message = f"{file.path} is in radar coordinates: give -g, a geometry with latitude and longitude"
        raise InputError(message)
    return Places(file.grid, (geometry.layer("longitude"), geometry.layer("latitude")))
