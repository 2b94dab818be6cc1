"""Whole-pixel search of single chips: anywhere, each about a shift and within a radius of its own.

The same correlation as in `creepmeter.kernels.correlate`, for chips that share no grid.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.convolve import TAPS, add_taps
from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED, describe_peak, highest, second_highest
from creepmeter.kernels.threads import in_threads
from creepmeter.kernels.windows import copy_tile, integrate, moments, row_moments

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Images: TypeAlias = tuple[Floats, Bools, Floats, Bools]  # ref, ref_valid, sec, sec_valid
Bounds: TypeAlias = tuple[int, int, int, int]  # first and last row, first and last column inside the image

BATCH = 16  # points whose peaks are found together


@jit
def _products(template: Floats, window: Floats, down: int, out: Floats) -> None:
    """Write sums of template times window for all shifts: out[u * width + v], width of the window in `out`.

    Rows of the template are padded with zeros to a multiple of TAPS; the window is flat and padded likewise.
    """
    width = len(out) // down
    out[:] = 0.0
    for i in range(len(template)):
        for j in range(0, template.shape[1], TAPS):
            add_taps(out, window, i * width + j, template[i, j : j + TAPS])


@jit
def _padded(values: Floats) -> Floats:
    """Return a chip with rows padded with zeros to a multiple of TAPS."""
    out = np.zeros((values.shape[0], (values.shape[1] + TAPS - 1) // TAPS * TAPS), np.float32)
    out[:, : values.shape[1]] = values
    return out


@jit
def _flat(values: Floats, template: Floats) -> Floats:
    """Return a window row behind row, with room behind it for the last row of a padded template."""
    out = np.zeros(values.size + template.shape[1], np.float32)
    out[: values.size] = values.reshape(-1)
    return out


@jit
def _whole_point(a: Floats, b: Floats, shape: tuple[int, int], inside: Bounds, least: float, out: Floats) -> None:
    """Write the correlations of a chip where no pixel is missing; `shape` = shifts down and along."""
    chip, width = len(a), b.shape[1]
    sums_a, squares_a = np.empty((chip + 1, chip + 1)), np.empty((chip + 1, chip + 1))
    sums_b, squares_b = np.empty((b.shape[0] + 1, width + 1)), np.empty((b.shape[0] + 1, width + 1))
    integrate(a, sums_a, squares_a)
    integrate(b, sums_b, squares_b)
    products = np.empty(shape[0] * width, np.float32)
    template = _padded(a)
    _products(template, _flat(b, template), shape[0], products)
    mean, inverse = np.empty(shape[1]), np.empty(shape[1])
    total = sums_a[chip, chip]
    _, scale = moments(total, squares_a[chip, chip], float(chip * chip), least)
    for u in range(shape[0]):
        row_moments(sums_b, squares_b, u, chip, inside, least, mean, inverse)
        for v in range(shape[1]):
            value = (products[u * width + v] - total * mean[v]) * scale * inverse[v]
            out[u, v] = value if value == value else UNDEFINED  # noqa: PLR0124 - false for NaN only


@jit
def _masked_point(
    a: Floats, mask_a: Floats, b: Floats, mask_b: Floats, shape: tuple[int, int], least: float, out: Floats
) -> None:
    """Write the correlations of a chip where pixels are missing."""
    width = b.shape[1]
    first = (_padded(a), _padded(mask_a), _padded(a * a))
    second = (_flat(b, first[0]), _flat(mask_b, first[0]), _flat(b * b, first[0]))
    sums = np.empty((6, shape[0] * width), np.float32)
    _products(first[0], second[0], shape[0], sums[0])
    _products(first[1], second[1], shape[0], sums[1])
    _products(first[0], second[1], shape[0], sums[2])
    _products(first[2], second[1], shape[0], sums[3])
    _products(first[1], second[0], shape[0], sums[4])
    _products(first[1], second[2], shape[0], sums[5])
    for u in range(shape[0]):
        for v in range(shape[1]):
            k = u * width + v
            n = np.float64(sums[1, k])
            out[u, v] = UNDEFINED
            if n < least - 0.5 or n <= 0.0:
                continue
            mean, scale_a = moments(np.float64(sums[2, k]), np.float64(sums[3, k]), n, least - 0.5)
            _, scale_b = moments(np.float64(sums[4, k]), np.float64(sums[5, k]), n, least - 0.5)
            value = (np.float64(sums[0, k]) - mean * np.float64(sums[4, k])) * scale_a * scale_b
            if value == value:  # noqa: PLR0124 - false for NaN only
                out[u, v] = value


@jit
def _correlate_point(images: Images, place: Ints, chip: int, least: float, out: Floats) -> None:
    """Write the correlation surface of a chip; `place` = top, left, shift dy, dx, radius y, x."""
    top, left, dy, dx, radius_y, radius_x = place[0], place[1], place[2], place[3], place[4], place[5]
    shape = (2 * radius_y + 1, 2 * radius_x + 1)
    a, mask_a = np.empty((chip, chip), np.float32), np.empty((chip, chip), np.float32)
    b = np.empty((chip + 2 * radius_y, chip + 2 * radius_x), np.float32)
    mask_b = np.empty(b.shape, np.float32)
    y, x = top + dy - radius_y, left + dx - radius_x
    whole = copy_tile(images[0], images[1], top, left, a, mask_a)
    whole = copy_tile(images[2], images[3], y, x, b, mask_b) and whole
    rows, columns = images[0].shape
    inside = top >= 0 and left >= 0 and top + chip <= rows and left + chip <= columns
    rows, columns = images[2].shape
    inside = inside and y >= 0 and x >= 0 and y + b.shape[0] <= rows and x + b.shape[1] <= columns
    if whole and inside:
        _whole_point(a, b, shape, (0, b.shape[0], 0, b.shape[1]), least, out)
    else:
        _masked_point(a, mask_a, b, mask_b, shape, least, out)


@jit
def _search_alike(images: Images, places: Ints, chip: int, least: float, out: Floats) -> None:
    """Search at most BATCH points that share their radii."""
    radius_y, radius_x = places[0, 4], places[0, 5]
    down, along = 2 * radius_y + 1, 2 * radius_x + 1
    surfaces = np.full((down * along, BATCH), UNDEFINED, np.float32)
    surface = np.empty((down, along), np.float32)
    for k in range(len(places)):
        _correlate_point(images, places[k], chip, least, surface)
        surfaces[:, k] = surface.reshape(-1)
    sizes = (down, along, along)
    best, second = np.empty(BATCH, np.float32), np.empty(BATCH, np.float32)
    peaks = np.empty(BATCH, np.int32)
    highest(surfaces, sizes, best, peaks)
    second_highest(surfaces, sizes, peaks, second)
    for k in range(len(places)):
        found, peak = out[k], int(peaks[k])
        found[:] = 0.0
        found[2], found[3], found[4] = best[k], second[k], 1.0
        if peak >= 0:
            found[0] = peak // along - radius_y + places[k, 2]
            found[1] = peak % along - radius_x + places[k, 3]
            describe_peak(surfaces, sizes, k, peak, found)


@jit
def _search_range(start: int, stop: int, images: Images, places: Ints, chip: int, least: float, out: Floats) -> None:
    """Search batches `start` to `stop` of points; where radii change a batch is cut, for peaks need the true border."""
    for batch in range(start, stop):
        first, end = batch * BATCH, min(len(places), (batch + 1) * BATCH)
        while first < end:
            last = first + 1
            while last < end and places[last, 4] == places[first, 4] and places[last, 5] == places[first, 5]:
                last += 1
            _search_alike(images, places[first:last], chip, least, out[first:last])
            first = last


def search_points(images: Images, places: Ints, chip: int, least: float) -> Floats:
    """Find the whole-pixel shift of highest correlation for chips anywhere in the reference image.

    Parameters
    ----------
    images : (ref, ref_valid, sec, sec_valid)
        float32 and bool, (rows, columns). Values under a false mask are never read into a sum.
    places : int64 (points, 6)
        Top and left of the chip, the shift (dy, dx) about which is searched, and the radius along y and x, pixels.
        What lies outside an image is missing.
    chip : int
        Edge of a chip, pixels.
    least : float
        Fewest common valid pixels for a shift to count.

    Returns
    -------
    float32 (points, 7)
        As `creepmeter.kernels.correlate.search_chips`.
    """
    out = np.full((len(places), PEAK_FIELDS), np.nan, np.float32)
    fewest = float(np.ceil(least))
    in_threads(
        lambda start, stop: _search_range(start, stop, images, places, chip, fewest, out), -(-len(places) // BATCH)
    )
    return out
