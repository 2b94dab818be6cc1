"""Functions of time fitted to a displacement series, as MintPy has them: names, units, clock and standard errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError
from creepmeter.kernels.fit import fit_series, fit_whole, pseudo_inverse
from creepmeter.kernels.resample import draw_counts, fit_resampled
from creepmeter.model.epoch import Epoch, Epochs, as_epoch, decimal_years_since
from creepmeter.model.terms import Term, design_columns, parse_terms
from creepmeter.velocity.options import TimeFunctionOptions

Values: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
VarianceOf: TypeAlias = Callable[[Floats, Bools], Floats]
"""Gives the variance (term, pixel) of combinations of dates (term, time) at the pixels of a block that are marked."""
_DAY = np.timedelta64(1, "D")
_PLAIN = {
    "offset": ("intercept", "m"),
    "rate": ("velocity", "m/year"),
    "quadratic": ("acceleration", "m/year^2"),
    "annual": ("annual", "m"),
    "semiannual": ("semiAnnual", "m"),
}


@dataclass(frozen=True)
class TimeFunctions:
    """A design matrix with MintPy's names.

    Parameters
    ----------
    names, units : tuple of str
        Of each column; a seasonal term has two columns of one name.
    seasons : tuple of str
        Names of the seasonal terms among them.
    design : array, (time, column)
        Values at all dates, those not used too.
    used : array of bool, (time,)
        Dates that enter the fit.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    seasons: tuple[str, ...]
    design: Floats
    used: Bools

    @property
    def datasets(self) -> dict[str, str]:
        """Unit of each dataset of the result, by name."""
        found: dict[str, str] = {}
        for name, unit in zip(self.names, self.units, strict=True):
            if name in self.seasons:
                found |= {f"{name}Amplitude": unit, f"{name}Phase": "radian"}
            else:
                found |= {name: unit, f"{name}Std": unit}
        return {**found, "residue": "m"}


def dates_in_fit(times: Epochs, options: TimeFunctionOptions, excluded: Epochs | None = None) -> Bools:
    """Return which dates enter the fit.

    Parameters
    ----------
    times : array of datetime64, (time,)
        Dates of the series.
    options : TimeFunctionOptions
        First and last date.
    excluded : array of datetime64, optional
        Days that are left out.
    """
    used = np.ones(len(times), bool)
    if options.start_date is not None:
        used &= times >= as_epoch(options.start_date)
    if options.end_date is not None:
        used &= times < as_epoch(options.end_date).astype("datetime64[D]") + _DAY
    if excluded is not None and len(excluded):
        used &= ~np.isin(times.astype("datetime64[D]"), excluded.astype("datetime64[D]"))
    return used


def make_time_functions(times: Epochs, options: TimeFunctionOptions, excluded: Epochs | None = None) -> TimeFunctions:
    """Return the design matrix of a series.

    Parameters
    ----------
    times : array of datetime64, (time,)
        Acquisitions, with the time of day.
    options : TimeFunctionOptions
        Which functions.
    excluded : array of datetime64, optional
        Days that are left out.

    Raises
    ------
    ConfigError
        Too few dates for the terms, or terms that cannot be told apart.

    Notes
    -----
    Time counts from the first date used, on MintPy's clock (`creepmeter.model.epoch.decimal_years`). A polyline is
    given as the rate before and after each of its dates, so that its standard errors are those of the rates.
    """
    used = dates_in_fit(times, options, excluded)
    terms = parse_terms(options.terms)
    if not used.any():
        message = f"none of the {len(times)} dates is left for the fit: check start_date, end_date and exclude_date"
        raise ConfigError(message)
    columns, _, design = design_columns(terms, times, _origin(times, used, options), decimal_years_since)
    labels = [_label(term) for term in terms for _ in term.names]
    if used.sum() < len(columns):
        message = f"{used.sum()} dates cannot determine {len(columns)} terms ({', '.join(columns)}): take fewer terms"
        raise ConfigError(message)
    _chain_rates(terms, labels, design)
    seasons = tuple(_label(term)[0] for term in terms if len(term.names) > 1)
    names, units = zip(*labels, strict=True)
    return TimeFunctions(names, units, seasons, design, used)


def _origin(times: Epochs, used: Bools, options: TimeFunctionOptions) -> Epoch:
    """Return where time begins: the reference date where one is given, else the first date used."""
    days = [str(time)[:10].replace("-", "") for time in times]
    if options.ref_date is not None and options.ref_date in days:
        chosen: Epoch = times[days.index(options.ref_date)]
        return chosen
    first: Epoch = times[used].min()
    return first


def _label(term: Term) -> tuple[str, str]:
    """Return MintPy's name and unit of a term."""
    if term.kind in _PLAIN:
        return _PLAIN[term.kind]
    if term.kind == "poly":
        return f"poly{term.number:g}", f"m/year^{term.number:g}"
    if term.kind == "periodic":
        return f"period{term.period!r}Y", "m"
    date = term.names[0].split("_")[1]
    if term.kind == "polyline":
        return f"velocityPost{date}", "m/yr"
    decay = f"Tau{term.days:g}D" if term.days is not None else ""
    return f"{term.kind}{date}{decay}", "m"


