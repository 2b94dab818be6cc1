"""Which files of a folder hold the delay of which date: weather models, GACOS, OPERA."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creepmeter.model.epoch import Epoch, as_epoch

WEATHER = (".grb", ".grib", ".grb2", ".grib2", ".nc", ".nc4")
GACOS = (".ztd", ".tif", ".tiff")
OPERA = (".nc", ".nc4")
_FOLDERS = {"ERA5": ("ERA5",), "ERA5T": ("ERA5T", "ERA5"), "MERRA": ("MERRA", "MERRA2"), "NARR": ("NARR",)}
_STEPS = {"ERA5": 1, "ERA5T": 1, "MERRA": 6, "NARR": 3}
_DATED = re.compile(r"(?<!\d)((?:19|20)\d{6})(?:[T_-]?([01]\d|2[0-3])(?:\d\d){0,2})?(?!\d)")
_HOUR = np.timedelta64(3600, "s")


@dataclass(frozen=True)
class DatedFile:
    """A file with a date in its name.

    Parameters
    ----------
    path : Path
        The file.
    time : datetime64
        From the name; the start of the day where it tells no hour.
    has_hour : bool
        Whether the name tells an hour.
    """

    path: Path
    time: Epoch
    has_hour: bool


def dated_files(folders: Iterable[Path], endings: Sequence[str]) -> list[DatedFile]:
    """Return the files of folders with a date in their names, by name; what is being written is passed over."""
    found = []
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.suffix.lower() in endings and not path.name.startswith(".") and path.is_file():
                found += _dated(path)
    return found


def _dated(path: Path) -> list[DatedFile]:
    for match in _DATED.finditer(path.name):
        day, hour = match.groups()
        try:
            return [DatedFile(path, as_epoch(day) + int(hour or 0) * _HOUR, hour is not None)]
        except ValueError:  # no date of the calendar
            continue
    return []


def weather_folders(folder: Path, model: str) -> list[Path]:
    """Return where files of a model lie: in the folder named like the model, or in the folder itself."""
    return [*(folder / name for name in _FOLDERS[model]), folder]


def nearest_hour(time: Epoch, model: str) -> int:
    """Return the hour of the same day that a model has nearest to a time, as PyAPS chooses it.

    Examples
    --------
    >>> nearest_hour(np.datetime64("2019-04-01T23:50", "ns"), "ERA5")
    23
    """
    hours = float((time - time.astype("datetime64[D]")) / _HOUR)
    return min(range(0, 24, _STEPS[model]), key=lambda hour: abs(hour - hours))


def hours_around(time: Epoch, model: str) -> tuple[Epoch, Epoch]:
    """Return the times of a model before (or at) and after a time."""
    step = _STEPS[model]
    day = time.astype("datetime64[D]").astype("datetime64[ns]")
    first = day + (int((time - day) / _HOUR) // step) * step * _HOUR
    return first, first + step * _HOUR


def files_of_day(files: Sequence[DatedFile], time: Epoch) -> list[Path]:
    """Return the files of the day of a time, the best first: of the nearest hour, then those that tell none."""
    same = [file for file in files if str(file.time)[:10] == str(time)[:10]]
    return [file.path for file in sorted(same, key=lambda file: _apart(file, time))]


def _apart(file: DatedFile, time: Epoch) -> float:
    return float(abs(file.time - time) / _HOUR) if file.has_hour else 12.0


def files_at(files: Sequence[DatedFile], time: Epoch) -> list[Path]:
    """Return the files whose names tell exactly an hour, and those of its day that tell none."""
    day = str(time)[:10]
    return [file.path for file in files if (file.time == time if file.has_hour else str(file.time)[:10] == day)]


def list_missing(missing: Mapping[str, str]) -> str:
    """Return dates and what is wrong with each, one sentence."""
    by_reason: dict[str, list[str]] = {}
    for date, reason in missing.items():
        by_reason.setdefault(reason, []).append(date)
    return "; ".join(f"{', '.join(dates)} ({reason})" for reason, dates in by_reason.items())
