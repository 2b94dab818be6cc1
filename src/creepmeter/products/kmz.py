"""A map as pictures on the ground of Google Earth, with colour bar, reference point and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from PIL import Image, ImageDraw

from creepmeter.errors import StoreError
from creepmeter.io.warp import date_line, geographic_grid, resample, window_below
from creepmeter.model.grid import Grid, part_of_grid, pixel_position
from creepmeter.products import kml
from creepmeter.products.kml import LatLonBox
from creepmeter.products.kmz_options import KmzOptions
from creepmeter.products.mapfile import MapFile, MapLayer, Mask, strips
from creepmeter.products.paint import CLEAR, Paint, make_paint
from creepmeter.products.places import Places

Bytes = npt.NDArray[np.uint8]

KMZ = ".kmz"
_SHOWN = (  # attributes that the description tells
    "PROJECT_NAME", "PLATFORM", "mission", "ORBIT_DIRECTION", "relative_orbit", "trackNumber", "START_DATE", "END_DATE",
    "REF_DATE", "REF_LAT", "REF_LON", "WAVELENGTH", "HEADING", "CENTER_INCIDENCE_ANGLE", "PROCESSOR",
)  # fmt: skip
_ICON_PX = 32
_SHORT = 0.5  # a tile is shown once it takes this share of its pixels on the screen


def save_kmz(
    source: str | Path,
    target: str | Path,
    name: str | None = None,
    *,
    options: KmzOptions | None = None,
    mask: str | Path | None = None,
) -> Path:
    """Write a map of a product as KMZ for Google Earth, whole or not at all.

    Parameters
    ----------
    source : path
        Product on a map: in degrees it is laid down as it is, others are brought to longitude and latitude.
    target : path
        Ends in ``.kmz``.
    name : str, optional
        Map and date, such as ``velocity``, ``20180105``, ``20180105_20180117``; default: the main one.
    options : KmzOptions, optional
        Colours, unit, and what else is shown.
    mask : path, optional
        Only pixels where it is nonzero are drawn.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    GridError
        The product is in radar coordinates, or the mask lies elsewhere.
    ConfigError
        There is no such map, unit or colour map.
    """
    options = options or KmzOptions()
    file = MapFile.open(source)
    file.require_map("a KMZ file")
    layer, keep = file.layer(name), file.mask(mask)
    paint = make_paint(layer, keep, options, float(file.dataset.attrs.get("cycle_m", 0.0)))
    picture = _Picture(file.grid, layer, keep, paint)
    path = require_ending(Path(target), KMZ)
    return kml.write_kmz(path, _entries(file, picture))


def require_ending(path: Path, *endings: str) -> Path:
    """Return a path that ends as a format wants it.

    Raises
    ------
    StoreError
        It does not.
    """
    if path.suffix.lower() not in endings:
        message = f"{path}: the name ends in {' or '.join(endings)}, not {path.suffix or 'nothing'!r}"
        raise StoreError(message)
    return path


@dataclass(frozen=True)
class _Tile:
    """A part of a picture: its level (0 = all pixels, each further one halves them) and its grid."""

    level: int
    row: int
    column: int
    grid: Grid

    @property
    def name(self) -> str:
        return f"files/level{self.level}_{self.row}_{self.column}.png"


@dataclass(frozen=True)
class _Picture:
    """A map as tiles of numbers of a palette, on longitude and latitude."""

    source: Grid
    layer: MapLayer
    mask: Mask
    paint: Paint
    target: Grid = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", geographic_grid(self.source))

    def tiles(self) -> Iterator[_Tile]:
        """Yield tiles, from the coarsest level to that of all pixels."""
        edge = self.paint.options.tile_px
        levels = max(int(np.ceil(np.log2(max(self.target.shape) / edge))), 0)
        for level in range(levels, -1, -1):
            grid = _coarser(self.target, 2**level)
            for row in range(0, grid.shape[0], edge):
                rows = slice(row, min(row + edge, grid.shape[0]))
                for number, columns in enumerate(_columns(grid, edge)):
                    yield _Tile(level, row // edge, number, part_of_grid(grid, rows, columns))

    def numbers(self, tile: _Tile) -> Bytes:
        """Return the numbers of the palette of a tile."""
        found = np.full(tile.grid.shape, CLEAR, np.uint8)
        for strip in strips((tile.grid.shape[0], tile.grid.shape[1] * 4**tile.level)):
            part = part_of_grid(tile.grid, strip, slice(0, tile.grid.shape[1]))
            found[strip] = self._strip(part, 2**tile.level)
        return found

    def _strip(self, grid: Grid, step: int) -> Bytes:
        rows, columns = window_below(grid, self.source, margin=step + 2)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return np.full(grid.shape, CLEAR, np.uint8)
        values = np.where(self.mask.read(rows, columns), self.layer.floats(rows, columns), np.nan)
        here = part_of_grid(self.source, rows, columns)
        if step > 1 or self.target is not self.source:
            values = resample(values.astype(np.float32), here, _within(grid), "nearest").astype(np.float64)
            return self.paint.numbers(values)
        column, row = pixel_position(here, grid.affine.c, grid.affine.f, grid.crs)
        top, left = round(float(row)), round(float(column))
        return self.paint.numbers(values[top : top + grid.shape[0], left : left + grid.shape[1]])


def _coarser(grid: Grid, factor: int) -> Grid:
    rows, columns = (-(-size // factor) for size in grid.shape)
    a, b, c, d, e, f = grid.affine[:6]
    return GeoBox((rows, columns), Affine(a * factor, b * factor, c, d * factor, e * factor, f), grid.crs)


def _within(grid: Grid) -> Grid:
    """Return a grid of longitude and latitude moved by whole turns to between -180 and 180 degrees."""
    a, b, c, d, e, f = grid.affine[:6]
    turns = np.floor((c + a * grid.shape[1] / 2 + 180.0) / 360.0)
    return GeoBox(grid.shape, Affine(a, b, c - 360.0 * turns, d, e, f), grid.crs)


def _columns(grid: Grid, edge: int) -> Iterator[slice]:
    """Cut the columns of a grid into tiles, also at the meridian of 180 degrees, which none may cross."""
    seam = round((date_line(grid.affine.c) - grid.affine.c) / grid.affine.a)
    ends = [0, *([seam] if 0 < seam < grid.shape[1] else []), grid.shape[1]]
    for first, last in pairwise(ends):
        for column in range(first, last, edge):
            yield slice(column, min(column + edge, last))


def box_of(grid: Grid) -> LatLonBox:
    """Return the outer edges of a grid of longitude and latitude, between -180 and 180 degrees."""
    west, north = grid.affine.c, grid.affine.f
    wide = grid.shape[1] * grid.affine.a
    west -= 360.0 * np.floor((west + wide / 2 + 180.0) / 360.0)
    # a pixel that 180 degrees run through is cut by less than half of it
    return LatLonBox(north, north + grid.shape[0] * grid.affine.e, min(west + wide, 180.0), max(west, -180.0))


def _entries(file: MapFile, picture: _Picture) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a KMZ: the document, and after it the pictures one by one."""
    tiles = list(picture.tiles())
    top = tiles[0].level
    root, inner = kml.document(
        f"{file.path.stem} {picture.layer.title}", description(file, picture.layer, picture.paint)
    )
    mark = _reference_place(file) if picture.paint.options.mark_reference else None
    if mark is not None:
        kml.icon_style(inner, "reference", "files/reference.png", scale=0.6)
    kml.screen_picture(inner, "colour bar", "files/colour_bar.png")
    for tile in tiles:
        overlay = kml.ground_picture(inner, picture.layer.title, tile.name, box_of(tile.grid), order=top - tile.level)
        if tile.level < top:
            _region_of(overlay, tile)
    if mark is not None:
        _add_reference(inner, file, mark)
    yield "doc.kml", kml.text_of(root)
    yield "files/colour_bar.png", picture.paint.bar()
    if mark is not None:
        yield "files/reference.png", _square_icon()
    for tile in tiles:
        yield tile.name, picture.paint.png(picture.numbers(tile))


