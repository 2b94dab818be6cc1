"""Options of files for Google Earth."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from creepmeter.model.options import Options


class KmzOptions(Options):
    """How a map is drawn for Google Earth. What is left out is chosen from the data."""

    unit: str | None = Field(None, description="Unit of the colours; default: cm for lengths, cm/year for velocities")
    vmin: float | None = Field(None, description="Lower end of the colours, in that unit")
    vmax: float | None = Field(None, description="Upper end of the colours, in that unit")
    cmap: str | None = Field(None, description="Colour map of cmcrameri or matplotlib")
    wrap: bool = Field(default=False, description="Draw values in fringes")
    wrap_range: tuple[float, float] = Field(
        (-math.pi, math.pi), description="Ends of one fringe, in the unit of the colours"
    )
    zero_mask: bool = Field(default=False, description="Leave out pixels whose value is zero")
    opacity: float = Field(1.0, gt=0, le=1, description="Opacity of the picture, 0 to 1")
    label: str | None = Field(None, description="Name of the quantity at the colour bar")
    mark_reference: bool = Field(default=True, description="Mark the reference point")
    tile_px: int = Field(2048, ge=64, le=8192, description="Largest edge of a picture; larger maps are cut into tiles")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.vmin is not None and self.vmax is not None and not self.vmin < self.vmax:
            message = f"the colours run from {self.vmin:g} to {self.vmax:g}: give the lower end first"
            raise ValueError(message)
        if not self.wrap_range[0] < self.wrap_range[1]:
            message = f"the fringe runs from {self.wrap_range[0]:g} to {self.wrap_range[1]:g}: give the lower end first"
            raise ValueError(message)
        return self


class KmzSeriesOptions(Options):
    """Which points of a series are shown in Google Earth, and from which zoom on."""

    steps: tuple[int, int, int] = Field(
        (20, 5, 2), description="Pixels from point to point at the three levels of detail; 0 leaves a level out"
    )
    lods: tuple[float, float, float, float] = Field(
        (0, 1500, 4000, -1),
        description="Width of the whole map on the screen, pixels, from which each level is shown, and up to which all "
        "are (-1: always)",
    )
    vmin: float | None = Field(None, description="Velocity at the lower end of the colours, cm/year")
    vmax: float | None = Field(None, description="Velocity at the upper end of the colours, cm/year")
    wrap: bool = Field(default=False, description="Draw velocities in fringes from vmin to vmax")
    cmap: str | None = Field(None, description="Colour map of cmcrameri or matplotlib")
    cutoff: float = Field(
        3.0, ge=0, description="The third level is for moving ground: velocity beyond this many times the MAD"
    )
    min_percentage: float = Field(
        0.2, ge=0, le=1, description="Share of moving pixels from which a part of the map has the third level"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.steps) < 0 or max(self.steps) == 0:
            message = f"steps {self.steps}: whole numbers from 0, one of them above 0"
            raise ValueError(message)
        if list(self.lods[:3]) != sorted(self.lods[:3]) or self.lods[0] < 0:
            message = f"levels of detail {self.lods}: three rising numbers from 0, and the end (-1: none)"
            raise ValueError(message)
        if self.wrap and (self.vmin is None or self.vmax is None):
            message = "fringes need both ends of the colours, vmin and vmax"
            raise ValueError(message)
        return self
