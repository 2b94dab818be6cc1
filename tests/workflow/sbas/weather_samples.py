"""Files of a weather model of known air, and a series that they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.workflow.sbas.samples import write_project

from creepmeter.io.mintpy.product import write_product
from creepmeter.model.epoch import as_epochs
from creepmeter.model.weather import Axes
from creepmeter.simulate.weather import Air, weather_file

NODES = Axes(np.arange(37.5, 39.51, 0.25), np.arange(-124.0, -121.99, 0.25))
DATES = ("20180105", "20180129", "20180222", "20180318", "20180411")
HOUR = 2  # CENTER_LINE_UTC of the simulation is 7200 s
REFERENCE = (5, 7)


def air_of(date: str) -> Air:
    """Return the air of a date."""
    k = DATES.index(date)
    return Air(vapour_pa=600.0 + 250.0 * k, pressure_pa=101_000.0 + 150.0 * k, vapour_slope=(0.1 * k, -0.05 * k))


def write_weather(folder: Path, dates: tuple[str, ...] = DATES, hour: int = HOUR) -> Path:
    """Write a file of ERA5 for every date."""
    folder.mkdir(parents=True, exist_ok=True)
    for date in dates:
        path = folder / f"ERA5_N37_N40_W124_W122_{date}_{hour:02d}.nc"
        weather_file(air_of(date).fields(NODES, f"{date}T{hour:02d}0000")).to_netcdf(path, engine="h5netcdf")
    return folder


def write_series(folder: Path) -> None:
    """Write a project, and a series of random displacement with pixels that were not inverted."""
    stack = write_project(folder, dates=len(DATES), rows=24, columns=30, noise=False)
    assert [str(date)[:10].replace("-", "") for date in stack.truth.epochs] == list(DATES)
    shape = stack.height.shape
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.01, (len(DATES), *shape)).astype(np.float32)
    values -= values[:, REFERENCE[0], REFERENCE[1], None, None]
    values -= values[0].copy()
    values[:, :3, :3] = 0.0  # not inverted
    facts = {"FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": DATES[0], "REF_Y": "5", "REF_X": "7"}
    ends = {"START_DATE": DATES[0], "END_DATE": DATES[-1]}
    tables = {"date": as_epochs(list(DATES)), "bperp": np.arange(5, dtype=np.float32)}
    write_product(
        folder / "timeseries.h5", {"timeseries": values}, {**stack.attributes, **facts, **ends}, tables=tables
    )
