"""Files for GBIS (Bagnardi and Hooper 2018): phase at points with position and line of sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.io.matfile import write_mat
from creepmeter.io.mintpy.grid import number_of
from creepmeter.products.displacement import displacement_of
from creepmeter.products.kmz import require_ending
from creepmeter.products.mapfile import MapFile, MapLayer, strips
from creepmeter.products.places import places_of

MAT = ".mat"
_RIGHT = 90.0  # degrees from the heading of the orbit to the ground, right looking
_WHOLE = slice(None)
Floats = npt.NDArray[np.float64]


def save_gbis(
    source: str | Path,
    target: str | Path,
    name: str | None = None,
    *,
    geometry: str | Path,
    mask: str | Path | None = None,
) -> Path:
    """Write displacement as .mat file for GBIS, whole or not at all.

    It holds columns of Lon and Lat (degrees), Phase (radians, positive away from the satellite), Inc and Heading
    (degrees), as GBIS wants them, and as MintPy Height (metres), Mask (the map of the points) and Metadata.

    Parameters
    ----------
    source : path
        Velocity (over all its dates) or series.
    target : path
        Ends in ``.mat``.
    name : str, optional
        Map and dates; default: the velocity, or the last date.
    geometry : path
        Incidence angles, heights, and in radar coordinates latitude and longitude.
    mask : path, optional
        Only pixels where it is nonzero are written.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The map is no displacement, or the geometry lacks angles or positions.
    """
    path = require_ending(Path(target), MAT)
    file = MapFile.open(source)
    moved, keep, about = displacement_of(file, name), file.mask(mask), file.beside(geometry)
    places, incidence = places_of(file, about), angle_of(about, "incidenceAngle")
    heights = about.layer("height") if "height" in about.arrays else None
    parts: dict[str, list[Floats]] = {key: [] for key in ("Lon", "Lat", "Phase", "Inc", "Heading", "Height")}
    chosen = np.zeros(file.shape, np.uint8)
    for strip in strips(file.shape):
        phase = moved.phase(strip)
        longitude, latitude = places.at(strip, _WHOLE)
        height = np.zeros(phase.shape) if heights is None else heights.floats(strip)
        values = (longitude, latitude, phase, incidence.floats(strip), _heading(file, about, strip), height)
        # a point needs all but its height
        here = np.logical_and.reduce(np.broadcast_arrays(keep.read(strip, _WHOLE), *map(np.isfinite, values[:-1])))
        chosen[strip] = here
        for key, part in zip(parts, values, strict=True):
            parts[key].append(np.broadcast_to(part, here.shape)[here])
    columns: dict[str, Any] = {key: np.concatenate(values)[:, None] for key, values in parts.items()}
    if len(columns["Phase"]) == 0:
        message = f"{source}: no pixel of {moved.layer.title} has a value inside the mask: nothing to write"
        raise InputError(message)
    told = {key: text for key, text in file.attributes.items() if not key.startswith("CREEPMETER")}
    return write_mat(path, columns | {"Mask": chosen, "Metadata": told | {"DATE12": moved.dates, "UNIT": "radian"}})


def angle_of(geometry: MapFile, name: str) -> MapLayer:
    """Return a map of angles.

    Raises
    ------
    InputError
        The geometry has none.
    """
    if name not in geometry.arrays:
        message = f"{geometry.path} has no {name} (it holds {', '.join(geometry.arrays)}): give a geometry that has it"
        raise InputError(message)
    return geometry.layer(name)


def _heading(file: MapFile, geometry: MapFile, rows: slice) -> Floats:
    """Return the heading of the orbit, degrees from north, clockwise."""
    stated = number_of(file.attributes, "HEADING", file.path)
    if stated is not None:
        return np.full((1, 1), stated)
    azimuth = angle_of(geometry, "azimuthAngle").floats(rows)
    side = number_of(file.attributes, "ANTENNA_SIDE", file.path) or -1.0
    return np.asarray((-np.sign(side) * _RIGHT - azimuth + 180) % 360 - 180)
