"""Motion down the slope, from files to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from creepmeter.errors import GridError
from creepmeter.geometry.terrain import downslope, terrain_on
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import grid_of
from creepmeter.products.canvas import save_figure
from creepmeter.products.frame import Backdrop
from creepmeter.products.maps import map_figure
from creepmeter.products.options import MapStyle
from creepmeter.workflow.inventory import open_motion


def write_downslope(
    velocity: Path, dem: Path, target: Path, *, min_slope_deg: float, figure: Path | None = None
) -> list[str]:
    """Write motion down the slope as a GeoTIFF, and draw it; return what to tell the user.

    Parameters
    ----------
    velocity : Path
        MotionModel with east and north.
    dem : Path
        Heights, in any reference system.
    target : Path
        GeoTIFF to make.
    min_slope_deg : float
        Flatter ground is NaN.
    figure : Path, optional
        PNG, PDF or SVG to make.

    Raises
    ------
    GridError
        No ground is as steep as that.
    """
    motion = open_motion(velocity)
    terrain = terrain_on(dem, motion)
    maps = downslope(motion, terrain, min_slope_deg=min_slope_deg)
    grid, along = grid_of(motion), maps["downslope"].values
    if not np.isfinite(along).any():
        message = f"{dem}: no measured ground is steeper than {min_slope_deg:g} degrees: give a smaller --min-slope"
        raise GridError(message)
    names = [str(name) for name in maps.data_vars]
    write_geotiff(target, np.stack([maps[name].values for name in names]), grid, names=names)
    lines = [
        f"{target}: {', '.join(names)}; {100 * np.isfinite(along).mean():.1f} % of the map, median "
        f"{np.nanmedian(along):+.3g} m/yr down the slope"
    ]
    if figure is not None:
        style = MapStyle(title="Motion down the slope", label="Down the slope", unit="m/yr", signed=True, width_in=5.0)
        drawn = map_figure(along, grid, style=style, backdrop=Backdrop(terrain.height, grid, kind="height"))
        lines.append(f"figure: {save_figure(drawn, figure)}")
    return lines
