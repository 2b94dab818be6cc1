"""Displacement between two dates, as programs for sources of deformation want it: from a rate, a step, two dates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.io.mintpy.grid import number_of
from creepmeter.model.epoch import as_epoch
from creepmeter.products.mapfile import WHOLE, MapFile, MapLayer
from creepmeter.products.scale import factor_between

Floats = npt.NDArray[np.float64]
_YEAR = np.timedelta64(86_400 * 365_250 // 1000, "s")
_DAY = 8


@dataclass(frozen=True)
class Displacement:
    """Displacement of a map.

    Parameters
    ----------
    layer : MapLayer
        What is stored.
    factor : float
        Values are multiplied by it to be in metres.
    first, last : str
        Dates, YYYYMMDD; empty where not known.
    wavelength : float
        Metres; 0 where not known.
    """

    layer: MapLayer
    factor: float
    first: str
    last: str
    wavelength: float

    @property
    def dates(self) -> str:
        """Both dates, as ``20180105_20190816``; what the map is called where they are not known."""
        return f"{self.first}_{self.last}" if self.first and self.last else self.layer.title.replace(" ", "_")

    def metres(self, rows: slice = WHOLE, columns: slice = WHOLE) -> Floats:
        """Return displacement of a window, metres toward the satellite."""
        return self.layer.floats(rows, columns) * self.factor

    def phase(self, rows: slice = WHOLE, columns: slice = WHOLE) -> Floats:
        """Return unwrapped phase of a window, radians; positive is away from the satellite."""
        return self.metres(rows, columns) * self.per_metre

    @property
    def per_metre(self) -> float:
        """Radians per metre.

        Raises
        ------
        InputError
            The wavelength is not known.
        """
        if not self.wavelength > 0:
            message = "phase needs the attribute WAVELENGTH, which this product lacks: load it again"
            raise InputError(message)
        return -4 * np.pi / self.wavelength


def displacement_of(file: MapFile, name: str | None) -> Displacement:
    """Return displacement from a map of a product; a rate is taken over all dates of the series that it was fitted to.

    Parameters
    ----------
    file : MapFile
        Velocity, series or stack.
    name : str, optional
        Map and date; default: the velocity, or the last date of a series.

    Raises
    ------
    InputError
        The map is no displacement, or a rate has no dates.
    """
    layer = file.layer(name)
    first, last = _dates(file, layer)
    wavelength = number_of(file.attributes, "WAVELENGTH", file.path) or 0.0
    unit = layer.unit
    if unit.endswith(("/yr", "/year")):
        if not (first and last):
            message = f"{file.path}: {layer.name} is a rate without START_DATE and END_DATE: fit it again"
            raise InputError(message)
        years = float((as_epoch(last[:_DAY]) - as_epoch(first[:_DAY])) / _YEAR)
        return Displacement(layer, factor_between(unit, "m/yr") * years, first, last, wavelength)
    if unit not in ("m", "cm", "mm") or layer.name in ("height", "slantRangeDistance", "bperp"):
        message = (
            f"{file.path}: {layer.title} [{unit}] is no displacement: name one, such as velocity or 20180105_20180117"
        )
        raise InputError(message)
    return Displacement(layer, factor_between(unit, "m"), first, last, wavelength)


def _dates(file: MapFile, layer: MapLayer) -> tuple[str, str]:
    """Return the dates that a map spans."""
    if "_" in layer.label:
        first, _, last = layer.label.partition("_")
        return first, last
    told = file.attributes
    if layer.label:
        return told.get("REF_DATE", ""), layer.label
    return told.get("START_DATE", ""), told.get("END_DATE", "")
