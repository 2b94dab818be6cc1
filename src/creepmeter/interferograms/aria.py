"""Stacks of ARIA: Sentinel-1 GUNW products read directly, or the folder that ARIA-tools made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from creepmeter.errors import InputError
from creepmeter.interferograms import aria_project
from creepmeter.interferograms.aria_geometry import attributes_of, facts_of, geometry_of, mean_bperp
from creepmeter.interferograms.aria_products import (
    Box,
    Frames,
    Lattice,
    Product,
    common_area,
    grouped,
    lattice_of,
    of_one_track,
    read_product,
)
from creepmeter.interferograms.aria_stitch import Frame, Kind, OnLattice, Seams, Settled, Stitched
from creepmeter.interferograms.catalogue import Catalogue, Interferogram, Report, assemble, require_matching
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.layers import Layer

_DATASETS: dict[str, tuple[str, Kind]] = {
    "unwrapPhase": ("unwrappedPhase", "phase"),
    "coherence": ("coherence", "plain"),
    "connectComponent": ("connectedComponents", "component"),
    "magnitude": ("amplitude", "plain"),
}
_OUTSIDE = -1.0  # component of pixels that were not imaged


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what GUNW products or a folder of ARIA-tools hold; headers and cubes of geometry are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``unw_file`` names the products (``products/S1-GUNW-*.nc``) or ARIA-tools' ``stack/unwrapStack.vrt``.
    base : Path
        Folder that relative patterns start from.

    Raises
    ------
    InputError
        No pair can be used.
    """
    files = require_matching(options.unw_file, base, "unw_file")
    files = [path for one in files for path in (sorted(one.glob("*.nc")) if one.is_dir() else [one])]
    if any(path.suffix == ".vrt" for path in files):
        return aria_project.find(files[0], options, base)
    return _of_products(files, options, base)


def _of_products(files: list[Path], options: LoadOptions, base: Path) -> Catalogue:
    report = Report()
    read = [report.attempt(path.name, lambda path=path: read_product(path)) for path in files]  # type: ignore[misc]
    products = of_one_track([one for one in read if one is not None], report)
    if not products:
        shown = "; ".join(report.left_out[:5]) or f"nothing found in {options.unw_file}"
        message = f"no product can be used of {len(files)}: {shown}"
        raise InputError(message)
    lattice = lattice_of(products)
    wanted = None if options.subset_lalo is None else lattice.box_of_degrees(*options.subset_lalo)
    pairs, area = common_area(
        grouped(products, lattice, report), wanted, "union" if options.union else options.extent, report
    )
    grid = lattice.grid(area)
    found = [replace(_interferogram(one, area, lattice, options, report), grid=grid) for one in pairs]
    ordered = sorted(pairs, key=lambda one: -one.covered(area).area)  # the first of those that cover most
    facts = facts_of(ordered[0])
    if options.wavelength_m is not None:
        facts = replace(facts, wavelength_m=options.wavelength_m)
    geometry = geometry_of(ordered, grid, facts, options, base, report)
    return assemble(found, geometry, attributes_of(facts, grid), report, grid=grid)


def _interferogram(one: Frames, area: Box, lattice: Lattice, options: LoadOptions, report: Report) -> Interferogram:
    names = [
        name
        for name, (dataset, _) in _DATASETS.items()
        if all(dataset in product.header.fills for product in one.products)
        and (name != "magnitude" or options.mag_file is not None)
    ]
    of_frame = [
        {name: _settled(product, name, box, lattice) for name in names}
        for product, box in zip(one.products, one.boxes, strict=True)
    ]
    frames = [
        Frame(product.name, box, layers["unwrapPhase"], layers.get("connectComponent"))
        for product, box, layers in zip(one.products, one.boxes, of_frame, strict=True)
    ]
    seams = Seams(str(one.pair), frames, whole_cycles=options.stitch == "cycles")
    stitched: dict[str, Layer] = {
        name: Stitched(tuple(layers[name] for layers in of_frame), _DATASETS[name][1], seams, area) for name in names
    }
    return Interferogram(one.pair, stitched, mean_bperp(one, report), one.name)


def _settled(product: Product, name: str, box: Box, lattice: Lattice) -> Settled:
    dataset, kind = _DATASETS[name]
    seen = OnLattice(product.header.layer(dataset), product.header.grid, lattice, box)
    fill = product.header.fills[dataset]
    return Settled(seen, kind, _OUTSIDE if fill is None and kind == "component" else fill, product.dates.sign)
