"""Options of choosing, among the pairs of a stack, those that are used."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from creepmeter.errors import EpochError
from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options

_PAIR = re.compile(r"\d{8}(T?\d{4,6})?[_-]\d{8}(T?\d{4,6})?")


class NetworkOptions(Options):
    """Which pairs of a stack are used; the others are marked, none is deleted.

    First the rules on dates and baselines, each by itself; then, among the pairs that are left, those on coherence. A
    pair that any rule leaves out is left out.
    """

    temp_base_max: float | None = Field(None, gt=0, allow_inf_nan=False, description="Longest pair, days")
    perp_base_max: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Largest perpendicular baseline, absolute value, metres"
    )
    conn_num_max: int | None = Field(
        None, ge=1, description="A date is joined to this many of the next dates of the stack at most, number"
    )
    start_date: str | None = Field(None, description="First date used, YYYYMMDD")
    end_date: str | None = Field(None, description="Last date used, YYYYMMDD")
    exclude_date: tuple[str, ...] = Field((), description="Dates left out, YYYYMMDD; or a text file of dates")
    exclude_pairs: tuple[str, ...] = Field((), description="Pairs left out, YYYYMMDD_YYYYMMDD")
    exclude_index: tuple[int, ...] = Field(
        (), description="Pairs left out by their place in the file, counted from 0; 3:5 is 3, 4 and 5"
    )
    reference_file: str | None = Field(
        None, description="Only the pairs of this file are used: a text file of pairs, or another stack"
    )
    coherence_based: bool = Field(default=False, description="Leave out pairs of low mean coherence")
    min_coherence: float = Field(0.7, ge=0, le=1, description="Lowest mean coherence of a pair, 0 to 1")
    area_ratio_based: bool = Field(
        default=False, description="Leave out pairs of which too small a part is more coherent than the masked ground"
    )
    min_area_ratio: float = Field(0.75, ge=0, le=1, description="Smallest part that must be coherent, 0 to 1")
    keep_min_span_tree: bool = Field(
        default=True, description="Keep the most coherent pairs that join all dates, however low their coherence"
    )
    mask_file: str | None = Field(
        "waterMask.h5", description="Where the mean coherence is taken (nonzero); not there: everywhere"
    )
    aoi_yx: tuple[int, int, int, int] | None = Field(
        None, description="Rows and columns where the mean coherence is taken: first, end, first, end (end excluded)"
    )
    aoi_lalo: tuple[float, float, float, float] | None = Field(
        None, description="Latitudes and longitudes where the mean coherence is taken: south, north, west, east"
    )

    @field_validator("start_date", "end_date")
    @classmethod
    def _readable_date(cls, value: str | None) -> str | None:
        if value is not None:
            as_epoch(value)
        return value

    @field_validator("exclude_pairs")
    @classmethod
    def _readable_pairs(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not _PAIR.fullmatch(value):
                message = f"{value!r} is not a pair: write YYYYMMDD_YYYYMMDD"
                raise ValueError(message)
            for text in re.split("[_-]", value):
                as_epoch(text)
        return values

    @field_validator("exclude_index", mode="before")
    @classmethod
    def _expanded(cls, values: object) -> object:
        """Take ``3:5`` as 3, 4 and 5."""
        items = values if isinstance(values, list | tuple) else [values]
        found: list[object] = []
        for item in items:
            found += _places(item) if isinstance(item, str) else [item]
        return tuple(found)

    @field_validator("exclude_index")
    @classmethod
    def _not_negative(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if values and min(values) < 0:
            message = f"{min(values)} is no place in the file: places are counted from 0"
            raise ValueError(message)
        return values

    @field_validator("aoi_yx", "aoi_lalo")
    @classmethod
    def _not_empty(cls, box: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if box is not None and (box[0] >= box[1] or box[2] >= box[3]):
            message = f"the area {box[0]}:{box[1]},{box[2]}:{box[3]} is empty: write the smaller end first"
            raise ValueError(message)
        return box

    @model_validator(mode="after")
    def _one_area(self) -> Self:
        if self.start_date and self.end_date and as_epoch(self.end_date) < as_epoch(self.start_date):
            message = f"end_date {self.end_date} is before start_date {self.start_date}: swap the two"
            raise ValueError(message)
        return self

    @property
    def needs_coherence(self) -> bool:
        """Whether a rule looks at the coherence of pairs."""
        return self.coherence_based or self.area_ratio_based


def is_date(text: str) -> bool:
    """Tell whether a text is a date rather than the name of a file.

    Examples
    --------
    >>> is_date("20190401"), is_date("dates.txt")
    (True, False)
    """
    try:
        as_epoch(text)
    except EpochError:
        return False
    return True


def _places(text: str) -> list[object]:
    found: list[object] = []
    for item in text.replace(",", " ").split():
        first, joint, last = item.partition(":")
        if not joint:
            first, joint, last = item.partition("-") if not item.startswith("-") else (item, "", "")
        try:
            ends = sorted((int(first), int(last if joint else first)))
        except ValueError as problem:
            message = f"{item!r} is no place in the file: write 25, or 3:5 for 3, 4 and 5"
            raise ValueError(message) from problem
        found += range(ends[0], ends[1] + 1)
    return found
