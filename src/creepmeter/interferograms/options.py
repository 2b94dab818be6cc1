"""Options of the loaders."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from creepmeter.model.options import Options

Role = Literal["east", "west", "north", "south", "up", "los", "mask", "sigma", "quality", "skip"]
COMPONENT_OF: dict[str, tuple[str, float]] = {
    "east": ("east", 1.0),
    "west": ("east", -1.0),
    "north": ("north", 1.0),
    "south": ("north", -1.0),
    "up": ("up", 1.0),
    "los": ("los", 1.0),
}


class MapOptions(Options):
    """What the bands of a displacement map mean."""

    bands: tuple[Role, ...] = Field(
        ("east", "north"),
        min_length=1,
        description="Role of each band in order: east, west, north, south, up, los (displacement, positive that way; "
        "los toward the satellite), mask (nonzero = use), sigma (unit of the displacement; one, or one per component), "
        "quality (0 to 1), skip",
    )
    unit: Literal["px", "m"] = Field("px", description="Unit of displacement and sigma: image pixels or metres")
    pixel_size_m: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Edge of an image pixel, metres: what one px of displacement is. Default: step of the map's grid",
    )
    dates_pattern: str | None = Field(
        None, description="How a date is written in the file names, as in strptime (%Y%m%d); default YYYYMMDD[THHMMSS]"
    )
    strict: bool = Field(True, description="Stop at a file that cannot be used; if false, leave it out and say so")

    @field_validator("bands", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Take ``east,south,mask`` as well as a list."""
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        names = [COMPONENT_OF[role][0] for role in self.bands if role in COMPONENT_OF]
        sigmas = self.bands.count("sigma")
        problem = ""
        if not names:
            problem = "no band is a displacement (east, west, north, south, up, los)"
        elif len(set(names)) < len(names):
            problem = f"two bands give the same component ({', '.join(names)})"
        elif sigmas not in (0, 1, len(names)):
            problem = (
                f"{sigmas} sigma bands for {len(names)} component(s): give none, one, or one each in the same order"
            )
        elif self.bands.count("quality") > 1:
            problem = "more than one quality band"
        if problem:
            message = f"bands: {problem}"
            raise ValueError(message)
        return self


class OffsetMapOptions(MapOptions):
    """How offset maps of another program are read, one file per pair."""

    duplicates: Literal["error", "newest"] = Field(
        "error", description="Two files of the same pair of dates: stop, or keep the one changed last on disk"
    )


class SeriesMapOptions(MapOptions):
    """How displacement maps are read, one file per date."""

    bands: tuple[Role, ...] = Field(("los",), min_length=1, description=MapOptions.model_fields["bands"].description)
    unit: Literal["px", "m"] = Field("m", description="Unit of displacement and sigma: image pixels or metres")
