"""Options of search and download."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from creepmeter.errors import EpochError
from creepmeter.model.epoch import Epoch, as_epoch
from creepmeter.model.options import Options

_LONGITUDE, _LATITUDE = 180.0, 90.0
_BOX = 4


class AriaSearchOptions(Options):
    """Which products of ARIA are looked for."""

    bbox: tuple[float, float, float, float] = Field(
        description="Box W,S,E,N in degrees; W greater than E crosses the 180th meridian"
    )
    track: int | None = Field(None, ge=1, le=175, description="Relative orbit; default: all")
    dates: str | None = Field(None, description="First and last date, START/END; either may be empty. Default: all")
    flight_direction: Literal["ascending", "descending"] | None = Field(None, description="Default: both")
    most: int = Field(20_000, ge=1, description="Products to list at most, number")

    @field_validator("bbox", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        """Take ``W,S,E,N`` as well as four numbers."""
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",")]
            if len(parts) != _BOX:
                message = f"{value!r} is not a box W,S,E,N such as -118.5,33.5,-117.5,34.5"
                raise ValueError(message)
            return tuple(parts)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        west, south, east, north = self.bbox
        if not (-_LATITUDE <= south < north <= _LATITUDE):
            message = f"bbox: latitudes must run from south to north within 90 degrees, got {south:g} to {north:g}"
            raise ValueError(message)
        if not (-_LONGITUDE <= west <= _LONGITUDE and -_LONGITUDE <= east <= _LONGITUDE) or west == east:
            message = f"bbox: longitudes must lie within 180 degrees and differ, got {west:g} to {east:g}"
            raise ValueError(message)
        try:
            first, last = self.days
        except EpochError as problem:
            message = f"dates: {problem}"
            raise ValueError(message) from problem
        if first is not None and last is not None and first > last:
            message = f"dates: {self.dates} runs backward"
            raise ValueError(message)
        return self

    @property
    def days(self) -> tuple[Epoch | None, Epoch | None]:
        """First and last day."""
        if not self.dates:
            return None, None
        first, slash, last = self.dates.partition("/")
        if not slash:
            message = f"{self.dates!r} is not START/END such as 20180101/20190630"
            raise EpochError(message)
        return (as_epoch(first.strip()) if first.strip() else None, as_epoch(last.strip()) if last.strip() else None)


class FetchOptions(Options):
    """How files are downloaded."""

    jobs: int = Field(3, ge=1, le=16, description="Files at a time, number")
    tries: int = Field(6, ge=1, le=100, description="Attempts per file, number")
    wait_s: float = Field(2.0, ge=0, le=600, description="Before the second attempt, seconds; doubled from then on")
    longest_wait_s: float = Field(120.0, ge=0, le=3600, description="Between two attempts at most, seconds")
    timeout_s: float = Field(60.0, gt=0, le=3600, description="Silence of the server that ends an attempt, seconds")
    file_minutes: float = Field(120.0, gt=0, le=10_000, description="For one file at most, minutes")


class ReadOptions(Options):
    """How files on servers are read in parts."""

    jobs: int = Field(4, ge=1, le=32, description="Scenes at a time, number")
    tries: int = Field(5, ge=1, le=100, description="Attempts per part of a file, number")
    wait_s: float = Field(1.0, ge=0, le=600, description="Before the second attempt, seconds; doubled from then on")
    longest_wait_s: float = Field(60.0, ge=0, le=3600, description="Between two attempts at most, seconds")
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Silence of a server that ends an attempt, seconds")
    file_minutes: float = Field(15.0, gt=0, le=10_000, description="For one file at most, minutes")
    file_mb: float = Field(2000.0, gt=0, le=1e6, description="Of one file at most, 1e6 bytes")
    whole_mb: float = Field(
        64.0, ge=0, le=1e6, description="Largest file taken from a server that gives whole files only, 1e6 bytes"
    )


class SceneFetchOptions(ReadOptions):
    """What is made of scenes, and how their files are read."""

    band: str | None = Field(
        None, description="Band, such as B08 or the key of an asset. Default: B08 of Sentinel-2, B8 or B5 of Landsat"
    )
    mask_classes: tuple[str, ...] = Field(
        (),
        description=(
            "Classes of the scene classification (Landsat: bits of QA_PIXEL) that are masked, numbers. Default: "
            "missing, cloud and shadow, of Sentinel-2 0, 1, 3, 8, 9, 10"
        ),
    )
    mask_snow: bool = Field(False, description="Mask snow as well")
    max_masked: float = Field(
        95.0, ge=0, le=100, description="Scenes with more of the area masked are left out, per cent"
    )
    resample: Literal["never", "bilinear", "cubic"] = Field(
        "never", description="What is done with scenes whose pixels are not those of the others; never: left out"
    )
    memory_gb: float = Field(4.0, gt=0, le=10_000, description="Memory to keep within, gigabytes")

    @field_validator("mask_classes", mode="after")
    @classmethod
    def _are_numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [text for text in value if not text.strip().isdecimal()]
        if wrong:
            message = f"mask_classes: {', '.join(wrong)!r:.60} is no number: give such as 0,1,3,8,9,10"
            raise ValueError(message)
        return value

    @property
    def classes(self) -> tuple[int, ...] | None:
        """Classes to mask; None = the usual ones."""
        return tuple(sorted(int(text) for text in self.mask_classes)) or None


class HeightOptions(Options):
    """Which heights are taken."""

    catalogue: str = Field(
        "earth-search",
        min_length=1,
        description="earth-search, planetary-computer, address of a STAC API, or a static catalogue (catalog.json)",
    )
    collection: str = Field(
        "cop-dem-glo-30", min_length=1, description="Collection of the catalogue, of rasters of heights in metres"
    )
    memory_gb: float = Field(4.0, gt=0, le=10_000, description="Memory to keep within, gigabytes")
