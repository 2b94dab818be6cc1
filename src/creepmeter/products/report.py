"""One self-contained HTML page about a run."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from creepmeter.errors import SchemaError
from creepmeter.model.grid import Grid, grid_of
from creepmeter.model.schema import MOTION_MODEL, check
from creepmeter.products.canvas import DEFAULT_DPI, png_bytes
from creepmeter.products.figures import histogram_figure, network_figure, series_figure
from creepmeter.products.frame import Backdrop, mask_outlines
from creepmeter.products.maps import sigma_figure, velocity_figure
from creepmeter.products.options import MapStyle
from creepmeter.products.page import versions
from creepmeter.products.quantities import MapPoint, pick_points
from creepmeter.products.summary import (
    PairRow,
    StackSummary,
    key_figures,
    mean_direction,
    pair_rows,
    stable_rows,
    summarise_stack,
)
from creepmeter.products.whole import whole_file

_LIBRARIES = ("creepmeter", "numpy", "numba", "scipy", "xarray", "zarr", "rasterio", "matplotlib")
_MAP_IN = 4.6
_LONG_TABLE = 40


@dataclass(frozen=True)
class ReportTable:
    """A table of the page.

    Parameters
    ----------
    title : str
        Heading.
    head : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class ReportContext:
    """What a report is made from. Only `motion` is needed; sections without data are left out or say so.

    Parameters
    ----------
    motion : Dataset
        MotionModel.
    series : Dataset, optional
        TimeSeries.
    stack, stack_before : Dataset, optional
        PairStack as inverted, and before the stable-ground correction.
    stable : array of bool, (y, x), optional
        Ground taken as still, on the grid of the products; its border is drawn when `outlines` is empty.
    background, background_grid : array (y, x) and Grid, optional
        Behind the map, in the reference system of the products: an image, or heights in metres.
    background_kind : ``image`` or ``height``
        What it is.
    outlines : sequence
        Shapely geometries or arrays (n, 2) in map coordinates.
    tables : sequence of ReportTable
        Shown after the key figures.
    title : str
        Heading of the page.
    settings : str
        The configuration as YAML text.
    notes : sequence of str
        Warnings and what was left out.
    command : str
        How to make the run again.
    scenes : bytes
        Figure (PNG) of the scenes that were kept and dropped; empty = there is none.
    """

    motion: xr.Dataset
    series: xr.Dataset | None = None
    stack: xr.Dataset | None = None
    stack_before: xr.Dataset | None = None
    stable: npt.NDArray[np.bool_] | None = None
    background: npt.NDArray[np.floating] | None = None
    background_grid: Grid | None = None
    background_kind: Literal["image", "height"] = "image"
    outlines: Sequence[Any] = field(default=())
    tables: Sequence[ReportTable] = field(default=())
    title: str = "Ground motion"
    settings: str = ""
    notes: Sequence[str] = field(default=())
    command: str = "creepmeter run creepmeter.yaml"
    scenes: bytes = b""


@dataclass(frozen=True)
class _Picture:
    """A figure of the page: PNG as text, what it shows, and what a reader must know."""

    name: str
    alt: str
    caption: str
    data: Markup


def write_report(path: str | Path, context: ReportContext) -> Path:
    """Write the report of a run as one HTML file that needs nothing else, whole or not at all.

    Parameters
    ----------
    path : path
        The file to make or replace.
    context : ReportContext
        Products and settings of the run.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    SchemaError
        `motion` is no MotionModel, or `stable` has another shape.
    StoreError
        The disk is full or not writable.
    """
    target = Path(path)
    page = render_report(context)
    with whole_file(target) as partial:
        partial.write_text(page, encoding="utf-8")
    return target


