"""What a product holds, as plain values that can be printed or written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import GridError, StoreError
from creepmeter.io import store
from creepmeter.io.mintpy import listing
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.listing import FileListing
from creepmeter.io.provenance import provenance_of
from creepmeter.model.conventions import MAP_DIMS
from creepmeter.model.grid import describe_grid, grid_of
from creepmeter.model.network import Network
from creepmeter.model.schema import PAIR_STACK, kind_of
from creepmeter.pairs.select import describe_network

_TOLD = ("provenance", "mintpy")  # shown in another place
MOST_BYTES = 64_000_000  # read of one variable: what is valid in a large product is told from a part of it


@dataclass(frozen=True)
class VariableDescription:
    """One variable.

    Parameters
    ----------
    dims : tuple of str
        Names of the axes.
    shape : tuple of int
        Lengths of the axes.
    dtype, unit, meaning : str
        Type of the numbers, their unit, what they are.
    valid_share : float or None
        Share of the values that are not missing, 0 to 1; None for what cannot be missing.
    sampled : bool
        The share is that of a part.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    unit: str
    meaning: str
    valid_share: float | None
    sampled: bool


@dataclass(frozen=True)
class Description:
    """A product in words and numbers.

    Parameters
    ----------
    kind : str
        One of the types of `creepmeter.model.schema`, or ``other``.
    grid : str or None
        The grid in words.
    components, terms, dates, pairs : tuple of str
        Along the axes of that name, empty where there is none.
    network : str
        The network in words, of a stack.
    variables : mapping of str to VariableDescription
        By name.
    provenance : mapping
        Version, options, inputs.
    attributes : mapping of str to str
        The rest.
    mintpy : FileListing, optional
        Datasets and attributes under their own names, of a file in MintPy's layout.
    """

    kind: str
    grid: str | None
    components: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    network: str = ""
    variables: Mapping[str, VariableDescription] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    mintpy: FileListing | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        found = asdict(self)
        if self.mintpy is None:
            del found["mintpy"]
        return found


def describe(path: str | Path, *, most_bytes: int = MOST_BYTES) -> Description:
    """Look at a product.

    Parameters
    ----------
    path : path
        Anything that `creepmeter.open` opens.
    most_bytes : int
        Largest part of one variable that is read; 0 reads none, and leaves out which share is valid.
    """
    dataset = store.open(path)
    kind = kind_of(dataset)
    pairs = _pairs(dataset) if kind == PAIR_STACK else ()
    return Description(
        kind=kind or "other",
        grid=_grid(dataset),
        components=_labels(dataset, "component"),
        terms=_terms(dataset),
        dates=_dates(dataset, kind),
        pairs=pairs,
        network=_network(dataset) if kind == PAIR_STACK else "",
        variables={str(name): _variable(variable, most_bytes) for name, variable in dataset.data_vars.items()},
        provenance=provenance_of(dataset),
        attributes={str(name): str(value) for name, value in dataset.attrs.items() if name not in _TOLD},
        mintpy=listing.list_file(path) if listing.is_mintpy_file(path) else None,
    )


def list_dates(path: str | Path, show: listing.Show = "all") -> list[str]:
    """Return the dates of a product as YYYYMMDD, or its pairs as YYYYMMDD_YYYYMMDD.

    Parameters
    ----------
    path : path
        Anything that `creepmeter.open` opens.
    show : {"all", "kept", "dropped"}
        Which pairs of a stack.

    Raises
    ------
    StoreError
        It has no dates.
    """
    if listing.is_mintpy_file(path):
        return listing.list_dates(path, show)
    dataset = store.open(path)
    if kind_of(dataset) == PAIR_STACK:
        ends = zip(dataset["ref_time"].values, dataset["sec_time"].values, dataset["used"].values, strict=True)
        return [
            f"{written(ref)}_{written(sec)}" for ref, sec, used in ends if show == "all" or used == (show == "kept")
        ]
    if "time" not in dataset.coords or dataset["time"].dtype.kind != "M":
        message = f"{path} has no dates: give a stack or a series"
        raise StoreError(message)
    return [written(time) for time in np.atleast_1d(dataset["time"].values)]


