"""Options of the filters; names, parameters and defaults are MintPy's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import Field, field_validator, model_validator

from creepmeter.model.options import Options

TRUNCATE = 4.0  # where a Gaussian ends, in its standard deviations
DEFAULTS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "lowpass_gaussian": (3.0,),
        "highpass_gaussian": (3.0,),
        "lowpass_avg": (5.0,),
        "highpass_avg": (5.0,),
        "median": (5.0,),
        "double_difference": (1.0, 10.0),
        "difference_of_gaussians": (1.0, 10.0),
        "sobel": (),
        "roberts": (),
    }
)
_SHORT = {"lp": "lowpass", "hp": "highpass"}
_PAIR = 2


class SpatialFilterOptions(Options):
    """Which filter works on each map, and how wide it is."""

    filter_type: Literal[
        "lowpass_gaussian",
        "highpass_gaussian",
        "lowpass_avg",
        "highpass_avg",
        "median",
        "double_difference",
        "difference_of_gaussians",
        "sobel",
        "roberts",
    ] = Field("lowpass_gaussian", description="Filter; lp_ and hp_ are short for lowpass_ and highpass_")
    filter_par: tuple[float, ...] = Field(
        (),
        description="Pixels: standard deviation of a Gaussian (default 3), edge of an average (5), radius of a median "
        "(5), inner and outer radius of the double difference (1, 10), narrow and wide standard deviation of the "
        "difference of Gaussians (1, 10)",
    )

    @field_validator("filter_type", mode="before")
    @classmethod
    def _in_full(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        first, *rest = value.lower().replace("-", "_").split("_")
        return "_".join([_SHORT.get(first, first), *rest])

    @model_validator(mode="after")
    def _fitting(self) -> SpatialFilterOptions:
        wanted, given = len(DEFAULTS[self.filter_type]), len(self.filter_par)
        if given not in (0, wanted):
            message = f"{self.filter_type} takes {wanted} parameter(s), got {given}"
            raise ValueError(message)
        if any(not 0 < size < 10_000 for size in self.filter_par):  # noqa: PLR2004 - wider than maps are
            message = f"parameters of a filter are pixels above 0 and below 10000, got {self.filter_par}"
            raise ValueError(message)
        if self._whole and any(size != int(size) for size in self.filter_par):
            message = f"{self.filter_type} takes whole pixels, got {self.filter_par}"
            raise ValueError(message)
        if len(self.parameters) == _PAIR and self.parameters[0] >= self.parameters[1]:
            message = f"{self.filter_type} takes the smaller parameter first, got {self.filter_par}"
            raise ValueError(message)
        return self

    @property
    def _whole(self) -> bool:
        return self.filter_type in ("lowpass_avg", "highpass_avg", "median", "double_difference")

    @property
    def parameters(self) -> tuple[float, ...]:
        """The parameters: as given, else the default of the filter."""
        return self.filter_par or DEFAULTS[self.filter_type]

    @property
    def reach(self) -> int:
        """How far a pixel is influenced, pixels."""
        if "gauss" in self.filter_type:
            return gaussian_radius(max(self.parameters))
        if self.filter_type.endswith("avg"):
            return int(self.parameters[0]) // 2 + 1
        return int(max(self.parameters, default=1.0))


def gaussian_radius(sigma: float) -> int:
    """Return how far a Gaussian reaches, pixels."""
    return int(TRUNCATE * sigma + 0.5)


class TemporalFilterOptions(Options):
    """How a series is smoothed in time."""

    filter_type: Literal["median", "gaussian"] = Field("median", description="Moving median, or Gaussian weights")
    time_win: float = Field(
        5.0,
        gt=0,
        allow_inf_nan=False,
        description="Dates in the window of a median, an odd number; standard deviation of the Gaussian, months of "
        "30.4 days",
    )

    @model_validator(mode="after")
    def _odd(self) -> TemporalFilterOptions:
        if self.filter_type == "median" and self.time_win % 2 != 1:
            message = (
                f"a median takes an odd number of dates, so that each date is in the middle; got {self.time_win:g}"
            )
            raise ValueError(message)
        return self
