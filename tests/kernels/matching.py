"""What the tests of the matching kernels share: the masked correlation by definition, and grounds known anywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from creepmeter.kernels.peaks import UNDEFINED

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Images = tuple[Floats, Bools, Floats, Bools]
Ground = Callable[[Doubles, Doubles], Doubles]

TOLERANCE = 2e-4  # products are summed in float32
CLEAR = 5e-3  # peaks that differ by less may change places in float32


def cut(values: npt.NDArray[np.generic], top: int, left: int, shape: tuple[int, int]) -> Doubles:
    """Return a window; 0 outside the image."""
    y, x = top + np.arange(shape[0]), left + np.arange(shape[1])
    inside = ((y >= 0) & (y < values.shape[0]))[:, None] & ((x >= 0) & (x < values.shape[1]))
    part = values[np.clip(y, 0, values.shape[0] - 1)[:, None], np.clip(x, 0, values.shape[1] - 1)]
    return np.where(inside, part, 0).astype(float)


def correlation(a: Doubles, mask_a: Doubles, b: Doubles, mask_b: Doubles, least: float) -> float:
    """Return the correlation of the pixels common to two windows; NaN with too few of them or without texture."""
    common = (mask_a > 0) & (mask_b > 0)
    if common.sum() < max(least, 1):
        return np.nan
    first, second = a[common] - a[common].mean(), b[common] - b[common].mean()
    power = (first**2).sum() * (second**2).sum()
    return float((first * second).sum() / np.sqrt(power)) if power > 1e-8 else np.nan


def surface_of(images: Images, place: tuple[int, ...], chip: int, least: float) -> Doubles:
    """Return the correlations of a chip; `place` = top, left, shift dy, dx, radius y, x. NaN where undefined."""
    top, left, dy, dx, radius_y, radius_x = place
    ref, sec = np.where(images[1], images[0], 0), np.where(images[3], images[2], 0)
    size = (chip, chip)
    out = np.empty((2 * radius_y + 1, 2 * radius_x + 1))
    for u, v in np.ndindex(out.shape):
        y, x = top + dy - radius_y + u, left + dx - radius_x + v
        a, mask_a = cut(ref, top, left, size), cut(images[1], top, left, size)
        out[u, v] = correlation(a, mask_a, cut(sec, y, x, size), cut(images[3], y, x, size), least)
    return out


def second_peak(surface: Doubles, top: int, left: int) -> float:
    """Return the highest local maximum that is not within one shift of the peak, -2 without any."""
    known = np.where(np.isnan(surface), float(UNDEFINED), surface)
    best = float(UNDEFINED)
    for u in range(1, known.shape[0] - 1):
        for v in range(1, known.shape[1] - 1):
            if max(abs(u - top), abs(v - left)) > 1 and known[u, v] >= known[u - 1 : u + 2, v - 1 : v + 2].max():
                best = max(best, known[u, v])
    return best


def check_peak(found: Floats, surface: Doubles, corner: tuple[int, int]) -> None:
    """Check the fields of one chip against its correlations; `corner` = first shift (dy, dx)."""
    dy, dx, peak, second, edge, start_y, start_x = found
    if np.isnan(surface).all():
        assert peak == UNDEFINED
        assert edge == 1
        return
    u, v = int(dy) - corner[0], int(dx) - corner[1]
    assert abs(peak - surface[u, v]) <= TOLERANCE
    assert abs(peak - np.nanmax(surface)) <= TOLERANCE
    near = surface[max(u - 1, 0) : u + 2, max(v - 1, 0) : v + 2]
    on_border = near.shape != (3, 3) or bool(np.isnan(near[[0, 1, 1, 2], [1, 0, 2, 1]]).any())
    assert bool(edge) == on_border
    rivals = np.delete(surface.ravel(), u * surface.shape[1] + v)
    if np.isfinite(surface).all() and not (rivals > peak - CLEAR).any():
        expected = second_peak(surface, u, v)
        assert abs(second - expected) <= TOLERANCE or _is_plateau(surface)
    assert max(abs(start_y - dy), abs(start_x - dx)) <= 0.5
    if on_border:
        assert (start_y, start_x) == (dy, dx)


def _is_plateau(surface: Doubles) -> bool:
    """Tell whether neighbours differ by less than float32 can tell, so that a local maximum may be another."""
    steps = [np.abs(np.diff(surface, axis=axis)).min(initial=1.0) for axis in (0, 1)]
    diagonals = (np.abs(surface[1:, 1:] - surface[:-1, :-1]), np.abs(surface[1:, :-1] - surface[:-1, 1:]))
    return min(*steps, *(part.min(initial=1.0) for part in diagonals)) < TOLERANCE


def waves(seed: int, shortest: float = 4.0) -> Ground:
    """Return a sum of waves no shorter than some pixels: known at every place, and band-limited."""
    rng = np.random.default_rng(seed)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 12))
    wavenumber = rng.uniform(0.3, 2 * np.pi / shortest, 12)

    def ground(y: Doubles, x: Doubles) -> Doubles:
        along = np.multiply.outer(y, np.sin(angle)) + np.multiply.outer(x, np.cos(angle))
        total: Doubles = np.cos(along * wavenumber + phase).sum(axis=-1)
        return total

    return ground
