"""Layers made of other layers: scaled, cut, resampled, mosaicked; nothing is read before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from creepmeter.errors import GridError
from creepmeter.io.layers import Layer
from creepmeter.model.grid import Grid, map_position

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Method = Literal["nearest", "bilinear"]
_WHOLE_PX = 0.02  # pixels lie on one lattice when their edges are nearer than this share of a pixel
_SAME_STEP = 1e-6


def read_all(layer: Layer) -> Values:
    """Return every value of a layer."""
    return layer.read(slice(0, layer.shape[0]), slice(0, layer.shape[1]))


@dataclass(frozen=True)
class Scaled:
    """A layer in other units, its no-data value replaced.

    Parameters
    ----------
    layer : Layer
        Source.
    factor, add : float
        Value of the result = value * `factor` + `add`, float32.
    nodata : float, optional
        Value of the source, NaN included, that means missing.
    fill : float
        What stands for missing in the result.
    """

    layer: Layer
    factor: float = 1.0
    add: float = 0.0
    nodata: float | None = None
    fill: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.layer.shape

    @property
    def name(self) -> str:
        """File and band."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        values = self.layer.read(rows, columns)
        missing = None
        if self.nodata is not None:
            missing = np.isnan(values) if np.isnan(self.nodata) else values == self.nodata
        values = values.astype(np.float32) if values.dtype != np.float32 else values
        if self.factor != 1.0 or self.add != 0.0:
            values = values * np.float32(self.factor) + np.float32(self.add)
        if missing is not None and missing.any():
            values = np.where(missing, np.float32(self.fill), values)
        return values


@dataclass(frozen=True)
class Derived:
    """A layer computed pixel by pixel from others of one shape.

    Parameters
    ----------
    layers : tuple of Layer
        Sources.
    function : callable
        Arrays of a window -> array of the same shape.
    label : str
        What it is, for messages.
    """

    layers: tuple[Layer, ...]
    function: Callable[..., Values] = field(repr=False)
    label: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.layers[0].shape

    @property
    def name(self) -> str:
        """Label and file."""
        return f"{self.label} from {self.layers[0].name}" if self.label else self.layers[0].name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        return self.function(*(layer.read(rows, columns) for layer in self.layers))


@dataclass(frozen=True)
class Constant:
    """One value everywhere, float32."""

    value: float
    shape: tuple[int, int]
    name: str = "constant"

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        size = tuple(len(range(*part.indices(total))) for part, total in zip((rows, columns), self.shape, strict=True))
        return np.full(size, self.value, np.float32)


