"""Stacks of ISCE2 (topsStack, stripmapStack): binary images with .xml, .vrt or .rsc beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import CreepmeterError, ImageError, InputError
from creepmeter.interferograms.attributes import grid_attributes
from creepmeter.interferograms.catalogue import (
    Catalogue,
    Interferogram,
    Report,
    assemble,
    matching,
    one_file,
    require_matching,
)
from creepmeter.interferograms.isce2_meta import baselines, facts_of
from creepmeter.interferograms.layers import Scaled, Stretched
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, dates_in, dates_of, day, unreadable_dates
from creepmeter.interferograms.rsc import read_rsc, rsc_shape
from creepmeter.io.isce_xml import FlatImage, read_isce_image, vrt_layout
from creepmeter.io.layers import FlatLayer, Layer
from creepmeter.model.epoch import Epoch, epochs_in_name
from creepmeter.model.grid import Grid

_SHOWN = 5
_HEADERS = (".xml", ".vrt", ".rsc")
_LAYERS = {
    "coherence": "cor_file",
    "connectComponent": "conn_comp_file",
    "wrapPhase": "int_file",
    "magnitude": "mag_file",
}
_BANDS = {"incidenceAngle": 0, "azimuthAngle": -1}  # of a file of angles; elsewhere the last band counts
_GEOMETRY = {
    "height": "dem_file",
    "latitude": "lookup_y_file",
    "longitude": "lookup_x_file",
    "incidenceAngle": "inc_angle_file",
    "azimuthAngle": "az_angle_file",
    "shadowMask": "shadow_mask_file",
    "waterMask": "water_mask_file",
}
_FLAT_TYPES = {  # a .rsc tells only the size: bytes per pixel -> type and bands
    1: ("u1", 1),
    4: ("f4", 1),
    8: ("f4", 2),
}


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what an ISCE2 stack holds; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        Patterns: ``unw_file`` is needed.
    base : Path
        Folder that relative patterns start from.

    Raises
    ------
    InputError
        No interferogram can be used.
    """
    report = Report()
    unwrapped = images(require_matching(options.unw_file, base, "unw_file"))
    others = {name: _by_dates(images(matching(getattr(options, key), base)), options) for name, key in _LAYERS.items()}
    perpendicular = baselines(options.baseline_dir, base, report)
    found = []
    for path in unwrapped:
        one = report.attempt(_short(path), partial(_interferogram, path, unwrapped, others, options, report))
        if one is not None:
            found.append(replace(one, bperp=perpendicular(one.pair, path)))
    geometry = _geometry(options, base, report)
    grid = _grid_of(unwrapped)
    facts = facts_of(options, base, unwrapped, report)
    attributes = {**facts.attributes(), **(grid_attributes(grid) if grid is not None else {})}
    catalogue = assemble(found, geometry, attributes, report, grid=grid, extent=options.extent)
    if options.bperp_file is None:
        return catalogue
    bperp = _pixel_baselines(options, base, catalogue, report)
    return replace(catalogue, bperp=bperp, notes=tuple(report.notes))


def images(paths: Sequence[Path]) -> list[Path]:
    """Return images of a list in which headers may stand in for them, none twice."""
    return list(
        dict.fromkeys(
            path.with_suffix("") if path.suffix in _HEADERS and path.name != "data.rsc" else path for path in paths
        )
    )


def _short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _dates(path: Path, options: LoadOptions) -> DatePair | None:
    """Return the dates of a product: from its name or folder, else from its .rsc."""
    found = dates_of(path, options.dates_pattern)
    header = path.with_name(f"{path.name}.rsc")
    if found is None and header.is_file():
        try:
            return dates_in(read_rsc(header).get("DATE12", ""))
        except CreepmeterError:
            return None
    return found


def _by_dates(paths: Sequence[Path], options: LoadOptions) -> Mapping[DatePair | None, Path]:
    return {_dates(path, options): path for path in paths}


def _interferogram(
    path: Path,
    unwrapped: Sequence[Path],
    others: Mapping[str, Mapping[DatePair | None, Path]],
    options: LoadOptions,
    report: Report,
) -> Interferogram:
    dates = _dates(path, options)
    if dates is None:
        message = (
            f"neither its name, nor its folder, nor a .rsc beside it tells two dates{unreadable_dates(path)}: "
            "rename it or give dates_pattern"
        )
        raise InputError(message)
    phase = image_layer(path, -1)
    layers: dict[str, Layer] = {"unwrapPhase": Scaled(phase, dates.sign) if dates.backward else phase}
    for name, files in others.items():
        other = files.get(dates)
        if other is None and len(files) == 1 and len(unwrapped) == 1:
            other = next(iter(files.values()))
        if other is None:
            continue
        try:
            layer = image_layer(other, -1)
            layers[name] = Scaled(layer, dates.sign) if dates.backward and name == "wrapPhase" else layer
        except CreepmeterError as problem:
            report.note(f"{_short(path)}: {name} is not used: {problem}")
    return Interferogram(dates.pair, layers, float("nan"), _short(path))


