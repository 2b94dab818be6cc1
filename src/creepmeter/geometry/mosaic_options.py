"""Options of mosaics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from creepmeter.model.options import Options


class MosaicOptions(Options):
    """How overlapping maps are joined."""

    offset: bool = Field(default=True, description="Take out by how much maps differ where they overlap")
    method: Literal["mean", "median"] = Field("mean", description="Offset of two maps: mean or median of differences")
    ramp: bool = Field(default=False, description="Take out a plane as well, by least squares")
    joint: bool = Field(
        default=False,
        description="Least squares over all overlaps together, the first map fixed, instead of one map after the other",
    )
    overlap: Literal["last", "first", "mean"] = Field("last", description="Which map counts where several are measured")

    @model_validator(mode="after")
    def _a_plane_has_no_median(self) -> MosaicOptions:
        if self.ramp and self.method == "median":
            message = "method median gives offsets only: use mean with ramp"
            raise ValueError(message)
        return self
