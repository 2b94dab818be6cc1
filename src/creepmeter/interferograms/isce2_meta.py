"""Metadata of an ISCE2 stack: orbit, timing and looks from IW*.xml or a .rsc, baselines from text files."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from creepmeter.errors import CreepmeterError, ImageError, InputError
from creepmeter.interferograms.attributes import RadarFacts, seconds_of_day, sentinel1_looks
from creepmeter.interferograms.catalogue import Report, matching
from creepmeter.interferograms.line_of_sight import platform_in
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import dates_in
from creepmeter.interferograms.rsc import read_rsc
from creepmeter.io.isce_xml import components, parse_xml, properties, read_isce_image, read_raw_vrt
from creepmeter.model.epoch import Epoch
from creepmeter.model.pair import Pair

Floats = npt.NDArray[np.float64]
Perpendicular = Callable[[Pair, Path], float]
_BPERP = re.compile(r"^\s*(?:Bperp \(average\)|PERP_BASELINE_(?:TOP|BOTTOM))\s*:?\s*([-+.\deE]+)", re.MULTILINE)
_SHELVES = ("data", "data.dat")  # of stripmapStack
_FULL = (".full.xml", ".full.vrt")
_CARRIED = (
    "POLARIZATION",
    "PRF",
    "trackNumber",
    "beam_mode",
    "beam_swath",
    "relative_orbit",
    "first_frame",
    "last_frame",
)
_NAMES = {  # attribute of MintPy -> names in .rsc files, the customary one first
    "WAVELENGTH": ("WAVELENGTH", "radarWavelength"),
    "STARTING_RANGE": ("STARTING_RANGE", "startingRange"),
    "EARTH_RADIUS": ("EARTH_RADIUS", "earthRadius"),
    "HEIGHT": ("HEIGHT", "altitude"),
    "HEADING": ("HEADING", "HEADING_DEG", "heading"),
    "CENTER_LINE_UTC": ("CENTER_LINE_UTC",),
    "RANGE_PIXEL_SIZE": ("RANGE_PIXEL_SIZE",),
    "AZIMUTH_PIXEL_SIZE": ("AZIMUTH_PIXEL_SIZE",),
    "NCORRLOOKS": ("NCORRLOOKS",),
}


def facts_of(options: LoadOptions, base: Path, unwrapped: Sequence[Path], report: Report) -> RadarFacts:
    """Return what is known of radar and orbit: from ``meta_file``, else from a .rsc beside an interferogram.

    Raises
    ------
    InputError
        The wavelength is not known.
    """
    facts = _from_files(options, base, unwrapped, report)
    if facts is None and options.wavelength_m is not None:
        report.note("meta_file: no metadata were found, only the wavelength is known")
        facts = RadarFacts("isce", options.wavelength_m)
    if facts is None:
        said = "".join(f"; {note}" for note in report.notes if note.startswith("meta_file"))
        message = (
            "no metadata of the radar were found: give meta_file (reference/IW*.xml, or a data.rsc), or wavelength_m"
            + said
        )
        raise InputError(message)
    return facts if options.wavelength_m is None else replace(facts, wavelength_m=options.wavelength_m)


def _from_files(options: LoadOptions, base: Path, unwrapped: Sequence[Path], report: Report) -> RadarFacts | None:
    named = matching(options.meta_file, base)
    if options.meta_file and not named:
        report.note(f"meta_file: no file matches {options.meta_file}")
    beside = [path.with_name("data.rsc") for path in named if path.suffix != ".rsc"]
    swaths = [path for path in named if path.suffix == ".xml"]
    shelves = [path for path in named if path.name in _SHELVES]
    headers = [path for path in named if path.suffix == ".rsc"] + [path for path in beside if path.is_file()]
    headers += [header for path in unwrapped if (header := path.with_name(f"{path.name}.rsc")).is_file()][:1]
    if swaths:
        try:
            return _with_looks(facts_of_swaths(swaths), options, base, unwrapped, report)
        except CreepmeterError as problem:
            report.note(f"meta_file: {problem}")
    for header in headers:
        try:
            return facts_of_rsc(header)
        except CreepmeterError as problem:
            report.note(f"meta_file: {problem}")
    if shelves:
        report.note(
            f"meta_file: {shelves[0]} is a pickle of Python, which is not opened, as it can run any program: put "
            "beside it the data.rsc that MintPy's prep_isce.py writes from it"
        )
    return None


# --------------------------------------------------------------------------------------------------------------- .rsc


def facts_of_rsc(path: Path) -> RadarFacts:
    """Return the facts of a .rsc with MintPy's or ISCE's names.

    Raises
    ------
    InputError
        It has no wavelength, or a value is no number.
    """
    header = read_rsc(path)

    def number(name: str) -> float | None:
        text = next((header[key] for key in _NAMES.get(name, (name,)) if key in header), None)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError as problem:
            message = f"{path}: {name} is {text!r}, not a number: correct the header"
            raise InputError(message) from problem

    wavelength = number("WAVELENGTH")
    if wavelength is None or wavelength <= 0:
        message = f"{path} tells no wavelength (WAVELENGTH): complete it or give wavelength_m"
        raise InputError(message)
    looks = int(number("ALOOKS") or 1), int(number("RLOOKS") or 1)
    across = number("RANGE_PIXEL_SIZE")
    along = number("AZIMUTH_PIXEL_SIZE")
    mission = header.get("PLATFORM") or header.get("mission") or header.get("spacecraftName") or ""
    return RadarFacts(
        processor="isce",
        wavelength_m=wavelength,
        azimuth_looks=looks[0],
        range_looks=looks[1],
        range_pixel_m=across if across is not None else _times(number("rangePixelSize"), looks[1]),
        azimuth_pixel_m=along if along is not None else _times(number("azimuthPixelSize"), looks[0]),
        starting_range_m=number("STARTING_RANGE"),
        height_m=number("HEIGHT"),
        earth_radius_m=number("EARTH_RADIUS"),
        heading_deg=number("HEADING"),
        orbit_direction=header.get("ORBIT_DIRECTION") or header.get("passDirection"),
        platform=platform_in(mission) or mission or None,
        antenna_side=int(number("ANTENNA_SIDE") or -1),
        centre_line_utc_s=number("CENTER_LINE_UTC"),
        independent_looks=number("NCORRLOOKS"),
        extra={name: header[name] for name in (*_CARRIED, *_corners()) if name in header},
    )


def _corners() -> list[str]:
    return [f"{axis}_REF{number}" for axis in ("LAT", "LON") for number in range(1, 5)]


def _times(value: float | None, looks: int) -> float | None:
    return None if value is None else value * looks


# ------------------------------------------------------------------------------------------------------------ IW*.xml


@dataclass(frozen=True)
class _State:
    """Place and velocity of the satellite, metres and metres per second in the frame of the turning Earth."""

    time: datetime
    position: Floats
    velocity: Floats


def facts_of_swaths(paths: Sequence[Path]) -> RadarFacts:
    """Return the facts of Sentinel-1 swaths (IW1.xml ... of the reference): single look.

    Raises
    ------
    ImageError
        A file is damaged, or lacks what is needed.
    """
    bursts = []
    for path in sorted(paths):
        root = parse_xml(path)
        bursts += [(path, item, properties(item)) for item in components(root, "burst")]
    if not bursts:
        message = f"{paths[0]} holds no burst: give the IW*.xml of the reference image"
        raise ImageError(message)
    path, element, first = bursts[0]
    try:
        starts = [_moment(facts["burststartutc"]) for _, _, facts in bursts]
        stops = [_moment(facts["burststoputc"]) for _, _, facts in bursts]
        middle = min(starts) + (max(stops) - min(starts)) / 2
        state = _state_at(_states(element), middle)
        interval = float(first["azimuthtimeinterval"])
        near = min(float(facts["startingrange"]) for _, _, facts in bursts)
        wavelength, range_pixel = float(first["radarwavelength"]), float(first["rangepixelsize"])
    except (KeyError, ValueError, IndexError) as problem:
        message = f"{path} lacks metadata of a burst ({problem!r}): give the IW*.xml of the reference image"
        raise ImageError(message) from problem
    extra = {"POLARIZATION": first.get("polarization", "VV").upper(), "beam_mode": "IW"}
    named = {"PRF": "pulserepetitionfrequency", "trackNumber": "tracknumber"}
    extra |= {name: first[key] for name, key in named.items() if key in first}
    return RadarFacts(
        processor="isce",
        wavelength_m=wavelength,
        azimuth_pixel_m=interval * float(np.linalg.norm(state.velocity)),
        range_pixel_m=range_pixel,
        starting_range_m=near,
        height_m=_geodetic(state.position)[2],
        earth_radius_m=earth_radius_below(state.position),
        heading_deg=heading_of(state.position, state.velocity),
        orbit_direction=first.get("passdirection"),
        platform="Sen",
        centre_line_utc_s=seconds_of_day(middle),
        extra=extra,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.strip().replace(" ", "T"))


def _states(burst: object) -> list[_State]:
    found = []
    for item in components(burst, "statevector"):  # type: ignore[arg-type]
        facts = properties(item)
        found.append(_State(_moment(facts["time"]), _vector(facts["position"]), _vector(facts["velocity"])))
    return found


def _vector(text: str) -> Floats:
    values = np.array([float(part) for part in text.strip("[]() ").replace(",", " ").split()])
    if values.shape != (3,):
        message = f"{text!r} is no vector"
        raise ValueError(message)
    return values


def _state_at(states: Sequence[_State], moment: datetime) -> _State:
    """Return the satellite at a time: Hermite interpolation between the two states around it."""
    ordered = sorted(states, key=lambda state: state.time)
    if len(ordered) < 2:  # noqa: PLR2004 - two ends of an interval
        return ordered[0]
    later = next((k for k, state in enumerate(ordered) if state.time >= moment), len(ordered) - 1)
    before, after = ordered[max(later - 1, 0)], ordered[max(later, 1)]
    span = (after.time - before.time).total_seconds()
    s = (moment - before.time).total_seconds() / span
    place = (
        (1 + 2 * s) * (1 - s) ** 2 * before.position
        + s * (1 - s) ** 2 * span * before.velocity
        + s**2 * (3 - 2 * s) * after.position
        + s**2 * (s - 1) * span * after.velocity
    )
    speed = (1 - s) * before.velocity + s * after.velocity
    return _State(moment, place, speed)


def _geodetic(position: Floats) -> tuple[float, float, float]:
    """Return longitude and latitude (degrees) and height (metres) of a place in the Earth's frame."""
    change = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
    x, y, z = (float(value) for value in position)
    longitude, latitude, height = change.transform(x, y, z)
    return float(longitude), float(latitude), float(height)


