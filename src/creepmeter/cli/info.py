"""creepmeter info."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from creepmeter.cli.flags import PRODUCT
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say

if TYPE_CHECKING:
    import numpy.typing as npt

    from creepmeter.io.mintpy.listing import FileListing
    from creepmeter.workflow.description import Description, VariableDescription

_COMPACT = 20  # attributes that --compact shows
_MOST = 12  # entries of a list that are printed; --json has all


@click.command(cls=Verb, example="creepmeter info run/velocity.zarr")
@click.argument("file", type=PRODUCT)
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with every date and pair.")
@click.option("--compact", is_flag=True, help="Of a MintPy file, show the first attributes only.")
@click.option("--dset", metavar="NAME", help="Print the values of one dataset, such as date or bperp.")
@click.option("--date", "dates", is_flag=True, help="List dates, or pairs as DATE_DATE, one on a line.")
@click.option("--num", "numbered", is_flag=True, help="As --date, with numbers, from 0.")
@click.option("--slice", "slices", is_flag=True, help="List the maps, such as timeseries-20180105.")
@click.option(
    "--show",
    "--show-ifgram",
    type=click.Choice(["all", "kept", "dropped"]),
    default="all",
    show_default=True,
    help="Pairs to list.",
)
def command(
    file: Path,
    as_json: bool,
    compact: bool,
    show: Literal["all", "kept", "dropped"],
    **listing: Any,  # noqa: ANN401 - flags that list one thing
) -> None:
    """Say what a product holds.

    Kind, grid, dates, network, variables with the share that is valid, and where the product comes from. Of a large
    variable only a part is read. Of a file in MintPy's layout, its datasets and attributes under their own names as
    well.
    """
    from creepmeter.workflow import description

    if listing["dset"] is not None:
        click.echo(_values(description.read_values(file, listing["dset"])))
    elif listing["dates"] or listing["numbered"]:
        for k, text in enumerate(description.list_dates(file, show)):
            click.echo(f"{text}\t{k}" if listing["numbered"] else text)
    elif listing["slices"]:
        click.echo("\n".join(description.list_slices(file)))
    else:
        _tell(file, description.describe(file), as_json=as_json, compact=compact)


def _tell(file: Path, found: Description, *, as_json: bool, compact: bool) -> None:
    if as_json:
        click.echo(json.dumps({"file": str(file), **found.as_dict()}, indent=1))
        return
    say(f"{file}: {found.kind}" + (f", MintPy {found.mintpy.file_type}" if found.mintpy is not None else ""))
    for name, text in _facts(found):
        say(f"  {name:<14} {text}")
    if found.variables:
        say("variables")
    for name, variable in found.variables.items():
        say(f"  {name:<22} {_about(variable)}")
    for line in _mintpy(found.mintpy, compact=compact):
        say(line)
    for line in _origin(found.provenance):
        say(line)


def _values(values: npt.NDArray[Any]) -> str:
    """Return values as text: rows of text on lines, numbers as numpy prints them."""
    if values.dtype.kind in "SU" and values.size:
        rows = values.astype(str).reshape(len(values), -1) if values.ndim else values.astype(str).reshape(1, 1)
        return "\n".join(" ".join(row) for row in rows)
    return str(values)


def _mintpy(found: FileListing | None, *, compact: bool) -> Iterator[str]:
    if found is None:
        return
    yield f"file in MintPy's layout, {found.coordinates} coordinates"
    for entry in found.datasets:
        packed = "" if entry.compression == "none" else f", {entry.compression}"
        unit = f", {entry.attributes['UNIT']}" if "UNIT" in entry.attributes else ""
        yield f"  {entry.name:<28} {' x '.join(map(str, entry.shape)) or 'scalar'} {entry.dtype}{packed}{unit}"
    yield "attributes"
    names = [name for name in sorted(found.attributes) if not name.startswith("CREEPMETER_")]
    for name in names[:_COMPACT] if compact else names:
        yield f"  {name:<40} {found.attributes[name]}"
    if compact and len(names) > _COMPACT:
        yield f"  ... {len(names) - _COMPACT} more, seen without --compact"


def _facts(found: Description) -> Iterator[tuple[str, str]]:
    facts = {
        "grid": found.grid or "none",
        "components": ", ".join(found.components),
        "terms": ", ".join(found.terms),
        "dates": f"{len(found.dates)}: {_listed(found.dates)}" if found.dates else "",
        "network": found.network,
        "pairs": f"{len(found.pairs)}: {_listed(found.pairs, '; ')}" if found.pairs else "",
    }
    yield from ((name, text) for name, text in facts.items() if text)
    shown = (
        "reference_time",
        "reference_pixel",
        "wavelength_m",
        "looks",
        "dataset",
        "chip_px",
        "step_px",
        "cycle_m",
        "stable_model",
        "skipped",
    )
    yield from ((name, found.attributes[name]) for name in shown if name in found.attributes)


def _listed(items: tuple[str, ...], joint: str = ", ") -> str:
    if len(items) <= _MOST:
        return joint.join(items)
    return joint.join([*items[: _MOST - 1], "...", items[-1]])


def _about(variable: VariableDescription) -> str:
    shape = ", ".join(f"{dim} {size}" for dim, size in zip(variable.dims, variable.shape, strict=True))
    about = "" if variable.sampled is False else "about "
    share = "" if variable.valid_share is None else f", {about}{100 * variable.valid_share:.1f} % valid"
    unit = "" if variable.unit in ("", "1") else f" in {variable.unit}"
    meaning = f": {variable.meaning}" if variable.meaning else ""
    return f"({shape}) {variable.dtype}{unit}{share}{meaning}"


def _origin(provenance: Mapping[str, Any]) -> Iterator[str]:
    if not provenance:
        return
    yield "provenance"
    for name in ("creepmeter_version", "created"):
        yield f"  {name:<20} {provenance.get(name, 'unknown')}"
    inputs = provenance.get("inputs")
    if isinstance(inputs, dict) and inputs:
        yield f"  {'inputs':<20} {len(inputs)}: {_listed(tuple(inputs))}"
    options = provenance.get("options")
    if isinstance(options, dict):
        yield f"  {'options':<20} {', '.join(f'{key}={value}' for key, value in options.items())}"
