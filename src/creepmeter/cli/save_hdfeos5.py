"""creepmeter save hdfeos5, creepmeter save-hdfeos5."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.exports import geometry_flag
from creepmeter.cli.flags import FILE, changed, options_from
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.products.hdfeos5_options import EosOptions

_BESIDE = "default: beside the series."


@click.command(cls=Verb, example="creepmeter save hdfeos5 geo/geo_timeseries_ERA5_ramp_demErr.h5")
@click.argument("file", type=FILE)
@click.option("-t", "--template", type=FILE, help="Template with the options mintpy.save.hdfEos5.* and attributes.")
@click.option("--tc", "--temp-coh", "temporal", type=FILE, help=f"Temporal coherence; {_BESIDE}")
@click.option("--asc", "--avg-spatial-coh", "spatial", type=FILE, help=f"Average spatial coherence; {_BESIDE}")
@click.option("-m", "--mask", "mask_file", type=FILE, help=f"Mask of reliable pixels; {_BESIDE}")
@geometry_flag
@click.option("--attribute", "given", multiple=True, metavar="NAME=VALUE", help="Attribute that the series lacks.")
@click.option(
    "-o", "--output", "folder", type=click.Path(file_okay=False, path_type=Path), help="Folder; default: here."
)
@options_from(EosOptions)
def command(
    file: Path,
    template: Path | None,
    temporal: Path | None,
    spatial: Path | None,
    mask_file: Path | None,
    geometry_file: Path | None,
    given: tuple[str, ...],
    folder: Path | None,
    options: EosOptions,
) -> None:
    """Save a series with quality and geometry as HDF-EOS5.

    The name tells satellite, swath, relative orbit, frames and dates.
    """
    from creepmeter.products.beside import MASK, SPATIAL_COHERENCE, TEMPORAL_COHERENCE, beside, geometry_beside
    from creepmeter.products.hdfeos5 import EosInputs, save_hdfeos5

    more: dict[str, str] = {}
    if template is not None:
        from creepmeter.workflow.sbas.template import read_template

        read = read_template(template)
        more |= read.attributes
        asked = {name: bool(read[f"save.hdfEos5.{name}"]) for name in ("update", "subset")}
        options = changed(options, **{name: True for name, value in asked.items() if value})
    more |= dict(_parted(text) for text in given)
    inputs = EosInputs(
        file,
        temporal or beside(file, TEMPORAL_COHERENCE),
        spatial or beside(file, SPATIAL_COHERENCE),
        mask_file or beside(file, MASK),
        geometry_beside(file, geometry_file),
    )
    say(str(save_hdfeos5(inputs, folder or Path(), options, more=more)))


def _parted(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        message = f"--attribute {text}: write NAME=VALUE, such as beam_mode=IW"
        raise click.UsageError(message)
    return name, value
