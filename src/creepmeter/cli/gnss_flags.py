"""Flags of GNSS stations, in MintPy's spellings of today and of its tutorial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from creepmeter.cli.flags import FILE, build
from creepmeter.validation.gnss_options import GnssOptions, StationComponent

F = TypeVar("F", bound=Callable[..., Any])
_OF_OPTIONS = {
    "gnss_source": "source",
    "gnss_dir": "folder",
    "gnss_server": "server",
    "gnss_comp": "component",
    "ref_gnss": "reference",
    "ex_gnss": "exclude",
    "gnss_start_date": "start_date",
    "gnss_end_date": "end_date",
    "horz_az": "horz_az",
    "gnss_min_dates": "min_dates",
    "gnss_redo": "redo",
}
_FOLDER = click.Path(file_okay=False, path_type=Path)


def _text(field: str) -> str:
    return " ".join((GnssOptions.model_fields[field].description or "").replace("`", "").split())


def gnss_flags(function: F) -> F:
    """Add the flags; the command takes them out of what it is given with `gnss_options`."""
    flags = [
        click.option(
            "--gnss-source",
            "--gnss-src",
            "--gps-source",
            type=click.Choice(["UNR", "GENERIC"]),
            help=_text("source"),
        ),
        click.option("--gnss-dir", "--gps-dir", type=_FOLDER, metavar="DIR", help=_text("folder")),
        click.option("--gnss-server", metavar="URL", help=_text("server")),
        click.option(
            "--gnss-comp", "--gps-comp", type=click.Choice(get_args(StationComponent)), help=_text("component")
        ),
        click.option("--ref-gnss", "--ref-gps", metavar="STATION", help=_text("reference")),
        click.option("--ex-gnss", "--ex-gps", multiple=True, metavar="STATION", help=_text("exclude")),
        click.option("--gnss-start-date", "--gps-start-date", metavar="YYYYMMDD", help=_text("start_date")),
        click.option("--gnss-end-date", "--gps-end-date", metavar="YYYYMMDD", help=_text("end_date")),
        click.option("--horz-az", "--hz-az", type=float, help=_text("horz_az")),
        click.option("--gnss-min-dates", type=click.IntRange(min=2), help=_text("min_dates")),
        click.option("--gnss-redo", "--gps-redo", is_flag=True, default=None, help=_text("redo")),
        click.option(
            "--geometry", type=FILE, help="Angles of the map.  [default: inputs/geometry*.h5 beside the product]"
        ),
    ]
    for flag in reversed(flags):
        function = flag(function)
    return function


def gnss_options(given: dict[str, Any]) -> GnssOptions:
    """Return the options of the flags, which are taken out of `given`."""
    taken = {field: given.pop(flag) for flag, field in _OF_OPTIONS.items()}
    values = {field: value for field, value in taken.items() if value not in (None, ())}
    values["exclude"] = tuple(part for text in taken["exclude"] for part in text.split(",") if part)
    return build(GnssOptions, values)
