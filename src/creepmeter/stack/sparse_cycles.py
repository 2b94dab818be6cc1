"""Few whole cycles that close triplets: least squares with a small penalty on the sum of absolute values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PENALTY = 0.01
UNDECIDED = 0.01  # cycles beyond a half that a value needs to be rounded up: where two pairs share the blame, neither
_STEPS = 80
_CLOSE = 1e-6  # gap and residual at which the solution is good enough, in units of the penalty
_INSIDE = 0.99  # of the way to the border


def fewest_cycles(design: Floats, closure: Floats, penalty: float = PENALTY) -> Floats:
    """Minimise ``|design u + closure|^2 + penalty |u|_1``, by a primal-dual interior-point method.

    Parameters
    ----------
    design : array of float64, (triplet, pair)
        1, 1 and -1 in the pairs of a triplet.
    closure : array of float64, (triplet,)
        Cycles by which each triplet does not close.
    penalty : float
        Weight of the absolute values, above 0.

    Returns
    -------
    array of float64, (pair,)
        Of several solutions that are equally good, the one in their middle: two pairs that may be wrong get half a
        cycle each.

    Notes
    -----
    With bounds t >= abs(u): the quadratic programme of u and t; Mehrotra's predictor and corrector. Each step solves
    one symmetric system of the size of u.

    References
    ----------
    Mehrotra (1992), doi:10.1137/0802028; Yunjun, Fattahi and Amelung (2019), doi:10.1016/j.cageo.2019.104331.

    Examples
    --------
    >>> two_triplets = np.array([[1.0, 1, -1, 0, 0], [0, 0, 1, 1, -1]])
    >>> (fewest_cycles(two_triplets, np.array([1.0, -1.0])).round(1) + 0.0).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """
    programme = _Programme(2.0 * design.T @ design, 2.0 * design.T @ closure, penalty)
    point = _Point.start(design.shape[1], penalty)
    for _ in range(_STEPS):
        rest = programme.residuals(point)
        gap = point.gap()
        if gap <= _CLOSE * penalty and rest.largest() <= _CLOSE * penalty:
            break
        factor = programme.factor(point)
        if factor is None:
            break
        first = programme.direction(point, rest, factor, point.slack * point.dual)
        reach = point.reach(first)
        centred = gap * (point.moved(first, reach).gap() / gap) ** 3
        target = point.slack * point.dual + first.slack * first.dual - centred
        step = programme.direction(point, rest, factor, target)
        point = point.moved(step, min(1.0, _INSIDE * point.reach(step)))
    return point.u


@dataclass(frozen=True)
class _Point:
    # slack and dual of u <= t (first row) and -u <= t (second row)
    u: Floats
    t: Floats
    slack: Floats
    dual: Floats

    @classmethod
    def start(cls, size: int, penalty: float) -> _Point:
        ones = np.ones(size)
        return cls(np.zeros(size), ones, np.ones((2, size)), np.full((2, size), penalty / 2))

    def gap(self) -> float:
        return float((self.slack * self.dual).mean())

    def moved(self, by: _Point, step: float) -> _Point:
        return _Point(
            self.u + step * by.u, self.t + step * by.t, self.slack + step * by.slack, self.dual + step * by.dual
        )

    def reach(self, by: _Point) -> float:
        """Return how far slack and dual stay positive, at most 1."""
        values, change = np.stack([self.slack, self.dual]), np.stack([by.slack, by.dual])
        falls = change < 0
        return float(min(1.0, (values[falls] / -change[falls]).min(initial=1.0)))


@dataclass(frozen=True)
class _Residuals:
    u: Floats
    t: Floats
    bound: Floats

    def largest(self) -> float:
        return float(max(np.abs(values).max(initial=0.0) for values in (self.u, self.t, self.bound)))


@dataclass(frozen=True)
class _Programme:
    # minimise u' square u / 2 + linear' u + penalty sum(t) with -t <= u <= t
    square: Floats
    linear: Floats
    penalty: float

    def residuals(self, at: _Point) -> _Residuals:
        u = self.square @ at.u + self.linear + at.dual[0] - at.dual[1]
        return _Residuals(u, self.penalty - at.dual.sum(axis=0), np.stack([at.u - at.t, -at.u - at.t]) + at.slack)

    def factor(self, at: _Point) -> tuple[Floats, bool] | None:
        """Return a Cholesky factor; None where rounding has used up what makes the matrix definite."""
        from scipy.linalg import cho_factor  # noqa: PLC0415 - slow to load, and only closure needs it

        d = at.dual / at.slack
        try:
            found: tuple[Floats, bool] = cho_factor(self.square + np.diag(4.0 * d[0] * d[1] / d.sum(axis=0)))
        except np.linalg.LinAlgError:
            return None
        return found

    def direction(self, at: _Point, rest: _Residuals, factor: tuple[Floats, bool], target: Floats) -> _Point:
        """Return the step that makes slack times dual smaller by `target`, and removes the residuals."""
        from scipy.linalg import cho_solve  # noqa: PLC0415

        d = at.dual / at.slack
        pull = d * rest.bound - target / at.slack
        both = pull.sum(axis=0) - rest.t
        spread, total = d[0] - d[1], d.sum(axis=0)
        u: Floats = cho_solve(factor, -rest.u - (pull[0] - pull[1]) + spread * both / total)
        t = (spread * u + both) / total
        slack = -rest.bound - np.stack([u - t, -u - t])
        return _Point(u, t, slack, -(target + at.dual * slack) / at.slack)


def whole_cycles(values: Floats) -> Integers:
    """Round to whole cycles; what lies within 0.01 of a half is rounded toward zero, for it is not decided.

    Examples
    --------
    >>> whole_cycles(np.array([0.99, 0.5, -0.505, -1.52])).tolist()
    [1, 0, 0, -2]
    """
    return np.asarray(np.sign(values) * np.floor(np.abs(values) + 0.5 - UNDECIDED), np.int64)


def solve_samples(design: Floats, closures: Integers) -> Integers:
    """Return the whole cycles that most samples agree on.

    Parameters
    ----------
    design : array of float64, (triplet, pair)
        See `fewest_cycles`.
    closures : array of int, (sample, triplet)
        Cycles by which triplets do not close at each sample. Samples with the same closures are solved once.

    Returns
    -------
    array of int, (pair,)
        Median of the samples' whole cycles.
    """
    if len(closures) == 0 or not closures.any():
        return np.zeros(design.shape[1], np.int64)
    kinds, kind = np.unique(closures, axis=0, return_inverse=True)
    solved = np.stack([_solve(design, one) for one in kinds])
    return whole_cycles(np.median(solved[kind.ravel()], axis=0))


def _solve(design: Floats, closure: Integers) -> Integers:
    if not closure.any():
        return np.zeros(design.shape[1], np.int64)
    return whole_cycles(fewest_cycles(design, closure.astype(np.float64)))
