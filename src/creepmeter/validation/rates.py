"""Rates of stations by regression, with standard errors that know of noise that is correlated over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.kernels.fit import pseudo_inverse
from creepmeter.model.epoch import Epoch, Epochs, as_epoch, years_since
from creepmeter.model.station import AXES, Station, StationRates
from creepmeter.model.terms import Term, design_columns, parse_terms
from creepmeter.validation.noise import bin_means, fitted_covariance, time_bins
from creepmeter.validation.options import RateOptions

Floats = npt.NDArray[np.float64]

_FEWEST = 2  # dates that make a rate
_ENOUGH_FREEDOM = 10  # fewer residuals than that may be small by chance
_SMALLEST_M = 1e-4  # a step that matters
_WINDOW = 20  # dates on each side of a step
_LOOSE = 100.0  # times the error of one position in the motion over all dates: the terms are then not told apart
_CLEAR = 10.0  # robust standard deviations; flicker noise reaches 5, a bad first year of a real station 7


@dataclass(frozen=True)
class StationFit:
    """Functions of time fitted to a station.

    Parameters
    ----------
    rates : StationRates
        The rate, of the station's first to its last date.
    terms : tuple of Term
        What was fitted.
    value : array, (column, 3)
        Coefficients, metres and years; NaN where a component is not measured.
    sigma : array, (column, 3)
        Their standard errors.
    """

    rates: StationRates
    terms: tuple[Term, ...]
    value: Floats
    sigma: Floats

    def at(self, times: Epochs) -> Floats:
        """Return the fitted displacement (n, 3) at some dates, metres."""
        assert self.rates.first is not None  # noqa: S101 - a fit has dates
        return design_columns(self.terms, times, self.rates.first)[2] @ self.value


def fit_rates(station: Station, options: RateOptions | None = None, *, correlated: bool = True) -> StationFit:
    r"""Fit a rate and other functions of time to a station, by least squares over its dates.

    Parameters
    ----------
    station : Station
        Displacement over time; east and north are needed, up may be missing.
    options : RateOptions, optional
        Terms, steps, dates, weights.
    correlated : bool
        Find out how the noise is correlated over time, which takes a second or two; without, `sigma` is `sigma_white`.

    Returns
    -------
    StationFit

    Raises
    ------
    InputError
        Fewer dates than terms, dates that cannot tell the terms apart, or a step that was not declared.

    Notes
    -----
    With :math:`G^+` the weighted pseudo-inverse, ``sigma_white`` is the root of the diagonal of
    :math:`(G^T W G)^{-1} \mathrm{SSE} / (N - P)`, and ``sigma`` that of :math:`G^+ C (G^+)^T` with the covariance of
    white and flicker noise that suits the residuals best, see `creepmeter.validation.noise.fitted_covariance`
    (``noise`` = ``flicker``). Fewer than 40 dates cannot tell the two apart: `sigma` is then `sigma_white`
    (``white``), and below 10 degrees of freedom at least what the stated sigma of the positions makes of it. As many
    dates as terms leave no residuals: both come from the stated sigma (``stated``).
    """
    options = options or RateOptions()
    start, end = (None if text is None else as_epoch(text) for text in (options.start_date, options.end_date))
    used = station.between(start, end)
    terms = parse_terms(options.terms_of(station.name))
    parts = [_fit_component(used, k, terms, options, correlated=correlated) for k in range(len(AXES))]
    if parts[0].noise == "none" or parts[1].noise == "none":
        raise InputError(_too_few(used, terms, start, end))
    if options.undeclared_steps == "skip":
        _require_no_step(used, terms, parts)
    columns = [name for term in terms for name in term.names]
    k = columns.index("rate")
    value, sigma, white = (np.stack([getattr(part, name) for part in parts], 1) for name in ("value", "sigma", "white"))
    rates = StationRates(
        station.name,
        station.x,
        station.y,
        station.crs,
        rate=value[k],
        sigma=sigma[k],
        sigma_white=white[k],
        noise=parts[0].noise,
        dates=len(used.times),
        first=used.times[0],
        last=used.times[-1],
    )
    return StationFit(rates, terms, value, sigma)


@dataclass(frozen=True)
class _Part:
    """Coefficients of one component, and the residuals (n,) of the dates that have it."""

    value: Floats
    sigma: Floats
    white: Floats
    noise: str
    residual: Floats


def _fit_component(
    station: Station, axis: int, terms: tuple[Term, ...], options: RateOptions, *, correlated: bool
) -> _Part:
    known = np.isfinite(station.displacement[:, axis])
    size = sum(len(term.names) for term in terms)
    nothing = np.full(size, np.nan)
    if known.sum() < max(size, _FEWEST):
        return _Part(nothing, nothing, nothing, "none", np.empty(0))
    times, values = station.times[known], station.displacement[known, axis]
    stated = station.sigma[known, axis]
    if options.position_sigma_m is not None:
        stated = np.where(np.isfinite(stated), stated, options.position_sigma_m)
    _, _, design = design_columns(terms, times, station.times[0])
    design = np.ascontiguousarray(design)
    weight = _weights(stated, options)
    inverse = np.zeros(design.shape[::-1])
    if not pseudo_inverse(design, weight, inverse) or _is_loose(inverse, weight, terms, times):
        return _Part(nothing, nothing, nothing, "none", np.empty(0))
    value = inverse @ values
    residual = values - design @ value
    freedom = len(values) - size
    by_statement = np.sqrt((inverse**2) @ stated**2)
    if freedom == 0:
        return _Part(value, by_statement, by_statement, "stated", residual)
    spread = float((weight * residual**2).sum()) / freedom
    white = np.sqrt((inverse**2 / weight).sum(axis=1) * spread)
    if freedom < _ENOUGH_FREEDOM:
        white = np.fmax(white, by_statement)
    coloured = _coloured_sigma(values, design, weight, times) if correlated else None
    noise = "white" if coloured is None else "flicker"
    return _Part(value, white if coloured is None else coloured, white, noise, residual)


def _is_loose(inverse: Floats, weight: Floats, terms: tuple[Term, ...], times: Epochs) -> bool:
    """Tell whether errors of positions become far larger ones of the rate: a season seen on one day of each year."""
    rate = [name for term in terms for name in term.names].index("rate")
    span = float(years_since(times[-1:], times[0])[0])
    return bool(span * np.sqrt((inverse[rate] ** 2 / weight).sum()) > _LOOSE)


def _weights(stated: Floats, options: RateOptions) -> Floats:
    """Return weights of mean 1."""
    if options.weights == "equal" or not (np.isfinite(stated) & (stated > 0)).all():
        return np.ones(len(stated))
    weight = stated**-2.0
    return np.asarray(weight / weight.mean(), np.float64)


def _coloured_sigma(values: Floats, design: Floats, weight: Floats, times: Epochs) -> Floats | None:
    bins = time_bins(years_since(times, times[0]))
    series, total = bin_means(values, weight, bins)
    functions, _ = bin_means(design, weight, bins)
    covariance = fitted_covariance(series, functions, total, bins.position)
    inverse = np.zeros(functions.shape[::-1])
    if covariance is None or not pseudo_inverse(np.ascontiguousarray(functions), total, inverse):
        return None
    return np.asarray(np.sqrt(np.einsum("ki,ij,kj->k", inverse, covariance, inverse)), np.float64)


def _too_few(station: Station, terms: tuple[Term, ...], start: Epoch | None, end: Epoch | None) -> str:
    known = np.isfinite(station.displacement[:, :2]).all(axis=1)
    columns = [name for term in terms for name in term.names]
    span = "".join(f" {word} {str(day)[:10]}" for word, day in (("from", start), ("until", end)) if day is not None)
    days = np.unique(station.times[known].astype("datetime64[D]"))
    listed = f": {', '.join(map(str, days))}" if 0 < len(days) <= len(columns) else ""
    return (
        f"{len(days)} date(s){span}{listed} cannot determine {', '.join(columns)}: take fewer terms, other dates, or "
        "leave the station out"
    )


def _require_no_step(station: Station, terms: tuple[Term, ...], parts: list[_Part]) -> None:
    """Raise unless the residuals run through without a step.

    The medians of the residuals before and after a date differ by what noise and season make of them, except at a
    step: there they differ clearly more than everywhere else.
    """
    declared = [term.date for term in terms if term.date is not None]
    for axis, part in enumerate(parts[:2]):
        times = station.times[np.isfinite(station.displacement[:, axis])]
        found = find_step(part.residual)
        if found is None:
            continue
        place, size = found
        near = [day for day in declared if abs(np.searchsorted(times, day) - place) <= _WINDOW]
        if near:
            continue
        day = str(times[place])[:10]
        message = (
            f"a step of {1000 * size:+.0f} mm {AXES[axis]} about {day} that no term declares: give --step "
            f"{station.name}:{day.replace('-', '')}, or --undeclared-steps keep"
        )
        raise InputError(message)


def find_step(residual: Floats) -> tuple[int, float] | None:
    """Return where the clearest step of a series is and its size; None where none is clear, or dates are few.

    Parameters
    ----------
    residual : array, (n,)
        Series without trend; the step comes before the date returned.
    """
    count = len(residual)
    if count < 4 * _WINDOW:
        return None
    medians = np.median(np.lib.stride_tricks.sliding_window_view(residual, _WINDOW), axis=-1)
    change = medians[_WINDOW:] - medians[:-_WINDOW]
    middle = float(np.median(change))
    spread = 1.4826 * float(np.median(np.abs(change - middle)))
    place = int(np.argmax(np.abs(change - middle)))
    if abs(change[place] - middle) <= max(_CLEAR * spread, _SMALLEST_M):
        return None
    return place + _WINDOW, float(change[place] - middle)
