"""Options of the comparison with stations on the ground."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from creepmeter.errors import ConfigError
from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options
from creepmeter.model.terms import parse_terms


class RateOptions(Options):
    """How rates of stations are fitted to their positions."""

    terms: tuple[str, ...] = Field(
        ("rate",), min_length=1, description="Functions of time fitted to each station, as for velocity"
    )
    step: tuple[str, ...] = Field(
        (), description="Known steps: YYYYMMDD for all stations, or STATION:YYYYMMDD for one of them"
    )
    undeclared_steps: Literal["skip", "keep"] = Field(
        "skip", description="A station with a clear step that was not declared: leave it out and say so, or use it"
    )
    start_date: str | None = Field(None, description="First date of the stations that is used, YYYYMMDD")
    end_date: str | None = Field(None, description="Last date of the stations that is used, YYYYMMDD")
    position_sigma_m: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Standard error of a coordinate where the file states none, metres; of pegs, a few centimetres",
    )
    weights: Literal["sigma", "equal"] = Field(
        "sigma", description="Weights of the dates: 1/sigma^2 where the file states sigma, or all alike"
    )

    @field_validator("terms")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_terms(value)
        if "rate" not in value:
            message = "terms need rate: a station without it has no velocity to compare"
            raise ConfigError(message)
        return value

    @field_validator("step")
    @classmethod
    def _dated(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            as_epoch(text.rpartition(":")[2])
        return value

    @field_validator("start_date", "end_date")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            as_epoch(value)
        return value

    @model_validator(mode="after")
    def _in_order(self) -> RateOptions:
        if self.start_date and self.end_date and as_epoch(self.end_date) < as_epoch(self.start_date):
            message = f"end_date {self.end_date} lies before start_date {self.start_date}"
            raise ConfigError(message)
        return self

    def terms_of(self, station: str) -> tuple[str, ...]:
        """Return the terms for one station, its steps included."""
        steps = [text.rpartition(":") for text in self.step]
        own = [f"step:{day}" for name, _, day in steps if name in ("", station)]
        return tuple(dict.fromkeys((*self.terms, *own)))
