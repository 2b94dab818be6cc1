"""A radar velocity and a radar series beside GNSS stations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.model.epoch import Epochs
from creepmeter.model.sampling import bilinear
from creepmeter.model.station import Comparison, Overlay, Place, Station, StationRates
from creepmeter.validation.compare import aligned, relative_to
from creepmeter.validation.gnss_options import StationComponent

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sight:
    """How a station is seen: where it stands on the map, and the unit vector that its motion is projected onto.

    Parameters
    ----------
    x, y : float
        Map coordinates, for drawing.
    column, row : float
        Pixels, (0, 0) = upper left corner of the first pixel.
    direction : array, (3,)
        East, north, up.
    """

    x: float
    y: float
    column: float
    row: float
    direction: Floats


SightOf = Callable[[Place], Sight]


def direction_of(component: StationComponent, look: Floats | None, horz_az: float = -90.0) -> Floats:
    """Return what motion east, north, up is projected onto, (3,).

    Parameters
    ----------
    component : str
        ``enu2los``, or only what the horizontal (``hz2los``) or vertical (``up2los``) motion adds to it; ``E``, ``N``,
        ``U`` = ``vert``; ``horz`` = along `horz_az`.
    look : array, (3,), or None
        Unit vector towards the satellite, see `creepmeter.model.line_of_sight.look_vector`; None where it is not
        known.
    horz_az : float
        Direction of ``horz``, degrees from north to the west.

    Raises
    ------
    InputError
        The component needs the line of sight, which is not known.

    Examples
    --------
    >>> from creepmeter.model.line_of_sight import look_vector
    >>> direction_of("hz2los", look_vector(30.0, 90.0)).round(3) + 0.0
    array([-0.5,  0. ,  0. ])
    """
    angle = np.radians(horz_az)
    axes = {
        "E": (1.0, 0.0, 0.0),
        "N": (0.0, 1.0, 0.0),
        "U": (0.0, 0.0, 1.0),
        "vert": (0.0, 0.0, 1.0),
        "horz": (-np.sin(angle), np.cos(angle), 0.0),
    }
    if component in axes:
        return np.asarray(axes[component], np.float64)
    if look is None:
        message = (
            "the line of sight is not known: give the geometry file of the map (--geometry inputs/geometryGeo.h5), or "
            "take --gnss-comp E, N or U"
        )
        raise InputError(message)
    parts = {"enu2los": (1, 1, 1), "hz2los": (1, 1, 0), "up2los": (0, 0, 1)}
    return np.asarray(look * parts[component], np.float64)


def projected(values: Floats, direction: Floats) -> Floats:
    """Return motion (..., 3) along a direction, (...,); a component that it does not need may be missing."""
    needed = direction != 0
    return np.asarray(values[..., needed] @ direction[needed], np.float64)


def projected_sigma(sigma: Floats, direction: Floats) -> Floats:
    """Return the standard error of `projected`, with independent errors of the components."""
    needed = direction != 0
    return np.asarray(np.sqrt((sigma[..., needed] * direction[needed]) ** 2 @ np.ones(needed.sum())), np.float64)


def compare_los(
    value: Floats,
    sigma: Floats,
    rates: Sequence[StationRates],
    sight_of: SightOf,
    *,
    reference: str | None = None,
    without: Sequence[str] = (),
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Compare a velocity along one direction with stations.

    Parameters
    ----------
    value, sigma : array, (y, x)
        Velocity and its standard error, m/yr; NaN = not measured.
    rates : sequence of StationRates
        Along true east, north and up.
    sight_of : callable
        Place -> Sight; raises `InputError` for a place that is not on the map.
    reference : str, optional
        Station whose rate is subtracted from all others, on the map and on the ground.
    without : sequence of str
        Stations that have no rate, and why: for the message where the reference is one of them.

    Returns
    -------
    comparisons : tuple of Comparison
        One component, ``los``, for each station on the map.
    left_out : tuple of str
        Stations that cannot be compared, and why.

    Raises
    ------
    ConfigError
        The reference is none of the stations on the map.
    """
    found, left_out = [], []
    for station in rates:
        try:
            found.append(_compared(station, value, sigma, sight_of(station)))
        except InputError as problem:
            left_out.append(f"{station.name}: {problem}")
    return (tuple(found) if reference is None else relative_to(found, reference, [*without, *left_out])), tuple(
        left_out
    )


def _compared(station: StationRates, value: Floats, sigma: Floats, sight: Sight) -> Comparison:
    on_map, on_map_sigma = bilinear(np.stack([value, sigma]), sight.column, sight.row)
    if not np.isfinite(on_map):
        message = f"the map has no measurement there (column {sight.column:.1f}, row {sight.row:.1f})"
        raise InputError(message)
    rate = projected(station.rate, sight.direction)
    if not np.isfinite(rate):
        message = "its rate lacks a component that is needed (up): take --gnss-comp hz2los, or leave it out"
        raise InputError(message)
    return Comparison(
        station.name,
        sight.x,
        sight.y,
        sight.column,
        sight.row,
        ("los",),
        np.array([on_map]),
        np.array([on_map_sigma]),
        np.array([rate]),
        np.array([projected_sigma(station.sigma, sight.direction)]),
    )


def overlay_los(
    name: str, times: Epochs, on_map: Floats, station: Station, direction: Floats, reference: Station | None = None
) -> Overlay:
    """Return the series of a pixel beside that of a station, along one direction.

    Parameters
    ----------
    name : str
        What the station is called.
    times, on_map : array, (n,)
        Dates and displacement of the pixel, metres.
    station : Station
        Along true east, north and up.
    direction : array, (3,)
        What it is projected onto.
    reference : Station, optional
        Its motion is subtracted, on days that both have.

    Raises
    ------
    InputError
        The station has no date within those of the map, or none in common with the reference.
    """
    days, ground = station.times, projected(station.displacement, direction)
    if reference is not None:
        days, first, second = np.intersect1d(
            days.astype("datetime64[D]"), reference.times.astype("datetime64[D]"), return_indices=True
        )
        if len(days) == 0:
            message = f"{station.name} and the reference station {reference.name} have no day in common"
            raise InputError(message)
        ground = ground[first] - projected(reference.displacement, direction)[second]
        days = station.times[first]
    moved, rmse = aligned(times, on_map, days, ground)
    missing = np.full((len(times), 1), np.nan)
    return Overlay(name, ("los",), times, on_map[:, None], missing, days, moved[:, None], np.array([rmse]))
