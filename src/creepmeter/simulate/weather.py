"""Air of known delay as fields of a weather model, and the layouts of the files in which they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.model.epoch import Epoch, as_epoch
from creepmeter.model.gravity import G0, effective_radius, geopotential, surface_gravity
from creepmeter.model.weather import Axes, WeatherFields

Floats = npt.NDArray[np.float64]
Layout = Literal["cds", "cds-former", "merra2"]

LEVELS_HPA = (
    *(1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 450, 500, 550, 600, 650),
    *(700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000),
)
_GAS, _RATIO = 287.05, 287.05 / 461.495
_OLDEST = "1900-01-01"


@dataclass(frozen=True)
class Air:
    """Dry air of one temperature in hydrostatic balance, with vapour that falls exponentially with height.

    Parameters
    ----------
    pressure_pa : float
        At height 0.
    temperature : float
        Kelvin, the same at all heights.
    vapour_pa : float
        Partial pressure of vapour at height 0; its weight is not counted.
    scale_m : float
        Height over which vapour falls to 1/e.
    pressure_slope, vapour_slope : (float, float)
        Change per degree of latitude and of longitude from the middle of the nodes, as a share.
    """

    pressure_pa: float = 101_325.0
    temperature: float = 280.0
    vapour_pa: float = 0.0
    scale_m: float = 2000.0
    pressure_slope: tuple[float, float] = (0.0, 0.0)
    vapour_slope: tuple[float, float] = (0.0, 0.0)

    def fields(self, axes: Axes, time: Epoch | str, levels_hpa: tuple[int, ...] = LEVELS_HPA) -> WeatherFields:
        """Return the fields on pressure levels, from the top down as the CDS orders them."""
        latitude = axes.latitudes()
        down, across = np.meshgrid(axes.y - axes.y.mean(), axes.x - axes.x.mean(), indexing="ij")
        pressure = 100.0 * np.sort(np.asarray(levels_hpa, np.float64))
        virtual = self.temperature
        ground = self.pressure_pa * (1 + self.pressure_slope[0] * down + self.pressure_slope[1] * across)
        # d(geopotential) = -R T d(ln p), whatever gravity does
        work = _GAS * virtual * np.log(ground[None] / pressure[:, None, None])
        gravity, radius = surface_gravity(latitude), effective_radius(latitude)
        height = radius * work / (radius * gravity - work)
        wet = self.vapour_pa * (1 + self.vapour_slope[0] * down + self.vapour_slope[1] * across)
        vapour = wet[None] * np.exp(-height / self.scale_m)
        humid = _RATIO * vapour / (pressure[:, None, None] - (1 - _RATIO) * vapour)
        warm = np.full(height.shape, self.temperature)
        when = as_epoch(time) if isinstance(time, str) else time
        return WeatherFields("simulated", when, axes, pressure, geopotential(height, latitude), warm, humid)


def weather_file(fields: WeatherFields, layout: Layout = "cds") -> xr.Dataset:
    """Return fields as a file of the Climate Data Store (today's or former layout) or of MERRA-2 holds them.

    Parameters
    ----------
    fields : WeatherFields
        Specific humidity.
    layout : {"cds", "cds-former", "merra2"}
        Of the former, values are packed as short integers when it is written, and a dimension ``expver`` tells final
        from preliminary values.
    """
    hectopascal = fields.pressure / 100
    time = np.array([fields.time])
    if layout == "merra2":
        order = np.argsort(-hectopascal)
        coords = {"time": time, "lev": hectopascal[order], "lat": fields.axes.y, "lon": fields.axes.x}
        held = {"H": fields.geopotential / G0, "T": fields.temperature, "QV": fields.humidity}
        dims = ("time", "lev", "lat", "lon")
        found = xr.Dataset({name: (dims, values[order][None]) for name, values in held.items()}, coords)
        found["lev"].attrs["units"] = "hPa"
        return found
    names = ("valid_time", "pressure_level") if layout == "cds" else ("time", "level")
    coords = {names[0]: time, names[1]: hectopascal, "latitude": fields.axes.y[::-1], "longitude": fields.axes.x}
    held = {"z": fields.geopotential, "t": fields.temperature, "q": fields.humidity}
    dims = (*names, "latitude", "longitude")
    found = xr.Dataset({name: (dims, values[None, :, ::-1]) for name, values in held.items()}, coords)
    found[names[1]].attrs["units"] = "hPa" if layout == "cds" else "millibars"
    if layout == "cds-former":
        found = _with_versions(found)
    return found


def _with_versions(found: xr.Dataset) -> xr.Dataset:
    """Return a file with final values (1), none of them there yet, and preliminary ones (5); packed."""
    empty = found * np.nan
    both = xr.concat([empty, found], xr.DataArray(np.array([1, 5], np.int32), dims="expver", name="expver"))
    both = both.transpose("time", "expver", ...)
    for name in both.data_vars:
        low, high = float(found[name].min()), float(found[name].max())
        step = max(high - low, 1e-9) / 65_000
        packing = {"dtype": "int16", "scale_factor": step, "add_offset": low + 32_500 * step, "_FillValue": -32767}
        both[name].encoding.update(packing)
    both["time"].encoding.update({"units": f"hours since {_OLDEST}", "dtype": "int32"})
    return both
