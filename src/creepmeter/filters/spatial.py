"""Filters of maps that know where nothing was measured.

A mean is that of the measured pixels alone: the weights of the others are left out and the rest adds up to one
(Knutsson and Westin 1993, doi 10.1109/CVPR.1993.341081). What is not measured stays so, and influences nothing. Beyond
its border a map goes on as MintPy has it: the edge is repeated (Gaussian, median) or mirrored (all others).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from creepmeter.filters.options import SpatialFilterOptions, gaussian_radius
from creepmeter.kernels.footprint import disk_offsets, median_within

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Border = Literal["nearest", "reflect"]
Sum = Callable[[Floats], Floats]
Weights = dict[str, tuple[Bools, Floats]]
"""Sums of the weights of measured pixels, by the name of the sum: layers of a series mostly lack the same pixels."""


def filter_map(
    values: npt.ArrayLike,
    options: SpatialFilterOptions | None = None,
    **overrides: Any,  # noqa: ANN401 - the fields of SpatialFilterOptions, checked by it
) -> npt.NDArray[np.float32]:
    r"""Filter a map, or each map of a stack.

    Parameters
    ----------
    values : array, (..., y, x)
        NaN = not measured.
    options : SpatialFilterOptions, optional
        Which filter, and how wide.
    **overrides
        Single options by name.

    Returns
    -------
    array of float32, (..., y, x)
        NaN where nothing was measured; ``sobel`` and ``roberts`` also where a neighbour is missing.

    Raises
    ------
    ConfigError
        An unknown filter or parameter.

    Notes
    -----
    ``double_difference`` is the mean of the ring between two radii minus that of the disk within the smaller one
    (Bekaert et al. 2020, doi 10.1016/j.rse.2020.111983): ground that moves less than what is around it is positive.
    ``sobel`` is the root mean square of the smoothed differences over two pixels down and across, ``roberts`` that of
    the differences along the two diagonals.

    Examples
    --------
    >>> import numpy as np
    >>> filter_map(np.full((2, 3), 7.0), filter_type="lowpass_avg", filter_par=(3,)).tolist()
    [[7.0, 7.0, 7.0], [7.0, 7.0, 7.0]]
    """
    chosen = (options or SpatialFilterOptions()).override(overrides, step="spatial filter")
    found = np.asarray(values)
    layers = found.reshape(-1, *found.shape[-2:])
    out = np.empty(layers.shape, np.float32)
    known: Weights = {}
    for layer, place in zip(layers, out, strict=True):
        place[...] = _FILTERS[chosen.filter_type](layer.astype(np.float64), chosen.parameters, known)
    return out.reshape(found.shape)


def _mean(values: Floats, name: str, total: Sum, known: Weights) -> Floats:
    """Return the mean over the measured pixels among those that `total` adds up; NaN where there are none."""
    measured = np.isfinite(values)
    if name not in known or not np.array_equal(known[name][0], measured):
        known[name] = measured, total(measured.astype(np.float64))
    weight = known[name][1]
    summed = total(np.where(measured, values, 0.0))
    # the sum of weights below a Gaussian's tail is rounding, not weight
    mean: Floats = np.divide(summed, weight, out=np.full(values.shape, np.nan), where=weight > 1e-12)  # noqa: PLR2004
    return mean


def _kept(values: Floats, found: Floats) -> Floats:
    return np.where(np.isfinite(values), found, np.nan)


def _separable(weights: Floats, border: Border) -> Sum:
    def total(values: Floats) -> Floats:
        down = ndimage.convolve1d(values, weights, axis=0, mode=border)
        return np.asarray(ndimage.convolve1d(down, weights, axis=1, mode=border), np.float64)

    return total


def gaussian_weights(sigma: float) -> Floats:
    """Return the weights of a Gaussian, cut off at four standard deviations; they add up to one."""
    radius = gaussian_radius(sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float64)


def _gaussian(values: Floats, sigma: float, known: Weights) -> Floats:
    return _kept(values, _mean(values, f"{sigma}", _separable(gaussian_weights(sigma), "nearest"), known))


def _average(values: Floats, edge: float, known: Weights) -> Floats:
    weights = np.full(int(edge), 1.0 / int(edge))
    return _kept(values, _mean(values, "square", _separable(weights, "reflect"), known))


def _median(values: Floats, radius: float) -> Floats:
    return _kept(values, median_within(values, disk_offsets(int(radius))))


def disk_sum(values: Floats, radius: int) -> Floats:
    """Return the sum over the pixels within a radius of each, the map being mirrored at its borders."""
    rows, columns = values.shape
    around = np.pad(values, radius, mode="symmetric")
    out = np.zeros(values.shape)
    widths = [int(np.sqrt(radius**2 - down**2)) for down in range(-radius, radius + 1)]
    for width in sorted(set(widths)):
        lines = ndimage.convolve1d(around, np.ones(2 * width + 1), axis=1, mode="constant")
        for down in (k for k, each in enumerate(widths) if each == width):
            out += lines[down : down + rows, radius : radius + columns]
    return out


def _double_difference(values: Floats, inner: float, outer: float, known: Weights) -> Floats:
    def ring(found: Floats) -> Floats:
        return disk_sum(found, int(outer)) - disk_sum(found, int(inner))

    local = _mean(values, "disk", lambda found: disk_sum(found, int(inner)), known)
    return _kept(values, _mean(values, "ring", ring, known) - local)


def _gradient(values: Floats, kernels: tuple[Floats, Floats]) -> Floats:
    """Return the root mean square of two derivatives; NaN where one of their pixels is missing."""
    measured = np.isfinite(values)
    filled = np.where(measured, values, 0.0)
    square = np.zeros(values.shape)
    missing = np.zeros(values.shape, bool)
    for kernel in kernels:
        square += ndimage.convolve(filled, kernel, mode="reflect") ** 2
        missing |= ndimage.convolve((~measured).astype(np.float64), np.abs(kernel), mode="reflect") > 0
    return np.where(missing, np.nan, np.sqrt(square / 2))


_SOBEL = np.outer([1.0, 2.0, 1.0], [1.0, 0.0, -1.0]) / 4
_ROBERTS = np.array([[1.0, 0.0], [0.0, -1.0]])

_FILTERS: Mapping[str, Callable[[Floats, tuple[float, ...], Weights], Floats]] = MappingProxyType(
    {
        "lowpass_gaussian": lambda values, sizes, known: _gaussian(values, sizes[0], known),
        "highpass_gaussian": lambda values, sizes, known: values - _gaussian(values, sizes[0], known),
        "lowpass_avg": lambda values, sizes, known: _average(values, sizes[0], known),
        "highpass_avg": lambda values, sizes, known: values - _average(values, sizes[0], known),
        "median": lambda values, sizes, _: _median(values, sizes[0]),
        "double_difference": lambda values, sizes, known: _double_difference(values, sizes[0], sizes[1], known),
        "difference_of_gaussians": lambda values, sizes, known: (
            _gaussian(values, sizes[0], known) - _gaussian(values, sizes[1], known)
        ),
        "sobel": lambda values, _sizes, _: _kept(values, _gradient(values, (_SOBEL, _SOBEL.T))),
        "roberts": lambda values, _sizes, _: _kept(values, _gradient(values, (_ROBERTS, _ROBERTS[:, ::-1]))),
    }
)