@dataclass(frozen=True)
class Cropped:
    """A window of a layer.

    Parameters
    ----------
    layer : Layer
        Source.
    rows, columns : slice
        The window, without steps.
    """

    layer: Layer
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self._ranges()
        return len(rows), len(columns)

    @property
    def name(self) -> str:
        """File and band."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        inner = (whole[part] for whole, part in zip(self._ranges(), (rows, columns), strict=True))
        return self.layer.read(*(slice(part.start, part.stop) for part in inner))

    def _ranges(self) -> tuple[range, range]:
        size = self.layer.shape
        return range(*self.rows.indices(size[0])), range(*self.columns.indices(size[1]))


@dataclass(frozen=True)
class Mosaic:
    """Several layers on one lattice side by side; where they overlap, the first that has a value counts.

    Parameters
    ----------
    layers : tuple of Layer
        Sources.
    offsets : tuple of (int, int)
        Row and column of the first pixel of each in the mosaic; may be negative.
    shape : (int, int)
        Rows and columns of the mosaic.
    nodata : float
        What means missing, in the sources and in the mosaic; NaN is missing as well.
    """

    layers: tuple[Layer, ...]
    offsets: tuple[tuple[int, int], ...]
    shape: tuple[int, int]
    nodata: float = 0.0

    @property
    def name(self) -> str:
        """File and band of the first."""
        return self.layers[0].name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        top, bottom, _ = rows.indices(self.shape[0])
        left, right, _ = columns.indices(self.shape[1])
        result: Values | None = None
        for layer, (row, column) in zip(self.layers, self.offsets, strict=True):
            inside = (max(top - row, 0), min(bottom - row, layer.shape[0]))
            across = (max(left - column, 0), min(right - column, layer.shape[1]))
            if inside[0] >= inside[1] or across[0] >= across[1]:
                continue
            values = layer.read(slice(*inside), slice(*across))
            if result is None:
                result = np.full((bottom - top, right - left), self.nodata, values.dtype)
            first = (inside[0] + row - top, across[0] + column - left)
            part = result[first[0] : first[0] + values.shape[0], first[1] : first[1] + values.shape[1]]
            empty = (part == self.nodata) | (part != part)  # noqa: PLR0124 - NaN of any type
            part[empty] = values[empty]
        return np.full((bottom - top, right - left), self.nodata, np.float32) if result is None else result


@dataclass(frozen=True)
class Resampled:
    """A layer on another grid.

    Parameters
    ----------
    layer : Layer
        Source.
    from_grid, to_grid : Grid
        Grid of the source and of the result; both with a reference system, or both without.
    method : {"nearest", "bilinear"}
        Bilinear takes the nearest value where one of the four around is missing.
    fill : float
        What stands outside the source; whole numbers are filled with 0.
    """

    layer: Layer
    from_grid: Grid
    to_grid: Grid
    method: Method = "nearest"
    fill: float = float("nan")

    def __post_init__(self) -> None:
        if (self.from_grid.crs is None) != (self.to_grid.crs is None) or self.layer.shape != tuple(
            self.from_grid.shape
        ):
            message = f"{self.layer.name} cannot be resampled: its grid is not known"
            raise GridError(message)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.to_grid.shape
        return int(rows), int(columns)

    @property
    def name(self) -> str:
        """File and band."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        row, column = self._source_pixels(rows, columns)
        tall, wide = self.layer.shape
        inside = (row >= 0) & (row < tall) & (column >= 0) & (column < wide)
        if not inside.any():
            return np.full(row.shape, self.fill, np.float32)
        top, bottom = _reach(row[inside], tall)
        left, right = _reach(column[inside], wide)
        values = self.layer.read(slice(top, bottom), slice(left, right))
        near = values[
            np.clip(np.floor(row).astype(np.intp) - top, 0, bottom - top - 1),
            np.clip(np.floor(column).astype(np.intp) - left, 0, right - left - 1),
        ]
        if self.method == "bilinear":
            near = _bilinear(values.astype(np.float64), row - top, column - left, near)
        fill = self.fill if near.dtype.kind == "f" else 0
        return np.where(inside, near, near.dtype.type(fill))

    def _source_pixels(self, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        """Return the position of every pixel centre of a window in the source, (0, 0) = its upper left corner."""
        row, column = np.meshgrid(
            np.arange(*rows.indices(self.shape[0])) + 0.5,
            np.arange(*columns.indices(self.shape[1])) + 0.5,
            indexing="ij",
        )
        x, y = map_position(self.to_grid, column, row)
        ours, theirs = self.to_grid.crs, self.from_grid.crs
        if ours is not None and theirs is not None and ours != theirs:
            systems = ours.to_wkt(), theirs.to_wkt()
            x, y = Transformer.from_crs(*systems, always_xy=True).transform(x, y)
        a, b, west, d, e, north = self.from_grid.affine[:6]
        area = a * e - b * d
        x, y = np.asarray(x) - west, np.asarray(y) - north
        return (a * y - d * x) / area, (e * x - b * y) / area


@dataclass(frozen=True)
class Stretched:
    """A coarse layer whose outer values lie at the edges of a finer map; bilinear between them.

    Parameters
    ----------
    layer : Layer
        Source, of 2 x 2 values at least.
    shape : (int, int)
        Rows and columns of the result.
    """

    layer: Layer
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.layer.shape) < 2:  # noqa: PLR2004 - two ends
            message = f"{self.layer.name} has {self.layer.shape} values, 2 x 2 at least tell how they change"
            raise GridError(message)

    @property
    def name(self) -> str:
        """File and band."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        places = [
            (np.arange(*part.indices(size)) + 0.5) / size * (coarse - 1) + 0.5
            for part, size, coarse in zip((rows, columns), self.shape, self.layer.shape, strict=True)
        ]
        values = read_all(self.layer).astype(np.float64)
        row, column = np.meshgrid(*places, indexing="ij")
        near = values[np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)]
        return _bilinear(values, row, column, near)


def _reach(position: Floats, size: int) -> tuple[int, int]:
    """Return the first and the last but one pixel that positions need, neighbours included."""
    return max(int(np.floor(position.min())) - 1, 0), min(int(np.floor(position.max())) + 2, size)


def _bilinear(values: Floats, row: Floats, column: Floats, near: Values) -> Values:
    first_row = np.clip(np.floor(row - 0.5).astype(np.intp), 0, max(values.shape[0] - 2, 0))
    first_column = np.clip(np.floor(column - 0.5).astype(np.intp), 0, max(values.shape[1] - 2, 0))
    last_row = np.minimum(first_row + 1, values.shape[0] - 1)
    last_column = np.minimum(first_column + 1, values.shape[1] - 1)
    down = np.clip(row - 0.5 - first_row, 0, 1)
    across = np.clip(column - 0.5 - first_column, 0, 1)
    above = values[first_row, first_column] * (1 - across) + values[first_row, last_column] * across
    below = values[last_row, first_column] * (1 - across) + values[last_row, last_column] * across
    mixed = above * (1 - down) + below * down
    return np.where(np.isfinite(mixed), mixed, near).astype(np.float32)


def lattice_offset(grid: Grid, other: Grid) -> tuple[int, int] | None:
    """Return row and column of the first pixel of `other` in `grid`, or None when they lie on different lattices."""
    ours, theirs = grid.affine, other.affine
    size = max(abs(ours.a), abs(ours.e))
    steps = [abs(ours[k] - theirs[k]) <= _SAME_STEP * size for k in (0, 1, 3, 4)]
    if grid.crs != other.crs or not all(steps):
        return None
    area = ours.a * ours.e - ours.b * ours.d
    x, y = theirs.c - ours.c, theirs.f - ours.f
    row, column = (ours.a * y - ours.d * x) / area, (ours.e * x - ours.b * y) / area
    if max(abs(row - round(row)), abs(column - round(column))) > _WHOLE_PX:
        return None
    return round(row), round(column)


def part_of_grid(grid: Grid, rows: slice, columns: slice, looks: tuple[int, int] = (1, 1)) -> Grid:
    """Return a window of a grid, with several rows and columns joined to one."""
    west, north = map_position(grid, columns.start, rows.start)
    a, b, _, d, e, _ = grid.affine[:6]
    tall, wide = looks
    shape = (rows.stop - rows.start) // tall, (columns.stop - columns.start) // wide
    return GeoBox(shape, Affine(a * wide, b * tall, float(west), d * wide, e * tall, float(north)), grid.crs)


def cut_to(layer: Layer, own: Grid, wanted: Grid) -> Layer | None:
    """Return a layer cut to a grid on its own lattice; None when lattices differ or it does not reach that far."""
    start = lattice_offset(own, wanted)
    if start is None or min(start) < 0:
        return None
    rows, columns = slice(start[0], start[0] + wanted.shape[0]), slice(start[1], start[1] + wanted.shape[1])
    if rows.stop > layer.shape[0] or columns.stop > layer.shape[1]:
        return None
    return layer if layer.shape == tuple(wanted.shape) else Cropped(layer, rows, columns)
