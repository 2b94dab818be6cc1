"""Attributes as JSON knows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from creepmeter.errors import StoreError


def jsonable(value: Any, where: str) -> Any:  # noqa: ANN401 - attributes have any type
    """Return an attribute as JSON knows it; numpy numbers and arrays become numbers and lists.

    Raises
    ------
    StoreError
        The value is an object that JSON does not know, or is not finite.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = str(value) if np.asarray(value).dtype.kind == "M" and np.ndim(value) == 0 else value.tolist()
    if isinstance(value, Mapping):
        return {str(key): jsonable(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item, where) for item in value]
    if isinstance(value, Path):
        return str(value)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as problem:
        message = f"attribute {where} cannot be stored ({value!r}): use text, finite numbers, booleans or lists of them"
        raise StoreError(message) from problem
    return value
