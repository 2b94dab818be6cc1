"""The error of the heights of a series in MintPy's layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress, run_blocks
from creepmeter.corrections.series_options import TopographyOptions
from creepmeter.corrections.topography import HeightErrors, correct_height_error, plan_of
from creepmeter.errors import InputError
from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.product import Dataset, ProductWriter, list_datasets, read_tables
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.model.epoch import Epochs
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.centre import centre_of
from creepmeter.workflow.sbas.corrected import corrected_attributes, reference_place
from creepmeter.workflow.sbas.series import Series, excluded_dates

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
_KEYS = {
    "poly_order": "polyOrder",
    "phase_velocity": "phaseVelocity",
    "step_date": "stepDate",
    "exclude_date": "excludeDate",
    "pixelwise_geometry": "pixelwiseGeometry",
}


def _days(dates: Epochs) -> Epochs:
    return dates.astype("datetime64[D]")


@dataclass(frozen=True)
class Sight:
    """Where the satellite is seen from: distance of all pixels, or maps of it; baselines of dates, or of pixels too.

    Parameters
    ----------
    centre : (float, float)
        Incidence in degrees and slant range in metres at the centre.
    slant_range, incidence : StoredArray or None
        Maps; None = that of the centre.
    bperp_m : array, (time,)
        Perpendicular baselines of the dates.
    baselines : StoredArray or None
        Of every pixel, (time, y, x).
    order : array of int
        Layers of `baselines` in the order of the dates.
    """

    centre: tuple[float, float]
    slant_range: StoredArray | None
    incidence: StoredArray | None
    bperp_m: Floats
    baselines: StoredArray | None = None
    order: npt.NDArray[np.intp] | None = None

    def distance(self, block: Block) -> Floats:
        """Return slant range times sine of the incidence in a block, metres; one number where it is the same."""
        incidence, slant = (
            mean if array is None else array.read(block.y, block.x)[0].astype(np.float64)
            for mean, array in zip(self.centre, (self.incidence, self.slant_range), strict=True)
        )
        return np.asarray(slant * np.sin(np.deg2rad(incidence)))

    def bperp(self, block: Block) -> Floats:
        """Return the perpendicular baselines, (time,), or (time, y, x) where they are known for every pixel."""
        if self.baselines is None:
            return self.bperp_m
        found = self.baselines.read(block.y, block.x, self.order).astype(np.float64)
        return np.asarray(found - found[0])


@dataclass(frozen=True)
class Targets:
    """Files that the correction makes."""

    corrected: Path
    height_error: Path
    residual: Path

    def __iter__(self) -> Iterator[Path]:
        """Yield the files."""
        yield from (self.corrected, self.height_error, self.residual)


def correct_topography(
    series: Path,
    targets: Targets,
    geometry: Path | None,
    options: TopographyOptions | None = None,
    *,
    excluded: Epochs | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> None:
    """Estimate the error of the heights from a series, and write what is left of the series without it.

    Parameters
    ----------
    series : Path
        Series to read.
    targets : Targets
        Files to make: corrected series, error of the heights, residuals.
    geometry : Path or None
        Incidence and slant range of every pixel, and perpendicular baselines of every pixel where it has them; None =
        those of the centre.
    options : TopographyOptions, optional
        Functions of the motion, dates left out.
    excluded : array of datetime64, optional
        Dates left out, in place of those that the options name.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        This is no series, it has no baselines, or the geometry does not fit it.
    ConfigError
        Too few dates for the functions of the motion.
    """
    chosen = options or TopographyOptions()
    opened = Series.open(series)
    left_out = excluded_dates(chosen.exclude_date, series.parent) if excluded is None else excluded
    used = ~np.isin(_days(opened.dates), _days(left_out))
    sight = _sight(opened, geometry if chosen.pixelwise_geometry else None)
    plan = plan_of(opened.times, sight.bperp_m, used, chosen, reference_place(opened))
    quality = series.parent / at.TEMPORAL_COHERENCE
    coherence = _layer(quality, "temporalCoherence", opened.shape) if quality.exists() else None
    sources = [series, *([quality] if coherence is not None else []), *([geometry] if geometry is not None else [])]
    digests = {path.name: digest_file(path) for path in sources}
    key = digest_text(digests, chosen.model_dump(mode="json"), [written(date) for date in opened.dates[used]])
    writers = _writers(opened, targets, chosen, key)

    blocks = opened.blocks(memory_gb, _numbers(opened, sight))
    largest = len(opened.dates) * max(block.size for block in blocks)
    room, first, second = (np.empty(largest, np.float32) for _ in range(3))  # for one block after the other

    def work(block: Block) -> HeightErrors:
        values = opened.array.read(block.y, block.x, room=room)
        measured = None if coherence is None else coherence.read(block.y, block.x)[0] != 0
        return correct_height_error(values, sight.bperp(block), sight.distance(block), plan, measured, (first, second))

    run_blocks(
        blocks,
        work,
        lambda block, found: _put(writers, opened.array.name, block, found),
        done=lambda block: all(writer.done(block.id) for writer in writers),
        progress=progress if progress is not None else NullProgress(),
        name=targets.corrected.name,
    )
    for writer in writers:
        writer.finish(provenance(chosen.model_dump(mode="json"), digests))


def _numbers(series: Series, sight: Sight) -> float:
    """Return numbers of eight bytes per pixel: values, corrected ones and residuals, and baselines of every pixel."""
    return (2.5 + 1.5 * (sight.baselines is not None)) * len(series.dates)


def _put(writers: Sequence[ProductWriter], name: str, block: Block, found: HeightErrors) -> None:
    for writer, values in zip(
        writers,
        ({name: found.corrected}, {"dem": found.height_m}, {name: found.residual}),
        strict=True,
    ):
        writer.put(block.id, block.region, values)


def _writers(series: Series, targets: Targets, options: TopographyOptions, key: str) -> list[ProductWriter]:
    values = options.model_dump(mode="json")
    said = {f"topographicResidual.{word}": values[name] for name, word in _KEYS.items()}
    tables = read_tables(series.path)
    cube = {series.array.name: Dataset(series.array.shape, np.dtype(np.float32))}
    flat = {"dem": Dataset(series.shape, np.dtype(np.float32), {"UNIT": "m"})}
    made = []
    for target, layout in zip(targets, (cube, flat, cube), strict=True):
        attributes = corrected_attributes(series, target, said)
        if layout is flat:
            attributes |= {"FILE_TYPE": "dem", "UNIT": "m"}
        made.append(ProductWriter.create_or_resume(target, layout, attributes, key, {} if layout is flat else tables))
    return made


def _sight(series: Series, geometry: Path | None) -> Sight:
    tables = read_tables(series.path)
    if "bperp" not in tables:
        message = f"{series.path} has no perpendicular baselines (bperp): make it again with `creepmeter sbas`"
        raise InputError(message)
    bperp = tables["bperp"].astype(np.float64)
    held = {} if geometry is None else list_datasets(geometry)
    slant = _layer(geometry, "slantRangeDistance", series.shape) if geometry and "slantRangeDistance" in held else None
    angle = _layer(geometry, "incidenceAngle", series.shape) if geometry and "incidenceAngle" in held else None
    centre = (0.0, 0.0)
    if slant is None or angle is None:
        found = centre_of(series.attributes, series.path)
        centre = found.incidence_deg, found.slant_range_m
    layers, order = _baselines(series, geometry) if geometry is not None else (None, None)
    return Sight(centre, slant, angle, bperp - bperp[0], layers, order)


def _layer(path: Path, name: str, shape: tuple[int, int]) -> StoredArray:
    with hdf.reading(path) as file:
        array = StoredArray.of(path, file[name])
    if array.shape[1:] != shape:
        sizes = [" x ".join(map(str, size)) for size in (array.shape[1:], shape)]
        message = f"{path}, {name} has {sizes[0]} pixels and the series {sizes[1]}: give the geometry of the series"
        raise InputError(message)
    return array


def _baselines(series: Series, geometry: Path) -> tuple[StoredArray | None, npt.NDArray[np.intp] | None]:
    """Return the baselines of every pixel, and their layers in the order of the dates."""
    shape, _ = list_datasets(geometry).get("bperp", ((), None))
    if len(shape) != len(series.array.shape):
        return None, None
    tables = read_tables(geometry)
    if "date" not in tables:
        return None, None
    days = [str(day) for day in _days(tables["date"])]
    wanted = [str(day) for day in _days(series.dates)]
    missing = [day for day in wanted if day not in days]
    if missing:
        message = f"{geometry} has baselines of {len(days)} dates, and none of {missing[0]}: load the geometry again"
        raise InputError(message)
    return _layer(geometry, "bperp", series.shape), np.array([days.index(day) for day in wanted], np.intp)