def render_report(context: ReportContext) -> str:
    """Return the report as HTML text; see `write_report`."""
    check(context.motion, MOTION_MODEL)
    _require_shape(context)
    points = pick_points(context.motion, context.series, context.stable)
    after = None if context.stack is None else summarise_stack(context.stack, context.stable)
    before = None if context.stack_before is None else summarise_stack(context.stack_before, context.stable)
    rows: list[PairRow] = []
    if context.stack is not None and after is not None:
        rows = pair_rows(context.stack, after, before)
    environment = Environment(
        loader=PackageLoader("creepmeter.products"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=context.title,
        lead=_lead(context.motion, points),
        figures=key_figures(context.motion, context.series, context.stack, points, context.stable)
        + ([] if after is None else stable_rows(before, after)),
        pictures={picture.name: picture for picture in _pictures(context, points, before, after)},
        tables=context.tables,
        pairs=rows,
        pairs_open=len(rows) <= _LONG_TABLE,
        components=[] if context.stack is None else [str(name) for name in context.stack["component"].values],
        notes=list(context.notes),
        settings=context.settings,
        command=context.command,
        versions=versions(_LIBRARIES),
    )


def _require_shape(context: ReportContext) -> None:
    shape = (context.motion.sizes["y"], context.motion.sizes["x"])
    if context.stable is not None and context.stable.shape != shape:
        message = (
            f"the mask of stable ground has shape {context.stable.shape}, the maps have {shape}: burn it to their grid"
        )
        raise SchemaError(message)


def _lead(motion: xr.Dataset, points: Sequence[MapPoint]) -> str:
    fastest = next((point for point in points if point.name == "fastest point"), None)
    if fastest is None:
        return "No cell of the map has a velocity; the table and the notes below say where the measurements were lost."
    direction = mean_direction(motion, fastest)
    heading = f", moving {direction} (clockwise)" if direction else ""
    return f"Fastest well-measured point: row {fastest.row}, column {fastest.column} of the map{heading}."


def _pictures(
    context: ReportContext, points: tuple[MapPoint, ...], before: StackSummary | None, after: StackSummary | None
) -> list[_Picture]:
    return [
        picture
        for picture in (
            _velocity_picture(context),
            _sigma_picture(context),
            _network_picture(context),
            _series_picture(context, points),
            _stable_picture(before, after),
            _scenes_picture(context.scenes),
        )
        if picture is not None
    ]


def _picture(name: str, alt: str, caption: str, draw: Callable[[], Figure]) -> _Picture:
    return _drawn(name, alt, caption, png_bytes(draw(), dpi=DEFAULT_DPI))


def _drawn(name: str, alt: str, caption: str, png: bytes) -> _Picture:
    return _Picture(name, alt, caption, Markup(base64.b64encode(png).decode("ascii")))  # noqa: S704 - no markup in it


def _scenes_picture(png: bytes) -> _Picture | None:
    caption = "Scenes that were found: the kept ones, and why the others were left out."
    return _drawn("scenes", "Scenes by day of the year and year", caption, png) if png else None


def _backdrop(context: ReportContext, *, image: bool) -> Backdrop:
    outlines = context.outlines
    if len(outlines) == 0 and context.stable is not None and not context.stable.all():
        outlines = mask_outlines(~context.stable, grid_of(context.motion))
    if not image or context.background is None or context.background_grid is None:
        return Backdrop(outlines=outlines)
    return Backdrop(context.background, context.background_grid, outlines, context.background_kind)


def _velocity_picture(context: ReportContext) -> _Picture:
    backdrop = _backdrop(context, image=True)
    arrows = {"east", "north"} <= {str(name) for name in context.motion["component"].values}
    caption = "Speed in colours; arrows point the way the ground moves and stand where speed is above 2 sigma."
    caption = caption if arrows else "Rate of motion; line of sight is positive toward the satellite."
    if arrows and backdrop.image is not None:
        caption += " Over the image, colours are pale below 2 sigma."
    if len(backdrop.outlines) > 0:
        caption += " Outlines: ground that may move."
    caption += " Where there is no colour, nothing was measured."
    style = MapStyle(width_in=_MAP_IN)
    return _picture(
        "velocity",
        "Map of the velocity",
        caption,
        lambda: velocity_figure(context.motion, style=style, backdrop=backdrop),
    )


def _sigma_picture(context: ReportContext) -> _Picture | None:
    if "sigma" not in context.motion:
        return None
    style, backdrop = MapStyle(width_in=_MAP_IN), _backdrop(context, image=False)
    caption = "Standard error (1 sigma) of the velocity: two of three errors should be smaller than this."
    return _picture(
        "sigma",
        "Map of the standard error of the velocity",
        caption,
        lambda: sigma_figure(context.motion, style=style, backdrop=backdrop),
    )


def _network_picture(context: ReportContext) -> _Picture | None:
    stack = context.stack
    if stack is None:
        return None
    caption = "Each arc is a pair of images, as high as its dates are apart. Pairs that are not used are dashed."
    return _picture("network", "Network of pairs", caption, lambda: network_figure(stack, width_in=_MAP_IN))


def _series_picture(context: ReportContext, points: tuple[MapPoint, ...]) -> _Picture | None:
    series = context.series
    if series is None or not points:
        return None
    caption = "Displacement since the first date with 1-sigma error bars, and the fitted motion, at the fastest "
    caption += "well-measured point and at a typical point of stable ground. East and north are positive."
    return _picture(
        "series",
        "Displacement at a fast and at a stable point",
        caption,
        lambda: series_figure(series, context.motion, points, width_in=_MAP_IN),
    )


def _stable_picture(before: StackSummary | None, after: StackSummary | None) -> _Picture | None:
    if after is None or not after.stable:
        return None
    early = None if before is None or not before.stable else before.stable
    caption = "Displacement of all pairs used, on ground that does not move: "
    caption += "its centre should be zero, its width shows the errors of single pairs."
    return _picture(
        "stable",
        "Histogram of displacement on stable ground",
        caption,
        lambda: histogram_figure(early, after.stable, width_in=_MAP_IN),
    )
