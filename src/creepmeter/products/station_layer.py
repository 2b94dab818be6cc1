"""Stations over a map of a product, in the unit that it is drawn in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from creepmeter.model.grid import grid_of
from creepmeter.products.options import ViewOptions
from creepmeter.products.scale import factor_between
from creepmeter.products.station_dots import Dot, add_dots
from creepmeter.products.view import main_variable, stored_unit

Cell = tuple[int, int]


@dataclass(frozen=True)
class StationStyle:
    """How stations are drawn.

    Parameters
    ----------
    label : bool
        With names.
    size_pt : float
        Diameter, points.
    only_measured : bool
        Only where the map has a value.
    """

    label: bool = False
    size_pt: float = 6.0
    only_measured: bool = False


@dataclass(frozen=True)
class StationLayer:
    """Stations on a map.

    Parameters
    ----------
    dots : tuple of Dot
        Values in `unit`.
    unit : str
        ``m/year`` or ``m``; empty where the dots have no values.
    reference : (int, int) or None
        Row and column of the reference station.
    left_out : tuple of str
        Stations that are not on it, and why.
    """

    dots: tuple[Dot, ...] = ()
    unit: str = ""
    reference: Cell | None = None
    left_out: tuple[str, ...] = ()

    def draw(
        self, figure: Figure, product: xr.Dataset, variable: str | None, options: ViewOptions, *, look: StationStyle
    ) -> None:
        """Draw the stations over a map of a product, in the unit that it is drawn in."""
        dots = self.dots
        if look.only_measured:
            dots = _on_measured(dots, product, variable or main_variable(product))
        if self.unit:
            unit = options.unit or stored_unit(product, variable or main_variable(product), options)
            factor = factor_between(self.unit, unit, cycle_m=float(product.attrs.get("cycle_m", 0.0)))
            dots = tuple(replace(dot, value=dot.value * factor) for dot in dots)
        add_dots(figure, grid_of(product), dots, label=look.label, size_pt=look.size_pt)


def _on_measured(dots: tuple[Dot, ...], product: xr.Dataset, variable: str) -> tuple[Dot, ...]:
    array = product[variable]
    while array.ndim > 2:  # noqa: PLR2004 - any map of it
        array = array[-1]
    kept = []
    for dot in dots:
        value = array.sel(x=dot.x, y=dot.y, method="nearest").values
        if np.isfinite(value):
            kept.append(dot)
    return tuple(kept)
