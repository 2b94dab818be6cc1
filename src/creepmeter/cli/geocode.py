"""creepmeter geocode."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.geometry.options import GeocodeOptions


@click.command(
    cls=Verb,
    example="creepmeter geocode velocity.h5 timeseries.h5 -l inputs/geometryRadar.h5 --outdir geo",
    holds=("output", "outdir", "files"),
)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "-l",
    "--lookup",
    type=FILE,
    help="Geometry with latitude and longitude, or with a table of azimuthCoord and rangeCoord on a map.  "
    "[default: inputs/geometryRadar.h5 or geometryGeo.h5]",
)
@click.option("--geo2radar", "--geo2rdr", "backward", is_flag=True, help="From the map to radar coordinates.")
@click.option("-t", "--template", type=FILE, help="Take options from a MintPy template; flags count more.")
@click.option("-b", "--bbox", "snwe", type=float, nargs=4, metavar="S N W E", help="Area of the map, degrees.")
@click.option(
    "--lalo", "--lalo-step", "lalo_step", type=float, nargs=2, metavar="LAT LON", help="Steps of the map, degrees."
)
@click.option("-i", "--interp", "interp_method", metavar="[nearest|linear]", help="How values are taken.")
@click.option("-n", "--fill", "fill_value", help="Value where there is no pixel.  [default: nan]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: geo_NAME or rdr_NAME.")
@click.option(
    "--outdir", "--output-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder of the results."
)
@memory_flag
def command(
    files: tuple[Path, ...],
    lookup: Path | None,
    backward: bool,
    template: Path | None,
    output: Path | None,
    outdir: Path | None,
    memory_gb: float,
    **given: object,
) -> None:
    """Bring products from radar coordinates to a map, or back (MintPy)."""
    from creepmeter.workflow.sbas.geocoder import Geocoder
    from creepmeter.workflow.sbas.layers import named_target

    options = _options(template, {name: value for name, value in given.items() if value is not None})
    prefix = "rdr_" if backward else "geo_"
    targets = [writable(named_target(file, prefix, outdir=outdir, output=output, files=files)) for file in files]
    for file, target in zip(files, targets, strict=True):
        require_other(file, target)
    announce_compilation()
    with shown_progress() as progress:
        geocoder = Geocoder(options, lookup, memory_gb, progress)
        for file, target in zip(files, targets, strict=True):
            (geocoder.to_radar if backward else geocoder.to_map)(file, target)
            say(f"{target}")


def _options(template: Path | None, given: dict[str, object]) -> GeocodeOptions:
    if template is None:
        return build(GeocodeOptions, given)
    from creepmeter.workflow.sbas.template import read_template

    return read_template(template).geocoding.override(given, step="geocode")
