"""Reflectance from digital numbers: the offset of Sentinel-2 applied once, whatever a catalogue has done with it.

What an item says is used, never its date: old scenes are processed again, and carry the offset then.

=====================================  ==============================================================================
item of Sentinel-2 L2A                 added to digital numbers
=====================================  ==============================================================================
baseline before 04.00                  0: these products have no offset (ESA, product specification, section on
                                       ``BOA_ADD_OFFSET``), also where ``raster:bands`` names -0.1 for all items
``boa_offset_applied`` true            0: the catalogue has taken it out of the pixels. The ``raster:bands`` of such
                                       items still say -0.1; the flag counts (Earth Search, issue 9)
``boa_offset_applied`` false           -1000 from baseline 04.00 on
no flag, ``raster:bands`` has offset   what it says (Collection 1 of Earth Search: -0.1; other catalogues)
no flag, no ``raster:bands``           -1000 from baseline 04.00 on (Planetary Computer serves ESA's numbers)
none of these                          refused
=====================================  ==============================================================================

The baseline is ``s2:processing_baseline`` or ``processing:version``, else the N0500 of the name of the product. Digital
number 0 is missing, 65535 saturated (``SPECIAL_VALUES`` of the product): both are NaN.

Landsat Collection 2 (USGS, science product guides): Level 2 is ``2.75e-5 DN - 0.2``, Level 1 is
``(2e-5 DN - 0.1) / sin(sun elevation)``; 0 is fill.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.imagery.sensors import section, sensor_of

Floats32 = npt.NDArray[np.float32]
OFFSET_SINCE = (4, 0)
_OFFSET_DN = -1000.0
_SCALE = 1e-4
_SATURATED = 65535
_NEAR = 1e-6
_FLAGS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied", "s2:boa_offset_applied")
_BASELINES = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
_PRODUCTS = ("s2:product_uri", "s2:product_id", "sentinel:product_id", "title")
_LANDSAT = {"2": (2.75e-5, -0.2), "1": (2e-5, -0.1)}
_TAKEN = 2
_STRIP = 256


@dataclass(frozen=True)
class Radiometry:
    """How digital numbers become reflectance: ``(DN + add) * scale``.

    Parameters
    ----------
    scale : float
        Reflectance of one digital number.
    add : float
        Added to digital numbers before.
    missing : tuple of int
        Digital numbers that are no measurement.
    rule : str
        What in the item says so.
    """

    scale: float
    add: float
    missing: tuple[int, ...]
    rule: str

    def as_json(self) -> dict[str, Any]:
        """Return it for provenance."""
        return {**asdict(self), "missing": list(self.missing)}


def reflectance(
    numbers: npt.NDArray[np.generic], how: Radiometry, valid: npt.NDArray[np.bool_] | None = None
) -> Floats32:
    """Return reflectance of digital numbers.

    Parameters
    ----------
    numbers : array, (y, x)
        As stored.
    how : Radiometry
        From `radiometry_of`.
    valid : array of bool, (y, x), optional
        False where the file itself says that there is no value.

    Returns
    -------
    array, (y, x) float32
        NaN where there is none. The same ground gives the same bits whether its numbers carry the offset or not.

    Examples
    --------
    >>> late = Radiometry(1e-4, -1000.0, (0, 65535), "baseline 04.00")
    >>> early = Radiometry(1e-4, 0.0, (0, 65535), "baseline 03.01")
    >>> reflectance(np.array([[0, 1000, 3500]]), late)
    array([[ nan, 0.  , 0.25]], dtype=float32)
    >>> reflectance(np.array([[0, 2500]]), early)
    array([[ nan, 0.25]], dtype=float32)
    """
    found = np.empty(numbers.shape, np.float32)
    for first in range(0, len(numbers), _STRIP):  # doubles of a few rows at a time
        rows = slice(first, first + _STRIP)
        exact = numbers[rows].astype(np.float64)
        gone = np.isin(numbers[rows], how.missing) | ~np.isfinite(exact)
        gone = gone if valid is None else gone | ~valid[rows]
        found[rows] = np.where(gone, np.nan, (exact + how.add) * how.scale)
    return found


def radiometry_of(item: Mapping[str, Any], key: str) -> Radiometry:
    """Return how the digital numbers of an asset become reflectance.

    Parameters
    ----------
    item : mapping
        STAC item as JSON.
    key : str
        Of the asset.

    Raises
    ------
    InputError
        The item does not say enough, or contradicts itself.
    """
    if sensor_of(item).name == "landsat":
        return _landsat(item, key)
    scale, offset = _said_of_band(item, key)
    scale = _SCALE if scale is None else scale
    add, rule = _sentinel_offset(item, None if offset is None else offset / scale)
    nearest = round(add)
    exact = float(nearest) if abs(add - nearest) < _NEAR * max(1.0, abs(add)) else add
    return Radiometry(scale, exact, (0, _SATURATED), rule)


def _sentinel_offset(item: Mapping[str, Any], said: float | None) -> tuple[float, str]:
    """Return what is added to digital numbers, and the rule that says so."""
    baseline, applied = baseline_of(item), _flag(item)
    if baseline is not None and baseline < OFFSET_SINCE:
        return 0.0, f"processing baseline {shown_baseline(baseline)} has no offset"
    if applied is True:
        return 0.0, "boa_offset_applied is true: taken out of the pixels already"
    late = baseline is not None
    if applied is False and late:
        return _OFFSET_DN, f"boa_offset_applied is false, processing baseline {shown_baseline(baseline)}"
    if said is not None:
        return said, "raster:bands of the asset"
    if late:
        return _OFFSET_DN, f"processing baseline {shown_baseline(baseline)}, nothing said of the pixels"
    message = (
        f"item {item.get('id')!r:.90} tells neither its processing baseline nor an offset (raster:bands): its "
        "reflectance cannot be known to 0.1; leave it out, or search in another catalogue"
    )
    raise InputError(message)


def baseline_of(item: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the processing baseline of a Sentinel-2 item, such as (5, 9), or None where nothing tells it.

    Examples
    --------
    >>> baseline_of({"properties": {"s2:processing_baseline": "05.09"}})
    (5, 9)
    >>> baseline_of({"properties": {"s2:product_uri": "S2A_MSIL2A_20170725T1_N0500_R022_T33TVM_2023.SAFE"}})
    (5, 0)
    """
    facts = section(item, "properties")
    for name in _BASELINES:
        found = re.fullmatch(r"N?(\d{1,2})\.?(\d{2})?", _written(facts.get(name)))
        if found is not None:
            return int(found[1]), int(found[2] or 0)
    for text in (*(facts.get(name) for name in _PRODUCTS), item.get("id")):
        found = re.search(r"_N(\d{2})(\d{2})_", str(text or ""))
        if found is not None:
            return int(found[1]), int(found[2])
    return None


