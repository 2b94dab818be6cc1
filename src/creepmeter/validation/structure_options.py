"""Options of the structure function."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from creepmeter.model.options import Options


class StructureOptions(Options):
    """Between which distances errors are looked at, and how many pairs of pixels are taken."""

    min_km: float = Field(0.1, gt=0, allow_inf_nan=False, description="Shortest distance, kilometres")
    max_km: float = Field(50.0, gt=0, allow_inf_nan=False, description="Longest distance, kilometres")
    bins: int = Field(18, ge=1, le=1000, description="Classes of distance, of equal ratio, number")
    pairs: int = Field(20_000, ge=10, le=10_000_000, description="Pairs of pixels in each class at most, number")
    model: Literal["auto", "power", "exponential"] = Field(
        "auto",
        description="Curve for sigma at any distance: nugget and power law, nugget and exponential up to a sill, or "
        "the one of both that fits better",
    )

    @model_validator(mode="after")
    def _in_order(self) -> StructureOptions:
        if self.min_km >= self.max_km:
            message = f"min_km ({self.min_km:g}) must be below max_km ({self.max_km:g})"
            raise ValueError(message)
        return self
