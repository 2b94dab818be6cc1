"""Components of motion from velocity maps of several satellites and of image offsets, from files to a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from creepmeter.errors import ConfigError, InputError
from creepmeter.geometry.combine import SLANTED, Geometry, decompose_motion
from creepmeter.geometry.decompose_options import DecomposeOptions
from creepmeter.geometry.ground_grid import centre_incidence
from creepmeter.interferograms.attributes import grid_attributes
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import write_product
from creepmeter.io.provenance import digest_file, provenance
from creepmeter.io.store import open as open_product
from creepmeter.io.store import write as write_store
from creepmeter.model.grid import grid_of
from creepmeter.model.line_of_sight import los_azimuth
from creepmeter.workflow.inventory import open_motion

_BESIDE = ("inputs/geometryGeo.h5", "geometryGeo.h5", "geo_geometryRadar.h5", "geo/geo_geometryRadar.h5")


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
    opened = _geometries_of(files, motions, geometries)
    with_grid = None if like is None else open_product(like)
    found = decompose_motion(motions, opened, options, like=with_grid, names=[str(path) for path in files])
    about = provenance(options.model_dump(mode="json"), {str(path): digest_file(path) for path in files})
    if target.suffix == ".h5":
        _write_h5(target, found, about)
    else:
        write_store(found, target, about)
    return _told(target, found)


def _geometries_of(files: Sequence[Path], motions: Sequence[xr.Dataset], geometries: Sequence[Path]) -> list[Geometry]:
    """Return the angles of each file that measures along a line of sight or a flight, None for others."""
    slanted = [bool(set(SLANTED) & set(motion["component"].values.tolist())) for motion in motions]
    if geometries and len(geometries) != sum(slanted):
        message = f"{len(geometries)} geometries (-g) for {sum(slanted)} lines of sight: give one for each"
        raise ConfigError(message)
    given = iter(geometries)
    found: list[Geometry] = []
    for path, motion, needed in zip(files, motions, slanted, strict=True):
        beside = next((path.parent / name for name in _BESIDE if (path.parent / name).is_file()), None)
        chosen = next(given, beside) if needed else None
        found.append(open_product(chosen) if chosen is not None else _constant(path, motion) if needed else None)
    return found


def _constant(path: Path, motion: xr.Dataset) -> tuple[float, float]:
    attributes = json.loads(motion.attrs.get("mintpy", "{}"))
    heading = number_of(attributes, "HEADING", path)
    if heading is None:
        message = f"{path} says neither HEADING nor is there a geometry beside it: give that file (-g)"
        raise InputError(message)
    right = attributes.get("ANTENNA_SIDE", "-1").strip() != "1"
    return centre_incidence(attributes), los_azimuth(heading, right_looking=right)


def _write_h5(target: Path, found: xr.Dataset, about: Mapping[str, Any]) -> None:
    """Write components, standard errors and covariances as maps of a velocity file in MintPy's layout."""
    names, spelt = found["component"].values.tolist(), str(found["unit"].values[0]).replace("m/yr", "m/year")
    value, sigma, covariance = (found[name].values for name in ("value", "sigma", "covariance"))
    maps = {name: found[name].values for name in ("reduced_chi2", "looks")}
    units = dict.fromkeys(maps, "1")
    for i, name in enumerate(names):
        maps |= {name: value[i, 0], f"{name}Std": sigma[i, 0]}
        units |= {name: spelt, f"{name}Std": spelt}
        for j, other in enumerate(names[:i]):
            maps[f"covariance_{other}_{name}"] = covariance[i, j]
            units[f"covariance_{other}_{name}"] = f"({spelt})^2"
    attributes = {"FILE_TYPE": "velocity", "UNIT": spelt, **grid_attributes(grid_of(found))}
    write_product(target, maps, attributes, units=units, provenance=about)


def _told(target: Path, found: xr.Dataset) -> list[str]:
    names, unit = found["component"].values.tolist(), str(found["unit"].values[0])
    value, sigma, fit = found["value"].values[:, 0], found["sigma"].values[:, 0], found["reduced_chi2"].values
    known = np.isfinite(value).all(axis=0)
    most = int(found["looks"].values.max())
    lines = [f"{target}: {', '.join(names)} from {most} maps at {100 * known.mean():.1f} % of the cells"]
    if known.any():
        spread = ", ".join(f"{name} {np.median(part[known]):.2g}" for name, part in zip(names, sigma, strict=True))
        lines.append(f"median standard error, {unit}: {spread}")
    free = known & np.isfinite(fit)
    if free.any():
        lines.append(f"reduced chi-square: median {np.median(fit[free]):.2f}")
    return lines
