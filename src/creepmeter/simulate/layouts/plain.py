"""A stack as plain GeoTIFF files with dates in their names and the wavelength in a tag."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from creepmeter.simulate.layouts.writers import RasterWriter, require_grid
from creepmeter.simulate.radar import RadarStack


def write_plain(stack: RadarStack, folder: Path, write: RasterWriter, *, toward_positive: bool = False) -> Path:
    """Write a stack as GeoTIFF files.

    Parameters
    ----------
    stack : RadarStack
        Geocoded.
    folder : Path
        Gets all files.
    write : RasterWriter
        Writes a GeoTIFF.
    toward_positive : bool
        Write phase that grows with motion toward the satellite.

    Returns
    -------
    Path
        The folder.
    """
    grid = require_grid(stack, "plain GeoTIFF")
    sign = np.float32(-1 if toward_positive else 1)
    for k, pair in enumerate(stack.pairs):
        tags = {"WAVELENGTH_METRES": stack.attributes["WAVELENGTH"], "BPERP_METRES": repr(float(stack.bperp[k]))}
        write(folder / f"{pair}_unw.tif", stack.phase[k] * sign, grid, nodata=0.0, tags=tags)
        write(folder / f"{pair}_coh.tif", stack.coherence[k], grid, nodata=0.0)
        write(folder / f"{pair}_cc.tif", stack.component[k], grid, nodata=None)
    for name, values in (("height", stack.height), ("incidence", stack.incidence_deg), ("azimuth", stack.azimuth_deg)):
        write(folder / f"{name}.tif", values, grid, nodata=None)
    write(folder / "land.tif", stack.water.astype(np.uint8), grid, nodata=None)
    return folder


def load_settings(folder: Path) -> dict[str, str]:
    """Return the options that load what `write_plain` wrote."""
    files = {
        "unw_file": "*_unw.tif",
        "cor_file": "*_coh.tif",
        "conn_comp_file": "*_cc.tif",
        "dem_file": "height.tif",
        "inc_angle_file": "incidence.tif",
        "az_angle_file": "azimuth.tif",
        "water_mask_file": "land.tif",
    }
    return {"processor": "geotiff", **{name: str(folder / file) for name, file in files.items()}}
