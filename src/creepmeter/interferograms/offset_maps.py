"""Offset maps and displacement maps that other programs made, as PairStack and TimeSeries."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import EpochError, InputError, NetworkError
from creepmeter.interferograms.mapfiles import (
    MapLayout,
    PathsLike,
    Skipped,
    attempt,
    common_layout,
    dates_of,
    find_files,
    read_map,
)
from creepmeter.interferograms.options import MapOptions, OffsetMapOptions, SeriesMapOptions
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.io.store import StoreWriter
from creepmeter.kernels.datum import correlation_of
from creepmeter.model.epoch import Epoch
from creepmeter.model.pair import Pair
from creepmeter.model.schema import PAIR_STACK, TIME_SERIES, check, map_dataset, pair_coords

FEWEST_DATES = 2
_LOG = logging.getLogger(__name__)
Arrays = dict[str, npt.NDArray[np.float32]]
_ATTRIBUTES = {
    "displacement": {"units": "m", "long_name": "displacement from ref to sec"},
    "sigma": {"units": "m", "long_name": "standard error of displacement"},
    "quality": {"units": "1", "long_name": "quality, 0 bad to 1 good"},
}


def load_offset_maps(pattern_or_paths: PathsLike, *, options: OffsetMapOptions | None = None) -> xr.Dataset:
    """Read offset maps, one file per pair of dates, into a PairStack in memory.

    Files are read one at a time, float32; `store_offset_maps` writes a product without holding all of them.

    Parameters
    ----------
    pattern_or_paths : str, Path or sequence
        ``DIR/*.tif``, a folder, or names. The first two dates of a name are those of the pair.
    options : OffsetMapOptions, optional
        Roles of the bands, unit, dates, what to do with files that do not fit.

    Returns
    -------
    xarray.Dataset
        PairStack, metres, east and north positive; pairs in order of ref, then sec. With ``strict=False`` the attribute
        ``skipped`` lists what was left out, and why.

    Raises
    ------
    EpochError
        Names without two dates; all are listed.
    NetworkError
        A pair twice, or one that runs backward.
    GridError
        Maps on different grids; the files are listed.
    ImageError
        A file cannot be read.

    Examples
    --------
    >>> load_offset_maps("maps/*.tif", options=OffsetMapOptions(bands="east,south,mask"))  # doctest: +SKIP
    """
    chosen = options or OffsetMapOptions()
    layout, pairs, skipped = _plan(pattern_or_paths, chosen)
    stack = _stack_template(layout, list(pairs.values()), chosen)
    data = {name: np.full(variable.shape, np.nan, np.float32) for name, variable in stack.data_vars.items()}
    kept = []
    for k, file in enumerate(pairs):
        found = attempt(file, functools.partial(read_map, file, layout, chosen), skipped, strict=chosen.strict)
        if found is not None:
            kept.append(k)
            for name, values in found.items():
                data[name][_of_pair(stack, name, slice(k, k + 1))] = _with_pair_axis(name, values)
    _require_any(kept, skipped)
    filled = stack.assign({name: (stack[name].dims, values, stack[name].attrs) for name, values in data.items()})
    return _note_skipped(filled.isel(pair=kept) if len(kept) < len(pairs) else filled, skipped)


def store_offset_maps(
    pattern_or_paths: PathsLike,
    path: str | Path,
    *,
    options: OffsetMapOptions | None = None,
    progress: Progress | None = None,
) -> Path:
    """Read offset maps into a PairStack on disk, one pair at a time; a killed run goes on where it stopped.

    Parameters
    ----------
    pattern_or_paths, options
        As in `load_offset_maps`.
    path : str or Path
        Store to make, ending in ``.zarr``.
    progress : Progress, optional
        Counts files.

    Returns
    -------
    Path
        The product. A file that cannot be read with ``strict=False`` is left out.
    """
    chosen = options or OffsetMapOptions()
    layout, pairs, skipped = _plan(pattern_or_paths, chosen)
    if not chosen.strict:  # what is left out must be known before the store is laid out
        pairs = {file: pair for file, pair in pairs.items() if _can_read(file, layout, chosen, skipped)}
        _require_any(list(pairs), skipped)
    template = _note_skipped(_stack_template(layout, list(pairs.values()), chosen), skipped)
    inputs = {file.name: digest_file(file) for file in pairs}
    key = digest_text(chosen.model_dump(), inputs)
    writer = StoreWriter.create_or_resume(path, template, {"pair": 1}, key)
    shown: Progress = progress if progress is not None else NullProgress()
    shown.start("load offset maps", len(pairs))
    try:
        for k, file in enumerate(pairs):
            if not writer.done(file.name):
                found = read_map(file, layout, chosen)
                arrays = {name: _with_pair_axis(name, values) for name, values in found.items()}
                writer.put(file.name, {"pair": slice(k, k + 1)}, arrays)
            shown.advance(1)
    finally:
        shown.finish()
    return writer.finish(provenance(chosen.model_dump(), inputs))


def _can_read(file: Path, layout: MapLayout, options: MapOptions, skipped: Skipped) -> bool:
    return attempt(file, lambda: read_map(file, layout, options), skipped, strict=False) is not None


def _plan(pattern: PathsLike, options: OffsetMapOptions) -> tuple[MapLayout, dict[Path, Pair], Skipped]:
    """Settle pairs and grid from names and headers; no pixel is read."""
    files = find_files(pattern)
    pairs = {file: _pair(file, epochs) for file, epochs in dates_of(files, options, 2).items()}
    pairs = _without_duplicates(pairs, options.duplicates)
    skipped: Skipped = {}
    layout, kept = common_layout(list(pairs), options, skipped)
    ordered = sorted(kept, key=lambda file: (pairs[file], file.name))
    return layout, {file: pairs[file] for file in ordered}, skipped


def _pair(file: Path, epochs: Sequence[Epoch]) -> Pair:
    if epochs[1] <= epochs[0]:
        message = (
            f"{file.name}: the first date ({epochs[0]}) is not before the second ({epochs[1]}): rename the file so "
            "that displacement runs from the first to the second"
        )
        raise NetworkError(message)
    return Pair(epochs[0], epochs[1])


def _without_duplicates(pairs: dict[Path, Pair], rule: str) -> dict[Path, Pair]:
    of_pair: dict[Pair, list[Path]] = {}
    for file, pair in pairs.items():
        of_pair.setdefault(pair, []).append(file)
    twice = {pair: files for pair, files in of_pair.items() if len(files) > 1}
    if twice and rule == "error":
        pair, files = next(iter(twice.items()))
        message = (
            f"{len(twice)} pair(s) come from more than one file, such as {pair} from "
            f"{', '.join(file.name for file in files)}: narrow the pattern of files, or set duplicates to newest"
        )
        raise NetworkError(message)
    for pair, files in twice.items():
        keep = max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))
        _LOG.warning("pair %s comes from %d files: %s is kept, the one changed last", pair, len(files), keep.name)
        pairs = {file: other for file, other in pairs.items() if other != pair or file == keep}
    return pairs


def _stack_template(layout: MapLayout, pairs: Sequence[Pair], options: MapOptions) -> xr.Dataset:
    """Return the PairStack without its data: one NaN stands for all."""
    rows, columns = layout.grid.shape
    full = (len(layout.components), len(pairs), rows, columns)
    variables: dict[str, Any] = {"displacement": (("component", "pair", "y", "x"), _nothing(full))}
    if "sigma" in options.bands:
        variables["sigma"] = (("component", "pair", "y", "x"), _nothing(full))
    if "quality" in options.bands:
        variables["quality"] = (("pair", "y", "x"), _nothing(full[1:]))
    coords = {"component": list(layout.components), **pair_coords(list(pairs), np.ones(len(pairs), bool))}
    described = {name: (dims, values, dict(_ATTRIBUTES[name])) for name, (dims, values) in variables.items()}
    return map_dataset(described, coords, layout.grid, kind=PAIR_STACK)


def _nothing(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return np.broadcast_to(np.float32(np.nan), shape)


def _of_pair(stack: xr.Dataset, name: str, pair: slice) -> tuple[slice, ...]:
    return tuple(pair if dim == "pair" else slice(None) for dim in stack[name].dims)


def _with_pair_axis(name: str, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return values[None] if name == "quality" else values[:, None]


def _require_any(kept: Sequence[object], skipped: Skipped) -> None:
    if not kept:
        message = f"no file is left: {'; '.join(list(skipped.values())[:3])}"
        raise InputError(message)


def _note_skipped(dataset: xr.Dataset, skipped: Skipped) -> xr.Dataset:
    if not skipped:
        return dataset
    return dataset.assign_attrs(skipped=[f"{name}: {reason}" for name, reason in sorted(skipped.items())])


def load_series_maps(pattern_or_paths: PathsLike, *, options: SeriesMapOptions | None = None) -> xr.Dataset:
    """Read displacement maps, one file per date, into a TimeSeries.

    Names with two dates hold displacement from the first, which must be one for all, to the second. With one date per
    name the earliest map becomes the reference and is subtracted from all.

    Parameters
    ----------
    pattern_or_paths : str, Path or sequence
        ``DIR/displacement_*.tif``, a folder, or names.
    options : SeriesMapOptions, optional
        Roles of the bands (default: one band, line of sight), unit, dates.

    Returns
    -------
    xarray.Dataset
        TimeSeries, metres since the reference date, which is the first date and holds zero; a pixel that no map
        measures is NaN throughout.

    Raises
    ------
    EpochError
        Names without date, a date twice, or several reference dates; fewer than two dates.
    GridError, ImageError
        As in `load_offset_maps`.
    """
    chosen = options or SeriesMapOptions()
    files = find_files(pattern_or_paths)
    origin, dates = _series_dates(dates_of(files, chosen, 1))
    skipped: Skipped = {}
    layout, kept = common_layout(files, chosen, skipped)
    maps: list[tuple[Epoch, Arrays]] = []
    for file in sorted(kept, key=lambda file: dates[file]):
        found = attempt(file, functools.partial(read_map, file, layout, chosen), skipped, strict=chosen.strict)
        if found is not None:
            maps.append((dates[file], found))
    if origin is not None:
        maps.insert(0, (origin, _at_reference(maps)))
    if len(maps) < FEWEST_DATES:
        message = f"{len(maps)} date(s) in {len(files)} file(s): a series needs two, give more maps"
        raise EpochError(message)
    return _note_skipped(_series(layout, maps, relative=origin is not None), skipped)


def _series_dates(found: dict[Path, list[Epoch]]) -> tuple[Epoch | None, dict[Path, Epoch]]:
    """Return the reference date, if the names tell it, and the date of every map."""
    single = [file for file, epochs in found.items() if len(epochs) == 1]
    if len(single) == len(found):
        origin, dates = None, {file: epochs[0] for file, epochs in found.items()}
    elif single:
        message = f"some names hold two dates, {single[0].name} holds one: give maps of one kind"
        raise EpochError(message)
    else:
        origin = _one_origin([epochs[0] for epochs in found.values()])
        dates = {file: epochs[1] for file, epochs in found.items()}
    _require_distinct(dates, origin)
    return origin, dates


def _one_origin(firsts: Sequence[Epoch]) -> Epoch:
    origins = sorted(set(firsts))
    if len(origins) > 1:
        message = (
            f"the maps have {len(origins)} reference dates ({origins[0]}, {origins[1]}, ...): these are pairs, load "
            "them with `creepmeter load offsets` and invert them"
        )
        raise EpochError(message)
    return origins[0]


def _require_distinct(dates: dict[Path, Epoch], origin: Epoch | None) -> None:
    seen: dict[Epoch, str] = {}
    for file, date in dates.items():
        if date in seen or (origin is not None and date <= origin):
            other = (
                f"{seen[date]} and {file.name} both have" if date in seen else f"{file.name} has, not after {origin},"
            )
            message = f"{other} the date {date}: narrow the pattern of files"
            raise EpochError(message)
        seen[date] = file.name


def _at_reference(maps: Sequence[tuple[Epoch, Arrays]]) -> Arrays:
    """Return the map of the reference date: zero, with no error, where any later map has a value."""
    result: Arrays = {}
    for name in maps[0][1] if maps else ():
        if name in ("displacement", "sigma"):
            seen = np.any([np.isfinite(found["displacement"]) for _, found in maps], axis=0)
            result[name] = np.where(seen, np.float32(0), np.float32(np.nan))
    return result


def _series(layout: MapLayout, maps: Sequence[tuple[Epoch, Arrays]], *, relative: bool) -> xr.Dataset:
    times = np.array([time for time, _ in maps], dtype="datetime64[ns]")
    variables: dict[str, tuple[tuple[str, ...], npt.ArrayLike, dict[str, Any]]] = {}
    for name, values in _stacked(maps, relative=relative):
        attributes = {**_ATTRIBUTES[name], "long_name": _ATTRIBUTES[name]["long_name"].replace("from ref to sec", "")}
        attributes["long_name"] = attributes["long_name"].strip() + " since the reference time"
        variables[name] = (("component", "time", "y", "x"), values, attributes)
    coords: dict[str, Any] = {"component": list(layout.components), "time": times}
    if not relative and "sigma" in variables:
        coords["time2"] = times
        variables["date_correlation"] = _common_first(maps)
    reference = {"reference_time": str(times[0])}
    series = map_dataset(variables, coords, layout.grid, kind=TIME_SERIES, attributes=reference)
    check(series, TIME_SERIES)
    return series


def _common_first(maps: Sequence[tuple[Epoch, Arrays]]) -> tuple[tuple[str, ...], npt.ArrayLike, dict[str, Any]]:
    """Return the correlation of dates that all have the error of the first map in them, besides their own."""
    sigma = np.stack([found["sigma"] for _, found in maps], axis=1).reshape(len(maps[0][1]["sigma"]), len(maps), -1)
    variance = np.nanmedian(sigma, axis=2).astype(np.float64) ** 2
    covariance = np.stack([np.diag(own) + own[0] for own in variance])
    covariance[:, 0] = covariance[:, :, 0] = 0.0
    attributes = {"units": "1", "long_name": "correlation of the errors of two dates"}
    return ("component", "time", "time2"), np.stack([correlation_of(one) for one in covariance]), attributes


def _stacked(maps: Sequence[tuple[Epoch, Arrays]], *, relative: bool) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    displacement = np.stack([found["displacement"] for _, found in maps], axis=1)
    first = displacement[:, :1].copy()
    yield "displacement", displacement if relative else displacement - first
    if all("sigma" in found for _, found in maps):
        sigma = np.stack([found["sigma"] for _, found in maps], axis=1)
        if not relative:  # both maps carry their own error
            sigma = np.hypot(sigma, sigma[:, :1])
            sigma[:, :1] = np.where(np.isfinite(first), np.float32(0), np.float32(np.nan))
        yield "sigma", sigma
