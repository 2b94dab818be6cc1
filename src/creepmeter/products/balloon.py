"""The chart of a point of a series in a balloon of Google Earth: drawn in SVG, no script and no network.

The balloon is written once; what differs from point to point is filled in by Google Earth: ``$[points]`` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from creepmeter.model.epoch import Epochs

Floats = npt.NDArray[np.float64]

_WIDE, _TALL = 1000, 400
_LEFT, _BOTTOM = 110, 50
_LINES = 5  # horizontal lines, with a number each
_TICKS = 6
_SPARE = 0.05  # of the range, above and below
_LEAST_MM = 1.0
_FACTS = ("velocity", "coherence", "height", "position", "pixel")


def balloon_text(times: Epochs, labels: Sequence[str], facts: Sequence[str] = _FACTS) -> str:
    """Return the HTML of a balloon, with the names that `chart_data` gives to be filled in.

    Parameters
    ----------
    times : array of datetime64
        Dates of the series.
    labels : sequence of str
        As YYYYMMDD.
    facts : sequence of str
        Names of more values to be told.
    """
    told = "".join(f"<tr><td>{name}</td><td>$[{name}]</td></tr>" for name in facts)
    size = f"0 0 {_LEFT + _WIDE + 30} {_TALL + _BOTTOM + 30}"
    return (
        f'<table cellpadding="2">{told}</table>'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="580" height="240" viewBox="{size}" font-family="sans-serif" '
        'font-size="24">'
        '<defs><marker id="dot" viewBox="0 0 10 10" refX="5" refY="5" markerWidth="10" markerHeight="10" '
        'markerUnits="userSpaceOnUse"><circle cx="5" cy="5" r="5" fill="#0b5fa5"/></marker></defs>'
        f'<g transform="translate({_LEFT},15)">{_frame()}{_dates(times)}'
        '<polyline points="$[points]" fill="none" stroke="#7fa8cc" stroke-width="2" marker-start="url(#dot)" '
        'marker-mid="url(#dot)" marker-end="url(#dot)"/></g></svg>'
        f"<p>Displacement [mm] on {' '.join(labels)}:<br/>$[millimetres]</p>"
    )


def _frame() -> str:
    lines = []
    for k in range(_LINES):
        y = _TALL - k * _TALL // (_LINES - 1)
        lines.append(f'<path d="M0,{y}h{_WIDE}" stroke="#ccc"/>')
        lines.append(f'<text x="-10" y="{y + 8}" text-anchor="end">$[y{k}]</text>')
    lines.append(f'<text transform="translate(-85,{_TALL // 2}) rotate(-90)" text-anchor="middle">mm</text>')
    return "".join(lines)


def _dates(times: Epochs) -> str:
    """Return ticks and dates along the foot of the chart."""
    days = _days(times)
    spots = MaxNLocator(_TICKS, integer=True).tick_values(float(days[0]), float(days[-1]))
    lines = []
    for day in spots[(spots >= days[0]) & (spots <= days[-1])]:
        x = _across(np.array([day]), days)[0]
        date = times[0].astype("datetime64[D]") + np.timedelta64(round(day - days[0]), "D")
        lines.append(f'<path d="M{x},{_TALL}v8" stroke="#666"/>')
        lines.append(f'<text x="{x}" y="{_TALL + 36}" text-anchor="middle">{date}</text>')
    return "".join(lines)


def _days(times: Epochs) -> Floats:
    return np.asarray((times - times[0]) / np.timedelta64(1, "D"), np.float64)


def _across(days: Floats, all_days: Floats) -> npt.NDArray[np.int64]:
    span = max(float(all_days[-1] - all_days[0]), 1.0)
    return np.asarray(np.rint((days - all_days[0]) / span * _WIDE), np.int64)


def chart_data(times: Epochs, displacement_mm: Floats) -> Mapping[str, str]:
    """Return what is filled into a balloon for one point: the line, the numbers at the axis, and the values.

    Parameters
    ----------
    times : array of datetime64, (time,)
        Dates.
    displacement_mm : array, (time,)
        NaN is left out.
    """
    known = np.isfinite(displacement_mm)
    values = displacement_mm[known]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    spare = max((high - low) * _SPARE, _LEAST_MM / 2)
    low, high = low - spare, high + spare
    days = _days(times)
    x = _across(days, days)[known]
    y = np.rint((high - values) / (high - low) * _TALL).astype(int)
    marks = np.linspace(low, high, _LINES)
    digits = 1 if high - low < 10 * _LINES else 0
    return {
        "points": " ".join(f"{a},{b}" for a, b in zip(x, y, strict=True)),
        **{f"y{k}": f"{mark:.{digits}f}" for k, mark in enumerate(marks)},
        "millimetres": " ".join(f"{value:.1f}" if np.isfinite(value) else "-" for value in displacement_mm),
    }
