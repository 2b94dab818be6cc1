"""The figures of a work folder: what is drawn for the report, and into ``pic/``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.io.mintpy.raw import open_raw
from creepmeter.io.store import open as open_product
from creepmeter.products.options import ViewOptions
from creepmeter.products.page import Drawn
from creepmeter.products.quantities import MapPoint, pick_points
from creepmeter.products.view import view
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import final_series
from creepmeter.workflow.sbas.folder import SbasSetting
from creepmeter.workflow.sbas.maps import read_text

Bools = npt.NDArray[np.bool_]
WIDTH_IN = 4.6


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn.

    Parameters
    ----------
    name : str
        File name in ``pic/``, and anchor in the report.
    section : str
        Where it stands in the report; empty = only in ``pic/``.
    caption : str
        What it shows.
    draw : callable
        Draws it.
    """

    name: str
    section: str
    caption: str
    draw: Callable[[], Drawn]


@dataclass(frozen=True)
class _Map:
    """How one map of a file is drawn."""

    file: str
    variable: str
    section: str
    caption: str
    label: str
    options: dict[str, object]
    masked: bool = False


_SHARE: dict[str, object] = {"vmin": 0.0, "vmax": 1.0}
_MASK: dict[str, object] = {"vmin": 0.0, "vmax": 1.0, "cmap": "gray"}
_MAPS = (
    _Map(
        at.VELOCITY,
        "velocity",
        "velocity",
        "Velocity along the line of sight, positive toward the satellite, relative to the reference pixel "
        "(square); where temporal coherence is too low it is left blank.",
        "Velocity",
        {"unit": "mm/year"},
        masked=True,
    ),
    _Map(
        at.geocoded(at.VELOCITY),
        "velocity",
        "velocity",
        "The same on the map: the pixel of the radar that lies nearest.",
        "Velocity",
        {"unit": "mm/year"},
        masked=True,
    ),
    _Map(
        at.VELOCITY,
        "velocityStd",
        "velocity",
        "Standard error (1 sigma) of the velocity, from the residuals of the fit.",
        "1-sigma of the velocity",
        {"unit": "mm/year"},
        masked=True,
    ),
    _Map(
        at.STACKED,
        "velocity",
        "quality",
        "Mean velocity of the pairs by stacking, before any correction.",
        "Stacked velocity",
        {"unit": "mm/year"},
    ),
    _Map(at.COHERENCE, "coherence", "quality", "Mean coherence of the pairs that are used.", "Mean coherence", _SHARE),
    _Map(
        at.TEMPORAL_COHERENCE,
        "temporalCoherence",
        "quality",
        "Temporal coherence: how well the series agrees with the phase of the pairs; 1 = entirely.",
        "Temporal coherence",
        _SHARE,
    ),
    _Map(at.PAIR_COUNT, "mask", "quality", "Number of pairs that each pixel was inverted from.", "Pairs", {}),
    _Map(
        at.TRIPLETS,
        "mask",
        "quality",
        "Triplets of pairs whose whole cycles do not close: unwrapping errors.",
        "Triplets",
        {},
    ),
    _Map(
        "demErr.h5",
        "dem",
        "corrections",
        "Error of the heights that the correction of the topography found; it goes with the perpendicular baseline.",
        "Error of the heights",
        {},
    ),
    _Map(at.WATER, "waterMask", "masks", "Land (white) and water (black).", "Land", _MASK),
    _Map(at.COMPONENTS, "mask", "masks", "Connected in every pair (white).", "Connected", _MASK),
    _Map(at.RELIABLE, "mask", "masks", "Temporal coherence suffices (white).", "Reliable", _MASK),
)


def drawings(run: SbasSetting) -> Iterator[Drawing]:
    """Yield the figures that can be drawn from what lies in the work folder."""
    yield from _maps(run)
    yield from _date_quality(run)
    if (run.work / at.SERIES).exists():
        yield Drawing(
            "timeseries.png",
            "series",
            "Map of the last date, and displacement over time at the fastest well-measured point and at a still one.",
            lambda: _series(run),
        )
    if run.work.is_loaded:
        yield from _networks(run)


def _maps(run: SbasSetting) -> Iterator[Drawing]:
    for one in _MAPS:
        path = run.work / one.file
        if not path.exists():
            continue
        known = open_raw(path)
        if one.variable not in known.data_vars:
            continue

        def draw(one: _Map = one, path: Path = path) -> Drawn:
            options = ViewOptions.model_validate({**one.options, "width_in": WIDTH_IN, "title": base_name(one)})
            dataset, mask = _readable(open_raw(path), one), _mask_for(run, one)
            if "REF_Y" not in dataset.attrs:
                dataset = _with_reference(run, dataset)
            return view(dataset, one.variable, options=options, mask=mask)

        yield Drawing(f"{base_name(one)}.png", one.section, one.caption, draw)


