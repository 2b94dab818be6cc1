"""Options of the loader of interferograms."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from creepmeter.model.options import Options

Processor = Literal[
    "aria",
    "hyp3",
    "isce",
    "gamma",
    "roipac",
    "snap",
    "gmtsar",
    "cosicorr",
    "autorift",
    "itslive",
    "mintpy",
    "geotiff",
]
_RANGES = 2

KEY = "CREEPMETER_LOAD"  # attribute of a file that this program loaded: what it was loaded from


class LoadOptions(Options):
    """Where the interferograms lie, and which part of them is loaded how."""

    processor: Processor = Field("isce", description="Program or service that made the products")
    unw_file: str | None = Field(None, description="Unwrapped interferograms: a pattern such as ../*/*_unw_phase.tif")
    cor_file: str | None = Field(None, description="Coherence, pattern")
    conn_comp_file: str | None = Field(None, description="Connected components of the unwrapping, pattern; may miss")
    int_file: str | None = Field(None, description="Wrapped interferograms, pattern; may miss")
    mag_file: str | None = Field(None, description="Magnitude, pattern; may miss")
    az_off_file: str | None = Field(None, description="Azimuth offsets, pattern")
    rg_off_file: str | None = Field(None, description="Range offsets, pattern")
    az_off_std_file: str | None = Field(None, description="Standard deviation of azimuth offsets, pattern")
    rg_off_std_file: str | None = Field(None, description="Standard deviation of range offsets, pattern")
    off_snr_file: str | None = Field(None, description="Signal-to-noise ratio of offsets, pattern")
    meta_file: str | None = Field(None, description="Metadata of the whole stack (ISCE2: IW*.xml or data.rsc)")
    baseline_dir: str | None = Field(None, description="Folder of baseline files")
    dem_file: str | None = Field(None, description="Heights, metres")
    lookup_y_file: str | None = Field(None, description="Latitude, or row in the other geometry, of every pixel")
    lookup_x_file: str | None = Field(None, description="Longitude, or column in the other geometry, of every pixel")
    inc_angle_file: str | None = Field(None, description="Incidence angle; may miss")
    az_angle_file: str | None = Field(None, description="Azimuth angle of the line of sight; may miss")
    shadow_mask_file: str | None = Field(None, description="Radar shadow; may miss")
    water_mask_file: str | None = Field(None, description="Water mask; may miss")
    bperp_file: str | None = Field(None, description="Perpendicular baseline of every pixel, pattern; may miss")
    subset_yx: tuple[int, int, int, int] | None = Field(
        None, description="Rows and columns to load, y0:y1,x0:x1 (ends excluded)"
    )
    subset_lalo: tuple[float, float, float, float] | None = Field(None, description="Box to load, S:N,W:E in degrees")
    multilook_method: Literal["nearest", "mean", "median"] = Field(
        "nearest", description="How pixels are joined: the middle one, their mean or their median"
    )
    multilook_y: int = Field(1, ge=1, le=10_000, description="Rows that become one")
    multilook_x: int = Field(1, ge=1, le=10_000, description="Columns that become one")
    looks_rule: Literal["samples", "mintpy"] = Field(
        "samples",
        description="Independent looks after multilook: samples: they grow by what is joined, not with nearest; "
        "mintpy: a number that is stated stays, else azimuth times range looks grow with any method",
    )
    compression: Literal["default", "none", "lzf", "gzip"] = Field(
        "default", description="Of the HDF5 files; default: none for the stack, lzf for the geometry"
    )
    update: bool = Field(default=True, description="Load only when inputs or options have changed")
    auto_path: bool = Field(default=False, description="Look for files where the processor customarily puts them")
    dates_pattern: str | None = Field(
        None, description="How a date is written in the file names, as in strptime (%Y%m%d); default YYYYMMDD"
    )
    wavelength_m: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Radar wavelength, metres, where the files do not tell it"
    )
    toward_positive: bool = Field(
        default=False,
        description="GeoTIFF stacks: phase grows with motion toward the satellite; default: with the range",
    )
    extent: Literal["same", "common"] = Field(
        "same",
        description="Products of different outline on one lattice: leave out those unlike the others, or cut all to "
        "what they have in common",
    )
    union: bool = Field(
        default=False,
        description="ARIA: load the area that any pair covers, with 0 where a pair has no frame; default: what all "
        "cover",
    )
    stitch: Literal["cycles", "offset"] = Field(
        "cycles",
        description="ARIA: frames of a pair are fitted by whole cycles, or by all that parts them where they overlap",
    )

    @field_validator("subset_yx", "subset_lalo", mode="before")
    @classmethod
    def _ranges(cls, value: object) -> object:
        """Take ``y0:y1,x0:x1`` as well as four numbers."""
        if isinstance(value, str):
            value = value.split(",")
        if isinstance(value, tuple | list) and all(isinstance(part, str) for part in value):
            if not value:
                return None
            ends = [part.strip().split(":") for part in value]
            if len(ends) != _RANGES or any(len(end) != _RANGES for end in ends):
                message = f"{','.join(value)!r} is not two ranges such as 100:400,50:250"
                raise ValueError(message)
            return tuple(item for end in ends for item in end)
        return value

    @model_validator(mode="after")
    def _subset_fits(self) -> Self:
        if self.subset_yx is not None and self.subset_lalo is not None:
            message = "subset_yx and subset_lalo are both given: choose one"
            raise ValueError(message)
        for name in ("subset_yx", "subset_lalo"):
            box = getattr(self, name)
            if box is not None and not (box[0] < box[1] and box[2] < box[3]):
                message = f"{name}: a range must run from the smaller to the larger number, got {box}"
                raise ValueError(message)
        if self.subset_yx is not None and min(self.subset_yx) < 0:
            message = f"subset_yx: rows and columns count from 0, got {self.subset_yx}"
            raise ValueError(message)
        return self