def earth_radius_below(position: Floats) -> float:
    """Return the distance from the Earth's centre to the ellipsoid below a satellite, metres."""
    longitude, latitude, _ = _geodetic(position)
    change = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    return math.hypot(*change.transform(longitude, latitude, 0.0))


def heading_of(position: Floats, velocity: Floats) -> float:
    """Return the flight direction, degrees from north, clockwise positive."""
    longitude, latitude, _ = _geodetic(position)
    east = np.radians(longitude)
    north = np.radians(latitude)
    to_east = np.array([-np.sin(east), np.cos(east), 0.0])
    to_north = np.array([-np.sin(north) * np.cos(east), -np.sin(north) * np.sin(east), np.cos(north)])
    return math.degrees(math.atan2(float(velocity @ to_east), float(velocity @ to_north)))


# ------------------------------------------------------------------------------------------------------------- looks


def _with_looks(
    facts: RadarFacts, options: LoadOptions, base: Path, unwrapped: Sequence[Path], report: Report
) -> RadarFacts:
    """Return facts with looks from the sizes of the geometry before and after multilooking."""
    for path in matching(options.dem_file, base):
        plain = path.with_suffix("") if path.suffix in (".xml", ".vrt") else path
        sizes = [_size(plain.with_name(plain.name + suffix)) for suffix in _FULL]
        full = next((size for size in sizes if size is not None), None)
        small = _size(plain.with_name(f"{plain.name}.xml")) or _size(unwrapped[0].with_name(f"{unwrapped[0].name}.xml"))
        if full is not None and small is not None:
            along, across = round(full[0] / small[0]), round(full[1] / small[1])
            return replace(
                facts,
                azimuth_looks=along,
                range_looks=across,
                azimuth_pixel_m=_times(facts.azimuth_pixel_m, along),
                range_pixel_m=_times(facts.range_pixel_m, across),
                independent_looks=sentinel1_looks(across, along),
            )
    report.note("no full-resolution geometry (hgt.rdr.full.xml) was found: one look is assumed")
    return facts


