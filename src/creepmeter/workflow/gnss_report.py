"""A radar velocity beside stations: tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.io.points import write_table
from creepmeter.io.store import open as open_product
from creepmeter.io.swap import write_text
from creepmeter.model.sampling import bilinear
from creepmeter.model.schema import TIME_SERIES, check
from creepmeter.model.station import Comparison, Overlay
from creepmeter.products.canvas import save_figure
from creepmeter.products.station_dots import los_figure, scatter_figure
from creepmeter.products.station_plots import overlay_figure
from creepmeter.validation.compare import agreement, comparison_columns
from creepmeter.validation.los import Sight, overlay_los
from creepmeter.workflow.comparison import Drawn, Validation, rate_columns
from creepmeter.workflow.gnss import FoundStations, RadarMap, compare_with_map
from creepmeter.workflow.pictures import background_of


def validate_radar(radar: RadarMap, found: FoundStations, folder: Path, drawn: Drawn | None = None) -> Validation:
    """Compare a radar velocity with stations, and write tables and figures.

    Parameters
    ----------
    radar : RadarMap
        Velocity, with what is compared.
    found : FoundStations
        Stations.
    folder : Path
        Gets ``comparison.csv``, ``rates.csv``, ``comparison.png`` (map), ``scatter.png`` and, with a series,
        ``series.png``; ``left_out.txt`` where something was.
    drawn : Drawn, optional
        Series, background, heights, outlines.

    Raises
    ------
    InputError
        No station can be compared.
    """
    drawn = drawn or Drawn()
    comparisons, off_map = compare_with_map(radar, found.rates, found.left_out)
    left_out = [*found.left_out, *off_map]
    files = [folder / "rates.csv"]
    write_table(files[0], rate_columns(found.rates))
    if not comparisons:
        message = f"no station can be compared with the map: {'; '.join(left_out)}"
        raise InputError(message)
    files.append(folder / "comparison.csv")
    write_table(files[-1], comparison_columns(comparisons))
    motion = open_product(radar.path)
    behind = background_of(motion, drawn.background, drawn.dem, drawn.outlines, None)
    files.append(save_figure(los_figure(motion, comparisons, backdrop=behind), folder / "comparison.png"))
    files.append(save_figure(scatter_figure(comparisons, _summary(comparisons)), folder / "scatter.png"))
    if drawn.series is not None:
        overlays, missing = los_overlays(open_product(drawn.series), radar, comparisons, found)
        left_out += missing
        if overlays:
            files.append(save_figure(overlay_figure(overlays), folder / "series.png"))
    if left_out:
        files.append(folder / "left_out.txt")
        write_text(files[-1], "\n".join(left_out) + "\n")
    return Validation(comparisons, tuple(found.rates), tuple(left_out), tuple(files))


def _summary(comparisons: Sequence[Comparison]) -> str:
    row = agreement(comparisons)[0]
    count = f"{row.stations} station{'' if row.stations == 1 else 's'}"
    return f"{count}, bias {1e3 * row.bias:+.2g} mm/yr, RMSE {1e3 * row.rmse:.2g} mm/yr"


def los_overlays(
    series: xr.Dataset, radar: RadarMap, comparisons: Sequence[Comparison], found: FoundStations
) -> tuple[list[Overlay], list[str]]:
    """Return the series of a map at stations beside theirs, and the stations for which there is none, with the reason.

    With a reference station both are relative to it.
    """
    check(series, TIME_SERIES)
    overlays, missing = [], []
    base = None if radar.options.reference is None else found.series.get(radar.options.reference)
    at_base = None if base is None else series_at(series, radar.sight(base))
    for each in comparisons:
        if each.name not in found.series:
            continue
        station = found.series[each.name]
        try:
            sight = radar.sight(station)
            on_map = series_at(series, sight)
            on_map = on_map if at_base is None else on_map - at_base
            overlays.append(overlay_los(each.name, series["time"].values, on_map, station, sight.direction, base))
        except CreepmeterError as problem:
            missing.append(f"{each.name}, series: {problem}")
    return overlays, missing


def series_at(series: xr.Dataset, sight: Sight) -> npt.NDArray[np.float64]:
    """Return the displacement of a radar series where a station stands, (time,); only the cells around it are read.

    Raises
    ------
    InputError
        It is not measured there.
    """
    left, top = max(int(sight.column - 0.5) - 1, 0), max(int(sight.row - 0.5) - 1, 0)
    near = series["displacement"].sel(component="los").isel(x=slice(left, left + 4), y=slice(top, top + 4))
    found = bilinear(near.values, sight.column - left, sight.row - top)
    if not np.isfinite(found).any():
        message = f"the series has no measurement there (column {sight.column:.1f}, row {sight.row:.1f})"
        raise InputError(message)
    return found
