"""What a comparison with stations draws, finds and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creepmeter.io.points import system_code
from creepmeter.model.station import Comparison, StationRates
from creepmeter.validation.compare import agreement

_MOST_LINES = 30  # stations on the screen; the tables have all


@dataclass(frozen=True)
class Drawn:
    """What is drawn with a comparison.

    Parameters
    ----------
    series : Path, optional
        TimeSeries to draw beside those of the stations.
    background, dem, outlines : Path, optional
        Behind and over the map; one of the first two.
    geometry : Path, optional
        Angles of a radar map; looked for beside it by default.
    """

    series: Path | None = None
    background: Path | None = None
    dem: Path | None = None
    outlines: Path | None = None
    geometry: Path | None = None


@dataclass(frozen=True)
class Validation:
    """What a comparison found, and what it wrote.

    Parameters
    ----------
    comparisons : tuple of Comparison
        Stations on the map.
    rates : tuple of StationRates
        All stations that have a rate, on the map or not.
    left_out : tuple of str
        Files and stations that are not in it, and why.
    files : tuple of Path
        What was written.
    """

    comparisons: tuple[Comparison, ...]
    rates: tuple[StationRates, ...]
    left_out: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def left_out_shown(self) -> tuple[str, ...]:
        """The first of those left out, and how many more there are."""
        more = len(self.left_out) - _MOST_LINES
        if more <= 1:
            return self.left_out
        return (*self.left_out[:_MOST_LINES], f"{more} more, see left_out.txt")

    @property
    def lines(self) -> list[str]:
        """What to tell the user: one line for each station, and how the map agrees with all of them."""
        lines = [_station_line(each) for each in self.comparisons[:_MOST_LINES]]
        if len(self.comparisons) > _MOST_LINES:
            lines.append(f"... and {len(self.comparisons) - _MOST_LINES} more stations in the table")
        for row in agreement(self.comparisons):
            if row.stations == 0:
                continue
            z = "" if np.isnan(row.normalised) else f", {row.normalised:.2f} in units of sigma"
            bias = f"bias {row.bias:+.3g}" if row.component != "horizontal" else f"bias {row.bias:.3g}"
            lines.append(f"{row.component}: {bias}, RMSE {row.rmse:.3g} m/yr from {row.stations} station(s){z}")
        return lines


def _station_line(each: Comparison) -> str:
    parts = []
    for k, name in enumerate(each.components):
        if np.isfinite(each.difference[k]):
            parts.append(
                f"{name} map {_with_error(each.on_map[k], each.on_map_sigma[k])}, "
                f"ground {_with_error(each.on_ground[k], each.on_ground_sigma[k])}"
            )
    return f"{each.name}: {'; '.join(parts)} m/yr"


def _with_error(value: float, sigma: float) -> str:
    return f"{value:+.4g}" if np.isnan(sigma) else f"{value:+.4g} ± {sigma:.2g}"


def rate_columns(rates: Sequence[StationRates]) -> dict[str, list[object]]:
    """Return a table of rates: one line for each station, m/yr along the axes of its own reference system."""
    columns: dict[str, list[object]] = {"name": [each.name for each in rates]}
    columns |= {"x": [each.x for each in rates], "y": [each.y for each in rates]}
    codes = {crs: system_code(crs) for crs in {each.crs for each in rates}}
    columns["crs"] = [codes[each.crs] for each in rates]
    columns |= {"dates": [each.dates or "" for each in rates], "noise": [each.noise for each in rates]}
    for name in ("first", "last"):
        columns[name] = ["" if getattr(each, name) is None else str(getattr(each, name))[:10] for each in rates]
    for k, axis in enumerate(("east", "north", "up")):
        for part in ("rate", "sigma", "sigma_white"):
            columns[f"{part}_{axis}"] = [float(getattr(each, part)[k]) for each in rates]
    return columns
