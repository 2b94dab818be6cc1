"""Stacks of plain GeoTIFF files: dates from names or tags, wavelength from an option or a tag."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.attributes import RadarFacts, grid_attributes
from creepmeter.interferograms.catalogue import (
    Catalogue,
    Interferogram,
    Report,
    add_geometry,
    assemble,
    matching,
    require_matching,
)
from creepmeter.interferograms.layers import Constant
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, by_pair, dates_in, day, unreadable_dates
from creepmeter.interferograms.names import dates_of as dates_in_names
from creepmeter.interferograms.rasters import NAN, band_of, grid_of_band, raster_for
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.model.epoch import as_epoch
from creepmeter.model.pair import Pair

_FIRST, _SECOND = ("FIRST_DATE", "DATE1", "REFERENCE_DATE"), ("SECOND_DATE", "DATE2", "SECONDARY_DATE")
_WAVELENGTH = ("WAVELENGTH_METRES", "WAVELENGTH", "RADAR_WAVELENGTH")
_INCIDENCE = ("INCIDENCE_DEGREES",)
_BASELINE = ("BPERP", "PERPENDICULAR_BASELINE", "BPERP_METRES")
_UNIT = "DATA_UNITS"
_RADIANS = ("RADIANS", "RADIAN", "RAD")
_LAYERS = {
    "coherence": "cor_file",
    "connectComponent": "conn_comp_file",
    "wrapPhase": "int_file",
    "magnitude": "mag_file",
}
_GEOMETRY = {
    "height": "dem_file",
    "incidenceAngle": "inc_angle_file",
    "azimuthAngle": "az_angle_file",
    "shadowMask": "shadow_mask_file",
    "waterMask": "water_mask_file",
    "latitude": "lookup_y_file",
    "longitude": "lookup_x_file",
}
_MASKS = ("shadowMask", "waterMask")


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what a stack of GeoTIFF files holds; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``unw_file`` is needed; phase in radians, growing with the range unless ``toward_positive``. The other files
        are joined to it by their dates.
    base : Path
        Folder that relative patterns start from.

    Raises
    ------
    InputError
        No file can be used, or the wavelength is not known.
    """
    report = Report()
    others = {
        name: by_pair(matching(getattr(options, key), base), options.dates_pattern) for name, key in _LAYERS.items()
    }
    tags: dict[Pair, Mapping[str, str]] = {}
    found = []
    for path in require_matching(options.unw_file, base, "unw_file"):
        one = report.attempt(_label(path), partial(_interferogram, path, others, options, report, tags))
        if one is not None:
            found.append(one)
    catalogue = assemble(found, {}, {}, report, extent=options.extent)
    grid = catalogue.grid
    used = [tags[one.pair] for one in catalogue.interferograms]
    facts = RadarFacts(processor="geotiff", wavelength_m=_wavelength(used, options))
    attributes = {**facts.attributes(), **(grid_attributes(grid) if grid is not None else {}), **catalogue.attributes}
    if all(math.isnan(one.bperp) for one in catalogue.interferograms):
        report.note("perpendicular baselines are not known, 0 is written for all pairs")
    whole = Catalogue(catalogue.interferograms, {}, catalogue.shape, grid, attributes)
    return add_geometry(whole, _geometry(options, base, whole, used, report), report)


def _interferogram(
    path: Path,
    others: Mapping[str, Mapping[Pair, tuple[Path, DatePair]]],
    options: LoadOptions,
    report: Report,
    tags: dict[Pair, Mapping[str, str]],
) -> Interferogram:
    raster = RasterLayer(path)
    dates = dates_in_names(path, options.dates_pattern) or _dates_in_tags(raster.tags)
    if dates is None:
        wrong = unreadable_dates(path)
        message = f"neither its name nor its tags tell two dates{wrong}: rename it or give dates_pattern"
        raise InputError(message)
    unit = raster.tags.get(_UNIT, _RADIANS[0]).upper()
    if unit not in _RADIANS:
        message = f"its tag {_UNIT} says {unit}: phase in radians is needed"
        raise InputError(message)
    sign = dates.sign * (-1.0 if options.toward_positive else 1.0)
    phase = band_of(path, factor=sign)
    layers: dict[str, Layer] = {"unwrapPhase": phase}
    for name, files in others.items():
        if dates.pair not in files:
            continue
        try:
            layers[name] = band_of(files[dates.pair][0], factor=sign if name == "wrapPhase" else 1.0)
        except CreepmeterError as problem:
            report.note(f"{_label(path)}: {name} is not used: {problem}")
    tags[dates.pair] = raster.tags
    bperp = _number(raster.tags, _BASELINE)
    baseline = math.nan if bperp is None else dates.sign * bperp
    return Interferogram(dates.pair, layers, baseline, _label(path), grid_of_band(phase))


def _label(path: Path) -> str:
    """Return the name of a file, with its folder where the dates stand there."""
    return path.name if dates_in(path.name) else f"{path.parent.name}/{path.name}"


def _dates_in_tags(tags: Mapping[str, str]) -> DatePair | None:
    texts = [next((tags[name] for name in names if name in tags), None) for names in (_FIRST, _SECOND)]
    if texts[0] is None or texts[1] is None:
        return None
    first, second = (day(as_epoch(text)) for text in texts if text is not None)
    return None if first == second else DatePair(first, second)


def _number(tags: Mapping[str, str], names: Sequence[str]) -> float | None:
    for name in names:
        try:
            value = float(tags[name])
        except (KeyError, ValueError):
            continue
        if math.isfinite(value):
            return value
    return None


def _wavelength(used: Sequence[Mapping[str, str]], options: LoadOptions) -> float:
    found = options.wavelength_m or next((value for tags in used if (value := _number(tags, _WAVELENGTH))), None)
    if found is None:
        message = f"the wavelength is not known: give wavelength_m, or the tag {_WAVELENGTH[0]} in the files"
        raise InputError(message)
    return found


def _geometry(
    options: LoadOptions, base: Path, catalogue: Catalogue, used: Sequence[Mapping[str, str]], report: Report
) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    for name, key in _GEOMETRY.items():
        path = raster_for(getattr(options, key), base, catalogue.grid, report, key)
        if path is None:
            continue
        try:
            found[name] = band_of(path, missing=0.0 if name in _MASKS else NAN)
        except CreepmeterError as problem:
            report.note(f"{name} is not loaded: {problem}")
    angles = [value for tags in used if (value := _number(tags, _INCIDENCE))]
    if "incidenceAngle" not in found and angles:
        angle = sum(angles) / len(angles)
        found["incidenceAngle"] = Constant(angle, catalogue.shape, f"incidence angle {angle:g}")
        report.note(f"incidenceAngle: {angle:.3f} degrees everywhere, from the tag {_INCIDENCE[0]}")
    return found
