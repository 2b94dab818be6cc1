"""creepmeter info."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from creepmeter.cli.flags import PRODUCT
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say

if TYPE_CHECKING:
    from creepmeter.workflow.description import Description, VariableDescription

_MOST = 12  # entries of a list that are printed; --json has all


@click.command(cls=Verb, example="creepmeter info run/velocity.zarr")
@click.argument("file", type=PRODUCT)
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with every date and pair.")
def command(file: Path, as_json: bool) -> None:
    """Say what a product holds.

    Kind, grid, dates, network, variables with the share that is valid, and where the product comes from. Of a large
    variable only a part is read.
    """
    from creepmeter.workflow.description import describe

    found = describe(file)
    if as_json:
        click.echo(json.dumps({"file": str(file), **found.as_dict()}, indent=1))
        return
    say(f"{file}: {found.kind}")
    for name, text in _facts(found):
        say(f"  {name:<14} {text}")
    if found.variables:
        say("variables")
    for name, variable in found.variables.items():
        say(f"  {name:<22} {_about(variable)}")
    for line in _origin(found.provenance):
        say(line)


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
    shown = ("reference_time", "chip_px", "step_px", "cycle_m", "stable_model", "skipped")
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