def _written(said: object) -> str:
    """Return a baseline as text; the number 5.1 of a catalogue that writes numbers is 05.10."""
    if isinstance(said, float) and math.isfinite(said):
        return f"{said:.2f}"
    return str("" if said is None else said).strip()


def shown_baseline(baseline: tuple[int, int] | None) -> str:
    """Return a baseline as ESA writes it."""
    return "unknown" if baseline is None else f"{baseline[0]:02d}.{baseline[1]:02d}"


def _flag(item: Mapping[str, Any]) -> bool | None:
    facts = section(item, "properties")
    found = [facts[name] for name in _FLAGS if facts.get(name) is not None]
    if not found:
        return None
    words = {"true": True, "false": False}
    values = {one if isinstance(one, bool) else words.get(str(one).strip().lower()) for one in found}
    if None in values or len(values) == _TAKEN:
        message = (
            f"item {item.get('id')!r:.90} says {found!r:.60} of its offset (boa_offset_applied): that is neither true "
            "nor false; leave it out"
        )
        raise InputError(message)
    return values.pop()


def _said_of_band(item: Mapping[str, Any], key: str) -> tuple[float | None, float | None]:
    """Return scale and offset that an asset names (``raster:bands``, or STAC 1.1), None where it does not."""
    asset = section(section(item, "assets"), key)
    bands = asset.get("raster:bands") or asset.get("bands") or [{}]
    band = bands[0] if isinstance(bands, Sequence) and bands and isinstance(bands[0], Mapping) else {}
    found: list[float | None] = []
    for name in ("scale", "offset"):
        values = (band.get(name), band.get(f"raster:{name}"), asset.get(f"raster:{name}"))
        found.append(_number(next((value for value in values if value is not None), None), item, name))
    if found[0] is not None and not found[0] > 0:
        message = f"item {item.get('id')!r:.90}: scale {found[0]:g} of asset {key} is not positive; leave it out"
        raise InputError(message)
    return found[0], found[1]


def _number(value: object, item: Mapping[str, Any], name: str) -> float | None:
    if value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        message = f"item {item.get('id')!r:.90}: {name} {value!r:.40} is no number; leave it out"
        raise InputError(message)
    return number


def _landsat(item: Mapping[str, Any], key: str) -> Radiometry:
    facts = section(item, "properties")
    level = "1" if "l1" in f"{item.get('collection')}{facts.get('landsat:correction', '')}".lower() else "2"
    scale, offset = _said_of_band(item, key)
    known = _LANDSAT[level]
    scale, offset = (usual if said is None else said for said, usual in zip((scale, offset), known, strict=True))
    rule = f"Landsat Collection 2 Level {level}"
    if level == "1":
        height = _number(facts.get("view:sun_elevation"), item, "view:sun_elevation")
        if height is None or height <= 0:
            message = (
                f"item {item.get('id')!r:.90} does not tell a height of the sun (view:sun_elevation): leave it out"
            )
            raise InputError(message)
        scale, offset = scale / math.sin(math.radians(height)), offset / math.sin(math.radians(height))
        rule += f", sun {height:.2f} degrees high"
    return Radiometry(scale, offset / scale, (0, _SATURATED), rule)
