"""Displacement maps of other programs as files: which, of which dates, on which grid, and one of them as arrays."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from creepmeter.errors import EpochError, GridError, ImageError, InputError
from creepmeter.interferograms.options import COMPONENT_OF, MapOptions
from creepmeter.io.raster import read_header, read_maps
from creepmeter.model.epoch import Epoch, epochs_from_pattern, epochs_in_name
from creepmeter.model.grid import Grid, describe_grid, metres_per_pixel, pixel_grid, same_grid
from creepmeter.model.schema import COMPONENTS

_LOG = logging.getLogger(__name__)
Floats32 = npt.NDArray[np.float32]
PathsLike = str | Path | Sequence[str | Path]
Skipped = dict[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class MapLayout:
    """How every file of a set is read.

    Parameters
    ----------
    grid : Grid
        The one grid of all maps.
    components : tuple of str
        In the order of the product.
    metres : mapping of str to float
        What one unit of displacement is, metres, per component, without sign.
    """

    grid: Grid
    components: tuple[str, ...]
    metres: Mapping[str, float]


def find_files(pattern: PathsLike) -> list[Path]:
    """Return the files of a pattern (``DIR/*.tif``), a folder (its .tif files), or a list of names, in order of name.

    Raises
    ------
    InputError
        There is none.
    """
    if isinstance(pattern, str | Path):
        text = str(pattern)
        if Path(text).is_dir():
            found = sorted(Path(text).glob("*.tif"))
        else:
            found = [Path(text)] if Path(text).is_file() else _matching(Path(text))
    else:
        found = sorted(map(Path, pattern))
    if not found:
        message = f"no file matches {pattern}: check the folder and put the pattern in quotes"
        raise InputError(message)
    return found


def _matching(pattern: Path) -> list[Path]:
    parts = pattern.parts
    fixed = next((k for k, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return sorted(Path(*parts[:fixed]).glob(str(Path(*parts[fixed:])))) if fixed < len(parts) else []


def dates_of(files: Sequence[Path], options: MapOptions, needed: int) -> dict[Path, list[Epoch]]:
    """Read the dates from the name of every file.

    Raises
    ------
    EpochError
        Names hold fewer than `needed` dates; all of them are listed.
    """
    pattern = options.dates_pattern
    found = {file: epochs_from_pattern(file.name, pattern) if pattern else epochs_in_name(file.name) for file in files}
    without = [file.name for file, epochs in found.items() if len(epochs) < needed]
    if without:
        message = (
            f"{len(without)} of {len(files)} names hold fewer than {needed} date(s) like "
            f"{pattern or 'YYYYMMDD[THHMMSS]'}: {_listing(without)}; rename the files, narrow the pattern "
            "of files, or give dates_pattern"
        )
        raise EpochError(message)
    return found


def _listing(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def attempt(file: Path, read: Callable[[], T], skipped: Skipped, *, strict: bool) -> T | None:
    """Return what `read` returns; when the file cannot be read, stop (strict) or note it in `skipped`."""
    try:
        return read()
    except ImageError as problem:
        if strict:
            raise
        skipped[file.name] = str(problem)
        _LOG.warning("left out: %s", problem)
        return None


def common_layout(files: Sequence[Path], options: MapOptions, skipped: Skipped) -> tuple[MapLayout, list[Path]]:
    """Return the grid that all maps share, and the files on it.

    Raises
    ------
    GridError
        Maps lie on different grids (strict); the files are listed.
    ImageError
        A file cannot be read (strict), or has fewer bands than there are roles.
    """
    groups: list[tuple[Grid, list[Path]]] = []
    for file in files:
        grid = attempt(file, functools.partial(_grid_of_file, file, options), skipped, strict=options.strict)
        if grid is None:
            continue
        same = next((members for other, members in groups if same_grid(other, grid)), None)
        if same is None:
            groups.append((grid, [file]))
        else:
            same.append(file)
    if not groups:
        message = f"none of {len(files)} file(s) can be used: {'; '.join(list(skipped.values())[:3])}"
        raise ImageError(message)
    groups.sort(key=lambda group: -len(group[1]))
    _settle_other_grids(groups, skipped, strict=options.strict)
    grid, kept = groups[0]
    return _layout(grid, options), kept


def _settle_other_grids(groups: Sequence[tuple[Grid, list[Path]]], skipped: Skipped, *, strict: bool) -> None:
    if len(groups) == 1:
        return
    listed = "; ".join(
        f"{describe_grid(grid)}: {_listing([file.name for file in members])}" for grid, members in groups
    )
    if strict:
        message = f"the maps lie on {len(groups)} grids ({listed}): warp them to one grid first (`rio warp --like`)"
        raise GridError(message)
    for grid, members in groups[1:]:
        for file in members:
            skipped[file.name] = f"{file.name} lies on another grid than most ({describe_grid(grid)})"
            _LOG.warning("left out: %s", skipped[file.name])


def _grid_of_file(file: Path, options: MapOptions) -> Grid:
    header = read_header(file)
    if header.count < len(options.bands):
        message = (
            f"{file} has {header.count} band(s), roles are given for {len(options.bands)} ({', '.join(options.bands)})"
        )
        raise ImageError(message)
    if header.grid is not None:
        return header.grid
    if options.pixel_size_m is None:
        message = f"{file} has no georeference: give pixel_size_m, taken for the step of its grid as well"
        raise InputError(message)
    return pixel_grid(header.shape, options.pixel_size_m)


def _layout(grid: Grid, options: MapOptions) -> MapLayout:
    named = {COMPONENT_OF[role][0] for role in options.bands if role in COMPONENT_OF}
    components = tuple(name for name in COMPONENTS if name in named)
    if options.unit == "m":
        return MapLayout(grid, components, dict.fromkeys(components, 1.0))
    if options.pixel_size_m is not None:
        return MapLayout(grid, components, dict.fromkeys(components, options.pixel_size_m))
    matrix = metres_per_pixel(grid)
    across, down = float(np.hypot(*matrix[:, 0])), float(np.hypot(*matrix[:, 1]))
    _LOG.warning(
        "one px of displacement is taken as %g m, the step of the maps' grid; pixel_size_m says otherwise", across
    )
    return MapLayout(grid, components, {name: down if name == "north" else across for name in components})


def read_map(file: Path, layout: MapLayout, options: MapOptions) -> dict[str, Floats32]:
    """Read one map in metres.

    Returns
    -------
    dict
        ``displacement`` (component, y, x); ``sigma`` of the same shape and ``quality`` (y, x) where there are such
        bands. NaN = missing.

    Raises
    ------
    ImageError
        The file is damaged, or its quality does not lie in 0 to 1.
    """
    wanted = [band for band, role in enumerate(options.bands, start=1) if role != "skip"]
    values, _ = read_maps(file, wanted, pixel_size_m=options.pixel_size_m or 1.0)
    roles = [options.bands[band - 1] for band in wanted]
    named = {role: values[k] for k, role in enumerate(roles)}
    use = np.ones(values.shape[1:], bool)
    if "mask" in named:
        use = np.nan_to_num(named["mask"], nan=0.0) != 0
    given = [role for role in roles if role in COMPONENT_OF]
    order = [next(role for role in given if COMPONENT_OF[role][0] == name) for name in layout.components]
    scale = [np.float32(COMPONENT_OF[role][1] * layout.metres[COMPONENT_OF[role][0]]) for role in order]
    moved = np.stack(
        [np.where(use, named[role] * factor, np.float32(np.nan)) for role, factor in zip(order, scale, strict=True)]
    )
    result = {"displacement": moved}
    sigmas = [values[k] for k, role in enumerate(roles) if role == "sigma"]
    if sigmas:
        each = sigmas * len(given) if len(sigmas) == 1 else sigmas
        chosen = np.stack([each[given.index(role)] * abs(factor) for role, factor in zip(order, scale, strict=True)])
        result["sigma"] = np.where(np.isfinite(moved) & (chosen > 0), chosen, np.float32(np.nan))
    if "quality" in named:
        result["quality"] = _quality(file, named["quality"], use)
    return result


def _quality(file: Path, values: Floats32, use: npt.NDArray[np.bool_]) -> Floats32:
    found = values[np.isfinite(values) & use]
    if found.size and (found.min() < 0 or found.max() > 1):
        message = (
            f"{file}: quality runs from {found.min():g} to {found.max():g}, it must lie in 0 to 1: give the band the "
            "role skip"
        )
        raise ImageError(message)
    return np.where(use, values, np.float32(np.nan))
