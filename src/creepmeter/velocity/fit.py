"""Fit functions of time to a displacement series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError, EpochError, SchemaError
from creepmeter.kernels.datum import correlation_of, relative_to
from creepmeter.kernels.fit import Fit, fit_series
from creepmeter.kernels.resample import draw_counts, fit_resampled
from creepmeter.model.epoch import EpochLike, Epochs, as_epoch, as_epochs
from creepmeter.model.grid import grid_of, pixel_grid
from creepmeter.model.schema import MOTION_MODEL, TIME_SERIES, check, map_dataset
from creepmeter.model.terms import design_columns, parse_terms
from creepmeter.velocity.options import VelocityOptions

Values: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
_DAY = np.timedelta64(1, "D")


def fit_velocity(
    series: xr.Dataset | npt.ArrayLike,
    terms: Sequence[str] | None = None,
    *,
    times: Sequence[EpochLike] | Epochs | None = None,
    options: VelocityOptions | None = None,
    **overrides: Any,  # noqa: ANN401 - the fields of VelocityOptions, checked by it
) -> xr.Dataset:
    r"""Fit velocity and other functions of time to each pixel, by least squares over its measured dates.

    Parameters
    ----------
    series : TimeSeries, or array (time, y, x)
        Displacement, metres; NaN = not measured. An array needs `times`.
    terms : sequence of str, optional
        Such as ``["rate", "annual", "step:20190401", "exp:20190401:60"]``; the offset is always included.
    times : sequence of dates, optional
        For an array.
    options : VelocityOptions, optional
        Terms, dates and the kind of standard error.
    **overrides
        Single options by name, such as ``sigma="residual"``.

    Returns
    -------
    MotionModel
        ``value`` and ``sigma`` (component, term, y, x): m, m/yr, m/yr2 as the coordinate `unit` says; time counts from
        the first date of the series. ``residual_rms`` in metres.

    Raises
    ------
    ConfigError
        An unknown term or option, or fewer dates than terms.
    SchemaError
        This is no TimeSeries, and no array with its times.

    Notes
    -----
    Every date weighs the same, so that the value does not depend on how sigma was estimated. With :math:`G` the
    functions at the dates, the ``covariance`` of the result is :math:`G^+ C (G^+)^T`, where
    :math:`C_{ij} = \sigma_i \sigma_j R_{ij}` has the series' sigma and the correlation of its dates; the common error
    of the datum falls to the offset. A series without sigma has no covariance: its errors come from the residuals.
    ``residual`` is :math:`(G^T G)^{-1} \mathrm{SSE} / (N - P)`. ``bootstrap`` is the spread over resampled dates
    (Efron 1979, doi 10.1214/aos/1176344552).

    Examples
    --------
    >>> import numpy as np
    >>> series = np.array([0.0, 1.0, 2.0]).reshape(3, 1, 1)
    >>> motion = fit_velocity(series, times=["20200101", "20201231", "20211231"])
    >>> round(float(motion.value.sel(term="rate").squeeze()), 3)
    1.001
    """
    named = {} if terms is None else {"terms": tuple(terms)}
    options = (options or VelocityOptions()).override({**named, **overrides}, step="velocity")
    dataset = _as_series(series, times)
    options = with_known_errors(options, dataset)
    motion = template_motion(dataset, options)
    correlation, typical = date_errors_of(dataset)
    sigma = dataset["sigma"].values if "sigma" in dataset else None
    errors = Errors(sigma, correlation, typical, _datum_of(dataset))
    found = fit_block(dataset["displacement"].values, dataset["time"].values, options, errors)
    return motion.assign({name: (motion[name].dims, values, motion[name].attrs) for name, values in found.items()})


def _as_series(series: xr.Dataset | npt.ArrayLike, times: Sequence[EpochLike] | Epochs | None) -> xr.Dataset:
    if isinstance(series, xr.Dataset):
        check(series, TIME_SERIES)
        return series
    values = np.asarray(series, np.float64)
    if times is None or values.ndim != 3 or len(times) != len(values):  # noqa: PLR2004 - time, y, x
        given = "none" if times is None else str(len(times))
        message = f"an array must be (time, y, x) with one date per time: got shape {values.shape} and {given} times"
        raise SchemaError(message)
    stamps = as_epochs(times)
    if len(np.unique(stamps)) < len(stamps):
        message = "a date of the series is given twice: keep one"
        raise EpochError(message)
    coords = {"component": ["los"], "time": stamps}
    dims: tuple[str, ...] = ("component", "time", "y", "x")
    variables: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {
        "displacement": (dims, values[None], {"units": "m"})
    }
    return map_dataset(variables, coords, pixel_grid((values.shape[1], values.shape[2])), kind=TIME_SERIES)


class Errors(NamedTuple):
    """What is known of the errors of a series; None = not known.

    ``sigma`` (component, time, y, x) metres; ``correlation`` (component, time, time) between dates, and ``typical``
    (component, time) standard error of dates, both relative to the first date; ``datum`` (component, y, x): the date
    each pixel counts from.
    """

    sigma: Values | None = None
    correlation: Floats | None = None
    typical: Floats | None = None
    datum: Values | None = None


def date_errors_of(series: xr.Dataset) -> tuple[Floats | None, Floats | None]:
    """Return correlation (component, time, time) and typical sigma (component, time) of the dates a series has.

    Raises
    ------
    SchemaError
        The correlation is not that of these dates.
    """
    if "date_correlation" not in series:
        return None, None
    try:
        here = series.sel(time2=series["time"].values)  # a series cut in time keeps all dates along time2
    except KeyError as problem:
        message = "date_correlation lacks a date of the series: cut both along time, or drop it"
        raise SchemaError(message) from problem
    typical = here["date_sigma"].values if "date_sigma" in here else None
    return here["date_correlation"].values, typical


def _datum_of(series: xr.Dataset) -> Values | None:
    """Return the datum as index into the dates the series has; -1 where that date was cut away."""
    if "datum" not in series or "time2" not in series.coords:
        return None
    place = {time: k for k, time in enumerate(series["time"].values)}
    index = np.array([*(place.get(time, -1) for time in series["time2"].values), -1])
    return np.asarray(index[series["datum"].values])


def with_known_errors(options: VelocityOptions, series: xr.Dataset) -> VelocityOptions:
    """Return the options, with standard errors from residuals where the series has none to propagate."""
    if options.sigma == "covariance" and "sigma" not in series:
        return options.model_copy(update={"sigma": "residual"})
    return options


def template_motion(series: xr.Dataset, options: VelocityOptions) -> xr.Dataset:
    """Return the MotionModel of a series without its values.

    Raises
    ------
    ConfigError
        Fewer dates than functions of time.
    """
    times = series["time"].values
    names, units, _ = design_columns(parse_terms(options.terms), times, times.min())
    kept = dates_used(times, options)
    if kept.sum() < len(names):
        message = f"{kept.sum()} dates cannot determine {len(names)} terms ({', '.join(names)}): take fewer terms"
        raise ConfigError(message)
    shape = (series.sizes["component"], len(names), series.sizes["y"], series.sizes["x"])
    nothing = np.broadcast_to(np.float64(np.nan), shape)
    dims = ("component", "term", "y", "x")
    variables: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {
        "value": (dims, nothing, {"long_name": "coefficient of each term, unit as in coordinate unit"}),
        "sigma": (dims, nothing, {"long_name": "standard error"}),
        "residual_rms": (
            ("component", "y", "x"),
            nothing[:, 0],
            {"units": "m", "long_name": "root mean square residual of the fit"},
        ),
    }
    coords = {"component": series["component"].values, "term": names, "unit": ("term", units)}
    attributes: dict[str, Any] = {
        "reference_time": str(times.min())[:19],
        "terms": " ".join(options.terms),
        "sigma_from": options.sigma,
        "dates": int(kept.sum()),
    }
    attributes |= {name: series.attrs[name] for name in ("chip_px", "step_px") if name in series.attrs}
    return map_dataset(variables, coords, grid_of(series), kind=MOTION_MODEL, attributes=attributes)


def dates_used(times: Epochs, options: VelocityOptions) -> npt.NDArray[np.bool_]:
    """Return which dates enter the fit."""
    used = np.ones(len(times), bool)
    if options.start_date is not None:
        used &= times >= as_epoch(options.start_date)
    if options.end_date is not None:
        used &= times < as_epoch(options.end_date) + _DAY
    days = times.astype("datetime64[D]")
    for text in options.exclude_dates:
        used &= days != as_epoch(text).astype("datetime64[D]")
    return used


def fit_block(
    displacement: Values, times: Epochs, options: VelocityOptions, errors: Errors | None = None
) -> dict[str, Values]:
    """Fit arrays; the same for a whole series and for a block of it.

    Parameters
    ----------
    displacement : array, (component, time, y, x)
        Metres.
    times : array, (time,)
        Dates.
    options : VelocityOptions
        How.
    errors : Errors, optional
        What is known of the errors.

    Returns
    -------
    dict
        ``value``, ``sigma`` (component, term, y, x) and ``residual_rms`` (component, y, x).
    """
    components, dates, rows, columns = displacement.shape
    _, _, design = design_columns(parse_terms(options.terms), times, times.min())
    used = dates_used(times, options)
    flat = displacement.reshape(components, dates, -1).astype(np.float64)
    flat[:, ~used] = np.nan
    out: dict[str, list[Values]] = {"value": [], "sigma": [], "residual_rms": []}
    for component in range(components):
        fit = _fit_component(flat[component], design, errors or Errors(), component)
        out["value"].append(fit.value)
        out["sigma"].append(_SIGMA[options.sigma](fit, flat[component], design, options, used))
        out["residual_rms"].append(np.sqrt(fit.misfit / (fit.freedom + design.shape[1])))
    return {
        name: np.stack(values).reshape(components, *values[0].shape[:-1], rows, columns) for name, values in out.items()
    }


def _fit_component(values: Floats, design: Floats, errors: Errors, component: int) -> Fit:
    """Fit one component; pixels that count from a later date have the correlation that is seen from there."""
    sigma = None if errors.sigma is None else errors.sigma[component].reshape(len(values), -1).astype(np.float64)
    correlation = None if errors.correlation is None else errors.correlation[component]
    fit = fit_series(values, design, sigma=sigma, correlation=correlation)
    if sigma is None or correlation is None or errors.typical is None or errors.datum is None:
        return fit
    typical, datum = errors.typical[component], errors.datum[component].ravel()
    covariance = correlation * np.outer(typical, typical)
    for first in np.unique(datum[datum > 0]):
        here = np.flatnonzero(datum == first)
        seen = correlation_of(relative_to(covariance, int(first)))
        fit.variance[:, here] = fit_series(values[:, here], design, sigma=sigma[:, here], correlation=seen).variance
    return fit


def _from_covariance(
    fit: Fit, _values: Floats, _design: Floats, _options: VelocityOptions, _used: npt.NDArray[np.bool_]
) -> Floats:
    return np.sqrt(fit.variance)


def _from_residuals(
    fit: Fit, values: Floats, design: Floats, _options: VelocityOptions, _used: npt.NDArray[np.bool_]
) -> Floats:
    unit = fit_series(values, design, sigma=np.ones_like(values)).variance  # diagonal of (G^T G)^-1
    freedom = np.where(fit.freedom > 0, fit.freedom, np.nan)
    return np.sqrt(unit * fit.misfit / freedom)


def _from_bootstrap(
    _fit: Fit, values: Floats, design: Floats, options: VelocityOptions, used: npt.NDArray[np.bool_]
) -> Floats:
    counts = draw_counts(used, options.bootstrap_count, options.seed)  # of all dates: every block must draw alike
    found = fit_resampled(values, design, counts)
    enough = found.samples >= options.bootstrap_count / 2
    return found.spread * np.sqrt(np.where(enough, found.samples, np.nan) / np.maximum(found.samples - 1, 1))


_SIGMA = {"covariance": _from_covariance, "residual": _from_residuals, "bootstrap": _from_bootstrap}
