"""Products of ASF HyP3: GAMMA interferograms (INT40, INT80) and ISCE2 bursts, single and several."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.attributes import (
    SENTINEL1_AZIMUTH_PX_M,
    SENTINEL1_RANGE_PX_M,
    SENTINEL1_WAVELENGTH_M,
    RadarFacts,
    grid_attributes,
    sentinel1_looks,
)
from creepmeter.interferograms.catalogue import (
    Catalogue,
    Interferogram,
    Report,
    add_geometry,
    assemble,
    matching,
    require_matching,
)
from creepmeter.interferograms.header_text import number_in, read_header_text
from creepmeter.interferograms.layers import Derived
from creepmeter.interferograms.line_of_sight import Turned
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, dates_in, unreadable_dates
from creepmeter.interferograms.rasters import NAN, band_of, grid_of_band, raster_for
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.model.grid import Grid
from creepmeter.model.line_of_sight import FROM_EAST_DEG

_LAYER_NAME = re.compile(
    r"_(?:unw_phase|corr|conncomp|dem|lv_theta|lv_phi|water_mask|inc_map(?:_ell)?|wrapped_phase|amp|vert_disp|los_disp)"
)
_TRACK = re.compile(r"^S1_(\d{3})(?:\d{3}_IW\d|_)")
_LAYERS = {
    "coherence": "cor_file",
    "connectComponent": "conn_comp_file",
    "wrapPhase": "int_file",
    "magnitude": "mag_file",
}
_HIGHEST = 90.0


@dataclass(frozen=True)
class Hyp3Metadata:
    """What the text file of a product tells.

    Parameters
    ----------
    path : Path
        The file.
    values : mapping of str to str
        By name, as written.
    """

    path: Path
    values: Mapping[str, str]

    def number(self, name: str) -> float:
        """Return one number.

        Raises
        ------
        InputError
            It is missing or no number.
        """
        return number_in(self.values.get(name), f"{self.path}: {name}")

    def facts(self) -> RadarFacts:
        """Return what the file tells of radar and orbit; Sentinel-1's constants for the rest."""
        along, across = int(self.number("Azimuth looks")), int(self.number("Range looks"))
        track = _TRACK.match(self.path.stem)
        number = "" if track is None else str(int(track.group(1)))
        return RadarFacts(
            processor="hyp3",
            wavelength_m=SENTINEL1_WAVELENGTH_M,
            azimuth_looks=along,
            range_looks=across,
            azimuth_pixel_m=SENTINEL1_AZIMUTH_PX_M * along,
            range_pixel_m=SENTINEL1_RANGE_PX_M * across,
            starting_range_m=self.number("Slant range near"),
            height_m=self.number("Spacecraft height"),
            earth_radius_m=self.number("Earth radius at nadir"),
            heading_deg=self.number("Heading"),
            orbit_direction=self.values.get("Reference Pass Direction"),
            platform="Sen",
            centre_line_utc_s=self.number("UTC time"),
            independent_looks=sentinel1_looks(across, along),
            extra={"beam_mode": "IW", **({"relative_orbit": number, "trackNumber": number} if number else {})},
        )


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what HyP3 products hold; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        Patterns: ``unw_file`` (``*_unw_phase.tif``) is needed.
    base : Path
        Folder that relative patterns start from.

    Raises
    ------
    InputError
        No product can be used, or none has metadata.
    """
    report = Report()
    others = {name: _by_product(matching(getattr(options, key), base)) for name, key in _LAYERS.items()}
    found, about = [], []
    for path in require_matching(options.unw_file, base, "unw_file"):
        one = report.attempt(path.name, partial(_product, path, others, options, base, report))
        if one is not None:
            found.append(one[0])
            about.append(one[1])
    catalogue = assemble(found, {}, {}, report, extent=options.extent)
    grid = catalogue.grid
    names = {one.name for one in catalogue.interferograms}
    chosen = next(facts for one, facts in zip(found, about, strict=True) if one.name in names)
    _note_orbits(about, report)
    attributes = {**chosen.facts().attributes(), **(grid_attributes(grid) if grid is not None else {})}
    whole = Catalogue(catalogue.interferograms, {}, catalogue.shape, grid, {**attributes, **catalogue.attributes})
    return add_geometry(whole, _geometry(options, base, grid, report), report)


def _note_orbits(about: Sequence[Hyp3Metadata], report: Report) -> None:
    """Note that products look from different sides: their pairs do not make one stack."""
    directions = sorted({one.values.get("Reference Pass Direction", "unknown") for one in about})
    if len(directions) > 1:
        report.note(f"products of {' and '.join(directions)} orbits are mixed: load them into one stack each")


def product_of(path: Path) -> str:
    """Return the name of the product that a file belongs to.

    Examples
    --------
    >>> product_of(Path("S1_056072_IW2_20220814_20220907_VV_INT80_E09B_unw_phase_clipped.tif"))
    'S1_056072_IW2_20220814_20220907_VV_INT80_E09B'
    """
    found = _LAYER_NAME.search(path.stem)
    return path.stem[: found.start()] if found else path.stem


def _by_product(paths: Sequence[Path]) -> dict[str, Path]:
    return {product_of(path): path for path in paths}


def read_metadata(path: Path) -> Hyp3Metadata:
    """Read the text file of a product: one ``Name: value`` a line.

    Raises
    ------
    InputError
        It is missing, or holds no such line.
    """
    pairs = [line.partition(":") for line in read_header_text(path).splitlines()]
    values = {name.strip(): value.strip() for name, sign, value in pairs if sign}
    if not values:
        message = f"{path} holds no line 'name: value': it is no metadata of a HyP3 product"
        raise InputError(message)
    return Hyp3Metadata(path, values)


def _metadata_of(path: Path, options: LoadOptions, base: Path) -> Hyp3Metadata:
    """Return the metadata that lie beside a product, or that ``meta_file`` names for it."""
    product = product_of(path)
    places = [path.with_name(f"{product}.txt")]
    if options.meta_file:
        places += [other for other in matching(options.meta_file, base) if other.stem == product]
    for place in places:
        if place.is_file():
            return read_metadata(place)
    message = f"its metadata {product}.txt do not lie beside it: put them back"
    raise InputError(message)


def _product(
    path: Path, others: Mapping[str, Mapping[str, Path]], options: LoadOptions, base: Path, report: Report
) -> tuple[Interferogram, Hyp3Metadata]:
    product = product_of(path)
    dates = dates_in(product, options.dates_pattern)
    if dates is None:
        message = f"its name holds no two dates{unreadable_dates(path)}: keep the names that HyP3 gives"
        raise InputError(message)
    about = _metadata_of(path, options, base)
    about.facts()  # a product whose metadata are not whole is left out
    phase = band_of(path, factor=dates.sign)
    layers: dict[str, Layer] = {"unwrapPhase": phase}
    for name, files in others.items():
        if product not in files:
            continue
        try:
            layers[name] = _other(files[product], name, dates)
        except CreepmeterError as problem:
            report.note(f"{path.name}: {name} is not used: {problem}")
    baseline = dates.sign * about.number("Baseline") if "Baseline" in about.values else math.nan
    return Interferogram(dates.pair, layers, baseline, path.name, grid_of_band(phase)), about


def _other(path: Path, name: str, dates: DatePair) -> Layer:
    if name == "connectComponent":
        return band_of(path)
    return band_of(path, factor=dates.sign if name == "wrapPhase" else 1.0)


def _geometry(options: LoadOptions, base: Path, grid: Grid | None, report: Report) -> dict[str, Layer]:
    makers: dict[str, tuple[str, Callable[[Path], Layer]]] = {
        "height": ("dem_file", lambda path: band_of(path, missing=NAN)),
        "incidenceAngle": ("inc_angle_file", _incidence),
        "azimuthAngle": ("az_angle_file", _azimuth),
        "shadowMask": ("shadow_mask_file", band_of),
        "waterMask": ("water_mask_file", band_of),
    }
    found: dict[str, Layer] = {}
    for name, (key, make) in makers.items():
        path = raster_for(getattr(options, key), base, grid, report, key)
        if path is None:
            continue
        try:
            found[name] = make(path)
        except CreepmeterError as problem:
            report.note(f"{name} is not loaded: {problem}")
    return found


def _incidence(path: Path) -> Layer:
    """Return the incidence angle, degrees: from the elevation of the satellite (lv_theta) or as it is (inc_map)."""
    raster = RasterLayer(path)
    if "inc_map" in path.name:
        return Turned(raster, unit="radians")
    return Turned(raster, factor=-1.0, add=_HIGHEST, unit="radians")


def _azimuth(path: Path) -> Layer:
    """Return the direction to the satellite, from north; lv_phi counts from east, both anticlockwise."""
    turned = Turned(RasterLayer(path), add=-FROM_EAST_DEG, unit="radians")
    return Derived((turned,), lambda angle: (angle + 180.0) % 360.0 - 180.0, "azimuth angle")
