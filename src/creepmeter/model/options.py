"""The base of every option model: frozen, and closed to unknown names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from creepmeter.errors import ConfigError


class Options(BaseModel):
    """Options of one step.

    A field's annotation holds its bounds, its description the meaning and the unit. YAML files, command-line
    flags and the reference page are made from these models, so that an option exists once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def override(self, changes: Mapping[str, Any], *, step: str) -> Self:
        """Return these options with single fields replaced, checked again.

        Parameters
        ----------
        changes : mapping
            Values by field name.
        step : str
            What the options are of, for the message.

        Raises
        ------
        ConfigError
            An unknown option or a value out of bounds.
        """
        if not changes:
            return self
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as problem:
            first = problem.errors()[0]
            name = ".".join(map(str, first["loc"]))
            message = f"{step} option {name}: {first['msg']} (got {first['input']!r})"
            raise ConfigError(message) from problem
