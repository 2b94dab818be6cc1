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
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from creepmeter.kernels.convolve import filter_image
from creepmeter.kernels.points import search_points
from creepmeter.kernels.threads import together
from creepmeter.tracking.options import TrackOptions

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Complex: TypeAlias = npt.NDArray[np.complex64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.int64]
Image: TypeAlias = tuple[Floats, Bools]  # values, missing = 0, and where they were seen; (rows, columns)

WINDOW_PX = 64
SMALL_WINDOW_PX = 32
SMALL_IMAGE_PX = 200  # edge of an image below which the small window is used
EDGES = (8, 16, 32)  # windows along an edge of the image: first few, more where most miss pixels
ENOUGH_WINDOWS = 32
FEWEST_WINDOWS = 6
LEAST_SHARE = (
    0.25  # of the windows tried that must agree; a few that agree by chance would give a filter that fits them
)
LEAST_SEEN = 0.9  # share of a window that must be seen in both images
LONGEST_PX = 15
LOSS = 1.03  # variance that a shorter filter may cost
LEAVE = 1.2  # variance below which images are left alone
ROUNDS = 3  # of alignment and of weights
SMOOTHING = 1.0  # standard deviation of the smoothing of spectra, frequency steps
LEAST_COHERENCE = 1e-3
LEAST_NOISE = 1e-6
LEAST_CORRELATION = 0.05
ROBUST = 0.5  # windows below this share of the median correlation hold no common ground
MOST_AGAINST = 0.07  # share of the squared coherence that is negative: 0.03 in much noise, above 0.1 where misaligned
MARGIN_PX = 2  # half width of the high-pass filter used for alignment


