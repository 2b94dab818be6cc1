"""A stack as ASF HyP3 delivers it: one folder of GeoTIFF files and a text file per product."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from creepmeter.model.pair import Pair
from creepmeter.simulate.layouts.writers import RasterWriter, require_grid
from creepmeter.simulate.radar import RadarStack

Kind = Literal["gamma", "burst", "bursts"]
_QUARTER = 90.0


def write_hyp3(stack: RadarStack, folder: Path, write: RasterWriter, *, kind: Kind = "burst") -> Path:
    """Write a stack as HyP3 products.

    Parameters
    ----------
    stack : RadarStack
        Geocoded; HyP3's sign of phase is MintPy's.
    folder : Path
        Gets one folder per product.
    write : RasterWriter
        Writes a GeoTIFF.
    kind : {"gamma", "burst", "bursts"}
        GAMMA product (without connected components), ISCE2 product of one or of several bursts.

    Returns
    -------
    Path
        The folder.
    """
    grid = require_grid(stack, "hyp3")
    theta = np.radians(_QUARTER - stack.incidence_deg.astype(np.float64)).astype(np.float32)
    turned = (stack.azimuth_deg.astype(np.float64) + _QUARTER + 180.0) % 360.0 - 180.0
    shared = {
        "dem": (stack.height, None),
        "lv_theta": (theta, 0.0),
        "lv_phi": (np.radians(turned).astype(np.float32), 0.0),
        "water_mask": (stack.water.astype(np.uint8), None),
    }
    for k, pair in enumerate(stack.pairs):
        name = product_name(pair, k, kind)
        layers = {"unw_phase": (stack.phase[k], 0.0), "corr": (stack.coherence[k], 0.0), **shared}
        if kind != "gamma":
            layers["conncomp"] = (stack.component[k].astype(np.uint8), None)
        for layer, (values, nodata) in layers.items():
            write(folder / name / f"{name}_{layer}.tif", values, grid, nodata=nodata)
        (folder / name / f"{name}.txt").write_text(metadata_text(stack, k), encoding="utf-8")
    return folder


def load_settings(folder: Path) -> dict[str, str]:
    """Return the options that load what `write_hyp3` wrote."""
    layers = {
        "unw_file": "unw_phase",
        "cor_file": "corr",
        "conn_comp_file": "conncomp",
        "dem_file": "dem",
        "inc_angle_file": "lv_theta",
        "az_angle_file": "lv_phi",
        "water_mask_file": "water_mask",
    }
    return {"processor": "hyp3", **{name: str(folder / "*" / f"*_{layer}.tif") for name, layer in layers.items()}}


def product_name(pair: Pair, number: int, kind: Kind) -> str:
    """Return the name of a product in the manner of HyP3."""
    ref, sec = str(pair).split("_")
    if kind == "gamma":
        days = round(pair.days)
        return f"S1AA_{ref}T020000_{sec}T020000_VVP{days:03d}_INT80_G_ueF_{number:04X}"
    if kind == "burst":
        return f"S1_001072_IW2_{ref}_{sec}_VV_INT80_{number:04X}"
    return f"S1_001_000000s1n00-002117s2n01-002118s3n01_IW_{ref}_{sec}_VV_INT80_{number:04X}"


def metadata_text(stack: RadarStack, number: int) -> str:
    """Return the text file of a product."""
    facts = stack.attributes
    lines = {
        "Reference Granule": "S1_001072_IW2_SIMULATED-BURST",
        "Reference Pass Direction": facts["ORBIT_DIRECTION"],
        "Baseline": repr(float(stack.bperp[number])),
        "UTC time": facts["CENTER_LINE_UTC"],
        "Heading": facts["HEADING"],
        "Spacecraft height": facts["HEIGHT"],
        "Earth radius at nadir": facts["EARTH_RADIUS"],
        "Slant range near": facts["STARTING_RANGE"],
        "Range looks": facts["RLOOKS"],
        "Azimuth looks": facts["ALOOKS"],
        "Unwrapping type": "snaphu_mcf",
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())
