"""Steps invert and velocity: a pair stack to displacement per date, and to terms of motion, block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import xarray as xr

from creepmeter.blocks import Block, Progress, plan_blocks, run_blocks
from creepmeter.inversion.invert import (
    cycle_of,
    errors_of_dates,
    independent_share_of,
    invert_block,
    looks_of,
    template_series,
    used_network,
    used_values,
)
from creepmeter.inversion.options import InvertOptions
from creepmeter.inversion.reference import reference_of
from creepmeter.io.layout import TILE_PX
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.io.store import StoreWriter
from creepmeter.io.store import open as open_product
from creepmeter.model.schema import PAIR_STACK, TIME_SERIES, check
from creepmeter.velocity.fit import Errors, date_errors_of, fit_block, template_motion, with_known_errors
from creepmeter.velocity.options import VelocityOptions

Values = npt.NDArray[Any]
_COPIES = 4  # of a block's numbers that are held at once, in float64
_NUMBER = 8


def invert_store(
    source: Path, target: Path, options: InvertOptions, *, memory_gb: float, progress: Progress, key: str | None = None
) -> Path:
    """Invert a pair stack on disk into a series on disk, within a memory budget; a killed run resumes.

    Parameters
    ----------
    source, target : Path
        PairStack to read, TimeSeries to make.
    options : InvertOptions
        How.
    memory_gb : float
        Memory for one block, gigabytes.
    progress : Progress
        Counts pixels.
    key : str, optional
        What the result depends on; by default the digest of the source and the options.

    Returns
    -------
    Path
        The series.
    """
    stack = open_product(source)
    check(stack, PAIR_STACK)
    network = used_network(stack, options)
    share, cycle, used = independent_share_of(stack), cycle_of(stack), stack["used"].values
    looks, reference = looks_of(stack, options), reference_of(stack)
    key = key or digest_text("invert", digest_file(source), options.model_dump())
    errors = errors_of_dates(stack, network, options)
    template = template_series(stack, network, options, errors).assign_attrs(key=key)
    per_pixel = _COPIES * _NUMBER * stack.sizes["component"] * (2 * len(used) + 2 * len(network.epochs))

    def work(block: Block) -> dict[str, Values]:
        here = stack.isel(block.region)
        found = invert_block(
            used_values(here["displacement"].values - reference, used),
            network,
            options,
            sigma=used_values(here["sigma"].values, used) if "sigma" in here else None,
            quality=used_values(here["quality"].values, used) if "quality" in here else None,
            share=share,
            cycle_m=cycle,
            looks=looks,
        )
        found["sigma"] = errors.apply(found["sigma"], found["datum"])
        return found

    writer = StoreWriter.create_or_resume(target, template, {}, key)
    _put_tables(writer, template, ("date_correlation", "date_sigma"))
    _fill(writer, stack, work, per_pixel, memory_gb, progress, name="invert")
    return writer.finish(provenance(options.model_dump(mode="json"), {source.name: digest_file(source)}))


def velocity_store(
    source: Path,
    target: Path,
    options: VelocityOptions,
    *,
    memory_gb: float,
    progress: Progress,
    key: str | None = None,
) -> Path:
    """Fit terms of motion to a series on disk, within a memory budget; see `invert_store`."""
    series = open_product(source)
    check(series, TIME_SERIES)
    key = key or digest_text("velocity", digest_file(source), options.model_dump())
    options = with_known_errors(options, series)
    template = template_motion(series, options).assign_attrs(key=key)
    per_pixel = _COPIES * _NUMBER * series.sizes["component"] * (2 * series.sizes["time"] + 2 * template.sizes["term"])
    correlation, typical = date_errors_of(series)

    def work(block: Block) -> dict[str, Values]:
        here = series.isel(block.region)
        sigma = here["sigma"].values if "sigma" in here else None
        values, times = here["displacement"].values, series["time"].values
        errors = Errors(sigma, correlation, typical, here["datum"].values if "datum" in here else None)
        return fit_block(values, times, options, errors)

    writer = StoreWriter.create_or_resume(target, template, {}, key)
    _fill(writer, series, work, per_pixel, memory_gb, progress, name="velocity")
    return writer.finish(provenance(options.model_dump(mode="json"), {source.name: digest_file(source)}))


def _put_tables(writer: StoreWriter, template: xr.Dataset, names: tuple[str, ...]) -> None:
    if not writer.done("tables"):
        writer.put("tables", {}, {name: template[name].values for name in names})


def _fill(
    writer: StoreWriter,
    dataset: xr.Dataset,
    work: Any,  # noqa: ANN401 - Block -> variables
    per_pixel: float,
    memory_gb: float,
    progress: Progress,
    *,
    name: str,
) -> None:
    shape = (dataset.sizes["y"], dataset.sizes["x"])
    blocks = plan_blocks(shape, per_pixel, memory_gb, multiple=TILE_PX)
    run_blocks(
        blocks,
        work,
        lambda block, found: writer.put(block.id, block.region, found),
        done=lambda block: writer.done(block.id),
        progress=progress,
        name=name,
    )
