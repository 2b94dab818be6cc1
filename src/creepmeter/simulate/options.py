"""What can be simulated, with units and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from creepmeter.errors import ConfigError
from creepmeter.model.options import Options

AnyOptions = TypeVar("AnyOptions", bound=Options)


class SceneOptions(Options):
    """How images of one ground differ from date to date."""

    jitter_px: float = Field(0.3, ge=0, le=5, description="Standard deviation of the shift of a whole image, pixels")
    noise_dn: float = Field(20.0, ge=0, description="Standard deviation of white noise, digital numbers")
    change_dn: float = Field(
        0.0,
        ge=0,
        description="Standard deviation of the change of the cover in one year, grows with root of time, DN",
    )
    seasonal_light: float = Field(
        0.0, ge=0, le=1, description="0 = the sun never moves, 1 = it stands where the date puts it"
    )
    latitude_deg: float = Field(46.0, ge=-66, le=66, description="Latitude for the sun, degrees")
    illumination: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Standard deviation of the brightness gain and of its gradient over the image, share",
    )
    cloud_fraction: float = Field(0.0, ge=0, le=0.9, description="Mean share of the image under cloud")
    nodata_wedge: float = Field(
        0.0, ge=0, le=1, description="Share of the image edge that a missing corner takes, in every third image"
    )


class TiledOptions(Options):
    """What lies over the ground of a tiled scene, and how the ground changes between its two images."""

    noise_dn: float = Field(20.0, ge=0, description="Standard deviation of white noise in both images, digital numbers")
    change_dn: float = Field(
        0.0, ge=0, description="Standard deviation of the change of the cover between the images, digital numbers"
    )
    lake_fraction: float = Field(0.0, ge=0, le=0.9, description="Mean share of the ground under dark, still water")
    cloud_fraction: float = Field(0.0, ge=0, le=0.9, description="Mean share of each image under cloud")
    nodata_wedge: float = Field(
        0.0, ge=0, le=1, description="Share of the image edge that a missing corner takes, in the second image"
    )


class StackOptions(Options):
    """How measured pairs differ from the truth."""

    noise_m: float = Field(0.0, ge=0, description="Standard deviation of the error of one pair, metres")
    scene_noise_m: float = Field(
        0.0,
        ge=0,
        description="Standard deviation of the error that all pairs of an acquisition share, per pixel, metres",
    )
    shift_m: float = Field(0.0, ge=0, description="Standard deviation of the shift of a whole acquisition, metres")
    missing_fraction: float = Field(0.0, ge=0, lt=1, description="Share of the values that are missing")
    outlier_fraction: float = Field(0.0, ge=0, lt=1, description="Share of the values that are grossly wrong")
    outlier_m: float = Field(50.0, ge=0, description="Typical size of a gross error, metres")


def options_from(model: type[AnyOptions], given: AnyOptions | None, settings: Mapping[str, Any]) -> AnyOptions:
    """Return `given` with `settings` over it.

    Raises
    ------
    ConfigError
        A setting is unknown or out of bounds.
    """
    base = {} if given is None else given.model_dump()
    try:
        return model.model_validate({**base, **settings})
    except ValidationError as problem:
        first = problem.errors()[0]
        name = ".".join(map(str, first["loc"]))
        message = (
            f"{model.__name__}: {name}={first.get('input')!r}: {first['msg']}; known: {', '.join(model.model_fields)}"
        )
        raise ConfigError(message) from problem
