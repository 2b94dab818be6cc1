"""Where a map lies on the axes of a figure, and what lies around and behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from scipy import ndimage

from creepmeter.errors import GridError
from creepmeter.model.grid import Grid, describe_grid, metres_per_cell, metres_per_pixel
from creepmeter.products.canvas import FONT_PT

Floats = npt.NDArray[np.floating]
_EVEN = 1e-6  # differences of light that are none
Outline = Any  # a shapely geometry, or an array (n, 2) of map coordinates

MAX_SHOWN_PX = 1600  # a figure shows no more; larger images are thinned before they are drawn
_SQUARE_SHARE = 0.012  # of the longer side: half a square that marks a pixel
_PIXELS = ("Column", "Row")
_KM = 1000.0


@dataclass(frozen=True)
class Backdrop:
    """What is drawn behind and over a map.

    Parameters
    ----------
    image : array, (y, x), optional
        Brightness, or heights in metres where `kind` is ``height``.
    grid : Grid, optional
        Grid of `image`; in the reference system of the map.
    outlines : sequence
        Shapely geometries or arrays (n, 2) in map coordinates; `mask_outlines` makes them from a mask.
    kind : ``image`` or ``height``
        Heights are drawn as a hillshade.
    """

    image: Floats | None = None
    grid: Grid | None = None
    outlines: Sequence[Outline] = field(default=())
    kind: Literal["image", "height"] = "image"


@dataclass(frozen=True)
class Frame:
    """Axes of a map.

    Parameters
    ----------
    extent : (float, float, float, float)
        Left, right, bottom and top of the map, axis units.
    scale : float
        Axis units per unit of the reference system.
    metres : float or None
        Metres per axis unit; None on a grid in degrees or in pixels.
    labels : (str, str) or None
        Labels of the axes; None where coordinates mean nothing (no reference system).
    aspect : float
        Length of a unit of y over that of a unit of x.
    """

    extent: tuple[float, float, float, float]
    scale: float
    metres: float | None
    labels: tuple[str, str] | None
    aspect: float = 1.0

    @classmethod
    def of(cls, grid: Grid) -> Frame:
        """Return the axes for a grid.

        Raises
        ------
        GridError
            The grid is rotated.
        """
        if grid.crs is None:
            in_pixels = abs(grid.affine.a) == 1.0 == abs(grid.affine.e)  # radar coordinates, or the size is not known
            return cls(_extent(grid, 1.0), 1.0, None, _PIXELS) if in_pixels else cls(_extent(grid, 1.0), 1.0, 1.0, None)
        if grid.crs.geographic:
            extent = _extent(grid, 1.0)
            middle = math.radians((extent[2] + extent[3]) / 2)
            return cls(extent, 1.0, None, ("Longitude (°)", "Latitude (°)"), 1 / max(math.cos(middle), 0.05))
        factor = float(metres_per_pixel(grid)[0, 0] / grid.affine.a)
        scale = factor / _KM
        return cls(_extent(grid, scale), scale, _KM, ("Easting (km)", "Northing (km)"))

    @property
    def height_over_width(self) -> float:
        """Shape of the map on paper."""
        left, right, bottom, top = self.extent
        return abs(top - bottom) * self.aspect / abs(right - left)

    def centres(self, shape: tuple[int, int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the centres of cells on the axes, x (nx,) and y (ny,)."""
        left, right, bottom, top = self.extent
        columns, rows = (np.arange(size) + 0.5 for size in (shape[1], shape[0]))
        return left + (right - left) * columns / shape[1], top + (bottom - top) * rows / shape[0]


def _extent(grid: Grid, scale: float) -> tuple[float, float, float, float]:
    affine = grid.affine
    if abs(affine.b) > 0 or abs(affine.d) > 0:
        message = f"the grid is rotated ({describe_grid(grid)}): warp it to a north-up grid to draw it"
        raise GridError(message)
    rows, columns = grid.shape
    left, top = affine.c * scale, affine.f * scale
    return left, left + affine.a * columns * scale, top + affine.e * rows * scale, top


