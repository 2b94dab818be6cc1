"""A stack as ROI_PAC leaves it: .rsc headers, little-endian files with amplitude and phase by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.model.epoch import Epoch
from creepmeter.simulate.radar import RadarStack

Values = npt.NDArray[Any]
_FACTS = (
    "WAVELENGTH", "ALOOKS", "RLOOKS", "RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE", "STARTING_RANGE", "HEIGHT",
    "EARTH_RADIUS", "HEADING", "CENTER_LINE_UTC", "ORBIT_DIRECTION", "ANTENNA_SIDE", "PRF", "POLARIZATION",
)  # fmt: skip
_PLACE = ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP", "X_UNIT", "Y_UNIT")


def write_roipac(stack: RadarStack, folder: Path, *, short_headers: bool = False) -> dict[str, str]:
    """Write a stack in the layout of ROI_PAC, in radar coordinates or geocoded.

    Parameters
    ----------
    stack : RadarStack
        What to write; ROI_PAC's sign of phase is MintPy's.
    folder : Path
        Gets a folder per pair with filt_*.unw, *.cor, *.int, *_snap_connect.byt and *_baseline.rsc, each with .rsc.
    short_headers : bool
        Headers tell size, place, wavelength and dates only.

    Returns
    -------
    dict
        Options that load what was written.
    """
    for k, pair in enumerate(stack.pairs):
        name = "-".join(_day(date) for date in (pair.ref, pair.sec))
        place = folder / f"IFG_{name}"
        facts = {"DATE12": name, "DATE": name[:6]} | _facts(stack, short=short_headers)
        stem = f"filt_{name}-sim_HDR_4rlks_c10"
        amplitude = np.where(stack.phase[k] != 0, np.float32(3), np.float32(0))
        write_image(place / f"{stem}.unw", [amplitude, stack.phase[k]], "<f4", facts)
        write_image(place / f"filt_{name}-sim_HDR_4rlks.cor", [amplitude, stack.coherence[k]], "<f4", facts)
        write_image(place / f"filt_{name}_snap_connect.byt", [stack.component[k]], "u1", facts)
        wave = np.where(stack.phase[k] != 0, np.exp(1j * stack.phase[k].astype(np.float64)), 0)
        write_image(place / f"filt_{name}-sim_HDR_4rlks.int", [wave], "<c8", facts)
        ends = {"P_BASELINE_TOP_HDR": stack.bperp[k] - 1.5, "P_BASELINE_BOTTOM_HDR": stack.bperp[k] + 1.5}
        write_rsc(place / f"{name.replace('-', '_')}_baseline.rsc", {"H_BASELINE_TOP_HDR": 1.0} | ends)
    rows, columns = np.split(np.indices(stack.height.shape), 2)
    facts = _facts(stack, short=short_headers)
    place = folder / "GEO"
    if stack.grid is None:
        write_image(place / "radar_4rlks.hgt", [np.ones_like(stack.height), stack.height], "<f4", facts)
    else:
        write_image(place / "dem.dem", [np.rint(stack.height)], "<i2", facts)
        write_image(place / "geomap_4rlks.trans", [columns[0] + 1, rows[0] + 1], "<f4", facts)
    found = {
        "processor": "roipac",
        "unw_file": "IFG_*/filt*.unw",
        "cor_file": "IFG_*/filt*.cor",
        "conn_comp_file": "IFG_*/filt*snap_connect.byt",
        "int_file": "IFG_*/filt*.int",
        "dem_file": "GEO/radar_*.hgt" if stack.grid is None else "GEO/dem.dem",
    }
    if stack.grid is not None:
        found |= dict.fromkeys(("lookup_y_file", "lookup_x_file"), "GEO/geomap_*.trans")
    return found


def write_image(path: Path, bands: list[Values], dtype: str, facts: dict[str, object]) -> None:
    """Write an image, bands by line, with its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.stack(bands, axis=1).astype(dtype).tofile(path)
    rows, columns = bands[0].shape
    write_rsc(path.with_name(f"{path.name}.rsc"), {"WIDTH": columns, "FILE_LENGTH": rows} | facts)


def write_rsc(path: Path, facts: dict[str, Any]) -> None:
    """Write a header: keyword and value a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key:<40} {value}\n" for key, value in facts.items()), encoding="utf-8")


def _facts(stack: RadarStack, *, short: bool) -> dict[str, object]:
    wanted = ("WAVELENGTH",) if short else _FACTS
    found: dict[str, object] = {key: stack.attributes[key] for key in (*_PLACE, *wanted) if key in stack.attributes}
    return found if short else found | {"PLATFORM": "Sentinel-1"}


def _day(date: Epoch) -> str:
    return str(date)[2:10].replace("-", "")
