"""Zenith delay of every date from the files of a folder: weather models, OPERA, GACOS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.corrections.delay_cube import DelayCube, Pixels
from creepmeter.corrections.weather_options import WeatherOptions
from creepmeter.corrections.zenith import STEP_M, zenith_cube
from creepmeter.errors import CreepmeterError, GridError, ImageError
from creepmeter.interferograms.rsc import read_rsc, rsc_number, rsc_shape
from creepmeter.io.layers import FlatLayer, Layer, RasterLayer
from creepmeter.io.provenance import digest_file
from creepmeter.io.weather import read_weather, read_zenith_cube
from creepmeter.model.epoch import Epoch, Epochs
from creepmeter.model.grid import Grid
from creepmeter.model.weather import Area, Axes, turned
from creepmeter.workflow.sbas import delay_files as at
from creepmeter.workflow.sbas.delay_series import DatedDelays, Zenith, day_of

Floats = npt.NDArray[np.float64]
Found = tuple[Zenith, list[Path]]
Kind = Literal["pyaps", "gacos", "opera"]
_OPERA_NAMES = ("hydrostatic_delay", "wet_delay")
_OPERA_STEP = 6
_HOUR = np.timedelta64(3600, "s")
_MARGIN_PX = 2
_NO_FILE = "no file"


@dataclass(frozen=True)
class Extent:
    """What delays are wanted for.

    Parameters
    ----------
    area : Area
        Of the pixels.
    lowest_m, highest_m : float
        Their heights.
    """

    area: Area
    lowest_m: float
    highest_m: float


@dataclass(frozen=True)
class DelaySource:
    """Where delays come from.

    Parameters
    ----------
    kind : {"pyaps", "gacos", "opera"}
        Weather model, or maps of zenith delay, by MintPy's words.
    folder : Path
        Where the files lie.
    options : WeatherOptions
        Which model, which delay, what becomes of dates without one.
    """

    kind: Kind
    folder: Path
    options: WeatherOptions = field(default_factory=WeatherOptions)

    def files(self) -> list[at.DatedFile]:
        """Return the files that are there."""
        if self.kind == "pyaps":
            return at.dated_files(at.weather_folders(self.folder, self.options.model), at.WEATHER)
        return at.dated_files([self.folder], at.GACOS if self.kind == "gacos" else at.OPERA)

    def delays(self, dates: Epochs, times: Epochs, extent: Extent) -> DatedDelays:
        """Return the delay of every date that has a usable file.

        Parameters
        ----------
        dates, times : array of datetime64
            Dates, and the same with the time of day of the acquisition, UTC.
        extent : Extent
            Area and heights of the pixels.
        """
        if self.kind == "gacos":
            return gacos_delays(self.files(), dates, extent)
        if self.kind == "opera":
            return opera_delays(self.files(), dates, times, extent)
        return weather_delays(self.files(), dates, times, extent, self.options)


def _collect(dates: Epochs, find: Callable[[Epoch], Found]) -> DatedDelays:
    """Look for the delay of every date; what is not there, or cannot be used, is named."""
    kept, zenith = [], []
    missing: dict[str, str] = {}
    inputs: dict[str, str] = {}
    for date in dates:
        try:
            found, paths = find(date)
        except CreepmeterError as problem:
            missing[day_of(date)] = str(problem)
            continue
        kept.append(date)
        zenith.append(found)
        inputs |= {path.name: digest_file(path) for path in paths}
    return DatedDelays(np.array(kept, "datetime64[ns]"), zenith, missing, inputs)


def _first_usable(paths: Sequence[Path], read: Callable[[Path], DelayCube]) -> tuple[DelayCube, Path]:
    """Return what the first file of a list holds that covers the pixels."""
    problem: CreepmeterError | None = None
    for path in paths:
        try:
            return read(path), path
        except GridError as found:
            problem = problem or found
    raise problem if problem is not None else ImageError(_NO_FILE)


# ------------------------------------------------------------------------------------------------------ weather models


def weather_delays(
    files: Sequence[at.DatedFile], dates: Epochs, times: Epochs, extent: Extent, options: WeatherOptions
) -> DatedDelays:
    """Return the delay of every date that a weather model has a file for.

    Parameters
    ----------
    files : sequence of DatedFile
        Of the model.
    dates, times : array of datetime64
        Dates of the series, and the same with the time of day of the acquisition.
    extent : Extent
        Area and heights of the pixels.
    options : WeatherOptions
        Which model, which delay.
    """
    clock = dict(zip(dates.tolist(), times, strict=True))

    def read(when: Epoch, path: Path) -> DelayCube:
        fields = read_weather(path, extent.area, when)
        return zenith_cube(fields, extent.lowest_m, extent.highest_m, options.delay)

    def find(date: Epoch) -> Found:
        time = clock[date.item()]
        if options.time == "linear":
            both = _around(files, time, options.model, read)
            if both is not None:
                return both
        nearest = time.astype("datetime64[D]") + at.nearest_hour(time, options.model) * _HOUR
        cube, path = _first_usable(at.files_of_day(files, nearest), partial(read, nearest.astype("datetime64[ns]")))
        return partial(_of_cube, cube), [path]

    return _collect(dates, find)


def _around(
    files: Sequence[at.DatedFile], time: Epoch, model: str, read: Callable[[Epoch, Path], DelayCube]
) -> Found | None:
    """Return the delay between two hours of a model, or None where one of the files is not there."""
    before, after = at.hours_around(time, model)
    listed = [at.files_at(files, hour) for hour in (before, after)]
    if not all(listed):
        return None
    ends = [_first_usable(paths, partial(read, hour)) for paths, hour in zip(listed, (before, after), strict=True)]
    share = float((time - before) / (after - before))

    def zenith(pixels: Pixels) -> Floats:
        first, second = (pixels.delay(cube) for cube, _ in ends)
        return first * (1 - share) + second * share

    return zenith, [path for _, path in ends]


def _of_cube(cube: DelayCube, pixels: Pixels) -> Floats:
    return pixels.delay(cube)


# --------------------------------------------------------------------------------------------------------------- OPERA


def opera_delays(files: Sequence[at.DatedFile], dates: Epochs, times: Epochs, extent: Extent) -> DatedDelays:
    """Return the delay of every date that a file of OPERA's zenith delays is there for, of the nearest of its hours."""
    clock = dict(zip(dates.tolist(), times, strict=True))

    def read(path: Path) -> DelayCube:
        heights, axes, delay = read_zenith_cube(path, extent.area, _OPERA_NAMES)
        return DelayCube(heights, axes, delay, str(path)).refined(extent.lowest_m, extent.highest_m, STEP_M)

    def find(date: Epoch) -> Found:
        nearest = _nearest_run(clock[date.item()])
        paths = [file.path for file in files if abs(file.time - nearest) <= _OPERA_STEP / 2 * _HOUR]
        cube, path = _first_usable(sorted(paths, key=lambda path: path.name, reverse=True), read)
        return partial(_of_cube, cube), [path]

    return _collect(dates, find)


