"""Lists of points: read from tables and vector files, written as tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from pyproj import CRS
from pyproj.exceptions import CRSError

from creepmeter.errors import InputError
from creepmeter.io import swap
from creepmeter.io.tabletext import read_table_text
from creepmeter.io.vector import read_frame
from creepmeter.model.station import GEOGRAPHIC

Floats: TypeAlias = npt.NDArray[np.float64]


TABLES = (".csv", ".txt", ".tsv")
_PLACES = (("x", "y"), ("lon", "lat"), ("longitude", "latitude"))
_DELIMITERS = (",", ";", "\t")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class PointTable:
    """Points and what a file says of each.

    Parameters
    ----------
    x, y : float64 (points,)
        Map coordinates; longitude, latitude in a geographic system.
    crs : str or None
        Their reference system; None = that of the images.
    columns : mapping of str to list of str
        Everything in the file, coordinates included, as it is written there.
    """

    x: Floats
    y: Floats
    crs: str | None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def numbers(self, name: str) -> Floats | None:
        """Return a column as numbers, NaN where it is empty; None if there is no such column.

        Raises
        ------
        InputError
            An entry is not a number.
        """
        if name not in self.columns:
            return None
        return _numbers(self.columns[name], name)


def read_points(path: str | Path, crs: str | None = None) -> PointTable:
    """Read points from a table or a vector file.

    Parameters
    ----------
    path : str or Path
        CSV (comma, semicolon or tab) whose first line names the columns, among them ``x`` and ``y``, or ``lon`` and
        ``lat``; or GeoJSON, GeoPackage, Shapefile, KML, FlatGeobuf.
    crs : str, optional
        Reference system of the coordinates. Default: that of the file; of a table WGS 84 for ``lon`` and ``lat``, and
        that of the images for ``x`` and ``y``.

    Raises
    ------
    InputError
        The file is unreadable, holds no points, lacks a column, or has text for a number; an unknown system.
    """
    system = None if crs is None else system_text(crs)
    if Path(path).suffix.lower() in TABLES:
        return _read_table(path, system)
    frame = read_frame(path, "points")
    shapes = frame.geometry
    if len(shapes) == 0 or any(shape is None or shape.geom_type != "Point" for shape in shapes):
        message = f"{path} must hold points only, one for each feature"
        raise InputError(message)
    names = [str(name) for name in frame.columns if name != frame.geometry.name]
    columns = {name: ["" if value is None else str(value) for value in frame[name]] for name in names}
    x, y = np.asarray(shapes.x, np.float64), np.asarray(shapes.y, np.float64)
    places = {"x": [repr(float(value)) for value in x], "y": [repr(float(value)) for value in y]}
    return PointTable(x, y, system or (None if frame.crs is None else frame.crs.to_wkt()), {**columns, **places})


def system_text(crs: str) -> str:
    """Return the reference system of a code such as ``EPSG:32633`` as WKT.

    Raises
    ------
    InputError
        It is not known.
    """
    try:
        return CRS.from_user_input(crs).to_wkt()
    except CRSError as problem:
        message = f"reference system {crs!r} is not known ({problem}): give a code such as EPSG:32633"
        raise InputError(message) from problem


def system_code(crs: str | None) -> str:
    """Return a reference system as short as it can be written: its EPSG number, else its name; empty for None.

    Examples
    --------
    >>> system_code(system_text("EPSG:32633"))
    'EPSG:32633'
    """
    if crs is None:
        return ""
    known = CRS.from_user_input(crs)
    number = known.to_epsg()
    return known.name if number is None else f"EPSG:{number}"


class Columns(NamedTuple):
    """Entries of a table by the names of its columns, the line of the file of each row, and what stands between."""

    entries: dict[str, list[str]]
    lines: list[int]
    delimiter: str


def read_columns(path: str | Path) -> Columns:
    """Read a table whose first line names its columns: comma, semicolon or tab between them, lines with ``#`` left out.

    Raises
    ------
    InputError
        The file is unreadable, empty or a web page, or a line has another number of entries than the first.
    """
    numbered = list(enumerate(read_table_text(path).splitlines(), start=1))
    numbered = [(line, text) for line, text in numbered if text.strip() and not text.startswith("#")]
    head = numbered[0][1] if numbered else ""
    delimiter = max(_DELIMITERS, key=head.count)
    parsed = csv.reader([text for _, text in numbered], delimiter=delimiter)
    found = [(line, row) for (line, _), row in zip(numbered, parsed, strict=False) if any(row)]
    rows = [row for _, row in found]
    names = [name.strip() for name in rows[0]] if rows else []
    short = next((k for k, row in enumerate(rows) if len(row) != len(names)), None)
    if short is not None:
        message = f"{path}: point {short} has {len(rows[short])} entries, the first line names {len(names)} columns"
        raise InputError(message)
    entries = {name: [row[k].strip() for row in rows[1:]] for k, name in enumerate(names)}
    return Columns(entries, [line for line, _ in found[1:]], delimiter)


def _read_table(path: str | Path, system: str | None) -> PointTable:
    columns = read_columns(path).entries
    lower = {name.lower(): name for name in columns}
    pair = next((pair for pair in _PLACES if set(pair) <= set(lower)), None)
    count = len(next(iter(columns.values()), []))
    if pair is None or count == 0:
        message = (
            f"{path} must have a first line that names the columns, among them x and y or lon and lat, and a line for "
            f"each point; found {count + bool(columns)} line(s), columns {', '.join(columns) or 'none'}"
        )
        raise InputError(message)
    x, y = (_numbers(columns[lower[name]], f"{path}: column {name}") for name in pair)
    return PointTable(x, y, system or (None if pair == ("x", "y") else GEOGRAPHIC), columns)


def _numbers(entries: Sequence[str], name: str) -> Floats:
    values = np.full(len(entries), np.nan)
    for k, entry in enumerate(entries):
        try:
            values[k] = float(entry) if entry else np.nan
        except ValueError as problem:
            message = f"{name}, point {k + 1}: {entry!r} is not a number"
            raise InputError(message) from problem
    return values


def write_table(path: str | Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of one length as CSV, whole or not at all; NaN is left empty.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([table_cell(name) for name in columns])
    writer.writerows(zip(*([table_cell(value) for value in column] for column in columns.values()), strict=True))
    swap.write_text(Path(path), out.getvalue())


def table_cell(value: Any) -> str:  # noqa: ANN401 - text or a number
    """Return the text of a cell: NaN is empty, and no text begins a formula."""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.8g}"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
