"""Horizontal and vertical motion from an ascending and a descending track, as MintPy's program has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError, InputError
from creepmeter.geometry.decompose import Look, axes_of, decompose, window_medians
from creepmeter.geometry.ground_grid import centre_incidence
from creepmeter.io.mintpy.grid import grid_from, number_of
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, write_product
from creepmeter.io.provenance import digest_file, provenance
from creepmeter.model.grid import (
    Grid,
    describe_grid,
    map_position,
    part_of_grid,
    pixel_position,
    require_same_grid,
)
from creepmeter.model.line_of_sight import look_vector, los_azimuth
from creepmeter.model.table import cell_position
from creepmeter.workflow.sbas.places import reference_attributes

Values = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]
_ANGLES = ("incidenceAngle", "azimuthAngle")
_SERIES = ("timeseries", "HDFEOS", "ifgramStack")
_STEP_TOLERANCE = 1e-6
_COMPONENTS = ("horizontal", "up")


@dataclass(frozen=True)
class _Track:
    """A map of one track, and the part of it that all tracks share."""

    path: Path
    attributes: dict[str, str]
    name: str
    grid: Grid
    window: tuple[slice, slice]

    def read(self, path: Path, name: str) -> Values:
        """Read the shared part of a map on this grid."""
        return read_map(path, name, {"y": self.window[0], "x": self.window[1]})

    def look(self, geometry: Path | None) -> Look:
        """Return the map along its line of sight."""
        values = self.read(self.path, self.name)
        if geometry is None:
            heading = number_of(self.attributes, "HEADING", self.path)
            if heading is None:
                message = f"{self.path} has no attribute HEADING: give the geometry files (-g)"
                raise InputError(message)
            right = self.attributes.get("ANTENNA_SIDE", "-1").strip() != "1"
            azimuth = los_azimuth(heading, right_looking=right)
            return Look(values, look_vector(centre_incidence(self.attributes), azimuth))
        held = list_datasets(geometry)
        if not set(_ANGLES) <= set(held) or held[_ANGLES[0]][0] != tuple(self.grid.shape):
            message = f"{geometry} has no {' and '.join(_ANGLES)} on the grid of {self.path}: give its geometry"
            raise InputError(message)
        rows, columns = self.grid.shape
        lies = grid_from(read_attributes(geometry), (rows, columns), geometry)
        if lies is not None:
            require_same_grid(self.grid, lies, expected_name=str(self.path), found_name=str(geometry))
        # angles change slowly: a median in each window stands for all of it, and leaves single faults out
        return Look(values, look_vector(*(window_medians(self.read(geometry, name)) for name in _ANGLES)))

    def errors(self) -> Floats | None:
        """Return standard errors, where the file has them."""
        name = f"{self.name}Std"
        return self.read(self.path, name).astype(np.float64) if name in list_datasets(self.path) else None


def horizontal_and_vertical(
    files: Sequence[Path],
    targets: tuple[Path, Path],
    *,
    dataset: str | None = None,
    azimuth_deg: float = -90.0,
    geometries: Sequence[Path] = (),
    max_reference_px: int = 3,
) -> float:
    """Write horizontal and vertical motion from two or more tracks.

    Parameters
    ----------
    files : sequence of Path
        Geocoded maps with the same steps, in MintPy's layout.
    targets : (Path, Path)
        Where the horizontal and the vertical part go.
    dataset : str, optional
        Map of the files; that of their type by default.
    azimuth_deg : float
        Direction of the horizontal part, from north, anticlockwise positive; there is no motion across it.
    geometries : sequence of Path
        Incidence and azimuth angles of each file, on its grid. Without them both are the same for the whole map, from
        HEADING and the orbit.
    max_reference_px : int
        How far the reference points of the files may lie apart.

    Returns
    -------
    float
        Share of the pixels with a result.

    Raises
    ------
    InputError
        A file is a series, is not geocoded, or refers to another point.
    GridError
        Steps differ, or the files do not overlap.
    """
    tracks = _tracks(files, dataset, max_reference_px)
    if geometries and len(geometries) != len(files):
        message = f"-g names {len(geometries)} geometries for {len(files)} files: give one for each"
        raise InputError(message)
    angles: Sequence[Path | None] = geometries or [None] * len(files)
    looks = [track.look(path) for track, path in zip(tracks, angles, strict=True)]
    axes = axes_of(_COMPONENTS, azimuth_deg)
    found = decompose(looks, axes)
    errors = [error for error in (track.errors() for track in tracks) if error is not None]
    spread = None
    if len(errors) == len(looks):
        known = [Look(look.values, look.direction, error) for look, error in zip(looks, errors, strict=True)]
        spread = decompose(known, axes).sigma
    about = provenance(
        {"azimuth_deg": azimuth_deg, "dataset": dataset},
        {str(path): digest_file(path) for path in [*files, *geometries]},
    )
    for k, target in enumerate(targets):
        _write(target, tracks[0], found.value[k], None if spread is None else spread[k], about)
    return float(np.isfinite(found.value).all(axis=0).mean())


def _tracks(files: Sequence[Path], dataset: str | None, max_reference_px: int) -> list[_Track]:
    grids, names, held = [], [], [read_attributes(path) for path in files]
    for path, attributes in zip(files, held, strict=True):
        datasets = list_datasets(path)
        kind = attributes.get("FILE_TYPE", "")
        if kind in _SERIES and dataset is None:
            message = f"{path} is a {kind}: give a velocity or one map of it (-d timeseries-YYYYMMDD)"
            raise InputError(message)
        name = dataset or (kind if kind in datasets else next(iter(datasets)))
        shape = next(shape for shape, _ in datasets.values() if len(shape) > 1)
        grid = grid_from(attributes, (shape[-2], shape[-1]), path)
        if grid is None:
            message = f"{path} is in radar coordinates: geocode it first (`creepmeter geocode`)"
            raise InputError(message)
        grids.append(grid)
        names.append(name)
    _require_alike(files, grids)
    _require_reference(files, held, grids[0], max_reference_px)
    windows = _windows(files, grids)
    return [_Track(*parts) for parts in zip(files, held, names, grids, windows, strict=True)]


def _require_alike(files: Sequence[Path], grids: Sequence[Grid]) -> None:
    first = grids[0].affine
    for path, grid in zip(files[1:], grids[1:], strict=True):
        steps = abs(grid.affine.a / first.a - 1), abs(grid.affine.e / first.e - 1)
        if max(steps) > _STEP_TOLERANCE or grid.crs != grids[0].crs:
            message = (
                f"{path} lies on {describe_grid(grid)}, {files[0].name} on {describe_grid(grids[0])}: geocode all with "
                "the same steps (--lalo), or use `creepmeter decompose`, which resamples"
            )
            raise GridError(message)


def _require_reference(files: Sequence[Path], held: Sequence[Mapping[str, str]], grid: Grid, most: int) -> None:
    points = [[number_of(attributes, name, path) for name in ("REF_LAT", "REF_LON")]
              for path, attributes in zip(files, held, strict=True)]  # fmt: skip
    known = [(lat, lon) for lat, lon in points if lat is not None and lon is not None]
    cells = [np.array(cell_position(grid, *point)) for point in known]
    for point, cell in zip(known[1:], cells[1:], strict=True):
        apart = np.abs(cell - cells[0]).max()
        if not apart <= most + _STEP_TOLERANCE:
            message = (
                f"the reference points of {', '.join(path.name for path in files)} lie {apart:.0f} pixels apart "
                f"({known[0]}, {point}): refer all to one point (`creepmeter reference-point -l -L`), or allow more "
                "(--max-ref-yx-diff)"
            )
            raise InputError(message)


def _windows(files: Sequence[Path], grids: Sequence[Grid]) -> list[tuple[slice, slice]]:
    """Return the rows and columns of each grid that all share; a part of a pixel between them is rounded."""
    starts = [[0, 0]]
    for grid in grids[1:]:
        column, row = pixel_position(grids[0], *map_position(grid, 0, 0), None)
        starts.append([round(float(row)), round(float(column))])
    top, left = (max(start[axis] for start in starts) for axis in (0, 1))
    ends = [[start[axis] + grid.shape[axis] for axis in (0, 1)] for start, grid in zip(starts, grids, strict=True)]
    bottom, right = (min(end[axis] for end in ends) for axis in (0, 1))
    if top >= bottom or left >= right:
        message = f"{' and '.join(path.name for path in files)} do not overlap: give maps of the same ground"
        raise GridError(message)
    return [(slice(top - row, bottom - row), slice(left - column, right - column)) for row, column in starts]


def _write(target: Path, track: _Track, values: Floats, spread: Floats | None, about: Mapping[str, Any]) -> None:
    kind = track.attributes.get("FILE_TYPE", "velocity")
    name = "displacement" if kind in _SERIES else kind
    part = part_of_grid(track.grid, *track.window)
    attributes = {**track.attributes, "FILE_TYPE": name, "X_FIRST": str(part.affine.c), "Y_FIRST": str(part.affine.f)}
    if {"REF_Y", "REF_X"} <= set(attributes):
        pixel = int(attributes["REF_Y"]) - track.window[0].start, int(attributes["REF_X"]) - track.window[1].start
        attributes |= {key: text for key, text in reference_attributes(attributes, pixel).items() if text is not None}
    maps = {name: values.astype(np.float32)}
    if spread is not None:
        maps[f"{name}Std"] = spread.astype(np.float32)
    write_product(target, maps, attributes, provenance=about)
