"""A series in Google Earth: points in the colour of their velocity, with a chart each, more of them from nearby."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.products import kml
from creepmeter.products.balloon import balloon_text, chart_data
from creepmeter.products.beside import TEMPORAL_COHERENCE, VELOCITY, beside
from creepmeter.products.kml import LatLonBox
from creepmeter.products.kmz import KMZ, description, dot_icon, require_ending
from creepmeter.products.kmz_options import KmzOptions, KmzSeriesOptions
from creepmeter.products.mapfile import MapFile, MapLayer, Mask, require_series
from creepmeter.products.paint import COLOURS, Paint, make_paint
from creepmeter.products.places import Places, places_of

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_POINTS = 24  # along the edge of a part of the map
_BINS = 17  # colours of points
_MM = 1000.0
_TINTED = 0.35  # scale of the icons
_THIRD = 2
_HALF_TURN = 180.0


@dataclass(frozen=True)
class SeriesFiles:
    """A series and the maps that say more of its points; all on one grid.

    Parameters
    ----------
    series : Path
        Displacement.
    velocity, coherence : Path or None
        Velocity, for the colours, and temporal coherence; by default those beside the series.
    mask : Path or None
        Only pixels where it is nonzero are shown.
    geometry : Path or None
        Heights, and in radar coordinates latitude and longitude.
    """

    series: Path
    velocity: Path | None = None
    coherence: Path | None = None
    mask: Path | None = None
    geometry: Path | None = None


def save_kmz_series(files: SeriesFiles, target: str | Path, options: KmzSeriesOptions | None = None) -> Path:
    """Write a series as KMZ: a point every so many pixels, its chart in its balloon; whole or not at all.

    Charts are drawn in SVG from numbers in the file: Google Earth needs no network for them. Parts of the map are read
    when they are looked at; points of a finer level come on top of those of the coarser ones.

    Parameters
    ----------
    files : SeriesFiles
        What is shown.
    target : path
        Ends in ``.kmz``.
    options : KmzSeriesOptions, optional
        Points, levels of detail, colours.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        This is no series, or it has no velocity or no positions.
    GridError
        The files do not lie on one grid.
    """
    options = options or KmzSeriesOptions()
    path = require_ending(Path(target), KMZ)
    points = _open(files, options)
    return kml.write_kmz(path, _entries(points, options))


@dataclass(frozen=True)
class _Points:
    """What is known of the points."""

    file: MapFile
    name: str
    velocity: MapLayer
    speeds: npt.NDArray[np.float32]  # as stored; NaN = not shown
    paint: Paint
    coherence: MapLayer | None
    height: MapLayer | None
    places: Places

    def position(self, row: int, columns: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Return longitudes and latitudes of the centres of pixels."""
        first, last = int(columns[0]), int(columns[-1]) + 1
        found = self.places.at(slice(row, row + 1), slice(first, last))
        longitude, latitude = (values[0, columns - first] for values in found)
        return longitude, latitude


def _open(files: SeriesFiles, options: KmzSeriesOptions) -> _Points:
    file = MapFile.open(files.series)
    name = require_series(file)
    velocity = file.beside(_required(files.velocity or beside(files.series, VELOCITY), "velocity", "--vel")).layer()
    mask = file.mask(files.mask)
    coherence = files.coherence or beside(files.series, TEMPORAL_COHERENCE)
    geometry = None if files.geometry is None else file.beside(files.geometry)
    height = geometry.layer("height") if geometry is not None and "height" in geometry.arrays else None
    span = {"vmin": options.vmin, "vmax": options.vmax, "cmap": options.cmap, "label": "velocity"}
    wrap = {"wrap": True, "wrap_range": (options.vmin, options.vmax)} if options.wrap else {}
    paint = make_paint(velocity, mask, KmzOptions.model_validate(span | wrap))
    return _Points(
        file, name, velocity, _speeds(velocity, mask), paint,
        file.beside(coherence).layer() if coherence.is_file() else None, height, places_of(file, geometry),
    )  # fmt: skip


def _required(path: Path, what: str, flag: str) -> Path:
    if not path.exists():
        message = f"{path} is missing: the colours need the {what}, give it with {flag}"
        raise InputError(message)
    return path


def _speeds(velocity: MapLayer, mask: Mask) -> npt.NDArray[np.float32]:
    whole = slice(None)
    return np.where(mask.read(whole, whole), velocity.read(), np.nan).astype(np.float32)


@dataclass(frozen=True)
class _Part:
    """A part of the map at one level: its name, its first row and column, and its points."""

    level: int
    row: int
    column: int
    edge: int
    chosen: Bools

    @property
    def name(self) -> str:
        return f"level{self.level + 1}_{self.row // self.edge}_{self.column // self.edge}.kml"

    @property
    def window(self) -> tuple[slice, slice]:
        rows, columns = self.chosen.shape
        return slice(self.row, self.row + rows), slice(self.column, self.column + columns)


def _parts(points: _Points, options: KmzSeriesOptions) -> list[_Part]:
    """Choose the points of each part and level: none twice, and at the third level only where the ground moves."""
    valid = np.isfinite(points.speeds)
    moving = _moving(points.speeds, options.cutoff)
    taken = np.zeros(valid.shape, bool)
    found = []
    for level, step in enumerate(options.steps):
        if step == 0:
            continue
        edge = step * _POINTS
        for row in range(0, valid.shape[0], edge):
            for column in range(0, valid.shape[1], edge):
                part = slice(row, row + edge), slice(column, column + edge)
                chosen = np.zeros(valid[part].shape, bool)
                chosen[step // 2 :: step, step // 2 :: step] = True
                chosen &= valid[part] & ~taken[part]
                still = level == _THIRD and moving[part].mean() < options.min_percentage
                if chosen.any() and not still:
                    taken[part] |= chosen
                    found.append(_Part(level, row, column, edge, chosen))
    return found


def _moving(speeds: npt.NDArray[np.float32], cutoff: float) -> Bools:
    known = speeds[np.isfinite(speeds)]
    if known.size == 0:
        return np.zeros(speeds.shape, bool)
    middle = np.median(known)
    spread = np.median(np.abs(known - middle))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(speeds - middle) >= cutoff * spread)


