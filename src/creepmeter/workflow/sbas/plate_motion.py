"""The motion of a rigid plate as maps, and taken from a velocity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress, plan_blocks, run_blocks
from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import Dataset, ProductWriter, read_attributes
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.workflow.sbas.corrected import require_metres_per_year
from creepmeter.workflow.sbas.facts import arrays_of
from creepmeter.workflow.sbas.ground import Ground, Nodes
from creepmeter.workflow.sbas.rewrite import reference_pixel, rewrite

Floats = npt.NDArray[np.float64]
VelocityAt = Callable[[Floats, Floats], Floats]

_MOST_GB = 0.1
_AXES = ("east", "north", "up")
_OWN = ("CREEPMETER_", "MODIFICATION_", "Conventions")


@dataclass(frozen=True)
class PlateMotion:
    """Motion of a plate on the pixels of a geometry.

    Parameters
    ----------
    ground : Ground
        The pixels.
    nodes : Nodes
        Some of them, that span the map.
    moved : array, (3, n, m)
        Metres per year east, north, up at the nodes.
    component : str
        ``los`` or ``azimuth``.
    """

    ground: Ground
    nodes: Nodes
    moved: Floats
    component: str = "los"

    @classmethod
    def of(cls, geometry: Path, velocity_at: VelocityAt, component: str = "los") -> PlateMotion:
        """Return the motion on a geometry.

        Parameters
        ----------
        geometry : Path
            Geometry file.
        velocity_at : callable
            Latitude and longitude, degrees -> metres per year east, north, up, (3, ...).
        component : {"los", "azimuth"}
            Towards the satellite, or along its flight.
        """
        ground = Ground.open(geometry)
        nodes = ground.nodes()
        return cls(ground, nodes, velocity_at(nodes.latitude, nodes.longitude), component)

    def along_axes(self, block: Block) -> Floats:
        """Return metres per year east, north, up, (3, rows, columns)."""
        return self.nodes.spread(self.moved, block)

    def seen(self, block: Block) -> Floats:
        """Return metres per year as the radar sees it, (rows, columns)."""
        return np.asarray((self.along_axes(block) * self.ground.look(block, self.component)).sum(axis=0))

    def at(self, row: int, column: int) -> float:
        """Return what the radar sees at a pixel, metres per year."""
        return float(self.seen(Block(0, slice(row, row + 1), slice(column, column + 1)))[0, 0])


def write_plate_motion(
    motion: PlateMotion, seen: Path, along_axes: Path, *, key: object, progress: Progress | None = None
) -> tuple[Path, Path]:
    """Write the motion of a plate, as the radar sees it (a velocity) and along east, north, up.

    Parameters
    ----------
    motion : PlateMotion
        What is written.
    seen, along_axes : Path
        Files to make, as MintPy has them: ``ITRF14.h5`` and ``ITRF14enu.h5``.
    key : object
        What the motion was made from.
    progress : Progress, optional
        Counts pixels.
    """
    ground = motion.ground
    carried = {name: text for name, text in ground.attributes.items() if not name.startswith((*_OWN, "REF_"))}
    flat = Dataset(ground.shape, np.dtype(np.float32))
    digest = digest_text("plate motion", str(key), digest_file(ground.path))
    writers = [
        ProductWriter.create_or_resume(
            path, layout, {**carried, "FILE_TYPE": kind, "UNIT": "m/year", "FILE_PATH": path.name}, digest
        )
        for path, kind, layout in (
            (seen, "velocity", {"velocity": flat}),
            (along_axes, "enuVelocity", dict.fromkeys(_AXES, flat)),
        )
    ]

    def work(block: Block) -> tuple[dict[str, Any], dict[str, Any]]:
        axes = motion.along_axes(block).astype(np.float32)
        return {"velocity": motion.seen(block).astype(np.float32)}, dict(zip(_AXES, axes, strict=True))

    def put(block: Block, found: tuple[dict[str, Any], dict[str, Any]]) -> None:
        for writer, values in zip(writers, found, strict=True):
            writer.put(block.id, block.region, values)

    run_blocks(
        plan_blocks(ground.shape, 200.0, _MOST_GB),
        work,
        put,
        done=lambda block: all(writer.done(block.id) for writer in writers),
        progress=progress if progress is not None else NullProgress(),
        name=seen.name,
    )
    made = provenance({"motion": str(key)}, {ground.path.name: digest_file(ground.path)})
    return writers[0].finish(made), writers[1].finish(made)


def remove_plate_motion(
    velocity: Path,
    motion: PlateMotion,
    target: Path,
    *,
    key: object,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a velocity without the motion of a plate, which is taken relative to the velocity's reference pixel.

    Parameters
    ----------
    velocity : Path
        Velocity in MintPy's layout, on the grid of the geometry.
    motion : PlateMotion
        Of the plate.
    target : Path
        Where the corrected velocity goes.
    key : object
        What the motion was made from.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        This is no velocity, or lies on another grid.
    """
    arrays, attributes = arrays_of(velocity), read_attributes(velocity)
    if "velocity" not in arrays:
        message = f"{velocity} has no dataset velocity (it has {', '.join(arrays) or 'none'}): give velocity.h5"
        raise InputError(message)
    require_metres_per_year(attributes, velocity)
    rows, columns = arrays["velocity"].shape[1:]
    motion.ground.require_shape((rows, columns), velocity)
    pixel = reference_pixel(attributes)
    datum = 0.0 if pixel is None else motion.at(*pixel)

    def change(name: str, values: npt.NDArray[Any], block: Block) -> npt.NDArray[Any]:
        if name != "velocity":
            return values
        return np.where(values == 0, values, values - (motion.seen(block) - datum))  # 0 = not measured

    gone: dict[str, str | None] = {name: None for name in attributes if name.startswith(_OWN)}
    digest = digest_file(motion.ground.path)
    return rewrite(
        velocity,
        target,
        change,
        {**gone, "FILE_PATH": target.name},
        key=["plate motion", str(key), digest],
        memory_gb=memory_gb,
        progress=progress,
    )
