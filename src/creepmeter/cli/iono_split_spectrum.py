"""creepmeter iono-split-spectrum."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import announce_compilation, say

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Verb,
    example="creepmeter iono-split-spectrum -f timeseries.h5 --iono-stack-file inputs/ionStack.h5",
    holds=("target", "series", "ion"),
)
@click.option("-f", "--file", "series", type=FILE, help="Series to correct.")
@click.option("-t", "--template", type=FILE, help="MintPy template: dates and pairs that are left out.")
@click.option(
    "--iono-stack-file",
    "stack",
    type=FILE,
    default="inputs/ionStack.h5",
    show_default=True,
    help="Phase of the ionosphere per pair.",
)
@click.option("--ex-date", "--exclude-date", "dates", multiple=True, help="Dates, all pairs of which are left out.")
@click.option("--ex-date12", "--exclude-date12", "pairs", multiple=True, help="Pairs that are left out.")
@click.option("--ref-yx", type=int, nargs=2, metavar="ROW COLUMN", help="Reference pixel.  [default: of the series]")
@click.option("--iono-file", "ion", type=_OUT, default="ion.h5", show_default=True, help="Series of the ionosphere.")
@click.option("-o", "--output", "target", type=_OUT, help="Corrected series; default with _ion in its name.")
@memory_flag
def command(
    series: Path | None,
    template: Path | None,
    stack: Path,
    dates: tuple[str, ...],
    pairs: tuple[str, ...],
    ref_yx: tuple[int, int] | None,
    ion: Path,
    target: Path | None,
    memory_gb: float,
) -> None:
    """Take the ionosphere of split-spectrum pairs from a series.

    Phase per pair is inverted into a series, all pairs with the same weight.
    """
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.ionosphere import make_ionosphere_series, subtract_ionosphere

    opened = StackFile.open(stack)
    reference = ref_yx or _reference_of(series) or opened.reference
    if reference is None:
        message = f"{stack} has no reference pixel: give --ref-yx, or a series (-f)"
        raise click.UsageError(message)
    exclude = [part for text in (*dates, *pairs) for part in text.split(",")] + _excluded(template)
    names = (ion.name, f"temporalCoherence{_capital(ion)}.h5", f"numInv{_capital(ion)}.h5")
    announce_compilation()
    with shown_progress() as progress:
        made = make_ionosphere_series(
            opened,
            writable(ion).absolute().parent,
            reference,
            exclude=exclude,
            names=names,
            memory_gb=memory_gb,
            progress=progress,
        )
        say(f"{made}: ionosphere, relative to row {reference[0]}, column {reference[1]}")
        if series is None:
            return
        target = writable(target or series.with_name(f"{series.stem}_ion.h5"))
        require_other(series, target)
        done = subtract_ionosphere(series, made, target, memory_gb=memory_gb, progress=progress)
    say(f"{done.path}: without it")
    end_with(tuple(done.notes))


def _capital(ion: Path) -> str:
    return ion.stem[:1].upper() + ion.stem[1:]


def _reference_of(series: Path | None) -> tuple[int, int] | None:
    from creepmeter.io.mintpy.product import read_attributes

    held = {} if series is None else read_attributes(series)
    return (int(held["REF_Y"]), int(held["REF_X"])) if "REF_Y" in held and "REF_X" in held else None


def _excluded(template: Path | None) -> list[str]:
    if template is None:
        return []
    from creepmeter.workflow.sbas.template import read_template

    read = read_template(template)
    found: list[str] = []
    for name in ("excludeDate", "excludeDate12"):
        value = read[f"ionosphericDelay.{name}"]
        found += [value] if isinstance(value, str) else [str(each) for each in value or ()]  # type: ignore[attr-defined]
    return found
