"""ISCE's .xml and GDAL's .vrt read as metadata: sizes, types, band layout; GDAL itself never sees them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from creepmeter.errors import ImageError
from creepmeter.io.layers import Interleave
from creepmeter.io.rasterfile import require_local

MAX_BYTES = 50_000_000
_ISCE_TYPES = {
    "byte": "u1",
    "char": "i1",
    "short": "i2",
    "int": "i4",
    "long": "i8",
    "float": "f4",
    "double": "f8",
    "cfloat": "c8",
    "cdouble": "c16",
}
_GDAL_TYPES = {
    "byte": "u1",
    "int8": "i1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
    "cfloat32": "c8",
    "cfloat64": "c16",
}
_TYPOGRAPHIC = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u2033", '"') | dict.fromkeys("\u2018\u2019", "'"))
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class FlatImage:
    """How a binary image is laid out.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    dtype : str
        NumPy type with byte order.
    bands : int
        How many.
    interleave : {"bil", "bip", "bsq"}
        How they are mixed.
    corner, step : (float, float), optional
        x, y of the first outer corner and size of a pixel, for geocoded images.
    """

    shape: tuple[int, int]
    dtype: str
    bands: int
    interleave: Interleave
    corner: tuple[float, float] | None = None
    step: tuple[float, float] | None = None

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self.shape[0] * self.shape[1] * self.bands * int(self.dtype[2:])


@dataclass(frozen=True)
class VrtBand:
    """One band of a raw VRT.

    Parameters
    ----------
    source : str
        Name of the source as written.
    relative : bool
        Whether it counts from the folder of the VRT.
    dtype : str
        NumPy type with byte order.
    offsets : (int, int, int)
        Bytes to the first value, from value to value, from line to line.
    """

    source: str
    relative: bool
    dtype: str
    offsets: tuple[int, int, int]


def parse_xml(path: Path) -> ET.Element:
    """Return the root of a small XML file without DTD; typographic quotes count as quotes.

    Raises
    ------
    ImageError
        The file is too large, has a DTD, or is not well-formed.
    """
    found = require_local(path)
    if found.stat().st_size > MAX_BYTES:
        message = f"{path} has {found.stat().st_size} bytes, too many for a header"
        raise ImageError(message)
    text = found.read_text(encoding="utf-8", errors="replace")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        message = f"{path} declares document types or entities, which are refused"
        raise ImageError(message)
    try:
        return ET.fromstring(text)  # noqa: S314 - no DTD, no entities, bounded size
    except ET.ParseError:
        pass
    try:
        return ET.fromstring(text.translate(_TYPOGRAPHIC))  # noqa: S314 - as above
    except ET.ParseError as problem:
        message = f"{path} is not well-formed XML ({problem}): correct it or leave the file out"
        raise ImageError(message) from problem


def properties(element: ET.Element) -> dict[str, str]:
    """Return the properties of an ISCE component: lower-case name without spaces -> text; inner components excepted."""
    found = {}
    for item in element.findall("property"):
        value = item.find("value")
        text = value.text if value is not None else item.text
        found[_plain(item.get("name", ""))] = (text or "").strip()
    return found


def components(element: ET.Element, stem: str) -> Iterator[ET.Element]:
    """Yield the components of an ISCE file, at any depth, called `stem` and a number, in order of the number."""
    named = [(item, _plain(item.get("name", ""))) for item in element.iter("component")]
    chosen = [(item, name) for item, name in named if re.fullmatch(rf"{stem}\d+", name)]
    yield from (item for item, _ in sorted(chosen, key=lambda entry: _natural(entry[1])))


def _natural(name: str) -> tuple[str, int]:
    digits = re.search(r"\d+$", name)
    return (name[: digits.start()], int(digits.group())) if digits else (name, -1)


def _plain(name: str) -> str:
    return _SPACES.sub("", name).lower()


def read_isce_image(path: Path) -> FlatImage:
    """Return the layout of an image from its ISCE .xml.

    Raises
    ------
    ImageError
        The file is damaged or no ISCE header of an image.
    """
    root = parse_xml(path)
    facts = properties(root)
    inner = {_plain(item.get("name", "")): properties(item) for item in root.findall("component")}
    across, down = inner.get("coordinate1", {}), inner.get("coordinate2", {})
    try:
        columns = int(facts.get("width") or across["size"])
        rows = int(facts.get("length") or down["size"])
        kind = _ISCE_TYPES[facts["data_type"].lower()]
        order = ">" if facts.get("byte_order", "l").lower().startswith("b") else "<"
        bands = int(facts.get("number_bands", "1"))
        scheme: Mapping[str, Interleave] = {"bil": "bil", "bip": "bip", "bsq": "bsq"}
        interleave = scheme[facts.get("scheme", "bip").lower()]
    except (KeyError, ValueError) as problem:
        message = f"{path} is no ISCE header of an image ({problem}): give the .xml that lies beside the image"
        raise ImageError(message) from problem
    corner, step = _lattice(across, down)
    return FlatImage((rows, columns), order + kind, bands, interleave, corner, step)


def _lattice(
    across: Mapping[str, str], down: Mapping[str, str]
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return corner and step of a geocoded image; in radar coordinates the steps are whole and there is none."""
    try:
        step = float(across["delta"]), float(down["delta"])
        corner = float(across["startingvalue"]), float(down["startingvalue"])
    except (KeyError, ValueError):
        return None, None
    if step[1] >= 0 or step[0] <= 0 or step == (1.0, 1.0):
        return None, None
    return corner, step


