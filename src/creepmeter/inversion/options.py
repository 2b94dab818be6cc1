"""Options of the network inversion."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from creepmeter.model.options import Options

COHERENCE_WEIGHTS = ("var", "fim", "coh")


def needs_coherence(weights: str) -> str:
    """Return what is wrong with such weights for a stack of offsets."""
    return f"weights {weights!r} need the coherence of interferograms; for offsets use sigma, quality or no"


class InvertOptions(Options):
    """How displacement per pair becomes displacement per date."""

    weights: Literal["sigma", "quality", "no", "var", "fim", "coh"] = Field(
        "sigma",
        description="Weight of a pair: sigma = 1/sigma^2, quality = its quality, no = all alike; of interferograms "
        "also var = 1/variance of the phase, fim = Fisher information, coh = coherence",
    )
    norm: Literal["l2", "l1", "huber"] = Field(
        "huber",
        description="What is minimised: squares, absolute values, or squares of small and size of large residuals",
    )
    island_policy: Literal["nan", "min_norm"] = Field(
        "nan", description="A pixel whose network breaks: no value and a reason, or the minimum-norm solution"
    )
    min_norm: Literal["velocity", "displacement"] = Field(
        "velocity",
        description="What has minimum norm where the network is bridged: velocity between dates, or displacement",
    )
    min_pairs: int = Field(1, ge=1, description="Pixels with fewer pairs are left out, number")
    max_iterations: int = Field(50, ge=1, le=10_000, description="Most rounds of re-weighting (l1, huber), number")
    tolerance: float = Field(
        1e-4, gt=0, description="Re-weighting stops at this change, in units of the smallest pair sigma"
    )


class NetworkInversionOptions(Options):
    """How a stack of interferograms in MintPy's layout is inverted; names and defaults are MintPy's."""

    weight_func: Literal["var", "fim", "coh", "no"] = Field(
        "var",
        description="Weight of a pair: var = 1/variance of the phase, fim = Fisher information, coh = coherence, "
        "no = all alike",
    )
    obs_dataset: str | None = Field(
        None, description="Layer to invert, such as unwrapPhase or rangeOffset; default the newest corrected phase"
    )
    water_mask_file: str | None = Field(
        "waterMask.h5", description="Mask in the work folder, 0 = water, which is not inverted; passed over if missing"
    )
    min_norm_velocity: bool = Field(
        default=True,
        description="Least velocity where the pairs of a pixel fall into islands; else least displacement",
    )
    mask_dataset: Literal["coherence", "connectComponent", "rangeOffsetStd", "azimuthOffsetStd", "offsetSNR"] | None = (
        Field(None, description="Layer that leaves single pairs of a pixel out: below the threshold, or component 0")
    )
    mask_threshold: float = Field(0.4, allow_inf_nan=False, description="Threshold of that layer")
    min_redundancy: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="Fewest pairs of each date after the first, else a pixel is left out",
    )
    min_temp_coh: float = Field(0.7, ge=0, le=1, description="Lowest temporal coherence in maskTempCoh.h5")
    min_num_pixel: int = Field(100, ge=0, description="Fewest pixels that maskTempCoh.h5 must keep, number")
    shadow_mask: bool = Field(default=True, description="Leave radar shadow out of maskTempCoh.h5")
    residual_norm: Literal["L2", "L1", "huber"] = Field(
        "L2",
        description="What is minimised: squares, absolute values, or squares of small and size of large residuals",
    )
    sigma: bool = Field(default=False, description="Write standard errors of the series to timeseriesSigma.h5")