class ImageSource(Protocol):
    """An image that is read part by part."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def read(self, rows: slice, columns: slice) -> Floats:
        """Return a part of the image, NaN = missing."""


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

    def against(self) -> float:
        """Return the share of the squared coherence whose sign is negative: windows of one ground agree in phase."""
        coherence = self.common / np.sqrt(np.maximum(self.first * self.second, np.finfo(float).tiny))
        power = _multiplicity(len(coherence)) * coherence**2
        return float(power[coherence < 0].sum() / max(power.sum(), np.finfo(float).tiny))

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


def tune(
    ref: ImageSource, sec: ImageSource, options: TrackOptions, search_px: tuple[int, int] | None = None
) -> Floats | None:
    """Return the filter tuned by a pair of images, if the options ask for one; None = leave the images alone.

    The windows are aligned within `search_px` (down, along), by default within the search of the options.
    """
    if options.prefilter != "auto":
        return None
    return tuned_filter(measure_spectra(ref, sec, search_px or options.search_yx))


def measure_spectra(ref: ImageSource, sec: ImageSource, search_px: tuple[int, int]) -> Spectra | None:
    """Return the spectra of windows spread over two images; None if too few windows show the same ground in both.

    Parameters
    ----------
    ref, sec : ImageSource
        Images of one shape.
    search_px : (down, along)
        Largest offset.
    """
    size = WINDOW_PX if min(ref.shape) >= SMALL_IMAGE_PX else SMALL_WINDOW_PX
    margin = (search_px[0] + MARGIN_PX, search_px[1] + MARGIN_PX)
    corners, first = _choose_windows(ref, size, margin)
    if len(corners) < FEWEST_WINDOWS:
        return None
    shape = (size + 2 * margin[0], size + 2 * margin[1])
    second = [_cut(sec, corner - margin, shape) for corner in corners]
    offsets = _align(first, second, size, search_px)
    whole = np.where(np.isfinite(offsets), np.rint(offsets), 0).astype(np.int64)
    inner_a, keep_a = _middles(first, np.zeros_like(whole), size, margin)
    inner_b, keep_b = _middles(second, whole, size, margin)
    keep = keep_a & keep_b & np.isfinite(offsets[:, 0])
    fewest = max(FEWEST_WINDOWS, LEAST_SHARE * len(corners))
    if keep.sum() < fewest:
        return None
    first_wave, second_wave = together(lambda: _transform(inner_a[keep]), lambda: _transform(inner_b[keep]))
    found = _average(first_wave, second_wave, (offsets - whole)[keep], fewest)
    return found if found is not None and found.against() <= MOST_AGAINST else None


def _choose_windows(image: ImageSource, size: int, margin: tuple[int, int]) -> tuple[Places, list[Image]]:
    """Return corners (n, 2) of windows without a missing pixel, evenly spread, and the image there with a margin."""
    if min(image.shape) < size:
        return np.empty((0, 2), np.int64), []
    shape = (size + 2 * margin[0], size + 2 * margin[1])
    middle = (slice(margin[0], margin[0] + size), slice(margin[1], margin[1] + size))
    corners: list[npt.NDArray[np.int64]] = []
    found: list[Image] = []
    for edge in EDGES:  # an image with many gaps is looked at more closely
        lines = [
            np.unique(
                np.linspace(min(room, (length - size) // 2), max(length - size - room, (length - size) // 2), edge)
            )
            for length, room in zip(image.shape, margin, strict=True)
        ]
        candidates = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int64)
        parts = [_cut(image, corner - margin, shape) for corner in candidates]
        kept = [k for k, (_, seen) in enumerate(parts) if seen[middle].all()]
        corners, found = [candidates[k] for k in kept], [parts[k] for k in kept]
        if len(found) >= ENOUGH_WINDOWS:
            break
    return np.array(corners, np.int64).reshape(-1, 2), found


def _cut(image: ImageSource, corner: npt.NDArray[np.int64], shape: tuple[int, int]) -> Image:
    """Return a part of an image, missing = 0, and where it was seen; outside the image nothing is."""
    out, seen = np.zeros(shape, np.float32), np.zeros(shape, bool)
    spans = [
        (max(0, first), min(size, first + length))
        for first, size, length in zip(corner.tolist(), image.shape, shape, strict=True)
    ]
    if all(last > first for first, last in spans):
        values = image.read(slice(*spans[0]), slice(*spans[1]))
        target = tuple(
            slice(first - start, last - start) for (first, last), start in zip(spans, corner.tolist(), strict=True)
        )
        known = np.isfinite(values)
        out[target], seen[target] = np.where(known, values, np.float32(0)), known
    return out, seen


def _middles(parts: Sequence[Image], shift: Places, size: int, margin: tuple[int, int]) -> tuple[Floats, Bools]:
    """Return the windows (n, size, size) in the middle of parts, moved by whole pixels, and which miss no pixel."""
    out, whole = np.zeros((len(parts), size, size), np.float32), np.zeros(len(parts), bool)
    for k, (values, seen) in enumerate(parts):
        top, left = margin[0] + shift[k, 0], margin[1] + shift[k, 1]
        part = np.s_[top : top + size, left : left + size]
        out[k], whole[k] = values[part], seen[part].all()
    return out, whole


def _align(
    first: Sequence[Image], second: Sequence[Image], size: int, search_px: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Return offsets (n, 2) of windows by correlation of high-passed images; NaN where there is no peak."""
    shape = first[0][0].shape
    edge = 2 * MARGIN_PX + 1
    highpass = np.full((edge, edge), -1 / edge**2, np.float32)
    highpass[MARGIN_PX, MARGIN_PX] += 1
    across = int(np.ceil(np.sqrt(len(first))))
    (one, one_valid), (two, two_valid) = together(
        lambda: filter_image(*_mosaic(first, across), highpass),
        lambda: filter_image(*_mosaic(second, across), highpass),
    )
    places = np.zeros((len(first), 6), np.int64)
    number = np.arange(len(first))
    places[:, 0] = number // across * shape[0] + (shape[0] - size) // 2
    places[:, 1] = number % across * shape[1] + (shape[1] - size) // 2
    places[:, 4:] = search_px
    peaks = search_points((one, one_valid, two, two_valid), places, size, LEAST_SEEN * size * size)
    return np.where((peaks[:, 4] == 0)[:, None], peaks[:, 5:7], np.nan).astype(np.float64)


def _mosaic(parts: Sequence[Image], across: int) -> Image:
    """Return parts of an image beside and below each other, `across` in a row; missing where there are no more."""
    height, width = parts[0][0].shape
    shape = (-(-len(parts) // across) * height, across * width)
    values, seen = np.zeros(shape, np.float32), np.zeros(shape, bool)
    for k, (part, known) in enumerate(parts):
        top, left = k // across * height, k % across * width
        values[top : top + height, left : left + width] = part
        seen[top : top + height, left : left + width] = known
    return values, seen


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


def _average(first: Complex, second: Complex, rest: npt.NDArray[np.float64], fewest: float) -> Spectra | None:
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
        if keep.sum() < fewest:
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
