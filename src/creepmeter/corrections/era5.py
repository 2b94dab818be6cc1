"""ERA5 from the Climate Data Store: which account there is, what is asked for, and the download."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from creepmeter.errors import CreepmeterError, ServiceError
from creepmeter.io import swap
from creepmeter.io.grib import open_grib
from creepmeter.model.weather import Area

DATASET = "reanalysis-era5-pressure-levels"
VARIABLES = ("geopotential", "temperature", "specific_humidity")
LEVELS = (
    *("1", "2", "3", "5", "7", "10", "20", "30", "50", "70", "100", "125", "150", "175", "200", "225", "250", "300"),
    *("350", "400", "450", "500", "550", "600", "650", "700", "750", "775", "800", "825", "850", "875", "900", "925"),
    *("950", "975", "1000"),
)
_MARGIN_DEG = 0.5


class Client(Protocol):
    """What fetches: a client of cdsapi."""

    def retrieve(self, name: str, request: Mapping[str, Any], target: str) -> Any:  # noqa: ANN401 - of cdsapi
        """Ask for fields, wait, and write them into a file."""


@dataclass(frozen=True)
class Bounds:
    """A box of whole degrees."""

    south: int
    north: int
    west: int
    east: int

    @classmethod
    def around(cls, area: Area) -> Bounds:
        """Return the box that an area and half a degree around it need."""
        south, north = int((area.south - _MARGIN_DEG) // 1), int(-(-(area.north + _MARGIN_DEG) // 1))
        west, east = int((area.west - _MARGIN_DEG) // 1), int(-(-(area.east + _MARGIN_DEG) // 1))
        return cls(max(south, -90), min(north, 90), west, east)

    @property
    def text(self) -> str:
        """The box as names of files have it: ``S1_N2_W80_E78`` with letters for the signs."""
        parts = [f"{'SN'[value >= 0]}{abs(value)}" for value in (self.south, self.north)]
        parts += [f"{'WE'[_half(value) >= 0]}{abs(_half(value))}" for value in (self.west, self.east)]
        return "_".join(parts)


def _half(degrees: int) -> int:
    return (degrees + 180) % 360 - 180 if abs(degrees) > 180 else degrees  # noqa: PLR2004 - half a turn


@dataclass(frozen=True)
class Era5Request:
    """One file.

    Parameters
    ----------
    day : str
        YYYYMMDD.
    hour : int
        UTC.
    bounds : Bounds
        Area.
    """

    day: str
    hour: int
    bounds: Bounds

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"ERA5_{self.bounds.text}_{self.day}_{self.hour:02d}.grb"

    def parameters(self) -> dict[str, Any]:
        """Return the request."""
        box = self.bounds
        return {
            "product_type": ["reanalysis"],
            "variable": list(VARIABLES),
            "pressure_level": list(LEVELS),
            "year": [self.day[:4]],
            "month": [self.day[4:6]],
            "day": [self.day[6:]],
            "time": [f"{self.hour:02d}:00"],
            "area": [box.north, box.west, box.south, box.east],
            "data_format": "grib",
            "download_format": "unarchived",
        }


def why_no_download() -> str:
    """Return what a download from the Climate Data Store needs and is not there; empty when nothing is missing."""
    named = os.environ.get("CDSAPI_URL") and os.environ.get("CDSAPI_KEY")
    file = Path(os.environ.get("CDSAPI_RC") or Path.home() / ".cdsapirc")
    if not named and not file.is_file():
        return f"there is no account of the Climate Data Store ({file}, or CDSAPI_URL and CDSAPI_KEY)"
    if find_spec("cdsapi") is None:
        return "cdsapi is not installed (pip install 'creepmeter[era5]')"
    return ""


def make_client() -> Client:
    """Return a client of the Climate Data Store; ask `why_no_download` first."""
    import cdsapi  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - an extra

    found: Client = cdsapi.Client(quiet=True, progress=False)
    return found


def fetch_era5(requests: Iterable[Era5Request], folder: Path, client: Client) -> tuple[list[Path], list[str]]:
    """Download files of ERA5, each whole or not at all; those that are there are not asked for again.

    Parameters
    ----------
    requests : iterable of Era5Request
        Files.
    folder : Path
        Where they go.
    client : Client
        Who fetches.

    Returns
    -------
    files : list of Path
        Those that are there now.
    failed : list of str
        Those that are not, and why.
    """
    files, failed = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for request in requests:
        path = folder / request.name
        try:
            if not path.is_file():
                _fetch(request, path, client)
            files.append(path)
        except CreepmeterError as problem:
            failed.append(f"{request.name}: {problem}")
    return files, failed


def _fetch(request: Era5Request, path: Path, client: Client) -> None:
    part = swap.partial_of(path)
    try:
        try:
            client.retrieve(DATASET, request.parameters(), str(part))
        except Exception as problem:  # cdsapi raises whatever its transport does
            message = f"the Climate Data Store refuses or does not answer ({problem}): try again later"
            raise ServiceError(message) from problem
        with open_grib(part):  # whole
            pass
        swap.replace(part, path)
    finally:
        swap.remove(part)
