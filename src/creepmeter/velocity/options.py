"""Options of the velocity fit."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options
from creepmeter.model.terms import parse_terms


class VelocityOptions(Options):
    """Which functions of time are fitted, and where the standard errors come from."""

    terms: tuple[str, ...] = Field(
        ("rate",),
        min_length=1,
        description="Functions of time: rate, quadratic, annual, semiannual, step:YYYYMMDD, exp:YYYYMMDD:DAYS, "
        "log:YYYYMMDD:DAYS",
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


def _text(value: object) -> object:
    """Take what YAML makes of dates: 20190401 is read as a number, 2019-04-01 as a date."""
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
