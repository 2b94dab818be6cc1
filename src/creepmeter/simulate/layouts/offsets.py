"""Image offsets as COSI-Corr, autoRIFT and ITS_LIVE write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from affine import Affine

from creepmeter.model.epoch import Epoch
from creepmeter.model.grid import Grid
from creepmeter.model.pair import Pair
from creepmeter.simulate.files import WriteRaster
from creepmeter.simulate.radar import RadarStack

Image = npt.NDArray[np.float32]
Values = npt.NDArray[Any]
STEP_M = 120.0
_CORNER = (500_000.0, 4_100_000.0)
_GAIN = 100.0  # from millimetres of a radar to metres of a landslide
_ITS_LIVE_YEAR = 365.0
FILL = -32767


@dataclass(frozen=True)
class OffsetMaps:
    """Offsets of pairs on a metric map.

    Parameters
    ----------
    pairs : tuple of Pair
        The network.
    east, north : array, (pair, y, x)
        Metres, NaN = missing.
    snr : array, (pair, y, x)
        Signal-to-noise ratio, 0 to 1.
    grid : Grid
        The map.
    """

    pairs: tuple[Pair, ...]
    east: Image
    north: Image
    snr: Image
    grid: Grid


class WriteMaps(Protocol):
    """Writes maps as netCDF-4; `creepmeter.io.netcdf.write_netcdf_maps` does."""

    def __call__(
        self,
        path: Path,
        maps: Mapping[str, Values],
        grid: Grid,
        *,
        attributes: Mapping[str, Mapping[str, Any]] = ...,
    ) -> None:
        """Write maps of one grid, with attributes of variables by name; names without a map hold attributes only."""
        ...


def offset_maps(stack: RadarStack) -> OffsetMaps:
    """Return offsets with the pairs and the motion of a radar stack: east a hundred times its motion, north half."""
    days = [str(date)[:10] for date in stack.truth.epochs]
    moved = stack.truth.displacement * np.float32(_GAIN)
    east = np.stack(
        [moved[days.index(str(pair.sec)[:10])] - moved[days.index(str(pair.ref)[:10])] for pair in stack.pairs]
    )
    missing = stack.phase == 0
    rows, columns = east.shape[1:]
    grid = Grid((rows, columns), Affine(STEP_M, 0.0, _CORNER[0], 0.0, -STEP_M, _CORNER[1]), "EPSG:32610")
    blank = np.float32(np.nan)
    return OffsetMaps(
        stack.pairs,
        np.where(missing, blank, east),
        np.where(missing, blank, np.float32(-0.5) * east),
        np.where(missing, np.float32(0), stack.coherence),
        grid,
    )


def write_cosicorr(offsets: OffsetMaps, folder: Path, write: WriteRaster, *, split: bool = False) -> dict[str, str]:
    """Write offsets in the layout of COSI-Corr: metres east, metres north, SNR; and a table of dates.

    Parameters
    ----------
    offsets : OffsetMaps
        What to write.
    folder : Path
        Made if absent.
    write : callable
        `creepmeter.io.raster.write_geotiff`.
    split : bool
        One file per band (EW, NS, SNR) instead of one per pair.

    Returns
    -------
    dict
        Options that load what was written.
    """
    lines = []
    for k, pair in enumerate(offsets.pairs):
        bands = {"EW": offsets.east[k], "NS": offsets.north[k], "SNR": offsets.snr[k]}
        files = {f"offset{k}{name}.tif": [values] for name, values in bands.items()}
        for name, values in (files if split else {f"offset{k}.tif": list(bands.values())}).items():
            write(folder / name, np.stack(values), offsets.grid, nodata=np.nan)
            lines.append(f"{name}  {_day(pair.ref)} {_day(pair.sec)}\n")
    (folder / "metadata.txt").write_text("".join(lines), encoding="utf-8")
    names = ("*EW.tif", "*NS.tif", "*SNR.tif") if split else ("*.tif",) * 3
    found = dict(zip(("rg_off_file", "az_off_file", "off_snr_file"), names, strict=True))
    return {"processor": "cosicorr", "meta_file": "metadata.txt", **found}


def write_autorift(offsets: OffsetMaps, folder: Path, write: WriteRaster, *, pixel_m: float = 10.0) -> dict[str, str]:
    """Write offsets in the layout of autoRIFT: ``offset.tif`` in a folder per pair.

    Parameters
    ----------
    offsets : OffsetMaps
        What to write.
    folder : Path
        Made if absent.
    write : callable
        `creepmeter.io.raster.write_geotiff`.
    pixel_m : float
        Edge of an image pixel, metres.

    Returns
    -------
    dict
        Options that load what was written. Every tenth column counts as interpolated.
    """
    for k, pair in enumerate(offsets.pairs):
        filled = np.zeros(offsets.east[k].shape, np.float32)
        filled[:, ::10] = 1
        chip = np.where(np.isfinite(offsets.east[k]), np.float32(32), np.float32(0))
        bands = np.stack([offsets.east[k] / np.float32(pixel_m), offsets.north[k] / np.float32(pixel_m), filled, chip])
        write(folder / f"{_day(pair.ref)}_{_day(pair.sec)}" / "offset.tif", bands, offsets.grid, nodata=None)
    (folder / "pixel.txt").write_text(
        f"RANGE_PIXEL_SIZE = {pixel_m}\nAZIMUTH_PIXEL_SIZE = {pixel_m}\n", encoding="utf-8"
    )
    return {"processor": "autorift", "rg_off_file": "*/offset.tif", "meta_file": "pixel.txt"}


def write_itslive(offsets: OffsetMaps, folder: Path, write: WriteMaps, *, times: Sequence[str] = ()) -> dict[str, str]:
    """Write offsets in the layout of ITS_LIVE: velocities as whole metres per year, netCDF.

    Parameters
    ----------
    offsets : OffsetMaps
        What to write.
    folder : Path
        Made if absent.
    write : callable
        `creepmeter.io.netcdf.write_netcdf_maps`.
    times : sequence of str
        Clock of the first and the second image; noon by default.

    Returns
    -------
    dict
        Options that load what was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for k, pair in enumerate(offsets.pairs):
        years = pair.days / _ITS_LIVE_YEAR
        maps = {name: _whole(values / years) for name, values in (("vx", offsets.east[k]), ("vy", offsets.north[k]))}
        maps["interp_mask"] = np.zeros(offsets.east[k].shape, np.uint8)
        clocks = tuple(times) or ("12:00:00.5", "12:00:00.5")
        image = {
            f"acquisition_date_img{number}": f"{_day(date)}T{clock}"
            for number, (date, clock) in enumerate(zip((pair.ref, pair.sec), clocks, strict=True), start=1)
        }
        velocity = {"units": "meter/year", "grid_mapping": "mapping", "error": 3.5, "_FillValue": np.int16(FILL)}
        write(
            folder / f"LC08_X_{k}_G0120V02_P050.nc",
            maps,
            offsets.grid,
            attributes={"vx": velocity, "vy": velocity, "img_pair_info": {**image, "date_dt": pair.days}},
        )
    return {"processor": "itslive", "rg_off_file": "*.nc"}


def _whole(values: Image) -> npt.NDArray[np.int16]:
    return np.where(np.isfinite(values), np.rint(np.nan_to_num(values)), FILL).astype(np.int16)


def _day(date: Epoch) -> str:
    return str(date)[:10].replace("-", "")
