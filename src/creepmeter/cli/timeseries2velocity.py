"""creepmeter timeseries2velocity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, changed, memory_flag, require_other, writable
from creepmeter.cli.listing import ListVerb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.velocity.options import TimeFunctionOptions

_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}(T\d+)?")


@click.command(
    cls=ListVerb,
    example="creepmeter timeseries2velocity timeseries.h5 --periodic 1 0.5 --step 20190401 --exp 20190401 60",
    holds=("target", "series"),
)
@click.argument("series", type=FILE)
@click.option("-t", "--template", type=FILE, help="Take options from a MintPy template; flags count more.")
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default velocity.h5.")
@click.option("-s", "--start-date", help="First date used, YYYYMMDD.")
@click.option("-e", "--end-date", help="Last date used, YYYYMMDD.")
@click.option("--ex", "--ex-date", "exclude_date", multiple=True, help="Dates left out, or text files of dates.")
@click.option(
    "--uq",
    "--uncertainty",
    "uncertainty_quantification",
    metavar="[residue|covariance|bootstrap]",
    help="Where the standard errors come from.",
)
@click.option("--ts-cov", "--ts-cov-file", "time_series_cov_file", help="Stack, or covariance of the series.")
@click.option("--bc", "--bootstrap-count", "bootstrap_count", type=int, help="Resamplings of the dates.")
@click.option("--poly", "--polynomial", "--poly-order", "polynomial", type=int, help="Degree of the polynomial.")
@click.option("--periodic", "--period", "--peri", "periodic", multiple=True, help="Periods in years, 1 = annual.")
@click.option("--step", "--step-date", "step_date", multiple=True, help="Dates of steps.")
@click.option("--polyline", multiple=True, help="Dates from which the rate is another.")
@click.option("--exp", "--exponential", "exp", multiple=True, help="Onset and times in days: 20181026 60 120.")
@click.option("--log", "--logarithmic", "log", multiple=True, help="Onset and times in days: 20181026 60 120.")
@click.option("--ref-date", help="Date that the series is relative to for the fit.")
@click.option(
    "--ref-yx", type=int, nargs=2, metavar="ROW COLUMN", help="Pixel that the series is relative to for the fit."
)
@click.option("--ref-lalo", type=float, nargs=2, metavar="LAT LON", help="The same by latitude and longitude, degrees.")
@memory_flag
def command(
    series: Path,
    template: Path | None,
    target: Path | None,
    ref_lalo: tuple[float, float] | None,
    memory_gb: float,
    **given: str | int | Sequence[str] | None,
) -> None:
    """Fit velocity and other functions of time to a series (MintPy)."""
    from creepmeter.io.mintpy.product import list_datasets
    from creepmeter.workflow.sbas.velocity import fit_velocity_file

    options = _options(template, given)
    if ref_lalo is not None:
        options = changed(options, ref_yx=_pixel(series, ref_lalo, given))
    from creepmeter.workflow.sbas.folder import VELOCITIES, VELOCITY

    target = writable(target) if target is not None else series.parent / VELOCITIES.get(series.name, VELOCITY)
    require_other(series, target)
    announce_compilation()
    with shown_progress() as progress:
        fit_velocity_file(series, target, options, memory_gb=memory_gb, progress=progress)
    say(f"{target}: {', '.join(list_datasets(target))}")


def _pixel(series: Path, lalo: tuple[float, float], given: Mapping[str, object]) -> tuple[int, int]:
    from creepmeter.workflow.sbas.places import pixel_of_product

    if given["ref_yx"] is not None:
        message = "give one of --ref-yx and --ref-lalo"
        raise click.UsageError(message)
    return pixel_of_product(series, lalo)


def _options(template: Path | None, given: dict[str, str | int | Sequence[str] | None]) -> TimeFunctionOptions:
    values = {name: _values(name, value) for name, value in given.items() if value not in (None, ())}
    if template is None:
        return build(TimeFunctionOptions, {"exclude_date": (), **values})
    from creepmeter.workflow.sbas.template import read_template

    return changed(read_template(template).velocity, **values)


def _values(name: str, value: str | int | Sequence[str] | None) -> object:
    """Return what the model takes: lists may be separated by commas, decays are MintPy's onset and times."""
    if not isinstance(value, tuple) or name == "ref_yx":
        return value
    parts = [part for text in value for part in text.split(",") if part]
    return tuple(_decays(parts) if name in ("exp", "log") else parts)


def _decays(parts: Sequence[str]) -> list[str]:
    """Return ``DATE:DAYS`` for every time after a date; a date without any stays as it is, and is refused later."""
    groups: list[list[str]] = []
    for part in parts:
        if _DATE.fullmatch(part) or ":" in part or not groups:
            groups.append([part])
        else:
            groups[-1].append(part)
    return [text for onset, *scales in groups for text in ([f"{onset}:{scale}" for scale in scales] or [onset])]
