"""Components of motion from velocity maps on different grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError, InputError
from creepmeter.geometry.decompose import AXES, Decomposition, Look, axes_of, decompose
from creepmeter.geometry.decompose_options import DecomposeOptions
from creepmeter.geometry.resample import values_on
from creepmeter.model.grid import Grid, grid_of
from creepmeter.model.horizontal import rate_term
from creepmeter.model.line_of_sight import flight_vector, look_vector
from creepmeter.model.schema import MOTION_MODEL, check, map_dataset
from creepmeter.model.table import cell_position

Floats = npt.NDArray[np.float64]
Geometry = xr.Dataset | tuple[float, float] | None
SLANTED = ("los", "azimuth")
_ANGLES = ("incidenceAngle", "azimuthAngle")


def decompose_motion(
    motions: Sequence[xr.Dataset],
    geometries: Sequence[Geometry],
    options: DecomposeOptions | None = None,
    *,
    like: xr.Dataset | None = None,
    names: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return components of motion from velocities along several directions, by weighted least squares at each cell.

    Parameters
    ----------
    motions : sequence of Dataset
        MotionModels on any grids: lines of sight, or east and north of image offsets.
    geometries : sequence of Dataset, (float, float) or None
        For each of them: maps ``incidenceAngle`` and ``azimuthAngle``, or the same two angles everywhere, degrees; the
        azimuth from the ground to the satellite, from north, anticlockwise. None for image offsets.
    options : DecomposeOptions, optional
        Components, standard errors.
    like : Dataset, optional
        Product whose grid the result lies on; by default that of the first map.
    names : sequence of str, optional
        What messages call the maps.

    Returns
    -------
    Dataset
        MotionModel with ``covariance (component, other, y, x)``, ``reduced_chi2`` and ``looks``; NaN at cells with
        fewer maps than components, or whose directions do not tell them apart.

    Raises
    ------
    ConfigError, InputError
        Maps and components do not fit, or a direction or a standard error is not known.
    """
    chosen = options or DecomposeOptions()
    called = names or [f"map {number}" for number in range(1, len(motions) + 1)]
    units = {_unit_of(name, motion, chosen) for name, motion in zip(called, motions, strict=True)}
    if len(units) > 1:
        message = f"{', '.join(called)} have different units ({', '.join(sorted(units))}): bring them to one"
        raise ConfigError(message)
    grid = grid_of(motions[0] if like is None else like)
    looks: list[Look] = []
    for name, motion, geometry in zip(called, motions, geometries, strict=True):
        looks += _looks_of(name, motion, geometry, grid, chosen)
    found = decompose(looks, axes_of(chosen.components, chosen.azimuth_deg))
    return _motion_of(found, grid, chosen, units.pop())


@dataclass(frozen=True)
class _Angles:
    """Incidence and azimuth of a line of sight, degrees: maps on a grid, or the same everywhere."""

    incidence: npt.NDArray[np.floating] | float
    azimuth: npt.NDArray[np.floating] | float
    grid: Grid | None

    @classmethod
    def of(cls, name: str, geometry: Geometry) -> _Angles:
        """Return the angles that a geometry tells."""
        if isinstance(geometry, tuple):
            return cls(*geometry, None)
        if geometry is None or not set(_ANGLES) <= set(geometry.data_vars):
            message = f"{name} is along a line of sight, and its geometry has no {' and '.join(_ANGLES)}: give it"
            raise InputError(message)
        incidence, azimuth = (geometry[angle].values for angle in _ANGLES)
        return cls(incidence, azimuth, grid_of(geometry))

    def vector(self, component: str, grid: Grid) -> Floats:
        """Return the direction of a component on a grid."""
        direction = look_vector(self.incidence, self.azimuth) if component == "los" else flight_vector(self.azimuth)
        if self.grid is None:
            return direction
        on = np.stack([values_on(part, self.grid, grid) for part in direction])
        return np.asarray(on / np.linalg.norm(on, axis=0))


def _looks_of(name: str, motion: xr.Dataset, geometry: Geometry, grid: Grid, options: DecomposeOptions) -> list[Look]:
    term = options.term or rate_term(motion)
    source, part = grid_of(motion), motion.sel(term=term)
    looks = []
    for component in map(str, motion["component"].values):
        values = values_on(part["value"].sel(component=component).values, source, grid)
        sigma: Floats | float | None = options.sigma
        if "sigma" in motion and bool(np.isfinite(part["sigma"].sel(component=component).values).any()):
            sigma = values_on(part["sigma"].sel(component=component).values, source, grid)
        if sigma is None:
            message = f"{name} has no standard error of {term} along {component}: give one (--sigma)"
            raise ConfigError(message)
        if options.ref_lalo is not None:
            values = values - _at(values, grid, options.ref_lalo, name)
        axis = AXES.get(component)
        direction = _Angles.of(name, geometry).vector(component, grid) if axis is None else np.array(axis)
        looks.append(Look(values, direction, sigma))
    return looks


def _at(values: Floats, grid: Grid, lalo: tuple[float, float], name: str) -> float:
    row, column = (int(np.floor(position)) for position in cell_position(grid, *lalo))
    inside = 0 <= row < values.shape[0] and 0 <= column < values.shape[1]
    if not inside or not np.isfinite(values[row, column]):
        message = f"{name} has no value at latitude {lalo[0]:g}, longitude {lalo[1]:g}: give another --ref-lalo"
        raise InputError(message)
    return float(values[row, column])


def _unit_of(name: str, motion: xr.Dataset, options: DecomposeOptions) -> str:
    """Return the unit of the term that is decomposed.

    Raises
    ------
    ConfigError
        The model has no such term.
    """
    check(motion, MOTION_MODEL)
    term = options.term or rate_term(motion)
    if term not in motion["term"].values:
        message = f"{name} has no term {term!r}: it has {', '.join(map(str, motion['term'].values))}"
        raise ConfigError(message)
    return str(motion["unit"].sel(term=term).item()) if "unit" in motion.coords else "m/yr"


def _maps(found: Decomposition) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
    with np.errstate(invalid="ignore", divide="ignore"):
        reduced = np.where(found.freedom > 0, found.misfit / found.freedom, np.nan).astype(np.float32)
    fit = "sum of squared residuals over their variances and the degrees of freedom; 1 where standard errors hold"
    return {
        "reduced_chi2": (("y", "x"), reduced, {"units": "1", "long_name": fit}),
        "looks": (("y", "x"), found.count.astype(np.int16), {"units": "1", "long_name": "maps used"}),
    }


def _motion_of(found: Decomposition, grid: Grid, options: DecomposeOptions, unit: str) -> xr.Dataset:
    """Return a decomposition as a MotionModel with covariances."""
    dims, names = ("component", "term", "y", "x"), list(options.components)
    variables: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {
        "value": (dims, found.value[:, None].astype(np.float32), {"long_name": "motion, unit as in coordinate unit"}),
        "sigma": (dims, found.sigma[:, None].astype(np.float32), {"long_name": "standard error"}),
        "covariance": (
            ("component", "other", "y", "x"),
            found.covariance.astype(np.float32),
            {"long_name": "covariance of two components, square of coordinate unit"},
        ),
        **_maps(found),
    }
    coords = {"component": names, "other": names, "term": [options.term or "rate"], "unit": ("term", [unit])}
    return map_dataset(variables, coords, grid, kind=MOTION_MODEL)
