"""Projects of ARIA-tools: ``stack/*.vrt`` list one band per pair, geometry lies beside."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.aria_geometry import attributes_of, given_map, sentinel1_facts, with_conventions
from creepmeter.interferograms.aria_stitch import Kind, Settled
from creepmeter.interferograms.aria_vrt import Vrt, band_layer, project_of, read_vrt
from creepmeter.interferograms.attributes import SENTINEL1_RANGE_PX_M, SENTINEL1_WAVELENGTH_M, RadarFacts
from creepmeter.interferograms.catalogue import Catalogue, Interferogram, Report, assemble, matching, one_file
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, dates_in
from creepmeter.io.layers import Layer
from creepmeter.model.grid import Grid
from creepmeter.model.pair import Pair

_STACKS: dict[str, tuple[str, str, Kind]] = {
    "unwrapPhase": ("unw_file", "unwrapStack.vrt", "phase"),
    "coherence": ("cor_file", "cohStack.vrt", "plain"),
    "connectComponent": ("conn_comp_file", "connCompStack.vrt", "component"),
    "magnitude": ("mag_file", "ampStack.vrt", "plain"),
}
_PROBABLE = ("coherence", "connectComponent")  # looked for beside the stack of phase when they are not given


def find(stack: Path, options: LoadOptions, base: Path) -> Catalogue:
    """Return what a project of ARIA-tools holds; no pixels are read.

    Parameters
    ----------
    stack : Path
        ``unwrapStack.vrt``.
    options : LoadOptions
        Files of coherence, components and geometry.
    base : Path
        Folder that relative patterns start from.

    Raises
    ------
    InputError
        No pair can be used.
    """
    report = Report()
    phase = read_vrt(stack)
    if phase.grid is None or phase.grid.crs is None:
        message = f"{stack} has no georeference: make the project again"
        raise InputError(message)
    others = {
        name: read_vrt(path)
        for name in _STACKS
        if name != "unwrapPhase" and (path := _stack_file(name, stack, options, base, report)) is not None
    }
    bands = {name: _bands(vrt, report) for name, vrt in others.items()}
    found = []
    for pair, (number, dates) in _bands(phase, report).items():
        one = report.attempt(
            str(pair),
            lambda pair=pair, number=number, dates=dates: _interferogram(  # type: ignore[misc]
                phase,
                number,
                dates,
                {name: (others[name], bands[name][pair]) for name in others if pair in bands[name]},
            ),
        )
        if one is not None:
            found.append(one)
    facts = _facts(phase, options)
    geometry = _geometry(phase.grid, facts, options, base, report)
    return assemble(found, geometry, attributes_of(facts, phase.grid), report, grid=phase.grid)


def _stack_file(name: str, stack: Path, options: LoadOptions, base: Path, report: Report) -> Path | None:
    key, usual, _ = _STACKS[name]
    pattern = getattr(options, key)
    if pattern:
        return one_file(pattern, base, report, key)
    beside = stack.with_name(usual)
    return beside if name in _PROBABLE and beside.is_file() else None


def _bands(vrt: Vrt, report: Report) -> Mapping[Pair, tuple[int, DatePair]]:
    """Return the number of the band of every pair; bands are not in the same order in all stacks."""
    found: dict[Pair, tuple[int, DatePair]] = {}
    for number, band in enumerate(vrt.bands, start=1):
        texts = [domain["Dates"] for domain in band.domains.values() if "Dates" in domain]
        texts += [Path(one.file).name for one in band.sources]
        dates = next((told for told in map(dates_in, texts) if told is not None), None)
        if dates is None:
            report.leave_out(f"{vrt.path.name} band {number}", "its metadata tell no two dates")
        else:
            found[dates.pair] = (number, dates)
    return found


def _interferogram(
    phase: Vrt, number: int, dates: DatePair, others: Mapping[str, tuple[Vrt, tuple[int, DatePair]]]
) -> Interferogram:
    layers: dict[str, Layer] = {"unwrapPhase": _layer(phase, number, "phase", dates)}
    for name, (vrt, (band, _)) in others.items():
        layers[name] = _layer(vrt, band, _STACKS[name][2], dates)
    text = _told(phase, number).get("perpendicularBaseline", "")
    try:
        bperp = dates.sign * float(text)
    except ValueError:
        bperp = float("nan")
    return Interferogram(dates.pair, layers, bperp, str(dates.pair), phase.grid)


def _layer(vrt: Vrt, number: int, kind: Kind, dates: DatePair) -> Settled:
    layer = band_layer(vrt, number, project_of(vrt.path))
    return Settled(layer, kind, vrt.bands[number - 1].nodata, dates.sign)


def _told(vrt: Vrt, number: int) -> Mapping[str, str]:
    """Return the metadata of a band: those of the domain that tells the dates."""
    domains = vrt.bands[number - 1].domains.values()
    return next((domain for domain in domains if "Dates" in domain), {})


def _facts(phase: Vrt, options: LoadOptions) -> RadarFacts:
    told = _told(phase, 1)

    def number(key: str, default: float | None = None) -> float | None:
        try:
            value = float(told[key])
        except (KeyError, ValueError):
            return default
        return value if math.isfinite(value) else default

    direction = {"A": "ASCENDING", "D": "DESCENDING"}.get(told.get("orbitDirection", " ")[:1].upper())
    clock = re.search(r"(\d{1,2}):(\d{2}):(\d{2})", told.get("UTCTime (HH:MM:SS.ss)", ""))
    seconds = None if clock is None else float(int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3]))
    return sentinel1_facts(
        wavelength_m=options.wavelength_m or number("Wavelength (m)") or SENTINEL1_WAVELENGTH_M,
        spacing_m=number("slantRangeSpacing") or SENTINEL1_RANGE_PX_M,
        starting_range_m=number("startRange"),
        direction=direction,
        seconds=seconds,
        extra={"beam_mode": "IW"},
    )


def _geometry(grid: Grid, facts: RadarFacts, options: LoadOptions, base: Path, report: Report) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    for name, key in (("height", "dem_file"), ("incidenceAngle", "inc_angle_file"), ("azimuthAngle", "az_angle_file")):
        pattern = _first(getattr(options, key), base)
        try:
            layer = given_map(pattern, key, grid, base, report)
        except CreepmeterError as problem:
            report.note(f"{key}: {problem}")
            continue
        if layer is not None:
            found[name] = layer
    return with_conventions(found, grid, facts, options, base, report)


def _first(pattern: str | None, base: Path) -> str | None:
    """Return the first file of a pattern: ARIA-tools makes one map of angles for every pair, which are all alike."""
    files: Sequence[Path] = matching(pattern, base)
    return str(files[0]) if len(files) > 1 else pattern