def read_raw_vrt(path: Path) -> tuple[tuple[int, int], tuple[VrtBand, ...]]:
    """Return shape and bands of a VRT of raw binary files.

    Raises
    ------
    ImageError
        The file is damaged, or its bands are not raw.
    """
    root = parse_xml(path)
    try:
        shape = int(root.attrib["rasterYSize"]), int(root.attrib["rasterXSize"])
        bands = tuple(_raw_band(item) for item in root.findall("VRTRasterBand"))
    except (KeyError, ValueError, AttributeError, TypeError) as problem:
        message = f"{path} is no VRT of raw bands ({problem}): give the image with its .xml instead"
        raise ImageError(message) from problem
    if not bands:
        message = f"{path} holds no band"
        raise ImageError(message)
    return shape, bands


def _raw_band(item: ET.Element) -> VrtBand:
    if item.get("subClass") != "VRTRawRasterBand":
        message = f"band of class {item.get('subClass')}"
        raise ValueError(message)
    source = item.find("SourceFilename")
    kind = _GDAL_TYPES[item.attrib["dataType"].lower()]
    order = ">" if (item.findtext("ByteOrder") or "LSB").strip().upper() == "MSB" else "<"
    texts = [item.findtext(name) for name in ("ImageOffset", "PixelOffset", "LineOffset")]
    first, pixel, line = (int(text) for text in texts if text is not None)
    if source is None or not (source.text or "").strip():
        message = "a band without source"
        raise ValueError(message)
    relative = source.get("relativeToVRT", source.get("relativetoVRT", "0")) == "1"
    return VrtBand((source.text or "").strip(), relative, order + kind, (first, pixel, line))


def local_source(vrt: Path, source: str) -> Path:
    """Return the file that a VRT names: one that lies in the folder of the VRT or below.

    Raises
    ------
    ImageError
        The source is an address, an absolute name, or lies outside.
    """
    here = vrt.parent.resolve()
    target = (here / source).resolve()
    if "://" in source or source.startswith(("/", "\\")) or not target.is_relative_to(here):
        message = f"{vrt} refers to {source!r}, which is not in its own folder: refused; copy the file there"
        raise ImageError(message)
    return target


def vrt_layout(path: Path) -> tuple[FlatImage, Path]:
    """Return the layout of the binary file behind a raw VRT, and the file.

    Raises
    ------
    ImageError
        The bands lie in several files, or are mixed in a way that is not one of bil, bip, bsq.
    """
    shape, bands = read_raw_vrt(path)
    first = bands[0]
    size = int(first.dtype[2:])
    if len({(band.source, band.dtype, band.offsets[1:]) for band in bands}) > 1:
        message = f"{path} puts bands of different files or types together: give the files themselves"
        raise ImageError(message)
    starts = [band.offsets[0] for band in bands]
    count, (rows, columns) = len(bands), shape
    layouts: dict[Interleave, tuple[int, int, int]] = {
        "bil": (columns * size, size, columns * size * count),
        "bip": (size, size * count, columns * size * count),
        "bsq": (rows * columns * size, size, columns * size),
    }
    for name, (apart, pixel, line) in layouts.items():
        if first.offsets[1:] == (pixel, line) and starts == [k * apart for k in range(count)]:
            return FlatImage(shape, first.dtype, count, name), local_source(path, first.source)
    message = f"{path} lays its bands out with offsets {first.offsets}, which do not fit {rows} x {columns} px"
    raise ImageError(message)
