"""Every error that creepmeter raises on purpose.

::

    CreepmeterError
    ├── InputError (also ValueError)      what the caller gave cannot be used
    │   ├── ImageError                    an image file or array
    │   ├── GridError                     shapes, pixel sizes, reference systems
    │   ├── EpochError                    a date that cannot be read or ordered
    │   ├── SchemaError                   a dataset that breaks its promise
    │   ├── ConfigError                   an option or a configuration file
    │   └── NetworkError                  the set of pairs
    │       └── DisconnectedNetworkError
    ├── ServiceError                      a service on the internet
    └── StoreError                        a product on disk
        └── LockedError                   another run holds the folder

A message names the file or option, says what was found, and shows a way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class CreepmeterError(Exception):
    """Base of every error raised on purpose."""


class InputError(CreepmeterError, ValueError):
    """What the caller gave cannot be used."""


class ImageError(InputError):
    """An image file or array cannot be used."""


class GridError(InputError):
    """Shapes, pixel sizes or reference systems do not fit together."""


class EpochError(InputError):
    """A date cannot be read or is out of order."""


class SchemaError(InputError):
    """A dataset does not keep the promise of its type."""


class ConfigError(InputError):
    """An option or a configuration file is wrong."""


class NetworkError(InputError):
    """The set of pairs cannot be used."""


class DisconnectedNetworkError(NetworkError):
    """The pairs leave the epochs in several islands.

    Parameters
    ----------
    islands : sequence of sequences of str
        Epochs of each island.
    """

    def __init__(self, islands: Sequence[Sequence[str]]) -> None:
        self.islands = tuple(tuple(island) for island in islands)
        sizes = " + ".join(str(len(island)) for island in self.islands)
        starts = ", ".join(island[0] for island in self.islands)
        super().__init__(
            f"the network has {len(self.islands)} islands ({sizes} epochs, starting {starts}): "
            "add a pair that bridges them, invert each alone, or set island_policy to min_norm"
        )


class ServiceError(CreepmeterError):
    """A service on the internet does not answer, or refuses."""


class StoreError(CreepmeterError):
    """A product on disk cannot be read or written."""


class LockedError(StoreError):
    """Another run holds the folder.

    Parameters
    ----------
    folder : Path
        The folder held.
    holder : str
        Process and host that hold it.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        self.folder = folder
        self.holder = holder
        super().__init__(f"{folder} is in use by {holder}: wait for it, or choose another output folder")
