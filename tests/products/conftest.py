from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.model.grid import Grid, pixel_grid
from creepmeter.model.schema import MOTION_MODEL, TIME_SERIES, make_pair_stack, map_dataset

SHAPE = (40, 48)
DATES = np.array([f"{year}-08-{day:02d}" for year, day in zip(range(2016, 2022), (3, 11, 20, 7, 15, 9), strict=True)])
NOISE = 0.06
_MAP = ("component", "term", "y", "x")


@pytest.fixture
def grid() -> Grid:
    return pixel_grid(SHAPE, 80.0)


@pytest.fixture
def utm() -> Grid:
    return GeoBox(SHAPE, Affine(80.0, 0, 612_000.0, 0, -80.0, 4_507_000.0), "EPSG:32611")


def true_rate(shape: tuple[int, int] = SHAPE) -> npt.NDArray[np.float64]:
    """Two slides, (component, y, x), m/yr."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    y, x = y / shape[0], x / shape[1]
    first = np.clip(1 - ((x - 0.3) / 0.16) ** 2 - ((y - 0.45) / 0.3) ** 2, 0, None)
    second = np.clip(1 - ((x - 0.72) / 0.14) ** 2 - ((y - 0.4) / 0.16) ** 2, 0, None)
    return np.stack([2.0 * first - 1.1 * second, -2.4 * first - 0.5 * second])


def moving_ground(shape: tuple[int, int] = SHAPE) -> npt.NDArray[np.bool_]:
    return np.asarray(np.hypot(*true_rate(shape)) > 0)


def build_motion(grid: Grid, *, component: tuple[str, ...] = ("east", "north"), seed: int = 1) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    shape = (grid.shape[0], grid.shape[1])
    rate = true_rate(shape)[: len(component)] + rng.normal(0, NOISE, (len(component), *shape))
    value = np.stack([np.zeros_like(rate), rate], axis=1)
    value[..., :4, :6] = np.nan
    sigma = np.where(np.isfinite(value), NOISE * rng.uniform(0.8, 1.3, value.shape), np.nan)
    return map_dataset(
        {
            "value": (_MAP, value, {}),
            "sigma": (_MAP, sigma, {}),
            "residual_rms": (("component", "y", "x"), sigma[:, 1], {"units": "m"}),
        },
        {"component": list(component), "term": ["offset", "rate"], "unit": ("term", ["m", "m/yr"])},
        grid,
        kind=MOTION_MODEL,
        attributes={"reference_time": "2016-08-03", "terms": "rate"},
    )


def build_series(grid: Grid, *, seed: int = 2) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    times = DATES.astype("datetime64[ns]")
    years = (times - times[0]) / np.timedelta64(1, "D") / 365.25
    shape = (grid.shape[0], grid.shape[1])
    values = years[None, :, None, None] * true_rate(shape)[:, None]
    noise = rng.normal(0, 0.15, values.shape)
    noise[:, 0] = 0
    values = values + noise
    values[..., :4, :6] = np.nan
    sigma = np.broadcast_to(np.where(np.arange(6) == 0, 0, 0.15)[None, :, None, None], values.shape).copy()
    dims = ("component", "time", "y", "x")
    return map_dataset(
        {"displacement": (dims, values, {"units": "m"}), "sigma": (dims, sigma, {"units": "m"})},
        {"component": ["east", "north"], "time": times},
        grid,
        kind=TIME_SERIES,
        attributes={"reference_time": "2016-08-03"},
    )


def build_stack(grid: Grid, *, shift: float = 0.0, seed: int = 3) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    times = DATES.astype("datetime64[ns]")
    joined = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    years = np.array([float((times[j] - times[i]) / np.timedelta64(1, "D")) / 365.25 for i, j in joined])
    shape = (grid.shape[0], grid.shape[1])
    values = years[None, :, None, None] * true_rate(shape)[:, None] + rng.normal(0, 0.2, (2, len(joined), *shape))
    values += shift * rng.normal(0, 1, (2, len(joined), 1, 1))
    values[:, :, :4, :6] = np.nan
    used = np.ones(len(joined), bool)
    used[3] = False
    stack = make_pair_stack(
        values.astype(np.float32),
        [(times[i], times[j]) for i, j in joined],
        component=("east", "north"),
        sigma=0.2 + 0.05 * years[None, :, None, None],
        quality=np.clip(0.95 - 0.08 * years[:, None, None], 0, 1),
        used=used,
        grid=grid,
    )
    stack.attrs.update(image_grid_step_px=8, chip_px=32, step_px=8)
    return stack


@pytest.fixture
def make_motion() -> Callable[..., xr.Dataset]:
    return build_motion


@pytest.fixture
def make_series() -> Callable[..., xr.Dataset]:
    return build_series


@pytest.fixture
def make_stack() -> Callable[..., xr.Dataset]:
    return build_stack


@pytest.fixture
def moving() -> npt.NDArray[np.bool_]:
    return moving_ground()
