"""Options of GNSS stations beside radar products."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from creepmeter.model.epoch import as_epoch
from creepmeter.model.options import Options

StationComponent: TypeAlias = Literal["enu2los", "hz2los", "up2los", "E", "N", "U", "horz", "vert"]


class GnssOptions(Options):
    """Which GNSS stations are taken, and what of them."""

    source: Literal["UNR", "GENERIC"] | None = Field(
        None,
        description="UNR: those of the Nevada laboratory on the map, from its server; GENERIC: the files in `folder`; "
        "default: GENERIC where a folder is given",
    )
    folder: Path | None = Field(
        None, description="Folder of station files; with UNR, where fetched ones are kept (GNSS-UNR by default)"
    )
    server: str = Field("https://geodesy.unr.edu", description="Server of the Nevada laboratory, or a copy of it")
    component: StationComponent = Field(
        "enu2los",
        description="What is compared: motion along the line of sight (whole, horizontal, vertical), or an axis",
    )
    reference: str | None = Field(None, description="Station that all others are relative to, on the map as well")
    exclude: tuple[str, ...] = Field((), description="Stations that are left out")
    start_date: str | None = Field(None, description="First date of the stations, YYYYMMDD; default: of the map")
    end_date: str | None = Field(None, description="Last date of the stations, YYYYMMDD; default: of the map")
    horz_az: float = Field(
        -90.0, ge=-360, le=360, description="Direction of `horz`, degrees from north to the west: -90 = east"
    )
    min_dates: int = Field(10, ge=2, description="Fewest dates in the period of a station that is taken")
    redo: bool = Field(default=False, description="Fetch again what is kept already")

    @field_validator("start_date", "end_date")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            as_epoch(value)
        return value

    @property
    def is_local(self) -> bool:
        """Whether the files of the folder are taken, and no server is asked."""
        return self.source == "GENERIC" or (self.source is None and self.folder is not None)

    @property
    def kept_in(self) -> Path:
        """Where files lie or are kept."""
        return self.folder if self.folder is not None else Path("GNSS-UNR")
