"""Network inversion against one dense least-squares solution per pixel, the same numbers on both sides."""

from __future__ import annotations

import time
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.linalg

from creepmeter.inversion.invert import invert_block
from creepmeter.inversion.options import InvertOptions
from creepmeter.kernels.threads import limit_threads
from creepmeter.model.network import Network
from creepmeter.simulate.networks import nearest_pairs, regular_times

Floats: TypeAlias = npt.NDArray[np.float64]

DATES, NEAREST, PAIRS = 60, 3, 170
PIXELS = 16_384
DENSE_PIXELS = 500
NOISE_M = 0.5
BLOCK = 512


def run() -> dict[str, float | str]:
    """Return microseconds per pixel and core of both, their ratio, and how well they agree."""
    every = nearest_pairs(regular_times(DATES), NEAREST).pairs
    network = Network(tuple(every[k] for k in np.linspace(0, len(every) - 1, PAIRS).round().astype(int)))
    pairs, sigma = _measured(network, PIXELS)
    with limit_threads(1):
        l2, found = _per_pixel(pairs, sigma, network, "l2")
        huber, _ = _per_pixel(pairs, sigma, network, "huber")
        l1, _ = _per_pixel(pairs, sigma, network, "l1")
    dense, solution = _dense(pairs, sigma, network)
    worst = np.abs(found["displacement"].reshape(DATES, -1)[:, :DENSE_PIXELS] - solution).max()
    return {
        f"l2 with sigma, {DATES} dates x {PAIRS} pairs, one core, us/pixel": l2,
        "scipy.linalg.lstsq, one pixel at a time, median, us/pixel": dense,
        "ratio, l2 (goal: 80)": dense / l2,
        "ratio, huber": dense / huber,
        "huber, us/pixel": huber,
        "l1, us/pixel": l1,
        "largest difference from lstsq, m": float(worst),
    }


def _measured(network: Network, pixels: int) -> tuple[Floats, Floats]:
    # (component, pair, y, x): a random walk with errors, each pair and pixel with a sigma of its own
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(size=(len(network.epochs), pixels)), axis=0)
    sigma = NOISE_M * random.uniform(0.5, 2.0, (len(network.pairs), pixels))
    pairs = network.incidence() @ walk + sigma * random.normal(size=sigma.shape)
    return pairs[None, :, None], sigma[None, :, None]


def _per_pixel(pairs: Floats, sigma: Floats, network: Network, norm: str) -> tuple[float, dict[str, npt.NDArray[Any]]]:
    options = InvertOptions.model_validate({"norm": norm})
    found = invert_block(pairs, network, options, sigma=sigma)  # compiled, and in memory
    seconds = []
    for start in range(0, PIXELS, BLOCK):  # the median of many short runs, as on the other side
        block = np.s_[..., start : start + BLOCK]
        values, spread = pairs[block].copy(), sigma[block].copy()
        begin = time.perf_counter()
        invert_block(values, network, options, sigma=spread)
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds)) / BLOCK * 1e6, found


def _dense(pairs: Floats, sigma: Floats, network: Network) -> tuple[float, Floats]:
    incidence = network.incidence()[:, 1:]
    solution = np.zeros((len(network.epochs), DENSE_PIXELS))
    seconds = []
    for pixel in range(DENSE_PIXELS):
        root = 1.0 / sigma[0, :, 0, pixel]
        begin = time.perf_counter()
        solution[1:, pixel] = scipy.linalg.lstsq(incidence * root[:, None], pairs[0, :, 0, pixel] * root)[0]
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds)) * 1e6, solution