def _geometry(options: LoadOptions, base: Path, report: Report) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    for name, key in _GEOMETRY.items():
        files = images(matching(getattr(options, key), base))
        path = files[0] if files else one_file(getattr(options, key), base, report, key)
        if path is None:
            continue
        try:
            found[name] = image_layer(path, _BANDS.get(name, -1))
        except CreepmeterError as problem:
            report.note(f"{name} is not loaded: {problem}")
    return found


def _pixel_baselines(options: LoadOptions, base: Path, found: Catalogue, report: Report) -> dict[Epoch, Layer]:
    """Return the baseline of every pixel by date, from coarse grids in folders of a date (``baselines/*/*``).

    They are used when every date of the interferograms has one.
    """
    layers: dict[Epoch, Layer] = {}
    for path in images(matching(options.bperp_file, base)):
        named = epochs_in_name(path.parent.name)[-1:] or epochs_in_name(path.name)[-1:]
        try:
            if named and path.is_file():
                layers[day(named[0])] = Stretched(image_layer(path, -1), found.shape)
        except CreepmeterError as problem:
            report.note(f"bperp_file: {problem}")
    wanted = {date for one in found.interferograms for date in (one.pair.ref, one.pair.sec)}
    without = sorted(wanted - set(layers))
    if without:
        names = ", ".join(str(date)[:10] for date in without[:_SHOWN])
        report.note(
            f"bperp_file: {len(without)} of {len(wanted)} dates have no image in a folder of their date ({names}): one "
            "baseline per pair is used"
        )
        return {}
    return {date: layers[date] for date in sorted(wanted)}


def _grid_of(unwrapped: Sequence[Path]) -> Grid | None:
    """Return the grid of geocoded images, None in radar coordinates."""
    for path in unwrapped:
        try:
            image, _ = image_of(path)
        except CreepmeterError:
            continue
        if image.corner is None or image.step is None:
            return None
        affine = Affine(image.step[0], 0.0, image.corner[0], 0.0, image.step[1], image.corner[1])
        return GeoBox(image.shape, affine, "EPSG:4326")
    return None


def image_layer(path: Path, band: int) -> FlatLayer:
    """Return one band of an ISCE image; a negative number counts from the last.

    Raises
    ------
    ImageError
        No header fits the size of the file.
    """
    image, data = image_of(path)
    chosen = band if band >= 0 else image.bands + band
    return FlatLayer(data, image.shape, image.dtype, image.bands, min(chosen, image.bands - 1), image.interleave)


def image_of(path: Path) -> tuple[FlatImage, Path]:
    """Return the layout of an image, from the first of its headers that fits the size of the file, and its data file.

    Raises
    ------
    ImageError
        No header fits.
    """
    reasons = []
    for suffix, read in ((".xml", _from_xml), (".vrt", vrt_layout), (".rsc", _from_rsc)):
        header = path.with_name(path.name + suffix)
        if not header.is_file():
            continue
        try:
            image, data = read(header)
            size = data.stat().st_size
        except (CreepmeterError, OSError) as problem:
            reasons.append(str(problem))
            continue
        if size == image.nbytes:
            return image, data
        rows, columns = image.shape
        kind = f"{image.bands} band(s) of {image.dtype[1:]}"
        reasons.append(f"{header.name} says {rows} x {columns} px, {kind}, {data.name} has {size} bytes")
    why = "; ".join(reasons) if reasons else "there is no .xml, .vrt or .rsc beside it"
    message = f"{path} cannot be read: {why}; get the file again with its header"
    raise ImageError(message)


def _from_xml(header: Path) -> tuple[FlatImage, Path]:
    return read_isce_image(header), header.with_suffix("")


def _from_rsc(header: Path) -> tuple[FlatImage, Path]:
    data = header.with_suffix("")
    rows, columns = rsc_shape(read_rsc(header), header)
    per_pixel = data.stat().st_size // (rows * columns)
    kind, bands = ("c8", 1) if data.suffix in (".int", ".slc") else _FLAT_TYPES.get(per_pixel, ("f4", 1))
    return FlatImage((rows, columns), f"<{kind}", bands, "bil"), data
