"""Small stacks and series in MintPy's layout, written as MintPy writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.io.mintpy.writestack import create_stack
from creepmeter.model.pair import Pair

ROWS, COLUMNS = 6, 9
DATES = ("20200101", "20200113", "20200125", "20200206")
PAIRS = (("20200101", "20200113"), ("20200101", "20200125"), ("20200113", "20200125"), ("20200125", "20200206"))
ATTRIBUTES = {
    "WAVELENGTH": "0.056",
    "ALOOKS": "5",
    "RLOOKS": "10",
    "CENTER_LINE_UTC": "3600.5",
    "RANGE_PIXEL_SIZE": "2.5",
    "AZIMUTH_PIXEL_SIZE": "14.0",
    "PROCESSOR": "isce",
    "X_FIRST": "500000.0",
    "Y_FIRST": "4000000.0",
    "X_STEP": "30.0",
    "Y_STEP": "-30.0",
    "X_UNIT": "meters",
    "Y_UNIT": "meters",
    "EPSG": "32613",
    "LENGTH": str(ROWS),
    "WIDTH": str(COLUMNS),
}
GRID_NAMES = ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP", "X_UNIT", "Y_UNIT", "EPSG")
RADAR = {name: text for name, text in ATTRIBUTES.items() if name not in GRID_NAMES}
BPERP = np.array([10.0, -20.0, 30.5, 4.0])


def pairs() -> list[Pair]:
    """Return the pairs of the sample stack."""
    return [Pair.of(*pair) for pair in PAIRS]


def phase() -> npt.NDArray[np.float32]:
    """Return phase in which every value tells where it lies; row 0 is without data."""
    count = len(PAIRS)
    values = (np.arange(count * ROWS * COLUMNS).reshape(count, ROWS, COLUMNS) / 16 + 1).astype(np.float32)
    values[:, 0] = 0
    return values


def maps() -> dict[str, npt.NDArray[Any]]:
    """Return the datasets of the sample stack."""
    shape = phase().shape
    rng = np.random.default_rng(3)
    return {
        "unwrapPhase": phase(),
        "coherence": rng.random(shape).astype(np.float32),
        "connectComponent": rng.integers(0, 3, shape).astype(np.int16),
    }


def dates_of(given: Any) -> npt.NDArray[np.bytes_]:  # noqa: ANN401 - lists of any depth
    """Return dates as bytes."""
    return np.array(given, dtype="S8")


def foreign_file(path: Path, kind: str, datasets: Mapping[str, Any], **changed: str) -> Path:
    """Write a file as MintPy does: chunked, without coordinates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            item = np.asarray(values)
            file.create_dataset(name, data=item, chunks=True if item.ndim > 1 and item.dtype.kind != "S" else None)
        for name, text in {**ATTRIBUTES, "UNIT": "1", "FILE_TYPE": kind, **changed}.items():
            file.attrs[name] = text
    return path


def foreign_stack(path: Path, **changed: Any) -> Path:  # noqa: ANN401 - datasets, None leaves one out
    """Write the sample stack as MintPy does."""
    tables = {"date": dates_of(PAIRS), "bperp": BPERP.astype(np.float32), "dropIfgram": np.ones(len(PAIRS), bool)}
    datasets = {**tables, **maps(), **changed}
    return foreign_file(path, "ifgramStack", {name: item for name, item in datasets.items() if item is not None})


def own_stack(path: Path, *, compression: str | None = None, until: int = 99, key: str = "k") -> Path:
    """Write the sample stack as creepmeter does; stop before pair `until`."""
    given = maps()
    kinds = {name: item.dtype for name, item in given.items()}
    writer = create_stack(
        path,
        pairs=pairs(),
        bperp=BPERP,
        shape=(ROWS, COLUMNS),
        datasets=kinds,
        attributes=ATTRIBUTES,
        compression=compression,
        key=key,
    )
    for k in range(len(PAIRS)):
        if k >= until:
            message = "killed"
            raise KeyboardInterrupt(message)
        if not writer.done(k):
            writer.put(k, {name: item[k] for name, item in given.items()})
    return writer.finish({"options": {"a": 1}})


def series() -> npt.NDArray[np.float32]:
    """Return a series with no motion at the first date, and three rows of zeros."""
    values = (np.arange(len(DATES) * ROWS * COLUMNS).reshape(len(DATES), ROWS, COLUMNS) / 1000).astype(np.float32)
    values -= values[0]
    values[:, :3] = 0
    return values


def contents(path: Path) -> dict[str, Any]:
    """Return all datasets and attributes of a file but for times of making."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        found["attributes"] = {name: str(file.attrs[name]) for name in file.attrs}
        for name, item in file.items():
            own = {
                key: str(item.attrs[key]) for key in item.attrs if key not in ("MODIFICATION_TIME", "REFERENCE_LIST")
            }
            own.pop("DIMENSION_LIST", None)
            found[name] = (item.dtype.str, item.shape, np.asarray(item[()]).tobytes(), own)
    return found
