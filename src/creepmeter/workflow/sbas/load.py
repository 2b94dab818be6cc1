"""Step load_data: find the products of a processor, and load them into a work folder."""

from __future__ import annotations

from pathlib import Path

from creepmeter.blocks import NullProgress, Progress
from creepmeter.interferograms.load import Loaded, load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.producers import find
from creepmeter.io.lock import RunLock


def load_data(
    options: LoadOptions,
    base: Path,
    folder: Path,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
    name: str | None = None,
) -> Loaded:
    """Load interferograms or offsets into ``inputs`` of a work folder; nothing is done when that is up to date.

    Parameters
    ----------
    options : LoadOptions
        Processor, patterns of files, subset, looks.
    base : Path
        Folder that relative patterns start from.
    folder : Path
        Work folder.
    memory_gb : float
        Memory to keep within, gigabytes.
    progress : Progress, optional
        Counts pairs.
    name : str, optional
        Of a further stack, see `creepmeter.interferograms.load.load`.

    Returns
    -------
    Loaded
        Files, what was left out and why, notes.

    Raises
    ------
    InputError
        No product can be used.
    StoreError
        A file that creepmeter did not make is in the way, or the disk is full.
    """
    shown = progress if progress is not None else NullProgress()
    return load(find(options, base), options, folder, memory_gb=memory_gb, progress=shown, name=name)


def load_alone(
    options: LoadOptions, folder: Path, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> Loaded:
    """Load interferograms into a work folder that no other run may use meanwhile; see `load_data`.

    Parameters
    ----------
    options, memory_gb, progress
        As in `load_data`; relative patterns start from the working folder, customary paths from the work folder.
    folder : Path
        Work folder.

    Raises
    ------
    LockedError
        Another run holds the folder.
    """
    found = find(options, Path(), work=folder)
    shown = progress if progress is not None else NullProgress()
    with RunLock(folder):
        return load(found, options, folder, memory_gb=memory_gb, progress=shown)
