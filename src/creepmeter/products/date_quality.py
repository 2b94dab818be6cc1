"""Figure of how noisy each date of a series is: residual RMS per date, with the dates that are left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from creepmeter.errors import SchemaError
from creepmeter.model.epoch import as_epoch, as_epochs
from creepmeter.products.canvas import EAST_COLOUR, FONT_PT, INK, NORTH_COLOUR, PAGE_IN, SMALL_PT, new_figure, tidy
from creepmeter.products.figures import date_axis

Floats = npt.NDArray[np.float64]

_LEFT_OUT = "#b0b0b0"
_WIDEST_DAYS = 12.0


def date_quality_figure(
    dates: Sequence[str],
    rms_m: npt.ArrayLike,
    *,
    threshold_m: float | None = None,
    excluded: Sequence[str] = (),
    reference: str | None = None,
    width_in: float = PAGE_IN,
) -> Figure:
    """Draw the RMS of the residuals of each date as bars.

    Parameters
    ----------
    dates : sequence of str
        Dates, any spelling of `as_epoch`.
    rms_m : array (date,)
        RMS, metres.
    threshold_m : float, optional
        RMS above which a date is called noisy, metres; drawn as a line.
    excluded : sequence of str
        Dates left out of later fits, drawn grey.
    reference : str, optional
        Reference date, marked.
    width_in : float
        Width, inches.

    Raises
    ------
    SchemaError
        Not one RMS per date.
    """
    values = 1000.0 * np.asarray(rms_m, np.float64)
    times = date2num(as_epochs(dates))
    if values.shape != times.shape:
        message = f"{times.size} dates come with {values.size} values of RMS: give one for each date"
        raise SchemaError(message)
    left_out = np.isin(times, _numbers(excluded))
    chosen = np.isin(times, _numbers([reference] if reference else []))
    figure = new_figure(width_in, 0.36 * width_in)
    axes = figure.add_subplot()
    width = min(_WIDEST_DAYS, 0.8 * float(np.diff(times).min())) if times.size > 1 else _WIDEST_DAYS
    kinds = (
        (~left_out & ~chosen, EAST_COLOUR, "dates"),
        (left_out, _LEFT_OUT, "left out"),
        (chosen & ~left_out, NORTH_COLOUR, "reference date"),
    )
    for which, colour, label in kinds:
        if which.any():
            axes.bar(times[which], values[which], width, color=colour, label=label)
    if threshold_m is not None:
        axes.axhline(1000.0 * threshold_m, color=INK, linewidth=0.8, linestyle="--", label="called noisy above")
    axes.set_ylim(0, 1.25 * max(float(np.nanmax(values, initial=0.0)), 1000.0 * (threshold_m or 0.0), 1e-6))
    axes.set_ylabel("RMS of the residuals, mm", fontsize=FONT_PT, color=INK)
    axes.legend(fontsize=SMALL_PT, frameon=False, ncols=4, loc="upper right", handlelength=1.0, borderaxespad=0.2)
    date_axis(axes)
    tidy(axes)
    return figure


def _numbers(dates: Sequence[str]) -> Floats:
    return np.array([date2num(as_epoch(date)) for date in dates], np.float64)
