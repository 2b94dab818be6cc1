"""Options of decomposing motion into components."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from creepmeter.model.options import Options


class DecomposeOptions(Options):
    """Which components of motion are found from maps along several directions."""

    components: tuple[Literal["east", "north", "up", "horizontal"], ...] = Field(
        ("east", "north", "up"),
        min_length=1,
        description="Components: east, north, up, horizontal; there is no motion along what is left out, so that "
        "east, up is for two lines of sight",
    )
    azimuth_deg: float = Field(
        -90.0,
        ge=-360,
        le=360,
        description="Direction of horizontal, degrees from north, anticlockwise positive: -90 is east, 0 north",
    )
    sigma: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Standard error of maps that have none, in their unit"
    )
    term: str | None = Field(None, description="Term of the motion, such as rate or step_20190401; default: the rate")
    ref_lalo: tuple[float, float] | None = Field(
        None, description="Point, latitude and longitude in degrees, where the motion of every map is set to zero"
    )

    @model_validator(mode="after")
    def _at_right_angles(self) -> DecomposeOptions:
        if len(set(self.components)) < len(self.components):
            message = f"components {', '.join(self.components)}: each may come once"
            raise ValueError(message)
        if "horizontal" in self.components and {"east", "north"} & set(self.components):
            message = "components: horizontal stands in place of east and north"
            raise ValueError(message)
        return self
