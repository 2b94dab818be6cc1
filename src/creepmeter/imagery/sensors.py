"""The table of sensors: how catalogues name their collections, bands and masks, and what the masks mean.

Nothing outside this table and `radiometry` knows one sensor from another. A new sensor is one entry of `SENSORS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from creepmeter.errors import InputError

Kind = Literal["missing", "cloud", "shadow", "snow"]


@dataclass(frozen=True)
class Sensor:
    """One sensor, in the words of the catalogues that serve it.

    Parameters
    ----------
    name : str
        For people and file names.
    collections : tuple of str
        Collections of catalogues that hold its scenes.
    bands : mapping of str to tuple of str
        Name of a band, and the asset keys under which catalogues keep it, the likeliest first.
    default_band : str
        Band that is tracked unless another is asked for.
    mask : tuple of str
        Asset keys of the mask.
    mask_kind : {"scl", "qa"}
        ``scl``: a pixel holds the number of one class. ``qa``: a pixel holds bits.
    meanings : mapping of str to tuple of int
        Classes (or bits, counted from 0) that mean missing, cloud, shadow, snow.
    spare : tuple of str
        Further keys to try for the default band where a catalogue has none of its own.
    """

    name: str
    collections: tuple[str, ...]
    bands: Mapping[str, tuple[str, ...]]
    default_band: str
    mask: tuple[str, ...]
    mask_kind: Literal["scl", "qa"]
    meanings: Mapping[Kind, tuple[int, ...]]
    spare: tuple[str, ...] = ()

    def band_key(self, item: Mapping[str, Any], band: str | None = None) -> str:
        """Return the asset key of a band in an item.

        Parameters
        ----------
        item : mapping
            STAC item as JSON.
        band : str, optional
            Name of the table, such as ``B08``, or an asset key of the catalogue itself; default `default_band`.

        Raises
        ------
        InputError
            The item has no such asset.
        """
        wanted = band or self.default_band
        keys = (*self.bands.get(wanted, ()), wanted, *(self.spare if band is None else ()))
        found = _first_present(item, keys)
        if found is None:
            have = ", ".join(sorted(map(str, section(item, "assets")))[:30]) or "none"
            message = (
                f"item {item.get('id')!r:.90} has no asset for band {wanted} of {self.name} (looked for "
                f"{', '.join(dict.fromkeys(keys))}; it has {have}): ask for a band that it has with --band"
            )
            raise InputError(message)
        return found

    def mask_key(self, item: Mapping[str, Any]) -> str:
        """Return the asset key of the mask in an item.

        Raises
        ------
        InputError
            The item has none.
        """
        found = _first_present(item, self.mask)
        if found is None:
            message = (
                f"item {item.get('id')!r:.90} has no mask of {self.name} (looked for {', '.join(self.mask)}): "
                "clouds in it cannot be told, leave it out"
            )
            raise InputError(message)
        return found


def section(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of an item that should hold fields, empty where it is missing or something else."""
    found = item.get(name)
    return found if isinstance(found, Mapping) else {}


def _first_present(item: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    assets = section(item, "assets")
    return next((key for key in keys if isinstance(assets.get(key), Mapping) and assets[key].get("href")), None)


# Scene classification of Sentinel-2 L2A: 0 no data, 1 saturated or defective, 2 dark area, 3 cloud shadow,
# 4 vegetation, 5 not vegetated, 6 water, 7 unclassified, 8 cloud medium and 9 cloud high probability, 10 thin cirrus,
# 11 snow or ice (ESA, Sentinel-2 Products Specification Document).
_SENTINEL_2 = Sensor(
    name="sentinel-2",
    collections=("sentinel-2-l2a", "sentinel-2-c1-l2a"),
    bands={
        "B02": ("blue", "B02"),
        "B03": ("green", "B03"),
        "B04": ("red", "B04"),
        "B08": ("nir", "B08", "B08_10m"),
        "B8A": ("nir08", "B8A"),
        "B11": ("swir16", "B11"),
        "B12": ("swir22", "B12"),
    },
    default_band="B08",
    mask=("scl", "SCL", "SCL_20m"),
    mask_kind="scl",
    meanings={"missing": (0, 1), "cloud": (8, 9, 10), "shadow": (3,), "snow": (11,)},
)
# Bits of QA_PIXEL of Landsat Collection 2: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow, 5 snow
# (USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide).
_LANDSAT = Sensor(
    name="landsat",
    collections=("landsat-c2-l2", "landsat-c2-l1", "landsat-c2l2-sr", "landsat-c2l1"),
    bands={
        "B8": ("pan", "B8"),
        "B4": ("red", "B4"),
        "B5": ("nir08", "nir", "B5"),
        "B6": ("swir16", "B6"),
    },
    default_band="B8",
    mask=("qa_pixel", "QA_PIXEL", "qa"),
    mask_kind="qa",
    meanings={"missing": (0,), "cloud": (1, 2, 3), "shadow": (4,), "snow": (5,)},
    spare=("nir08", "nir", "B5"),  # Level 2 has no panchromatic band
)
SENSORS: tuple[Sensor, ...] = (_SENTINEL_2, _LANDSAT)


def sensor_named(name: str) -> Sensor:
    """Return an entry of the table by its name.

    Raises
    ------
    InputError
        There is none of this name.

    Examples
    --------
    >>> sensor_named("sentinel-2").default_band
    'B08'
    """
    found = next((sensor for sensor in SENSORS if sensor.name == name), None)
    if found is None:
        message = f"sensor {name!r:.60} is not known: choose among {', '.join(one.name for one in SENSORS)}"
        raise InputError(message)
    return found


def sensor_of(item: Mapping[str, Any]) -> Sensor:
    """Return the sensor that an item of a catalogue is of: by its collection, else by its constellation or platform.

    Parameters
    ----------
    item : mapping
        STAC item as JSON.

    Raises
    ------
    InputError
        It is of none of the table.

    Examples
    --------
    >>> sensor_of({"id": "a", "collection": "sentinel-2-c1-l2a"}).name
    'sentinel-2'
    """
    collection = str(item.get("collection") or "")
    for sensor in SENSORS:
        if collection in sensor.collections:
            return sensor
    facts = section(item, "properties")
    said = " ".join(str(facts.get(key) or "") for key in ("constellation", "platform")).lower().replace(" ", "-")
    for sensor in SENSORS:
        if sensor.name in said:
            return sensor
    message = (
        f"item {item.get('id')!r:.90} of collection {collection!r:.60} is of no sensor that is known "
        f"({', '.join(one.name for one in SENSORS)}): leave it out"
    )
    raise InputError(message)