def thinned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return every n-th row and column, so that neither is longer than a figure can show."""
    step = max(1, math.ceil(max(array.shape[-2:]) / MAX_SHOWN_PX))
    return array[..., ::step, ::step]


def grey_image(backdrop: Backdrop) -> npt.NDArray[np.float64] | None:
    """Return the background as grey levels 0 to 1, light enough to carry colours, or None.

    Raises
    ------
    GridError
        The background has no grid, or one of another shape.
    """
    if backdrop.image is None:
        return None
    if backdrop.grid is None or tuple(backdrop.grid.shape) != np.shape(backdrop.image):
        found = "none" if backdrop.grid is None else describe_grid(backdrop.grid)
        message = f"the background of shape {np.shape(backdrop.image)} needs its own grid, found {found}"
        raise GridError(message)
    image = np.asarray(thinned(np.asarray(backdrop.image)), dtype=np.float64)
    if backdrop.kind == "height":
        return _hillshade(image, backdrop.grid)
    finite = image[np.isfinite(image)]
    if finite.size == 0:
        return None
    low, high = np.percentile(finite, [1, 99])
    return np.asarray(0.1 + 0.85 * np.clip((image - low) / max(high - low, 1e-12), 0, 1))


def _hillshade(height: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """Return relief lit from the north-west."""
    step = grid.shape[1] / height.shape[1]
    dx, dy = (size * step for size in metres_per_cell(grid))
    known = np.isfinite(height)
    if not known.any():
        return np.full(height.shape, np.nan)
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    south, east = np.gradient(height[tuple(nearest)], dy, dx)
    light = (np.sqrt(2.0) + east + south) / (2 * np.sqrt(1 + east**2 + south**2))  # 45 degrees above the horizon
    inner = ndimage.binary_erosion(known, border_value=1)  # beside what is not known the ground only seems to end
    counts = light[inner if inner.any() else known]
    low, high = float(counts.min()), float(counts.max())
    shade = (light - low) / (high - low) if high - low > _EVEN else light
    return np.where(known, 0.15 + 0.8 * np.clip(shade, 0, 1), np.nan)


def mask_outlines(mask: npt.NDArray[np.bool_], grid: Grid) -> list[npt.NDArray[np.float64]]:
    """Return the borders of a mask as lines in map coordinates, arrays of shape (n, 2).

    Parameters
    ----------
    mask : array of bool, (y, x)
        True inside.
    grid : Grid
        Grid of the mask.
    """
    padded = np.pad(np.asarray(mask, dtype=np.float64), 1)
    lines = contour_generator(z=padded).lines(0.5)
    to_map = np.array(grid.affine).reshape(3, 3)
    return [(np.asarray(line) - 0.5) @ to_map[:2, :2].T + to_map[:2, 2] for line in lines]


def square_around(pixel: tuple[int, int], grid: Grid) -> npt.NDArray[np.float64]:
    """Return a small square around a pixel as a line in map coordinates, (5, 2).

    Parameters
    ----------
    pixel : (int, int)
        Row and column.
    grid : Grid
        Grid of the map; its longer side sets the size of the square.
    """
    reach = max(_SQUARE_SHARE * max(grid.shape), 1.0)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * reach + np.array(pixel[::-1]) + 0.5
    to_map = np.array(grid.affine).reshape(3, 3)
    return np.asarray(corners @ to_map[:2, :2].T + to_map[:2, 2], np.float64)


def draw_outlines(axes: Axes, outlines: Sequence[Outline], frame: Frame) -> None:
    """Draw outlines as a dark line on a pale one, so that they are seen on every colour."""
    halo = [withStroke(linewidth=1.9, foreground="white")]
    for outline in outlines:
        for line in _lines(outline):
            axes.plot(
                *(line.T * frame.scale),
                color="black",
                linewidth=0.9,
                path_effects=halo,
                zorder=4,
                scalex=False,
                scaley=False,
            )


def _lines(outline: Outline) -> list[npt.NDArray[np.float64]]:
    if isinstance(outline, np.ndarray):
        return [outline]
    parts = [part for geometry in getattr(outline, "geoms", [outline]) for part in _rings(geometry)]
    return [np.asarray(part.coords, dtype=np.float64)[:, :2] for part in parts]


def _rings(geometry: Any) -> list[Any]:  # noqa: ANN401 - shapely is untyped
    if geometry.geom_type == "Polygon":
        return [geometry.exterior, *geometry.interiors]
    return list(getattr(geometry, "geoms", [geometry]))


def label_axes(axes: Axes, frame: Frame) -> None:
    """Label the axes in map units, or take the ticks away where coordinates mean nothing."""
    if frame.labels is None:
        axes.set_xticks([])
        axes.set_yticks([])
        return
    axes.set_xlabel(frame.labels[0], fontsize=FONT_PT, labelpad=2)
    axes.set_ylabel(frame.labels[1], fontsize=FONT_PT, labelpad=2)
    axes.locator_params(nbins=4)
    if frame.labels == _PIXELS:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _place: f"{abs(value):.0f}")  # rows count down from the top
        return
    axes.ticklabel_format(useOffset=False, style="plain")
