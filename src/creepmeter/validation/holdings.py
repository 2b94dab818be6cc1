"""The list of stations of the Nevada Geodetic Laboratory (``DataHoldings.txt``): where and when each was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from creepmeter.errors import InputError
from creepmeter.model.epoch import Epoch

Area = tuple[float, float, float, float]
_COLUMNS = 11  # Sta Lat Long Hgt X Y Z Dtbeg Dtend Dtmod NumSol, and a name that may be missing


@dataclass(frozen=True)
class Holding:
    """A station of the list.

    Parameters
    ----------
    name : str
        Four letters or digits.
    latitude, longitude : float
        Degrees, longitude from -180 to 180.
    first, last : datetime64
        First and last date.
    """

    name: str
    latitude: float
    longitude: float
    first: Epoch
    last: Epoch

    def is_within(self, area: Area, start: Epoch, end: Epoch) -> bool:
        """Tell whether it lies in an area (south, north, west, east), and was measured between two dates."""
        south, north, west, east = area
        across = (self.longitude - west) % 360.0 <= east - west
        return south <= self.latitude <= north and across and bool(self.first <= end and self.last >= start)


def read_holdings(text: str, name: str = "DataHoldings.txt") -> tuple[Holding, ...]:
    r"""Read the list; lines that are cut are passed over.

    Parameters
    ----------
    text : str
        What the file holds.
    name : str
        File, for messages.

    Raises
    ------
    InputError
        No line can be read: this is another file.

    Examples
    --------
    >>> line = "P156 40.0244 -123.9061 488.9 -2728552.8 -4059578.6 4080378.7 2006-06-08 2015-03-14 2015-04-02 3196"
    >>> read_holdings(f"Sta Lat(deg) Long(deg)\n{line}\n")[0].name
    'P156'
    """
    found = [entry for entry in map(_entry, text.splitlines()) if entry is not None]
    if not found:
        start = text.lstrip()[:60].replace("\n", " ")
        message = f"{name} is no list of stations (it begins {start!r}): delete it and fetch it again"
        raise InputError(message)
    return tuple(found)


def _entry(line: str) -> Holding | None:
    row = line.split()
    if len(row) < _COLUMNS:
        return None
    try:
        latitude, longitude = float(row[1]), float(row[2])
        first, last = (np.datetime64(text, "ns") for text in row[7:9])
    except ValueError:
        return None
    if not abs(latitude) <= 90.0:  # noqa: PLR2004 - degrees
        return None
    return Holding(row[0], latitude, (longitude + 180.0) % 360.0 - 180.0, first, last)


def within(holdings: Sequence[Holding], area: Area, start: Epoch, end: Epoch) -> tuple[Holding, ...]:
    """Return the stations in an area that were measured in a period; see `Holding.is_within`."""
    return tuple(each for each in holdings if each.is_within(area, start, end))
