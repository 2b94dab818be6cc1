"""Points with what was measured at each: GeoPackage for QGIS and InSAR Explorer, and CSV."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.io.points import table_cell
from creepmeter.io.vectorwriter import write_points
from creepmeter.model.grid import map_position, system_of
from creepmeter.products.beside import TEMPORAL_COHERENCE, VELOCITY, beside
from creepmeter.products.kmz import require_ending
from creepmeter.products.mapfile import WHOLE, MapFile, MapLayer, Mask, require_series, strips
from creepmeter.products.places import DEGREES, Places, places_of
from creepmeter.products.scale import factor_between
from creepmeter.products.whole import whole_file

GPKG, CSV = ".gpkg", ".csv"
_MOST_COLUMNS = 1990  # of a table in SQLite
_CODE_DIGITS = 8
Columns = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class PointOptions:
    """Which points are written.

    Parameters
    ----------
    mask : path, optional
        Only pixels where it is nonzero.
    rows, columns : slice
        Window of the map.
    step : int
        Every so many pixels, along both axes.
    zero_first : bool
        Displacement is relative to the first date.
    """

    mask: str | Path | None = None
    rows: slice = field(default_factory=lambda: WHOLE)
    columns: slice = field(default_factory=lambda: WHOLE)
    step: int = 1
    zero_first: bool = False


def save_geopackage(
    series: str | Path,
    target: str | Path,
    *,
    geometry: str | Path | None = None,
    velocity: str | Path | None = None,
    coherence: str | Path | None = None,
    options: PointOptions | None = None,
) -> Path:
    """Write a series as points with one column for each date, as QGIS and InSAR Explorer show it.

    Fields are those of MintPy and PS programs: CODE, HEIGHT, H_STDEV (metres), VEL, V_STDEV (mm/year), COHERENCE,
    EFF_AREA, and ``D20180105`` for each date (mm); those whose file is not there are left out.

    Parameters
    ----------
    series : path
        Series.
    target : path
        Ends in ``.gpkg``.
    geometry : path, optional
        Heights; in radar coordinates also latitude and longitude.
    velocity, coherence : path, optional
        Default: those beside the series.
    options : PointOptions, optional
        Which points.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        This is no series, it has no positions, or no point is left.
    """
    options = options or PointOptions()
    path = require_ending(Path(target), GPKG)
    file = MapFile.open(series)
    name = require_series(file)
    about = None if geometry is None else file.beside(geometry)
    labels = file.labels(name)
    if len(labels) > _MOST_COLUMNS:
        message = f"{series} has {len(labels)} dates, a GeoPackage holds {_MOST_COLUMNS} columns: cut it first"
        raise InputError(message)
    scale = factor_between(_unit(file, name), "mm")
    maps = _fields(file, about, velocity, coherence)
    points = _Points(file, places_of(file, about), file.mask(options.mask), options)
    parts = (
        _with_code(start, position, values | _dates(series_part, labels, scale, zero_first=options.zero_first))
        for start, position, values, series_part in points.parts(maps, name)
    )
    write_points(path, parts, DEGREES, layer="points", what=str(series))
    return path


def _unit(file: MapFile, name: str) -> str:
    return str(file.arrays[name].attrs.get("units", "m"))


def _fields(
    file: MapFile, about: MapFile | None, velocity: str | Path | None, coherence: str | Path | None
) -> dict[str, tuple[MapLayer, float]]:
    """Return maps and factors of the fields whose files are there."""
    found: dict[str, tuple[MapLayer, float]] = {}
    if about is not None and "height" in about.arrays:
        found["HEIGHT"] = about.layer("height"), 1.0
    speeds = Path(velocity) if velocity is not None else beside(file.path, VELOCITY)
    if speeds.exists():
        other = file.beside(speeds)
        layer = other.layer()
        scale = factor_between(layer.unit, "mm/year")
        found["VEL"] = layer, scale
        if f"{layer.name}Std" in other.arrays:
            found["V_STDEV"] = other.layer(f"{layer.name}Std"), scale
    quality = Path(coherence) if coherence is not None else beside(file.path, TEMPORAL_COHERENCE)
    if quality.exists():
        found["COHERENCE"] = file.beside(quality).layer(), 1.0
    return found


Positions = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
Part = tuple[int, Positions, Columns, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class _Points:
    """Pixels of a product as points, strip by strip."""

    file: MapFile
    places: Places
    mask: Mask
    options: PointOptions

    def parts(self, maps: Mapping[str, tuple[MapLayer, float]], series: str | None) -> Iterator[Part]:
        """Yield number of the first point, positions, values of maps, and values of a series (point, date)."""
        start = 0
        layers = 1 if series is None else len(self.file.labels(series))
        left, right, _ = self.options.columns.indices(self.file.shape[1])
        columns = slice(left, right)
        for rows in self._strips(layers):
            chosen = self._chosen(rows, columns)
            values = {key: layer.floats(rows, columns) * scale for key, (layer, scale) in maps.items()}
            if series is None:
                moved = np.empty((0, *chosen.shape))
                chosen &= np.logical_or.reduce([np.isfinite(item) for item in values.values()])
            else:
                moved = np.asarray(self.file.arrays[series][:, rows, columns].values, np.float64)
                chosen &= np.isfinite(moved).any(axis=0)
            longitude, latitude = self.places.at(rows, columns)
            chosen &= np.isfinite(longitude) & np.isfinite(latitude)
            if chosen.any():
                found: Columns = {key: item[chosen] for key, item in values.items()}
                row, column = np.nonzero(chosen)
                found |= {"row": row + rows.start, "column": column + left}
                yield start, (longitude[chosen], latitude[chosen]), found, moved[:, chosen].T
                start += int(chosen.sum())

    def _strips(self, layers: int) -> list[slice]:
        top, bottom, _ = self.options.rows.indices(self.file.shape[0])
        cut = strips((bottom - top, self.file.shape[1]), layers)
        return [slice(top + part.start, top + part.stop) for part in cut]

    def _chosen(self, rows: slice, columns: slice) -> npt.NDArray[np.bool_]:
        found = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        step, top, _ = self.options.step, *self.options.rows.indices(self.file.shape[0])[:2]
        found[(top - rows.start) % step :: step, ::step] = True
        return found & self.mask.read(rows, columns)


def _dates(
    values: npt.NDArray[np.float64], labels: Sequence[str], scale: float, *, zero_first: bool
) -> dict[str, npt.NDArray[np.generic]]:
    shown = (values - values[:, :1] if zero_first else values) * scale
    return {f"D{label}": shown[:, k] for k, label in enumerate(labels)}


def _with_code(start: int, position: Positions, values: Columns) -> tuple[Positions, Columns]:
    """Return the fields of points in MintPy's order, with a code for each and what it always has."""
    count = len(position[0])
    row, column = values.pop("row"), values.pop("column")
    del row, column
    code = np.array([f"{number:0{_CODE_DIGITS}x}" for number in range(start + 1, start + count + 1)])
    found: Columns = {"CODE": code}
    for key, item in values.items():
        found[key] = item
        if key == "HEIGHT":
            found["H_STDEV"] = np.zeros(count)
        if key == "COHERENCE":
            found["EFF_AREA"] = np.ones(count, np.int32)
    return position, found


