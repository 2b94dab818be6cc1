"""What lies between the ground and the image: sun, clouds, missing corners."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from creepmeter.model.epoch import Epoch
from creepmeter.simulate.terrain import Image, Spectrum

Bools = npt.NDArray[np.bool_]

_OVERPASS_HOUR = 10.5  # local solar time
_CLOUD_SCALE_PX = 20.0
CLOUD_DN = 6500.0
_SOFT = 0.9  # rise of the opacity inside a cloud, standard deviations of its field


def sun_position(time: Epoch, latitude_deg: float) -> tuple[float, float]:
    """Return azimuth (clockwise from north) and elevation of the sun at a morning overpass, degrees."""
    day = (time - time.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    declination = np.radians(23.44) * np.sin(2.0 * np.pi * (day - 80.0) / 365.25)
    hour = np.radians(15.0 * (_OVERPASS_HOUR - 12.0))
    latitude = np.radians(latitude_deg)
    east = -np.cos(declination) * np.sin(hour)
    north = np.sin(declination) * np.cos(latitude) - np.cos(declination) * np.sin(latitude) * np.cos(hour)
    up = np.sin(declination) * np.sin(latitude) + np.cos(declination) * np.cos(latitude) * np.cos(hour)
    return float(np.degrees(np.arctan2(east, north)) % 360.0), float(np.degrees(np.arcsin(up)))


def clouds(shape: tuple[int, int], fraction: float, rng: np.random.Generator) -> tuple[Image, Image]:
    """Return opacity (0 to 1) and brightness (DN) of soft clouds that cover `fraction` of the image.

    Opacity is above zero exactly where there is cloud.
    """
    if fraction <= 0:
        return np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    first, second = (fft.rfft2(rng.standard_normal(shape, dtype=np.float32)) for _ in range(2))
    field = _blotches(first, second, shape, _CLOUD_SCALE_PX)
    brightness = CLOUD_DN * (1.0 + 0.08 * _smooth(second, shape, 3.0))
    return opacity_above(field, float(np.quantile(field, 1.0 - fraction))), brightness.astype(np.float32)


def blotches(shape: tuple[int, int], scale_px: float, rng: np.random.Generator) -> Image:
    """Return a periodic field of soft blotches with frayed edges, standard deviation 1."""
    first, second = (fft.rfft2(rng.standard_normal(shape, dtype=np.float32)) for _ in range(2))
    return _blotches(first, second, shape, scale_px)


def _blotches(first: Spectrum, second: Spectrum, shape: tuple[int, int], scale_px: float) -> Image:
    field = _smooth(first, shape, scale_px) + 0.25 * _smooth(second, shape, scale_px / 4)
    return np.asarray(field / max(field.std(), np.finfo(np.float32).tiny), dtype=np.float32)


def opacity_above(field: Image, level: float, rise: float = _SOFT) -> Image:
    """Return 0 where a field is below `level`, rising smoothly to 1 at `rise` above it."""
    above = np.clip((field - level) / rise, 0.0, 1.0)
    return np.asarray(above * above * (3.0 - 2.0 * above), dtype=np.float32)


def _smooth(spectrum: Spectrum, shape: tuple[int, int], scale_px: float) -> Image:
    """Return noise smoothed by a Gaussian, periodic, standard deviation 1."""
    down, right = (
        np.exp(-2.0 * (np.pi * scale_px * frequency) ** 2).astype(np.float32)
        for frequency in (fft.fftfreq(shape[0]), fft.rfftfreq(shape[1]))
    )
    smooth = fft.irfft2(spectrum * (down[:, None] * right), s=shape)
    return np.asarray(smooth / max(smooth.std(), np.finfo(np.float32).tiny), dtype=np.float32)


def missing_corner(shape: tuple[int, int], share: float, corner: int) -> Bools:
    """Return True in a corner (0 upper left, 1 upper right, 2 lower right, 3 lower left) cut off by a slanted edge."""
    rows, columns = np.indices(shape, dtype=np.float32)
    return in_corner(rows, columns, shape, share, corner)


def in_corner(
    rows: npt.NDArray[np.floating],
    columns: npt.NDArray[np.floating],
    shape: tuple[int, int],
    share: float,
    corner: int,
) -> Bools:
    """Tell which pixels of an image of `shape` lie in the corner of `missing_corner`."""
    down, right = (rows + 0.5) / shape[0], (columns + 0.5) / shape[1]
    down = down if corner in {0, 1} else 1.0 - down
    right = right if corner in {0, 3} else 1.0 - right
    return np.asarray(down + 0.7 * right < share)
