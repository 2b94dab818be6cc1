"""Delays by date as a series in MintPy's layout, and their subtraction from a displacement series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress, run_blocks
from creepmeter.corrections.delay_cube import Pixels, slant_delay
from creepmeter.errors import InputError
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.product import Dataset, ProductWriter, read_tables
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.model.epoch import Epoch, Epochs
from creepmeter.workflow.sbas.corrected import corrected_attributes, reference_place
from creepmeter.workflow.sbas.pixel_geometry import PixelGeometry
from creepmeter.workflow.sbas.rewrite import reference_pixel
from creepmeter.workflow.sbas.series import SERIES, Series

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Zenith = Callable[[Pixels], Floats]

_REFERENCES = ("REF_DATE", "REF_Y", "REF_X", "REF_LAT", "REF_LON")
_OWN = ("CREEPMETER_", "MODIFICATION_", "Conventions")
_PLACES, _COPIES = 12, 3  # numbers of eight bytes for each pixel, and for each date of it


@dataclass(frozen=True)
class DatedDelays:
    """Delay in the zenith by date.

    Parameters
    ----------
    dates : array of datetime64
        Dates with a delay, as the series has them.
    zenith : sequence of callable
        Pixels -> delay in the zenith, metres, of each date.
    missing : mapping of str to str
        Date YYYYMMDD -> why there is none.
    inputs : mapping of str to str
        Name of each file that was used -> digest.
    """

    dates: Epochs
    zenith: Sequence[Zenith]
    missing: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


def write_delays(
    delays: DatedDelays,
    geometry: PixelGeometry,
    target: Path,
    attributes: Mapping[str, str],
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write delays along the line of sight as a series, as MintPy does.

    Values are absolute, metres of apparent motion toward the satellite: the delay, negative. Reference date and pixel
    are taken when they are subtracted.

    Parameters
    ----------
    delays : DatedDelays
        At least one date.
    geometry : PixelGeometry
        Pixels.
    target : Path
        File to make: ``inputs/ERA5.h5``.
    attributes : mapping of str to str
        Of the displacement series, or of the geometry.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.
    """
    kept = {key: text for key, text in attributes.items() if not key.startswith(_OWN) and key not in _REFERENCES}
    kept |= {"FILE_TYPE": SERIES, "UNIT": "m", "FILE_PATH": target.name}
    shape = (len(delays.dates), *geometry.shape)
    key = digest_text("delays", sorted(delays.inputs.items()), digest_file(geometry.path), list(map(str, delays.dates)))
    writer = ProductWriter.create_or_resume(
        target,
        {SERIES: Dataset(shape, np.dtype(np.float32))},
        kept | {"CREEPMETER_KEY": key},
        key,
        {"date": delays.dates},
    )

    def work(block: Block) -> Values:
        pixels, incidence = geometry.pixels(block), geometry.incidence(block)
        found = np.empty((len(delays.dates), *block.shape), np.float32)
        for k, zenith in enumerate(delays.zenith):
            found[k] = -slant_delay(zenith(pixels), incidence)
        return found

    run_blocks(
        geometry.blocks(memory_gb, _PLACES + len(delays.dates)),
        work,
        lambda block, values: writer.put(block.id, block.region, {SERIES: values}),
        done=lambda block: writer.done(block.id),
        progress=progress if progress is not None else NullProgress(),
        name=target.name,
    )
    return writer.finish(provenance({}, dict(delays.inputs)))