def _region_of(overlay: kml.Element, tile: _Tile) -> None:
    """Show a tile of a finer level only when it is looked at closely."""
    item = kml.Element("Region")
    box_of(tile.grid).put(item, "LatLonAltBox")
    lod = kml.add(item, "Lod")
    kml.add(lod, "minLodPixels", kml.number(max(tile.grid.shape) * _SHORT))
    kml.add(lod, "maxLodPixels", "-1")
    overlay.insert(1, item)  # before drawOrder and Icon, as the schema wants it


def description(file: MapFile, layer: MapLayer, paint: Paint) -> str:
    """Return what is known of a map, as a table for its description."""
    rows = {
        "map": layer.title,
        "unit": paint.unit,
        "colours": f"{paint.low:.4g} to {paint.high:.4g}",
        "pixels": f"{file.shape[0]} x {file.shape[1]}",
        "source": file.path.name,
    }
    rows |= {name: file.attributes[name] for name in _SHOWN if file.attributes.get(name, "") not in ("", "None")}
    return kml.table(rows)


def _reference_place(file: MapFile) -> tuple[float, float] | None:
    """Return longitude and latitude of the reference pixel."""
    pixel = file.reference()
    if pixel is None:
        return None
    longitude, latitude = Places(file.grid).of(np.array([pixel[1]]), np.array([pixel[0]]))
    return float(longitude[0]), float(latitude[0])


def _add_reference(parent: kml.Element, file: MapFile, position: tuple[float, float]) -> None:
    mark = kml.add(parent, "Placemark")
    kml.add(mark, "name", "reference point")
    rows = {"longitude": f"{position[0]:.6f}", "latitude": f"{position[1]:.6f}"}
    rows |= {name: file.attributes[name] for name in ("REF_Y", "REF_X") if name in file.attributes}
    kml.add(mark, "description", kml.table(rows))
    kml.add(mark, "styleUrl", "#reference")
    kml.place(mark, *position)


def _square_icon() -> bytes:
    """Return a black square in a white frame."""
    picture = Image.new("RGBA", (_ICON_PX, _ICON_PX), (255, 255, 255, 255))
    ImageDraw.Draw(picture).rectangle((4, 4, _ICON_PX - 5, _ICON_PX - 5), fill=(0, 0, 0, 255))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def dot_icon() -> bytes:
    """Return a white disc with a thin dark rim, which Google Earth tints."""
    large = Image.new("RGBA", (4 * _ICON_PX, 4 * _ICON_PX), (0, 0, 0, 0))
    ImageDraw.Draw(large).ellipse(
        (2, 2, 4 * _ICON_PX - 3, 4 * _ICON_PX - 3), (255, 255, 255, 255), (70, 70, 70, 255), 8
    )
    buffer = BytesIO()
    large.resize((_ICON_PX, _ICON_PX), Image.Resampling.LANCZOS).save(buffer, "PNG")
    return buffer.getvalue()
