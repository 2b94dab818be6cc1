"""Two images with a known offset, for trackers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from creepmeter.errors import ImageError
from creepmeter.simulate.motion import Floats, origin_of
from creepmeter.simulate.terrain import Image, ground

Offset = tuple[float, float] | Floats | Callable[[Floats, Floats], tuple[npt.ArrayLike, npt.ArrayLike]]


@dataclass(frozen=True)
class PairImages:
    """Two images and the offset between them.

    Parameters
    ----------
    ref, sec : array, (y, x) float32
        A feature at (x, y) of `ref` is at (x + dx, y + dy) of `sec`.
    dx, dy : array, (y, x)
        True offset at each pixel of `ref`, pixels right and down.
    """

    ref: Image
    sec: Image
    dx: Floats
    dy: Floats

    def chip_mean(self, rows: npt.ArrayLike, columns: npt.ArrayLike, chip_px: int) -> Floats:
        """Return the true offset (dx, dy) averaged over chips with the given centres, pixels, (2, ...)."""
        half = (chip_px - 1) / 2
        top, left = (np.rint(np.asarray(centre, np.float64) - half).astype(int) for centre in (rows, columns))
        means = []
        for part in (self.dx, self.dy):
            total = np.zeros((part.shape[0] + 1, part.shape[1] + 1))
            total[1:, 1:] = part.cumsum(axis=0).cumsum(axis=1)
            low, right = top + chip_px, left + chip_px
            means.append((total[low, right] - total[top, right] - total[low, left] + total[top, left]) / chip_px**2)
        return np.stack(means)


def pair_images(
    shape: tuple[int, int],
    offset: Offset,
    *,
    noise_dn: float = 0.0,
    change_dn: float = 0.0,
    gradient: float = 0.0,
    seed: int = 0,
) -> PairImages:
    """Return a reference and a secondary image with a known offset, deterministic by `seed`.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    offset : (dx, dy), array (2, y, x), or callable
        Pixels right and down by which a feature of the reference image moves. A callable gets (x, y) pixel positions
        (columns, rows) of the reference image and returns (dx, dy). An array holds dx and dy at each of its pixels.
    noise_dn : float
        Standard deviation of white noise in both images, DN.
    change_dn : float
        Standard deviation of an independent change of the ground in the secondary image, DN.
    gradient : float
        Relative brightness gained from the left to the right edge of the secondary image.
    seed : int
        Seed of the random numbers.

    Examples
    --------
    >>> pair = pair_images((64, 64), (0.37, -0.21), seed=1)
    >>> float(pair.dx[0, 0]), float(pair.dy[0, 0])
    (0.37, -0.21)
    """
    displace = _displace(offset, shape)
    base = ground(shape, seed)
    rng = np.random.default_rng([seed, 4])
    rows, columns = np.indices(shape, dtype=np.float64)
    before_x, before_y = origin_of(columns, rows, displace)
    change = base.changed(rng, change_dn) if change_dn else None
    ref = base.lit().at(rows, columns)
    sec = base.lit(change=change).at(before_y, before_x)
    sec *= (1.0 + gradient * np.linspace(-0.5, 0.5, shape[1])).astype(np.float32)
    ref += np.float32(noise_dn) * rng.standard_normal(shape, dtype=np.float32)
    sec += np.float32(noise_dn) * rng.standard_normal(shape, dtype=np.float32)
    dx, dy = displace(columns, rows)
    return PairImages(ref, sec, dx, dy)


def rigid_pair(
    shape: tuple[int, int], dx: float, dy: float, noise_dn: float = 0.0, seed: int = 0
) -> tuple[Image, Image]:
    """Return (ref, sec) where every feature of `ref` has moved by `dx` right and `dy` down, pixels."""
    pair = pair_images(shape, (dx, dy), noise_dn=noise_dn, seed=seed)
    return pair.ref, pair.sec


def _displace(offset: Offset, shape: tuple[int, int]) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    if callable(offset):
        return lambda x, y: _both(offset(x, y), x.shape)
    values = np.asarray(offset, np.float64)
    if values.shape == (2,):
        return lambda x, _: _both((values[0], values[1]), x.shape)
    if values.shape != (2, *shape):
        message = (
            f"the offset must be (dx, dy), a callable, or an array of shape {(2, *shape)}, got shape {values.shape}"
        )
        raise ImageError(message)

    def interpolated(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        dx, dy = (ndimage.map_coordinates(part, [y, x], order=1, mode="nearest") for part in values)
        return dx, dy

    return interpolated


def _both(given: tuple[npt.ArrayLike, npt.ArrayLike], shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    dx, dy = (np.broadcast_to(np.asarray(part, np.float64), shape).copy() for part in given)
    return dx, dy
