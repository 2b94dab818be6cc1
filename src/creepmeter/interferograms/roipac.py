"""Reader of ROI_PAC: .rsc headers, little-endian binary files with amplitude and phase by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import InputError
from creepmeter.interferograms.attributes import RadarFacts, grid_attributes
from creepmeter.interferograms.catalogue import (
    Catalogue,
    Interferogram,
    Report,
    assemble,
    matching,
    one_file,
    require_matching,
)
from creepmeter.interferograms.companions import (
    Companions,
    LostLayers,
    Placed,
    geometry_files,
    is_geotiff,
    known_layer,
    on_grid,
    place_of,
    require_dates,
    turned_note,
)
from creepmeter.interferograms.header_text import number_in
from creepmeter.interferograms.layers import Scaled
from creepmeter.interferograms.line_of_sight import (
    Turned,
    constant_angle,
    part_of,
    platform_in,
)
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, dates_in
from creepmeter.interferograms.rsc import read_rsc, rsc_number, rsc_shape
from creepmeter.io.layers import FlatLayer, Layer, RasterLayer
from creepmeter.model.grid import Grid, same_grid
from creepmeter.model.line_of_sight import los_azimuth
from creepmeter.model.pair import Pair

_PAIR_BYTES = 8  # amplitude and phase, or a complex value
_ONE_BAND = {1: "u1", 2: "<i2", 4: "<f4"}
_BASELINE = ("P_BASELINE_TOP_HDR", "P_BASELINE_BOTTOM_HDR")
_KEPT = (
    *(f"{axis}_REF{corner}" for axis in ("LAT", "LON") for corner in (1, 2, 3, 4)),
    "POLARIZATION", "PRF", "NCORRLOOKS", "BEAM_MODE", "FIRST_FRAME", "LAST_FRAME", "TIME_SPAN_YEAR", "DATE12",
)  # fmt: skip


@dataclass(frozen=True)
class _Header:
    """A header, where it came from, and what it says of size and place."""

    path: Path
    values: dict[str, str]
    shape: tuple[int, int]
    grid: Grid | None

    def optional(self, *keys: str) -> float | None:
        """Return the first number that one of the keywords gives."""
        return next((rsc_number(self.values, key, self.path) for key in keys if key in self.values), None)


def _header_of(path: Path) -> _Header:
    header = path.with_name(f"{path.name}.rsc")
    values = read_rsc(header)
    shape = rsc_shape(values, header)
    return _Header(header, values, shape, _grid(values, shape, header))


def _grid(values: dict[str, str], shape: tuple[int, int], path: Path) -> Grid | None:
    if "Y_FIRST" not in values:
        return None
    west, north, right, down = (rsc_number(values, key, path) for key in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"))
    return GeoBox(shape, Affine(right, 0.0, west, 0.0, down, north), _system(values, path))


def _system(values: dict[str, str], path: Path) -> str:
    if "EPSG" in values:
        return f"EPSG:{int(number_in(values['EPSG'], f'{path}: EPSG'))}"
    units = values.get("X_UNIT", "degrees").lower()
    projection = values.get("PROJECTION", "").upper()
    zone = values.get("UTM_ZONE", projection.removeprefix("UTM") if projection.startswith("UTM") else "").upper()
    if zone:
        south = zone.endswith("S") or (zone.isdigit() and values.get("LAT_REF1", "").startswith("-"))
        return f"EPSG:{(32700 if south else 32600) + int(number_in(zone.rstrip('NS'), f'{path}: zone'))}"
    if not units.startswith("deg"):
        message = f"{path}: X_UNIT is {units} and no EPSG, UTM_ZONE or PROJECTION tells the reference system: add EPSG"
        raise InputError(message)
    return "EPSG:4326"


class _Reader:
    """Opens files of one project."""

    def __init__(self, options: LoadOptions, base: Path, report: Report, files: list[Path]) -> None:
        self.options, self.base, self.report = options, base, report
        self.companions = Companions.of(options, base, report)
        self.files = files
        self.baselines = _baseline_files(options, base, files)
        self.headers: dict[Path, _Header] = {}
        self.lost = LostLayers()
        self.backward = 0

    def header(self, path: Path, siblings: list[Path]) -> _Header:
        """Return the header of a file; a missing one is that of the siblings of the same length, if these agree."""
        if path.with_name(f"{path.name}.rsc").exists():
            self.headers[path] = _header_of(path)
            return self.headers[path]
        size = path.stat().st_size
        others = [
            other
            for other in siblings
            if other.with_name(f"{other.name}.rsc").exists() and other.stat().st_size == size
        ]
        found = [_header_of(other) for other in others]
        if not found or any((one.shape, one.grid) != (found[0].shape, found[0].grid) for one in found):
            message = f"{path} has no header {path.name}.rsc, and no other file of {size} bytes tells its size: add it"
            raise InputError(message)
        self.report.note(
            f"{path.name} has no header {path.name}.rsc: size and place are taken from {found[0].path.name}, "
            f"whose file has the same {size} bytes"
        )
        general = {key: value for key, value in found[0].values.items() if not key.startswith(("DATE", "P_BASE"))}
        self.headers[path] = _Header(found[0].path, general, found[0].shape, found[0].grid)
        return self.headers[path]

    def interferogram(self, path: Path) -> Interferogram:
        """Return one interferogram with what belongs to it."""
        dates, grid = self._dates(path), None
        layers: dict[str, Layer] = {}
        if is_geotiff(path):
            raster = RasterLayer(path)
            grid, phase = place_of(raster), Scaled(raster, nodata=raster.nodata)
        else:
            header = self.header(path, self.files)
            _require_no_half(path, self.files)
            grid, phase = header.grid, Scaled(_last_band(path, header.shape))
        self.backward += dates.backward
        layers["unwrapPhase"] = Scaled(phase, dates.sign, nodata=np.nan)
        for name, file, own in self.companions.of_pair(dates.pair):
            layer = self.lost.attempt(name, partial(self._companion, name, file, own))
            if layer is not None:
                layers[name] = layer
        return Interferogram(dates.pair, layers, self._bperp(path, dates), path.name, grid)

    def _dates(self, path: Path) -> DatePair:
        named = require_dates(path, self.options)
        header = path.with_name(f"{path.name}.rsc")
        written = dates_in(read_rsc(header).get("DATE12", "")) if header.exists() else None
        if written is not None and written.pair != named.pair:
            message = f"its name says {named.pair}, DATE12 of {header.name} says {written.pair}: correct one of them"
            raise InputError(message)
        return written or named

    def _companion(self, name: str, path: Path, dates: DatePair) -> Layer:
        if is_geotiff(path):
            raster = RasterLayer(path)
            layer: Layer = Scaled(raster, nodata=raster.nodata)
            return Scaled(layer, dates.sign) if name == "wrapPhase" else layer
        siblings = [file for file, _ in self.companions.files[name].values()]
        _require_no_half(path, siblings)
        shape = self.header(path, [*siblings, *self.files]).shape
        if name == "wrapPhase":
            return Scaled(part_of(FlatLayer(path, shape, "<c8"), "angle"), dates.sign)
        layer = _last_band(path, shape)
        return layer if name == "connectComponent" else Scaled(layer, nodata=np.nan)

    def _bperp(self, path: Path, dates: DatePair) -> float:
        """Return the baseline of a pair from its own header, or from ``*_baseline.rsc``; NaN when there is none."""
        header = self.headers.get(path)
        values = {} if header is None else header.values
        source, sign = path, dates.sign
        if not any(key in values for key in _BASELINE) and dates.pair in self.baselines:
            source, own = self.baselines[dates.pair]
            values, sign = read_rsc(source), own.sign
        ends = [rsc_number(values, key, source) for key in _BASELINE if key in values]
        return sign * sum(ends) / len(ends) if ends else nan

    def geometry(self, first: Interferogram, header: _Header | None) -> tuple[dict[str, Layer], Catalogue | None]:
        """Return the layers of the geometry on the interferograms' grid, and the lookup table on another one."""
        layers: dict[str, Layer] = {}
        for name, path in geometry_files(self.options, self.base, self.report, tables=False):
            layer = self._attempt(name, path)
            if isinstance(layer, RasterLayer):
                layer = Placed(known_layer(layer, name), layer.grid)
            if layer is not None:
                layers[name] = on_grid(layer, first.grid, self.report, name)
        for name in {"incidenceAngle", "azimuthAngle"} & set(layers):
            layers[name] = Turned(layers[name])
        lookup = self._lookup(first.grid, layers)
        if header is not None:
            self._implied(layers, first, header)
        return layers, lookup

    def _attempt(self, name: str, path: Path) -> Layer | None:
        try:
            if is_geotiff(path):
                return RasterLayer(path)
            header = _header_of(path)
            return Placed(_last_band(path, header.shape), header.grid)
        except InputError as problem:
            self.report.note(f"{name} is not loaded: {problem}")
            return None

    def _lookup(self, target: Grid | None, layers: dict[str, Layer]) -> Catalogue | None:
        path = one_file(self.options.lookup_y_file, self.base, self.report, "lookup_y_file")
        if path is None:
            return None
        try:
            header = _header_of(path)
            bands = [FlatLayer(path, header.shape, "<f4", bands=2, band=band) for band in (0, 1)]
        except InputError as problem:
            self.report.note(f"lookup table is not loaded: {problem}")
            return None
        table: dict[str, Layer] = {"rangeCoord": bands[0], "azimuthCoord": bands[1]}
        if header.grid is None or (target is not None and same_grid(target, header.grid)):
            layers.update(table)
            return None
        return Catalogue((), table, header.shape, header.grid, grid_attributes(header.grid))

    def _implied(self, layers: dict[str, Layer], first: Interferogram, header: _Header) -> None:
        """Add the azimuth angle that a full header implies."""
        heading = header.optional("HEADING", "HEADING_DEG")
        if "azimuthAngle" not in layers and heading is not None:
            angle = los_azimuth(heading, right_looking=_side(header) < 0)
            layers["azimuthAngle"] = constant_angle(angle, first.shape, "azimuth angle")


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what is there of a ROI_PAC project; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``unw_file`` is needed. Every file has its header ``FILE.rsc``; that of an interferogram may be missing when
        another one of the same length has one. Baselines come from ``*_baseline.rsc`` beside the files or in
        ``baseline_dir``. Short headers leave looks and orbit open, which is noted.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No interferogram can be used, or no header tells the wavelength.
    """
    report = Report()
    files = require_matching(options.unw_file, base, "unw_file")
    files = [path for path in files if path.suffix != ".rsc"]
    reader = _Reader(options, base, report, files)
    found = [one for path in files if (one := report.attempt(path.name, partial(reader.interferogram, path)))]
    turned_note(reader.backward, report)
    reader.lost.tell(report)
    if found and all(np.isnan(one.bperp) for one in found):
        report.note("no pair has a baseline (*_baseline.rsc): an error of the heights cannot be estimated")
    first = min(found, key=lambda one: one.pair, default=None)
    header = (
        next((reader.headers[path] for path in files if first is not None and path.name == first.name), None)
        if reader.headers
        else None
    )
    attributes = _attributes(header, options, report, files[0]) if found else {}
    geometry: dict[str, Layer] = {}
    lookup = None
    if first is not None:
        geometry, lookup = reader.geometry(first, header)
        attributes |= grid_attributes(first.grid) if first.grid is not None else {}
    return assemble(found, geometry, attributes, report, lookup=lookup)


def _require_no_half(path: Path, siblings: Sequence[Path]) -> None:
    """Raise where a file has half the bytes that most have: it would pass for one band instead of two.

    Raises
    ------
    InputError
        It has.
    """
    size = path.stat().st_size
    usual, _ = Counter(other.stat().st_size for other in siblings if other.is_file()).most_common(1)[0]
    if usual == 2 * size:
        message = f"{path} has {size} bytes, half of the {usual} that most files of its kind have: it is cut"
        raise InputError(message)


def _last_band(path: Path, shape: tuple[int, int]) -> FlatLayer:
    """Return the second of two float32 bands by line, or the only band, as the length of the file says."""
    pixels = shape[0] * shape[1]
    size = path.stat().st_size if path.is_file() else 0
    each = size // pixels if size % pixels == 0 else 0
    if each == _PAIR_BYTES or each not in _ONE_BAND:  # an impossible length is refused there, by name
        return FlatLayer(path, shape, "<f4", bands=2, band=1)
    return FlatLayer(path, shape, _ONE_BAND[each])


def _baseline_files(options: LoadOptions, base: Path, files: list[Path]) -> dict[Pair, tuple[Path, DatePair]]:
    given = matching(options.baseline_dir, base)
    folders = dict.fromkeys([*(path for path in given if path.is_dir()), *(path.parent for path in files)])
    named = [path for path in given if path.is_file()]
    named += [
        path
        for folder in folders
        for path in sorted(folder.rglob("*baseline*.rsc") if folder in given else folder.glob("*baseline*.rsc"))
    ]
    found: dict[Pair, tuple[Path, DatePair]] = {}
    for path in named:
        dates = dates_in(path.name)
        if dates is not None:
            found.setdefault(dates.pair, (path, dates))
    return found


def _side(header: _Header) -> int:
    side = header.optional("ANTENNA_SIDE")
    return -1 if side is None or side < 0 else 1


def _attributes(header: _Header | None, options: LoadOptions, report: Report, file: Path) -> dict[str, str]:
    """Return MintPy's attributes, whose names are those of a full ROI_PAC header."""
    wavelength = options.wavelength_m or (None if header is None else header.optional("WAVELENGTH"))
    if not wavelength:
        message = f"the header of {file.name} has no WAVELENGTH: give wavelength_m"
        raise InputError(message)
    if header is None:
        return RadarFacts("roipac", wavelength).attributes()
    missing = [key for key in ("ALOOKS", "RLOOKS", "HEIGHT", "STARTING_RANGE", "HEADING") if key not in header.values]
    if missing:
        report.note(
            f"the header {header.path.name} is short, it lacks {', '.join(missing)}: looks that are missing are taken "
            "as 1, slant range and angles as unknown"
        )
    facts = RadarFacts(
        processor="roipac",
        wavelength_m=wavelength,
        azimuth_looks=int(header.optional("ALOOKS") or 1),
        range_looks=int(header.optional("RLOOKS") or 1),
        azimuth_pixel_m=header.optional("AZIMUTH_PIXEL_SIZE"),
        range_pixel_m=header.optional("RANGE_PIXEL_SIZE"),
        starting_range_m=header.optional("STARTING_RANGE", "STARTING_RANGE1"),
        height_m=header.optional("HEIGHT"),
        earth_radius_m=header.optional("EARTH_RADIUS"),
        heading_deg=header.optional("HEADING", "HEADING_DEG"),
        orbit_direction=header.values.get("ORBIT_DIRECTION"),
        platform=platform_in(header.values.get("PLATFORM", "")),
        antenna_side=_side(header),
        centre_line_utc_s=header.optional("CENTER_LINE_UTC"),
        extra={key: header.values[key] for key in _KEPT if key in header.values},
    )
    return facts.attributes()
