"""A stack as GAMMA leaves it: big-endian binary files, text headers of images, map, offsets and baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS

from creepmeter.model.epoch import Epoch
from creepmeter.model.grid import Grid
from creepmeter.simulate.layouts.writers import RasterWriter
from creepmeter.simulate.radar import RadarStack

Values = npt.NDArray[Any]
SPEED_OF_LIGHT = 299_792_458.0
_STEP_DEG = 1 / 600


def write_gamma(
    stack: RadarStack,
    folder: Path,
    *,
    short_dates: bool = False,
    tables: bool = False,
    write: RasterWriter | None = None,
) -> dict[str, str]:
    """Write a stack in the layout of GAMMA, in radar coordinates or geocoded.

    Parameters
    ----------
    stack : RadarStack
        What to write; GAMMA's sign of phase is MintPy's.
    folder : Path
        Made if absent.
    short_dates : bool
        Dates as YYMMDD.
    tables : bool
        Baselines as tables of their components (base_perp) instead of vectors.
    write : callable, optional
        Writes GeoTIFF (`creepmeter.io.raster.write_geotiff`): pixels of a geocoded stack as GeoTIFF, headers apart.

    Returns
    -------
    dict
        Options that load what was written.
    """
    kind = "" if stack.grid is None else "geo_"
    for date in sorted({date for pair in stack.pairs for date in (pair.ref, pair.sec)}):
        place = folder / "interferograms" / f"{_day(date, short=short_dates)}_4rlks.amp.par"
        _write_text(place, image_text(stack, date))
        _write_text(place.with_suffix(".corner_full"), corner_text(stack))
    for k, pair in enumerate(stack.pairs):
        name = "-".join(_day(date, short=short_dates) for date in (pair.ref, pair.sec))
        place = folder / "interferograms"
        if write is None or stack.grid is None:
            to_file(place / f"{kind}diff_filt_{name}_4rlks.unw", stack.phase[k], ">f4")
            to_file(place / f"{kind}filt_{name}_4rlks.cor", stack.coherence[k], ">f4")
        else:
            write(place / f"{kind}diff_filt_{name}_4rlks.unw.tif", stack.phase[k], stack.grid, nodata=0)
            write(place / f"{kind}filt_{name}_4rlks.cor.tif", stack.coherence[k], stack.grid, nodata=0)
        to_file(place / f"{kind}diff_filt_{name}_4rlks.unw.conncomp", stack.component[k], "u1")
        wave = np.where(stack.phase[k] != 0, np.exp(1j * stack.phase[k].astype(np.float64)), 0)
        to_file(place / f"{kind}diff_{name}_4rlks.int", wave, ">c8")
        _write_text(place / f"{name}_4rlks.off", offset_text(stack.phase.shape[1:]))
        if tables:
            _write_text(place / f"{name}_4rlks.base_perp", table_text(float(stack.bperp[k])))
        else:
            _write_text(place / f"{name}_4rlks.baseline", baseline_text(stack, float(stack.bperp[k])))
    end = ".tif" if write is not None and stack.grid is not None else ""
    found = {
        "processor": "gamma",
        "unw_file": f"interferograms/*.unw{end}",
        "cor_file": f"interferograms/*.cor{end}",
        "conn_comp_file": "interferograms/*.conncomp",
        "int_file": "interferograms/*.int",
    }
    return found | _write_geometry(stack, folder / "geometry")


def _write_geometry(stack: RadarStack, folder: Path) -> dict[str, str]:
    name = "hgt_sim" if stack.grid is None else "utm.dem"
    to_file(folder / f"sim_180105_4rlks.{name}", stack.height, ">f4")
    theta = np.radians(90.0 - stack.incidence_deg.astype(np.float64))
    phi = np.radians(stack.azimuth_deg.astype(np.float64) + 90.0)
    to_file(folder / "sim_180105_4rlks.lv_theta", theta, ">f4")
    to_file(folder / "sim_180105_4rlks.lv_phi", phi, ">f4")
    found = {
        "dem_file": f"geometry/sim_*_4rlks.{name}",
        "inc_angle_file": "geometry/sim_*_4rlks.lv_theta",
        "az_angle_file": "geometry/sim_*_4rlks.lv_phi",
        "lookup_y_file": "geometry/sim_*_4rlks.UTM_TO_RDC",
        "lookup_x_file": "geometry/sim_*_4rlks.UTM_TO_RDC",
    }
    if stack.grid is not None:
        _write_text(folder / "sim_180105_4rlks.utm.dem.par", map_text(stack.grid))
        to_file(folder / "sim_180105_4rlks.UTM_TO_RDC", _lookup(stack.height.shape), ">c8")
        return found
    shape = stack.height.shape
    _write_text(
        folder / "sim_180105_4rlks.diff_par", f"title: simulated\nrange_samp_1: {shape[1]}\naz_samp_1: {shape[0]}\n"
    )
    table = lookup_grid(stack)
    _write_text(folder / "sim_180105_4rlks.utm.dem.par", map_text(table))
    to_file(folder / "sim_180105_4rlks.UTM_TO_RDC", _lookup((table.shape[0], table.shape[1])), ">c8")
    return found


def _lookup(shape: tuple[int, ...]) -> Values:
    """Return a lookup table of itself: column + i row, counted from 1."""
    place = np.indices(shape) + 1
    return np.asarray(place[1] + 1j * place[0])


def lookup_grid(stack: RadarStack) -> Grid:
    """Return a map grid around a stack in radar coordinates, of another shape than the stack."""
    west, north = float(stack.longitude.min()), float(stack.latitude.max())
    rows = int((north - float(stack.latitude.min())) / _STEP_DEG) + 2
    columns = int((float(stack.longitude.max()) - west) / _STEP_DEG) + 3
    return Grid((rows, columns), Affine(_STEP_DEG, 0.0, west, 0.0, -_STEP_DEG, north), "EPSG:4326")


def image_text(stack: RadarStack, date: Epoch) -> str:
    """Return the header of a multilooked image."""
    facts = stack.attributes
    earth, height = float(facts["EARTH_RADIUS"]), float(facts["HEIGHT"])
    year, month, number = str(date)[:10].split("-")
    rows, columns = stack.height.shape
    centre = float(facts["CENTER_LINE_UTC"])
    return "\n".join(
        [
            "Gamma Interferometric SAR Processor (ISP) - Image Parameter File",
            "",
            "title:     simulated",
            "sensor:    S1A IW IW1 VV",
            f"date:      {year} {month} {number}",
            f"start_time:              {centre - 5:.6f}   s",
            f"center_time:             {centre:.6f}   s",
            f"end_time:                {centre + 5:.6f}   s",
            f"range_samples:                 {columns}",
            f"azimuth_lines:                 {rows}",
            f"range_looks:                   {facts['RLOOKS']}",
            f"azimuth_looks:                 {facts['ALOOKS']}",
            "image_format:               FLOAT",
            f"heading:                 {float(facts['HEADING']):.7f}   degrees",
            f"range_pixel_spacing:       {float(facts['RANGE_PIXEL_SIZE']):.6f}   m",
            f"azimuth_pixel_spacing:     {float(facts['AZIMUTH_PIXEL_SIZE']):.6f}   m",
            f"near_range_slc:         {float(facts['STARTING_RANGE']):.4f}  m",
            f"incidence_angle:           {float(stack.incidence_deg[rows // 2, columns // 2]):.4f}   degrees",
            "azimuth_angle:               90.0000   degrees",
            f"radar_frequency:        {SPEED_OF_LIGHT / float(facts['WAVELENGTH']):.9e}  Hz",
            f"prf:                      {float(facts['PRF']):.7f}  Hz",
            f"sar_to_earth_center:             {earth + height:.4f}   m",
            f"earth_radius_below_sensor:       {earth:.4f}   m",
            "",
        ]
    )


def corner_text(stack: RadarStack) -> str:
    """Return latitude and longitude of the corners: first line near and far, last line near and far."""
    facts = stack.attributes
    lines = [
        f"latitude (deg.):  {facts[f'LAT_REF{k}']}  longitude (deg.):  {facts[f'LON_REF{k}']}\n" for k in (1, 2, 3, 4)
    ]
    return "*** Calculate SLC/MLI image corners in geodetic latitude and longitude (deg.) ***\n\n" + "".join(lines)


def map_text(grid: Grid) -> str:
    """Return the header of a map."""
    affine = grid.affine
    lines = [
        "Gamma DIFF&GEO DEM/MAP parameter file",
        "title: simulated",
        "data_format:        REAL*4",
        "DEM_hgt_offset:          0.00000",
        "DEM_scale:               1.00000",
        f"width:                {grid.shape[1]}",
        f"nlines:               {grid.shape[0]}",
    ]
    crs = CRS.from_user_input(str(grid.crs))
    if crs.is_geographic:
        lines += ["DEM_projection:     EQA"]
        lines += [
            f"corner_lat:     {affine.f:.16f}  decimal degrees",
            f"corner_lon:     {affine.c:.16f}  decimal degrees",
        ]
        lines += [f"post_lat:   {affine.e:.18e}  decimal degrees", f"post_lon:    {affine.a:.18e}  decimal degrees"]
    else:
        zone = crs.utm_zone or "1N"
        lines += ["DEM_projection:     UTM", f"projection_zone:    {zone[:-1]}"]
        lines += [f"false_northing:     {10_000_000.0 if zone.endswith('S') else 0.0}   m"]
        lines += [f"corner_north:   {affine.f:.4f}   m", f"corner_east:    {affine.c:.4f}   m"]
        lines += [f"post_north:    {affine.e:.7f}   m", f"post_east:      {affine.a:.7f}   m"]
    return "\n".join([*lines, ""])


def offset_text(shape: tuple[int, ...]) -> str:
    """Return the header of offsets, which holds the size of an interferogram in radar coordinates."""
    return (
        "Gamma Interferometric SAR Processor (ISP)\nInterferogram and Image Offset Parameter File\n\n"
        f"interferogram_width:                     {shape[-1]}\n"
        f"interferogram_azimuth_lines:             {shape[-2]}\n"
        "interferogram_range_looks:               10\ninterferogram_azimuth_looks:             5\n"
    )


def baseline_text(stack: RadarStack, bperp_m: float) -> str:
    """Return the header of a baseline that is perpendicular to the look direction of the middle column."""
    facts = stack.attributes
    earth, columns = float(facts["EARTH_RADIUS"]), stack.height.shape[1]
    orbit = earth + float(facts["HEIGHT"])
    slant = float(facts["STARTING_RANGE"]) + (columns - 1) / 2 * float(facts["RANGE_PIXEL_SIZE"])
    look = np.arccos((orbit**2 + slant**2 - earth**2) / (2 * orbit * slant))
    across, down = bperp_m * np.cos(look), -bperp_m * np.sin(look)
    return (
        f"initial_baseline(TCN):          0.0000000       {across:.7f}        {down:.7f}   m   m   m\n"
        "initial_baseline_rate:          0.0000000        0.0000000        0.0000000   m/s m/s m/s\n"
        "precision_baseline(TCN):        0.0000000        0.0000000        0.0000000   m   m   m\n"
        "precision_baseline_rate:        0.0000000        0.0000000        0.0000000   m/s m/s m/s\n"
        "unwrap_phase_constant:            0.00000     radians\n"
    )


def table_text(bperp_m: float) -> str:
    """Return a table of baselines (``base_perp``), which lie between -1 and +1 m around the value at the centre."""
    lines = [
        "*** Calculate baseline components perpendicular and parallel to look vector ***",
        "",
        "  line   range      B_t       B_c        B_n     look angle      bpara       bperp       blen",
        "*" * 96,
    ]
    for line in (0, 50, 100):
        for column in (0, 50, 100, 150, 200):
            here = bperp_m + (column - 100) / 100 + (line - 50) / 50
            lines.append(
                f"{line:6d} {column:6d} {0.0:10.4f} {10.0:10.4f} {1.0:10.4f} {30.0:12.6f} {5.0:11.4f} {here:11.4f} "
                f"{11.0:11.4f}"
            )
    return "\n".join([*lines, ""])


def to_file(path: Path, values: Values, dtype: str) -> None:
    """Write values as they stand in memory, without header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.asarray(values).astype(dtype).tofile(path)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _day(date: Epoch, *, short: bool) -> str:
    return str(date)[:10].replace("-", "")[2 if short else 0 :]
