"""Options of the correction of unwrapping errors."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from creepmeter.model.options import Options

Ramp = Literal["no", "linear", "quadratic", "linear_range", "linear_azimuth", "quadratic_range", "quadratic_azimuth"]


class UnwrapOptions(Options):
    """How whole cycles that unwrapping got wrong are found and put right."""

    method: Literal["no", "bridging", "phase_closure", "bridging+phase_closure"] = Field(
        "no",
        description="bridging: regions differ from their neighbours by less than half a cycle; phase_closure: sums "
        "around triplets of pairs are zero; bridging+phase_closure: both, in this order",
    )
    water_mask_file: str | None = Field(
        "waterMask.h5", description="Mask of land (nonzero), file in the work folder; absent = all is land"
    )
    conn_comp_min_area: float = Field(
        2.5e3,
        gt=0.0,
        description="Regions of up to this size are left out, but never more than 0.3 % of the map, pixels",
    )
    num_sample: int = Field(100, ge=1, description="Pixels of each common region whose triplets are solved, number")
    ramp: Ramp = Field("no", description="Surface fitted to the reference region and taken out while bridging")
    bridge_points_radius: int = Field(
        50, ge=1, description="Half width of the windows at both ends of a bridge, at most 5 % of the map, pixels"
    )
    bridge_max_rad: float = Field(
        math.pi,
        gt=0.0,
        le=math.pi,
        description="Largest difference that may be left across a bridge; where more is left, the region follows its "
        "neighbour as unwrapping had it. Below pi (as MintPy), doubtful bridges are left to phase closure: about 2 "
        "helps where the delay differs much from region to region, 1 is too strict; not for bridging alone, radians",
    )
    common_mask_file: str = Field(
        "maskConnComp.h5",
        description="Mask of pixels in connected components of all pairs, file in the work folder; made anew if absent",
    )
