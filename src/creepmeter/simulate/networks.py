"""Networks of pairs, and stacks of measured displacement with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import NetworkError, SchemaError
from creepmeter.model.epoch import EpochLike, Epochs, as_epoch, as_epochs
from creepmeter.model.grid import Grid, pixel_grid
from creepmeter.model.network import Network
from creepmeter.model.schema import TIME_SERIES, make_pair_stack, map_dataset
from creepmeter.simulate.motion import Floats, MotionField, cell_centres
from creepmeter.simulate.options import StackOptions, options_from

_DIMS = ("component", "time", "y", "x")


def regular_times(count: int, start: EpochLike = "2018-01-05", days: float = 12.0) -> Epochs:
    """Return `count` dates, `days` apart."""
    step = np.timedelta64(round(days * 86_400), "s")
    return as_epoch(start) + np.arange(count) * step


def all_pairs(times: Sequence[EpochLike] | Epochs) -> Network:
    """Return the network of all pairs of dates."""
    return nearest_pairs(times, len(times) - 1)


def nearest_pairs(times: Sequence[EpochLike] | Epochs, count: int) -> Network:
    """Return the network that joins each date to its next `count` dates."""
    epochs = np.sort(as_epochs(times))
    chosen = [(i, j) for i, j in combinations(range(len(epochs)), 2) if j - i <= count]
    return Network.from_pairs((epochs[i], epochs[j]) for i, j in chosen)


def random_network(epochs: int, pairs: int, *, seed: int = 0, days: float = 12.0) -> Network:
    """Return a connected network of random pairs, in random order.

    Raises
    ------
    NetworkError
        Too few pairs to connect the epochs, or more than there are.
    """
    most = epochs * (epochs - 1) // 2
    if not epochs - 1 <= pairs <= most:
        message = f"{epochs} epochs need {epochs - 1} to {most} pairs, got {pairs}"
        raise NetworkError(message)
    rng = np.random.default_rng([seed, 5])
    order = rng.permutation(epochs)
    tree = {_sorted(order[k], order[int(rng.integers(k))]) for k in range(1, epochs)}
    rest = [pair for pair in combinations(range(epochs), 2) if pair not in tree]
    extra = rng.permutation(len(rest))[: pairs - len(tree)]
    chosen = sorted(tree) + [rest[int(k)] for k in extra]
    times = regular_times(epochs, days=days)
    return Network.from_pairs((times[chosen[k][0]], times[chosen[k][1]]) for k in rng.permutation(len(chosen)))


def _sorted(first: np.integer[Any], second: np.integer[Any]) -> tuple[int, int]:
    low, high = sorted((int(first), int(second)))
    return low, high


def pair_stack(
    motion: MotionField | npt.ArrayLike,
    network: Network,
    grid: Grid | None = None,
    *,
    component: Sequence[str] = ("east", "north"),
    seed: int = 0,
    options: StackOptions | None = None,
    **settings: Any,  # noqa: ANN401 - checked by StackOptions
) -> tuple[xr.Dataset, xr.Dataset]:
    """Return measured displacement of the pairs of a network, and the truth.

    Parameters
    ----------
    motion : MotionField or array
        Evaluated at the cell centres of `grid`; or displacement (component, time, y, x) at ``network.epochs``, metres.
    network : Network
        Pairs, in the order that the stack will have.
    grid : Grid, optional
        Needed with a `MotionField`; default for an array: a local grid of 1 m.
    component : sequence of str
        Names of the components; a `MotionField` has east and north.
    seed : int
        Seed of the random numbers.
    options : StackOptions, optional
        Noise, gaps, outliers.
    **settings
        Fields of `StackOptions`, over `options`.

    Returns
    -------
    stack : xarray.Dataset
        PairStack, float64. `sigma` is the true standard deviation of the error (not of the outliers, nor of a shift of
        a whole acquisition); 1e-3 m where there is no noise. With `scene_noise_m`, also `independent_share`.
    truth : xarray.Dataset
        TimeSeries of the true displacement since the first epoch, float64, with `outlier (pair, y, x)`, and
        `shift (component, time)`, the shift of each acquisition in metres.

    Raises
    ------
    SchemaError
        The series does not fit the network, or a field has no grid.
    ConfigError
        A setting is unknown or out of bounds.
    """
    chosen = options_from(StackOptions, options, settings)
    series = _series(motion, network, grid)
    place = pixel_grid((series.shape[2], series.shape[3])) if grid is None else grid
    rng = np.random.default_rng([seed, 6])
    shift = chosen.shift_m * rng.standard_normal(series.shape[:2])
    epoch_error = chosen.scene_noise_m * rng.standard_normal(series.shape) + shift[..., None, None]
    seen = series + epoch_error
    pairs = seen[:, network.sec_index] - seen[:, network.ref_index]
    pairs += chosen.noise_m * rng.standard_normal(pairs.shape)
    outlier = rng.random(pairs.shape[1:]) < chosen.outlier_fraction
    gross = chosen.outlier_m * rng.standard_normal(pairs.shape)
    pairs = np.where(outlier, pairs + gross, pairs)
    pairs[:, rng.random(pairs.shape[1:]) < chosen.missing_fraction] = np.nan
    stack = make_pair_stack(pairs, list(network.pairs), component, sigma=_sigma(chosen), grid=place)
    if chosen.scene_noise_m:
        share = chosen.noise_m**2 / (chosen.noise_m**2 + 2.0 * chosen.scene_noise_m**2)
        stack["independent_share"] = ("component", np.full(len(component), share))
    return stack, _truth(series, network, place, component, {"outlier": outlier, "shift": shift})


def _sigma(options: StackOptions) -> float:
    return float(max(np.hypot(options.noise_m, np.sqrt(2.0) * options.scene_noise_m), 1e-3))


def _series(motion: MotionField | npt.ArrayLike, network: Network, grid: Grid | None) -> Floats:
    if isinstance(motion, MotionField):
        if grid is None:
            message = "a motion field needs a grid to be evaluated on: pair_stack(motion, network, grid)"
            raise SchemaError(message)
        return motion.displacement(*cell_centres(grid), network.epochs)
    series = np.asarray(motion, np.float64)
    if series.ndim != len(_DIMS) or series.shape[1] != len(network.epochs):
        message = f"a series must be (component, time, y, x) with {len(network.epochs)} dates, got shape {series.shape}"
        raise SchemaError(message)
    return series


def _truth(
    series: Floats, network: Network, grid: Grid, component: Sequence[str], extra: dict[str, npt.NDArray[Any]]
) -> xr.Dataset:
    variables: dict[str, tuple[tuple[str, ...], npt.ArrayLike, dict[str, Any]]] = {
        "displacement": (_DIMS, series - series[:, :1], {"units": "m", "long_name": "true displacement"}),
        "outlier": (("pair", "y", "x"), extra["outlier"], {"long_name": "grossly wrong value"}),
        "shift": (("component", "time"), extra["shift"], {"units": "m", "long_name": "shift of the acquisition"}),
    }
    coords = {"component": list(component), "time": network.epochs}
    return map_dataset(variables, coords, grid, kind=TIME_SERIES, attributes={"reference_time": str(network.epochs[0])})