def list_slices(path: str | Path) -> list[str]:
    """Return the names of all maps of a product."""
    if listing.is_mintpy_file(path):
        return listing.list_slices(path)
    dataset = store.open(path)
    return [str(name) for name, variable in dataset.data_vars.items() if variable.dims[-2:] == MAP_DIMS]


def read_values(path: str | Path, name: str) -> npt.NDArray[Any]:
    """Return the values of a dataset or variable of a product; of a large one, a part.

    Raises
    ------
    StoreError
        There is none of that name.
    """
    if listing.is_mintpy_file(path):
        return listing.read_values(path, name)
    dataset = store.open(path)
    if name not in dataset.variables:
        message = f"{path} has no variable {name!r}: it has {', '.join(map(str, dataset.variables))}"
        raise StoreError(message)
    values: npt.NDArray[Any] = _part(dataset[name], MOST_BYTES).values
    return values


def _grid(dataset: xr.Dataset) -> str | None:
    try:
        return describe_grid(grid_of(dataset))
    except GridError:
        return None


def _labels(dataset: xr.Dataset, dim: str) -> tuple[str, ...]:
    return tuple(map(str, dataset[dim].values)) if dim in dataset.coords else ()


def _terms(dataset: xr.Dataset) -> tuple[str, ...]:
    names = _labels(dataset, "term")
    if "unit" not in dataset.coords:
        return names
    return tuple(f"{name} ({unit})" for name, unit in zip(names, dataset["unit"].values, strict=True))


def _dates(dataset: xr.Dataset, kind: str | None) -> tuple[str, ...]:
    if kind == PAIR_STACK:
        times = np.union1d(dataset["ref_time"].values, dataset["sec_time"].values)
    elif "time" in dataset.coords and dataset["time"].dtype.kind == "M":
        times = np.atleast_1d(dataset["time"].values)
    else:
        return ()
    return tuple(_date(time) for time in times)


def _date(time: np.datetime64) -> str:
    """Return a date, with the time of day where it has one."""
    return str(time)[:19].removesuffix("T00:00:00")


def _pairs(dataset: xr.Dataset) -> tuple[str, ...]:
    ends = zip(dataset["ref_time"].values, dataset["sec_time"].values, dataset["used"].values, strict=True)
    return tuple(f"{_date(ref)} to {_date(sec)}" + ("" if used else ", not used") for ref, sec, used in ends)


def _network(dataset: xr.Dataset) -> str:
    if not dataset["used"].values.any():
        return "no pair is used"
    return describe_network(Network.of(dataset))


def _variable(variable: xr.DataArray, most_bytes: int) -> VariableDescription:
    share, sampled = valid_share(variable, most_bytes)
    return VariableDescription(
        dims=tuple(map(str, variable.dims)),
        shape=tuple(variable.shape),
        dtype=str(variable.dtype),
        unit=str(variable.attrs.get("units", "")),
        meaning=str(variable.attrs.get("long_name", "")),
        valid_share=share,
        sampled=sampled,
    )


def valid_share(variable: xr.DataArray, most_bytes: int = MOST_BYTES) -> tuple[float | None, bool]:
    """Return the share of values that are not missing, and whether it was told from a part of them.

    Parameters
    ----------
    variable : DataArray
        May be lazy.
    most_bytes : int
        Largest part that is read.
    """
    if variable.dtype.kind != "f" or variable.size == 0 or most_bytes <= 0:
        return None, False
    part = _part(variable, most_bytes)
    values: npt.NDArray[Any] = part.values
    return float(np.isfinite(values).mean()), part.size < variable.size


def _part(variable: xr.DataArray, most_bytes: int) -> xr.DataArray:
    """Return whole maps spread evenly over the other axes, or a band of rows, of at most `most_bytes`."""
    part = variable
    for dim in [str(dim) for dim in variable.dims if dim not in MAP_DIMS][::-1]:
        keep = max(1, part.sizes[dim] * most_bytes // max(part.nbytes, 1))
        if keep < part.sizes[dim]:
            part = part.isel({dim: np.unique(np.linspace(0, part.sizes[dim] - 1, keep).round().astype(int))})
    for dim in MAP_DIMS:
        keep = max(1, part.sizes.get(dim, 1) * most_bytes // max(part.nbytes, 1))
        if dim in part.dims and keep < part.sizes[dim]:
            first = (part.sizes[dim] - keep) // 2
            part = part.isel({dim: slice(first, first + keep)})
    return part
