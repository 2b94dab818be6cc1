"""Where the pixels of a project lie on the Earth, and which way they are seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block
from creepmeter.errors import InputError
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.grid import grid_from, number_of
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.model.grid import Grid
from creepmeter.model.line_of_sight import flight_vector, look_vector, los_azimuth
from creepmeter.workflow.sbas.facts import arrays_of

Floats = npt.NDArray[np.float64]
Shape = tuple[int, int]

_INCIDENCE, _AZIMUTH = "incidenceAngle", "azimuthAngle"
_NODES = 17  # per side: within a frame, what is smooth over the Earth is linear between them to 1e-5 of its size
_SAMPLES = 64
_TERMS = 6


@dataclass(frozen=True)
class Ground:
    """The pixels of a geometry file.

    Parameters
    ----------
    path : Path
        ``geometryGeo.h5`` or ``geometryRadar.h5``.
    shape : (int, int)
        Rows and columns.
    attributes : dict
        Of the file.
    arrays : dict
        Its maps.
    """

    path: Path
    shape: Shape
    attributes: dict[str, str]
    arrays: dict[str, StoredArray]

    @classmethod
    def open(cls, path: Path) -> Ground:
        """Open a geometry file; no map is read.

        Raises
        ------
        InputError
            It holds no map.
        """
        arrays = arrays_of(path)
        if not arrays:
            message = f"{path} holds no maps: give inputs/geometryGeo.h5 or geometryRadar.h5"
            raise InputError(message)
        rows, columns = next(iter(arrays.values())).shape[1:]
        return cls(path, (rows, columns), read_attributes(path), arrays)

    def require_shape(self, shape: Shape, where: Path) -> None:
        """Raise `InputError` unless a product has as many pixels."""
        if self.shape != shape:
            sizes = [" x ".join(map(str, found)) for found in (self.shape, shape)]
            message = f"{self.path} has {sizes[0]} pixels and {where} {sizes[1]}: give the geometry of the same grid"
            raise InputError(message)

    def nodes(self) -> Nodes:
        """Return some pixels that span the map, with latitude and longitude.

        Raises
        ------
        InputError
            Neither grid, maps of latitude and longitude, lookup table nor corners say where the pixels lie.
        """
        rows, columns = (np.linspace(0, size - 1, min(size, _NODES)) for size in self.shape)
        down, across = np.meshgrid(rows, columns, indexing="ij")
        latitude, longitude = self.places(down, across)
        return Nodes(rows, columns, latitude, longitude)

    def places(self, row: Floats, column: Floats) -> tuple[Floats, Floats]:
        """Return latitude and longitude, degrees, of centres of pixels, counted from 0.

        In radar coordinates they come from a quadratic surface through the maps: hills shift them by kilometres at
        most, which does not matter for what is smooth over the Earth.
        """
        grid = grid_from(self.attributes, self.shape, self.path)
        if grid is not None:
            return _degrees_on(grid, row, column)
        samples = self._samples()
        if samples is None:
            message = (
                f"{self.path} does not say where its pixels lie (no Y_FIRST, latitude and longitude, azimuthCoord and "
                "rangeCoord, LAT_REF1): load the geometry with its lookup files"
            )
            raise InputError(message)
        return _surface(samples, row, column, self.shape)

    def _samples(self) -> Floats | None:
        """Return row, column, latitude, longitude of some pixels in radar coordinates, (4, n)."""
        if {"latitude", "longitude"} <= self.arrays.keys():
            return _of_maps(self.path, self.shape)
        corners = [(number_of(self.attributes, f"LAT_REF{k}", self.path),
                    number_of(self.attributes, f"LON_REF{k}", self.path)) for k in (1, 2, 3, 4)]  # fmt: skip
        if any(value is None for corner in corners for value in corner):
            return None
        last_row, last_column = self.shape[0] - 1.0, self.shape[1] - 1.0
        # MintPy: 1 and 2 are the first columns in flight, 3 and 4 the last ones; 1 and 3 near, 2 and 4 far range
        rows, columns = [0.0, 0.0, last_row, last_row], [0.0, last_column, 0.0, last_column]
        return np.array([rows, columns, *np.array(corners, np.float64).T])

    def look(self, block: Block, component: str = "los") -> Floats:
        """Return the unit vector towards the satellite, (3, rows, columns); with ``azimuth`` that of its flight.

        Raises
        ------
        InputError
            The file has no angles.
        """
        azimuth = self._azimuth(block)
        if component == "azimuth":
            return flight_vector(azimuth)
        if _INCIDENCE not in self.arrays:
            message = f"{self.path} has no {_INCIDENCE}: load the geometry with its incidence angle"
            raise InputError(message)
        return look_vector(self._angle(_INCIDENCE, block), azimuth)

    def _azimuth(self, block: Block) -> Floats:
        if _AZIMUTH in self.arrays:
            return self._angle(_AZIMUTH, block)
        heading = number_of(self.attributes, "HEADING", self.path)
        if heading is None:
            message = f"{self.path} has neither {_AZIMUTH} nor HEADING: load the geometry with its azimuth angle"
            raise InputError(message)
        right = number_of(self.attributes, "ANTENNA_SIDE", self.path) != 1  # -1 = right
        return np.full(block.shape, los_azimuth(heading, right_looking=right))

    def _angle(self, name: str, block: Block) -> Floats:
        return np.asarray(self.arrays[name].read(block.y, block.x)[0], np.float64)


@dataclass(frozen=True)
class Nodes:
    """Pixels that span a map.

    Parameters
    ----------
    rows, columns : array, (n,), (m,)
        Where, counted from 0.
    latitude, longitude : array, (n, m)
        Degrees.
    """

    rows: Floats
    columns: Floats
    latitude: Floats
    longitude: Floats

    def spread(self, values: Floats, block: Block) -> Floats:
        """Return values of the nodes (..., n, m) at pixels of a block, (..., rows, columns), linear between."""
        down = _shares(self.rows, np.arange(block.y.start, block.y.stop, dtype=np.float64))
        across = _shares(self.columns, np.arange(block.x.start, block.x.stop, dtype=np.float64))
        lines = np.matmul(down, values)  # (..., rows, m)
        flat = np.ascontiguousarray(lines).reshape(-1, lines.shape[-1]) @ np.ascontiguousarray(across.T)
        return flat.reshape(*lines.shape[:-1], -1)


def _shares(nodes: Floats, places: Floats) -> Floats:
    """Return the share of each node in the value at each place, (place, node)."""
    return np.stack([np.interp(places, nodes, each) for each in np.eye(len(nodes))], axis=1)


def _degrees_on(grid: Grid, row: Floats, column: Floats) -> tuple[Floats, Floats]:
    from creepmeter.model.grid import map_position

    x, y = map_position(grid, column + 0.5, row + 0.5)
    if grid.crs is None or grid.crs.geographic:
        return np.asarray(y, np.float64), np.asarray(x, np.float64)
    from pyproj import Transformer

    longitude, latitude = Transformer.from_crs(grid.crs.to_wkt(), 4326, always_xy=True).transform(x, y)
    return np.asarray(latitude), np.asarray(longitude)


def _of_maps(path: Path, shape: Shape) -> Floats | None:
    steps = [max(size // _SAMPLES, 1) for size in shape]
    rows, columns = (np.arange(0, size, step) for size, step in zip(shape, steps, strict=True))
    latitude, longitude = (read_map(path, name)[np.ix_(rows, columns)] for name in ("latitude", "longitude"))
    known = np.isfinite(latitude) & np.isfinite(longitude) & ((latitude != 0) | (longitude != 0))
    down, across = np.meshgrid(rows, columns, indexing="ij")
    found = np.array([down[known], across[known], latitude[known], longitude[known]], np.float64)
    return found if found.shape[1] >= _TERMS else None


def _surface(samples: Floats, row: Floats, column: Floats, shape: Shape) -> tuple[Floats, Floats]:
    """Return two surfaces through samples, quadratic where there are enough of them."""
    terms = _TERMS if samples.shape[1] > _TERMS else 4

    def design(y: Floats, x: Floats) -> Floats:
        v, u = 2 * y / shape[0] - 1, 2 * x / shape[1] - 1
        return np.stack([np.ones_like(u), u, v, u * v, u**2, v**2][:terms], axis=-1)

    turn = samples[3, 0]  # a scene may cross the date line
    longitudes = (samples[3] - turn + 180.0) % 360.0 - 180.0
    fitted = np.linalg.lstsq(design(samples[0], samples[1]), np.stack([samples[2], longitudes], axis=1), rcond=1e-10)[0]
    latitude, longitude = np.moveaxis(design(row, column) @ fitted, -1, 0)
    return latitude, longitude + turn
