"""Shifts per date: the part of the pairs' shifts that belongs to the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.kernels.robust import huber_weight, nmad
from creepmeter.model.epoch import Epochs
from creepmeter.model.network import Network

Floats = npt.NDArray[np.float64]

_RCOND = 1e-10
_ROUNDS = 30  # reweighting of a network with outliers settles in about ten


@dataclass(frozen=True)
class DateShifts:
    """Shifts of images against each other, metres.

    Parameters
    ----------
    epochs : array of datetime64, (date,)
        Dates in order of time.
    shift : array, (component, date)
        Apparent displacement of all ground at each date, against the first date of its island (or against their
        mean); NaN where no measured pair touches the date.
    covariance : array, (component, date, date)
        Of `shift`; NaN between islands, where `shift` is NaN, and where neither sigma nor a loop tells the errors.
    island : array of int, (component, date)
        Which connected part of the measured pairs a date belongs to; -1 = none.
    residual : array, (component, pair)
        Shift of the pair less the difference of its dates; NaN where the pair has none.
    """

    epochs: Epochs
    shift: Floats
    covariance: Floats
    island: npt.NDArray[np.int64]
    residual: Floats

    @property
    def sigma(self) -> Floats:
        """Standard error of `shift`, (component, date)."""
        variance: Floats = np.diagonal(self.covariance, axis1=1, axis2=2)
        return np.sqrt(np.maximum(variance, 0.0))

    def between(self, ref: int, sec: int) -> tuple[Floats, Floats]:
        """Return the shift from date `ref` to date `sec` and its standard error, each (component,).

        NaN where no measured pairs lead from one to the other.
        """
        known = (self.island[:, ref] == self.island[:, sec]) & (self.island[:, ref] >= 0)
        difference = np.where(known, self.shift[:, sec] - self.shift[:, ref], np.nan)
        variance = self.covariance[:, ref, ref] + self.covariance[:, sec, sec] - 2 * self.covariance[:, ref, sec]
        return difference, np.sqrt(np.maximum(variance, 0.0))


def shifts_per_date(
    shift: npt.ArrayLike,
    network: Network,
    sigma: npt.ArrayLike | None = None,
    *,
    norm: Literal["l2", "huber"] = "huber",
    gauge: Literal["first", "mean"] = "first",
) -> DateShifts:
    r"""Adjust the shifts of pairs to one shift per date, by least squares.

    Parameters
    ----------
    shift : array, (component, pair) or (pair,)
        Shift measured in each pair, metres; NaN = none.
    network : Network
        The pairs, in the same order.
    sigma : array, optional
        Standard error of each shift, metres, broadcast to `shift`; equal by default.
    norm : "huber" or "l2"
        With ``huber`` a few wrong shifts do not pull the dates.
    gauge : "first" or "mean"
        What is zero: the first date of each island, or the mean of its dates (the shortest solution).

    Raises
    ------
    InputError
        The arrays do not fit the network.

    Notes
    -----
    Minimises :math:`\sum_p \rho((b_p - (s_{sec} - s_{ref})) / \sigma_p)`. The covariance follows from `sigma`,
    widened where the residuals are larger than `sigma` says.

    Examples
    --------
    >>> network = Network.from_pairs([("20200101", "20200102"), ("20200102", "20200103"), ("20200101", "20200103")])
    >>> shifts_per_date([1.0, 2.0, 3.0], network).shift.round(6)
    array([[0., 1., 3.]])
    """
    values = np.atleast_2d(np.asarray(shift, np.float64))
    if values.shape[1:] != (len(network.pairs),):
        message = f"shift has shape {values.shape}, the network {len(network.pairs)} pairs: give (component, pair)"
        raise InputError(message)
    spread = _spread_of(sigma, values)
    components, dates = values.shape[0], len(network.epochs)
    shifts, residual = np.full((components, dates), np.nan), np.full(values.shape, np.nan)
    covariance = np.full((components, dates, dates), np.nan)
    island = np.full((components, dates), -1)
    for component in range(components):
        present = np.isfinite(values[component]) & np.isfinite(spread[component]) & (spread[component] > 0)
        for number, (pairs, members) in enumerate(_islands(network, present)):
            part = _adjust(
                network, pairs, members, values[component], spread[component], norm=norm, sigma_known=sigma is not None
            )
            shifts[component, members], covariance[component][np.ix_(members, members)] = (
                _count_from_first(*part) if gauge == "first" else part
            )
            island[component, members] = number
        ends = shifts[component, network.sec_index] - shifts[component, network.ref_index]
        residual[component] = values[component] - ends
    return DateShifts(network.epochs, shifts, covariance, island, residual)


def _spread_of(sigma: npt.ArrayLike | None, values: Floats) -> Floats:
    if sigma is None:
        return np.ones_like(values)
    try:
        return np.broadcast_to(np.asarray(sigma, np.float64), values.shape)
    except ValueError as problem:
        message = f"sigma has shape {np.shape(sigma)}, which does not fit the shifts {values.shape}"
        raise InputError(message) from problem


def _islands(
    network: Network, present: npt.NDArray[np.bool_]
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return pairs and dates (indices) of each connected part of the pairs that are present."""
    if not present.any():
        return []
    part = Network(tuple(pair for pair, keep in zip(network.pairs, present, strict=True) if keep))
    pairs, dates = np.flatnonzero(present), np.searchsorted(network.epochs, part.epochs)
    return [(pairs[np.isin(part.ref_index, island)], dates[island]) for island in part.islands()]


def _adjust(
    network: Network,
    pairs: npt.NDArray[np.int64],
    island: npt.NDArray[np.int64],
    values: Floats,
    sigma: Floats,
    *,
    norm: str,
    sigma_known: bool,
) -> tuple[Floats, Floats]:
    """Return shift (date,), mean zero, and its covariance (date, date) in one connected part."""
    design = np.zeros((len(pairs), len(island)))
    rows = np.arange(len(pairs))
    design[rows, np.searchsorted(island, network.ref_index[pairs])] = -1.0
    design[rows, np.searchsorted(island, network.sec_index[pairs])] = 1.0
    design, target = design / sigma[pairs, None], values[pairs] / sigma[pairs]
    weight = np.ones(len(pairs))
    solution = np.linalg.lstsq(design, target, rcond=_RCOND)[0]  # shortest solution: the dates' mean is zero
    freedom = len(pairs) - len(island) + 1
    for _ in range(_ROUNDS if norm == "huber" and freedom > 0 else 0):
        spread = _spread_left(target - design @ solution, freedom)
        if spread <= 1e-12 * (np.abs(target).max() + 1e-300):  # most pairs fit exactly
            break
        weight = huber_weight((target - design @ solution) / spread)
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(design * root[:, None], target * root, rcond=_RCOND)[0]
    covariance = np.linalg.pinv(design.T @ (design * weight[:, None]), rcond=_RCOND, hermitian=True)
    spread = _spread_left(target - design @ solution, freedom)
    factor = float(np.fmax(1.0, spread)) if sigma_known else spread
    return np.asarray(solution, np.float64), np.asarray(covariance * factor**2, np.float64)


def _spread_left(residual: Floats, freedom: int) -> float:
    """Return sigma of the errors in units of the stated sigma, from residuals that the fit has made smaller."""
    return nmad(residual, about=0.0) * float(np.sqrt(len(residual) / freedom)) if freedom > 0 else float("nan")


def _count_from_first(solution: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Count shifts from the first date."""
    change = np.eye(len(solution))
    change[:, 0] -= 1.0
    return solution - solution[0], change @ covariance @ change.T
