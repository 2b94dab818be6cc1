"""The error of the heights: told from motion by the perpendicular baseline, and taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.corrections.protocol import Values
from creepmeter.corrections.series_options import TopographyOptions
from creepmeter.errors import ConfigError
from creepmeter.kernels.plan import LEAST, Plan
from creepmeter.model.epoch import Epochs, decimal_years_since, years_since
from creepmeter.model.terms import design_columns, parse_terms

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
CHUNK = 2048  # pixels of one product of matrices
RCOND = 1e-10  # of scaled columns; below, a function cannot be told from the others


@dataclass(frozen=True)
class HeightErrors:
    """What the correction of some pixels leaves.

    Parameters
    ----------
    height_m : array of float32, (y, x)
        Error of the height, metres; 0 where nothing was solved.
    corrected : array of float32, (time, y, x)
        Series without it.
    residual : array of float32, (time, y, x)
        What neither it nor the motion explains.
    """

    height_m: Values
    corrected: Values
    residual: Values


def plan_of(times: Epochs, bperp_m: Floats, used: Bools, options: TopographyOptions, datum: int = 0) -> Plan:
    """Return the matrices of a series: functions of time of the motion, and the projection off them.

    Parameters
    ----------
    times : array of datetime64, (time,)
        Acquisitions, with the time of day.
    bperp_m : array, (time,)
        Perpendicular baselines, metres, to see whether they can be told from the motion.
    used : array of bool, (time,)
        Dates that enter the fit.
    options : TopographyOptions
        Functions of the motion; whether displacement or its rate is fitted.
    datum : int
        Place of the reference date, whose map stays as it is.

    Raises
    ------
    ConfigError
        Too few dates for the functions, or functions that cannot be told apart.

    Notes
    -----
    Of the rate, the offset is no function: its differences are 0. Dates left out are left out before the differences
    are taken. Differences are divided by years of 365.25 days; the functions of time run on MintPy's clock
    (`creepmeter.model.epoch.decimal_years`).
    """
    columns, _, design = design_columns(parse_terms(options.terms), times, times.min(), decimal_years_since)
    if options.phase_velocity:
        columns, design = columns[1:], design[:, 1:]
    rows = _rows(times, used, velocity=options.phase_velocity)
    seen = rows @ design
    _require_told(rows @ bperp_m, seen, ("bperp", *columns))
    inverse = np.linalg.pinv(seen)
    off = np.eye(len(rows)) - seen @ inverse
    return Plan(rows.T @ off @ rows, design, inverse @ rows, datum)


def _rows(times: Epochs, used: Bools, *, velocity: bool) -> Floats:
    """Return what is fitted, as combinations of dates: the dates used, or rates between them."""
    rows = np.eye(len(times))[used]
    if not velocity:
        return np.asarray(rows)
    years = years_since(times, times.min())[used]
    return np.asarray(np.diff(rows, axis=0) / np.diff(years)[:, None])


def _require_told(baseline: Floats, others: Floats, names: tuple[str, ...]) -> None:
    """Raise `ConfigError` unless the values determine the factor of every function."""
    design = np.column_stack([baseline, others])
    size = np.linalg.norm(design, axis=0)
    count = len(design)
    if count < design.shape[1]:
        message = (
            f"{count} dates or rates between them cannot determine {len(names)} functions ({', '.join(names)}): "
            "leave out fewer dates, take a lower topographicResidual.polyOrder, or set topographicResidual = no"
        )
        raise ConfigError(message)
    strength = np.linalg.svd(design / np.where(size > 0, size, 1), compute_uv=False)
    if not size.all() or strength[-1] <= RCOND * strength[0]:
        message = (
            f"the dates used cannot tell {', '.join(names)} apart: take a lower topographicResidual.polyOrder, or "
            "leave steps out"
        )
        raise ConfigError(message)


def correct_height_error(
    series: Values,
    bperp_m: Floats,
    distance_m: Floats,
    plan: Plan,
    measured: Bools | None = None,
    room: tuple[Values, Values] | None = None,
) -> HeightErrors:
    """Estimate the error of the heights of a block, and take it off the series.

    Parameters
    ----------
    series : array, (time, y, x)
        Displacement, metres. Pixels with a gap (NaN) stay as they are, with an error of 0, and so do those of zeros.
    bperp_m : array, (time,) or (time, y, x)
        Perpendicular baselines relative to the first date, metres.
    distance_m : array, () or (y, x)
        Slant range times the sine of the incidence, metres.
    plan : Plan
        From `plan_of`.
    measured : array of bool, (y, x), optional
        Pixels outside stay as they are, too.
    room : (array, array), optional
        Memory of float32 for the two series that are returned: what is used again need not be asked for.

    Notes
    -----
    ``d(t) = B(t) / (r sin(incidence)) dz + motion(t) + e(t)``, by plain least squares. The functions of the motion are
    the same for all pixels, and a factor of the column of dz is a factor of dz: by the theorem of Frisch, Waugh and
    Lovell one projection serves all pixels.

    References
    ----------
    Fattahi, H., and Amelung, F. (2013): DEM error correction in InSAR time series. IEEE Transactions on Geoscience and
    Remote Sensing 51, 4249-4259. https://doi.org/10.1109/TGRS.2012.2227761
    """
    dates, shape = len(series), series.shape[1:]
    values = series.reshape(dates, -1)
    if room is None:
        room = np.empty(series.size, np.float32), np.empty(series.size, np.float32)
    corrected, residual = (part.reshape(-1)[: series.size].reshape(dates, -1) for part in room)
    factor = _take_off(values, bperp_m.reshape(dates, -1), plan, corrected, residual)
    left = ~np.isfinite(factor)
    if measured is not None:
        left |= ~measured.ravel()
    if left.any():
        factor[left], residual[:, left], corrected[:, left] = 0.0, 0.0, values[:, left]
    height = factor * np.broadcast_to(np.where(np.isfinite(distance_m), distance_m, 0.0), shape).ravel()
    return HeightErrors(
        height.reshape(shape).astype(np.float32), corrected.reshape(series.shape), residual.reshape(series.shape)
    )


def _take_off(values: Values, columns: Floats, plan: Plan, corrected: Values, residual: Values) -> Floats:
    """Fill both series of (time, pixel), and return the factor of the column of every pixel."""
    if columns.shape[1] != 1:
        from creepmeter.kernels.project import take_off  # noqa: PLC0415 - slow to load, and seldom needed

        return take_off(values, columns, plan, corrected, residual)
    column = columns[:, 0]
    off = plan.projection @ column
    size = float(off @ column)
    weight = off / size if size > LEAST * float(column @ column) else np.zeros_like(off)
    # one product gives all factors: those of the motion are of the series without the column
    gains = np.vstack([weight, plan.inverse - np.outer(plan.inverse @ column, weight)])
    functions = np.column_stack([column, plan.others])
    moved = (column - column[plan.datum])[:, None]
    count = values.shape[1]
    factor = np.empty(count)
    held, fitted = np.zeros((len(column), CHUNK)), np.empty((len(column), CHUNK))
    for first in range(0, count, CHUNK):  # always as many pixels, that none is computed in another way than the rest
        part = slice(first, min(first + CHUNK, count))
        width = part.stop - first
        held[:, :width] = values[:, part]
        shares = gains @ held
        factor[part] = shares[0, :width]
        np.matmul(functions, shares, out=fitted)
        np.subtract(held, fitted, out=fitted)
        residual[:, part] = fitted[:, :width]
        np.multiply(moved, shares[0], out=fitted)
        np.subtract(held, fitted, out=fitted)
        corrected[:, part] = fitted[:, :width]
    return factor


def centre_geometry(
    near_m: float, pixel_m: float, columns: int, height_m: float, earth_m: float
) -> tuple[float, float]:
    """Return incidence (degrees) and slant range (metres) at the centre of a scene on a spherical Earth.

    Parameters
    ----------
    near_m, pixel_m : float
        Slant range of the first column, and from one to the next.
    columns : int
        Number of columns.
    height_m, earth_m : float
        Height of the satellite, radius of the Earth.

    Notes
    -----
    As MintPy has them: the incidence is the mean of those at the outer edges of the first column and the one after the
    last, the range that of the middle column.
    """
    edges = np.array([near_m, near_m + pixel_m * columns])
    cosine = (earth_m**2 + edges**2 - (earth_m + height_m) ** 2) / (2 * earth_m * edges)
    return float(np.degrees(np.mean(np.pi - np.arccos(cosine)))), near_m + pixel_m * (columns - 1) / 2
