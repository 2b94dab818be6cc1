"""Maps of ARIA-tools: .vrt read as metadata, ENVI and ISCE images, GeoTIFF; nothing outside the project is opened."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS
from pyproj.exceptions import CRSError

from creepmeter.errors import ImageError
from creepmeter.interferograms.header_text import number_in, read_header_text
from creepmeter.io.gunw import DATA, read_gunw
from creepmeter.io.isce_xml import parse_xml, read_isce_image, vrt_layout
from creepmeter.io.layers import FlatLayer, HdfLayer, Interleave, Layer, RasterLayer
from creepmeter.io.rasterfile import MAX_PIXELS, is_raster
from creepmeter.model.grid import Grid

Values = npt.NDArray[Any]
WGS84 = "EPSG:4326"
_SUBDATASET = re.compile(r'^(?:NETCDF|HDF5):"?(?P<file>[^"]+?)"?:/*(?P<dataset>[^:"]+)$')
_DRIVER = re.compile(r"^[A-Za-z][A-Za-z0-9_]+:")
_ENVI_TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 6: "c8", 12: "u2", 13: "u4"}
_CHANGES = ("ScaleOffset", "ScaleRatio", "LUT", "ColorTableComponent", "Exponent", "Kernel")
_WHOLE_PX = 0.01
_DEPTH = 4  # a .vrt of a .vrt of ...
_EARTH_M = 6_378_137.0
_MAP_INFO = 7


@dataclass(frozen=True)
class VrtSource:
    """One source of a band.

    Parameters
    ----------
    file : str
        As written.
    band : int
        Counted from 1.
    start, target : (int, int)
        Row and column of the first pixel in the source, and in the band.
    shape : (int, int)
        Rows and columns that are copied.
    nodata : float or None
        Value of the source that is not copied.
    """

    file: str
    band: int
    start: tuple[int, int]
    target: tuple[int, int]
    shape: tuple[int, int]
    nodata: float | None


@dataclass(frozen=True)
class VrtBand:
    """One band and what is said of it.

    Parameters
    ----------
    sources : tuple of VrtSource
        Later ones lie above.
    nodata : float or None
        Value of the band that means missing.
    domains : mapping of str to mapping of str to str
        Metadata by domain; the unnamed one is "".
    """

    sources: tuple[VrtSource, ...]
    nodata: float | None
    domains: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Vrt:
    """A virtual raster.

    Parameters
    ----------
    path : Path
        The file.
    shape : (int, int)
        Rows and columns.
    grid : Grid or None
        None without georeference.
    bands : tuple of VrtBand
        In order.
    """

    path: Path
    shape: tuple[int, int]
    grid: Grid | None
    bands: tuple[VrtBand, ...]


@dataclass(frozen=True)
class Pasted:
    """Parts of other layers put side by side, later ones above.

    Parameters
    ----------
    layers : tuple of Layer
        Sources.
    sources : tuple of VrtSource
        What is taken from each, and where it goes.
    shape : (int, int)
        Rows and columns.
    name : str
        File and band.
    background : float
        Where there is no source.
    """

    layers: tuple[Layer, ...]
    sources: tuple[VrtSource, ...]
    shape: tuple[int, int]
    name: str = field(repr=False)
    background: float = 0.0

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        (top, bottom, _), (left, right, _) = rows.indices(self.shape[0]), columns.indices(self.shape[1])
        result: Values | None = None
        for layer, source in zip(self.layers, self.sources, strict=True):
            first = max(top, source.target[0]), max(left, source.target[1])
            last = (
                min(bottom, source.target[0] + source.shape[0]),
                min(right, source.target[1] + source.shape[1]),
            )
            if first[0] >= last[0] or first[1] >= last[1]:
                continue
            row, column = (first[k] - source.target[k] + source.start[k] for k in range(2))
            values = layer.read(slice(row, row + last[0] - first[0]), slice(column, column + last[1] - first[1]))
            if result is None:
                result = np.full((bottom - top, right - left), self.background, values.dtype)
            part = result[first[0] - top : last[0] - top, first[1] - left : last[1] - left]
            use = np.ones(values.shape, bool)
            if source.nodata is not None:
                use = ~np.isnan(values) if np.isnan(source.nodata) else values != source.nodata
            part[use] = values[use]
        return np.full((bottom - top, right - left), self.background, np.float32) if result is None else result


def read_vrt(path: Path) -> Vrt:
    """Return what a .vrt says; GDAL itself never sees it.

    Raises
    ------
    ImageError
        The file is damaged, too large, or does more than copy pixels.
    """
    root = parse_xml(path)
    kind = root.get("subClass")
    if root.tag != "VRTDataset" or kind is not None:
        message = f"{path} is a {kind or root.tag}, which is not read: only rasters that copy pixels are"
        raise ImageError(message)
    try:
        shape = _shape(root)
        bands = tuple(_band(item) for item in root.findall("VRTRasterBand"))
        return Vrt(path, shape, _grid(root, shape), bands)
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        message = (
            f"{path} is no virtual raster that copies pixels ({problem}): make it again, or give the files it names"
        )
        raise ImageError(message) from problem


def _shape(root: ET.Element) -> tuple[int, int]:
    shape = int(root.attrib["rasterYSize"]), int(root.attrib["rasterXSize"])
    if min(shape) < 1 or shape[0] * shape[1] > MAX_PIXELS:
        message = f"{shape[0]} x {shape[1]} px"
        raise ValueError(message)
    return shape


def _grid(root: ET.Element, shape: tuple[int, int]) -> Grid | None:
    text = root.findtext("GeoTransform")
    if not text:
        return None
    west, width, _, north, _, height = (float(part) for part in text.split(","))
    if width <= 0 or height >= 0:
        message = f"a grid of {width} x {height}, not north up"
        raise ValueError(message)
    return GeoBox(shape, Affine(width, 0.0, west, 0.0, height, north), system_of(root.findtext("SRS")))


def system_of(text: str | None) -> str | None:
    """Return a reference system; degrees on the common ellipsoid are WGS 84, whatever they are called."""
    if not (text or "").strip():
        return None
    try:
        crs = CRS.from_user_input(text)
    except CRSError as problem:
        message = f"reference system {text!r:.60} is not known"
        raise ValueError(message) from problem
    if crs.is_geographic and crs.ellipsoid is not None and abs(crs.ellipsoid.semi_major_metre - _EARTH_M) < 1:
        return WGS84
    return str(crs.to_wkt())


def _band(item: ET.Element) -> VrtBand:
    if item.get("subClass") not in (None, "VRTSourcedRasterBand"):
        message = f"a band of class {item.get('subClass')}"
        raise ValueError(message)
    sources = []
    for child in item:
        if child.tag in ("SimpleSource", "ComplexSource"):
            sources.append(_source(child))
        elif child.tag.endswith("Source") or "PixelFunction" in child.tag:
            message = f"a {child.tag}"
            raise ValueError(message)
    domains = {
        group.get("domain", ""): {entry.get("key", ""): (entry.text or "").strip() for entry in group.findall("MDI")}
        for group in item.findall("Metadata")
    }
    return VrtBand(tuple(sources), _number(item.findtext("NoDataValue")), domains)


def _number(text: str | None) -> float | None:
    return None if text is None or not text.strip() or text.strip() == "None" else float(text)


def _source(item: ET.Element) -> VrtSource:
    changes = [name for name in _CHANGES if item.find(name) is not None]
    if changes:
        message = f"a source that is changed by {changes[0]}"
        raise ValueError(message)
    name = (item.findtext("SourceFilename") or "").strip()
    if not name:
        message = "a source without a name"
        raise ValueError(message)
    start, size = _rectangle(item.find("SrcRect"))
    target, into = _rectangle(item.find("DstRect"))
    if size != into:
        message = f"a source of {size[0]} x {size[1]} px stretched to {into[0]} x {into[1]}"
        raise ValueError(message)
    nodata = _number(item.findtext("NODATA")) if item.tag == "ComplexSource" else None
    return VrtSource(name, int(item.findtext("SourceBand") or 1), start, target, size, nodata)


def _rectangle(item: ET.Element | None) -> tuple[tuple[int, int], tuple[int, int]]:
    if item is None:
        message = "a source without rectangle"
        raise ValueError(message)
    numbers = [float(item.attrib[key]) for key in ("yOff", "xOff", "ySize", "xSize")]
    whole = [round(number) for number in numbers]
    if max(abs(number - near) for number, near in zip(numbers, whole, strict=True)) > _WHOLE_PX:
        message = f"a rectangle of parts of pixels {numbers}"
        raise ValueError(message)
    return (whole[0], whole[1]), (whole[2], whole[3])


# ----------------------------------------------------------------------------------------------------------- pixels


def band_layer(vrt: Vrt, number: int, project: Path, depth: int = 0) -> Layer:
    """Return one band of a virtual raster; its sources are opened, their pixels are not read.

    Parameters
    ----------
    vrt : Vrt
        The raster.
    number : int
        Band, counted from 1.
    project : Path
        Folder that all sources must lie in.
    depth : int
        How many virtual rasters lead here.

    Raises
    ------
    ImageError
        A source is missing, damaged, or lies outside the project.
    """
    if depth > _DEPTH or not 1 <= number <= len(vrt.bands):
        message = f"{vrt.path}: band {number} is not there, or lies behind more than {_DEPTH} other .vrt files"
        raise ImageError(message)
    band = vrt.bands[number - 1]
    layers = []
    for source in band.sources:
        layer = _source_layer(vrt.path, source, project, depth)
        if any(source.start[k] < 0 or source.start[k] + source.shape[k] > layer.shape[k] for k in range(2)):
            message = (
                f"{vrt.path}: {layer.name} has {layer.shape[0]} x {layer.shape[1]} px, fewer than are to be copied"
            )
            raise ImageError(message)
        layers.append(layer)
    return Pasted(tuple(layers), band.sources, vrt.shape, f"{vrt.path} band {number}", band.nodata or 0.0)


def _source_layer(vrt: Path, source: VrtSource, project: Path, depth: int) -> Layer:
    inside = _SUBDATASET.match(source.file)
    path = local_source(vrt, inside["file"] if inside else source.file, project)
    if inside:
        return _netcdf_layer(path, inside["dataset"])
    if path.suffix == ".vrt":
        return _vrt_layer(path, source.band, project, depth + 1)
    return image_layer(path, source.band)[0]


def _vrt_layer(path: Path, band: int, project: Path, depth: int) -> Layer:
    if _is_raw(parse_xml(path)):
        image, data = vrt_layout(path)
        return FlatLayer(data, image.shape, image.dtype, image.bands, band - 1, image.interleave)
    return band_layer(read_vrt(path), band, project, depth)


def _is_raw(root: ET.Element) -> bool:
    return any(item.get("subClass") == "VRTRawRasterBand" for item in root.findall("VRTRasterBand"))


def _netcdf_layer(path: Path, dataset: str) -> Layer:
    if dataset.startswith(f"{DATA}/"):
        return read_gunw(path).layer(dataset.removeprefix(f"{DATA}/"))
    return HdfLayer(path, dataset)


def local_source(vrt: Path, name: str, project: Path) -> Path:
    """Return the file that a virtual raster names: within the project, where its folder may have been moved.

    Raises
    ------
    ImageError
        It is an address or another driver's name, lies outside the project, or is missing.
    """
    plain = name.replace("\\", "/")
    if "://" in plain or plain.startswith("/vsi") or _DRIVER.match(plain):
        message = f"{vrt} refers to {name!r}, which is no local file: refused; get the data onto this machine"
        raise ImageError(message)
    home = project.resolve()
    candidates = [vrt.parent / plain]
    if plain.startswith("/"):  # written with the place the project had once
        candidates += [home.joinpath(*Path(plain).parts[-count:]) for count in (2, 3)]
    found = [path.resolve() for path in candidates]
    inside = [path for path in found if path.is_relative_to(home)]
    if not inside:
        message = f"{vrt} refers to {name!r}, which lies outside its project {home.name}: refused; copy the file there"
        raise ImageError(message)
    for path in inside:
        if path.is_file():
            return path
    message = f"{vrt} refers to {name!r}, which does not exist: make the project again, or leave the .vrt out"
    raise ImageError(message)


def image_layer(path: Path, band: int = 1) -> tuple[Layer, Grid | None, float | None]:
    """Return one band of an image with header of its own, its grid, and its no-data value.

    Raises
    ------
    ImageError
        No header is found, or it does not fit.
    """
    if is_raster(path):
        raster = RasterLayer(path, band)
        grid = raster.grid
        return raster, grid if grid is not None and grid.crs is not None else None, raster.nodata
    for header in (path.with_name(f"{path.name}.hdr"), path.with_suffix(".hdr")):
        if header.is_file():
            return _envi(path, header, band)
    header = path.with_name(f"{path.name}.xml")
    if header.is_file():
        image = read_isce_image(header)
        layer = FlatLayer(path, image.shape, image.dtype, image.bands, band - 1, image.interleave)
        if image.corner is None or image.step is None:
            return layer, None, None
        affine = Affine(image.step[0], 0.0, image.corner[0], 0.0, image.step[1], image.corner[1])
        return layer, GeoBox(image.shape, affine, WGS84), None
    message = f"{path} has no header (.hdr, .xml, .vrt) beside it: copy it as well, or give a GeoTIFF"
    raise ImageError(message)


def map_layer(path: Path) -> tuple[Layer, Grid | None, float | None]:
    """Return the first band of a map in any of ARIA-tools' formats, its grid, and its no-data value.

    Raises
    ------
    ImageError
        The map cannot be read.
    """
    beside = path.with_name(f"{path.name}.vrt")
    if path.suffix != ".vrt" and not is_raster(path) and beside.is_file():
        path = beside
    if path.suffix != ".vrt":
        return image_layer(path)
    root = parse_xml(path)
    if _is_raw(root):
        layer = _vrt_layer(path, 1, path.parent, 0)
        try:
            grid, band = _grid(root, layer.shape), root.find("VRTRasterBand")
            return layer, grid, None if band is None else _number(band.findtext("NoDataValue"))
        except ValueError as problem:
            message = f"{path} cannot be used: {problem}"
            raise ImageError(message) from problem
    vrt = read_vrt(path)
    layer = band_layer(vrt, 1, project_of(path))
    return layer, vrt.grid, vrt.bands[0].nodata


def project_of(vrt: Path) -> Path:
    """Return the project of a .vrt of ARIA-tools: the folder above its own."""
    return vrt.resolve().parent.parent


def _envi(path: Path, header: Path, band: int) -> tuple[Layer, Grid | None, float | None]:
    values: dict[str, str] = {}
    for line in read_header_text(header).splitlines():
        key, sign, value = line.partition("=")
        if sign:
            values[key.strip().lower()] = value.strip()

    def whole(key: str, default: int | None = None) -> int:
        if key not in values and default is not None:
            return default
        return int(number_in(values.get(key), f"{header}: {key}"))

    shape, bands = (whole("lines"), whole("samples")), whole("bands", 1)
    kind = _ENVI_TYPES.get(whole("data type"))
    schemes: Mapping[str, Interleave] = {"bil": "bil", "bip": "bip", "bsq": "bsq"}
    interleave = schemes.get(values.get("interleave", "bsq").lower())
    if kind is None or interleave is None:
        message = f"{header} tells a type or interleave that is not known: convert {path.name} to GeoTIFF"
        raise ImageError(message)
    order = "<" if whole("byte order", 0) == 0 else ">"
    offset = whole("header offset", 0)
    layer = FlatLayer(path, shape, order + kind, bands, band - 1, interleave, offset)
    nodata = values.get("data ignore value")
    return layer, _envi_grid(values.get("map info"), shape), _number(nodata)


def _envi_grid(text: str | None, shape: tuple[int, int]) -> Grid | None:
    """Return the grid of ENVI's map info: name, column and row of a corner from 1, its x and y, steps."""
    parts = (text or "").strip("{} ").split(",")
    if len(parts) < _MAP_INFO or "geographic" not in parts[0].lower():
        return None
    try:
        column, row, x, y, width, height = (float(part) for part in parts[1:_MAP_INFO])
    except ValueError:
        return None
    west, north = x - (column - 1) * width, y + (row - 1) * height
    return GeoBox(shape, Affine(width, 0.0, west, 0.0, -height, north), WGS84)
