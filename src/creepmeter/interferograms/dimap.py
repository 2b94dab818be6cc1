"""SNAP's products: BEAM-DIMAP headers (.dim), and the same header within a GeoTIFF."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS
from pyproj.exceptions import CRSError

from creepmeter.errors import GridError, InputError
from creepmeter.interferograms.header_text import MAX_BYTES, number_in, numbers_in, read_header_text
from creepmeter.interferograms.names import DatePair, spoken_day
from creepmeter.io.isce_xml import parse_xml
from creepmeter.io.layers import FlatLayer
from creepmeter.io.tifftag import read_tiff_text
from creepmeter.model.epoch import Epoch
from creepmeter.model.grid import Grid

GEOTIFF_TAG = 65000  # where SNAP puts the header
MISSING = 99999.0  # what SNAP writes for a number that it does not know
_SPOKEN = re.compile(r"\d{1,2}[A-Za-z]{3}\d{4}")
_ENVI_TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4"}
_TYPES = {"float32": "f4", "float64": "f8", "int16": "i2", "uint16": "u2", "int32": "i4", "uint8": "u1", "int8": "i1"}
_WGS84_A, _WGS84_B = 6_378_137.0, 6_356_752.314245
_AFFINE = 6


@dataclass(frozen=True)
class DimBand:
    """One band of a product.

    Parameters
    ----------
    name : str
        As SNAP calls it.
    index : int
        Counted from 0.
    unit : str
        Physical unit, such as phase or coherence.
    dtype : str
        Type of the values, without byte order.
    nodata : float or None
        Value that means missing.
    factor, add : float
        From stored to physical values.
    file : str or None
        ENVI header of the band, relative to the folder of the product.
    """

    name: str
    index: int
    unit: str
    dtype: str
    nodata: float | None
    factor: float
    add: float
    file: str | None


@dataclass(frozen=True)
class DimProduct:
    """Header of one product.

    Parameters
    ----------
    path : Path
        ``.dim`` file or GeoTIFF.
    shape : (int, int)
        Rows and columns.
    grid : Grid or None
        None in radar coordinates.
    bands : tuple of DimBand
        In order.
    root : Element
        The whole header.
    """

    path: Path
    shape: tuple[int, int]
    grid: Grid | None
    bands: tuple[DimBand, ...]
    root: ET.Element

    def text(self, name: str) -> str | None:
        """Return a value of the abstracted metadata, or None when it is missing or not known to SNAP."""
        for group in _named(self.root, "Abstracted_Metadata"):
            for item in group.iter("MDATTR"):
                if item.get("name") == name and (item.text or "").strip() not in ("", "-"):
                    return (item.text or "").strip()
        return None

    def number(self, name: str) -> float | None:
        """Return a number of the abstracted metadata, or None when it is missing or not known to SNAP."""
        text = self.text(name)
        value = None if text is None else number_in(text, f"{self.path}: {name}")
        return None if value in (None, MISSING) else value

    def moment(self, name: str) -> datetime | None:
        """Return a time of the abstracted metadata, or None."""
        text = self.text(name)
        try:
            return None if text is None else datetime.strptime(text.title()[:26], "%d-%b-%Y %H:%M:%S.%f")
        except ValueError:
            return None

    @property
    def orbit(self) -> tuple[float, float] | None:
        """Height of the satellite above the ellipsoid, and radius of the Earth below it, metres."""
        radii = []
        for group in _named(self.root, "Orbit_State_Vectors"):
            for vector in group.iter("MDElem"):
                found = {item.get("name"): item.text for item in vector.findall("MDATTR")}
                if {"x_pos", "y_pos", "z_pos"} <= set(found):
                    x, y, z = (number_in(found[f"{axis}_pos"], f"{self.path}: {axis}_pos") for axis in "xyz")
                    radii.append(
                        (float(np.sqrt(x**2 + y**2 + z**2)), _earth_radius(float(np.arctan2(z, np.hypot(x, y)))))
                    )
            break
        if not radii:
            return None
        distance, earth = radii[len(radii) // 2]
        return distance - earth, earth

    def bperp(self, dates: DatePair) -> float:
        """Return the perpendicular baseline of a pair as SNAP gives it, second relative to first; NaN if absent."""
        for group in _named(self.root, "Baselines"):
            for first in group.findall("MDElem"):
                if _day_named(first) != dates.first:
                    continue
                for second in first.findall("MDElem"):
                    value = next(
                        (item.text for item in second.findall("MDATTR") if item.get("name") == "Perp Baseline"), None
                    )
                    if _day_named(second) == dates.second and value is not None:
                        return number_in(value, f"{self.path}: Perp Baseline")
        return float("nan")

    def layer(self, band: DimBand) -> FlatLayer:
        """Return the pixels of a band of a ``.dim`` product.

        Raises
        ------
        InputError
            The band has no file of its own within the folder of the product.
        """
        folder = self.path.parent
        header = folder / (band.file or "").replace("\\", "/")
        if band.file is None or not header.resolve().is_relative_to(folder.resolve()):
            message = f"{self.path}: band {band.name} has no file in the folder of the product: save the product again"
            raise InputError(message)
        return envi_layer(header, self.shape, band.dtype)


def read_dim(path: Path) -> DimProduct:
    """Return the header of a ``.dim`` product; document types and entities are refused.

    Raises
    ------
    InputError
        The file is damaged, too large, or no header of SNAP.
    """
    return _product(path, parse_xml(path))


def read_dim_in_geotiff(path: Path) -> DimProduct | None:
    """Return the header that SNAP's export hides in a GeoTIFF, or None.

    Raises
    ------
    InputError
        There is one, but it is damaged.
    """
    content = read_tiff_text(path, GEOTIFF_TAG)
    if content is None or b"Dimap_Document" not in content:
        return None
    content = content.rstrip(b"\0")
    if len(content) > MAX_BYTES * 6 or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        message = f"{path}: the header of SNAP declares document types or entities, or is too long: it is refused"
        raise InputError(message)
    try:
        return _product(path, ET.fromstring(content))  # noqa: S314 - no DTD, no entities, bounded size
    except ET.ParseError as problem:
        message = f"{path}: the header of SNAP is not well-formed ({problem}): export the product again"
        raise InputError(message) from problem


def _product(path: Path, root: ET.Element) -> DimProduct:
    sizes = [number_in(root.findtext(f"Raster_Dimensions/{name}"), f"{path}: {name}") for name in ("NROWS", "NCOLS")]
    if min(sizes) < 1 or any(size != int(size) for size in sizes):
        message = f"{path}: {sizes[0]:g} x {sizes[1]:g} is no size of a product: save it again"
        raise InputError(message)
    shape = (int(sizes[0]), int(sizes[1]))
    return DimProduct(path, shape, _grid(path, root, shape), tuple(_bands(path, root)), root)


def _bands(path: Path, root: ET.Element) -> Iterator[DimBand]:
    files = {}
    for item in root.findall("Data_Access/Data_File"):
        place = item.find("DATA_FILE_PATH")
        files[(item.findtext("BAND_INDEX") or "").strip()] = None if place is None else place.get("href")
    for item in root.findall("Image_Interpretation/Spectral_Band_Info"):
        index = (item.findtext("BAND_INDEX") or "0").strip()
        used = (item.findtext("NO_DATA_VALUE_USED") or "false").strip().lower() == "true"
        label = f"{path}: band {index}"
        yield DimBand(
            name=(item.findtext("BAND_NAME") or "").strip(),
            index=int(number_in(index, label)),
            unit=(item.findtext("PHYSICAL_UNIT") or "").strip().lower(),
            dtype=_TYPES.get((item.findtext("DATA_TYPE") or "float32").strip(), "f4"),
            nodata=_nodata(item.findtext("NO_DATA_VALUE"), label) if used else None,
            factor=number_in(item.findtext("SCALING_FACTOR") or "1", label),
            add=number_in(item.findtext("SCALING_OFFSET") or "0", label),
            file=files.get(index),
        )


def _nodata(text: str | None, label: str) -> float:
    return float("nan") if (text or "NaN").strip().lower() == "nan" else number_in(text, label)


def _grid(path: Path, root: ET.Element, shape: tuple[int, int]) -> Grid | None:
    numbers = root.findtext("Geoposition/IMAGE_TO_MODEL_TRANSFORM")
    system = next((item.text for item in root.iter("WKT")), None)
    if not numbers or not system:
        return None
    turn = numbers_in(numbers.replace(",", " "), _AFFINE, f"{path}: IMAGE_TO_MODEL_TRANSFORM")
    affine = Affine(turn[0], turn[2], turn[4], turn[1], turn[3], turn[5])
    return GeoBox(shape, affine, _system(path, system))


def _system(path: Path, text: str) -> str:
    """Return the code of a reference system where it has one; SNAP's own names of WGS 84 are known."""
    try:
        crs = CRS.from_wkt(text.strip())
    except CRSError as problem:
        message = f"{path}: the reference system cannot be read ({problem}): reproject the product"
        raise GridError(message) from problem
    code = crs.to_epsg(min_confidence=20)
    if code is None and crs.is_geographic and crs.ellipsoid is not None:
        same = abs(crs.ellipsoid.semi_major_metre - _WGS84_A) < 1 and abs(crs.ellipsoid.semi_minor_metre - _WGS84_B) < 1
        code = 4326 if same else None
    zone = re.search(r"UTM Zone (\d+)(?:, (Southern|Northern))?", text)
    if code is None and zone:
        south = zone.group(2) == "Southern" or "10000000" in text
        code = (32700 if south else 32600) + int(zone.group(1))
    return f"EPSG:{code}" if code else str(crs.to_wkt())


