"""Options of the velocity fit."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options
from creepmeter.model.terms import parse_terms


class VelocityOptions(Options):
    """Which functions of time are fitted, and where the standard errors come from."""

    terms: tuple[str, ...] = Field(
        ("rate",),
        min_length=1,
        description="Functions of time: rate, quadratic, annual, semiannual, step:YYYYMMDD, exp:YYYYMMDD:DAYS, "
        "log:YYYYMMDD:DAYS, polyline:YYYYMMDD, poly:K, periodic:YEARS",
    )
    sigma: Literal["covariance", "residual", "bootstrap"] = Field(
        "covariance",
        description="Standard errors: from the covariance of the series, residuals of the fit, or resampled dates",
    )
    bootstrap_count: int = Field(400, ge=10, le=100_000, description="Resamplings of the dates (bootstrap), number")
    seed: int = Field(0, ge=0, description="Start of the random numbers (bootstrap)")
    start_date: str | None = Field(None, description="First date used, YYYYMMDD")
    end_date: str | None = Field(None, description="Last date used, YYYYMMDD")
    exclude_dates: tuple[str, ...] = Field((), description="Dates left out of the fit, YYYYMMDD")

    @field_validator("terms", "exclude_dates", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> object:
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_text(item) for item in values)

    @field_validator("start_date", "end_date", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return _text(value)

    @field_validator("terms")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_terms(value)
        return value

    @field_validator("exclude_dates", "start_date", "end_date")
    @classmethod
    def _readable(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for item in value if isinstance(value, tuple) else [value]:
            if item is not None:
                as_epoch(item)
        return value


class TimeFunctionOptions(Options):
    """Which functions of time are fitted to a series in MintPy's layout; names and defaults are MintPy's."""

    start_date: str | None = Field(None, description="First date used, YYYYMMDD")
    end_date: str | None = Field(None, description="Last date used, YYYYMMDD")
    exclude_date: tuple[str, ...] = Field(
        ("exclude_date.txt",),
        description="Dates left out of the fit, YYYYMMDD, or text files of one date a line beside the series; "
        "the default file may be missing",
    )
    polynomial: int = Field(1, ge=0, le=20, description="Degree of the polynomial; 1 = rate, 2 = acceleration too")
    periodic: tuple[float, ...] = Field((), description="Periods of seasonal terms, years; 1 = annual")
    step_date: tuple[str, ...] = Field((), description="Dates of steps, YYYYMMDD")
    polyline: tuple[str, ...] = Field((), description="Dates from which the rate is another, YYYYMMDD")
    exp: tuple[str, ...] = Field((), description="Exponential decay, YYYYMMDD:DAYS")
    log: tuple[str, ...] = Field((), description="Logarithmic decay, YYYYMMDD:DAYS")
    uncertainty_quantification: Literal["residue", "covariance", "bootstrap"] = Field(
        "residue",
        description="Standard errors: from residuals of the fit, from the covariance of the series, or from resampled "
        "dates",
    )
    time_series_cov_file: str | None = Field(
        None,
        description="Where the covariance of the series comes from: the stack it was inverted from, or MintPy's "
        "timeseriesCov.h5; default the stack in the folder",
    )
    bootstrap_count: int = Field(400, ge=10, le=100_000, description="Resamplings of the dates (bootstrap), number")
    seed: int = Field(0, ge=0, description="Start of the random numbers (bootstrap)")
    ref_date: str | None = Field(None, description="Date that the series is relative to for the fit, YYYYMMDD")
    ref_yx: tuple[int, int] | None = Field(
        None, description="Row and column of the pixel that the series is relative to for the fit; default as it is"
    )

    @field_validator("exclude_date", "step_date", "polyline", "exp", "log", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> object:
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_text(item) for item in values if item is not None)

    @field_validator("periodic", mode="before")
    @classmethod
    def _as_numbers(cls, value: object) -> object:
        return (value,) if isinstance(value, int | float) else value

    @field_validator("start_date", "end_date", "ref_date", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return _text(value)

    @field_validator("start_date", "end_date", "ref_date")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            as_epoch(value)
        return value

    @property
    def terms(self) -> tuple[str, ...]:
        """The functions of time as terms, without the offset."""
        powers = ("rate", "quadratic", *(f"poly:{k}" for k in range(3, self.polynomial + 1)))[: self.polynomial]
        seasons = [_SEASONS.get(period, f"periodic:{period!r}") for period in self.periodic]
        onsets = [f"step:{date}" for date in self.step_date]
        onsets += [f"polyline:{date}" for date in self.polyline]
        onsets += [f"exp:{text}" for text in self.exp] + [f"log:{text}" for text in self.log]
        return (*powers, *seasons, *onsets)

    @model_validator(mode="after")
    def _known(self) -> TimeFunctionOptions:
        parse_terms(self.terms)
        return self


class DetectOptions(Options):
    """What counts as an area that moves."""

    sigmas: float = Field(3.0, gt=0, allow_inf_nan=False, description="Speed over its standard error, at least")
    min_speed: float = Field(0.0, ge=0, allow_inf_nan=False, description="Speed of a cell, at least, m/yr")
    min_cells: int = Field(9, ge=1, description="Cells of an area, at least")
    min_area_m2: float = Field(0.0, ge=0, allow_inf_nan=False, description="Size of an area, at least, square metres")
    min_coherence: float = Field(
        0.5, ge=0, le=1, description="How uniform the direction is, at least: 1 all the same way, 0 all ways"
    )


_SEASONS = {1.0: "annual", 0.5: "semiannual"}


def _text(value: object) -> object:
    """Take what YAML makes of dates: 20190401 is read as a number, 2019-04-01 as a date."""
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
