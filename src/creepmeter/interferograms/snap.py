"""Reader of SNAP: BEAM-DIMAP products (.dim with .data) and GeoTIFF exports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.attributes import RadarFacts, grid_attributes, seconds_of_day
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
    place_of,
    turned_note,
)
from creepmeter.interferograms.dimap import DimBand, DimProduct, envi_layer, read_dim, read_dim_in_geotiff
from creepmeter.interferograms.layers import Scaled
from creepmeter.interferograms.line_of_sight import constant_angle, platform_in
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, dates_in, dates_of
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.model.grid import Grid
from creepmeter.model.line_of_sight import los_azimuth
from creepmeter.model.pair import Pair

_PHASE = re.compile(r"unw", re.IGNORECASE)
_BAND_OF = {
    "unwrapPhase": _PHASE,
    "coherence": re.compile(r"^coh|_coh", re.IGNORECASE),
    "connectComponent": re.compile(r"conn?_?comp", re.IGNORECASE),
    "wrapPhase": re.compile(r"^phase", re.IGNORECASE),
    "magnitude": re.compile(r"^(intensity|amplitude)", re.IGNORECASE),
    "height": re.compile(r"^(elevation|dem|height)", re.IGNORECASE),
    "incidenceAngle": re.compile(r"incidence", re.IGNORECASE),
}
_MEGAHERTZ = 1e6
_LIGHT = 299_792_458.0


@dataclass(frozen=True)
class _Band:
    """One band: pixels, place, header of its product where there is one, and names to read dates from."""

    layer: Layer
    grid: Grid | None
    product: DimProduct | None
    name: str
    path: Path


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what is there of SNAP; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``unw_file`` is needed: ``.dim`` products, ``.img`` files in their ``.data`` folders, or GeoTIFF exports. Bands
        of coherence are also taken from the product of the phase. Dates are those in the name of the band
        (03Jan2018_15Jan2018), else of the file.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No interferogram can be used, or no header tells the wavelength.
    """
    report = Report()
    reader = _Reader(options, base, report)
    bands = []
    for path in require_matching(options.unw_file, base, "unw_file"):
        bands += report.attempt(path.name, partial(open_bands, path, "unwrapPhase")) or []
    found = [one for band in bands if (one := report.attempt(band.name, partial(reader.interferogram, band)))]
    turned_note(reader.backward, report)
    reader.lost.tell(report)
    first = min(found, key=lambda one: one.pair, default=None)
    if first is None:
        return assemble(found, {}, {}, report)
    product = next((band.product for band in bands if band.name == first.name), None)
    attributes = _attributes(product, options, report)
    attributes |= grid_attributes(first.grid) if first.grid is not None else {}
    geometry = reader.geometry(first, attributes)
    angle = attributes.get("CENTER_INCIDENCE_ANGLE")
    if "incidenceAngle" not in geometry and first.grid is not None and angle is not None:
        geometry["incidenceAngle"] = constant_angle(float(angle), first.shape, "incidence angle")
        report.note(f"no incidence angles: that of the centre, {angle} degrees, is taken everywhere")
    return assemble(found, geometry, attributes, report)


