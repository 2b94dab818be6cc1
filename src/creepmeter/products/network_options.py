"""Options of figures of a network."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from creepmeter.model.options import Options


class NetworkPlotOptions(Options):
    """How the network of a stack is drawn."""

    dataset: Literal["coherence", "offsetSNR", "tbase", "pbase"] | None = Field(
        None,
        description="What colours mean: mean coherence or SNR of each pair, or its temporal (tbase, days) or "
        "perpendicular (pbase, metres) baseline; default the first of them that the stack has",
    )
    show_kept: bool = Field(default=False, description="Draw only the pairs that are used")
    vmin: float | None = Field(None, allow_inf_nan=False, description="Lower end of the colours")
    vmax: float | None = Field(None, allow_inf_nan=False, description="Upper end of the colours")
    cmap: str = Field("batlow", description="Colour map of cmcrameri or matplotlib")
    dpi: int = Field(300, ge=30, le=1200, description="Dots per inch")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.vmin is not None and self.vmax is not None and self.vmin >= self.vmax:
            message = f"vmin {self.vmin:g} is not below vmax {self.vmax:g}: swap the limits of the colours"
            raise ValueError(message)
        return self