def _nearest_run(time: Epoch) -> Epoch:
    """Return the nearest of 0, 6, 12 and 18 hours, perhaps of the next day."""
    day = time.astype("datetime64[D]").astype("datetime64[ns]")
    return np.datetime64(day + round(float((time - day) / _HOUR) / _OPERA_STEP) * _OPERA_STEP * _HOUR, "ns")


# --------------------------------------------------------------------------------------------------------------- GACOS


@dataclass(frozen=True)
class DelayMap:
    """A map of zenith delay at the ground, read by window.

    Parameters
    ----------
    layer : Layer
        The map, metres; 0 = nothing is known.
    grid : Grid
        Its grid.
    """

    layer: Layer
    grid: Grid

    def covers(self, area: Area) -> bool:
        """Tell whether an area lies inside."""
        y, x = self._axes()
        west = turned(area.west, float(x[0] + x[-1]) / 2)
        step = abs(self.grid.affine.a)
        inside = y.min() - step <= area.south and area.north <= y.max() + step
        return bool(inside and x[0] - step <= west and west + area.east - area.west <= x[-1] + step)

    def _axes(self) -> tuple[Floats, Floats]:
        affine, (rows, columns) = self.grid.affine, self.grid.shape
        down, across = (np.arange(count, dtype=np.float64) + 0.5 for count in (rows, columns))
        return affine.f + affine.e * down, affine.c + affine.a * across

    def delay(self, pixels: Pixels) -> Floats:
        """Return the delay of pixels, bilinear, NaN where the map has none."""
        found = np.full(pixels.latitude.shape, np.nan)
        known = np.isfinite(pixels.latitude) & np.isfinite(pixels.longitude)
        if not known.any():
            return found
        y, x = self._axes()
        lon = turned(pixels.longitude, float(x[0] + x[-1]) / 2)
        rows = _window(y, pixels.latitude[known])
        columns = _window(x, lon[known])
        if rows.stop - rows.start < 1 or columns.stop - columns.start < 1:
            return found
        values = self.layer.read(rows, columns).astype(np.float64)
        values[values == 0] = np.nan
        down, across = y[rows], x[columns]
        if down[0] > down[-1]:
            down, values = down[::-1], values[::-1]
        cube = DelayCube(np.zeros(1), Axes(down, across), values[None], self.layer.name)
        near = Pixels(np.clip(pixels.latitude, *_edges(down)), np.clip(lon, *_edges(across)), np.zeros(lon.shape))
        held = near.delay(cube)
        step = abs(self.grid.affine.a)
        outside = (np.abs(near.latitude - pixels.latitude) > step) | (np.abs(near.longitude - lon) > step)
        return np.where(outside, np.nan, held)