def envi_layer(header: Path, shape: tuple[int, int], dtype: str) -> FlatLayer:
    """Return the pixels of an ENVI image, by default big-endian as SNAP writes it.

    Parameters
    ----------
    header : Path
        ``.hdr`` or ``.img``; a missing header leaves the values of the product.
    shape : (int, int)
        Rows and columns of the product.
    dtype : str
        Type by the product, without byte order.

    Raises
    ------
    InputError
        The header says another size, or a type that is not known.
    """
    header, image = header.with_suffix(".hdr"), header.with_suffix(".img")
    values = {}
    if header.is_file():
        for line in read_header_text(header).splitlines():
            key, sign, value = line.partition("=")
            if sign:
                values[key.strip().lower()] = value.strip()
    sizes = zip(("lines", "samples"), shape, strict=True)
    given = [int(number_in(values.get(key, str(size)), f"{header}: {key}")) for key, size in sizes]
    if tuple(given) != shape:
        message = f"{header} says {given[0]} x {given[1]} px, its product {shape[0]} x {shape[1]}: save it again"
        raise InputError(message)
    kind = int(number_in(values.get("data type", "0"), f"{header}: data type"))
    if kind and kind not in _ENVI_TYPES:
        message = f"{header}: data type {kind} is not known: convert the band to float32"
        raise InputError(message)
    order = "<" if values.get("byte order", "1") == "0" else ">"
    offset = int(number_in(values.get("header offset", "0"), f"{header}: header offset"))
    return FlatLayer(image, shape, order + _ENVI_TYPES.get(kind, dtype), offset=offset)


def _named(root: ET.Element, name: str) -> list[ET.Element]:
    return [item for item in root.iter("MDElem") if item.get("name") == name]


def _day_named(element: ET.Element) -> Epoch | None:
    match = _SPOKEN.search(element.get("name", ""))
    return None if match is None else spoken_day(match.group(0))


def _earth_radius(latitude: float) -> float:
    """Return the radius of the ellipsoid at a geocentric latitude, radians -> metres."""
    return float(_WGS84_A * _WGS84_B / np.hypot(_WGS84_B * np.cos(latitude), _WGS84_A * np.sin(latitude)))
