"""A stack as GMTSAR leaves it: grids of GMT, PRM files, folders by day of the year counted from 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from creepmeter.model.epoch import Epoch
from creepmeter.model.grid import Grid
from creepmeter.simulate.radar import RadarStack

Values = npt.NDArray[Any]
SPEED_OF_LIGHT = 299_792_458.0
_SECONDS = 86_400.0


class WriteGrd(Protocol):
    """Writes a grid of GMT; `creepmeter.io.grd.write_grd` does."""

    def __call__(
        self, path: Path, values: Values, x: Values, y: Values, *, axes: tuple[str, str] = ..., classic: bool = ...
    ) -> None:
        """Write values whose rows follow `y` and whose columns follow `x`."""
        ...


def write_gmtsar(stack: RadarStack, folder: Path, write: WriteGrd, *, classic: bool = False) -> dict[str, str]:
    """Write a stack in the layout of GMTSAR, in radar coordinates or geocoded.

    Parameters
    ----------
    stack : RadarStack
        What to write; GMTSAR's sign of phase is MintPy's, its missing value NaN.
    folder : Path
        Gets ``intf/YYYYDDD_YYYYDDD`` with unwrap_ll.grd, corr_ll.grd, conncomp_ll.grd (or without _ll) and two PRM
        files, ``topo/dem.grd`` and ``baseline_table.dat``.
    write : callable
        `creepmeter.io.grd.write_grd`.
    classic : bool
        netCDF-3 instead of netCDF-4.

    Returns
    -------
    dict
        Options that load what was written.
    """
    end = "" if stack.grid is None else "_ll"
    for k, pair in enumerate(stack.pairs):
        place = folder / "intf" / "_".join(str(_clock(date)) for date in (pair.ref, pair.sec))
        place.mkdir(parents=True, exist_ok=True)
        missing = stack.phase[k] == 0
        maps = {"unwrap": stack.phase[k], "corr": stack.coherence[k], "conncomp": stack.component[k].astype(np.float32)}
        for name, values in maps.items():
            blank = np.where(missing, np.float32(np.nan), values) if name != "conncomp" else values
            _write(stack.grid, place / f"{name}{end}.grd", blank, write, classic=classic)
        if stack.grid is not None:  # the grid in radar coordinates stays beside it
            _write(None, place / "corr.grd", stack.coherence[k][:4, :4], write, classic=classic)
        for date in (pair.ref, pair.sec):
            (place / f"S1_{_day(date)}_ALL_F1.PRM").write_text(prm_text(stack, date), encoding="utf-8")
    (folder / "topo").mkdir(exist_ok=True)
    _write(stack.grid, folder / "topo" / "dem.grd", stack.height, write, classic=classic)
    _write(stack.grid, folder / "topo" / "incidence.grd", stack.incidence_deg, write, classic=classic)
    (folder / "baseline_table.dat").write_text(table_text(stack), encoding="utf-8")
    return {
        "processor": "gmtsar",
        "unw_file": f"intf/*/unwrap{end}.grd",
        "cor_file": f"intf/*/corr{end}.grd",
        "conn_comp_file": f"intf/*/conncomp{end}.grd",
        "baseline_dir": "baseline_table.dat",
        "dem_file": "topo/dem.grd",
        "inc_angle_file": "topo/incidence.grd",
    }


def _write(grid: Grid | None, path: Path, values: Values, write: WriteGrd, *, classic: bool) -> None:
    rows, columns = values.shape
    if grid is None:  # centres of looks, in pixels of the full image
        x, y = 10.0 * np.arange(columns) + 5.0, 5.0 * np.arange(rows) + 2.5
        write(path, values, x, y, axes=("y", "x"), classic=classic)
        return
    affine = grid.affine
    x = affine.c + affine.a * (np.arange(columns) + 0.5)
    y = affine.f + affine.e * (np.arange(rows) + 0.5)
    write(path, values[::-1], x, y[::-1].copy(), axes=("lat", "lon"), classic=classic)


def prm_text(stack: RadarStack, date: Epoch) -> str:
    """Return the parameters of an image."""
    facts = stack.attributes
    earth, height = float(facts["EARTH_RADIUS"]), float(facts["HEIGHT"])
    ground = float(facts["AZIMUTH_PIXEL_SIZE"]) / float(facts["ALOOKS"])
    prf = float(facts["PRF"])
    rate = SPEED_OF_LIGHT / 2 / (float(facts["RANGE_PIXEL_SIZE"]) / float(facts["RLOOKS"]))
    lines = 5 * stack.height.shape[0]
    start = float(facts["CENTER_LINE_UTC"]) - lines / 2 / prf
    values = {
        "num_lines": lines,
        "num_rng_bins": 10 * stack.height.shape[1],
        "SC_clock_start": f"{_clock(date) + start / _SECONDS:.12f}",
        "clock_start": f"{_clock(date) % 1000 + start / _SECONDS:.12f}",
        "near_range": f"{float(facts['STARTING_RANGE']):.6f}",
        "rng_samp_rate": f"{rate:.6f}",
        "PRF": f"{prf:.6f}",
        "SC_vel": f"{ground * prf * (earth + height) / earth:.6f}",
        "SC_height": f"{height:.6f}",
        "earth_radius": f"{earth:.6f}",
        "radar_wavelength": facts["WAVELENGTH"],
        "SC_identity": 10,
        "orbdir": facts["ORBIT_DIRECTION"][0],
        "lookdir": "R",
    }
    return "".join(f"{key:<24}= {value}\n" for key, value in values.items())


def table_text(stack: RadarStack) -> str:
    """Return the table of baselines against the first date."""
    found: dict[Epoch, float] = {stack.pairs[0].ref: 0.0}
    for pair, bperp in zip(stack.pairs, stack.bperp, strict=True):
        found.setdefault(pair.sec, found[pair.ref] + float(bperp))
    first = min(found)
    lines = []
    for date, value in sorted(found.items()):
        days = int((date - first) / np.timedelta64(1, "D"))
        lines.append(f"S1_{_day(date)}_ALL_F1 {_clock(date)}.0833333333 {days} 1.5 {value:.9f}\n")
    return "".join(lines)


def _clock(date: Epoch) -> int:
    """Return YYYYDDD, days of the year from 0."""
    year = date.astype("datetime64[Y]")
    return int(str(year)) * 1000 + int((date.astype("datetime64[D]") - year.astype("datetime64[D]")).astype(int))


def _day(date: Epoch) -> str:
    return str(date)[:10].replace("-", "")
