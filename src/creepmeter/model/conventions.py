"""Names that every product shares; they load nothing, so that a step which needs no map need not load a map library."""

from __future__ import annotations

CONVENTIONS = "CF-1.8"
MAP_DIMS = ("y", "x")
SPATIAL_REF = "spatial_ref"
