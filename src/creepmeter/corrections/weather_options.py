"""Options of the troposphere from weather models, and from maps of zenith delay."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from creepmeter.model.options import Options

Missing = Literal["uncorrected", "drop"]


class WeatherOptions(Options):
    """The delay of the troposphere from a weather model, or from maps of it."""

    model: Literal["ERA5", "ERA5T", "MERRA", "NARR"] = Field("ERA5", description="Weather model")
    delay: Literal["comb", "dry", "wet"] = Field(
        "comb", description="Delay: hydrostatic and wet together (comb), hydrostatic (dry), or wet alone"
    )
    time: Literal["nearest", "linear"] = Field(
        "nearest",
        description="Hour of the model: the nearest, or between the two around the acquisition where both are there",
    )
    missing: Missing = Field(
        "uncorrected",
        description="Dates without a usable file: they stay in the corrected series as they were (uncorrected), or are "
        "left out of it (drop)",
    )
