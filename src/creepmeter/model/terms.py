"""Functions of time: a description such as ``step:20190401`` becomes named columns of a design matrix.

With tau in years (365.25 days) since the origin:

===================  ==================================  =========
term                 columns                             unit
===================  ==================================  =========
(always)             offset = 1                          m
rate                 tau                                 m/yr
quadratic            tau^2 / 2 (acceleration)            m/yr2
annual               cos(2 pi tau), sin(2 pi tau)        m
semiannual           cos(4 pi tau), sin(4 pi tau)        m
step:DATE            1 from DATE on                      m
exp:DATE:DAYS        1 - exp(-(t - DATE) / DAYS)         m
log:DATE:DAYS        ln(1 + (t - DATE) / DAYS)           m
===================  ==================================  =========

An acquisition on the day of a step counts as after it. The last two are 0 before their date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError, EpochError
from creepmeter.model.epoch import DAYS_PER_YEAR, Epoch, Epochs, as_epoch, years_since

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Term:
    """One function of time, or a pair of them.

    Parameters
    ----------
    kind : str
        ``offset``, ``rate``, ``quadratic``, ``annual``, ``semiannual``, ``step``, ``exp`` or ``log``.
    date : datetime64[ns], optional
        Onset of a step, exponential or logarithm.
    days : float, optional
        Time constant of an exponential or logarithm.
    """

    kind: str
    date: Epoch | None = None
    days: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        if self.kind in _HARMONICS:
            return f"{self.kind}_cos", f"{self.kind}_sin"
        parts = [self.kind]
        if self.date is not None:
            parts.append(str(self.date)[:10].replace("-", ""))
        if self.days is not None:
            parts.append(f"{self.days:g}")
        return ("_".join(parts),)

    @property
    def unit(self) -> str:
        """Unit of the coefficients."""
        return _UNITS.get(self.kind, "m")

    def columns(self, times: Epochs, origin: Epoch) -> Floats:
        """Return the columns at `times`, shape (n, number of columns)."""
        return np.stack(_COLUMNS[self.kind](self, times, origin), axis=1)


OFFSET = Term("offset")
_HARMONICS = {"annual": 1.0, "semiannual": 2.0}
_UNITS = {"rate": "m/yr", "quadratic": "m/yr2"}
_PLAIN = ("rate", "quadratic", "annual", "semiannual")
_DATED = {"step": 1, "exp": 2, "log": 2}


def _offset(_term: Term, times: Epochs, _origin: Epoch) -> list[Floats]:
    return [np.ones(len(times))]


def _rate(_term: Term, times: Epochs, origin: Epoch) -> list[Floats]:
    return [years_since(times, origin)]


def _quadratic(_term: Term, times: Epochs, origin: Epoch) -> list[Floats]:
    return [years_since(times, origin) ** 2 / 2]


def _harmonic(term: Term, times: Epochs, origin: Epoch) -> list[Floats]:
    angle = 2 * np.pi * _HARMONICS[term.kind] * years_since(times, origin)
    return [np.cos(angle), np.sin(angle)]


def _since_onset(term: Term, times: Epochs) -> Floats:
    """Return time after the onset in units of the time constant, 0 before."""
    assert term.date is not None  # noqa: S101 - the parser gives both
    assert term.days is not None  # noqa: S101
    return np.maximum(years_since(times, term.date), 0.0) * DAYS_PER_YEAR / term.days


def _step(term: Term, times: Epochs, _origin: Epoch) -> list[Floats]:
    assert term.date is not None  # noqa: S101 - the parser gives it
    return [(times >= term.date).astype(np.float64)]


def _exp(term: Term, times: Epochs, _origin: Epoch) -> list[Floats]:
    return [-np.expm1(-_since_onset(term, times))]


def _log(term: Term, times: Epochs, _origin: Epoch) -> list[Floats]:
    return [np.log1p(_since_onset(term, times))]


_COLUMNS: dict[str, Callable[[Term, Epochs, Epoch], list[Floats]]] = {
    "offset": _offset,
    "rate": _rate,
    "quadratic": _quadratic,
    "annual": _harmonic,
    "semiannual": _harmonic,
    "step": _step,
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
    if kind not in _DATED or len(rest) != _DATED[kind]:
        message = (
            f"velocity term {text!r} is not known: use {', '.join(_PLAIN)}, step:YYYYMMDD, exp:YYYYMMDD:DAYS, "
            "log:YYYYMMDD:DAYS"
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


def design_columns(terms: Sequence[Term], times: Epochs, origin: Epoch) -> tuple[list[str], list[str], Floats]:
    """Return names, units and values of all columns, the values of shape (n, columns)."""
    names = [name for term in terms for name in term.names]
    units = [term.unit for term in terms for _ in term.names]
    return names, units, np.concatenate([term.columns(times, origin) for term in terms], axis=1)