class _Reader:
    """Puts the bands of products together."""

    def __init__(self, options: LoadOptions, base: Path, report: Report) -> None:
        self.options, self.base, self.report = options, base, report
        self.lost = LostLayers()
        self.companions = {name: self._by_pair(name, option) for name, option in OPTION_OF.items()}
        self.backward = 0

    def _by_pair(self, name: str, option: str) -> dict[Pair, tuple[_Band, DatePair]]:
        pattern = getattr(self.options, option)
        files = matching(pattern, self.base)
        if pattern and not files:
            self.report.note(f"{option}: no file matches {pattern}, {name} is not loaded")
        found = {}
        for path in files:
            for band in self.lost.attempt(name, partial(open_bands, path, name)) or []:
                dates = self._dates(band)
                if dates is not None:
                    found[dates.pair] = (band, dates)
        return found

    def _dates(self, band: _Band) -> DatePair | None:
        pattern = self.options.dates_pattern
        return dates_in(band.name, pattern) or dates_of(band.path, pattern)

    def interferogram(self, band: _Band) -> Interferogram:
        """Return one interferogram with what belongs to it."""
        dates = self._dates(band)
        if dates is None:
            message = (
                f"neither the band {band.name} nor {band.path.name} names two dates (03Jan2018_15Jan2018, YYYYMMDD): "
                "rename it or give dates_pattern"
            )
            raise InputError(message)
        layers: dict[str, Layer] = {"unwrapPhase": Scaled(band.layer, dates.sign, nodata=np.nan)}
        for name, files in self.companions.items():
            found, own = files.get(dates.pair, (None, dates))
            if (
                found is None
                and not getattr(self.options, OPTION_OF[name])
                and name in ("coherence", "connectComponent")
            ):
                found = self._beside(band, name, dates)
            if found is not None:
                factor = own.sign if name == "wrapPhase" else 1.0
                layers[name] = found.layer if name == "connectComponent" else Scaled(found.layer, factor, nodata=np.nan)
        self.backward += dates.backward
        bperp = float("nan")
        if band.product is not None:
            bperp = dates.sign * band.product.bperp(dates)
        if np.isnan(bperp):
            self.report.note(f"{band.name}: its header has no perpendicular baseline")
        return Interferogram(dates.pair, layers, bperp, band.name, band.grid)

    def _beside(self, band: _Band, name: str, dates: DatePair) -> _Band | None:
        """Return the band of another layer of the same pair in the product of the phase."""
        if band.product is None:
            return None
        for other in band.product.bands:
            named = dates_in(other.name)
            if _BAND_OF[name].search(other.name) and (named is None or named.pair == dates.pair):
                return _band_of(band.product, other)
        return None

    def geometry(self, first: Interferogram, attributes: dict[str, str]) -> dict[str, Layer]:
        """Return the layers of the geometry, brought to the interferograms' grid."""
        layers: dict[str, Layer] = {}
        for name, path in geometry_files(self.options, self.base, self.report):
            try:
                band = open_bands(path, name)[0]
            except CreepmeterError as problem:
                self.report.note(f"{name} is not loaded: {problem}")
                continue
            layers[name] = on_grid(Placed(band.layer, band.grid), first.grid, self.report, name)
        if "azimuthAngle" not in layers and "HEADING" in attributes:
            angle = los_azimuth(float(attributes["HEADING"]), right_looking=attributes.get("ANTENNA_SIDE") != "1")
            layers["azimuthAngle"] = constant_angle(angle, first.shape, "azimuth angle")
        return layers


def open_bands(path: Path, layer: str) -> list[_Band]:
    """Return the bands of a layer in a file: all that fit in a product, one in an image.

    Parameters
    ----------
    path : Path
        ``.dim``, ``.img`` or ``.hdr`` in a ``.data`` folder, or GeoTIFF.
    layer : str
        MintPy's name.

    Raises
    ------
    InputError
        The file is no product of SNAP, or has no band of this kind.
    """
    if path.suffix.lower() == ".dim":
        product = read_dim(path)
        return [_band_of(product, band) for band in _chosen(product, layer)]
    if path.is_file() and is_geotiff(path):
        return _in_geotiff(path, layer)
    header = path.parent.with_suffix(".dim")
    if path.suffix.lower() not in (".img", ".hdr") or not header.is_file():
        message = f"{path} is no product of SNAP: give .dim files, .img files with their .dim, or GeoTIFF exports"
        raise InputError(message)
    product = read_dim(header)
    stem = path.with_suffix("").name
    for band in product.bands:
        if band.file is not None and Path(band.file.replace("\\", "/")).stem == stem:
            return [_band_of(product, band)]
    pixels = envi_layer(path, product.shape, "f4")  # a band that was renamed by hand
    return [_Band(Scaled(pixels), product.grid, product, stem, path)]


