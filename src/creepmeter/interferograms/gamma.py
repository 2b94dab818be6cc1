"""Reader of GAMMA: text headers, big-endian binary files or GeoTIFF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path

import numpy as np

from creepmeter.errors import InputError
from creepmeter.interferograms.attributes import RadarFacts, grid_attributes
from creepmeter.interferograms.catalogue import (
    Catalogue,
    Interferogram,
    Report,
    assemble,
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
from creepmeter.interferograms.gamma_headers import Frame, GammaHeaders
from creepmeter.interferograms.gamma_par import GammaPar, corner_refs
from creepmeter.interferograms.layers import Scaled
from creepmeter.interferograms.line_of_sight import (
    Turned,
    constant_angle,
    part_of,
    platform_in,
    range_of_column,
)
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.layers import FlatLayer, Layer, RasterLayer
from creepmeter.model.grid import same_grid
from creepmeter.model.line_of_sight import los_azimuth
from creepmeter.model.pair import Pair

_REAL = {4: ">f4"}
_HEIGHT = {4: ">f4", 2: ">i2"}
_COMPONENT = {1: "u1", 2: ">i2", 4: ">f4"}
_COMPLEX = {8: ">c8"}
_TYPES = {"unwrapPhase": _REAL, "coherence": _REAL, "magnitude": _REAL, "connectComponent": _COMPONENT}
_RIGHT_ANGLE = 90.0


@dataclass(frozen=True)
class _Found:
    """A layer, and where it lies."""

    layer: Layer
    frame: Frame


class _Reader:
    """Opens files of one project."""

    def __init__(self, options: LoadOptions, base: Path, headers: GammaHeaders, report: Report) -> None:
        self.options, self.base, self.headers, self.report = options, base, headers, report
        self.companions = Companions.of(options, base, report)
        self.lost = LostLayers()
        self.backward = 0

    def open(self, path: Path, types: dict[int, str], pair: Pair | None = None) -> _Found:
        """Open a GeoTIFF, or a flat file whose header goes with its size."""
        if is_geotiff(path):
            raster = RasterLayer(path)
            return _Found(raster, Frame(raster.shape, place_of(raster), path))
        frame, itemsize = self.headers.frame(path, pair, tuple(types))
        return _Found(FlatLayer(path, frame.shape, types[itemsize]), frame)

    def interferogram(self, path: Path) -> Interferogram:
        """Return one interferogram with what belongs to it."""
        dates = require_dates(path, self.options)
        found = self.open(path, _REAL, dates.pair)
        self.backward += dates.backward
        layers: dict[str, Layer] = {"unwrapPhase": _without_nodata(found.layer, dates.sign)}
        for name, file, own in self.companions.of_pair(dates.pair):
            layer = self.lost.attempt(name, partial(self._companion, name, file, dates.pair))
            if layer is not None:
                layers[name] = Scaled(layer, own.sign) if name == "wrapPhase" else layer
        bperp = self.headers.bperp(dates.pair)
        return Interferogram(dates.pair, layers, bperp, path.name, found.frame.grid)

    def _companion(self, name: str, path: Path, pair: Pair) -> Layer:
        if name == "wrapPhase":
            return part_of(self.open(path, _COMPLEX, pair).layer, "angle")
        found = self.open(path, _TYPES[name], pair).layer
        return _without_nodata(found, 1.0)

    def geometry(self, first: Frame, image: GammaPar | None) -> tuple[dict[str, Layer], Catalogue | None]:
        """Return the layers of the geometry on the interferograms' grid, and the lookup table on another one."""
        layers: dict[str, Layer] = {}
        for name, path in geometry_files(self.options, self.base, self.report, tables=False):
            types = _HEIGHT if name == "height" else _COMPONENT if name.endswith("Mask") else _REAL
            found = self._attempt(name, path, types)
            if found is not None:
                placed = Placed(self._as_geometry(name, path, found), found.frame.grid)
                layers[name] = on_grid(placed, first.grid, self.report, name)
        lookup = self._lookup(first, layers)
        if image is not None:
            self._implied(layers, first, image)
        return layers, lookup

    def _attempt(self, name: str, path: Path, types: dict[int, str]) -> _Found | None:
        try:
            return self.open(path, types)
        except InputError as problem:
            self.report.note(f"{name} is not loaded: {problem}")
            return None

    def _as_geometry(self, name: str, path: Path, found: _Found) -> Layer:
        low = path.name.lower()
        layer = known_layer(found.layer, name)
        if name == "incidenceAngle":
            turned = "theta" in low
            return Turned(layer, -1.0 if turned else 1.0, _RIGHT_ANGLE if turned else 0.0)
        if name == "azimuthAngle":
            return Turned(layer, 1.0, -_RIGHT_ANGLE if "phi" in low else 0.0)
        return layer

    def _lookup(self, first: Frame, layers: dict[str, Layer]) -> Catalogue | None:
        path = one_file(self.options.lookup_y_file, self.base, self.report, "lookup_y_file")
        found = self._attempt("lookup table", path, _COMPLEX) if path is not None else None
        if found is None:
            return None
        columns, rows = part_of(found.layer, "real"), part_of(found.layer, "imag")
        table = {"rangeCoord": columns, "azimuthCoord": rows}
        grid = found.frame.grid
        if first.grid is not None and (grid is None or same_grid(grid, first.grid)):
            layers.update(table)
            return None
        attributes = {} if grid is None else grid_attributes(grid)
        return Catalogue((), table, found.frame.shape, grid, attributes)

    def _implied(self, layers: dict[str, Layer], first: Frame, image: GammaPar) -> None:
        """Add what headers and lookup table imply: slant range, azimuth angle, the incidence angle of the centre."""
        near, step = image.optional("near_range_slc"), image.optional("range_pixel_spacing")
        if near and step and "rangeCoord" in layers:
            layers["slantRangeDistance"] = range_of_column(layers["rangeCoord"], near, step)
        computed = first.grid is None or "slantRangeDistance" in layers  # the loader turns ranges into angles
        if "incidenceAngle" not in layers and not computed and (angle := image.optional("incidence_angle")):
            layers["incidenceAngle"] = constant_angle(angle, first.shape, "incidence angle")
            self.report.note(f"no incidence angles: that of the centre, {angle:g} degrees, is taken everywhere")
        heading = image.optional("heading")
        if "azimuthAngle" not in layers and heading is not None:
            side = _side(image) < 0
            angle = los_azimuth(heading, right_looking=side)
            layers["azimuthAngle"] = constant_angle(angle, first.shape, "azimuth angle")


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what is there of a GAMMA project; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``unw_file`` is needed. Headers are found beside the files, beside their folder, or named by ``meta_file``
        (patterns of files or folders) and ``baseline_dir``. A table ``lv_theta`` may stand for incidence angles, one
        ``lv_phi`` for azimuth angles.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No interferogram can be used, or no header tells the wavelength.
    """
    report = Report()
    files = require_matching(options.unw_file, base, "unw_file")
    headers = GammaHeaders.around(files, options, base, report)
    reader = _Reader(options, base, headers, report)
    found = [one for path in files if (one := report.attempt(path.name, partial(reader.interferogram, path)))]
    turned_note(reader.backward, report)
    reader.lost.tell(report)
    _note_baselines(found, report)
    first = min(found, key=lambda one: one.pair, default=None)
    image = None if first is None else headers.image(first.pair.ref) or headers.image(first.pair.sec)
    attributes = _attributes(image, options, report, files[0]) if found else {}
    geometry: dict[str, Layer] = {}
    lookup = None
    if first is not None:
        frame = Frame(first.shape, first.grid, files[0])
        geometry, lookup = reader.geometry(frame, image)
        attributes |= grid_attributes(first.grid) if first.grid is not None else {}
        attributes |= {"DATE12": str(first.pair)}
    return assemble(found, geometry, attributes, report, lookup=lookup)


def _without_nodata(layer: Layer, sign: float) -> Layer:
    nodata = layer.nodata if isinstance(layer, RasterLayer) else None
    if nodata in (None, 0.0):
        return Scaled(layer, sign, nodata=np.nan)
    return Scaled(Scaled(layer, nodata=nodata), sign, nodata=np.nan)


def _note_baselines(found: list[Interferogram], report: Report) -> None:
    if found and all(isnan(one.bperp) for one in found):
        report.note(
            "no pair has a baseline (files *.base_perp, *_bperp.par, *_base.par): an error "
            "of the heights cannot be estimated from them"
        )


def _side(image: GammaPar) -> int:
    angle = image.optional("azimuth_angle")
    return 1 if angle is not None and angle < 0 else -1


def _attributes(image: GammaPar | None, options: LoadOptions, report: Report, file: Path) -> dict[str, str]:
    """Return MintPy's attributes from the header of an image."""
    if image is None and options.wavelength_m is None:
        message = (
            f"no image header (*.par with radar_frequency) was found for {file.name}: name headers by meta_file, or "
            "give wavelength_m"
        )
        raise InputError(message)
    if image is None:
        report.note("no image header was found: looks are taken as 1 x 1")
        return RadarFacts("gamma", options.wavelength_m or 0.0).attributes()
    complete = "sar_to_earth_center" in image.values
    facts = RadarFacts(
        processor="gamma",
        wavelength_m=options.wavelength_m or image.wavelength_m,
        azimuth_looks=int(image.optional("azimuth_looks") or 1),
        range_looks=int(image.optional("range_looks") or 1),
        azimuth_pixel_m=image.optional("azimuth_pixel_spacing"),
        range_pixel_m=image.optional("range_pixel_spacing"),
        starting_range_m=image.optional("near_range_slc"),
        height_m=image.satellite_height_m if complete else None,
        earth_radius_m=image.optional("earth_radius_below_sensor"),
        heading_deg=image.optional("heading"),
        platform=platform_in(image.values.get("sensor", "")),
        antenna_side=_side(image),
        centre_line_utc_s=image.second_of_day,
        centre_incidence_deg=image.optional("incidence_angle"),
        extra=corner_refs(image) | ({"PRF": str(image.number("prf"))} if "prf" in image.values else {}),
    )
    return facts.attributes()
