"""The figures of a run in words: key numbers, one row for each pair, what stable ground showed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import GridError
from creepmeter.model.epoch import days_between
from creepmeter.model.grid import Grid, describe_system, grid_of, metres_per_pixel
from creepmeter.model.horizontal import annual_amplitude, horizontal_motion, rate_term, scalar_motion
from creepmeter.products.quantities import MapPoint, median, nmad

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SAMPLES = 400_000  # stable cells of all pairs that a histogram is drawn from
_SIGMAS = 2.0
_WHOLE = 1000  # from here on numbers are written without decimals
_NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class PairRow:
    """One pair as the report lists it; texts ready to read."""

    ref: str
    sec: str
    days: str
    shift: str
    spread: str
    valid: str
    used: bool
    verdict: str


@dataclass(frozen=True)
class StackSummary:
    """What one reading of a stack shows.

    Parameters
    ----------
    stable : mapping of component to array
        Displacement on stable ground over the pairs used, metres; a sample of it where there is much.
    median_shift, spread : array, (component, pair)
        Median and NMAD on stable ground, metres; NaN without stable ground.
    valid : array, (pair,)
        Share of the cells that are measured.
    """

    stable: dict[str, Floats] = field(default_factory=dict)
    median_shift: Floats = field(default_factory=lambda: np.empty((0, 0)))
    spread: Floats = field(default_factory=lambda: np.empty((0, 0)))
    valid: Floats = field(default_factory=lambda: np.empty(0))


def summarise_stack(stack: xr.Dataset, stable: Bools | None) -> StackSummary:
    """Read a stack once, pair by pair, for the report."""
    names = [str(name) for name in stack["component"].values]
    used = stack["used"].values.astype(bool)
    cells = 0 if stable is None else int(stable.sum())
    step = max(1, -(-cells * max(int(used.sum()), 1) // _SAMPLES))
    samples: dict[str, list[Floats]] = {name: [] for name in names}
    shape = (len(names), stack.sizes["pair"])
    shift, spread, valid = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape[1])
    for index in range(shape[1]):
        values = np.asarray(stack["displacement"].isel(pair=index).values)
        valid[index] = float(np.isfinite(values).all(axis=0).mean())
        if stable is None:
            continue
        for k, name in enumerate(names):
            still = values[k][stable].astype(np.float64)
            shift[k, index], spread[k, index] = median(still), nmad(still)
            if used[index]:
                samples[name].append(still[np.isfinite(still)][::step])
    kept = {name: np.concatenate(parts) for name, parts in samples.items() if parts}
    return StackSummary({name: part for name, part in kept.items() if part.size}, shift, spread, valid)


def pair_rows(stack: xr.Dataset, after: StackSummary, before: StackSummary | None) -> list[PairRow]:
    """Return the rows of the table of pairs."""
    shift = _shifts(stack, after, before)
    rows = []
    both = zip(stack["ref_time"].values, stack["sec_time"].values, strict=True)
    for index, (ref, sec) in enumerate(both):
        used = bool(stack["used"].values[index])
        rows.append(
            PairRow(
                ref=str(ref)[:10],
                sec=str(sec)[:10],
                days=f"{days_between(ref, sec):.0f}",
                shift=", ".join(signed_text(value) for value in shift[:, index]),
                spread=", ".join(number_text(value) for value in after.spread[:, index]),
                valid=f"{100 * after.valid[index]:.0f} %",
                used=used,
                verdict=_verdict(used=used, valid=float(after.valid[index])),
            )
        )
    return rows


def _shifts(stack: xr.Dataset, after: StackSummary, before: StackSummary | None) -> Floats:
    """Return the shift removed from each pair, (component, pair): recorded, else what stable ground lost."""
    if "shift" in stack and stack["shift"].dims == ("component", "pair"):
        return np.asarray(stack["shift"].values, dtype=np.float64)
    if before is not None and before.median_shift.shape == after.median_shift.shape:
        return before.median_shift - after.median_shift
    return np.full(after.spread.shape, np.nan)


def _verdict(*, used: bool, valid: float) -> str:
    if used:
        return "used"
    return "no: nothing measured" if valid == 0 else "no: left out"


def number_text(value: float, unit: str = "") -> str:
    """Return a number with three figures and its unit, a dash for NaN."""
    if not np.isfinite(value):
        return _NOTHING
    text = f"{value:.0f}" if abs(value) >= _WHOLE else f"{value:#.3g}".rstrip(".")
    return f"{text} {unit}".rstrip()


def signed_text(value: float) -> str:
    """Return metres with sign and centimetres, a dash for NaN."""
    return f"{value:+.3f}" if np.isfinite(value) else _NOTHING


def key_figures(
    motion: xr.Dataset,
    series: xr.Dataset | None,
    stack: xr.Dataset | None,
    points: tuple[MapPoint, ...],
    stable: Bools | None,
) -> list[tuple[str, str]]:
    """Return the key figures of a run as (name, text)."""
    rows = [*_dates_rows(series, stack), *_grid_rows(motion, stack)]
    size, sigma = scalar_motion(motion)
    measured = np.isfinite(size)
    rows.append(("Cells with a velocity", f"{100 * measured.mean():.1f} % ({int(measured.sum())} of {measured.size})"))
    unit = str(motion["unit"].sel(term=rate_term(motion)).item()) if "unit" in motion.coords else "m/yr"
    rows.append(("Median 1-sigma of the speed", number_text(median(sigma), unit)))
    rows += _speed_rows(size, sigma, points, stable, unit)
    return rows + _annual_rows(motion, size, sigma, stable)


def _annual_rows(motion: xr.Dataset, size: Floats, sigma: Floats, stable: Bools | None) -> list[tuple[str, str]]:
    """Return what the year does to the ground, apart from the rate; nothing where that is not fitted."""
    swing = annual_amplitude(motion)
    if swing is None:
        return []
    moving = ~stable if stable is not None else size > _SIGMAS * sigma
    where = "moving ground" if stable is not None else "cells above 2 sigma"
    rows = [(f"Annual motion of {where}, median amplitude", number_text(median(swing[moving]), "m"))]
    if stable is not None:
        rows.append(("Annual motion of stable ground, median amplitude", number_text(median(swing[stable]), "m")))
    return rows


def _dates_rows(series: xr.Dataset | None, stack: xr.Dataset | None) -> list[tuple[str, str]]:
    rows = []
    times = _times(series, stack)
    if times is not None:
        rows.append(("Dates", f"{times.size}, {str(times.min())[:10]} to {str(times.max())[:10]}"))
    if stack is not None:
        days = [days_between(r, s) for r, s in zip(stack["ref_time"].values, stack["sec_time"].values, strict=True)]
        used = int(stack["used"].values.sum())
        rows.append(("Pairs used", f"{used} of {len(days)}, {min(days):.0f} to {max(days):.0f} days"))
    return rows


def _times(series: xr.Dataset | None, stack: xr.Dataset | None) -> npt.NDArray[np.datetime64] | None:
    if series is not None:
        return np.asarray(series["time"].values)
    if stack is None:
        return None
    return np.unique(np.concatenate([stack["ref_time"].values, stack["sec_time"].values]))


def _grid_rows(motion: xr.Dataset, stack: xr.Dataset | None) -> list[tuple[str, str]]:
    grid = grid_of(motion)
    rows = [("Map", f"{grid.shape[1]} x {grid.shape[0]} cells of {_cell_text(grid)}")]
    attributes = {} if stack is None else stack.attrs
    if "chip_px" in attributes:
        step = f", one every {attributes['step_px']} px" if "step_px" in attributes else ""
        rows.append(("Chip", f"{attributes['chip_px']} px{step}"))
    rows.append(("Reference system", describe_system(grid)))
    return rows


def _cell_text(grid: Grid) -> str:
    try:
        across, down = (abs(float(size)) for size in np.diag(metres_per_pixel(grid)))
    except GridError:
        return f"{abs(grid.affine.a):g} degrees"
    return f"{across:g} m" if np.isclose(across, down) else f"{across:g} x {down:g} m"


def _speed_rows(
    size: Floats, sigma: Floats, points: tuple[MapPoint, ...], stable: Bools | None, unit: str
) -> list[tuple[str, str]]:
    rows = []
    for point in points:
        at = (point.row, point.column)
        spread = f" ± {number_text(sigma[at])}" if np.isfinite(sigma[at]) else ""
        rows.append((f"Speed at the {point.name}", f"{number_text(size[at])}{spread} {unit}"))
    moving = ~stable if stable is not None else size > _SIGMAS * sigma
    fast = size[moving & np.isfinite(size)]
    where = "moving ground" if stable is not None else "cells above 2 sigma"
    if fast.size:
        text = (
            f"median {number_text(median(fast))}, highest {number_text(float(fast.max()))} {unit} ({fast.size} cells)"
        )
        rows.append((f"Speed of {where}", text))
    if stable is not None and (stable & np.isfinite(size)).any():
        rows.append(("Median speed of stable ground", number_text(median(size[stable]), unit)))
    return rows


def stable_rows(before: StackSummary | None, after: StackSummary) -> list[tuple[str, str]]:
    """Return NMAD on stable ground as (name, text), before and after correction where both are known."""
    rows = []
    for name, values in after.stable.items():
        text = number_text(nmad(values), "m")
        early = {} if before is None else before.stable
        if name in early:
            text = f"{number_text(nmad(early[name]), 'm')} before, {text} after correction"
        rows.append((f"NMAD of pairs on stable ground, {name}", text))
    return rows


def mean_direction(motion: xr.Dataset, point: MapPoint) -> str:
    """Return where the ground goes at a point, in degrees clockwise from north, or nothing for one component."""
    movement = horizontal_motion(motion)
    if movement is None:
        return ""
    at = (point.row, point.column)
    return f"{np.degrees(np.arctan2(movement.east[at], movement.north[at])) % 360:.0f}° from north"
