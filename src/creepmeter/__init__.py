"""Ground motion from satellites: displacement series and velocity with honest uncertainties.

The public names are loaded when first used, so that ``import creepmeter`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "Network": "creepmeter.model.network",
    "Pair": "creepmeter.model.pair",
    "Scene": "creepmeter.model.scene",
    "make_image_cube": "creepmeter.model.schema",
    "make_pair_stack": "creepmeter.model.schema",
    "open": "creepmeter.io.store",
    "open_scenes": "creepmeter.imagery.scene_folder",
    "track": "creepmeter.tracking.track",
    "track_arrays": "creepmeter.tracking.arrays",
    "track_listed": "creepmeter.tracking.listed",
    "track_points": "creepmeter.tracking.points",
    "reject_outliers": "creepmeter.tracking.outliers",
    "correct_stable_ground": "creepmeter.stack.stable",
    "invert": "creepmeter.inversion.invert",
    "fit_velocity": "creepmeter.velocity.fit",
    "decompose_motion": "creepmeter.geometry.combine",
}

__all__ = [
    "Network",
    "Pair",
    "Scene",
    "__version__",
    "correct_stable_ground",
    "decompose_motion",
    "fit_velocity",
    "invert",
    "make_image_cube",
    "make_pair_stack",
    "open",
    "open_scenes",
    "reject_outliers",
    "track",
    "track_arrays",
    "track_listed",
    "track_points",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's members have any type
    if name not in _WHERE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
