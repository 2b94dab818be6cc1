"""The table of readers: which module knows the products of which processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from creepmeter.errors import ConfigError
from creepmeter.interferograms.catalogue import Catalogue, matching
from creepmeter.interferograms.customary import with_customary_paths
from creepmeter.interferograms.load_options import LoadOptions

_ROOM = "creepmeter.interferograms"
PRODUCERS: Mapping[str, str] = MappingProxyType(
    {
        "aria": f"{_ROOM}.aria",
        "hyp3": f"{_ROOM}.hyp3",
        "isce": f"{_ROOM}.isce2",
        "gamma": f"{_ROOM}.gamma",
        "roipac": f"{_ROOM}.roipac",
        "snap": f"{_ROOM}.snap",
        "gmtsar": f"{_ROOM}.gmtsar",
        "cosicorr": f"{_ROOM}.cosicorr",
        "autorift": f"{_ROOM}.autorift",
        "itslive": f"{_ROOM}.itslive",
        "mintpy": f"{_ROOM}.mintpy",
        "geotiff": f"{_ROOM}.plain",
    }
)


def find(options: LoadOptions, base: Path, *, work: Path | None = None) -> Catalogue:
    """Return what the reader of the chosen processor finds; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        Processor and patterns of files.
    base : Path
        Folder that relative patterns start from.
    work : Path, optional
        Work folder, from which customary paths are seen (``auto_path``); default `base`.

    Raises
    ------
    InputError
        No product can be used, or none lies where it customarily does.
    """
    name = PRODUCERS.get(options.processor)
    if name is None:
        message = f"processor {options.processor!r} is not known: choose from {', '.join(PRODUCERS)}"
        raise ConfigError(message)
    completed = with_customary_paths(options, base, work)
    found: Catalogue = import_module(name).find(completed, base)
    notes = [*found.notes, *_nothing_matched(completed, base, found.notes)]
    if matching(completed.bperp_file, base) and not found.bperp and not any("bperp_file" in note for note in notes):
        notes.append(
            f"bperp_file: baselines of every pixel are not read of processor {options.processor}, one per pair is used"
        )
    return replace(found, notes=tuple(notes))


def _nothing_matched(options: LoadOptions, base: Path, known: Sequence[str]) -> list[str]:
    """Return notes of patterns without any file that the reader did not tell of."""
    return [
        f"{name}: no file matches {pattern}, it is loaded without"
        for name, pattern in options
        if name.endswith("_file")
        and pattern
        and not any(note.startswith(f"{name}:") for note in known)
        and not matching(pattern, base)
    ]
