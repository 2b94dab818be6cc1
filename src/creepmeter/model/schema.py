"""What each Dataset promises, and the makers that keep the promise.

=============  =============================================  =====================================================
type           dimensions of the main variable                 main variables
=============  =============================================  =====================================================
ImageCube      (time, y, x)                                    image
PairStack      (component, pair, y, x)                         displacement, sigma, quality, flag
TimeSeries     (component, time, y, x)                         displacement, sigma, pairs_used, reason, datum
MotionModel    (component, term, y, x)                         value, sigma, residual_rms
=============  =============================================  =====================================================

Displacement is in metres, east and north positive, or positive toward the satellite (component ``los``), or along its
flight (``azimuth``). A PairStack of interferograms may also have ``region`` (connected component, 0 none), the
coordinate ``bperp`` (metres), and the attributes ``cycle_m``, ``looks``, ``wavelength_m`` and ``reference_pixel``.
NaN means not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import SchemaError
from creepmeter.model.conventions import CONVENTIONS, MAP_DIMS
from creepmeter.model.epoch import EpochLike, Epochs, as_epochs
from creepmeter.model.grid import Grid, grid_coords, pixel_grid
from creepmeter.model.pair import Pair

IMAGE_CUBE = "ImageCube"
PAIR_STACK = "PairStack"
TIME_SERIES = "TimeSeries"
MOTION_MODEL = "MotionModel"
COMPONENTS = ("east", "north", "up", "los", "azimuth")

_MAIN: dict[str, tuple[str, tuple[str, ...]]] = {
    IMAGE_CUBE: ("image", ("time", "y", "x")),
    PAIR_STACK: ("displacement", ("component", "pair", "y", "x")),
    TIME_SERIES: ("displacement", ("component", "time", "y", "x")),
    MOTION_MODEL: ("value", ("component", "term", "y", "x")),
}
_COORDS: dict[str, tuple[str, ...]] = {
    IMAGE_CUBE: ("time",),
    PAIR_STACK: ("component", "ref_time", "sec_time", "used"),
    TIME_SERIES: ("component", "time"),
    MOTION_MODEL: ("component", "term"),
}
_Variables = dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]
PairLike = Pair | tuple[EpochLike, EpochLike] | Sequence[EpochLike]


def kind_of(dataset: xr.Dataset) -> str | None:
    """Return which of the four types a Dataset is, or None."""
    for kind, (name, dims) in _MAIN.items():
        if name in dataset and tuple(dataset[name].dims) == dims and all(c in dataset.coords for c in _COORDS[kind]):
            return kind
    return None


def check(dataset: xr.Dataset, kind: str) -> None:
    """Raise `SchemaError`, saying what is missing, unless `dataset` keeps the promise of `kind`."""
    name, dims = _MAIN[kind]
    if name not in dataset:
        message = (
            f"this is no {kind}: it has no variable {name!r} (found {', '.join(map(str, dataset.data_vars)) or 'none'})"
        )
        raise SchemaError(message)
    if tuple(dataset[name].dims) != dims:
        message = f"{kind} needs {name} with dimensions {dims}, found {tuple(dataset[name].dims)}"
        raise SchemaError(message)
    missing = [coord for coord in _COORDS[kind] if coord not in dataset.coords]
    if missing:
        message = (
            f"{kind} lacks the coordinates {', '.join(missing)}: make it with the makers in creepmeter.model.schema"
        )
        raise SchemaError(message)


def map_dataset(
    variables: _Variables,
    coords: dict[str, Any],
    grid: Grid,
    *,
    kind: str,
    attributes: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Return a Dataset of map variables on a grid, with the attributes that CF asks for."""
    for name, (dims, values, _) in variables.items():
        shape = np.shape(values)
        if dims[-2:] == MAP_DIMS and shape[-2:] != tuple(grid.shape):
            message = (
                f"{name} has {shape[-2:]} rows and columns, the grid {tuple(grid.shape)}: give the grid of the data"
            )
            raise SchemaError(message)
    data = {name: xr.Variable(dims, values, dict(attrs)) for name, (dims, values, attrs) in variables.items()}
    for variable in data.values():
        if variable.dims[-2:] == MAP_DIMS:
            variable.attrs["grid_mapping"] = "spatial_ref"
    attrs = {"Conventions": CONVENTIONS, "creepmeter_type": kind, **(attributes or {})}
    return xr.Dataset(data, coords={**coords, **grid_coords(grid)}, attrs=attrs)


