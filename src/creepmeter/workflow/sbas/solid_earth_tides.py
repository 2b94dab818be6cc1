"""The tide of the solid Earth along the line of sight, as a series and taken from a measured one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress, run_blocks
from creepmeter.corrections.solid_earth_tides import solid_earth_tide
from creepmeter.errors import InputError
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import Dataset, ProductWriter
from creepmeter.io.provenance import digest_text, provenance
from creepmeter.workflow.sbas.delay_series import subtract_delays
from creepmeter.workflow.sbas.folder import identity
from creepmeter.workflow.sbas.ground import Ground
from creepmeter.workflow.sbas.series import Series

TIDES = "SET.h5"
_NOT_CARRIED = ("CREEPMETER_", "MODIFICATION_", "Conventions", "REF_", "mintpy.")


def hour_that_is_missing(series: Series) -> str:
    """Return what to say of a series that does not tell the hour of its acquisitions; empty where it does."""
    of_days = series.dates == series.dates.astype("datetime64[D]")
    if not of_days.any() or number_of(series.attributes, "CENTER_LINE_UTC", series.path) is not None:
        return ""
    return (
        f"{series.path} does not tell the hour of its acquisitions (CENTER_LINE_UTC), and the tide turns in six hours: "
        "load the stack again with its metadata files, or put CENTER_LINE_UTC = SECONDS OF THE DAY into those"
    )


def make_tide_series(
    series: Path,
    geometry: Path,
    target: Path,
    *,
    component: str = "los",
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write the tide of the solid Earth at the dates and pixels of a series.

    Parameters
    ----------
    series : Path
        Gives the dates, and the time of day of the acquisitions (CENTER_LINE_UTC).
    geometry : Path
        Where the pixels lie and which way they are seen.
    target : Path
        Series of metres towards the satellite, relative to no date or pixel.
    component : {"los", "azimuth"}
        Towards the satellite, or along its flight.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        The geometry has other pixels, no angles, or does not say where it lies; the series does not tell the hour.
    """
    opened, ground = Series.open(series), Ground.open(geometry)
    missing = hour_that_is_missing(opened)
    if missing:
        raise InputError(missing)
    ground.require_shape(opened.shape, series)
    nodes = ground.nodes()
    tides = solid_earth_tide(nodes.latitude, nodes.longitude, opened.times)
    carried = {key: text for key, text in opened.attributes.items() if not key.startswith(_NOT_CARRIED)}
    said = {"FILE_TYPE": "timeseries", "UNIT": "m", "FILE_PATH": target.name, "NO_DATA_VALUE": "none"}
    made_from = [list(map(str, opened.times)), identity(geometry), component]
    layout = {"timeseries": Dataset((len(opened.dates), *opened.shape), np.dtype(np.float32))}
    writer = ProductWriter.create_or_resume(
        target, layout, {**carried, **said}, digest_text("SET", *made_from), {"date": opened.dates}
    )

    def work(block: Block) -> npt.NDArray[np.float32]:
        moved = nodes.spread(tides, block)
        return np.asarray(np.einsum("tcyx,cyx->tyx", moved, ground.look(block, component)), np.float32)

    run_blocks(
        opened.blocks(memory_gb, 5.0 * len(opened.dates)),
        work,
        lambda block, values: writer.put(block.id, block.region, {"timeseries": values}),
        done=lambda block: writer.done(block.id),
        progress=progress if progress is not None else NullProgress(),
        name=target.name,
    )
    return writer.finish(provenance({"component": component}, {geometry.name: identity(geometry)}))


def correct_tides(
    series: Path,
    geometry: Path,
    target: Path,
    *,
    tides: Path | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a series without the tide of the solid Earth; the tide goes into ``SET.h5`` beside the geometry.

    Parameters
    ----------
    series, geometry, target : Path
        Series to correct, geometry of its pixels, corrected series.
    tides : Path, optional
        Where the tide goes.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.
    """
    predicted = make_tide_series(
        series, geometry, tides or geometry.with_name(TIDES), memory_gb=memory_gb, progress=progress
    )
    return subtract_delays(series, predicted, target, memory_gb=memory_gb, progress=progress)
