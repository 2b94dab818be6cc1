"""A stack as ARIA distributes it: GUNW products of several frames per pair; and as ARIA-tools prepares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from creepmeter.model.grid import Grid
from creepmeter.model.line_of_sight import FROM_EAST_DEG
from creepmeter.model.pair import Pair
from creepmeter.simulate.layouts.writers import RasterWriter, require_grid
from creepmeter.simulate.radar import RadarStack

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
HEIGHTS_M = (-1500.0, 0.0, 3000.0, 9000.0)
INCIDENCE_PER_M = 5e-5  # degrees by which the incidence angle grows with height
FILLS = {"unwrappedPhase": 0.0, "coherence": 0.0, "connectedComponents": -1.0, "amplitude": 0.0}
_CUBE_DEG = 0.1
_FRAME_S = 25
_SPACING_M = 2.329562187194824
_DATA, _GEOMETRY, _RADAR = "science/grids/data", "science/grids/imagingGeometry", "science/radarMetaData"


class GunwWriter(Protocol):
    """Writes a netCDF-4 file, as `creepmeter.io.gunw.write_gunw` does."""

    def __call__(self, path: Path, values: Mapping[str, Any], fills: Mapping[str, float]) -> Path:
        """Write datasets."""


@dataclass(frozen=True)
class AriaLayout:
    """How a stack is cut into products.

    Parameters
    ----------
    frames : int
        Along the track.
    overlap_px : int
        Rows that neighbours share.
    cycles : int
        Frames of a pair are up to so many whole cycles apart.
    slant_px : int
        Columns by which a frame's imaged area is cut off at its corners.
    without_components : tuple of int
        Pairs, by their place in the stack, whose products have no connected components.
    amplitude : bool
        Products have amplitudes as well.
    version : str
        In the names.
    seed : int
        Of the cycles.
    """

    frames: int = 2
    overlap_px: int = 16
    cycles: int = 3
    slant_px: int = 0
    without_components: tuple[int, ...] = ()
    amplitude: bool = False
    version: str = "v2_0_4"
    seed: int = 0

    def rows(self, total: int) -> list[slice]:
        """Return the rows of every frame."""
        edges = np.linspace(0, total, self.frames + 1).round().astype(int)
        half = self.overlap_px // 2
        starts = [max(int(edge) - half, 0) for edge in edges[:-1]]
        ends = [min(int(edge) + self.overlap_px - half, total) for edge in edges[1:]]
        return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


def write_aria(
    stack: RadarStack,
    folder: Path,
    *,
    write: GunwWriter,
    write_raster: RasterWriter,
    layout: AriaLayout | None = None,
) -> dict[str, str]:
    """Write a stack as GUNW products, with heights and a water mask as GeoTIFF beside.

    Parameters
    ----------
    stack : RadarStack
        What to write, geocoded; a product has the earlier date relative to the later one.
    folder : Path
        Gets ``products``, ``dem.tif`` and ``water.tif``.
    write : callable
        Writes netCDF-4 (`creepmeter.io.gunw.write_gunw`).
    write_raster : callable
        Writes GeoTIFF (`creepmeter.io.raster.write_geotiff`).
    layout : AriaLayout, optional
        Frames, overlaps, and what is missing.

    Returns
    -------
    dict
        Options that load what was written.

    Raises
    ------
    GridError
        The stack is in radar coordinates.
    """
    grid, chosen = require_grid(stack, "ARIA"), layout or AriaLayout()
    rng = np.random.default_rng(chosen.seed)
    for index in range(len(stack.pairs)):
        turns = rng.integers(-chosen.cycles, chosen.cycles + 1, chosen.frames)
        for number, rows in enumerate(chosen.rows(stack.height.shape[0])):
            cycles = int(turns[number]) if number else 0
            values = _frame(stack, grid, chosen, index, rows, cycles)
            name = product_name(stack, stack.pairs[index], grid, rows, number, chosen.version)
            write(folder / "products" / name, values | _metadata(stack, number), FILLS)
    write_raster(folder / "dem.tif", stack.height.astype(np.float32), grid)
    write_raster(folder / "water.tif", stack.water.astype(np.uint8), grid)
    found = {"unw_file": "products/S1-GUNW-*.nc", "dem_file": "dem.tif", "water_mask_file": "water.tif"}
    return {"processor": "aria", **{key: str(folder / value) for key, value in found.items()}}


def product_name(stack: RadarStack, pair: Pair, grid: Grid, rows: slice, frame: int, version: str) -> str:
    """Return the name of a product: orbit, track, later and earlier date, time, latitudes, version."""
    earlier, later = str(pair).split("_")
    direction = stack.attributes["ORBIT_DIRECTION"][0]
    track = int(stack.attributes.get("trackNumber", "1"))
    north, south = (abs(grid.affine.f + grid.affine.e * row) for row in (rows.start, rows.stop))
    clock = _clock(_seconds(stack, frame)).replace(":", "")[:6]
    places = f"{round(north * 1000):05d}N_{round(south * 1000):05d}N"
    return f"S1-GUNW-{direction}-R-{track:03d}-tops-{later}_{earlier}-{clock}-{places}-PP-{frame:04x}-{version}.nc"


def _seconds(stack: RadarStack, frame: int) -> float:
    return float(stack.attributes["CENTER_LINE_UTC"]) + frame * _FRAME_S


def _clock(seconds: float) -> str:
    whole = int(seconds) % 86400
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.000000"


def _frame(stack: RadarStack, grid: Grid, layout: AriaLayout, index: int, rows: slice, cycles: int) -> dict[str, Any]:
    """Return maps and cubes of one product."""
    affine = grid.affine
    imaged = _imaged((rows.stop - rows.start, stack.height.shape[1]), layout.slant_px)
    phase = stack.phase[index, rows]
    known = imaged & (phase != 0)
    maps: dict[str, Any] = {
        "latitude": affine.f + affine.e * (np.arange(rows.start, rows.stop) + 0.5),
        "longitude": affine.c + affine.a * (np.arange(stack.height.shape[1]) + 0.5),
        "unwrappedPhase": np.where(known, -phase + np.float32(2 * np.pi * cycles), np.float32(0)),
        "coherence": np.where(known, stack.coherence[index, rows], np.float32(0)),
    }
    if index not in layout.without_components:
        own = _renumbered(stack.component[index, rows])
        maps["connectedComponents"] = np.where(known, own, -1).astype(np.float32)
    if layout.amplitude:
        maps["amplitude"] = np.where(known, np.float32(1000), np.float32(0))
    found = {f"{_DATA}/{name}": value for name, value in maps.items()}
    return found | _cubes(stack, maps["latitude"], maps["longitude"], -float(stack.bperp[index]))


def _imaged(shape: tuple[int, int], slant_px: int) -> npt.NDArray[np.bool_]:
    """Return where a slanted frame has data: its upper left and lower right corners are cut off."""
    down = np.linspace(0, 1, shape[0])[:, None]
    column = np.arange(shape[1])[None, :]
    return (column >= slant_px * (1 - down)) & (column < shape[1] - slant_px * down)


def _renumbered(component: Values) -> Values:
    """Return components numbered by their size in this frame, 1 = the largest, as an unwrapper would."""
    found, inverse, counts = np.unique(component, return_inverse=True, return_counts=True)
    order = np.argsort(-np.where(found == 0, -1, counts), kind="stable")
    rank = np.zeros(found.size, np.int32)
    rank[order] = np.arange(1, found.size + 1)
    rank[found == 0] = 0
    return np.asarray(rank[inverse].reshape(component.shape), np.int32)


def _cubes(stack: RadarStack, latitude: Floats, longitude: Floats, bperp: float) -> dict[str, Any]:
    """Return the cubes of geometry on a coarse lattice around a frame."""
    levels = np.array(HEIGHTS_M)
    down = np.arange(latitude.min() - _CUBE_DEG, latitude.max() + 2 * _CUBE_DEG, _CUBE_DEG)[::-1]
    across = np.arange(longitude.min() - _CUBE_DEG, longitude.max() + 2 * _CUBE_DEG, _CUBE_DEG)
    slope, start = np.polyfit(longitude, stack.incidence_deg.mean(axis=0).astype(np.float64), 1)
    shape = (levels.size, down.size, across.size)
    incidence = np.broadcast_to(start + slope * across, shape) + INCIDENCE_PER_M * levels[:, None, None]
    spread = np.broadcast_to(across - across.mean(), shape)
    named: dict[str, Any] = {
        "heightsMeta": levels,
        "latitudeMeta": down,
        "longitudeMeta": across,
        "incidenceAngle": incidence,
        "lookAngle": incidence - 4.0,
        "azimuthAngle": np.full(shape, float(stack.azimuth_deg.mean()) + FROM_EAST_DEG),
        "perpendicularBaseline": bperp + spread,
        "parallelBaseline": 0.3 * bperp + spread,
    }
    return {f"{_GEOMETRY}/{name}": np.asarray(value, np.float64) for name, value in named.items()}


def _metadata(stack: RadarStack, frame: int) -> dict[str, Any]:
    middle, facts = _seconds(stack, frame), stack.attributes
    named: dict[str, Any] = {
        "missionID": "Sentinel-1",
        "wavelength": np.float64(facts["WAVELENGTH"]),
        "productType": "UNW GEO IFG",
        "slantRangeSpacing": np.float64(_SPACING_M),
        "slantRangeStart": np.float64(facts["STARTING_RANGE"]),
        "slantRangeEnd": np.float64(stack.slant_range_m.max()),
        "azimuthZeroDopplerStartTime": f"2018-01-01T{_clock(middle - _FRAME_S / 2)}Z",
        "azimuthZeroDopplerEndTime": f"2018-01-01T{_clock(middle + _FRAME_S / 2 + 1)}Z",
    }
    return {f"{_RADAR}/{name}": value for name, value in named.items()}


# ------------------------------------------------------------------------------------------------------- ARIA-tools


def write_aria_project(stack: RadarStack, folder: Path) -> dict[str, str]:
    """Write a stack as ARIA-tools prepares it: ENVI images, one .vrt for each, and ``stack/*.vrt`` over all pairs.

    Parameters
    ----------
    stack : RadarStack
        What to write, geocoded.
    folder : Path
        The project.

    Returns
    -------
    dict
        Options that load what was written.

    Raises
    ------
    GridError
        The stack is in radar coordinates.
    """
    grid = require_grid(stack, "ARIA-tools")
    names = ["_".join(reversed(str(pair).split("_"))) for pair in stack.pairs]
    angles = {
        "incidenceAngle": stack.incidence_deg.astype(np.float32),
        "azimuthAngle": (stack.azimuth_deg + FROM_EAST_DEG).astype(np.float32),
    }
    for k, name in enumerate(names):
        measured = stack.phase[k] != 0
        component = np.where(measured, stack.component[k], -1).astype(np.int16)
        _write_image(folder / "unwrappedPhase" / name, -stack.phase[k], grid, 0)
        _write_image(folder / "coherence" / name, stack.coherence[k], grid, 0)
        _write_image(folder / "connectedComponents" / name, component, grid, -1)
        for layer, values in angles.items():
            _write_image(folder / layer / name, values, grid, 0)
    _write_image(folder / "DEM" / "glo_90.dem", stack.height.astype(np.float32), grid, -9999)
    _write_image(folder / "mask" / "watermask.msk", stack.water.astype(np.uint8), grid, None)
    for file, layer, kind, nodata in (
        ("unwrapStack", "unwrappedPhase", "Float32", "0"),
        ("cohStack", "coherence", "Float32", "0"),
        ("connCompStack", "connectedComponents", "Int16", "-1"),
    ):
        text = _stack_text(stack, grid, names, (layer, kind, nodata))
        target = folder / "stack" / f"{file}.vrt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    found = {
        "unw_file": "stack/unwrapStack.vrt",
        "cor_file": "stack/cohStack.vrt",
        "conn_comp_file": "stack/connCompStack.vrt",
        "dem_file": "DEM/*.dem",
        "inc_angle_file": "incidenceAngle/*.vrt",
        "az_angle_file": "azimuthAngle/*.vrt",
        "water_mask_file": "mask/watermask.msk",
    }
    return {"processor": "aria", **{key: str(folder / value) for key, value in found.items()}}


def _write_image(path: Path, values: Values, grid: Grid, nodata: float | None) -> None:
    """Write an ENVI image with its header, and a .vrt of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = values.shape
    values.astype(values.dtype.newbyteorder("<")).tofile(path)
    kinds = {"f4": (4, "Float32"), "i2": (2, "Int16"), "u1": (1, "Byte")}
    code, kind = kinds[values.dtype.str[1:]]
    affine = grid.affine
    place = f"{affine.c!r}, {affine.f!r}, {affine.a!r}, {-affine.e!r}"
    header = [
        "ENVI",
        f"samples = {columns}",
        f"lines   = {rows}",
        "bands   = 1",
        "header offset = 0",
        "file type = ENVI Standard",
        f"data type = {code}",
        "interleave = bsq",
        "byte order = 0",
        f"map info = {{Geographic Lat/Lon, 1, 1, {place},WGS-84}}",
        *([] if nodata is None else [f"data ignore value = {nodata}"]),
    ]
    path.with_suffix(".hdr").write_text("\n".join(header) + "\n", encoding="utf-8")
    band = _band_text(path.name, 1, values.shape, kind, None if nodata is None else str(nodata), {})
    text = f"{_vrt_head(values.shape, grid)}{band}</VRTDataset>\n"
    path.with_name(f"{path.name}.vrt").write_text(text, encoding="utf-8")


def _vrt_head(shape: tuple[int, ...], grid: Grid) -> str:
    numbers = ",  ".join(f"{float(number):.16e}" for number in grid.affine.to_gdal())
    return (
        f'<VRTDataset rasterXSize="{shape[1]}" rasterYSize="{shape[0]}">\n'
        f'  <SRS dataAxisToSRSAxisMapping="2,1">EPSG:4326</SRS>\n  <GeoTransform>{numbers}</GeoTransform>\n'
    )


def _band_text(
    source: str, number: int, shape: tuple[int, ...], kind: str, nodata: str | None, domain: Mapping[str, str]
) -> str:
    rows, columns = shape
    missing = "" if nodata is None else f"    <NoDataValue>{nodata}</NoDataValue>\n"
    entries = "".join(f'      <MDI key="{key}">{value}</MDI>\n' for key, value in domain.items() if key)
    told = f"    <Metadata domain='{domain['']}'>\n{entries}    </Metadata>\n" if domain else ""
    size = f'xOff="0" yOff="0" xSize="{columns}" ySize="{rows}"'
    return (
        f'  <VRTRasterBand dataType="{kind}" band="{number}">\n{missing}    <SimpleSource>\n'
        f'      <SourceFilename relativeToVRT="1">{source}</SourceFilename>\n      <SourceBand>1</SourceBand>\n'
        f'      <SourceProperties RasterXSize="{columns}" RasterYSize="{rows}" DataType="{kind}"/>\n'
        f"      <SrcRect {size}/>\n      <DstRect {size}/>\n    </SimpleSource>\n{told}  </VRTRasterBand>\n"
    )


def _stack_text(stack: RadarStack, grid: Grid, names: Sequence[str], what: tuple[str, str, str]) -> str:
    layer, kind, nodata = what
    facts = stack.attributes
    common = {
        "": layer,
        "Wavelength (m)": facts["WAVELENGTH"],
        "UTCTime (HH:MM:SS.ss)": _clock(float(facts["CENTER_LINE_UTC"])),
        "startRange": facts["STARTING_RANGE"],
        "endRange": str(float(stack.slant_range_m.max())),
        "slantRangeSpacing": str(_SPACING_M),
        "orbitDirection": facts["ORBIT_DIRECTION"],
    }
    bands = "".join(
        _band_text(
            f"../{layer}/{name}.vrt",
            k + 1,
            stack.height.shape,
            kind,
            nodata,
            {**common, "Dates": name, "perpendicularBaseline": str(-float(stack.bperp[k]))},
        )
        for k, name in enumerate(names)
    )
    return f"{_vrt_head(stack.height.shape, grid)}{bands}</VRTDataset>\n"
