"""Functions of time: a description such as ``step:20190401`` becomes named columns of a design matrix.

With tau in years (365.25 days) since the origin:

===================  ==================================  =========
term                 columns                             unit
===================  ==================================  =========
(always)             offset = 1                          m
rate                 tau                                 m/yr
quadratic            tau^2 / 2 (acceleration)            m/yr2
poly:K               tau^K / K!                          m/yrK
annual               cos(2 pi tau), sin(2 pi tau)        m
semiannual           cos(4 pi tau), sin(4 pi tau)        m
periodic:YEARS       cos, sin of 2 pi tau / YEARS        m
step:DATE            1 from DATE on                      m
polyline:DATE        t - DATE from DATE on (more rate)   m/yr
exp:DATE:DAYS        1 - exp(-(t - DATE) / DAYS)         m
log:DATE:DAYS        ln(1 + (t - DATE) / DAYS)           m
===================  ==================================  =========

An acquisition on the day of a step counts as after it. The last three are 0 before their date.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError, EpochError
from creepmeter.model.epoch import DAYS_PER_YEAR, Epoch, Epochs, as_epoch, years_since

Floats = npt.NDArray[np.float64]
Clock: TypeAlias = Callable[[Epochs, Epoch], Floats]


@dataclass(frozen=True, slots=True)
class Term:
    """One function of time, or a pair of them.

    Parameters
    ----------
    kind : str
        ``offset``, ``rate``, ``quadratic``, ``poly``, ``annual``, ``semiannual``, ``periodic``, ``step``,
        ``polyline``, ``exp`` or ``log``.
    date : datetime64[ns], optional
        Onset of a step, polyline, exponential or logarithm.
    days : float, optional
        Time constant of an exponential or logarithm.
    number : float, optional
        Degree of a polynomial, or period in years.
    """

    kind: str
    date: Epoch | None = None
    days: float | None = None
    number: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        parts = [self.kind]
        if self.number is not None:
            parts.append(f"{self.number:g}")
        if self.date is not None:
            parts.append(_written(self.date))
        if self.days is not None:
            parts.append(f"{self.days:g}")
        name = "_".join(parts)
        return (f"{name}_cos", f"{name}_sin") if self.kind in _HARMONICS else (name,)

    @property
    def unit(self) -> str:
        """Unit of the coefficients."""
        return f"m/yr{self.number:g}" if self.kind == "poly" else _UNITS.get(self.kind, "m")

    @property
    def period(self) -> float:
        """Period of a seasonal term, years."""
        return float(self.number) if self.number is not None else _HARMONICS[self.kind]

    def columns(self, times: Epochs, origin: Epoch, clock: Clock = years_since) -> Floats:
        """Return the columns at `times`, shape (n, number of columns).

        Parameters
        ----------
        times : array of datetime64
            Dates.
        origin : datetime64
            Where tau is 0.
        clock : callable
            (times, origin) -> years.
        """
        return np.stack(_COLUMNS[self.kind](self, times, origin, clock), axis=1)


def _written(date: Epoch) -> str:
    text = str(date)[:16].replace("-", "").replace(":", "")
    return text.removesuffix("T0000")


OFFSET = Term("offset")
_HARMONICS = {"annual": 1.0, "semiannual": 0.5, "periodic": math.nan}
_UNITS = {"rate": "m/yr", "quadratic": "m/yr2", "polyline": "m/yr"}
_PLAIN = ("rate", "quadratic", "annual", "semiannual")
_NUMBERED = ("poly", "periodic")
_DATED = {"step": 1, "polyline": 1, "exp": 2, "log": 2}
_MOST_DEGREE = 20


def _offset(_term: Term, times: Epochs, _origin: Epoch, _clock: Clock) -> list[Floats]:
    return [np.ones(len(times))]


def _rate(_term: Term, times: Epochs, origin: Epoch, clock: Clock) -> list[Floats]:
    return [clock(times, origin)]


def _quadratic(_term: Term, times: Epochs, origin: Epoch, clock: Clock) -> list[Floats]:
    return [clock(times, origin) ** 2 / 2]


def _power(term: Term, times: Epochs, origin: Epoch, clock: Clock) -> list[Floats]:
    assert term.number is not None  # noqa: S101 - the parser gives it
    degree = int(term.number)
    return [clock(times, origin) ** degree / math.factorial(degree)]


def _harmonic(term: Term, times: Epochs, origin: Epoch, clock: Clock) -> list[Floats]:
    angle = 2 * np.pi / term.period * clock(times, origin)
    return [np.cos(angle), np.sin(angle)]


def _since_onset(term: Term, times: Epochs, clock: Clock) -> Floats:
    """Return years after the onset, 0 before."""
    assert term.date is not None  # noqa: S101 - the parser gives it
    return np.maximum(clock(times, term.date), 0.0)


def _in_constants(term: Term, times: Epochs, clock: Clock) -> Floats:
    """Return time after the onset in units of the time constant."""
    assert term.days is not None  # noqa: S101 - the parser gives it
    return _since_onset(term, times, clock) * DAYS_PER_YEAR / term.days


def _step(term: Term, times: Epochs, _origin: Epoch, _clock: Clock) -> list[Floats]:
    assert term.date is not None  # noqa: S101 - the parser gives it
    return [(times >= term.date).astype(np.float64)]


def _polyline(term: Term, times: Epochs, _origin: Epoch, clock: Clock) -> list[Floats]:
    return [_since_onset(term, times, clock)]


def _exp(term: Term, times: Epochs, _origin: Epoch, clock: Clock) -> list[Floats]:
    return [-np.expm1(-_in_constants(term, times, clock))]


def _log(term: Term, times: Epochs, _origin: Epoch, clock: Clock) -> list[Floats]:
    return [np.log1p(_in_constants(term, times, clock))]


_COLUMNS: dict[str, Callable[[Term, Epochs, Epoch, Clock], list[Floats]]] = {
    "offset": _offset,
    "rate": _rate,
    "quadratic": _quadratic,
    "poly": _power,
    "annual": _harmonic,
    "semiannual": _harmonic,
    "periodic": _harmonic,
    "step": _step,
    "polyline": _polyline,
    "exp": _exp,
    "log": _log,
}


def parse_terms(texts: Sequence[str]) -> tuple[Term, ...]:
    """Return terms from their descriptions; the offset comes first and is always there.

    Raises
    ------
    ConfigError
        An unknown term, a missing or unreadable date or time constant, or the same term twice.

    Examples
    --------
    >>> [name for term in parse_terms(["rate", "exp:20190401:60"]) for name in term.names]
    ['offset', 'rate', 'exp_20190401_60']
    """
    terms = [OFFSET, *(_parse(text.strip()) for text in texts if text.strip() != "offset")]
    names = [name for term in terms for name in term.names]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        message = f"velocity term {twice[0]!r} is given twice: keep one"
        raise ConfigError(message)
    return tuple(terms)


def _parse(text: str) -> Term:
    kind, *rest = text.split(":")
    if kind in _PLAIN and not rest:
        return Term(kind)
    if kind in _NUMBERED and len(rest) == 1:
        return Term(kind, number=_number(kind, rest[0], text))
    if kind not in _DATED or len(rest) != _DATED[kind]:
        message = (
            f"velocity term {text!r} is not known: use {', '.join(_PLAIN)}, step:YYYYMMDD, exp:YYYYMMDD:DAYS, "
            "log:YYYYMMDD:DAYS, polyline:YYYYMMDD, poly:K, periodic:YEARS"
        )
        raise ConfigError(message)
    try:
        date = as_epoch(rest[0])
        days = float(rest[1]) if len(rest) > 1 else None
    except (EpochError, ValueError) as problem:
        message = f"velocity term {text!r}: {problem}"
        raise ConfigError(message) from problem
    if days is not None and not 0 < days < np.inf:
        message = f"velocity term {text!r}: the time constant must be a positive number of days"
        raise ConfigError(message)
    return Term(kind, date, days)


def _number(kind: str, given: str, text: str) -> float:
    try:
        value = float(given)
    except ValueError as problem:
        message = f"velocity term {text!r}: {problem}"
        raise ConfigError(message) from problem
    if kind == "poly" and not (value.is_integer() and 1 <= value <= _MOST_DEGREE):
        message = f"velocity term {text!r}: the degree must be a whole number from 1 to {_MOST_DEGREE}"
        raise ConfigError(message)
    if not 0 < value < np.inf:
        message = f"velocity term {text!r}: the period must be a positive number of years"
        raise ConfigError(message)
    return value


def design_columns(
    terms: Sequence[Term], times: Epochs, origin: Epoch, clock: Clock = years_since
) -> tuple[list[str], list[str], Floats]:
    """Return names, units and values of all columns, the values of shape (n, columns)."""
    names = [name for term in terms for name in term.names]
    units = [term.unit for term in terms for _ in term.names]
    return names, units, np.concatenate([term.columns(times, origin, clock) for term in terms], axis=1)
