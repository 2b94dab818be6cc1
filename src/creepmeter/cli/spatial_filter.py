"""creepmeter spatial-filter."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, memory_flag, require_other, writable
from creepmeter.cli.listing import ListVerb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.filters.options import DEFAULTS, SpatialFilterOptions

_FLAGS = {"filter_type": ("-f",), "filter_par": ("-p",)}


@click.command(
    cls=ListVerb,
    example="creepmeter spatial-filter velocity.h5 -f highpass_gaussian -p 3",
    holds=("target", "file"),
)
@click.argument("file", type=FILE)
@click.argument("names", metavar="[DATASET]...", nargs=-1)
@click.option(
    "-f",
    "filter_type",
    default="lowpass_gaussian",
    show_default=True,
    metavar=f"[{'|'.join(DEFAULTS)}]",
    help="Filter; lp_ and hp_ are short for lowpass_ and highpass_.",
)
@click.option(
    "-p", "--filter-par", "--filter_par", "filter_par", multiple=True, help="Its parameters, pixels; see below."
)
@click.option(
    "-o", "--outfile", "--output", "target", type=click.Path(dir_okay=False, path_type=Path),
    help="Default FILE_FILTER.h5.",
)  # fmt: skip
@memory_flag
def command(
    file: Path,
    names: tuple[str, ...],
    filter_type: str,
    filter_par: tuple[str, ...],
    target: Path | None,
    memory_gb: float,
) -> None:
    """Filter the maps of a product in space.

    What was not measured stays so and influences nothing: NaN, and zero in series, velocities and stacks.

    Parameters: standard deviation of a Gaussian (default 3), edge of an average (5), radius of a median (5), inner and
    outer radius of the double difference (1 10), narrow and wide standard deviation of the difference of Gaussians (1
    10).
    """
    from creepmeter.workflow.sbas.filters import filter_file

    sizes = tuple(part for text in filter_par for part in text.split(",") if part)
    options = build(SpatialFilterOptions, {"filter_type": filter_type, "filter_par": sizes}, _FLAGS)
    place = writable(target or file.with_name(f"{file.stem}_{options.filter_type}{file.suffix}"))
    require_other(file, place)
    announce_compilation()
    with shown_progress() as progress:
        filter_file(file, place, options, names=names, memory_gb=memory_gb, progress=progress)
    say(f"{place}: {options.filter_type} {' '.join(f'{size:g}' for size in options.parameters)}".rstrip())