def _chosen(product: DimProduct, layer: str) -> list[DimBand]:
    fitting = [band for band in product.bands if layer in _BAND_OF and _BAND_OF[layer].search(band.name)]
    if not fitting and len(product.bands) == 1:
        fitting = list(product.bands)
    if not fitting:
        names = ", ".join(band.name for band in product.bands[:10])
        message = f"{product.path} has no band of {layer} (bands: {names}): give the product that holds it"
        raise InputError(message)
    return fitting


def _band_of(product: DimProduct, band: DimBand) -> _Band:
    if product.path.suffix.lower() == ".dim":
        pixels: Layer = product.layer(band)
        grid = product.grid
    else:
        raster = RasterLayer(product.path, band.index + 1)
        pixels, grid = raster, place_of(raster)
    scaled = Scaled(pixels, band.factor, band.add, nodata=band.nodata)
    return _Band(scaled, grid, product, band.name, product.path)


def _in_geotiff(path: Path, layer: str) -> list[_Band]:
    product = read_dim_in_geotiff(path)
    if product is None and path.with_suffix(".dim").is_file():
        product = read_dim(path.with_suffix(".dim"))
    raster = RasterLayer(path)
    if product is not None and len(product.bands) == raster.header.count:
        inner = DimProduct(path, product.shape, place_of(raster), product.bands, product.root)
        return [_band_of(inner, band) for band in _chosen(inner, layer)]
    names = raster.header.names
    fitting = [k for k, name in enumerate(names) if layer in _BAND_OF and _BAND_OF[layer].search(name)]
    if not fitting and raster.header.count > 1:
        message = f"{path} has {raster.header.count} bands and none is named as {layer}: export one band a file"
        raise InputError(message)
    found = []
    for k in fitting or [0]:
        pixels = RasterLayer(path, k + 1)
        found.append(
            _Band(Scaled(pixels, nodata=pixels.nodata), place_of(pixels), product, names[k] or path.name, path)
        )
    return found


def _attributes(product: DimProduct | None, options: LoadOptions, report: Report) -> dict[str, str]:
    frequency = None if product is None else product.number("radar_frequency")
    wavelength = options.wavelength_m or (_LIGHT / (frequency * _MEGAHERTZ) if frequency else None)
    if wavelength is None:
        message = "no header of SNAP (.dim, or within the GeoTIFF) tells radar_frequency: give wavelength_m"
        raise InputError(message)
    if product is None:
        report.note("the files have no header of SNAP: looks are taken as 1 x 1")
        return RadarFacts("snap", wavelength).attributes()
    start, stop = product.moment("first_line_time"), product.moment("last_line_time")
    middle = None if start is None or stop is None else start + (stop - start) / 2
    near, far = product.number("incidence_near"), product.number("incidence_far")
    orbit = product.orbit
    side = -1 if (product.text("antenna_pointing") or "right").lower() == "right" else 1
    facts = RadarFacts(
        processor="snap",
        wavelength_m=wavelength,
        azimuth_looks=round(product.number("azimuth_looks") or 1),
        range_looks=round(product.number("range_looks") or 1),
        azimuth_pixel_m=product.number("azimuth_spacing"),
        range_pixel_m=product.number("range_spacing"),
        starting_range_m=product.number("slant_range_to_first_pixel"),
        height_m=None if orbit is None else orbit[0],
        earth_radius_m=None if orbit is None else orbit[1],
        heading_deg=_heading(product, report),
        orbit_direction=product.text("PASS"),
        platform=platform_in(product.text("MISSION") or ""),
        antenna_side=side,
        centre_line_utc_s=None if middle is None else seconds_of_day(middle),
        centre_incidence_deg=None if near is None or far is None else (near + far) / 2,
        extra={"trackNumber": track} if (track := product.text("REL_ORBIT")) else None,
    )
    return facts.attributes()


def _heading(product: DimProduct, report: Report) -> float | None:
    for name in ("centre_heading", "platformHeading"):
        found = product.number(name)
        if found is not None:
            return found
    direction = (product.text("PASS") or "").upper()
    usual = {"ASCENDING": -12.0, "DESCENDING": -168.0}.get(direction)
    if usual is not None:
        report.note(f"{product.path.name} gives no heading: {usual:g} degrees is taken, usual for its orbit")
    return usual
