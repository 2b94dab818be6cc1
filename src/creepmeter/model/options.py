"""The base of every option model: frozen, and closed to unknown names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Options of one step.

    A field's annotation holds its bounds, its description the meaning and the unit. YAML files, command-line
    flags and the reference page are made from these models, so that an option exists once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