def make_image_cube(image: npt.ArrayLike, times: Sequence[EpochLike] | Epochs, grid: Grid) -> xr.Dataset:
    """Return images (time, y, x) as an ImageCube; NaN is missing."""
    dates = as_epochs(times)
    if np.shape(image)[:-2] != (len(dates),):
        message = f"images must be (time, y, x) with {len(dates)} time(s), got shape {np.shape(image)}"
        raise SchemaError(message)
    variables: _Variables = {"image": (("time", "y", "x"), image, {"long_name": "image brightness", "units": "1"})}
    return map_dataset(variables, {"time": dates}, grid, kind=IMAGE_CUBE)


def make_pair_stack(
    displacement: npt.ArrayLike,
    pairs: Sequence[PairLike],
    component: Sequence[str] = ("los",),
    sigma: npt.ArrayLike | None = None,
    quality: npt.ArrayLike | None = None,
    used: npt.ArrayLike | None = None,
    grid: Grid | None = None,
) -> xr.Dataset:
    """Return measured displacement of pairs as a PairStack.

    Parameters
    ----------
    displacement : array, (component, pair, y, x) or (pair, y, x)
        Metres from the first to the second date of each pair; NaN = not measured.
    pairs : sequence of Pair or (ref, sec)
        Dates or ISO strings.
    component : sequence of str
        ``east``, ``north``, ``up`` or ``los``.
    sigma : array, optional
        1-sigma in metres, shape of `displacement` or anything that broadcasts to it.
    quality : array, optional
        0 to 1, (pair, y, x).
    used : array of bool, optional
        Pairs to use; all by default.
    grid : Grid, optional
        Default: a pixel grid of 1 m.

    Returns
    -------
    xarray.Dataset
        A PairStack.

    Raises
    ------
    SchemaError
        Shapes do not fit.
    NetworkError
        A pair does not run forward in time.

    Examples
    --------
    >>> stack = make_pair_stack([[[1.0]], [[2.0]]], [("20200101", "20200201"), ("20200201", "20200301")])
    >>> stack.displacement.shape
    (1, 2, 1, 1)
    """
    values = np.asarray(displacement)
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    if values.ndim == len(("pair", *MAP_DIMS)):
        values = values[None]
    _require_shape(values, component, pairs)
    shape = (values.shape[2], values.shape[3])
    variables: _Variables = {
        "displacement": (_MAIN[PAIR_STACK][1], values, {"units": "m", "long_name": "displacement from ref to sec"})
    }
    if sigma is not None:
        spread = _broadcast(sigma, values.shape, "sigma", values.dtype)
        variables["sigma"] = (
            _MAIN[PAIR_STACK][1],
            spread,
            {"units": "m", "long_name": "standard error of displacement"},
        )
    if quality is not None:
        level = _broadcast(quality, values.shape[1:], "quality", np.dtype(np.float32))
        variables["quality"] = (("pair", "y", "x"), level, {"units": "1", "long_name": "quality, 0 bad to 1 good"})
    mask = np.ones(len(pairs), bool) if used is None else np.asarray(used, bool)
    if mask.shape != (len(pairs),):
        message = f"used has shape {mask.shape}, the stack {len(pairs)} pair(s): give one true or false for each"
        raise SchemaError(message)
    coords = {"component": list(component), **pair_coords(pairs, mask)}
    return map_dataset(variables, coords, grid or pixel_grid(shape), kind=PAIR_STACK)


def pair_coords(pairs: Sequence[PairLike], used: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the coordinates ref_time, sec_time and used along ``pair``."""
    valid = [pair if isinstance(pair, Pair) else Pair.of(*pair) for pair in pairs]
    return {
        "ref_time": ("pair", np.array([pair.ref for pair in valid], dtype="datetime64[ns]")),
        "sec_time": ("pair", np.array([pair.sec for pair in valid], dtype="datetime64[ns]")),
        "used": ("pair", used),
    }


def _require_shape(values: npt.NDArray[Any], component: Sequence[str], pairs: Sequence[PairLike]) -> None:
    expected = (len(component), len(pairs))
    if values.shape[:-2] != expected:
        message = (
            f"displacement must be (component, pair, y, x) with {expected[0]} component(s) and {expected[1]} pair(s), "
            f"got shape {values.shape}"
        )
        raise SchemaError(message)
    unknown = [name for name in component if name not in COMPONENTS]
    if len(set(component)) < len(component):
        message = f"components {', '.join(component)}: each may come once"
        raise SchemaError(message)
    if unknown:
        message = f"unknown component {unknown[0]!r}: use {', '.join(COMPONENTS)}"
        raise SchemaError(message)


def _broadcast(values: npt.ArrayLike, shape: tuple[int, ...], name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        return np.broadcast_to(np.asarray(values, dtype), shape).copy()
    except ValueError as problem:
        message = f"{name} has shape {np.shape(values)}, which does not fit {shape}"
        raise SchemaError(message) from problem
