"""Offset tracking: whole-pixel search and refinement, against one FFT correlation and parabola per chip."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import gcd

import numpy as np
import numpy.typing as npt
from scipy import fft

from creepmeter.kernels.correlate import search_chips
from creepmeter.kernels.refine import refine_chips
from creepmeter.kernels.threads import limit_threads, thread_count
from creepmeter.simulate import rigid_pair
from creepmeter.tracking.match import chip_shape
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import PreparedImage, prepare_image
from creepmeter.tracking.track import track_arrays

Floats = npt.NDArray[np.float32]
SIZE = 1024
SHIFT = (0.37, -0.21)
NOISE_DN = 20.0
OPTIONS = TrackOptions(chip_px=32, step_px=8, search_px=10)
REACH = 1.5
PEER_EVERY = 13  # the plain approach measures every so many-th chip along each axis; it is slow
ROUNDS = 3


def best_seconds(work: Callable[[], object]) -> float:
    """Return the shortest of a few runs, after one that compiles."""
    work()
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def search(ref: PreparedImage, sec: PreparedImage) -> Floats:
    """Search every chip."""
    chip, step = OPTIONS.chip_px, OPTIONS.step_px
    wanted = np.ones(chip_shape(ref.shape, chip, step), bool)
    geometry = np.array([chip, step, gcd(chip, step), OPTIONS.search_px])
    return search_chips(ref.values, ref.valid, sec.values, sec.valid, wanted, geometry, chip * chip / 2)


def places_of(peaks: Floats) -> npt.NDArray[np.float64]:
    """Return top, left and start of every chip for the refinement."""
    corners = np.indices(peaks.shape[:2]).reshape(2, -1).T * OPTIONS.step_px
    return np.hstack([corners, peaks[..., 5:7].reshape(-1, 2)]).astype(np.float64)


def plain_offset(ref: Floats, sec: Floats, top: int, left: int) -> tuple[float, float]:
    """Return (dx, dy) of one chip as most programs do: FFT correlation, local sums, parabola through the peak."""
    chip, radius = OPTIONS.chip_px, OPTIONS.search_px
    template = ref[top : top + chip, left : left + chip].astype(np.float64)
    template -= template.mean()
    window = sec[top - radius : top + chip + radius, left - radius : left + chip + radius].astype(np.float64)
    window -= window.mean()
    shape = (fft.next_fast_len(window.shape[0], real=True),) * 2
    cross = fft.irfft2(fft.rfft2(window, shape) * np.conj(fft.rfft2(template, shape)), shape)
    count = 2 * radius + 1
    sums = [np.pad(power.cumsum(0).cumsum(1), ((1, 0), (1, 0))) for power in (window, window**2)]
    first, second = (s[chip:, chip:] - s[:-chip, chip:] - s[chip:, :-chip] + s[:-chip, :-chip] for s in sums)
    spread = np.sqrt(np.maximum(second - first**2 / chip**2, 1e-9) * (template**2).sum())
    score = cross[:count, :count] / spread
    u, v = (int(place) + 1 for place in np.unravel_index(np.argmax(score[1:-1, 1:-1]), (count - 2, count - 2)))
    dx, dy = (
        0.5 * (before - after) / (before - 2 * score[u, v] + after)
        for before, after in ((score[u, v - 1], score[u, v + 1]), (score[u - 1, v], score[u + 1, v]))
    )
    return v - radius + float(dx), u - radius + float(dy)


def plain_offsets(ref: Floats, sec: Floats) -> npt.NDArray[np.float64]:
    """Return (chips, 2) offsets of a sample of chips away from the border."""
    first, last = OPTIONS.search_px, SIZE - OPTIONS.chip_px - OPTIONS.search_px
    corners = range(first, last, PEER_EVERY * OPTIONS.step_px)
    return np.array([plain_offset(ref, sec, top, left) for top in corners for left in corners])


def rmse(errors: npt.NDArray[np.floating]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(errors))))


def run() -> dict[str, float | str]:
    """Return points per second of one core for search, refinement and the plain approach, and their errors."""
    ref_image, sec_image = rigid_pair((SIZE, SIZE), *SHIFT, noise_dn=NOISE_DN, seed=1)
    preparing = best_seconds(lambda: prepare_image(ref_image, None, OPTIONS))
    ref, sec = prepare_image(ref_image, None, OPTIONS), prepare_image(sec_image, None, OPTIONS)
    peaks = search(ref, sec)
    places = places_of(peaks)
    chip = OPTIONS.chip_px
    with limit_threads(1):
        searching = best_seconds(lambda: search(ref, sec))
        refining = best_seconds(
            lambda: refine_chips(
                ref.values, ref.solid, sec.coefficients, sec.spline_solid, places, chip, chip * chip / 2, REACH
            )
        )
    whole = best_seconds(lambda: track_arrays(ref_image, sec_image, options=OPTIONS))
    field = track_arrays(ref_image, sec_image, options=OPTIONS)
    begin = time.perf_counter()
    plain = plain_offsets(ref_image, sec_image)
    plain_rate = len(plain) / (time.perf_counter() - begin)
    count = len(places)
    ours = np.stack([field.dx[field.valid], field.dy[field.valid]], axis=1) - SHIFT
    return {
        "points": float(count),
        "search, points per second and core": count / searching,
        "refinement, points per second and core": count / refining,
        "search and refinement, points per second and core": count / (searching + refining),
        "plain FFT correlation and parabola, points per second and core": plain_rate,
        "ratio to the plain approach": count / (searching + refining) / plain_rate,
        "preparing one image, s": preparing,
        f"track_arrays with {thread_count()} thread(s), s": whole,
        "error, px": rmse(ours),
        "error of the plain approach, px": rmse(plain - SHIFT),
        "valid, share": float(field.valid.mean()),
    }
