"""Small products in MintPy's layout for tests of what works on files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.io.mintpy.product import write_product
from creepmeter.model.epoch import as_epochs

Floats = npt.NDArray[np.float32]
DATES = ("20180105", "20180129", "20180222", "20180318", "20180411", "20180505")
GRID = {"X_FIRST": "10.0", "Y_FIRST": "50.0", "X_STEP": "0.001", "Y_STEP": "-0.001", "X_UNIT": "degrees"}
REFERENCE = (7, 5)


def make_series(
    path: Path,
    seed: int = 0,
    *,
    dates: tuple[str, ...] = DATES,
    reference: tuple[int, int] = REFERENCE,
    date: str | None = None,
    shape: tuple[int, int] = (24, 31),
    **attributes: Any,  # noqa: ANN401 - of the file
) -> Floats:
    """Write a series of noise, relative to a date and a pixel, with a corner that was not inverted; return it."""
    values = np.random.default_rng(seed).normal(0, 0.02, (len(dates), *shape)).astype(np.float32)
    place = dates.index(date or dates[0])
    values -= values[place].copy()
    values -= values[:, reference[0], reference[1]][:, None, None].copy()
    values[:, :4, :6] = 0.0
    facts = {
        "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": dates[place], "REF_Y": reference[0], "REF_X": reference[1],
        "CENTER_LINE_UTC": 7200, **GRID, **attributes,
    }  # fmt: skip
    tables = {"date": as_epochs(dates), "bperp": np.zeros(len(dates), np.float32)}
    write_product(path, {"timeseries": values}, _texts(facts), tables=tables)
    return values


def make_velocity(
    path: Path, seed: int = 0, *, reference: tuple[int, int] = REFERENCE, shape: tuple[int, int] = (24, 31)
) -> Floats:
    """Write a velocity of noise, relative to a pixel; return it."""
    values = np.random.default_rng(seed).normal(0, 0.01, shape).astype(np.float32)
    values -= values[reference]
    spread = np.full(shape, 0.002, np.float32)
    facts = {"FILE_TYPE": "velocity", "UNIT": "m/year", "REF_Y": reference[0], "REF_X": reference[1], **GRID}
    write_product(path, {"velocity": values, "velocityStd": spread}, _texts(facts))
    return values


def _texts(facts: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items() if value is not None}
