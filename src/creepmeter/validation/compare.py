"""A velocity map and a displacement series beside stations on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError, InputError
from creepmeter.model.epoch import Epochs, years_since
from creepmeter.model.grid import Grid, grid_of, map_position
from creepmeter.model.horizontal import rate_term
from creepmeter.model.sampling import bilinear
from creepmeter.model.schema import TIME_SERIES, check
from creepmeter.model.station import AXES, Comparison, Overlay, Place, Station, StationRates

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How a map agrees with all stations.

    Parameters
    ----------
    component : str
        ``east``, ``north``, ``up``, ``los``, or ``horizontal`` for the first two together.
    stations : int
        How many.
    bias : float
        Mean of map minus ground, m/yr; of `horizontal` the length of the mean vector.
    rmse : float
        Root mean square of the differences (of the vectors), m/yr.
    spread : float
        Standard deviation of the differences about the bias, m/yr.
    normalised : float
        Root mean square of the differences in units of their standard errors; 1 where those hold. NaN = not known.
    """

    component: str
    stations: int
    bias: float
    rmse: float
    spread: float
    normalised: float


def compare_rates(
    motion: xr.Dataset, stations: Sequence[StationRates], *, reference: str | None = None
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Compare the rate of a map with stations.

    Parameters
    ----------
    motion : Dataset
        MotionModel with east and north; up is compared where it has that too.
    stations : sequence of StationRates
        In any reference system.
    reference : str, optional
        Station whose rate is subtracted from all others, on the map and on the ground, and which is left out itself:
        for stations in a global frame.

    Returns
    -------
    comparisons : tuple of Comparison
        One for each station on the map, along the axes of the map.
    left_out : tuple of str
        Stations that cannot be compared, and why.

    Raises
    ------
    ConfigError
        The map has no horizontal rate, or the reference is none of the stations on it.

    Notes
    -----
    The map is taken between the centres of its cells (bilinear), and so is its standard error: errors of neighbours
    are mostly common, as their chips overlap, and do not average out.
    """
    names = [str(name) for name in motion["component"].values]
    if not {"east", "north"} <= set(names):
        message = f"the map has the component(s) {', '.join(names)}: stations are compared with east and north"
        raise ConfigError(message)
    components = tuple(name for name in AXES if name in names)
    grid, term = grid_of(motion), rate_term(motion)
    chosen = motion.sel(term=term, component=list(components))
    value = np.asarray(chosen["value"].values, np.float64)
    sigma = np.asarray(chosen["sigma"].values, np.float64) if "sigma" in chosen else np.full(value.shape, np.nan)
    found, left_out = [], []
    for station in stations:
        try:
            found.append(_compared(station, components, grid, value, sigma))
        except InputError as problem:
            left_out.append(f"{station.name}: {problem}")
    return (tuple(found) if reference is None else relative_to(found, reference, left_out)), tuple(left_out)


def _compared(
    station: StationRates, components: tuple[str, ...], grid: Grid, value: Floats, sigma: Floats
) -> Comparison:
    column, row = place_on(station, grid)
    on_map = bilinear(value, column, row)
    if not np.isfinite(on_map[:2]).all():
        message = f"the map has no measurement there (column {column:.1f}, row {row:.1f})"
        raise InputError(message)
    x, y = map_position(grid, column, row)
    axes = [AXES.index(name) for name in components]
    return Comparison(
        station.name,
        float(x),
        float(y),
        column,
        row,
        components,
        on_map,
        bilinear(sigma, column, row),
        station.turned(station.rate, grid)[axes],
        station.turned_sigma(station.sigma, grid)[axes],
    )


def place_on(station: Place, grid: Grid) -> tuple[float, float]:
    """Return column and row of a station on a grid, pixels.

    Raises
    ------
    InputError
        It is not known where the station is, or it lies off the grid.
    """
    if not station.is_placed:
        message = "its file does not say where it is: give --positions FILE with name, lon, lat"
        raise InputError(message)
    if grid.crs is None and station.crs is not None:
        message = "the map has no reference system, the station has: give the map one"
        raise InputError(message)
    column, row = station.pixel(grid)
    rows, columns = grid.shape
    if not (0 <= column <= columns and 0 <= row <= rows):
        message = f"lies off the map (column {column:.1f}, row {row:.1f}; the map has {columns} x {rows} cells)"
        raise InputError(message)
    return column, row


def relative_to(found: Sequence[Comparison], reference: str, left_out: Sequence[str] = ()) -> tuple[Comparison, ...]:
    """Return comparisons relative to one of the stations, which is left out itself.

    Parameters
    ----------
    found : sequence of Comparison
        Stations on the map.
    reference : str
        Name of one of them.
    left_out : sequence of str
        Stations that are not among them, and why: for the message.

    Raises
    ------
    ConfigError
        There is no such station.
    """
    base = next((each for each in found if each.name == reference), None)
    if base is None:
        reasons = [text for text in left_out if reference in text]
        names = ", ".join(each.name for each in found) or "none"
        why = f" ({'; '.join(reasons)})" if reasons else ""
        message = f"reference station {reference!r} is not among the stations on the map: {names}{why}"
        raise ConfigError(message)
    return tuple(
        Comparison(
            each.name,
            each.x,
            each.y,
            each.column,
            each.row,
            each.components,
            each.on_map - base.on_map,
            np.hypot(each.on_map_sigma, base.on_map_sigma),
            each.on_ground - base.on_ground,
            np.hypot(each.on_ground_sigma, base.on_ground_sigma),
        )
        for each in found
        if each is not base
    )


def agreement(comparisons: Sequence[Comparison]) -> tuple[Agreement, ...]:
    """Return how a map agrees with all stations: each component, and both horizontal ones together."""
    if not comparisons:
        return ()
    components = comparisons[0].components
    difference = np.stack([each.difference for each in comparisons])
    sigma = np.stack([each.sigma for each in comparisons])
    scaled = np.divide(difference, sigma, out=np.full_like(sigma, np.nan), where=sigma > 0)
    rows = [_agreement(name, difference[:, k : k + 1], scaled[:, k : k + 1]) for k, name in enumerate(components)]
    if components[:2] != AXES[:2]:
        return tuple(rows)
    return (*rows, _agreement("horizontal", difference[:, :2], scaled[:, :2]))


def _agreement(component: str, difference: Floats, scaled: Floats) -> Agreement:
    known = np.isfinite(difference).all(axis=1)
    values = difference[known]
    if len(values) == 0:
        return Agreement(component, 0, np.nan, np.nan, np.nan, np.nan)
    mean = values.mean(axis=0)
    bias = float(mean[0]) if len(mean) == 1 else float(np.hypot(*mean))
    rmse = float(np.sqrt((values**2).sum(axis=1).mean()))
    freedom = len(values) - 1
    spread = float(np.sqrt(((values - mean) ** 2).sum() / freedom)) if freedom else np.nan
    z = scaled[np.isfinite(scaled)]
    return Agreement(component, len(values), bias, rmse, spread, float(np.sqrt((z**2).mean())) if z.size else np.nan)


def comparison_columns(comparisons: Sequence[Comparison]) -> dict[str, list[object]]:
    """Return a table of comparisons: one line for each station, m/yr."""
    columns: dict[str, list[object]] = {"name": [each.name for each in comparisons]}
    for name in ("x", "y", "column", "row"):
        columns[name] = [getattr(each, name) for each in comparisons]
    for k, component in enumerate(comparisons[0].components if comparisons else ()):
        for part in ("on_map", "on_map_sigma", "on_ground", "on_ground_sigma", "difference", "sigma"):
            label = {"difference": "difference", "sigma": "difference_sigma"}.get(part, part.removeprefix("on_"))
            columns[f"{component}_{label}"] = [float(getattr(each, part)[k]) for each in comparisons]
    return columns


def overlay(series: xr.Dataset, station: Station) -> Overlay:
    """Return the series of a map at a station beside that of the station.

    Parameters
    ----------
    series : Dataset
        TimeSeries.
    station : Station
        On the map.

    Returns
    -------
    Overlay
        The station is moved as a whole, so that the two agree on average where both are known: at the dates of the map
        within those of the station, which is taken in between its dates.

    Raises
    ------
    InputError
        The station lies off the map, is not measured there, or has no date within those of the map.
    """
    check(series, TIME_SERIES)
    grid = grid_of(series)
    column, row = place_on(station, grid)
    names = [str(name) for name in series["component"].values]
    components = tuple(name for name in AXES if name in names)
    if not components:
        message = f"the series has the component(s) {', '.join(names)}: stations have {', '.join(AXES)}"
        raise InputError(message)
    near = _around(series, column, row).sel(component=list(components))
    inner = column - near.attrs["left"], row - near.attrs["top"]
    on_map = bilinear(near["displacement"].values, *inner).T
    sigma = bilinear(near["sigma"].values, *inner).T if "sigma" in near else np.full(on_map.shape, np.nan)
    if not np.isfinite(on_map).any():
        message = f"the series has no measurement there (column {column:.1f}, row {row:.1f})"
        raise InputError(message)
    ground = station.turned(station.displacement, grid)[:, [AXES.index(name) for name in components]]
    times = series["time"].values
    parts = [aligned(times, on_map[:, k], station.times, ground[:, k]) for k in range(len(components))]
    moved = np.stack([part[0] for part in parts], axis=1)
    rmse = np.array([part[1] for part in parts])
    return Overlay(station.name, components, times, on_map, sigma, station.times, moved, rmse)


def _around(series: xr.Dataset, column: float, row: float) -> xr.Dataset:
    """Return the cells around a position, so that no more of a large series is read."""
    left, top = max(int(column - 0.5) - 1, 0), max(int(row - 0.5) - 1, 0)
    part = series.isel(x=slice(left, left + 4), y=slice(top, top + 4))
    return part.assign_attrs(left=left, top=top)


def aligned(map_times: Epochs, on_map: Floats, times: Epochs, ground: Floats) -> tuple[Floats, float]:
    """Return a station's series moved onto that of a map, and the root mean square of what is left, metres.

    Raises
    ------
    InputError
        The station has no date within those of the map.
    """
    known, seen = np.isfinite(ground), np.isfinite(on_map)
    if not known.any():
        return ground, np.nan
    origin = map_times[0]
    years, map_years = years_since(times[known], origin), years_since(map_times[seen], origin)
    within = (map_years >= years[0]) & (map_years <= years[-1])
    if not within.any():
        message = (
            f"its dates ({str(times[0])[:10]} to {str(times[-1])[:10]}) hold none of the map's "
            f"({str(map_times[0])[:10]} to {str(map_times[-1])[:10]})"
        )
        raise InputError(message)
    between = np.interp(map_years[within], years, ground[known])
    difference = on_map[seen][within] - between
    shift = float(difference.mean())
    return ground + shift, float(np.sqrt(((difference - shift) ** 2).mean()))
