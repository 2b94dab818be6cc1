"""The report page of a small-baseline run, and the figures in ``pic/``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from creepmeter.errors import CreepmeterError
from creepmeter.io.mintpy.product import read_attributes, read_map, read_tables
from creepmeter.io.provenance import digest_text
from creepmeter.products.canvas import save_figure
from creepmeter.products.page import Drawn, Page, Picture, Section, Table, write_page
from creepmeter.products.summary import number_text
from creepmeter.workflow.journal import Entry, Journal
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import final_series
from creepmeter.workflow.sbas.figures import Drawing, drawings, reliable
from creepmeter.workflow.sbas.folder import SbasSetting, identity
from creepmeter.workflow.sbas.steps import STEPS, SbasStep
from creepmeter.workflow.sbas.template_file import settings_text

logger = logging.getLogger(__name__)
_PRODUCTS = (*at.VELOCITIES, *at.VELOCITIES.values(), *at.INVERTED, at.WATER, at.COMPONENTS, at.COHERENCE, at.STACKED)
_PRODUCTS_OF_CORRECTIONS = ("demErr.h5", "rms_timeseriesResidual_ramp.txt", "exclude_date.txt", "reference_date.txt")
_PRODUCTS_ON_THE_MAP = (at.geocoded(at.VELOCITY), at.geocoded(at.RELIABLE))
_TITLES = {
    "velocity": "Velocity",
    "series": "Displacement over time",
    "network": "Network of pairs",
    "corrections": "Corrections",
    "quality": "How well it was measured",
    "masks": "Masks",
}
_WITHOUT_PLOTS = ("velocity", "series", "corrections")  # what the page shows of a run that asks for no figures
_MM = 1000.0
_TAIL = 2  # percent of the pixels beyond what is called the range


def write_views(run: SbasSetting, *, plot: bool, page: bool) -> None:
    """Draw the main products: into ``pic/``, into ``report.html``, or both; what shows the same already is kept.

    Parameters
    ----------
    run : SbasSetting
        The run.
    plot, page : bool
        What is wanted.
    """
    journal = Journal(run.folder)
    plot_key = _key(run, "plot", run.template.plot.dpi)
    page_key = _key(run, "report", run.notes, run.left_out, settings_text(run.template), run.template.plot.plot)
    plot = plot and not _is_current(run, "plot", plot_key)
    page = page and not _is_current(run, "report", page_key)
    if not plot and not page:
        return
    wanted = tuple(_TITLES) if run.template.plot.plot else _WITHOUT_PLOTS
    files: list[str] = []
    pictures: dict[str, list[Picture]] = {name: [] for name in _TITLES}
    for drawing in drawings(run):
        if not plot and drawing.section not in wanted:
            continue
        figure = _attempt(drawing)
        if figure is not None and plot:
            files.append(_save(run, drawing, figure))
        if figure is not None and page and drawing.section:
            pictures[drawing.section].append(_picture(drawing, figure))
    if plot:
        journal.note("plot", Entry(plot_key, tuple(files)))
    if page:
        write_page(run.work / at.REPORT, report_page(run, pictures))
        journal.note("report", Entry(page_key, (at.REPORT,)))


def _is_current(run: SbasSetting, name: str, key: str) -> bool:
    entry = Journal(run.folder).entry(name)
    return entry.key == key and all((run.work / file).exists() for file in entry.files)


def report_page(run: SbasSetting, pictures: Mapping[str, Sequence[Picture]]) -> Page:
    """Return the report page: figures, key figures, steps, settings, what was left out.

    Parameters
    ----------
    run : SbasSetting
        The run.
    pictures : mapping of str to sequence of Picture
        By section.
    """
    figures = {name: Section(title, pictures[name]) for name, title in _TITLES.items() if pictures[name]}
    first = [figures.pop("velocity")] if "velocity" in figures else []
    sections = [
        *first,
        Section("Key figures", tables=[Table(key_figures(run))]),
        *figures.values(),
        Section("Steps", tables=[Table(_step_rows(run), ("Step", "What was done"))]),
        Section("Settings", text="What the template says other than auto:", code=settings_text(run.template)),
        Section("How to make this again", text="Call this in the work folder:", code="creepmeter sbas"),
    ]
    notes = [*(f"Left out: {text}" for text in run.left_out), *run.notes]
    if not run.template.plot.plot:
        notes.append("mintpy.plot = no: figures of the network, of quality and of masks are not drawn.")
    return Page("Ground motion by small baselines", _lead(run), notes, sections)


def _key(run: SbasSetting, name: str, *more: object) -> str:
    stack: list[object] = []
    if run.work.is_loaded:
        opened = run.stack()
        stack = [run.pixels(), opened.keep.tolist(), opened.reference]
    products = (*_PRODUCTS, *_PRODUCTS_OF_CORRECTIONS, *_PRODUCTS_ON_THE_MAP, final_series(run))
    return digest_text(name, stack, [identity(run.work / product) for product in products], *more)


def _attempt(drawing: Drawing) -> Drawn | None:
    """Return a figure; one that cannot be drawn is named and left out: the results are there."""
    try:
        return drawing.draw()
    except CreepmeterError as problem:
        logger.warning("figure %s could not be drawn: %s", drawing.name, problem)
        return None


def _save(run: SbasSetting, drawing: Drawing, figure: Drawn) -> str:
    name = f"{at.PICTURES}/{drawing.name}"
    save_figure(figure, run.work / name, dpi=run.template.plot.dpi)
    return name


def _picture(drawing: Drawing, figure: Drawn) -> Picture:
    name = drawing.name.partition(".")[0]
    return Picture.of(name, drawing.caption.partition(";")[0].rstrip("."), drawing.caption, figure)


def _step_rows(run: SbasSetting) -> list[tuple[str, str]]:
    return [(step.name, _step_text(run, step)) for step in STEPS]


def _step_text(run: SbasSetting, step: SbasStep) -> str:
    out = [text.partition(": ")[2] for text in run.left_out if text.startswith(f"{step.name}: ")]
    if out:
        return f"left out: {out[0]}"
    if not step.wanted(run):
        return "not asked for"
    entry = Journal(run.folder).entry(step.name)
    if not entry.key:
        return "not done yet"
    return "done" if not entry.files else f"done: {', '.join(entry.files)}"


def _lead(run: SbasSetting) -> str:
    path = run.work / at.SERIES
    if not path.exists():
        return "No series was made; the table of steps says how far the run has come."
    times = [str(time)[:10] for time in read_tables(path)["date"]]
    return f"Displacement along the line of sight, {len(times)} dates from {times[0]} to {times[-1]}."


# ---------------------------------------------------------------------------------------------------------- key figures


def key_figures(run: SbasSetting) -> list[tuple[str, str]]:
    """Return the key figures of a run as (name, text)."""
    rows: list[tuple[str, str]] = []
    if run.work.is_loaded:
        rows += _stack_rows(run)
    mask = reliable(run)
    if mask is not None:
        rows.append(("Pixels of sufficient temporal coherence", f"{int(mask.sum())} of {mask.size}"))
        level = read_map(run.work / at.TEMPORAL_COHERENCE)
        rows.append(
            ("Temporal coherence there, median", number_text(float(np.median(level[mask]))) if mask.any() else "")
        )
    if (run.work / at.VELOCITY).exists():
        rows += _velocity_rows(run)
    return rows


def _stack_rows(run: SbasSetting) -> list[tuple[str, str]]:
    stack = run.stack()
    days = [pair.days for pair, kept in zip(stack.pairs, stack.keep, strict=True) if kept]
    rows = [
        ("Map", f"{stack.shape[2]} x {stack.shape[1]} pixels"),
        ("Pairs used", f"{int(stack.keep.sum())} of {len(stack.pairs)}, {min(days):.0f} to {max(days):.0f} days"),
        ("Perpendicular baselines", f"{stack.bperp.min():.0f} to {stack.bperp.max():.0f} m"),
    ]
    if stack.reference is not None:
        known = {"REF_LAT", "REF_LON"} <= set(stack.attributes)
        place = [f"{float(stack.attributes[name]):.5f}" for name in ("REF_LAT", "REF_LON") if known]
        where = f", latitude {place[0]}, longitude {place[1]}" if place else ""
        rows.append(("Reference pixel", f"row {stack.reference[0]}, column {stack.reference[1]}{where}"))
    return rows


def _velocity_rows(run: SbasSetting) -> list[tuple[str, str]]:
    path = run.work / at.VELOCITY
    rate = read_map(path, "velocity").astype(np.float64) * _MM
    mask = reliable(run)
    inside = np.isfinite(rate) & (rate != 0) & (mask if mask is not None else np.ones(rate.shape, bool))
    rows = [("Reference date", read_attributes(path).get("REF_DATE", ""))]
    if inside.any():
        low, high = np.percentile(rate[inside], [_TAIL, 100 - _TAIL])
        rows.append(("Velocity, 2nd to 98th percentile", f"{number_text(low)} to {number_text(high)} mm/yr"))
    return rows