def subtract_delays(
    source: Path,
    delays: Path,
    target: Path,
    *,
    drop_missing: bool = False,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Subtract delays, relative to the reference date and pixel of the series, from a displacement series.

    Parameters
    ----------
    source : Path
        Displacement series.
    delays : Path
        Series of delays, see `write_delays`; it may lack dates.
    target : Path
        Corrected series.
    drop_missing : bool
        Leave dates without a delay out of it; else they stay as they were. Where the reference date has none, the mean
        of the others stands for its delay, or the first date that is kept takes its place.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        The grids differ, no date has a delay, or the reference pixel has none.
    """
    series, other = Series.open(source), Series.open(delays)
    if series.shape != other.shape:
        message = f"{delays} has {other.shape} pixels and {source} {series.shape}: make the delays again"
        raise InputError(message)
    plan = _Plan.of(series, other, drop=drop_missing)
    attributes = corrected_attributes(series, target, {}) | {"REF_DATE": written(series.dates[plan.reference])}
    tables = read_tables(source)
    for name in ("date", "bperp"):
        if name in tables:
            tables[name] = tables[name][plan.kept]
    if drop_missing:
        ends = [written(series.dates[plan.kept][k]) for k in (0, -1)]
        attributes |= {
            name: text for name, text in zip(("START_DATE", "END_DATE"), ends, strict=True) if name in attributes
        }
    inputs = {source.name: digest_file(source), delays.name: digest_file(delays)}
    writer = ProductWriter.create_or_resume(
        target,
        {series.array.name: Dataset((len(plan.kept), *series.shape), np.dtype(np.float32))},
        attributes,
        digest_text("subtract_delays", sorted(inputs.items()), drop_missing),
        tables,
    )
    run_blocks(
        series.blocks(memory_gb, _COPIES * (len(series.dates) + len(other.dates)) / 2 + 2),
        lambda block: plan.corrected(series.read(block), other.read(block)),
        lambda block, values: writer.put(block.id, block.region, {series.array.name: values}),
        done=lambda block: writer.done(block.id),
        progress=progress if progress is not None else NullProgress(),
        name=target.name,
    )
    return writer.finish(provenance({"missing": "drop" if drop_missing else "uncorrected"}, inputs))


@dataclass(frozen=True)
class _Plan:
    """How delays are subtracted.

    `places` says which delay belongs to each date (-1 = none), `kept` which dates are written, `former` and `reference`
    which date all is relative to before and after; `pixel` holds the delay of the reference pixel by date.
    """

    places: npt.NDArray[np.intp]
    kept: npt.NDArray[np.intp]
    former: int
    reference: int
    pixel: Floats

    @classmethod
    def of(cls, series: Series, delays: Series, *, drop: bool) -> _Plan:
        days = {str(date)[:10]: k for k, date in enumerate(delays.dates)}
        places = np.array([days.get(str(date)[:10], -1) for date in series.dates], np.intp)
        if (places < 0).all():
            message = f"{delays.path} has no date of {series.path}: give the files of its dates"
            raise InputError(message)
        former = reference_place(series)
        kept = np.flatnonzero(places >= 0) if drop else np.arange(len(places))
        reference = former if former in kept else int(kept[0])
        return cls(places, kept, former, reference, _delay_of_pixel(series, delays))

    def corrected(self, values: Values, delays: Values) -> Values:
        """Return corrected values of a block, (kept dates, y, x)."""
        relative = delays.astype(np.float64) - self.pixel[:, None, None]
        datum = self.places[self.former]
        relative -= relative.mean(axis=0) if datum < 0 else relative[datum].copy()
        found = values.astype(np.float64)
        known = self.places >= 0
        found[known] -= relative[self.places[known]]
        found[values == 0] = 0.0  # not measured, or the reference
        if self.reference != self.former:
            empty = (values == 0).all(axis=0)
            found -= np.where(empty, 0.0, found[self.reference])
        return found[self.kept].astype(np.float32)


def _delay_of_pixel(series: Series, delays: Series) -> Floats:
    """Return the delay of the reference pixel, by date; 0 where the series has no such pixel."""
    pixel = reference_pixel(series.attributes)
    if pixel is None:
        return np.zeros(len(delays.dates))
    row, column = pixel
    found = delays.array.read(slice(row, row + 1), slice(column, column + 1))[:, 0, 0].astype(np.float64)
    if not np.isfinite(found).all():
        message = (
            f"{delays.path} has no delay at the reference pixel (row {row}, column {column}) of {series.path}: its "
            "height or incidence is missing in the geometry; choose another reference point"
        )
        raise InputError(message)
    return found


def day_of(date: Epoch) -> str:
    """Return the day of an epoch, YYYYMMDD."""
    return str(date)[:10].replace("-", "")
