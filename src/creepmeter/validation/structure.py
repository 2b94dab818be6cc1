r"""How large errors are between two points of a map, by the distance between them.

On ground that does not move, the difference of two pixels is an error. Its mean square over many pairs of pixels at a
distance r is the structure function

.. math:: D(r) = \mathrm{E} \left[ (v(x + r) - v(x))^2 \right]

and its root the standard error of the motion of one point relative to another one at that distance, if errors are
normal. They are not where pixels differ: a few of low coherence make the mean square. Sigma is therefore what 68.27 %
of the differences stay within, which is the same for normal errors. Missions state their requirements so (NISAR: 3
mm/yr at 0.1 to 50 km).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar, nnls
from scipy.special import erf

from creepmeter.errors import ConfigError, InputError
from creepmeter.validation.structure_options import StructureOptions

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Values = npt.NDArray[Any]

KM = 1000.0
_ROUNDS = 12  # tries to fill a class with pairs
_EDGE_TILES = 5  # tiles down and across for the error of sigma
_LEAST = 2  # tiles, and classes for a curve
_EXPONENTS = np.linspace(0.05, 2.0, 14)  # of D; beyond 2 no field is
_COVERED = 68.268949213708585  # percent of normal errors within one sigma
_NEAR = 2.0  # percent up and down, for the density of differences at sigma
_FLOOR = 0.05  # share of D that a class is never known better than, for the curve


class PixelPairs(NamedTuple):
    """Pairs of pixels: flat indices of both, the distance between them (metres), class, and tile of the first."""

    first: Indices
    second: Indices
    distance: Floats
    bin: Indices
    tile: Indices


class StructureFunction(NamedTuple):
    """Sigma by distance, one entry for each class that has pairs.

    Parameters
    ----------
    distance : array, (bin,)
        Root mean square distance of the pairs, metres.
    sigma : array, (bin,)
        What 68.27 % of the absolute differences stay within, in the unit of the map.
    rms : array, (bin,)
        Root mean square difference: larger where some pixels are noisier than others, or move.
    error : array, (bin,)
        Standard error of sigma, from leaving out one tile of the map at a time; too small where the distance is not
        small against the map, since tiles are not independent then. NaN where all pairs are of one tile.
    pairs : array of int, (bin,)
        Number of pairs.
    """

    distance: Floats
    sigma: Floats
    rms: Floats
    error: Floats
    pairs: Indices


class StructureModel(NamedTuple):
    """A curve through a structure function: nugget, and what grows with distance.

    Parameters
    ----------
    kind : str
        ``power``: D = nugget^2 + scale^2 (r / 1 km)^shape. ``exponential``: D = nugget^2 + scale^2 (1 - exp(-r /
        shape)), shape in km.
    nugget, scale : float
        In the unit of the map.
    shape : float
        Exponent, or length in km.
    """

    kind: str
    nugget: float
    scale: float
    shape: float

    def sigma(self, distance_m: npt.ArrayLike) -> Floats:
        """Return sigma at distances, metres; 0 at distance 0."""
        km = np.asarray(distance_m, np.float64) / KM
        square = self.nugget**2 + self.scale**2 * _growth(self.kind, km, self.shape)
        return np.where(km > 0, np.sqrt(square), 0.0)


def class_edges(options: StructureOptions) -> Floats:
    """Return the edges of the classes of distance, metres, (bins + 1,)."""
    return np.geomspace(options.min_km * KM, options.max_km * KM, options.bins + 1)


def choose_pairs(usable: Bools, spacing_m: tuple[float, float], options: StructureOptions | None = None) -> PixelPairs:
    r"""Choose pairs of pixels evenly over a map, over all directions and over the distances of each class.

    Parameters
    ----------
    usable : array of bool, (y, x)
        Pixels on stable ground that were measured.
    spacing_m : (float, float)
        Height and width of a pixel on the ground.
    options : StructureOptions, optional
        Distances and number of pairs.

    Raises
    ------
    InputError
        Fewer than two pixels, or none are as far apart as the shortest distance.

    Notes
    -----
    No chance is involved: pixel, distance and direction of the k-th try are the fractional parts of multiples of
    powers of 1/1.2207 (root of x^4 = x + 1), which fill a cube evenly (Roberts 2018, "The unreasonable effectiveness of
    quasirandom sequences"). The same map has the same pairs, whatever the machine.
    """
    options = options or StructureOptions()
    places = np.flatnonzero(usable)
    if len(places) < 2:  # noqa: PLR2004 - a pair
        message = f"{len(places)} usable pixel(s): a structure function needs more stable ground (mask, exclude)"
        raise InputError(message)
    edges = class_edges(options)
    found = [_pairs_of_class(k, edges, places, usable, spacing_m, options.pairs) for k in range(options.bins)]
    pairs = PixelPairs._make(np.concatenate(parts) for parts in zip(*found, strict=True))
    if len(pairs.first) == 0:
        message = (
            f"no two usable pixels are {options.min_km:g} to {options.max_km:g} km apart: choose other distances "
            "(min_km, max_km) or more ground"
        )
        raise InputError(message)
    return pairs


def _pairs_of_class(
    number: int, edges: Floats, places: Indices, usable: Bools, spacing_m: tuple[float, float], wanted: int
) -> PixelPairs:
    parts: list[PixelPairs] = []
    missing = wanted
    for round_ in range(_ROUNDS):
        tries = np.arange(round_ * wanted, (round_ + 1) * wanted, dtype=np.float64)
        made = _tried(tries, number, (edges[number], edges[number + 1]), places, usable, spacing_m)
        parts.append(PixelPairs._make(column[:missing] for column in made))
        missing -= len(parts[-1].first)
        if missing <= 0:
            break
    return PixelPairs._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _tried(
    tries: Floats,
    number: int,
    limits: tuple[float, float],
    places: Indices,
    usable: Bools,
    spacing_m: tuple[float, float],
) -> PixelPairs:
    """Return those of some tries that end on a usable pixel at a distance within the limits."""
    rows, columns = usable.shape
    share = (0.5 + tries[:, None] * _STEPS) % 1.0
    first = places[(share[:, 0] * len(places)).astype(np.int64)]
    reach = limits[0] * (limits[1] / limits[0]) ** share[:, 1]
    turn = 2 * np.pi * share[:, 2]
    down = np.rint(reach * np.sin(turn) / spacing_m[0]).astype(np.int64)
    across = np.rint(reach * np.cos(turn) / spacing_m[1]).astype(np.int64)
    distance = np.hypot(down * spacing_m[0], across * spacing_m[1])
    y, x = first // columns + down, first % columns + across
    good = (y >= 0) & (y < rows) & (x >= 0) & (x < columns) & (distance >= limits[0]) & (distance < limits[1])
    good[good] = usable[y[good], x[good]]
    start = first[good]
    tile = (start // columns) * _EDGE_TILES // rows * _EDGE_TILES + (start % columns) * _EDGE_TILES // columns
    second = y[good] * columns + x[good]
    return PixelPairs(start, second, distance[good], np.full(len(start), number), tile)


_ROOT = 1.2207440846057596  # x^4 = x + 1
_STEPS = _ROOT ** -np.arange(1.0, 4.0)


def structure_function(values: npt.ArrayLike, pairs: PixelPairs) -> StructureFunction:
    """Return sigma by distance from the differences of pairs of pixels.

    Parameters
    ----------
    values : array, (y, x)
        Map of errors: velocity or displacement of stable ground. Pairs with a NaN are left out.
    pairs : PixelPairs
        From `choose_pairs`.
    """
    flat = np.asarray(values, np.float64).ravel()
    apart = flat[pairs.second] - flat[pairs.first]
    known = np.isfinite(apart)
    rows = []
    for number in np.unique(pairs.bin):
        here = known & (pairs.bin == number)
        if here.any():
            difference = np.abs(apart[here])
            low, sigma, high = np.percentile(difference, [_COVERED - _NEAR, _COVERED, _COVERED + _NEAR])
            share = _jackknife(difference <= sigma, pairs.tile[here])
            rows.append(
                (
                    np.sqrt((pairs.distance[here] ** 2).mean()),
                    sigma,
                    np.sqrt((difference**2).mean()),
                    share * (high - low) / (2 * _NEAR / 100),
                    here.sum(),
                )
            )
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    distance, sigma, rms, error, count = columns
    return StructureFunction(distance, sigma, rms, error, count.astype(np.int64))


def _jackknife(inside: Bools, tile: Indices) -> float:
    """Return the standard error of the share that is inside, by leaving out one tile at a time."""
    sums, counts = np.bincount(tile, inside), np.bincount(tile)
    held = counts > 0
    if held.sum() < _LEAST:
        return float("nan")
    left = (sums.sum() - sums[held]) / (counts.sum() - counts[held])
    return float(np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()))


def mean_structure(parts: list[StructureFunction]) -> StructureFunction:
    """Return the root mean square over structure functions of the same pairs, such as those of all dates of a series.

    Raises
    ------
    InputError
        They have different classes, because some maps lack values.
    """
    if len({len(part.distance) for part in parts}) != 1:
        message = "the dates have pairs at different distances: mask the pixels that some dates lack"
        raise InputError(message)
    sigma, rms, error = (np.sqrt(np.mean([np.square(part[k]) for part in parts], axis=0)) for k in (1, 2, 3))
    pairs = np.min([part.pairs for part in parts], axis=0)
    return StructureFunction(parts[0].distance, sigma, rms, error, pairs)


def fit_structure(found: StructureFunction, kind: str = "auto") -> StructureModel:
    """Fit nugget and growth to a structure function.

    Parameters
    ----------
    found : StructureFunction
        From `structure_function`.
    kind : {"auto", "power", "exponential"}
        Which curve; ``auto`` takes the one that fits better.

    Raises
    ------
    ConfigError
        The kind is not known, or fewer than three classes have pairs.

    Notes
    -----
    For a given exponent or length, squares of nugget and scale are linear and not negative. Classes count by the
    standard error of their D, of which the share that a curve cannot follow (5 %) is part.
    """
    if kind != "auto" and kind not in _SHAPES:
        message = f"curve {kind!r} is not known: use auto, {' or '.join(_SHAPES)}"
        raise ConfigError(message)
    if len(found.distance) <= _LEAST:
        message = f"{len(found.distance)} class(es) of distance have pairs: a curve needs three or more"
        raise ConfigError(message)
    fits = [_fitted(found, each) for each in (_SHAPES if kind == "auto" else (kind,))]
    return min(fits, key=lambda fit: fit[1])[0]


def _fitted(found: StructureFunction, kind: str) -> tuple[StructureModel, float]:
    """Return the curve of a kind, and how badly it fits."""
    km, square = found.distance / KM, found.sigma**2
    doubt = np.hypot(2 * found.sigma * np.nan_to_num(found.error), _FLOOR * square)
    weight = 1.0 / np.where(doubt > 0, doubt, doubt.max() or 1.0)

    def solved(shape: float) -> tuple[Floats, float]:
        design = np.column_stack([np.ones(len(km)), _growth(kind, km, shape)])
        parts, misfit = nnls(design * weight[:, None], square * weight)
        return np.asarray(parts, np.float64), float(misfit)

    tried = _EXPONENTS if kind == "power" else np.geomspace(km[0] / 2, km[-1] * 2, 25)
    costs = [solved(shape)[1] for shape in tried]
    best = int(np.argmin(costs))
    limits = float(tried[max(best - 1, 0)]), float(tried[min(best + 1, len(tried) - 1)])
    refined = minimize_scalar(
        lambda shape: solved(shape)[1], bounds=limits, method="bounded", options={"xatol": 1e-4 * limits[1]}
    )
    shape = float(refined.x) if refined.fun < costs[best] else float(tried[best])
    (nugget, scale), misfit = solved(shape)
    return StructureModel(kind, float(np.sqrt(nugget)), float(np.sqrt(scale)), shape), misfit


_SHAPES = ("power", "exponential")


def _growth(kind: str, km: Floats, shape: float) -> Floats:
    found = km**shape if kind == "power" else -np.expm1(-km / shape)
    return np.asarray(found, np.float64)


def sigma_of_pixels(model: StructureModel, distance_m: Floats, stated: Floats) -> Floats:
    """Return the standard error of each pixel relative to the reference pixel, from its own noise and from distance.

    Parameters
    ----------
    model : StructureModel
        Sigma by distance, of typical pixels.
    distance_m : array, (y, x)
        Distance from the reference pixel.
    stated : array, (y, x)
        Standard errors of the noise that pixels do not share, such as those propagated from coherence.

    Notes
    -----
    sigma^2 = stated^2 + max(D(r) - N, 0): what pairs have beyond their stated noise N is shared by neighbours and grows
    with distance, such as the atmosphere; a noisy pixel keeps its own noise on top.
    """
    excess = np.maximum(model.sigma(distance_m) ** 2 - stated_noise(stated) ** 2, 0.0)
    return np.where(distance_m > 0, np.sqrt(np.square(stated) + excess), 0.0)


def stated_noise(stated: npt.ArrayLike) -> float:
    """Return what 68.27 % of the differences of two pixels stay within by the standard errors stated for them.

    Parameters
    ----------
    stated : array, (y, x)
        Standard errors relative to a reference pixel, whose noise is in all of them; it is taken to be as good as the
        best hundredth of the pixels.
    """
    variance = np.square(np.asarray(stated, np.float64)).ravel()
    variance = variance[np.isfinite(variance) & (variance > 0)]
    if len(variance) == 0:
        return 0.0
    own = np.maximum(variance - np.percentile(variance, 1.0) / 2, 0.0)
    other = np.roll(own, int(len(own) * _GOLDEN))
    spread = np.sqrt(own + other)
    spread = spread[spread > 0]

    def outside(level: float) -> float:
        return float(erf(level / (spread * np.sqrt(2.0))).mean() - _COVERED / 100)

    return float(brentq(outside, 0.5 * spread.min(), 2.0 * spread.max())) if len(spread) else 0.0


_GOLDEN = 0.6180339887498949


def distance_map(shape: tuple[int, int], spacing_m: tuple[float, float], pixel: tuple[int, int]) -> Floats:
    """Return the distance of each pixel from one of them, (y, x), metres."""
    down = (np.arange(shape[0]) - pixel[0]) * spacing_m[0]
    across = (np.arange(shape[1]) - pixel[1]) * spacing_m[1]
    return np.asarray(np.hypot(down[:, None], across), np.float64)
