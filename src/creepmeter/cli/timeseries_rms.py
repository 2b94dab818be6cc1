"""creepmeter timeseries-rms."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, changed, memory_flag
from creepmeter.cli.group import Verb
from creepmeter.cli.listing import from_here
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.corrections.series_options import ResidualOptions

_FLAGS = {"mask_file": ("-m",), "deramp": ("-r",), "cutoff": ("--cutoff",)}


@click.command(
    cls=Verb,
    example="creepmeter timeseries-rms timeseriesResidual.h5 -m maskTempCoh.h5 --cutoff 3",
    holds=("series",),
)
@click.argument("series", type=FILE)
@click.option("-t", "--template", type=FILE, help="Take options from a MintPy template; flags count more.")
@click.option("-m", "--mask", "mask_file", help="Pixels that count; no: all.  [default: maskTempCoh.h5]")
@click.option(
    "-r", "--ramp", "--deramp", metavar="[quadratic|linear|no]", help="Ramp taken off first.  [default: quadratic]"
)
@click.option("--cutoff", type=float, help="Dates are noisy above this times the robust spread.  [default: 3]")
@memory_flag
def command(
    series: Path,
    template: Path | None,
    mask_file: str | None,
    deramp: str | None,
    cutoff: float | None,
    memory_gb: float,
) -> None:
    """Find noisy dates and the quietest one by their residuals (MintPy)."""
    from creepmeter.io.mintpy.dates import written
    from creepmeter.workflow.sbas.residuals import judge_residuals

    values: dict[str, object] = {"deramp": deramp, "cutoff": cutoff}
    given = {name: value for name, value in values.items() if value is not None}
    if mask_file is not None:
        given["mask_file"] = None if mask_file in ("no", "none") else from_here(mask_file)
    options = _options(template, given)
    announce_compilation()
    with shown_progress() as progress:
        found = judge_residuals(series, options, memory_gb=memory_gb, progress=progress)
    judged = found.dates
    noisy = ", ".join(written(date) for date in judged.dates[judged.noisy]) or "none"
    say(f"reference date: {written(judged.dates[judged.quietest])}")
    say(f"noisy dates, above {1e3 * judged.threshold_m:.1f} mm: {noisy}")
    for path in found.files:
        say(f"{path}")


def _options(template: Path | None, given: dict[str, object]) -> ResidualOptions:
    if template is None:
        return build(ResidualOptions, given, _FLAGS)
    from creepmeter.workflow.sbas.template import read_template

    return changed(read_template(template).residual, **given)
