"""The headers of a GAMMA project: found beside the interferograms, and told apart by what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from pathlib import Path

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.interferograms.catalogue import Report, matching
from creepmeter.interferograms.gamma_par import GammaPar, map_grid, read_par, table_bperp, vector_bperp
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, date_in, dates_in
from creepmeter.model.epoch import Epoch
from creepmeter.model.grid import Grid
from creepmeter.model.pair import Pair

_SUFFIXES = (".par", ".off", ".base_perp", ".baseline", ".base", ".bperp", ".dem_par", ".diff_par")
_MAP_WORDS = ("geo", "utm", "eqa", "map", "ll")
_OF_MAP = ("dem.par", "dem_seg.par", "dem_par")  # ends of names of headers of maps
_MOST_FOLDERS = 5000


@dataclass(frozen=True)
class Frame:
    """Size of an image, and where it lies.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    grid : Grid or None
        None in radar coordinates.
    source : Path
        Header that tells.
    """

    shape: tuple[int, int]
    grid: Grid | None
    source: Path


@dataclass
class GammaHeaders:
    """Headers by date and by pair.

    Parameters
    ----------
    images : dict
        Date -> headers of SLC and multilooked images.
    maps : list
        Headers of maps.
    simulated : list
        Headers of geometry in radar coordinates (diff_par).
    pairs : dict
        Pair -> headers of offsets, baselines and tables, each with its dates as written.
    """

    images: dict[Epoch, list[GammaPar]] = field(default_factory=dict)
    maps: list[GammaPar] = field(default_factory=list)
    simulated: list[GammaPar] = field(default_factory=list)
    pairs: dict[Pair, list[tuple[GammaPar, DatePair]]] = field(default_factory=dict)
    cut: list[Path] = field(default_factory=list)

    @classmethod
    def around(cls, files: Sequence[Path], options: LoadOptions, base: Path, report: Report) -> GammaHeaders:
        """Collect headers from the options, from the folders of the files, then, for what lacks, from folders beside.

        Parameters
        ----------
        files : sequence of Path
            Interferograms.
        options : LoadOptions
            ``meta_file`` (pattern of headers or folders) and ``baseline_dir`` go first.
        base : Path
            Folder that patterns start from.
        report : Report
            Told where headers were taken from, if not from the options or beside the files.
        """
        found = cls()
        given = [*matching(options.meta_file, base), *matching(options.baseline_dir, base)]
        for option in (options.dem_file, options.lookup_y_file):
            given += [path.parent for path in matching(option, base)]
        found._read([*given, *dict.fromkeys(path.parent for path in files)])
        missing = (not found.images, not found.maps, not found._baselines())
        if any(missing):
            beside = _beside(files)
            before = found._count()
            found._read(beside, fill=missing)
            if found._count() > before:
                folders = ", ".join(sorted({folder.name for folder in beside if found._has(folder)}))
                report.note(f"headers are taken from the folder(s) beside the interferograms: {folders}")
        for path in dict.fromkeys(found.cut):
            report.note(f"{path} tells no map (DEM_projection), though it is named after one: it is cut and not used")
        return found

    def _count(self) -> int:
        return len(self.images) + len(self.maps) + sum(map(len, self.pairs.values()))

    def _baselines(self) -> bool:
        return any(header.kind != "offset" for headers in self.pairs.values() for header, _ in headers)

    def _has(self, folder: Path) -> bool:
        of_pairs = (header for headers in self.pairs.values() for header, _ in headers)
        of_images = (header for headers in self.images.values() for header in headers)
        return any(header.path.parent == folder for group in (of_images, self.maps, of_pairs) for header in group)

    def _read(self, places: Iterable[Path], fill: tuple[bool, bool, bool] = (True, True, True)) -> None:
        seen = set()
        for place in dict.fromkeys(places):
            files = [place] if place.is_file() else sorted(_headers_in(place))
            for file in files:
                if file not in seen:
                    seen.add(file)
                    self._add(file, *fill)

    def _add(self, file: Path, images: bool, maps: bool, pairs: bool) -> None:  # noqa: FBT001 - three kinds to fill
        try:
            header = read_par(file)
            if file.name.endswith(_OF_MAP) and header.kind != "map":
                self.cut.append(file)
                return
            if header.kind == "image" and images:
                self.images.setdefault(_date(header), []).append(header)
            elif header.kind == "map" and maps:
                self.maps.append(header)
            elif header.kind == "diff":
                self.simulated.append(header)
            elif header.kind in ("offset", "baseline", "table") and pairs:
                dates = dates_in(file.name) or dates_in(file.parent.name)
                if dates is not None:
                    self.pairs.setdefault(dates.pair, []).append((header, dates))
        except CreepmeterError:
            self.cut += [file] if file.name.endswith(_OF_MAP) else []
            return  # what is needed and missing is named later

    def image(self, date: Epoch) -> GammaPar | None:
        """Return the header of a date with the most looks."""
        headers = self.images.get(date, [])
        return max(headers, key=_looks) if headers else None

    def bperp(self, pair: Pair) -> float:
        """Return the perpendicular baseline of a pair, later relative to earlier, metres; NaN when it is not known."""
        headers = self.pairs.get(pair, [])
        for header, dates in headers:
            if header.kind == "table":
                return dates.sign * table_bperp(header)
        for header, dates in headers:
            image = self.image(dates.first) or self.image(dates.second)
            if header.kind == "baseline" and image is not None:
                return dates.sign * vector_bperp(header, image)
        return nan

    def frame(self, path: Path, pair: Pair | None, itemsizes: Sequence[int]) -> tuple[Frame, int]:
        """Return size and place of a flat file, and the bytes of one of its values.

        Parameters
        ----------
        path : Path
            The file.
        pair : Pair or None
            Its pair, whose headers are looked at as well.
        itemsizes : sequence of int
            Bytes that a value may have.

        Raises
        ------
        InputError
            No header, or more than one, goes with the size of the file.
        """
        size = path.stat().st_size if path.is_file() else -1
        fitting = {
            (frame.shape, frame.grid is None): (frame, itemsize)
            for frame in self._frames(pair)
            for itemsize in itemsizes
            if frame.shape[0] * frame.shape[1] * itemsize == size
        }
        if len(fitting) > 1:
            on_map = any(word in _words(path) for word in _MAP_WORDS)
            fitting = {key: found for key, found in fitting.items() if (found[0].grid is not None) == on_map}
        if len(fitting) != 1:
            raise InputError(self._unclear(path, size, pair, len(fitting)))
        return next(iter(fitting.values()))

    def _frames(self, pair: Pair | None) -> list[Frame]:
        found = list(self._map_frames)
        for header, _ in self.pairs.get(pair, []) if pair is not None else []:
            if header.kind == "offset":
                found.append(Frame(header.shape, None, header.path))
        dates = (pair.ref, pair.sec) if pair is not None else tuple(self.images)
        images = [header for date in dates for header in self.images.get(date, [])]
        for header in [*images, *(self.simulated if pair is None else [])]:
            try:
                found.append(Frame(header.shape, None, header.path))
            except InputError:
                continue
        return found

    @cached_property
    def _map_frames(self) -> list[Frame]:
        return [Frame(header.shape, map_grid(header), header.path) for header in self.maps]

    def _unclear(self, path: Path, size: int, pair: Pair | None, count: int) -> str:
        if size < 0:
            return f"{path} does not exist: give the name of a file"
        frames = {
            frame.shape: f"{frame.shape[0]} x {frame.shape[1]} ({frame.source.name})" for frame in self._frames(pair)
        }
        listed = ", ".join(sorted(frames.values())) or "none was found"
        what = "more than one header goes" if count else "no header goes"
        return (
            f"{path} has {size} bytes and {what} with it ({listed}): name its header (dem.par, off or image par) by "
            "meta_file"
        )


def _words(path: Path) -> Sequence[str]:
    text = path.name.lower()
    for sign in "-. ":
        text = text.replace(sign, "_")
    return text.split("_")


def _looks(header: GammaPar) -> int:
    try:
        return header.looks
    except InputError:
        return 0


def _date(header: GammaPar) -> Epoch:
    named = date_in(header.path.name)
    return named if named is not None else header.day


def _headers_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [file for file in folder.iterdir() if file.name.lower().endswith(_SUFFIXES) and file.is_file()]


def _beside(files: Sequence[Path]) -> list[Path]:
    """Return the folders above the files, and those beside them, without the files' own."""
    own = {path.parent for path in files}
    above = {folder.parent for folder in own if folder.parent != folder.parent.parent}
    found: list[Path] = []
    for folder in sorted(above):
        found.append(folder)
        found += sorted(inner for inner in folder.iterdir() if inner.is_dir() and inner not in own)[:_MOST_FOLDERS]
    return found
