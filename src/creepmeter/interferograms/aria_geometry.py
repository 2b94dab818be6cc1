"""Geometry of ARIA stacks: angles from the products' cubes at the height of the ground, attributes of Sentinel-1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from creepmeter.errors import CreepmeterError
from creepmeter.interferograms.aria_products import Frames
from creepmeter.interferograms.aria_vrt import map_layer
from creepmeter.interferograms.attributes import (
    SENTINEL1_AZIMUTH_PX_M,
    SENTINEL1_RANGE_PX_M,
    SENTINEL1_WAVELENGTH_M,
    RadarFacts,
    corner_attributes,
    grid_attributes,
    sentinel1_looks,
)
from creepmeter.interferograms.catalogue import Report, one_file
from creepmeter.interferograms.companions import Placed
from creepmeter.interferograms.layers import Constant, Derived, Resampled, Scaled, cut_to
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.gunw import Cube, read_cube
from creepmeter.io.layers import Layer
from creepmeter.model.grid import Grid
from creepmeter.model.line_of_sight import FROM_EAST_DEG

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
AZIMUTH_LOOKS, RANGE_LOOKS = 7, 19
EARTH_RADIUS_M = 6_337_286.638938101  # as MintPy writes it for these products
HEIGHT_M = 693_000.0
HEADING_DEG = {"ASCENDING": -12.0, "DESCENDING": -168.0}
_WHOLE = 1 - 1e-6
_TWO = 2


@dataclass(frozen=True)
class CubeLayer:
    """A map cut out of the cubes of several frames at the height of the ground; linear in all three directions.

    Parameters
    ----------
    paths : tuple of Path
        Products of one pair; the first whose cube reaches a pixel counts.
    dataset : str
        Cube of the imaging geometry.
    ground : Layer or None
        Heights, metres; None: 0 everywhere. Where they are not known, 0.
    grid : Grid
        Of the map, degrees.
    angle : bool
        Values are directions: 359 and 1 degrees are neighbours.
    """

    paths: tuple[Path, ...]
    dataset: str
    ground: Layer | None
    grid: Grid
    angle: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.grid.shape[0]), int(self.grid.shape[1])

    @property
    def name(self) -> str:
        """File and dataset."""
        return f"{self.paths[0]}: {self.dataset}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What it is made of besides the cubes."""
        return (*(_File(path) for path in self.paths), *(() if self.ground is None else (self.ground,)))

    @cached_property
    def _cubes(self) -> tuple[Cube, ...]:
        cubes = tuple(read_cube(path, self.dataset) for path in self.paths)
        if not self.angle:
            return cubes
        known = cubes[0].values[np.isfinite(cubes[0].values)]
        near = float(known[0]) if known.size else 0.0
        return tuple(
            Cube(cube.heights, cube.latitude, cube.longitude, cube.values - 360 * np.round((cube.values - near) / 360))
            for cube in cubes
        )

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns); NaN where no cube reaches."""
        affine = self.grid.affine
        latitude = np.float64(affine.f) + affine.e * (np.arange(*rows.indices(self.shape[0]), dtype=np.float64) + 0.5)
        longitude = np.float64(affine.c) + affine.a * (
            np.arange(*columns.indices(self.shape[1]), dtype=np.float64) + 0.5
        )
        height = np.zeros((latitude.size, longitude.size))
        if self.ground is not None:
            height = np.nan_to_num(self.ground.read(rows, columns).astype(np.float64), nan=0.0)
        result = np.full(height.shape, np.nan, np.float32)
        for cube in self._cubes:
            empty = np.isnan(result)
            if empty.any():
                result[empty] = at_height(cube, latitude, longitude, height)[empty]
        return result


@dataclass(frozen=True)
class _File:
    """A file as a source, for digests."""

    path: Path
    shape: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self, rows: slice, columns: slice) -> Values:  # noqa: ARG002 - a source has no values of its own
        return np.empty((0, 0), np.float32)


def at_height(cube: Cube, latitude: Floats, longitude: Floats, height: Floats) -> Floats:
    """Return values of a cube on a map, (latitude, longitude), at the given heights; NaN outside.

    Parameters
    ----------
    cube : Cube
        Lattice of values.
    latitude, longitude : array
        Of the rows and columns of the map, degrees.
    height : array, (latitude, longitude)
        Metres; beyond the lowest and highest level, the value of that level.
    """
    down, across = _weights(cube.latitude, latitude), _weights(cube.longitude, longitude)
    ground = np.clip(height, cube.heights[0], cube.heights[-1])
    first, last = _levels_around(cube.heights, ground)
    levels = cube.heights[first:last]
    result = np.full(height.shape, np.nan)
    if levels.size == 1:
        return _level(cube.values[first], down, across)
    for k in range(levels.size - 1):
        low, high = (_level(cube.values[first + k + one], down, across) for one in (0, 1))
        part = (ground - levels[k]) / (levels[k + 1] - levels[k])
        found = low + (high - low) * part
        result = found if levels.size == _TWO else np.where((part >= 0) & (part <= 1), found, result)
    return result


def _levels_around(levels: Floats, ground: Floats) -> tuple[int, int]:
    """Return the first and the last but one of the levels that heights lie between."""
    lowest, highest = float(ground.min(initial=levels[-1])), float(ground.max(initial=levels[0]))
    first = int(np.searchsorted(levels, lowest, side="right")) - 1
    last = int(np.searchsorted(levels, highest, side="left"))
    if first >= last:  # all of the ground on one level
        return max(min(first, levels.size - 1), 0), max(min(first, levels.size - 1), 0) + 1
    return first, last + 1


def _level(values: Floats, down: Floats, across: Floats) -> Floats:
    """Return one level of a cube on a map; NaN where a node that counts is not known, or outside."""
    known = np.isfinite(values)
    found = np.asarray(down @ np.where(known, values, 0.0) @ across.T)
    inside = (down.sum(axis=1) > _WHOLE)[:, None] & (across.sum(axis=1) > _WHOLE)
    if not known.all():
        inside = inside & (down @ known.astype(np.float64) @ across.T > _WHOLE)
    return found if inside.all() else np.where(inside, found, np.nan)


def _weights(axis: Floats, wanted: Floats) -> Floats:
    """Return the matrix that interpolates along a rising axis, (wanted, axis); rows are zero outside."""
    result = np.zeros((wanted.size, axis.size))
    if axis.size == 1:
        return result
    tolerance = 1e-9 * (axis[-1] - axis[0])
    inside = (wanted >= axis[0] - tolerance) & (wanted <= axis[-1] + tolerance)
    first = np.clip(np.searchsorted(axis, wanted, side="right") - 1, 0, axis.size - 2)
    part = np.clip((wanted - axis[first]) / (axis[first + 1] - axis[first]), 0, 1)
    at = np.arange(wanted.size)
    result[at, first] = np.where(inside, 1 - part, 0)
    result[at, first + 1] += np.where(inside, part, 0)
    return result


def mean_bperp(found: Frames, report: Report) -> float:
    """Return the perpendicular baseline of a pair, earlier to later, at sea level in the middle of its frames.

    Parameters
    ----------
    found : Frames
        The pair.
    report : Report
        Takes a note when no product tells it.

    Returns
    -------
    float
        Metres; NaN when no product tells it.
    """
    values = []
    for one in found.products:
        try:
            cube = read_cube(one.header.path, "perpendicularBaseline")
        except CreepmeterError:
            continue
        zero = np.zeros((cube.latitude.size, cube.longitude.size))
        level = at_height(cube, cube.latitude, cube.longitude, zero)
        if np.isfinite(level).any():
            values.append(float(np.nanmean(level)))
    if values:
        return found.products[0].dates.sign * float(np.mean(values))
    report.note(f"{found.name}: the perpendicular baseline is in none of the products, 0 is taken")
    return float("nan")


def geometry_of(
    pairs: Sequence[Frames], grid: Grid, facts: RadarFacts, options: LoadOptions, base: Path, report: Report
) -> dict[str, Layer]:
    """Return the layers of geometry on a grid.

    Parameters
    ----------
    pairs : sequence of Frames
        The cubes of the first are used whose cubes can be read.
    grid : Grid
        Of the stack.
    facts : RadarFacts
        Tell the slant range.
    options : LoadOptions
        Files of heights and masks.
    base : Path
        Folder that relative patterns start from.
    report : Report
        Takes notes.
    """
    found: dict[str, Layer] = {}
    ground = given_map(options.dem_file, "dem_file", grid, base, report)
    if ground is not None:
        found["height"] = ground
    elif not options.dem_file:
        report.note("dem_file is not given: the angles are those at height 0, and the geometry has no height")
    for name, key in (("incidenceAngle", "inc_angle_file"), ("azimuthAngle", "az_angle_file")):
        layer = given_map(getattr(options, key), key, grid, base, report)
        if layer is None:
            layer = _from_cubes(pairs, name, ground, grid, report)
        if layer is None:
            report.note(f"{name} is in neither the products nor {key}: it is not loaded")
        else:
            found[name] = layer
    return with_conventions(found, grid, facts, options, base, report)


def _from_cubes(
    pairs: Sequence[Frames], name: str, ground: Layer | None, grid: Grid, report: Report
) -> CubeLayer | None:
    for one in pairs:
        if all(name in product.header.cubes for product in one.products):
            paths = tuple(product.header.path for product in one.products)
            layer = CubeLayer(paths, name, ground, grid, angle=name == "azimuthAngle")
            try:
                layer.read(slice(0, 1), slice(0, 1))
            except CreepmeterError as problem:
                report.note(f"{name} is taken from another pair: {problem}")
                continue
            return layer
    return None


def with_conventions(
    found: dict[str, Layer], grid: Grid, facts: RadarFacts, options: LoadOptions, base: Path, report: Report
) -> dict[str, Layer]:
    """Return layers as MintPy wants them: azimuth from north, constant slant range, masks cleared outside the swath."""
    shape = int(grid.shape[0]), int(grid.shape[1])
    result = dict(found)
    if "azimuthAngle" in found:
        result["azimuthAngle"] = Scaled(found["azimuthAngle"], add=-FROM_EAST_DEG)
    if facts.starting_range_m is not None:
        result["slantRangeDistance"] = Constant(facts.starting_range_m, shape)
    for name, key in (("waterMask", "water_mask_file"), ("shadowMask", "shadow_mask_file")):
        mask = given_map(getattr(options, key), key, grid, base, report, mask=True)
        if mask is None:
            continue
        if name == "waterMask" and "incidenceAngle" in found:
            mask = Derived((mask, found["incidenceAngle"]), cleared, "waterMask")
        result[name] = mask
    return result


def cleared(mask: Values, angle: Values) -> Values:
    """Return a mask, False where the angle is not known."""
    return np.asarray((np.nan_to_num(mask) != 0) & np.isfinite(angle))


def given_map(
    pattern: str | None, key: str, grid: Grid, base: Path, report: Report, *, mask: bool = False
) -> Layer | None:
    """Return a map of the user's on a grid, or None when there is none; products of ARIA are no maps of the user's."""
    path = one_file(pattern, base, report, key)
    if path is None or path.suffix == ".nc":
        return None
    try:
        layer, own, nodata = map_layer(path)
    except CreepmeterError as problem:
        report.note(f"{key}: {problem}")
        return None
    if own is None or own.crs is None:
        report.note(f"{key}: {path} has no georeference, it is not used")
        return None
    known = layer if mask else Scaled(layer, nodata=nodata, fill=float("nan"))
    cut = cut_to(known, own, grid)
    if cut is None:
        cut = Resampled(known, own, grid, "nearest" if mask else "bilinear", 0.0 if mask else float("nan"))
    return Placed(cut, grid)


def facts_of(found: Frames) -> RadarFacts:
    """Return what the products of a pair tell of radar and orbit; constants of Sentinel-1 for the rest."""
    products = found.products
    headers = [one.header for one in products]
    direction = products[0].direction
    clocks = [one.seconds for one in products if one.seconds is not None]
    near = [header.slant_range_m for header in headers if header.slant_range_m is not None]
    spacing = next((header.range_spacing_m for header in headers if header.range_spacing_m), SENTINEL1_RANGE_PX_M)
    wavelength = next((header.wavelength_m for header in headers if header.wavelength_m), SENTINEL1_WAVELENGTH_M)
    track = products[0].track
    return sentinel1_facts(
        wavelength_m=wavelength,
        spacing_m=spacing,
        starting_range_m=min(near, default=None),
        direction=direction,
        seconds=float(np.floor(np.mean(clocks))) if clocks else None,
        extra={"beam_mode": "IW", **({} if track is None else {"trackNumber": str(track)})},
    )


def sentinel1_facts(
    *,
    wavelength_m: float,
    spacing_m: float,
    starting_range_m: float | None,
    direction: str | None,
    seconds: float | None,
    extra: dict[str, str],
) -> RadarFacts:
    """Return the facts of an ARIA stack: looks, height and heading are the same for all of them."""
    return RadarFacts(
        processor="isce",
        wavelength_m=wavelength_m,
        azimuth_looks=AZIMUTH_LOOKS,
        range_looks=RANGE_LOOKS,
        azimuth_pixel_m=SENTINEL1_AZIMUTH_PX_M * AZIMUTH_LOOKS,
        range_pixel_m=spacing_m * RANGE_LOOKS,
        starting_range_m=starting_range_m,
        height_m=HEIGHT_M,
        earth_radius_m=EARTH_RADIUS_M,
        heading_deg=None if direction is None else HEADING_DEG[direction],
        orbit_direction=direction,
        platform="Sen",
        centre_line_utc_s=seconds,
        independent_looks=sentinel1_looks(RANGE_LOOKS, AZIMUTH_LOOKS),
        extra=extra,
    )


def attributes_of(facts: RadarFacts, grid: Grid) -> dict[str, str]:
    """Return MintPy's attributes; the corner that the radar sees first is the first."""
    found = facts.attributes() | grid_attributes(grid)
    if facts.orbit_direction == "DESCENDING":
        corners = corner_attributes(grid, CRS.from_epsg(4326))
        for name in ("LAT_REF", "LON_REF"):
            for number in range(1, 5):
                found[f"{name}{number}"] = corners[f"{name}{5 - number}"]
    return found
