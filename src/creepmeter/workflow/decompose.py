"""Components of motion from velocity maps of several satellites and of image offsets, from files to a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError, InputError
from creepmeter.geometry.decompose import AXES, Decomposition, Look, axes_of, decompose
from creepmeter.geometry.decompose_options import DecomposeOptions
from creepmeter.geometry.ground_grid import centre_incidence
from creepmeter.geometry.resample import values_on
from creepmeter.interferograms.attributes import grid_attributes
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import write_product
from creepmeter.io.provenance import digest_file, provenance
from creepmeter.io.store import open as open_product
from creepmeter.io.store import write as write_store
from creepmeter.model.grid import Grid, grid_of
from creepmeter.model.horizontal import rate_term
from creepmeter.model.line_of_sight import flight_vector, look_vector, los_azimuth
from creepmeter.model.schema import MOTION_MODEL, map_dataset
from creepmeter.model.table import cell_position
from creepmeter.workflow.inventory import open_motion

Floats = npt.NDArray[np.float64]
_BESIDE = ("inputs/geometryGeo.h5", "geometryGeo.h5", "geo_geometryRadar.h5", "geo/geo_geometryRadar.h5")
_ANGLES = ("incidenceAngle", "azimuthAngle")


@dataclass(frozen=True)
class _Angles:
    """Incidence and azimuth of a line of sight, degrees: maps on a grid, or the same everywhere."""

    incidence: npt.NDArray[np.floating] | float
    azimuth: npt.NDArray[np.floating] | float
    grid: Grid | None

    def vector(self, component: str, grid: Grid) -> Floats:
        """Return the direction of a component on a grid."""
        direction = look_vector(self.incidence, self.azimuth) if component == "los" else flight_vector(self.azimuth)
        if self.grid is None:
            return direction
        on = np.stack([values_on(part, self.grid, grid) for part in direction])
        return np.asarray(on / np.linalg.norm(on, axis=0))


def decompose_files(
    files: Sequence[Path],
    target: Path,
    options: DecomposeOptions,
    *,
    geometries: Sequence[Path] = (),
    like: Path | None = None,
) -> list[str]:
    """Write components of motion as a MotionModel (``.zarr``) or in MintPy's layout (``.h5``).

    Parameters
    ----------
    files : sequence of Path
        Velocities: lines of sight, or east and north of image offsets.
    target : Path
        Product to make.
    options : DecomposeOptions
        Components, standard errors.
    geometries : sequence of Path
        Incidence and azimuth angles of the files with a line of sight, in their order; by default those that lie
        beside them, else constants from their attributes.
    like : Path, optional
        Product whose grid the result lies on; by default the first file's.

    Returns
    -------
    list of str
        What to tell the user.

    Raises
    ------
    ConfigError, InputError
        Maps and components do not fit, or a direction or a standard error is not known.
    """
    motions = [open_motion(path) for path in files]
    angles = _angles_of(files, motions, geometries)
    with_grid = motions[0] if like is None else open_product(like)
    grid = grid_of(with_grid)
    looks = [
        look
        for path, motion, angle in zip(files, motions, angles, strict=True)
        for look in _looks_of(path, motion, angle, grid, options)
    ]
    found = decompose(looks, axes_of(options.components, options.azimuth_deg))
    unit = _unit_of(files, motions, options)
    about = provenance(options.model_dump(mode="json"), {str(path): digest_file(path) for path in files})
    if target.suffix == ".h5":
        _write_h5(target, found, grid, options, unit, about)
    else:
        write_store(_motion_of(found, grid, options, unit), target, about)
    return _told(target, found, options, unit, len(looks))


def _angles_of(
    files: Sequence[Path], motions: Sequence[xr.Dataset], geometries: Sequence[Path]
) -> list[_Angles | None]:
    """Return the angles of each file that measures along a line of sight or a flight, None for others."""
    slanted = [bool({"los", "azimuth"} & set(motion["component"].values.tolist())) for motion in motions]
    if geometries and len(geometries) != sum(slanted):
        message = f"{len(geometries)} geometries (-g) for {sum(slanted)} lines of sight: give one for each"
        raise ConfigError(message)
    given = iter(geometries)
    found: list[_Angles | None] = []
    for path, motion, needed in zip(files, motions, slanted, strict=True):
        chosen = next(given, None) if needed else None
        beside = next((path.parent / name for name in _BESIDE if (path.parent / name).is_file()), None)
        if not needed:
            found.append(None)
        elif chosen is not None or beside is not None:
            found.append(_mapped(chosen or beside or path))
        else:
            found.append(_constant(path, motion))
    return found


def _mapped(path: Path) -> _Angles:
    geometry = open_product(path)
    if not set(_ANGLES) <= set(geometry.data_vars):
        message = f"{path} has no {' and '.join(_ANGLES)}: give the geometry of the line of sight (-g)"
        raise InputError(message)
    incidence, azimuth = (geometry[name].values for name in _ANGLES)
    return _Angles(incidence, azimuth, grid_of(geometry))


def _constant(path: Path, motion: xr.Dataset) -> _Angles:
    attributes = json.loads(motion.attrs.get("mintpy", "{}"))
    heading = number_of(attributes, "HEADING", path)
    if heading is None:
        message = f"{path} says neither HEADING nor is there a geometry beside it: give that file (-g)"
        raise InputError(message)
    right = attributes.get("ANTENNA_SIDE", "-1").strip() != "1"
    return _Angles(centre_incidence(attributes), los_azimuth(heading, right_looking=right), None)


def _looks_of(
    path: Path, motion: xr.Dataset, angles: _Angles | None, grid: Grid, options: DecomposeOptions
) -> list[Look]:
    term = options.term or rate_term(motion)
    if term not in motion["term"].values:
        message = f"{path} has no term {term!r}: it has {', '.join(map(str, motion['term'].values))}"
        raise ConfigError(message)
    source, part = grid_of(motion), motion.sel(term=term)
    looks = []
    for name in map(str, motion["component"].values):
        values = values_on(part["value"].sel(component=name).values, source, grid)
        sigma: Floats | float | None = options.sigma
        if "sigma" in motion and bool(np.isfinite(part["sigma"].sel(component=name).values).any()):
            sigma = values_on(part["sigma"].sel(component=name).values, source, grid)
        if sigma is None:
            message = f"{path} has no standard error of {term} along {name}: give one (--sigma)"
            raise ConfigError(message)
        if options.ref_lalo is not None:
            values = values - _at(values, grid, options.ref_lalo, path)
        direction = np.array(AXES[name]) if angles is None or name in AXES else angles.vector(name, grid)
        looks.append(Look(values, direction, sigma))
    return looks


def _at(values: Floats, grid: Grid, lalo: tuple[float, float], path: Path) -> float:
    row, column = (int(np.floor(position)) for position in cell_position(grid, *lalo))
    inside = 0 <= row < values.shape[0] and 0 <= column < values.shape[1]
    if not inside or not np.isfinite(values[row, column]):
        message = f"{path} has no value at latitude {lalo[0]:g}, longitude {lalo[1]:g}: give another --ref-lalo"
        raise InputError(message)
    return float(values[row, column])


def _unit_of(files: Sequence[Path], motions: Sequence[xr.Dataset], options: DecomposeOptions) -> str:
    """Return the unit of the maps.

    Raises
    ------
    ConfigError
        They differ.
    """
    units = {
        str(motion["unit"].sel(term=options.term or rate_term(motion)).item()) if "unit" in motion.coords else "m/yr"
        for motion in motions
    }
    if len(units) > 1:
        message = f"{', '.join(path.name for path in files)} have different units ({', '.join(sorted(units))})"
        raise ConfigError(message)
    return units.pop()


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


def _write_h5(
    target: Path, found: Decomposition, grid: Grid, options: DecomposeOptions, unit: str, about: Mapping[str, Any]
) -> None:
    maps: dict[str, npt.NDArray[Any]] = {name: values for name, (_, values, _) in _maps(found).items()}
    spelt = unit.replace("m/yr", "m/year")
    units = dict.fromkeys(maps, "1")
    for i, name in enumerate(options.components):
        maps |= {name: found.value[i].astype(np.float32), f"{name}Std": found.sigma[i].astype(np.float32)}
        units |= {name: spelt, f"{name}Std": spelt}
        for j, other in enumerate(options.components[:i]):
            maps[f"covariance_{other}_{name}"] = found.covariance[i, j].astype(np.float32)
            units[f"covariance_{other}_{name}"] = f"({spelt})^2"
    attributes = {"FILE_TYPE": "velocity", "UNIT": spelt, **grid_attributes(grid)}
    write_product(target, maps, attributes, units=units, provenance=about)


def _told(target: Path, found: Decomposition, options: DecomposeOptions, unit: str, looks: int) -> list[str]:
    known = np.isfinite(found.value).all(axis=0)
    lines = [f"{target}: {', '.join(options.components)} from {looks} maps at {100 * known.mean():.1f} % of the cells"]
    if known.any():
        spread = ", ".join(
            f"{name} {np.median(sigma[known]):.2g}" for name, sigma in zip(options.components, found.sigma, strict=True)
        )
        lines.append(f"median standard error, {unit}: {spread}")
    free = known & (found.freedom > 0)
    if free.any():
        lines.append(f"reduced chi-square: median {np.median(found.misfit[free] / found.freedom[free]):.2f}")
    return lines