def _chain_rates(terms: tuple[Term, ...], labels: list[tuple[str, str]], design: Floats) -> None:
    """Turn changes of the rate into rates: each column ends where the next begins."""
    dated = [(term.date, term) for term in terms if term.kind == "polyline"]
    places = {name: k for k, (name, _) in enumerate(labels)}
    order = [places[_label(term)[0]] for _, term in sorted(dated, key=lambda item: str(item[0]))]
    chain = [places["velocity"], *order] if "velocity" in places else order
    for first, second in pairwise(chain):
        design[:, first] -= design[:, second]


def fit_time_functions(
    series: Values, functions: TimeFunctions, options: TimeFunctionOptions, variance_of: VarianceOf | None = None
) -> dict[str, Values]:
    """Fit functions of time to the pixels of a block.

    Parameters
    ----------
    series : array, (time, y, x)
        Displacement, metres; NaN = not measured.
    functions : TimeFunctions
        From `make_time_functions`.
    options : TimeFunctionOptions
        Where the standard errors come from.
    variance_of : callable, optional
        Variance (term, pixel) of combinations of dates (term, time) at marked pixels, for
        ``uncertainty_quantification="covariance"``.

    Returns
    -------
    dict
        float32 maps by MintPy's names; ``residue`` is the root of the sum of squared residuals.

    Raises
    ------
    ConfigError
        Terms that cannot be told apart, or no errors to propagate.
    """
    dates, rows, columns = series.shape
    used = functions.used
    values = series.reshape(dates, -1)[used]
    design = functions.design[used]
    value, misfit, spread = _fit(values, design, functions)
    kind = options.uncertainty_quantification
    if kind == "covariance":
        spread = _from_covariance(values, design, used, variance_of)
    elif kind == "bootstrap":
        value, spread = _from_resampling(values, design, options)
    maps = _named(functions, value, spread)
    maps["residue"] = np.sqrt(misfit)
    return {name: found.astype(np.float32).reshape(rows, columns) for name, found in maps.items()}


def _fit(values: Values, design: Floats, functions: TimeFunctions) -> tuple[Floats, Floats, Floats]:
    """Return coefficients, sums of squared residuals, and standard errors from them."""
    found = fit_whole(values, design)
    if found is None:
        message = f"the dates cannot tell the terms {', '.join(functions.names)} apart: take fewer terms"
        raise ConfigError(message)
    value, misfit = found.value, found.misfit
    freedom = np.full(misfit.shape, float(len(design) - design.shape[1]))
    unit = np.broadcast_to(np.diagonal(found.covariance)[:, None], value.shape)
    gaps = np.flatnonzero(np.isnan(misfit))
    if len(gaps):
        unit = unit.copy()
        some = fit_series(values[:, gaps], design, sigma=np.ones((len(design), len(gaps))))
        value[:, gaps], misfit[gaps], freedom[gaps], unit[:, gaps] = (
            some.value,
            some.misfit,
            some.freedom,
            some.variance,
        )
    freedom[freedom <= 0] = np.nan
    return value, misfit, np.sqrt(unit * misfit / freedom)


def _from_covariance(values: Values, design: Floats, used: Bools, variance_of: VarianceOf | None) -> Floats:
    """Return the root of the diagonal of G+ C G+^T, one pattern of missing dates at a time."""
    if variance_of is None:
        message = "uncertainty covariance needs the covariance of the series: use uncertainty residue"
        raise ConfigError(message)
    present = np.isfinite(values)
    spread = np.full((design.shape[1], values.shape[1]), np.nan)
    patterns, which = np.unique(np.packbits(present, axis=0), axis=1, return_inverse=True)
    for k in range(patterns.shape[1]):
        pixels = np.asarray(which.ravel() == k)
        inverse = np.zeros(design.shape[::-1])
        if not pseudo_inverse(design, present[:, pixels.argmax()].astype(np.float64), inverse):
            continue
        combinations = np.zeros((design.shape[1], len(used)))
        combinations[:, used] = inverse
        spread[:, pixels] = np.sqrt(np.maximum(variance_of(combinations, pixels), 0.0))
    spread[:, (values == 0).all(axis=0)] = 0.0  # nothing was inverted, or it is the reference pixel
    return spread


def _from_resampling(values: Values, design: Floats, options: TimeFunctionOptions) -> tuple[Floats, Floats]:
    """Return mean and spread of the coefficients over resampled dates."""
    counts = draw_counts(np.ones(len(design), bool), options.bootstrap_count, options.seed)
    found = fit_resampled(values, design, counts)
    enough = found.samples >= options.bootstrap_count / 2
    whole = np.isfinite(values).all(axis=0)
    if len(design) <= design.shape[1] or (whole & ~enough).any():
        message = (
            f"{len(design)} dates are too few to be resampled for {design.shape[1]} terms (bootstrap): take "
            "uncertainty residue, more dates, or fewer terms"
        )
        raise ConfigError(message)
    return np.where(enough, found.mean, np.nan), np.where(enough, found.spread, np.nan)


def _named(functions: TimeFunctions, value: Floats, spread: Floats) -> dict[str, Floats]:
    maps: dict[str, Floats] = {}
    for k, name in enumerate(functions.names):
        if name not in functions.seasons:
            maps |= {name: value[k], f"{name}Std": spread[k]}
        elif f"{name}Amplitude" not in maps:
            cosine, sine = value[k], value[k + 1]
            maps |= {f"{name}Amplitude": np.hypot(cosine, sine), f"{name}Phase": np.arctan2(cosine, sine)}
    return maps