def _size(path: Path) -> tuple[int, int] | None:
    if not path.is_file():
        return None
    try:
        return read_isce_image(path).shape if path.suffix == ".xml" else vrt_shape(path)
    except CreepmeterError:
        return None


def vrt_shape(path: Path) -> tuple[int, int]:
    """Return rows and columns of any VRT.

    Raises
    ------
    ImageError
        The file is damaged.
    """
    root = parse_xml(path)
    try:
        return int(root.attrib["rasterYSize"]), int(root.attrib["rasterXSize"])
    except (KeyError, ValueError):
        return read_raw_vrt(path)[0]


# ---------------------------------------------------------------------------------------------------------- baselines


def baselines(folder: str | None, base: Path, report: Report) -> Perpendicular:
    """Return a function that tells the perpendicular baseline of a pair, metres; NaN where it is not known.

    Parameters
    ----------
    folder : str or None
        Folder of text files ``YYYYMMDD_YYYYMMDD.txt``, each in a folder of that name (topsStack) or not.
    base : Path
        Folder that a relative name starts from.
    report : Report
        Takes notes.
    """
    known = _read_baselines(folder, base, report)
    per_date = _of_dates(known)

    def of_pair(pair: Pair, path: Path) -> float:
        if pair.ref in per_date and pair.sec in per_date:
            (first, group), (second, other) = per_date[pair.ref], per_date[pair.sec]
            if group == other:
                return second - first
        named = dates_in(path.stem) or dates_in(path.parent.name)
        return _baseline_in_rsc(path.with_name(f"{path.name}.rsc")) * (1.0 if named is None else named.sign)

    return of_pair


