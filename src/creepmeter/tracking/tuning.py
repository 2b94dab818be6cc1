"""A filter tuned by the images themselves: frequencies count by how much the images agree there.

From windows of both images, aligned, come the auto spectra S_aa, S_bb and the cross spectrum C, and from these the
weight of the maximum-likelihood delay estimator (Knapp and Carter 1976, doi 10.1109/TASSP.1976.1162830), here in two
dimensions::

    psi = C / (S_aa S_bb - C^2)

With signal S and noise N alike in both images it is S / (N^2 + 2 S N): the inverse spectrum of the difference where the
images agree, less where they do not. Both images are filtered with a short, symmetric filter of amplitude sqrt(psi).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from creepmeter.kernels.convolve import filter_image
from creepmeter.kernels.points import search_points

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Complex: TypeAlias = npt.NDArray[np.complex64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Image: TypeAlias = tuple[Floats, Bools]  # values and where they are valid, (rows, columns)

WINDOW_PX = 64
SMALL_WINDOW_PX = 32
SMALL_IMAGE_PX = 200  # edge of an image below which the small window is used
MOST_WINDOWS = 64
FEWEST_WINDOWS = 6
LONGEST_PX = 15
LOSS = 1.03  # variance that a shorter filter may cost
LEAVE = 1.2  # variance below which images are left alone
ROUNDS = 3  # of alignment and of weights
SMOOTHING = 1.0  # standard deviation of the smoothing of spectra, frequency steps
LEAST_COHERENCE = 1e-3
LEAST_NOISE = 1e-6
LEAST_CORRELATION = 0.05
ROBUST = 0.5  # windows below this share of the median correlation hold no common ground
MARGIN_PX = 2  # half width of the high-pass filter used for alignment


@dataclass(frozen=True)
class Spectra:
    """Mean spectra of aligned windows of n x n pixels, each (n, n // 2 + 1) as the real Fourier transform has them.

    Parameters
    ----------
    first, second : float64
        Auto spectra of the reference and of the secondary.
    common : float64
        Real part of the cross spectrum.
    windows : int
        Windows averaged.
    """

    first: Doubles
    second: Doubles
    common: Doubles
    windows: int

    def weight(self) -> Doubles:
        """Return psi, (n, n // 2 + 1)."""
        first, second, common = (_smooth(part) for part in (self.first, self.second, self.common))
        power = first * second
        common = np.maximum(common, LEAST_COHERENCE * np.sqrt(power))
        weight: Doubles = common / np.maximum(power - common**2, LEAST_NOISE * power)
        return weight

    def variance(self, weight: Doubles) -> float:
        """Return the variance of offsets measured with a weight, up to a factor that all weights share."""
        wave = _wavenumbers(len(weight))
        square = (wave[0] ** 2 + wave[1] ** 2) * _multiplicity(len(weight))
        best = self.weight()
        common = np.maximum(self.common, 0)
        return float((square * weight**2 * common / best).sum() / (square * weight * common).sum() ** 2)


def mean_spectra(found: Sequence[Spectra]) -> Spectra | None:
    """Return the mean over pairs of images, by their numbers of windows; None without any, or with another size."""
    if not found:
        return None
    size = max(len(one.first) for one in found)
    same = [one for one in found if len(one.first) == size]
    total = sum(one.windows for one in same)
    first, second, common = (
        sum(getattr(one, name) * one.windows for one in same) / total for name in ("first", "second", "common")
    )
    return Spectra(first, second, common, total)


def tuned_filter(spectra: Spectra | None) -> Floats | None:
    """Return the shortest filter that costs hardly any accuracy, (n, n) with n odd; None = leave the images alone."""
    if spectra is None:
        return None
    best = spectra.weight()
    limit = LOSS * spectra.variance(best)
    if spectra.variance(np.ones_like(best)) <= LEAVE * spectra.variance(best):
        return None
    response = fft.fftshift(fft.irfft2(np.sqrt(best), (len(best), len(best))))
    middle = len(best) // 2
    chosen = np.ones((1, 1))
    for reach in range(1, LONGEST_PX // 2 + 1):
        part = slice(middle - reach, middle + reach + 1)
        chosen = response[part, part]
        if spectra.variance(np.abs(fft.rfft2(chosen, (len(best), len(best)))) ** 2) <= limit:
            break
    scaled: Floats = (chosen / np.sqrt((chosen**2).sum())).astype(np.float32)
    return scaled


def measure_spectra(ref: Image, sec: Image, search_px: tuple[int, int]) -> Spectra | None:
    """Return the spectra of windows spread over two images; None if too few windows show the same ground in both.

    Parameters
    ----------
    ref, sec : (values, valid)
        Images of one shape; values where not valid are ignored.
    search_px : (down, along)
        Largest offset.
    """
    shape = ref[0].shape
    size = WINDOW_PX if min(shape) >= SMALL_IMAGE_PX else SMALL_WINDOW_PX
    corners = _choose_windows(ref[1], size)
    if len(corners) < FEWEST_WINDOWS:
        return None
    offsets = _align(ref, sec, corners, size, search_px)
    whole = np.rint(offsets).astype(np.int64)
    first, keep_first = _cut(ref, corners, size)
    second, keep_second = _cut(sec, corners + whole, size)
    keep = keep_first & keep_second & np.isfinite(offsets[:, 0])
    if keep.sum() < FEWEST_WINDOWS:
        return None
    return _average(_transform(first[keep]), _transform(second[keep]), (offsets - whole)[keep])


def _choose_windows(valid: Bools, size: int) -> npt.NDArray[np.int64]:
    """Return corners (n, 2) of windows without a missing pixel, evenly spread."""
    rows, columns = valid.shape
    if min(rows, columns) < size:
        return np.empty((0, 2), np.int64)
    y, x = (np.unique(np.linspace(0, edge - size, max(2, 2 * edge // size)).astype(np.int64)) for edge in valid.shape)
    corners = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    if not valid.all():
        whole = np.array([valid[top : top + size, left : left + size].all() for top, left in corners], bool)
        corners = corners[whole]
    chosen = np.linspace(0, len(corners) - 1, min(len(corners), MOST_WINDOWS)).astype(np.int64)
    return corners[chosen]


def _cut(image: Image, corners: npt.NDArray[np.int64], size: int) -> tuple[Floats, Bools]:
    """Return windows (n, size, size), missing = 0, and which of them miss no pixel."""
    values, valid = image
    out, whole = np.zeros((len(corners), size, size), np.float32), np.zeros(len(corners), bool)
    for k, (top, left) in enumerate(corners):
        part = np.s_[top : top + size, left : left + size]
        inside = top >= 0 and left >= 0 and top + size <= values.shape[0] and left + size <= values.shape[1]
        if inside and valid[part].all():
            whole[k] = True
            out[k] = values[part]
    return out, whole


def _mosaic(image: Image, corners: npt.NDArray[np.int64], shape: tuple[int, int]) -> Image:
    """Return the parts of an image at these corners, one below the other; outside the image is missing."""
    values, valid = image
    height, width = shape
    out, seen = np.zeros((len(corners) * height, width), np.float32), np.zeros((len(corners) * height, width), bool)
    rows, columns = values.shape
    for k, (top, left) in enumerate(corners):
        y0, y1, x0, x1 = max(0, top), min(rows, top + height), max(0, left), min(columns, left + width)
        source = np.s_[y0:y1, x0:x1]
        target = np.s_[k * height + y0 - top : k * height + y1 - top, x0 - left : x1 - left]
        out[target], seen[target] = values[source], valid[source]
    return np.where(seen, out, np.float32(0)), seen


def _align(
    ref: Image, sec: Image, corners: npt.NDArray[np.int64], size: int, search_px: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Return offsets (n, 2) of windows by correlation of high-passed images; NaN where there is no peak."""
    margin = np.array(search_px) + MARGIN_PX
    shape = (size + 2 * int(margin[0]), size + 2 * int(margin[1]))
    edge = 2 * MARGIN_PX + 1
    highpass = np.full((edge, edge), -1 / edge**2, np.float32)
    highpass[MARGIN_PX, MARGIN_PX] += 1
    first, second = (filter_image(*_mosaic(image, corners - margin, shape), highpass) for image in (ref, sec))
    places = np.zeros((len(corners), 6), np.int64)
    places[:, 0] = np.arange(len(corners)) * shape[0] + margin[0]
    places[:, 1] = margin[1]
    places[:, 4:] = search_px
    peaks = search_points((*first, *second), places, size, 0.9 * size * size)
    return np.where((peaks[:, 4] == 0)[:, None], peaks[:, 5:7], np.nan).astype(np.float64)


def _wavenumbers(size: int) -> tuple[Floats, Floats]:
    """Return wavenumbers down and along, radians per pixel, to be broadcast to (size, size // 2 + 1)."""
    full, half = 2 * np.pi * fft.fftfreq(size), 2 * np.pi * fft.rfftfreq(size)
    return full[:, None].astype(np.float32), half[None, :].astype(np.float32)


def _multiplicity(size: int) -> Floats:
    """Return how often each column of a real transform stands in the whole one."""
    times = np.full(size // 2 + 1, 2.0, np.float32)
    times[[0, -1]] = 1.0
    return times


def _smooth(half: Doubles) -> Doubles:
    """Smooth a spectrum that is kept by half."""
    size = len(half)
    mirrored = np.roll(half[::-1, ::-1], 1, axis=0)[:, 1:-1]  # the value at -k
    whole = ndimage.gaussian_filter(np.concatenate([half, mirrored], axis=1), SMOOTHING, mode="wrap")
    smooth: Doubles = whole[:, : size // 2 + 1]
    return smooth


def _transform(windows: Floats) -> Complex:
    """Return Fourier transforms of windows freed of their mean and tapered."""
    size = windows.shape[-1]
    taper = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    centred = windows - windows.mean(axis=(1, 2), keepdims=True)
    transformed: Complex = fft.rfft2(centred * np.outer(taper, taper).astype(np.float32))
    return transformed


def _average(first: Complex, second: Complex, rest: npt.NDArray[np.float64]) -> Spectra | None:
    """Return mean spectra; windows are aligned to the fraction of a pixel and those without common ground left out."""
    wave_y, wave_x = _wavenumbers(first.shape[-2])
    auto_a, auto_b = np.abs(first) ** 2, np.abs(second) ** 2
    # the geometric mean over frequencies: neither bright nor rough windows outweigh the others
    scale = np.exp(-0.25 * (np.log(auto_a + 1e-30) + np.log(auto_b + 1e-30)).mean(axis=(1, 2)))[:, None, None] ** 2
    auto_a, auto_b, cross = auto_a * scale, auto_b * scale, np.conj(first) * second * scale
    keep = np.ones(len(first), bool)
    times = _multiplicity(first.shape[-2])
    weight = np.broadcast_to(times, first.shape[-2:])
    spectra: Spectra | None = None
    for _ in range(ROUNDS):
        turns = [
            np.exp(np.complex64(1j) * wave * rest[:, k, None, None].astype(np.float32))
            for k, wave in enumerate((wave_y, wave_x))
        ]
        turned = cross * turns[0] * turns[1]
        common = np.real(turned)
        found, power_a, power_b = (np.tensordot(part, weight, 2) for part in (common, auto_a, auto_b))
        share = found / np.sqrt(power_a * power_b)
        keep = share > max(LEAST_CORRELATION, ROBUST * float(np.median(share)))
        if keep.sum() < FEWEST_WINDOWS:
            return None
        parts = [part[keep].mean(axis=0, dtype=np.float64) for part in (auto_a, auto_b, common)]
        spectra = Spectra(parts[0], parts[1], parts[2], int(keep.sum()))
        weight = (spectra.weight() * times).astype(np.float32)
        rest = rest + _newton(weight, turned, wave_y, wave_x)
    return spectra


def _newton(weight: Floats, turned: Complex, wave_y: Floats, wave_x: Floats) -> npt.NDArray[np.float64]:
    """Return the step (n, 2) toward the maximum of the weighted cross correlation, at most half a pixel."""
    slope, bend = -np.imag(turned), np.maximum(np.real(turned), 0)
    right = np.stack([np.tensordot(slope, weight * wave, 2) for wave in (wave_y, wave_x)], axis=1)
    entries = [np.tensordot(bend, weight * a * b, 2) for a, b in ((wave_y, wave_y), (wave_y, wave_x), (wave_x, wave_x))]
    determinant = entries[0] * entries[2] - entries[1] ** 2
    step = (
        np.stack(
            [
                entries[2] * right[:, 0] - entries[1] * right[:, 1],
                entries[0] * right[:, 1] - entries[1] * right[:, 0],
            ],
            axis=1,
        )
        / np.maximum(determinant, 1e-30)[:, None]
    )
    limited: npt.NDArray[np.float64] = step.clip(-0.5, 0.5)
    return limited
