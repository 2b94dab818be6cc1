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
