"""Incidence and slant range at the centre of a scene, from the attributes of a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creepmeter.corrections.topography import centre_geometry
from creepmeter.errors import InputError
from creepmeter.io.mintpy.grid import number_of

_NAMES = ("STARTING_RANGE", "RANGE_PIXEL_SIZE", "WIDTH", "HEIGHT", "EARTH_RADIUS")


@dataclass(frozen=True)
class Centre:
    """Incidence angle in degrees and slant range in metres."""

    incidence_deg: float
    slant_range_m: float

    @property
    def distance_m(self) -> float:
        """Slant range times the sine of the incidence."""
        return self.slant_range_m * float(np.sin(np.deg2rad(self.incidence_deg)))


def centre_of(attributes: Mapping[str, str], path: Path) -> Centre:
    """Return the geometry at the centre of a scene.

    Raises
    ------
    InputError
        The attributes do not tell it.
    """
    found = {name: number_of(attributes, name, path) for name in _NAMES}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        message = f"{path} lacks {', '.join(missing)}, which tell range and incidence: give a geometry file with both"
        raise InputError(message)
    near, size, columns, height, earth = (float(found[name] or 0.0) for name in _NAMES)
    return Centre(*centre_geometry(near, size, int(columns), height, earth))
