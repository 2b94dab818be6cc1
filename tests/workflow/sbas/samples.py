"""A small loaded project in MintPy's layout, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from creepmeter.io.mintpy.product import write_product
from creepmeter.io.mintpy.writestack import create_stack
from creepmeter.simulate.radar import RadarStack, simulate_radar

SMALL: dict[str, Any] = {"rows": 36, "columns": 44, "dates": 7, "connections": 2, "islands": 1, "velocity_m": 0.06}
QUIET = """\
mintpy.networkInversion.minNumPixel = 20
mintpy.troposphericDelay.method = no
mintpy.topographicResidual = no
mintpy.geocode = no
mintpy.save.kmz = no
mintpy.plot = no
"""


def write_project(folder: Path, *, seed: int = 1, **settings: Any) -> RadarStack:  # noqa: ANN401 - of the simulation
    """Write stack and geometry of a simulated scene into ``folder/inputs``."""
    simulated = simulate_radar(**{**SMALL, **settings}, seed=seed)
    rows, columns = simulated.height.shape
    layers: dict[str, Any] = {
        "unwrapPhase": simulated.phase,
        "coherence": simulated.coherence,
        "connectComponent": simulated.component,
    }
    writer = create_stack(
        folder / "inputs" / "ifgramStack.h5",
        pairs=simulated.pairs,
        bperp=simulated.bperp,
        shape=(rows, columns),
        datasets={"unwrapPhase": np.float32, "coherence": np.float32, "connectComponent": np.int16},
        attributes=simulated.attributes,
        key=f"seed {seed}",
    )
    for index in range(len(simulated.pairs)):
        writer.put(index, {name: values[index] for name, values in layers.items()})
    writer.finish()
    geometry: dict[str, Any] = {
        "height": simulated.height,
        "incidenceAngle": simulated.incidence_deg,
        "azimuthAngle": simulated.azimuth_deg,
        "slantRangeDistance": simulated.slant_range_m,
        "waterMask": simulated.water,
    }
    name = "geometryGeo.h5"
    if simulated.grid is None:
        name = "geometryRadar.h5"
        geometry |= {"latitude": simulated.latitude, "longitude": simulated.longitude}
    attributes = {**simulated.attributes, "FILE_TYPE": "geometry", "UNIT": "m"}
    write_product(folder / "inputs" / name, geometry, attributes)
    return simulated


def write_template(folder: Path, text: str = "", name: str = "Project.txt") -> Path:
    """Write a template that asks for no step that is left out, and more."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(QUIET + text, encoding="utf-8")
    return path