def _mask_for(run: SbasSetting, one: _Map) -> Bools | None:
    """Return where a map is drawn, None = everywhere."""
    if one.masked and one.file.startswith(at.GEOCODED):
        path = run.work / at.geocoded(at.RELIABLE)
        return np.asarray(open_raw(path)["mask"].values) != 0 if path.exists() else None
    if one.masked:
        return reliable(run)
    return _seen(run) if one.file == at.STACKED else None


def _with_reference(run: SbasSetting, dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset that names the reference pixel of the stack, so that it is marked on every map."""
    reference = run.stack().reference if run.work.is_loaded else None
    if reference is None:
        return dataset
    return dataset.assign_attrs({"REF_Y": str(reference[0]), "REF_X": str(reference[1])})


def base_name(one: _Map) -> str:
    """Return the name of a figure without ending: that of the file, or of a second variable in it."""
    stem = Path(one.file).stem
    return one.variable if one.variable.startswith(stem) else stem


def _readable(dataset: xr.Dataset, one: _Map) -> xr.Dataset:
    """Return a dataset whose masks are numbers, with the label of the map."""
    found = dataset.map(lambda array: array.astype(np.float32) if array.dtype.kind in "biu" else array, keep_attrs=True)
    found[one.variable].attrs["long_name"] = one.label
    return found


def _seen(run: SbasSetting) -> npt.NDArray[np.bool_] | None:
    """Return where any pair has data: the mean velocity is not 0 where none has, but what the reference pixel says."""
    path = run.work / at.COHERENCE
    return None if not path.exists() else np.asarray(open_raw(path)["coherence"].values > 0)


def reliable(run: SbasSetting) -> Bools | None:
    """Return where temporal coherence suffices, None where that is not known."""
    path = run.work / at.RELIABLE
    return None if not path.exists() else np.asarray(open_raw(path)["mask"].values) != 0


def points(run: SbasSetting) -> tuple[MapPoint, ...]:
    """Return the points whose series are worth a graph."""
    if not (run.work / at.VELOCITY).exists():
        return ()
    motion, mask = open_product(run.work / at.VELOCITY), reliable(run)
    if mask is not None:
        inside = xr.DataArray(mask, dims=("y", "x"))
        motion = motion.assign({name: motion[name].where(inside) for name in ("value", "sigma") if name in motion})
    return pick_points(motion)


def _date_quality(run: SbasSetting) -> Iterator[Drawing]:
    for path in sorted(run.folder.glob("rms_timeseriesResidual*.txt")):
        yield Drawing(
            f"{path.stem}.png",
            "corrections",
            "RMS over the map of what the correction of the topography left, for each date; noisy dates are left out "
            "of the velocity, the quietest one is the reference date.",
            partial(_rms, run, path),
        )


def _rms(run: SbasSetting, path: Path) -> Drawn:
    from creepmeter.products.date_quality import date_quality_figure

    rows = [line.split() for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
    chosen = _words(run.work / "reference_date.txt")
    return date_quality_figure(
        [row[0] for row in rows],
        [float(row[1]) for row in rows],
        excluded=_words(run.work / "exclude_date.txt"),
        reference=chosen[0] if chosen else None,
        width_in=WIDTH_IN,
    )


def _words(path: Path) -> list[str]:
    return read_text(path).split() if path.exists() else []


def _series(run: SbasSetting) -> Drawn:
    from creepmeter.products.tsview import series_view

    series = open_product(run.work / final_series(run))
    cells = [(point.row, point.column) for point in points(run)]
    return series_view(series, cells, options=ViewOptions(unit="mm")).figure


def _networks(run: SbasSetting) -> Iterator[Drawing]:
    from creepmeter.products.network_options import NetworkPlotOptions
    from creepmeter.products.network_plots import (
        baseline_history_figure,
        baseline_network_figure,
        level_history_figure,
        matrix_figure,
    )
    from creepmeter.workflow.sbas.network_figures import NAMES, view_of_stack

    stack = run.stack()
    options = NetworkPlotOptions()
    network = view_of_stack(
        stack, run.folder, options, run.template.network, memory_gb=run.memory_gb, progress=run.progress
    )
    texts = {
        "network": "Dates by perpendicular baseline, and the pairs between them; pairs that are not used are dashed.",
        "history": "Mean coherence of the pairs of each date.",
        "matrix": "Mean coherence of each pair of dates.",
    }
    figures: dict[str, Callable[[], Drawn]] = {
        "network": lambda: baseline_network_figure(network, options),
        "baselines": lambda: baseline_history_figure(network),
        "history": lambda: level_history_figure(network),
        "matrix": lambda: matrix_figure(network, options),
    }
    for kind, draw in figures.items():
        yield Drawing(f"{NAMES[kind]}.pdf", "network" if kind in texts else "", texts.get(kind, ""), draw)
