"""Reader of GMTSAR: grids of GMT, PRM files, folders named by day of the year counted from 0."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.attributes import RadarFacts, grid_attributes
from creepmeter.interferograms.catalogue import (
    Catalogue,
    Interferogram,
    Report,
    assemble,
    matching,
    require_matching,
)
from creepmeter.interferograms.companions import (
    OPTION_OF,
    LostLayers,
    Placed,
    geometry_files,
    is_geotiff,
    on_grid,
    turned_note,
)
from creepmeter.interferograms.layers import Scaled
from creepmeter.interferograms.line_of_sight import Turned, constant_angle
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, dates_of
from creepmeter.interferograms.prm import BaselineTable, Prm, facts_of, folder_dates, read_baseline_table, read_prm
from creepmeter.io.grd import GrdHeader, GrdLayer, read_grd_header
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.model.grid import Grid
from creepmeter.model.line_of_sight import los_azimuth

_DAY = np.timedelta64(1, "D")
_TWO = 2
_MOST_STEP_DEG = 0.1
_RADAR_GRIDS = ("unwrap.grd", "corr.grd", "phasefilt.grd", "phase.grd")
_TABLE = "baseline_table.dat"


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what is there of a GMTSAR project; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``unw_file`` is needed, such as ``../intf/*/unwrap_ll.grd``. Dates are those of the folder YYYYDDD_YYYYDDD, or
        of the two PRM files in it. ``meta_file`` names the PRM of the master, ``baseline_dir`` the table of baselines
        or its folder.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No interferogram can be used, or no PRM file tells the wavelength.
    """
    report = Report()
    files = require_matching(options.unw_file, base, "unw_file")
    reader = _Reader(options, base, report)
    found = [one for path in files if (one := report.attempt(_label(path), partial(reader.interferogram, path)))]
    turned_note(reader.backward, report)
    reader.lost.tell(report)
    if found and all(np.isnan(one.bperp) for one in found):
        report.note(f"no pair has a baseline ({_TABLE}, baseline_dir): an error of the heights cannot be estimated")
    first = min(found, key=lambda one: one.pair, default=None)
    if first is None:
        return assemble(found, {}, {}, report)
    prm = reader.master(files)
    attributes = _attributes(prm, _looks(files, first.grid), options, report)
    attributes |= grid_attributes(first.grid) if first.grid is not None else {}
    return assemble(found, reader.geometry(first, attributes), attributes, report)


class _Reader:
    """Opens files of one project."""

    def __init__(self, options: LoadOptions, base: Path, report: Report) -> None:
        self.options, self.base, self.report = options, base, report
        self.table = _baseline_table(options, base, report)
        self.companions = {name: self._by_folder(name, option) for name, option in OPTION_OF.items()}
        self.lost = LostLayers()
        self.backward = 0

    def _by_folder(self, name: str, option: str) -> dict[Path, Path]:
        pattern = getattr(self.options, option)
        files = matching(pattern, self.base)
        if pattern and not files:
            self.report.note(f"{option}: no file matches {pattern}, {name} is not loaded")
        return {path.parent: path for path in files}

    def interferogram(self, path: Path) -> Interferogram:
        """Return one interferogram with what lies in its folder."""
        dates = self._dates(path)
        layer, grid = open_grd(path)
        layers: dict[str, Layer] = {"unwrapPhase": Scaled(layer, dates.sign, nodata=np.nan)}
        for name, files in self.companions.items():
            file = files.get(path.parent)
            if file is None:
                continue
            opened = self.lost.attempt(name, partial(open_grd, file))
            if opened is not None:
                factor = dates.sign if name == "wrapPhase" else 1.0
                layers[name] = Scaled(opened[0], factor, nodata=np.nan)
        self.backward += dates.backward
        bperp = float("nan") if self.table is None else self.table.of(dates.pair)
        return Interferogram(dates.pair, layers, bperp, _label(path), grid)

    def _dates(self, path: Path) -> DatePair:
        """Return the dates of a folder, checked against the PRM files in it."""
        named = None if self.options.dates_pattern else folder_dates(path.parent.name)
        named = named or dates_of(path, self.options.dates_pattern)
        days = sorted({read_prm(file).day for file in sorted(path.parent.glob("*.PRM"))})
        if named is None and len(days) == _TWO:
            return DatePair(days[0], days[1])
        if named is None:
            message = (
                f"its folder {path.parent.name} is not named by two dates (YYYYDDD_YYYYDDD) and holds no two PRM "
                "files: rename it or give dates_pattern"
            )
            raise InputError(message)
        if len(days) == _TWO and {named.first, named.second} != set(days):
            ahead = {
                int((day - own) / _DAY) for day, own in zip(sorted((named.first, named.second)), days, strict=True)
            }
            if ahead != {1}:
                message = f"its folder says {named.pair}, its PRM files {_pair_text(days)}: correct one of them"
                raise InputError(message)
            self.report.note("folders count the days of the year from 1; the dates of the PRM files are taken")
            named = DatePair(named.first - _DAY, named.second - _DAY)
        return named

    def master(self, files: list[Path]) -> Prm | None:
        """Return the PRM of the master: named by ``meta_file``, else the first beside an interferogram."""
        given = [path for path in matching(self.options.meta_file, self.base) if path.is_file()]
        if self.options.meta_file and not given:
            self.report.note(f"meta_file: no file matches {self.options.meta_file}")
        beside = (file for path in files for file in sorted(path.parent.glob("*.PRM")))
        path = next(iter(given), None) or next(beside, None)
        return None if path is None else read_prm(path)

    def geometry(self, first: Interferogram, attributes: dict[str, str]) -> dict[str, Layer]:
        """Return the layers of the geometry, brought to the interferograms' grid."""
        layers: dict[str, Layer] = {}
        for name, path in geometry_files(self.options, self.base, self.report):
            try:
                found, grid = (RasterLayer(path), None) if is_geotiff(path) else open_grd(path)
            except CreepmeterError as problem:
                self.report.note(f"{name} is not loaded: {problem}")
                continue
            layers[name] = on_grid(Placed(found, grid) if grid is not None else found, first.grid, self.report, name)
        for name in {"incidenceAngle", "azimuthAngle"} & set(layers):
            layers[name] = Turned(layers[name])
        if "azimuthAngle" not in layers and "HEADING" in attributes:
            right = attributes.get("ANTENNA_SIDE") != "1"
            angle = los_azimuth(float(attributes["HEADING"]), right_looking=right)
            layers["azimuthAngle"] = constant_angle(angle, first.shape, "azimuth angle")
        return layers


