"""Options of the corrections of a series; names and defaults are those of MintPy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options
from creepmeter.model.terms import parse_terms

RampKind = Literal[
    "linear", "linear_range", "linear_azimuth", "quadratic", "quadratic_range", "quadratic_azimuth", "no"
]


class HeightCorrelationOptions(Options):
    """How the stratified troposphere is found from the correlation of displacement with height."""

    poly_order: int = Field(1, ge=1, le=3, description="Degree in height")
    looks: int = Field(8, ge=1, description="Rows and columns averaged before the fit, pixels")
    min_correlation: float = Field(
        0.0, ge=0, le=1, description="Dates whose displacement correlates less with height stay as they are"
    )


class RampOptions(Options):
    """Which ramp is removed from every date, and where it is fitted."""

    ramp: RampKind = Field("linear", description="Surface; the range forms know columns only, the azimuth forms rows")
    mask_file: str | None = Field("maskTempCoh.h5", description="Mask of the pixels it is fitted to; none: all")


class TopographyOptions(Options):
    """How the error of the heights is told from motion."""

    poly_order: int = Field(2, ge=1, le=20, description="Degree of the motion in time that is fitted beside it")
    step_date: tuple[str, ...] = Field((), description="Dates of steps in the motion, YYYYMMDD")
    periodic: tuple[float, ...] = Field((), description="Periods of seasonal motion, years; 1 = annual")
    exclude_date: tuple[str, ...] = Field(
        ("exclude_date.txt",),
        description="Dates left out of the fit, YYYYMMDD, or text files of one date a line beside the series; they are "
        "corrected all the same; the default file may be missing",
    )
    phase_velocity: bool = Field(default=False, description="Fit the rate between dates instead of displacement")
    pixelwise_geometry: bool = Field(
        default=True, description="Incidence and range of every pixel, where they are known, instead of the centre's"
    )

    @field_validator("step_date", "exclude_date", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> object:
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_text(item) for item in values if item is not None)

    @field_validator("periodic", mode="before")
    @classmethod
    def _as_numbers(cls, value: object) -> object:
        return (value,) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _known(self) -> TopographyOptions:
        parse_terms(self.terms)
        return self

    @property
    def terms(self) -> tuple[str, ...]:
        """The functions of time of the motion, without the offset."""
        powers = ("rate", "quadratic", *(f"poly:{k}" for k in range(3, self.poly_order + 1)))[: self.poly_order]
        seasons = [f"periodic:{period!r}" for period in self.periodic]
        return (*powers, *seasons, *(f"step:{text}" for text in self.step_date))


class ResidualOptions(Options):
    """How noisy dates and the reference date are found from the residuals of the height errors."""

    mask_file: str | None = Field("maskTempCoh.h5", description="Mask of the pixels that count; none: all")
    deramp: Literal["linear", "quadratic", "no"] = Field("quadratic", description="Ramp removed first")
    cutoff: float = Field(
        3.0, ge=0, allow_inf_nan=False, description="Dates are noisy above this times the median RMS / 0.67449"
    )


def _text(value: object) -> object:
    """Take what YAML makes of dates: 20190401 is read as a number, 2019-04-01 as a date."""
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text[:8].isdigit():
        as_epoch(text)
    return text