def save_csv(
    sources: Sequence[str | Path],
    target: str | Path,
    *,
    names: Sequence[str] = (),
    geometry: str | Path | None = None,
    options: PointOptions | None = None,
) -> Path:
    """Write pixels as CSV, a line each: longitude, latitude, row, column, and what was measured.

    Maps on a projection have x and y as well. Dates of a series are columns such as ``D20180105``. Names that a
    spreadsheet would take for a formula get an apostrophe.

    Parameters
    ----------
    sources : sequence of path
        Products on one grid.
    target : path
        Ends in ``.csv``.
    names : sequence of str
        Maps to write; default: the main one of each product.
    geometry : path, optional
        Latitude and longitude of products in radar coordinates.
    options : PointOptions, optional
        Which points; those without any value are left out.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        No product is given, or no point is left.
    GridError
        The products lie on several grids.
    """
    if not sources:
        message = "no product is given: name at least one"
        raise InputError(message)
    options = options or PointOptions()
    path = require_ending(Path(target), CSV)
    first, *others = sources
    file = MapFile.open(first)
    files = [file, *(file.beside(other) for other in others)]
    maps = _columns(files, names)
    about = None if geometry is None else file.beside(geometry)
    points = _Points(file, places_of(file, about), file.mask(options.mask), options)
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        writer, any_left = csv.writer(out, lineterminator="\n"), False
        writer.writerow(["longitude", "latitude", *_extra(file), "row", "column", *(table_cell(key) for key in maps)])
        for _, position, values, _ in points.parts(maps, None):
            any_left = True
            writer.writerows(_lines(file, position, values, list(maps)))
        if not any_left:
            message = f"{first}: no pixel has a value inside mask and window: nothing to write"
            raise InputError(message)
    return path


def _columns(files: Sequence[MapFile], names: Sequence[str]) -> dict[str, tuple[MapLayer, float]]:
    """Return the maps that are columns; a name that comes twice gets that of its file."""
    found: dict[str, tuple[MapLayer, float]] = {}
    unknown = [name for name in names if not any(name.partition("-")[0] in file.arrays for file in files)]
    if unknown:
        held = ", ".join(name for file in files for name in file.arrays)
        message = f"no product has {', '.join(unknown)}: choose from {held}"
        raise InputError(message)
    for file in files:
        wanted = [name for name in names if name.partition("-")[0] in file.arrays] if names else [file.main]
        for name in wanted:
            layers = file.layers(name) if name in file.arrays else [file.layer(name)]
            for layer in layers:
                key = f"D{layer.label}" if layer.label else layer.name
                found[_unused(found, key, file.path)] = layer, 1.0
    return found


def _unused(taken: Container[str], key: str, path: Path) -> str:
    """Return a name of a column that is not taken: with that of its file, then of its folder, then a number."""
    names = (key, f"{path.stem} {key}", f"{path.parent.name}/{path.stem} {key}")
    numbered = (f"{names[-1]} {number}" for number in itertools.count(2))
    return next(name for name in itertools.chain(names, numbered) if name not in taken)


def _extra(file: MapFile) -> list[str]:
    return ["x", "y"] if file.is_geocoded and not system_of(file.grid).geographic else []


def _lines(file: MapFile, position: Positions, values: Columns, names: Sequence[str]) -> Iterator[list[str]]:
    row, column = (np.asarray(values[key], np.int64) for key in ("row", "column"))
    more: list[list[str]] = [[f"{value:.7f}" for value in axis] for axis in position]
    if _extra(file):
        more += [[f"{value:.2f}" for value in axis] for axis in map_position(file.grid, column + 0.5, row + 0.5)]
    more += [[str(value) for value in axis] for axis in (row, column)]
    more += [[table_cell(value) for value in np.asarray(values[name], np.float64)] for name in names]
    return (list(line) for line in zip(*more, strict=True))
