"""Figures of the structure function: sigma against distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from creepmeter.products.canvas import EAST_COLOUR, FONT_PT, INK, NORTH_COLOUR, SMALL_PT, new_figure, tidy

Floats = npt.NDArray[np.float64]
_GREY = "#b5b5b5"
_SIZE_IN = (4.6, 3.2)


@dataclass(frozen=True)
class SigmaCurve:
    """Sigma by distance.

    Parameters
    ----------
    label : str
        For the legend.
    distance_km, sigma : array, (n,)
        Distance; sigma in the unit of the figure.
    rms, error : array, (n,), optional
        Sigma from medians; standard error of sigma.
    """

    label: str
    distance_km: Floats
    sigma: Floats
    rms: Floats | None = None
    error: Floats | None = None


def structure_figure(
    whole: SigmaCurve,
    unit: str,
    *,
    title: str = "",
    dates: Sequence[SigmaCurve] = (),
    curve: SigmaCurve | None = None,
    requirement: float | None = None,
) -> Figure:
    """Return sigma of the difference of two points against their distance.

    Parameters
    ----------
    whole : SigmaCurve
        Drawn as points with their standard errors.
    unit : str
        Of sigma.
    title : str
        Above the axes.
    dates : sequence of SigmaCurve
        Of single dates, drawn as thin lines.
    curve : SigmaCurve, optional
        Fitted.
    requirement : float, optional
        A limit to draw, in the unit of sigma.
    """
    figure = new_figure(*_SIZE_IN)
    axes = figure.add_subplot()
    for k, date in enumerate(dates):
        named = f"{len(dates)} dates" if k == 0 else None
        axes.plot(date.distance_km, date.sigma, color=_GREY, linewidth=0.5, zorder=1, label=named)
    if curve is not None:
        axes.plot(curve.distance_km, curve.sigma, color=NORTH_COLOUR, linewidth=1.1, zorder=3, label=curve.label)
    error = None if whole.error is None else np.nan_to_num(whole.error)
    label = "68 % of the differences" + (", mean over dates" if dates else "")
    axes.errorbar(
        whole.distance_km, whole.sigma, error, fmt="o", color=EAST_COLOUR, markersize=3.2, elinewidth=0.8, capsize=1.5,
        zorder=4, label=label,
    )  # fmt: skip
    if whole.rms is not None:
        axes.plot(
            whole.distance_km, whole.rms, "s", markersize=2.6, markerfacecolor="white", markeredgecolor=EAST_COLOUR,
            markeredgewidth=0.7, zorder=4, label="root mean square",
        )  # fmt: skip
    if requirement is not None:
        axes.axhline(
            requirement, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label=f"required {requirement:g} {unit}"
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    tops = [each.sigma.max() for each in (whole, *dates)] + ([] if requirement is None else [requirement])
    axes.set_ylim(0, 1.28 * max(tops))  # room for the legend
    axes.set_xlabel("distance (km)", fontsize=FONT_PT)
    axes.set_ylabel(f"sigma of the difference of two points ({unit})", fontsize=FONT_PT)
    axes.set_title(title, fontsize=FONT_PT, loc="left", color=INK)
    handles, labels = axes.get_legend_handles_labels()
    first = labels.index(label)
    order = [first, *(k for k in range(len(labels)) if k != first)]
    axes.legend(
        [handles[k] for k in order], [labels[k] for k in order], fontsize=SMALL_PT, loc="upper left", framealpha=0.9,
        edgecolor="none",
    )  # fmt: skip
    tidy(axes, grid=True)
    return figure
