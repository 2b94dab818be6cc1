"""Options of the search for optical scenes, and of the choice among them."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from creepmeter.errors import EpochError
from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options

_FIRST_YEAR, _LAST_YEAR = 1972, 2100
_YEARS = re.compile(r"\s*(\d{4})\s*(?:/\s*(\d{4})\s*)?")
_DAY_OF_YEAR = re.compile(r"\s*(\d{1,2})-(\d{1,2})\s*")
_LEAP_YEAR = 2024
Choose = Literal["all", "yearly", "monthly"]


@dataclass(frozen=True, order=True)
class Window:
    """A span of days that is searched, both included.

    Parameters
    ----------
    first, last : date
        Days, UTC.
    middle : date or None
        The day that a scene should be near to.
    """

    first: date
    last: date
    middle: date | None = None

    @property
    def interval(self) -> str:
        """In the words of a STAC API."""
        return f"{self.first}T00:00:00Z/{self.last}T23:59:59.999Z"

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment (UTC) lies in it."""
        return self.first <= moment.astimezone(UTC).date() <= self.last


class AskOptions(Options):
    """How a catalogue is asked."""

    page_size: int = Field(100, ge=1, le=1000, description="Items that are asked for at a time, number")
    minutes: float = Field(20.0, gt=0, le=1000, description="For the whole search at most, minutes")
    tries: int = Field(5, ge=1, le=100, description="Attempts per request, number")
    wait_s: float = Field(1.0, ge=0, le=600, description="Before the second attempt, seconds; doubled from then on")
    timeout_s: float = Field(60.0, gt=0, le=3600, description="Silence of the server that ends an attempt, seconds")


class _SceneQuery(Options):
    """Where and when optical scenes are looked for."""

    catalogue: str = Field(
        "earth-search",
        min_length=1,
        description="earth-search, planetary-computer, address of a STAC API, or a static catalogue (catalog.json)",
    )
    sensor: Literal["sentinel-2", "landsat"] = Field("sentinel-2", description="Satellites")
    collections: tuple[str, ...] = Field((), description="Collections of the catalogue; default those of the sensor")
    years: str | None = Field(None, description="First and last year, 2016/2023, or one year")
    dates: str | None = Field(None, description="First and last date instead of years, START/END; either may be empty")
    around: str | None = Field(None, description="Day of the year, MM-DD, that scenes of every year are near to")
    within_days: int = Field(45, ge=0, le=182, description="Distance from that day at most, days")
    most: int = Field(20_000, ge=1, le=1_000_000, description="Scenes to list at most, number")


class SceneSearchOptions(AskOptions, _SceneQuery):
    """Where and when optical scenes are looked for, and how."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.years is None) == (self.dates is None):
            message = "give either years (--years 2016/2023) or dates (--dates 20160601/20231231)"
            raise ValueError(message)
        if self.around is not None and self.years is None:
            message = "around: a day of the year (--around) goes with years (--years 2016/2023), not with dates"
            raise ValueError(message)
        try:
            _ = self.windows
        except EpochError as problem:
            raise ValueError(str(problem)) from problem
        return self

    @property
    def windows(self) -> tuple[Window, ...]:
        """Spans of days to search, in order of time."""
        if self.dates is not None:
            return (_window_of_dates(self.dates),)
        first, last = _years(self.years or "")
        if self.around is None:
            return (Window(date(first, 1, 1), date(last, 12, 31)),)
        middles = [_day_in(self.around, year) for year in range(first, last + 1)]
        reach = timedelta(days=self.within_days)
        return tuple(Window(middle - reach, middle + reach, middle) for middle in middles)


class SelectOptions(Options):
    """Which of the scenes that were found are kept."""

    choose: Choose | None = Field(
        None,
        description=(
            "yearly: the clear scene of each year nearest to --around; monthly: the clearest of each month; all: every "
            "clear scene. Default: yearly with --around, else all"
        ),
    )
    max_cloud: float = Field(
        20.0,
        ge=0,
        le=100,
        description="What cannot be seen (cloud, shadow, missing; snow with --mask-snow) of the area at most, per cent",
    )
    max_scene_cloud: float | None = Field(
        None, ge=0, le=100, description="Cloud at most that the catalogue says of a whole scene, per cent"
    )
    min_cover: float = Field(99.0, ge=0, le=100, description="Share of the area within a scene at least, per cent")
    measure: bool = Field(True, description="Read the mask of each scene inside the area; else believe the catalogue")
    mask_classes: tuple[int, ...] = Field(
        (), description="Classes of the mask (Landsat: bits) that are not seen. Default: missing, cloud, shadow"
    )
    mask_snow: bool = Field(False, description="Count snow as not seen")
    orbit: int | None = Field(
        None, ge=1, le=233, description="Relative orbit (Landsat: path); default the one with most dates"
    )
    tile: str | None = Field(None, description="Tile, such as 33TVM or (Landsat) 046027; default as orbit")


def _window_of_dates(text: str) -> Window:
    first, slash, last = (part.strip() for part in text.partition("/"))
    if not slash or not (first or last):
        message = f"dates: {text!r} is not START/END such as 20160601/20231231"
        raise EpochError(message)
    ends = [_day(part) if part else None for part in (first, last)]
    begin, end = ends[0] or date(_FIRST_YEAR, 1, 1), ends[1] or datetime.now(UTC).date()
    if begin > end:
        message = f"dates: {text} runs backward"
        raise EpochError(message)
    return Window(begin, end)


def _day(text: str) -> date:
    return date.fromisoformat(str(as_epoch(text))[:10])


def _years(text: str) -> tuple[int, int]:
    found = _YEARS.fullmatch(text)
    if found is None:
        message = f"years: {text!r} is not FIRST/LAST such as 2016/2023, nor one year"
        raise EpochError(message)
    first, last = int(found[1]), int(found[2] or found[1])
    if not _FIRST_YEAR <= first <= last <= _LAST_YEAR:
        message = f"years: {text} must run forward within {_FIRST_YEAR} to {_LAST_YEAR}"
        raise EpochError(message)
    return first, last


def _day_in(text: str, year: int) -> date:
    """Return a day MM-DD in a year; 29 February is the 28th where there is none."""
    found = _DAY_OF_YEAR.fullmatch(text)
    try:
        day = date(_LEAP_YEAR, int(found[1]), int(found[2])) if found else None
    except ValueError:
        day = None
    if day is None:
        message = f"around: {text!r} is no day of the year: give MM-DD such as 11-22"
        raise EpochError(message)
    return date(year, day.month, min(day.day, calendar.monthrange(year, day.month)[1]))
