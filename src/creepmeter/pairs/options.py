"""Options of pair selection."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options


class PairOptions(Options):
    """Which pairs of dates are measured.

    The limits (`min_days`, `max_days`, `anniversary_days`, `same_orbit`, the exclusions) say which pairs may be made;
    `rule` then takes all of them, or joins each date to its nearest later dates among them.
    """

    rule: Literal["all", "nearest"] = Field(
        "all", description="all: every pair within the limits; nearest: each date with its n_nearest later dates"
    )
    n_nearest: int = Field(3, ge=1, description="Later dates that each date is joined to (rule nearest), number")
    min_days: float = Field(0.0, ge=0.0, description="Shortest pair, days")
    max_days: float | None = Field(None, gt=0.0, description="Longest pair, days; null = no limit")
    anniversary_days: float | None = Field(
        None,
        ge=0.0,
        le=183.0,
        description="Only pairs this close to a whole number of years (at least one), days; null = any span",
    )
    same_orbit: bool = Field(
        default=False, description="Only pairs of one relative orbit, so that relief is seen from the same side"
    )
    exclude_dates: tuple[str, ...] = Field(
        (), description="Dates left out, YYYYMMDD (the whole day) or YYYYMMDDTHHMMSS (one image)"
    )
    exclude_pairs: tuple[str, ...] = Field((), description="Pairs left out, YYYYMMDD_YYYYMMDD")

    @field_validator("exclude_dates", "exclude_pairs", mode="before")
    @classmethod
    def _as_text(cls, values: object) -> object:
        """Take what YAML makes of dates: 20190401 is read as a number, 2019-04-01 as a date."""
        if not isinstance(values, list | tuple):
            values = [values]
        return tuple(_text(value) for value in values)

    @field_validator("exclude_dates")
    @classmethod
    def _readable_dates(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            as_epoch(value)
        return values

    @field_validator("exclude_pairs")
    @classmethod
    def _readable_pairs(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ref, joint, sec = value.partition("_")
            if not joint:
                message = f"{value!r} is not a pair: write YYYYMMDD_YYYYMMDD"
                raise ValueError(message)
            if not as_epoch(ref) < as_epoch(sec):
                message = f"{value!r} does not run forward in time: write the earlier date first"
                raise ValueError(message)
        return values

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_days is not None and self.max_days < self.min_days:
            message = f"max_days ({self.max_days:g}) is below min_days ({self.min_days:g}): swap them or widen one"
            raise ValueError(message)
        return self


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
