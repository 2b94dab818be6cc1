"""Offsets by the phase of the cross-spectrum: a second method, to check the correlator with."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft

from creepmeter.errors import ImageError

Doubles: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]
Bools: TypeAlias = npt.NDArray[np.bool_]
Pixels: TypeAlias = npt.NDArray[Any]
Spectra: TypeAlias = npt.NDArray[np.complex128]

BLOCK_BYTES = 2**21  # of one array over the chips that are transformed together
ROUNDS = 20
ENOUGH_PX = 1e-4  # a smaller step ends the search
LONGEST_PX = 0.5  # of one step
REACH_PX = 1.5  # a result farther from its start is another peak
CUT = 0.8  # of the Nyquist frequency: above are aliases
ENERGY = 0.5  # power of the cross-spectrum in the weights: 1 suits white noise, 0 change that resembles the ground
ROUNDING = 1e-9  # of the mean brightness: less is no texture


class FrequencyOffsets(NamedTuple):
    """Offsets of chips; all arrays have the shape of the corners.

    `dy`, `dx` in pixels, positive to larger row and column, and their standard errors; `coherence` of the phase, at
    most 1; `converged` tells which are measurements. The numbers are NaN where nothing could be measured: missing
    pixels, a chip that leaves an image, no texture, a result far from its start.
    """

    dy: Doubles
    dx: Doubles
    sigma_dy: Doubles
    sigma_dx: Doubles
    coherence: Doubles
    converged: Bools


class _Plane(NamedTuple):
    """The frequencies that count, rad per pixel; `share` 1/2 counts mirrored ones once; `keep` is where they are."""

    y: Doubles
    x: Doubles
    share: Doubles
    keep: Indices


def frequency_offsets(
    ref: npt.NDArray[Any],
    sec: npt.NDArray[Any],
    rows: npt.NDArray[Any],
    cols: npt.NDArray[Any],
    chip_px: int,
    start_dy: npt.NDArray[Any],
    start_dx: npt.NDArray[Any],
) -> FrequencyOffsets:
    """Measure the offsets of chips by a plane through the phase of their cross-spectrum.

    Both chips are tapered by a window. That of the second image is moved, by fractions of a pixel, until it lies on
    what the other one shows: then the two differ by a shift alone, and nothing is resampled.

    Parameters
    ----------
    ref, sec : float (rows, columns)
        The two images, NaN = missing.
    rows, cols : int (...)
        Upper left corners of the chips in `ref`.
    chip_px : int
        Edge of a chip, pixels, 8 or more.
    start_dy, start_dx : int (...)
        Offsets to start from, within a pixel or so of the true ones; NaN = do not measure.

    Raises
    ------
    ImageError
        The images differ in shape, or the chips are too small.

    Notes
    -----
    After Leprince et al. 2007, doi:10.1109/TGRS.2006.888937: frequencies weigh more when both images have energy there,
    and less the farther their phase lies from the plane; those near the Nyquist frequency are left out (Stone et al.
    2001, doi:10.1109/36.957286).

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(size=(64, 64))
    >>> moved = np.roll(image, 1, axis=1)
    >>> found = frequency_offsets(image, moved, np.array([16]), np.array([16]), 32, np.array([0]), np.array([1]))
    >>> bool(found.converged[0]), round(float(found.dx[0]), 6), abs(round(float(found.dy[0]), 6))
    (True, 1.0, 0.0)
    """
    if np.ndim(ref) != 2 or np.shape(ref) != np.shape(sec):  # noqa: PLR2004
        message = f"the images must be two-dimensional and of one size, got {np.shape(ref)} and {np.shape(sec)} pixels"
        raise ImageError(message)
    if chip_px < 8:  # noqa: PLR2004
        message = f"chips of {chip_px} pixels are too small for the frequency method; use 8 or more"
        raise ImageError(message)
    places = np.broadcast_arrays(rows, cols, start_dy, start_dx)
    shape = places[0].shape
    flat = np.stack(places, axis=-1).reshape(-1, 4).astype(np.float64)
    images, plane = (np.asarray(ref), np.asarray(sec)), _plane(_edge(chip_px))
    result, done = np.full((len(flat), 5), np.nan), np.zeros(len(flat), bool)
    known = np.flatnonzero(np.isfinite(flat).all(axis=1))
    size = max(1, BLOCK_BYTES // (8 * _edge(chip_px) ** 2))
    for first in range(0, known.size, size):
        part = known[first : first + size]
        whole = flat[part].astype(np.intp)
        result[part], done[part] = _measure(images, whole[:, :2], whole[:, 2:], chip_px, plane)
    dy, dx, sigma_dy, sigma_dx, coherence = (result[:, k].reshape(shape) for k in range(5))
    return FrequencyOffsets(dy, dx, sigma_dy, sigma_dx, coherence, done.reshape(shape))


def _measure(
    images: tuple[Pixels, Pixels], corners: Indices, starts: Indices, chip: int, plane: _Plane
) -> tuple[Doubles, Bools]:
    """Return dy, dx, both standard errors and coherence of each chip, and where they converged."""
    place = starts.astype(np.float64)
    result, done = np.full((len(corners), 5), np.nan), np.zeros(len(corners), bool)
    spectrum, textured = _spectra(images[0], corners, np.zeros((len(corners), 2)), chip, plane)
    todo = np.flatnonzero(textured)
    for _ in range(ROUNDS):
        if todo.size == 0:
            break
        whole = np.rint(place[todo])
        other, seen = _spectra(images[1], corners[todo] + whole.astype(np.intp), place[todo] - whole, chip, plane)
        fit = _fit(spectrum[todo], other, place[todo] - whole, plane)
        step = fit[:, :2]
        place[todo] += np.clip(step, -LONGEST_PX, LONGEST_PX)
        seen &= (np.abs(place[todo] - starts[todo]) <= REACH_PX).all(axis=1) & np.isfinite(step).all(axis=1)
        small = np.abs(step).max(axis=1) < ENOUGH_PX
        good, result[todo[~seen]] = todo[seen], np.nan
        result[good] = np.concatenate([place[good], fit[seen, 2:]], axis=1)
        done[good] = small[seen] & np.isfinite(fit[seen]).all(axis=1)
        todo = todo[seen & ~small]
    result[:, 2:4] *= np.sqrt(_spread(chip))
    return result, done


def _edge(chip: int) -> int:
    """Return the edge of a transform: a window moved by a fraction touches one pixel more on each side."""
    return int(fft.next_fast_len(chip + 2, real=True))


def _plane(edge: int) -> _Plane:
    y, x = np.meshgrid(2 * np.pi * fft.fftfreq(edge), 2 * np.pi * fft.rfftfreq(edge), indexing="ij")
    share = np.ones(y.shape)
    share[:, 0] = 0.5
    if edge % 2 == 0:
        share[:, -1] = 0.5
    away = np.hypot(y, x)
    keep = np.flatnonzero((away > 0) & (away <= CUT * np.pi))
    return _Plane(y.ravel()[keep], x.ravel()[keep], share.ravel()[keep], keep)


def _window(chip: int, edge: int, fraction: Doubles) -> Doubles:
    """Return the taper of each chip along one axis, (n, edge): its middle moved by a fraction of a pixel."""
    away = np.arange(edge) - (chip + 1) / 2 - fraction[:, None]
    return np.where(np.abs(away) < (chip + 1) / 2, np.cos(np.pi * away / (chip + 1)), 0)


def _spread(chip: int) -> float:
    """Return how many of the frequencies share one independent value, since the window blurs the spectrum."""
    edge = _edge(chip)
    line = _window(chip, edge, np.zeros(1))[0]
    return float((edge * (line**4).sum() / (line**2).sum() ** 2) ** 2)


def _spectra(image: Pixels, corners: Indices, fraction: Doubles, chip: int, plane: _Plane) -> tuple[Spectra, Bools]:
    """Return the spectrum of each tapered chip, and which chips have all their pixels and texture."""
    edge = _edge(chip)
    inside = ((corners >= 0) & (corners + chip <= image.shape)).all(axis=1)
    around = corners[:, :, None] + np.arange(-1, chip + 1)
    y, x = (np.clip(around[:, k], 0, image.shape[k] - 1) for k in (0, 1))
    patches = np.zeros((len(corners), edge, edge))
    patches[:, : chip + 2, : chip + 2] = image[y[:, :, None], x[:, None, :]]
    inside &= np.isfinite(patches).all(axis=(1, 2))
    patches[~inside] = 0
    window = _window(chip, edge, fraction[:, 0])[:, :, None] * _window(chip, edge, fraction[:, 1])[:, None, :]
    mean = (patches * window).sum(axis=(1, 2)) / window.sum(axis=(1, 2))
    patches -= mean[:, None, None]
    patches *= window
    energy = np.sqrt(np.square(patches).sum(axis=(1, 2)))
    inside &= energy > ROUNDING * np.abs(mean) * chip
    return fft.rfft2(patches).reshape(len(corners), -1)[:, plane.keep], inside


def _fit(first: Spectra, second: Spectra, fraction: Doubles, plane: _Plane) -> Doubles:
    """Return the step of dy and dx, both standard errors and the coherence of each chip."""
    # real numbers, so that equal spectra have a phase of exactly 0
    real = first.real * second.real + first.imag * second.imag
    imag = first.real * second.imag - first.imag * second.real
    energy = np.hypot(real, imag)
    energy[energy == 0] = np.inf
    angle = fraction[:, :1] * plane.y + fraction[:, 1:] * plane.x
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = (real * cos - imag * sin) / energy, (imag * cos + real * sin) / energy
    energy[np.isinf(energy)] = 0
    base = plane.share * energy**ENERGY
    with np.errstate(divide="ignore", invalid="ignore"):
        coherence = (base * along).sum(axis=1) / base.sum(axis=1)
        # misfit m = (1 - cos) / 2 of the phase to the plane; weight 1 - m
        step = _solve(base * (1 + along) / 2, base * (1 + along) / 2 * across, plane)
        sigma = _errors(base * (along + along**2 - across**2) / 2, base * (1 + along) / 2 * across, plane)
    return np.stack([*step, *sigma, coherence], axis=1)


def _moments(weight: Doubles, plane: _Plane) -> tuple[Doubles, Doubles, Doubles]:
    """Return the sums of weight times y y, y x and x x."""
    return weight @ plane.y**2, weight @ (plane.y * plane.x), weight @ plane.x**2


def _solve(weight: Doubles, pull: Doubles, plane: _Plane) -> tuple[Doubles, Doubles]:
    """Return the step of dy and dx that lets the weighted phase vanish."""
    yy, yx, xx = _moments(weight, plane)
    gy, gx = pull @ plane.y, pull @ plane.x
    scale = -1 / (yy * xx - yx**2)
    return scale * (xx * gy - yx * gx), scale * (yy * gx - yx * gy)


def _errors(slope: Doubles, pull: Doubles, plane: _Plane) -> tuple[Doubles, Doubles]:
    """Return the standard errors of dy and dx: pull squared, between its slopes; NaN where the fit is no minimum."""
    yy, yx, xx = _moments(slope, plane)
    myy, myx, mxx = _moments(pull**2, plane)
    det = yy * xx - yx**2
    det[(det <= 0) | (yy <= 0)] = np.nan
    variance_y = (xx**2 * myy - 2 * xx * yx * myx + yx**2 * mxx) / det**2
    variance_x = (yy**2 * mxx - 2 * yy * yx * myx + yx**2 * myy) / det**2
    return np.sqrt(variance_y), np.sqrt(variance_x)
