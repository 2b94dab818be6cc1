"""What a layout needs from outside: a function that writes a GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from creepmeter.errors import GridError
from creepmeter.model.grid import Grid
from creepmeter.simulate.radar import RadarStack


class RasterWriter(Protocol):
    """Writes a GeoTIFF, as `creepmeter.io.raster.write_geotiff` does."""

    def __call__(
        self,
        path: str | Path,
        array: npt.NDArray[Any],
        grid: Grid,
        *,
        nodata: float | None = ...,
        tags: Mapping[str, str] | None = ...,
    ) -> None:
        """Write an array, (y, x), on a grid."""


def require_grid(stack: RadarStack, layout: str) -> Grid:
    """Return the grid of a stack.

    Raises
    ------
    GridError
        The stack is in radar coordinates.
    """
    if stack.grid is None:
        message = f"the layout {layout} holds geocoded products: simulate with geocoded=True"
        raise GridError(message)
    return stack.grid
