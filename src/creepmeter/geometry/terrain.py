"""Slope and aspect of the ground, and motion down the slope."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import ndimage

from creepmeter.errors import ConfigError, GridError
from creepmeter.geometry.resample import values_on
from creepmeter.io.raster import read_maps
from creepmeter.model.grid import Grid, describe_grid, grid_of, metres_per_cell
from creepmeter.model.horizontal import rate_term

Floats = npt.NDArray[np.float64]

MIN_SLOPE_DEG = 5.0  # flatter ground has no direction down that noise of the heights would not turn


@dataclass(frozen=True)
class Terrain:
    """How the ground lies.

    Parameters
    ----------
    height : array, (y, x)
        Metres.
    slope : array, (y, x)
        Steepest descent, degrees from level.
    aspect : array, (y, x)
        Where it leads, degrees clockwise from north; NaN on level ground.
    """

    height: Floats
    slope: Floats
    aspect: Floats


def terrain_of(height: npt.NDArray[np.floating], grid: Grid) -> Terrain:
    """Return slope and aspect of heights on a grid.

    Parameters
    ----------
    height : array, (y, x)
        Metres; NaN = not known, and neither are slope and aspect beside it.
    grid : Grid
        Its grid, rows along a parallel; in degrees, cells have their size in metres at the middle of the grid.

    Notes
    -----
    Gradient over 3 x 3 cells (Horn 1981, doi 10.1109/PROC.1981.11918), at the border over the cells that are there.
    """
    across, down = np.copysign(metres_per_cell(grid), (grid.affine.a, -grid.affine.e))
    level = np.asarray(height, np.float64)
    weights = np.outer([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]) / 8.0
    padded = _continued(level)
    east = ndimage.correlate(padded, weights)[1:-1, 1:-1] / across
    south = ndimage.correlate(padded, weights.T)[1:-1, 1:-1] / down
    slope = np.where(np.isfinite(level), np.degrees(np.arctan(np.hypot(east, south))), np.nan)
    aspect = np.degrees(np.arctan2(-east, south)) % 360.0
    return Terrain(level, slope, np.where(slope > 0, aspect, np.nan))


def _continued(level: Floats) -> Floats:
    """Return heights with a border that goes on as the ground does."""
    padded = np.pad(level, 1, mode="edge")
    for lines in (padded, padded.T):
        if len(lines) > 3:  # noqa: PLR2004 - both borders and more than one row
            lines[0], lines[-1] = 2 * lines[1] - lines[2], 2 * lines[-2] - lines[-3]
    return padded


def heights_on(path: str | Path, grid: Grid) -> Floats:
    """Return the heights of a DEM on another grid, metres, in any reference system.

    Parameters
    ----------
    path : str or Path
        Raster of heights in metres.
    grid : Grid
        Where to have them. A cell larger than those of the DEM gets the mean height around its centre.

    Raises
    ------
    ImageError, InputError
        The DEM cannot be read, or has no georeference.
    GridError
        It does not touch the grid.
    """
    values, source = read_maps(path, [1])
    found = values_on(values[0], source, grid)
    if not np.isfinite(found).any():
        message = f"{path} ({describe_grid(source)}) has no height on the map ({describe_grid(grid)}): give its DEM"
        raise GridError(message)
    return found


def downslope(motion: xr.Dataset, terrain: Terrain, *, min_slope_deg: float = MIN_SLOPE_DEG) -> xr.Dataset:
    r"""Return the part of a horizontal rate that goes down the slope, along the ground.

    Parameters
    ----------
    motion : Dataset
        MotionModel with east and north.
    terrain : Terrain
        On its grid.
    min_slope_deg : float
        Flatter ground is NaN, degrees.

    Returns
    -------
    Dataset
        Maps (y, x): ``downslope``, m/yr, positive downward along the slope, with ``downslope_sigma``; ``across``, the
        horizontal rate across it, positive to the right of the way down, with ``across_sigma``; ``slope``, ``aspect``
        in degrees.

    Raises
    ------
    ConfigError
        The map has no east and north.
    GridError
        The terrain has another shape than the map.

    Notes
    -----
    With aspect a and slope s, ``downslope`` is :math:`(v_e \sin a + v_n \cos a) / \cos s`: motion parallel to the
    ground, of which a map of horizontal motion sees :math:`\cos s`. Errors of east and north count as independent;
    those of the heights are not in sigma.
    """
    names = [str(name) for name in motion["component"].values]
    if not {"east", "north"} <= set(names):
        message = f"the map has the component(s) {', '.join(names)}: motion down the slope needs east and north"
        raise ConfigError(message)
    rate = motion.sel(term=rate_term(motion))
    east, north = (np.asarray(rate["value"].sel(component=name).values, np.float64) for name in ("east", "north"))
    if east.shape != terrain.slope.shape:
        message = f"the terrain has {terrain.slope.shape} rows and columns, the map {east.shape}: give heights on it"
        raise GridError(message)
    steep = terrain.slope >= min_slope_deg
    sine, cosine = (np.where(steep, part(np.radians(terrain.aspect)), np.nan) for part in (np.sin, np.cos))
    along = np.cos(np.radians(terrain.slope))
    maps = {"downslope": (sine * east + cosine * north) / along, "across": cosine * east - sine * north}
    if "sigma" in rate:
        spread = [np.asarray(rate["sigma"].sel(component=name).values, np.float64) for name in ("east", "north")]
        maps["downslope_sigma"] = np.hypot(sine * spread[0], cosine * spread[1]) / along
        maps["across_sigma"] = np.hypot(cosine * spread[0], sine * spread[1])
    maps |= {"slope": terrain.slope, "aspect": terrain.aspect}
    units = {"slope": "degree", "aspect": "degree"}
    found = motion[["value"]].isel(component=0, term=0, drop=True).drop_vars("value")
    return found.assign(
        {
            name: (("y", "x"), values, {"units": units.get(name, "m/yr"), "grid_mapping": "spatial_ref"})
            for name, values in maps.items()
        }
    )


def terrain_on(path: str | Path, motion: xr.Dataset) -> Terrain:
    """Return how the ground lies on the grid of a product, from a DEM in any reference system.

    Raises
    ------
    GridError
        The DEM does not touch the map, or the map has a local grid without reference system and another shape.
    """
    grid = grid_of(motion)
    return terrain_of(heights_on(path, grid), grid)