def _read_baselines(folder: str | None, base: Path, report: Report) -> dict[Pair, float]:
    known: dict[Pair, float] = {}
    for place in matching(folder, base):
        for path in sorted([*place.glob("*.txt"), *place.glob("*/*.txt")]):
            dates = dates_in(path.stem)
            if dates is None:
                continue
            values = [float(text) for text in _BPERP.findall(path.read_text(encoding="utf-8", errors="replace"))]
            if values:
                known[dates.pair] = dates.sign * float(np.mean(values))
            else:
                report.note(f"{path} tells no baseline (Bperp)")
    if folder and not known:
        report.note(f"baseline_dir: no baselines were found in {folder}")
    return known


def _of_dates(known: Mapping[Pair, float]) -> dict[Epoch, tuple[float, int]]:
    """Return the baseline of every date against the first of its group of connected dates, and the group."""
    neighbours: dict[Epoch, list[tuple[Epoch, float]]] = {}
    for pair, value in known.items():
        neighbours.setdefault(pair.ref, []).append((pair.sec, value))
        neighbours.setdefault(pair.sec, []).append((pair.ref, -value))
    found: dict[Epoch, tuple[float, int]] = {}
    for group, start in enumerate(neighbours):
        if start in found:
            continue
        found[start] = (0.0, group)
        waiting = deque([start])
        while waiting:
            here = waiting.popleft()
            for other, value in neighbours[here]:
                if other not in found:
                    found[other] = (found[here][0] + value, group)
                    waiting.append(other)
    return found


def _baseline_in_rsc(header: Path) -> float:
    if not header.is_file():
        return math.nan
    try:
        facts = read_rsc(header)
        values = [float(facts[name]) for name in ("P_BASELINE_TOP_HDR", "P_BASELINE_BOTTOM_HDR") if name in facts]
    except (CreepmeterError, ValueError):
        return math.nan
    return float(np.mean(values)) if values else math.nan
