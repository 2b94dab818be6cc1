"""Products that can be downloaded, and lists of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from creepmeter.errors import InputError
from creepmeter.io import swap
from creepmeter.model.pair import Pair

ENDINGS = (".geojson", ".json", ".csv", ".txt")
_NAME = re.compile(r"^S1-GUNW-([AD])-[RL]-(\d{3})-tops-(\d{8})_(\d{8})-\d{6}-.*?-v([\d_]+)\.nc$")
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_COLUMNS = ("name", "url", "bytes", "md5")
_MAX_LIST = 100_000_000


@dataclass(frozen=True)
class Granule:
    """One product that can be downloaded.

    Parameters
    ----------
    name : str
        Name of the file.
    url : str
        Where it lies.
    nbytes : int or None
        Size.
    md5 : str or None
        Checksum.
    footprint : mapping or None
        GeoJSON geometry.

    Raises
    ------
    InputError
        The name is none of a plain file.
    """

    name: str
    url: str
    nbytes: int | None = None
    md5: str | None = None
    footprint: Mapping[str, Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not SAFE_NAME.fullmatch(self.name):
            message = f"{self.name!r:.80} is no plain file name: correct the list"
            raise InputError(message)

    @property
    def pair(self) -> Pair | None:
        """The two dates in the name."""
        found = _NAME.match(self.name)
        try:
            return None if found is None else Pair.of(*sorted((found[3], found[4])))
        except InputError:
            return None

    @property
    def track(self) -> int | None:
        """Relative orbit in the name."""
        found = _NAME.match(self.name)
        return None if found is None else int(found[2])

    @property
    def direction(self) -> str | None:
        """``ascending`` or ``descending``, from the name."""
        found = _NAME.match(self.name)
        return None if found is None else {"A": "ascending", "D": "descending"}[found[1]]


def checksum_in(text: object) -> str | None:
    """Return an MD5 checksum, or None when a text is none."""
    found = str(text or "").strip().lower()
    return found if re.fullmatch(r"[0-9a-f]{32}", found) else None


# ------------------------------------------------------------------------------------------------------------- lists


def write_list(path: Path, found: Iterable[Granule]) -> None:
    """Write a list of products: GeoJSON, CSV, or one address a line, by the ending of the name.

    Raises
    ------
    InputError
        The name has another ending.
    StoreError
        The file cannot be written.
    """
    _require_ending(path)
    rows = [{"name": one.name, "url": one.url, "bytes": one.nbytes, "md5": one.md5} for one in found]
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
        swap.write_text(path, text.getvalue())
    elif path.suffix == ".txt":
        swap.write_text(path, "".join(f"{row['url']}\n" for row in rows))
    else:
        features = [
            {"type": "Feature", "geometry": one.footprint, "properties": row}
            for one, row in zip(found, rows, strict=True)
        ]
        swap.write_text(path, json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n")


def read_list(path: Path) -> tuple[Granule, ...]:
    """Return the products of a list: GeoJSON (ours or the archive's), CSV with a column url, or addresses.

    Raises
    ------
    InputError
        The list cannot be read, or an entry has no address.
    """
    _require_ending(path)
    try:
        if path.stat().st_size > _MAX_LIST:
            message = f"{path} has more than {_MAX_LIST} bytes: that is no list"
            raise InputError(message)
        text = path.read_text(encoding="utf-8-sig")
        rows = _rows(path, text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as problem:
        message = f"{path} cannot be read as a list ({problem}): make it with `creepmeter aria search -o`"
        raise InputError(message) from problem
    found: dict[str, Granule] = {}
    for number, row in enumerate(rows, start=1):
        url = str(row.get("url") or row.get("URL") or "").strip()
        if not url:
            message = f"{path}: entry {number} has no address (url): correct the list"
            raise InputError(message)
        name = str(row.get("name") or row.get("fileName") or Path(urlsplit(url).path).name)
        size = str(row.get("bytes") or "")
        nbytes = int(float(size)) if re.fullmatch(r"\d+(?:\.0*)?", size) else None
        one = Granule(name, url, nbytes, checksum_in(row.get("md5") or row.get("md5sum")))
        found[one.name] = one
    if not found:
        message = f"{path} lists no product: search again, with a larger box or other dates"
        raise InputError(message)
    return tuple(found.values())


def _require_ending(path: Path) -> None:
    if path.suffix not in ENDINGS:
        message = f"{path} must end in {', '.join(ENDINGS)}"
        raise InputError(message)


def _rows(path: Path, text: str) -> list[Mapping[str, Any]]:
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text)))
    if path.suffix == ".txt":
        lines = (line.strip() for line in text.splitlines())
        return [{"url": line} for line in lines if line and not line.startswith("#")]
    content = json.loads(text)
    features = content.get("features") if isinstance(content, dict) else content
    if not isinstance(features, list) or not all(isinstance(item, dict) for item in features):
        message = f"{path} is no collection of features: make it with `creepmeter aria search -o`"
        raise InputError(message)
    return [item.get("properties") or item for item in features]


def describe_list(found: Sequence[Granule]) -> list[str]:
    """Return a list in words, a line per track: frames, pairs, dates, size."""
    lines = []
    for track, direction in sorted({(one.track or 0, one.direction or "") for one in found}):
        part = [one for one in found if (one.track or 0, one.direction or "") == (track, direction)]
        pairs = sorted({one.pair for one in part if one.pair is not None})
        dates = {date for pair in pairs for date in (pair.ref, pair.sec)}
        span = f", {str(min(dates))[:10]} to {str(max(dates))[:10]}" if dates else ""
        size = sum(one.nbytes or 0 for one in part) / 1e9
        label = f"track {track} {direction}" if track else "unknown track"
        lines.append(f"{label}: {len(part)} products, {len(pairs)} pairs of {len(dates)} dates{span}, {size:.1f} GB")
    return lines
