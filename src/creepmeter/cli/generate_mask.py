"""creepmeter generate-mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE, build, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.stack.mask import MaskOptions

_DEFAULTS = {"temporalCoherence": "maskTempCoh.h5", "coherence": "maskSpatialCoh.h5", "ifgramStack": "maskConnComp.h5"}
_RANGE = click.Tuple((int, int))
_CIRCLE = click.Tuple((float, float, float))


@click.command(
    cls=Verb,
    example="creepmeter generate-mask temporalCoherence.h5 -m 0.7 -o maskTempCoh.h5",
    holds=("target",),
)
@click.argument("file", type=FILE)
@click.argument("name", required=False)
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Mask to make.")
@click.option("-m", "--min", "minimum", type=float, help="Smallest value kept.")
@click.option("-M", "--max", "maximum", type=float, help="Largest value kept.")
@click.option("-p", "--mp", "--minpixels", "min_pixels", type=click.IntRange(1), help="Smallest cluster kept, pixels.")
@click.option("--keep-nan", is_flag=True, help="Keep pixels without a value.")
@click.option("--revert", is_flag=True, help="Swap what is kept and what is not, at the end.")
@click.option("--vx", "threshold_x", type=_RANGE, metavar="X0 X1", help="Columns where -m and -M count.")
@click.option("--vy", "threshold_y", type=_RANGE, metavar="Y0 Y1", help="Rows where -m and -M count.")
@click.option("-x", "--sub-x", "x", type=_RANGE, metavar="X0 X1", help="Columns kept.")
@click.option("-y", "--sub-y", "y", type=_RANGE, metavar="Y0 Y1", help="Rows kept.")
@click.option(
    "--ex-circle", "exclude_circles", type=_CIRCLE, multiple=True, metavar="X Y R", help="Circle left out, pixels."
)
@click.option(
    "--in-circle", "include_circles", type=_CIRCLE, multiple=True, metavar="X Y R", help="Circle kept, pixels."
)
@click.option("--base", type=FILE, help="Map: pixels where it has --base-value are left out.")
@click.option("--base-dset", "--base-dataset", "base_name", help="Dataset of --base.")
@click.option("--base-value", type=float, default=0.0, show_default=True, help="Value of --base that is left out.")
@click.option("--vstd", is_flag=True, help="Keep |velocity| above --vstd-num times its standard error.")
@click.option("--vstd-num", type=click.FloatRange(0), default=2.0, show_default=True, help="Multiple for --vstd.")
@click.option("--nonzero", is_flag=True, help="Of a stack: pixels that lie in a component in every used pair.")
@memory_flag
def command(file: Path, name: str | None, target: Path | None, memory_gb: float, **flags: Any) -> None:  # noqa: ANN401
    """Make a mask from a map: True where its values are kept.

    NAME is a dataset such as height, or one layer such as unwrapPhase-20180105_20180129.
    """
    from creepmeter.io.mintpy.product import read_attributes

    kind = read_attributes(file).get("FILE_TYPE", "")
    place = writable(target or Path(_DEFAULTS.get(kind, "mask.h5")))
    require_other(file, place)
    nonzero, vstd, vstd_num = (flags.pop(key) for key in ("nonzero", "vstd", "vstd_num"))
    base, base_name = flags.pop("base"), flags.pop("base_name")
    if nonzero and kind == "ifgramStack":
        share = _of_stack(file, place, memory_gb)
    else:
        from creepmeter.workflow.sbas.masks import make_mask_file

        options = build(MaskOptions, flags)
        share = make_mask_file(
            file,
            place,
            options,
            name=name,
            base=None if base is None else (base, base_name),
            nonzero=nonzero,
            above_error=vstd_num if vstd else None,
        )
    say(f"{place}: {100 * share:.1f} % of the pixels are kept")


def _of_stack(file: Path, target: Path, memory_gb: float) -> float:
    from creepmeter.io.mintpy.product import read_map
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.masks import make_component_mask

    announce_compilation()
    with shown_progress() as progress:
        make_component_mask(StackFile.open(file), target, memory_gb=memory_gb, progress=progress)
    return float(read_map(target).mean())
