"""Options of geocoding."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from creepmeter.model.options import Options

_MOST_LATITUDE, _MOST_LONGITUDE, _MOST_STEP = 90.0, 360.0, 1.0


class GeocodeOptions(Options):
    """How products are brought between radar coordinates and latitude and longitude."""

    snwe: tuple[float, float, float, float] | None = Field(
        None, description="Area: south, north, west, east, degrees; default: all that the lookup table covers"
    )
    lalo_step: tuple[float, float] | None = Field(
        None,
        description="Grid step in latitude and longitude, degrees; default: cells of the area of a radar pixel",
    )
    interp_method: Literal["nearest", "linear"] = Field(
        "nearest",
        description="nearest: the value of the nearest pixel; linear: between the four around, masks and whole numbers "
        "by the nearest",
    )
    fill_value: float = Field(
        float("nan"), description="Value where there is no pixel; masks hold False and whole numbers 0 there"
    )

    @field_validator("snwe", "lalo_step", mode="before")
    @classmethod
    def _none_for_empty(cls, value: object) -> object:
        return None if value in ((), []) else value

    @field_validator("fill_value", mode="before")
    @classmethod
    def _plain_nan(cls, value: object) -> object:
        return float("nan") if value is None or str(value).lower() in ("np.nan", "none", "no") else value

    @field_validator("snwe")
    @classmethod
    def _an_area(cls, value: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if value is None:
            return None
        south, north, west, east = value
        right = -_MOST_LATITUDE <= south < north <= _MOST_LATITUDE and -_MOST_LONGITUDE <= west < east
        if not right or east > _MOST_LONGITUDE or east - west > _MOST_LONGITUDE:
            message = "must be south, north, west, east in degrees, south below north and west below east"
            raise ValueError(message)
        return value

    @field_validator("lalo_step")
    @classmethod
    def _a_step(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not all(0 < abs(step) <= _MOST_STEP for step in value):
            message = "must be two steps in degrees, not zero and at most 1"
            raise ValueError(message)
        return value
