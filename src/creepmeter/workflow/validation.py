"""Velocity maps beside stations on the ground, from files to tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.io.points import write_table
from creepmeter.io.store import open as open_product
from creepmeter.io.swap import write_text
from creepmeter.model.schema import MOTION_MODEL, check
from creepmeter.model.station import Comparison, Overlay
from creepmeter.products.canvas import save_figure
from creepmeter.products.station_plots import comparison_figure, overlay_figure
from creepmeter.validation.compare import compare_rates, comparison_columns, overlay
from creepmeter.validation.dates import DateOrder
from creepmeter.validation.gnss_options import GnssOptions
from creepmeter.validation.options import RateOptions
from creepmeter.validation.rates import fit_rates
from creepmeter.validation.read import read_stations
from creepmeter.workflow.comparison import Drawn, Validation, rate_columns
from creepmeter.workflow.gnss import FoundStations, RadarMap
from creepmeter.workflow.gnss_report import validate_radar
from creepmeter.workflow.pictures import background_of


@dataclass(frozen=True)
class StationFiles:
    """Files of stations, and what they do not say themselves.

    Parameters
    ----------
    paths : sequence of Path
        ``.tenv3``, ``.tenv``, ``.pos`` or CSV.
    crs : str, optional
        Reference system of map coordinates.
    date_order : {"auto", "day-first", "month-first"}
        Of dates such as 03/04/2018.
    positions : Path, optional
        Table of name, lon, lat.
    """

    paths: Sequence[Path]
    crs: str | None = None
    date_order: DateOrder = "auto"
    positions: Path | None = None


def validate(
    velocity: Path,
    stations: StationFiles,
    folder: Path,
    options: RateOptions,
    *,
    reference: str | None = None,
    drawn: Drawn | None = None,
) -> Validation:
    """Compare a velocity map with stations on the ground, and write tables and figures.

    Parameters
    ----------
    velocity : Path
        MotionModel.
    stations : StationFiles
        Pegs, GNSS, rates.
    folder : Path
        Gets ``comparison.csv``, ``rates.csv``, ``comparison.png`` and, with a series, ``series.png``;
        ``left_out.txt`` where something was.
    options : RateOptions
        How rates of stations are fitted.
    reference : str, optional
        Station that all others are relative to.
    drawn : Drawn, optional
        Series, background, heights, outlines.

    Raises
    ------
    InputError
        No file of stations can be used, or no station lies on the map.
    """
    drawn = drawn or Drawn()
    motion = open_product(velocity)
    check(motion, MOTION_MODEL)
    found = _read_and_fit(stations, options)
    if [str(name) for name in motion["component"].values] == ["los"]:
        chosen = GnssOptions(reference=reference, start_date=options.start_date, end_date=options.end_date)
        return validate_radar(RadarMap.open(velocity, drawn.geometry, chosen), found, folder, drawn)
    comparisons, off_map = compare_rates(motion, found.rates, reference=reference)
    left_out = [*found.left_out, *off_map]
    files = [folder / "rates.csv"]
    write_table(files[0], rate_columns(found.rates))
    if not comparisons:
        message = f"no station can be compared with the map: {'; '.join(left_out)}"
        raise InputError(message)
    files.append(folder / "comparison.csv")
    write_table(files[-1], comparison_columns(comparisons))
    backdrop = background_of(motion, drawn.background, drawn.dem, drawn.outlines, None)
    files.append(save_figure(comparison_figure(motion, comparisons, backdrop=backdrop), folder / "comparison.png"))
    if drawn.series is not None:
        overlays, missing = _overlays(open_product(drawn.series), comparisons, found)
        left_out += missing
        if overlays:
            files.append(save_figure(overlay_figure(overlays), folder / "series.png"))
    if left_out:
        files.append(folder / "left_out.txt")
        write_text(files[-1], "\n".join(left_out) + "\n")
    return Validation(comparisons, tuple(found.rates), tuple(left_out), tuple(files))


def _read_and_fit(stations: StationFiles, options: RateOptions) -> FoundStations:
    read = read_stations(stations.paths, crs=stations.crs, date_order=stations.date_order, positions=stations.positions)
    found = FoundStations(rates=list(read.rates), left_out=list(read.left_out))
    for station in read.series:
        try:
            found.rates.append(fit_rates(station, options).rates)
            found.series[station.name] = station
        except InputError as problem:
            found.left_out.append(f"{station.name}: {problem}")
    if not found.rates:
        message = f"no station has a rate: {'; '.join(found.left_out)}"
        raise InputError(message)
    return found


def _overlays(
    series: xr.Dataset, comparisons: Sequence[Comparison], found: FoundStations
) -> tuple[list[Overlay], list[str]]:
    overlays, missing = [], []
    for each in comparisons:
        if each.name not in found.series:
            continue
        try:
            overlays.append(overlay(series, found.series[each.name]))
        except CreepmeterError as problem:
            missing.append(f"{each.name}, series: {problem}")
    return overlays, missing
