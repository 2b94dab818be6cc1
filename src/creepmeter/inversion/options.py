"""Options of the network inversion."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from creepmeter.model.options import Options


class InvertOptions(Options):
    """How displacement per pair becomes displacement per date."""

    weights: Literal["sigma", "quality", "no"] = Field(
        "sigma", description="Weight of a pair: sigma = 1/sigma^2, quality = its quality, no = all alike"
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

    @field_validator("weights", mode="before")
    @classmethod
    def _offsets_have_no_coherence(cls, value: object) -> object:
        if value in ("var", "fim", "coh"):
            message = f"weights {value!r} need the coherence of interferograms; for offsets use sigma, quality or no"
            raise ValueError(message)
        return value