def open_grd(path: Path) -> tuple[Layer, Grid | None]:
    """Return a grid of GMT as a layer, and its place: north up on a map, first azimuth line first in radar coordinates.

    Raises
    ------
    ImageError
        The file is damaged, of another format, or holds no regular map.
    """
    layer = GrdLayer(path)
    header = layer.header
    if not (header.geographic or _looks_geographic(path, header)):
        return layer.lines_upward(), None
    (west, across), (start, up) = header.x, header.y
    rows, columns = header.shape
    north = max(start, start + up * (rows - 1)) + abs(up) / 2
    affine = Affine(across, 0.0, west - across / 2, 0.0, -abs(up), north)
    return layer, GeoBox((rows, columns), affine, "EPSG:4326")


def _looks_geographic(path: Path, header: GrdHeader) -> bool:
    """Tell whether axes without a name are degrees: the file is ``*_ll``, and its numbers could be."""
    small = max(abs(header.x[1]), abs(header.y[1])) < _MOST_STEP_DEG
    return small and ("_ll" in path.stem or (abs(header.x[0]) <= 360 and abs(header.y[0]) <= 90))  # noqa: PLR2004


def _label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _pair_text(days: list[np.datetime64]) -> str:
    return "_".join(str(day)[:10].replace("-", "") for day in days)


def _baseline_table(options: LoadOptions, base: Path, report: Report) -> BaselineTable | None:
    if not options.baseline_dir:
        return None
    for path in matching(options.baseline_dir, base):
        file = path / _TABLE if path.is_dir() else path
        if file.is_file():
            try:
                return read_baseline_table(file)
            except CreepmeterError as problem:
                report.note(f"baselines are not loaded: {problem}")
                return None
    report.note(f"baseline_dir: no {_TABLE} in {options.baseline_dir}")
    return None


def _looks(files: list[Path], grid: Grid | None) -> tuple[int, int] | None:
    """Return looks in azimuth and range: the steps of a grid in radar coordinates, in pixels of the full image."""
    for path in files:
        beside = [path.parent / name for name in _RADAR_GRIDS]
        for file in [path] if grid is None else [file for file in beside if file.is_file()]:
            try:
                header = read_grd_header(file)
            except CreepmeterError:
                continue
            steps = round(abs(header.y[1])), round(abs(header.x[1]))
            if not header.geographic and min(steps) >= 1:
                return steps
    return None


def _attributes(prm: Prm | None, looks: tuple[int, int] | None, options: LoadOptions, report: Report) -> dict[str, str]:
    if looks is None:
        report.note("no grid in radar coordinates (corr.grd) tells the looks: they are taken as 1 x 1")
    if prm is not None:
        facts = facts_of(prm, looks, options.wavelength_m)
        if facts.orbit_direction is not None:
            report.note(
                f"{prm.path.name} gives no heading: {facts.heading_deg:g} degrees is taken, usual for its orbit"
            )
        return facts.attributes()
    if options.wavelength_m is None:
        message = "no PRM file was found, which tells the wavelength: name it by meta_file, or give wavelength_m"
        raise InputError(message)
    azimuth, across = looks or (1, 1)
    return RadarFacts("gmtsar", options.wavelength_m, azimuth_looks=azimuth, range_looks=across).attributes()
