"""Motion in east, north and up from maps that measure along different directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError
from creepmeter.model.line_of_sight import horizontal_vector

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
AXES = {"east": (1.0, 0.0, 0.0), "north": (0.0, 1.0, 0.0), "up": (0.0, 0.0, 1.0)}
_SINGULAR = 1e-12  # determinant of the correlations below which directions do not span the components
_STRIP_CELLS = 200_000


@dataclass(frozen=True)
class Look:
    """A map of motion along a direction.

    Parameters
    ----------
    values : array, (y, x)
        Motion along `direction`; NaN = not measured.
    direction : array, (3,) or (3, y, x)
        Unit vector: east, north, up.
    sigma : array, (y, x), or float
        Standard error, in the unit of the values. Cells whose error is unknown or not positive are not used.
    """

    values: npt.NDArray[np.floating]
    direction: Floats
    sigma: npt.NDArray[np.floating] | float = 1.0


@dataclass(frozen=True)
class Decomposition:
    """Components of motion on a map.

    Parameters
    ----------
    value : array, (component, y, x)
        NaN where the looks do not determine them.
    covariance : array, (component, component, y, x)
        Of the components.
    misfit : array, (y, x)
        Sum of squared residuals over their variances: chi-square of `count` less the number of components degrees of
        freedom.
    count : array of int, (y, x)
        Looks used.
    """

    value: Floats
    covariance: Floats
    misfit: Floats
    count: Counts

    @property
    def sigma(self) -> Floats:
        """Standard errors, (component, y, x)."""
        return np.asarray(np.sqrt(np.stack([self.covariance[k, k] for k in range(len(self.value))])))

    @property
    def freedom(self) -> Counts:
        """Degrees of freedom, (y, x)."""
        return np.maximum(self.count - len(self.value), 0)


def axes_of(components: Sequence[str], azimuth_deg: float = -90.0) -> Floats:
    """Return unit vectors of components, (component, 3).

    Parameters
    ----------
    components : sequence of str
        ``east``, ``north``, ``up``, ``horizontal``.
    azimuth_deg : float
        Direction of ``horizontal``: degrees from north, anticlockwise positive; -90 is east.

    Raises
    ------
    ConfigError
        An unknown component.
    """
    known = {**AXES, "horizontal": tuple(horizontal_vector(azimuth_deg))}
    unknown = [name for name in components if name not in known]
    if unknown or not components or len(set(components)) < len(components):
        message = f"components {', '.join(components) or 'none'}: give some of {', '.join(known)}, each once"
        raise ConfigError(message)
    return np.array([known[name] for name in components])


def decompose(looks: Sequence[Look], axes: Floats) -> Decomposition:
    """Return components of motion from looks along several directions, by weighted least squares at each cell.

    Parameters
    ----------
    looks : sequence of Look
        Maps of one shape.
    axes : array, (component, 3)
        Unit vectors of the components, at right angles; there is no motion along any other direction. See `axes_of`.

    Returns
    -------
    Decomposition
        NaN at cells with fewer looks than components, or whose looks do not tell them apart.

    Raises
    ------
    ConfigError
        Fewer looks than components.
    """
    parts = len(axes)
    if len(looks) < parts:
        message = f"{len(looks)} map(s) cannot determine {parts} components: give more maps or fewer components"
        raise ConfigError(message)
    shape = looks[0].values.shape
    value, covariance = np.empty((parts, *shape)), np.empty((parts, parts, *shape))
    misfit, count = np.empty(shape), np.empty(shape, np.int64)
    tall = max(_STRIP_CELLS // shape[1], 1)
    for top in range(0, shape[0], tall):
        rows = slice(top, top + tall)
        part = _solve([_strip(look, rows) for look in looks], axes)
        value[:, rows], covariance[:, :, rows] = part.value, part.covariance
        misfit[rows], count[rows] = part.misfit, part.count
    return Decomposition(value, covariance, misfit, count)


def _strip(look: Look, rows: slice) -> Look:
    direction = look.direction if np.ndim(look.direction) == 1 else look.direction[:, rows]
    return Look(look.values[rows], direction, look.sigma if np.ndim(look.sigma) == 0 else np.asarray(look.sigma)[rows])


def _solve(looks: Sequence[Look], axes: Floats) -> Decomposition:
    parts, shape = len(axes), looks[0].values.shape
    normal, right = np.zeros((parts, parts, *shape)), np.zeros((parts, *shape))
    power, count = np.zeros(shape), np.zeros(shape, np.int64)
    for look in looks:
        values, weight, row = _prepared(look, axes)
        for i in range(parts):
            right[i] += weight * row[i] * values
            for j in range(i + 1):
                normal[i, j] += weight * row[i] * row[j]
        power += weight * values**2
        count += weight > 0
    for i in range(parts):
        normal[:i, i] = normal[i, :i]
    covariance = _inverse(normal, count >= parts)
    value = np.einsum("ij...,j...->i...", covariance, right)
    misfit = np.maximum(power - np.einsum("i...,i...->...", value, right), 0.0)
    return Decomposition(value, covariance, misfit, count)


def _prepared(look: Look, axes: Floats) -> tuple[Floats, Floats, Floats]:
    """Return values, weights and the row of the design matrix at each cell; weight 0 where a look is not used."""
    values, sigma = np.asarray(look.values, np.float64), np.asarray(look.sigma, np.float64)
    direction = np.asarray(look.direction, np.float64)
    if direction.ndim == 1:
        direction = np.broadcast_to(direction[:, None, None], (3, *values.shape))
    row = np.einsum("ci,iyx->cyx", axes, direction)
    with np.errstate(divide="ignore", invalid="ignore"):
        used = np.isfinite(values) & np.isfinite(direction).all(axis=0) & np.isfinite(sigma) & (sigma > 0)
        weight = np.where(used, 1.0 / sigma**2, 0.0)
    return np.where(used, values, 0.0), weight, np.where(used, row, 0.0)


def _inverse(normal: Floats, determined: npt.NDArray[np.bool_]) -> Floats:
    """Return inverses of symmetric matrices (k, k, y, x); NaN where they are singular."""
    parts = len(normal)
    scale = np.sqrt(np.stack([normal[k, k] for k in range(parts)]))
    found = np.full(normal.shape, np.nan)
    good = determined & (scale > 0).all(axis=0)
    size = scale[:, good]
    matrices = np.moveaxis(normal[:, :, good] / (size[:, None] * size[None]), -1, 0)  # of correlations
    regular = np.linalg.det(matrices) > _SINGULAR
    good[good] = regular
    inverses = np.moveaxis(np.linalg.inv(matrices[regular]), 0, -1)
    size = size[:, regular]
    found[:, :, good] = inverses / (size[:, None] * size[None])
    return found


def window_medians(angles: npt.NDArray[np.floating], window_px: int = 20) -> Floats:
    """Return a map with every value replaced by the median of its window.

    Parameters
    ----------
    angles : array, (y, x)
        NaN = not known.
    window_px : int
        Edge of the windows, which lie side by side from the first pixel on.
    """
    found = np.full(angles.shape, np.nan)
    for top in range(0, angles.shape[0], window_px):
        for left in range(0, angles.shape[1], window_px):
            part = slice(top, top + window_px), slice(left, left + window_px)
            values = angles[part][np.isfinite(angles[part])]
            if values.size:
                found[part] = np.median(values)
    return found