def _edges(axis: Floats) -> tuple[float, float]:
    return float(axis[0]), float(axis[-1])


def _window(axis: Floats, values: Floats) -> slice:
    step = float(axis[1] - axis[0]) if len(axis) > 1 else 1.0
    places = np.sort((np.array([values.min(), values.max()]) - axis[0]) / step)
    first, last = int(np.floor(places[0])) - _MARGIN_PX, int(np.ceil(places[1])) + _MARGIN_PX + 1
    return slice(min(max(first, 0), len(axis)), max(min(last, len(axis)), 0))


def gacos_delays(files: Sequence[at.DatedFile], dates: Epochs, extent: Extent) -> DatedDelays:
    """Return the delay of every date that a map of GACOS is there for: ``YYYYMMDD.ztd`` with ``.rsc``, or GeoTIFF."""

    def find(date: Epoch) -> Found:
        paths = at.files_of_day(files, date)
        if not paths:
            raise ImageError(_NO_FILE)
        path = paths[0]
        found = read_gacos(path)
        if not found.covers(extent.area):
            message = f"{path} does not cover the pixels: ask GACOS for a larger area"
            raise GridError(message)
        return found.delay, [path]

    return _collect(dates, find)


def read_gacos(path: Path) -> DelayMap:
    """Return a map of GACOS; no pixel is read.

    Parameters
    ----------
    path : Path
        Flat floats with ``.rsc`` beside them, or GeoTIFF.

    Raises
    ------
    InputError
        Damaged, cut, without header, or on no grid of degrees.
    """
    if path.suffix.lower() == ".ztd":
        header = path.with_name(f"{path.name}.rsc")
        facts = read_rsc(header)
        shape = rsc_shape(facts, header)
        west, north, wide, tall = (rsc_number(facts, f"{a}_{b}", header) for b in ("FIRST", "STEP") for a in "XY")
        # X_FIRST and Y_FIRST are the centre of the first value
        affine = Affine(wide, 0.0, west - wide / 2, 0.0, tall, north - tall / 2)
        return DelayMap(FlatLayer(path, shape, "<f4"), GeoBox(shape, affine, "EPSG:4326"))
    layer = RasterLayer(path)
    grid = layer.grid
    if grid is None or (grid.crs is not None and not grid.crs.geographic):
        message = f"{path} is not on a grid of degrees: give the map as GACOS delivers it"
        raise ImageError(message)
    return DelayMap(layer, grid)
