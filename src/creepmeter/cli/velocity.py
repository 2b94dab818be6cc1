"""creepmeter velocity."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import PRODUCT, changed, memory_flag, options_from, require_other, store_out
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.velocity.options import VelocityOptions

_PERIODS = {1.0: "annual", 0.5: "semiannual"}


@click.command(cls=Verb, example="creepmeter velocity timeseries.zarr --periodic 1 --step 20190401 -o velocity.zarr")
@click.argument("series", type=PRODUCT)
@store_out
@click.option("--quadratic", is_flag=True, help="Fit an acceleration as well.")
@click.option(
    "--periodic", "periods", type=float, multiple=True, help="Fit a season: 1 = annual, 0.5 = semiannual, years."
)
@click.option("--step", "steps", multiple=True, metavar="YYYYMMDD", help="Fit a step on this date.")
@click.option("--polyline", "bends", multiple=True, metavar="YYYYMMDD", help="Fit another rate from this date on.")
@click.option(
    "--exp", "exps", multiple=True, metavar="YYYYMMDD:DAYS", help="Fit an exponential decay from this date on."
)
@click.option("--log", "logs", multiple=True, metavar="YYYYMMDD:DAYS", help="Fit a logarithm from this date on.")
@options_from(VelocityOptions)
@memory_flag
def command(
    series: Path,
    target: Path,
    quadratic: bool,
    periods: tuple[float, ...],
    steps: tuple[str, ...],
    bends: tuple[str, ...],
    exps: tuple[str, ...],
    logs: tuple[str, ...],
    memory_gb: float,
    options: VelocityOptions,
) -> None:
    """Fit velocity and other terms to displacement per date."""
    from creepmeter.workflow.description import describe
    from creepmeter.workflow.series import velocity_store

    onsets = {"step": steps, "polyline": bends, "exp": exps, "log": logs}
    dated = [f"{kind}:{text}" for kind, texts in onsets.items() for text in texts]
    added = [*(["quadratic"] if quadratic else []), *map(_season, periods), *dated]
    options = changed(options, terms=tuple(dict.fromkeys((*options.terms, *added))))
    require_other(series, target)
    announce_compilation()
    with shown_progress() as progress:
        velocity_store(series, target, options, memory_gb=memory_gb, progress=progress)
    found = describe(target)
    share = found.variables["value"].valid_share or 0.0
    say(f"{target}: {', '.join(found.terms)}; {100 * share:.1f} % of the map")


def _season(period: float) -> str:
    return _PERIODS.get(period, f"periodic:{period!r}")
