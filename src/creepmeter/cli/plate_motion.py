"""creepmeter plate-motion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say

if TYPE_CHECKING:
    from creepmeter.workflow.sbas.plate_motion import VelocityAt

_OUT = click.Path(dir_okay=False, path_type=Path)
_THREE = {"type": float, "nargs": 3}


@click.command(
    cls=Verb,
    example="creepmeter plate-motion -g inputs/geometryGeo.h5 --plate Eurasia -v velocity.h5",
    holds=("target", "velocity", "geometry"),
)
@click.option("-g", "--geom", "--geometry", "geometry", type=FILE, required=True, help="Geometry with angles.")
@click.option("-v", "--velo", "--velocity", "velocity", type=FILE, help="Velocity that the motion is taken from.")
@click.option("-o", "--output", "target", type=_OUT, help="Corrected velocity; default with _ITRF14 in its name.")
@click.option("--plate", help="Plate of the model, such as Eurasia.")
@click.option(
    "--model",
    type=click.Choice(["ITRF2014", "MORVEL"]),
    default="ITRF2014",
    show_default=True,
    help="Whose plates; orbits of Sentinel-1 are in ITRF2014.",
)
@click.option("--om-cart", metavar="WX WY WZ", help="Rotation about x, y, z, mas/yr.", **_THREE)  # type: ignore[arg-type]
@click.option("--om-sph", metavar="LAT LON RATE", help="Pole, degrees, and degrees per million years.", **_THREE)  # type: ignore[arg-type]
@click.option("--enu", metavar="E N U", help="The same motion everywhere, m/yr.", **_THREE)  # type: ignore[arg-type]
@click.option(
    "--comp",
    type=click.Choice(["enu2los", "en2az"]),
    default="enu2los",
    show_default=True,
    help="Towards the satellite, or along its flight.",
)
@memory_flag
def command(
    geometry: Path,
    velocity: Path | None,
    target: Path | None,
    comp: str,
    memory_gb: float,
    **given: str | tuple[float, float, float] | None,
) -> None:
    """Write how a rigid plate moves, or take it from a velocity.

    Its motion is written as the radar sees it, and along east, north and up.
    """
    from creepmeter.workflow.sbas.plate_motion import PlateMotion, remove_plate_motion, write_plate_motion

    chosen = {name: value for name, value in given.items() if value is not None}
    component, ending = ("azimuth", "az") if comp == "en2az" else ("los", "")
    motion = PlateMotion.of(geometry, _motion(chosen), component)
    seen, axes = (geometry.with_name(name) for name in (f"ITRF14{ending}.h5", "ITRF14enu.h5"))
    with shown_progress() as progress:
        write_plate_motion(motion, seen, axes, key=chosen, progress=progress)
        say(f"{seen}, {axes}: motion of the plate, m/yr")
        if velocity is not None:
            target = writable(target or velocity.with_name(f"{velocity.stem}_ITRF14.h5"))
            require_other(velocity, target)
            remove_plate_motion(velocity, motion, target, key=chosen, memory_gb=memory_gb, progress=progress)
            say(f"{target}: without it")


def _motion(chosen: dict[str, str | tuple[float, float, float]]) -> VelocityAt:
    """Return the motion that the flags name, by latitude and longitude."""
    import numpy as np

    from creepmeter.corrections.plate_motion import EulerPole

    ways = [name for name in ("plate", "om_cart", "om_sph", "enu") if name in chosen]
    if len(ways) != 1:
        message = "give one of --plate, --om-cart, --om-sph and --enu"
        raise click.UsageError(message)
    value = chosen[ways[0]]
    if isinstance(value, str):
        return EulerPole.of_plate(value, str(chosen["model"])).velocity
    if ways[0] == "enu":
        return lambda latitude, _longitude: np.broadcast_to(
            np.array(value)[:, None, None], (3, *latitude.shape)
        ).astype(np.float64)
    return (EulerPole.of_cartesian if ways[0] == "om_cart" else EulerPole.of_spherical)(*value).velocity
