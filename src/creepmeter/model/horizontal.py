"""The rate of motion on the map: its components, speed and standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import SchemaError
from creepmeter.model.schema import MOTION_MODEL, check

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HorizontalMotion:
    """The rate of motion on the map.

    Parameters
    ----------
    east, north : array, (y, x)
        Components, `unit`.
    speed, sigma : array, (y, x)
        Length of the vector and its standard error, `unit`; sigma is NaN where unknown.
    unit : str
        ``m/yr``.
    """

    east: Floats
    north: Floats
    speed: Floats
    sigma: Floats
    unit: str

    @property
    def has_sigma(self) -> bool:
        """Tell whether any cell has a standard error."""
        return bool(np.isfinite(self.sigma).any())


def rate_term(motion: xr.Dataset) -> str:
    """Return ``rate``, or the first term other than the offset where there is no rate.

    Raises
    ------
    SchemaError
        The model has no such term.
    """
    check(motion, MOTION_MODEL)
    terms = [str(term) for term in motion["term"].values]
    if "rate" in terms:
        return "rate"
    others = [term for term in terms if term != "offset"]
    if not others:
        message = f"the motion model has no term to draw but {', '.join(terms)}: fit the term rate"
        raise SchemaError(message)
    return others[0]


def horizontal_motion(motion: xr.Dataset, term: str | None = None) -> HorizontalMotion | None:
    """Return east, north, speed and its standard error, or None where the model lacks one of the two components.

    Parameters
    ----------
    motion : Dataset
        MotionModel.
    term : str, optional
        Default: the rate.

    Notes
    -----
    The standard error of the speed is ``sqrt((ve se)^2 + (vn sn)^2) / speed``: the error along the direction of motion.
    """
    term = term or rate_term(motion)
    names = [str(name) for name in motion["component"].values]
    if not {"east", "north"} <= set(names):
        return None
    value = motion["value"].sel(term=term)
    east, north = (np.asarray(value.sel(component=name).values, dtype=np.float64) for name in ("east", "north"))
    speed = np.hypot(east, north)
    sigma = np.full_like(speed, np.nan)
    if "sigma" in motion:
        spread = motion["sigma"].sel(term=term)
        parts = [np.asarray(spread.sel(component=name).values, dtype=np.float64) for name in ("east", "north")]
        sigma = error_along(east, north, *parts)
    unit = str(motion["unit"].sel(term=term).item()) if "unit" in motion.coords else "m/yr"
    return HorizontalMotion(east, north, speed, sigma, unit)


def error_along(east: Floats, north: Floats, sigma_east: Floats, sigma_north: Floats) -> Floats:
    """Return the standard error along the direction of motion; where nothing moves, that of the mean direction."""
    speed = np.hypot(east, north)
    along = np.where(speed > 0, speed, 1.0)
    slope = [np.where(speed > 0, part / along, np.sqrt(0.5)) for part in (east, north)]
    return np.asarray(np.hypot(slope[0] * sigma_east, slope[1] * sigma_north))


def scalar_motion(motion: xr.Dataset) -> tuple[Floats, Floats]:
    """Return size and standard error of the rate, (y, x): speed, or the size of the only component."""
    movement = horizontal_motion(motion)
    if movement is not None:
        return movement.speed, movement.sigma
    term = rate_term(motion)
    size = np.abs(np.asarray(motion["value"].sel(term=term).values[0], dtype=np.float64))
    if "sigma" not in motion:
        return size, np.full_like(size, np.nan)
    return size, np.asarray(motion["sigma"].sel(term=term).values[0], dtype=np.float64)


def annual_amplitude(motion: xr.Dataset) -> npt.NDArray[np.float64] | None:
    """Return how far the ground swings to either side in a year, metres, (y, x); None where no annual term is fitted.

    With two components it is half the length of the ellipse that the ground runs through.
    """
    terms = {str(term) for term in motion["term"].values}
    if not {"annual_cos", "annual_sin"} <= terms:
        return None
    cosine, sine = (
        np.asarray(motion["value"].sel(term=f"annual_{name}").values, np.float64) for name in ("cos", "sin")
    )
    power = (cosine**2 + sine**2).sum(axis=0)
    turn = cosine[0] * sine[1] - sine[0] * cosine[1] if len(cosine) > 1 else 0.0  # area of the ellipse over pi
    return np.asarray(np.sqrt(0.5 * (power + np.sqrt(np.maximum(power**2 - 4.0 * turn**2, 0.0)))))
