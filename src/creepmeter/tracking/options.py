"""Options of the offset tracker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from creepmeter.errors import ConfigError
from creepmeter.model.options import Options

Prefilter: TypeAlias = Literal["auto", "none", "highpass", "wallis", "log", "orientation"]


def _odd(width: int) -> int:
    if width % 2 == 0:
        message = f"must be odd, so that it has a middle: {width - 1} or {width + 1}"
        raise ValueError(message)
    return width


Odd: TypeAlias = Annotated[int, AfterValidator(_odd)]


class TrackOptions(Options):
    """How offsets between two images are measured."""

    chip_px: int = Field(32, ge=8, le=512, description="Edge of a chip, pixels; larger is steadier and blurs more")
    chip_max_px: int | None = Field(
        None,
        ge=8,
        le=512,
        description="Largest chip tried where smaller ones fail, each twice the last; none: no growth",
    )
    step_px: int = Field(8, ge=1, le=512, description="Distance between chips, pixels")
    search_px: int = Field(10, ge=1, le=128, description="Largest offset searched along x and along y, pixels")
    search_y_px: int | None = Field(
        None, ge=1, le=128, description="Largest offset searched along y, where it is not that along x, pixels"
    )
    prefilter: Prefilter = Field(
        "auto", description="Filter applied to both images before matching; auto is tuned by the images themselves"
    )
    prefilter_px: Odd = Field(5, ge=3, le=101, description="Width of the filter, pixels (odd)")
    method: Literal["correlation", "frequency"] = Field(
        "correlation",
        description="What finds the fraction of a pixel: the images themselves, or the phase of their cross-spectrum "
        "(a second method, to check with)",
    )
    model: Literal["shift", "affine"] = Field(
        "shift", description="What a chip may do: shift, or shift, strain and turn, for steep gradients (slower)"
    )
    robust: bool = Field(False, description="Weigh down pixels of a chip that do not fit: clouds, new snow (slower)")
    min_valid: float = Field(0.5, gt=0, le=1, description="Smallest share of a chip that must be seen in both images")
    min_correlation: float = Field(0.3, ge=0, le=1, description="Points below this correlation are not valid")
    min_distinct: float = Field(
        1.05, ge=1, description="Residual energy of the second best peak over that of the best; below: ambiguous"
    )
    min_support: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="A point counts when more than this share of its chip correlates by itself, part by part "
        "(quarters of the edge, at least 8 pixels); 0: one part is enough",
    )
    min_local: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Smallest mean correlation of the parts of a chip, as a share of the whole chip's: one strong edge "
        "must not carry a chip",
    )
    max_sigma_px: float = Field(0.5, gt=0, description="Points with a larger standard error, pixels, are not valid")
    outliers: bool = Field(True, description="Remove points that disagree with their neighbours")
    neighbourhood: Odd = Field(
        5, ge=3, le=51, description="Edge of the neighbourhood that judges a point, points (odd)"
    )
    min_agree: float = Field(
        0.32, ge=0, le=1, description="Share of the valid neighbours that must agree with a point (coherence)"
    )
    mad_scale: float = Field(4.0, gt=0, description="Farthest from the median of the neighbours, in robust deviations")

    @field_validator("model", "robust")
    @classmethod
    def _phase_fits_plain_shifts(cls, value: object, info: ValidationInfo) -> object:
        if info.data.get("method") == "frequency" and value != cls.model_fields[str(info.field_name)].default:
            message = "not known to method: frequency; leave it out, or take method: correlation"
            raise ValueError(message)
        return value

    def require_plain(self, names: Sequence[str], where: str) -> None:
        """Refuse options that only the regular grid of chips of a single pair knows.

        Parameters
        ----------
        names : sequence of str
            Options that must have their defaults.
        where : str
            What does not know them, and what to do instead.

        Raises
        ------
        ConfigError
            One of them differs from its default.
        """
        for name in names:
            found = getattr(self, name)
            if found != type(self).model_fields[name].default:
                message = f"tracking option {name} = {found} is for the regular grid of chips of one pair; {where}"
                raise ConfigError(message)

    @property
    def search_yx(self) -> tuple[int, int]:
        """Largest offset searched along y and along x, pixels."""
        return (self.search_px if self.search_y_px is None else self.search_y_px), self.search_px