def _entries(points: _Points, options: KmzSeriesOptions) -> Iterator[tuple[str, bytes]]:
    parts = _parts(points, options)
    root, inner = kml.document(
        f"{points.file.path.stem} series", description(points.file, points.velocity, points.paint)
    )
    kml.screen_picture(inner, "colour bar", "files/colour_bar.png")
    for part in parts:
        link = kml.add(inner, "NetworkLink")
        kml.add(link, "name", part.name.removesuffix(".kml"))
        _region(link, points, part, options)
        target = kml.add(link, "Link")
        kml.add(target, "href", part.name)
        kml.add(target, "viewRefreshMode", "onRegion")
    yield "doc.kml", kml.text_of(root)
    yield "files/colour_bar.png", points.paint.bar()
    yield "files/dot.png", dot_icon()
    for part in parts:
        yield part.name, _document(points, part)


def _region(link: kml.Element, points: _Points, part: _Part, options: KmzSeriesOptions) -> None:
    """Show a part from the zoom on that its level has: sizes of the whole map become those of the part."""
    share = max(part.chosen.shape) / max(points.file.shape)
    least, most = options.lods[part.level], options.lods[-1]
    kml.region(link, _box(points, part), least * share, most if most < 0 else most * share)


def _box(points: _Points, part: _Part) -> LatLonBox:
    """Return the outline of the points of a part."""
    rows, columns = (
        part.row + np.flatnonzero(part.chosen.any(axis=1)),
        part.column + np.flatnonzero(part.chosen.any(axis=0)),
    )
    found = [points.position(int(row), columns) for row in (rows[0], rows[len(rows) // 2], rows[-1])]
    longitude, latitude = (np.concatenate([pair[k] for pair in found]) for k in (0, 1))
    if np.nanmax(longitude) - np.nanmin(longitude) > _HALF_TURN:  # of a part across 180 degrees the larger side
        east = longitude > 0
        longitude = longitude[east if np.mean(east) >= 0.5 else longitude < 0]  # noqa: PLR2004
    spare = 1e-4
    return LatLonBox(
        float(np.nanmax(latitude)) + spare, float(np.nanmin(latitude)) - spare,
        float(np.nanmax(longitude)) + spare, float(np.nanmin(longitude)) - spare,
    )  # fmt: skip


def _document(points: _Points, part: _Part) -> bytes:
    """Return the placemarks of a part, read row by row."""
    root, inner = kml.document(part.name.removesuffix(".kml"))
    times = points.file.dataset["time"].values
    facts = [name for name, layer in _facts(points) if layer is not None]
    text = balloon_text(times, points.file.labels(points.name), ["velocity", *facts, "position", "pixel"])
    rows, columns = part.window
    shown = points.paint.numbers(points.speeds[rows, columns].astype(np.float64)).astype(int) * _BINS // COLOURS
    for number in np.unique(shown[part.chosen]):
        red, green, blue, _ = points.paint.colours((number + 0.5) / _BINS)
        style = kml.icon_style(inner, f"c{number}", "files/dot.png", tint=kml.colour(red, green, blue), scale=_TINTED)
        kml.add(kml.add(style, "BalloonStyle"), "text", text)
    for k in np.flatnonzero(part.chosen.any(axis=1)):
        _add_row(
            inner, points, int(rows.start + k), columns.start + np.flatnonzero(part.chosen[k]), shown[k, part.chosen[k]]
        )
    return kml.text_of(root)


def _facts(points: _Points) -> tuple[tuple[str, MapLayer | None], ...]:
    return ("coherence", points.coherence), ("height", points.height)


def _add_row(
    parent: kml.Element, points: _Points, row: int, columns: npt.NDArray[np.intp], colours: npt.NDArray[np.int64]
) -> None:
    first, last = int(columns[0]), int(columns[-1]) + 1
    line = slice(row, row + 1), slice(first, last)
    series = np.asarray(points.file.arrays[points.name][:, line[0], line[1]].values, np.float64)[:, 0] * _MM
    more = {name: layer.floats(*line)[0] for name, layer in _facts(points) if layer is not None}
    longitude, latitude = points.position(row, columns)
    times = points.file.dataset["time"].values
    for k, column in enumerate(columns):
        if not np.isfinite(longitude[k]):
            continue
        speed = float(points.speeds[row, column]) * points.paint.factor
        mark = kml.add(parent, "Placemark")
        kml.add(mark, "name", f"{speed:.2f} {points.paint.unit}")
        kml.add(mark, "styleUrl", f"#c{colours[k]}")
        told = {"velocity": f"{speed:.2f} {points.paint.unit}"}
        told |= {name: _fact(name, float(values[column - first])) for name, values in more.items()}
        told |= {"position": f"{latitude[k]:.5f}, {longitude[k]:.5f}", "pixel": f"row {row}, column {column}"}
        kml.data(mark, told | dict(chart_data(times, series[:, column - first])))
        kml.place(mark, float(longitude[k]), float(latitude[k]))


def _fact(name: str, value: float) -> str:
    return f"{value:.0f} m" if name == "height" else f"{value:.2f}"
