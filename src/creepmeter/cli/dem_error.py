"""creepmeter dem-error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, changed, memory_flag, require_other, writable
from creepmeter.cli.listing import ListVerb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.corrections.series_options import TopographyOptions

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=ListVerb,
    example="creepmeter dem-error timeseries_ERA5_ramp.h5 -g inputs/geometryRadar.h5 --step-date 20190401",
    holds=("target", "series"),
)
@click.argument("series", type=FILE)
@click.option(
    "-g", "--geometry", type=FILE, help="Incidence and slant range of every pixel; left out: those of the centre."
)
@click.option("-o", "--outfile", "target", type=_OUT, help="Corrected series. Default NAME_demErr.h5.")
@click.option("--dem-err-file", "--dem-error-file", "height_error", type=_OUT, help="Default demErr.h5.")
@click.option("-t", "--template", type=FILE, help="Take options from a MintPy template; flags count more.")
@click.option("--ex", "--exclude", "exclude_date", multiple=True, help="Dates left out, or text files of dates.")
@click.option("-p", "--poly-order", "poly_order", type=int, help="Degree of the motion in time.  [default: 2]")
@click.option("-s", "--step-date", "step_date", multiple=True, help="Dates of steps in the motion, YYYYMMDD.")
@click.option("--periodic", "--period", "--peri", "periodic", multiple=True, help="Periods in years, 1 = annual.")
@click.option("--phase-velocity", is_flag=True, default=None, help="Fit the rate between dates, not displacement.")
@memory_flag
def command(
    series: Path,
    geometry: Path | None,
    target: Path | None,
    height_error: Path | None,
    template: Path | None,
    memory_gb: float,
    **given: str | int | Sequence[str] | None,
) -> None:
    """Correct a series for the error of the heights (MintPy)."""
    from creepmeter.workflow.sbas.folder import HEIGHT_ERROR, RESIDUAL
    from creepmeter.workflow.sbas.topography import Targets, correct_topography

    options = _options(template, given)
    place = writable(target or series.with_name(f"{series.stem}_demErr.h5"))
    height = writable(height_error or place.with_name(HEIGHT_ERROR))
    targets = Targets(place, height, place.with_name(RESIDUAL))
    for path in targets:
        require_other(series, path)
    announce_compilation()
    with shown_progress() as progress:
        correct_topography(series, targets, geometry, options, memory_gb=memory_gb, progress=progress)
    for path in targets:
        say(f"{path}")


def _options(template: Path | None, given: dict[str, str | int | Sequence[str] | None]) -> TopographyOptions:
    values = {name: _split(value) for name, value in given.items() if value not in (None, ())}
    if template is None:
        return build(TopographyOptions, {"exclude_date": (), **values})
    from creepmeter.workflow.sbas.template import read_template

    return changed(read_template(template).topography, **values)


def _split(value: str | int | Sequence[str] | None) -> object:
    """Return lists, whose values may be separated by commas."""
    return tuple(part for text in value for part in text.split(",") if part) if isinstance(value, tuple) else value
