"""Points with columns of values, written part by part as GeoPackage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from creepmeter.errors import InputError, StoreError
from creepmeter.io import swap

Axis = npt.NDArray[np.float64]


def write_points(
    path: Path,
    parts: Iterable[tuple[tuple[Axis, Axis], Mapping[str, npt.NDArray[Any]]]],
    crs: str,
    *,
    layer: str,
    what: str,
) -> None:
    """Write points as GeoPackage, whole or not at all; all parts have the same columns.

    Parameters
    ----------
    path : Path
        File to make or replace.
    parts : iterable
        Positions (x, y) and columns of points.
    crs : str
        Reference system of the positions.
    layer : str
        Name of the layer.
    what : str
        Of what the points are, for the message when there is none.

    Raises
    ------
    InputError
        There is no point.
    StoreError
        The file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial.gpkg")
    begun = False
    with swap.file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            for (x, y), columns in parts:
                frame = gpd.GeoDataFrame(dict(columns), geometry=gpd.points_from_xy(x, y), crs=crs)
                pyogrio.write_dataframe(frame, partial, layer=layer, driver="GPKG", append=begun)
                begun = True
            if not begun:
                message = f"{what}: no pixel has a value inside mask and window: nothing to write"
                raise InputError(message)
            swap.replace(partial, path)
        except (DataSourceError, DataLayerError) as problem:
            message = f"cannot write {path} ({problem}): check free space and permission, then run again"
            raise StoreError(message) from problem
        finally:
            for file in path.parent.glob(f"{partial.name}*"):
                swap.remove(file)
