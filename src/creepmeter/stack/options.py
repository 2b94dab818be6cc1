"""Options of the stable-ground correction."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from creepmeter.model.options import Options


class StableOptions(Options):
    """How stable ground corrects each pair, and what it says about the errors."""

    model: Literal["shift", "plane"] = Field(
        "shift",
        description="shift: median of the valid stable pixels, per pair and component; plane: robust plane",
    )
    min_stable: int = Field(
        50, ge=3, description="Valid stable pixels that a pair needs; with fewer the pair is not corrected, number"
    )
    buffer_m: float = Field(
        0.0, ge=0.0, description="Moving ground is widened by this much before it is left out, metres"
    )
    per_date: bool = Field(
        default=False,
        description="Correct pairs with too few stable pixels by the shifts per date that follow from the other pairs",
    )
    closure_inflation: bool = Field(
        default=True, description="Widen sigma where the closures of triangles show that it is too small"
    )
    closure_pixels: int = Field(20_000, ge=100, description="Pixels drawn for the closures of triangles, number")
    floor_m: float = Field(
        1e-4, gt=0.0, description="Smallest sigma, so that no measurement gets an endless weight, metres"
    )
