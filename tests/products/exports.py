"""Small products with known values, and readers of what is written of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from lxml import etree
from PIL import Image

from creepmeter.io.mintpy.product import write_product

KML = "{http://www.opengis.net/kml/2.2}"
DATES = ("20180105", "20180117", "20180210", "20190105")
ROWS, COLUMNS = 40, 60
WGS84 = {"X_FIRST": "-118.5", "Y_FIRST": "34.2", "X_STEP": "0.001", "Y_STEP": "-0.0008", "X_UNIT": "degrees"}
UTM = {
    "X_FIRST": "500000",
    "Y_FIRST": "3800000",
    "X_STEP": "90",
    "Y_STEP": "-80",
    "X_UNIT": "meters",
    "UTM_ZONE": "11N",
}
BASE = {
    "WAVELENGTH": "0.05546576",
    "PLATFORM": "Sen",
    "ORBIT_DIRECTION": "ASCENDING",
    "HEADING": "-12.0",
    "ANTENNA_SIDE": "-1",
    "CENTER_LINE_UTC": "7200.0",
    "PROJECT_NAME": "Sample",
    "REF_Y": "30",
    "REF_X": "20",
    "REF_DATE": DATES[0],
    "START_DATE": DATES[0],
    "END_DATE": DATES[-1],
    "PROCESSOR": "isce",
    "ALOOKS": "5",
    "RLOOKS": "10",
    "RANGE_PIXEL_SIZE": "2.3",
    "AZIMUTH_PIXEL_SIZE": "14.0",
    "STARTING_RANGE": "875879.875",
    "EARTH_RADIUS": "6371000.0",
    "HEIGHT": "705000.0",
    "LAT_REF1": "34.17", "LAT_REF2": "34.18", "LAT_REF3": "34.19", "LAT_REF4": "34.2",
    "LON_REF1": "-118.5", "LON_REF2": "-118.44", "LON_REF3": "-118.5", "LON_REF4": "-118.44",
}  # fmt: skip


def rate_map(rows: int = ROWS, columns: int = COLUMNS) -> npt.NDArray[np.float32]:
    """Return patches of 5 x 5 pixels, each of its own rate, m/year; a corner is missing, the reference is zero."""
    row, column = np.mgrid[:rows, :columns] // 5
    values = ((row * 31 + column * 17) % 101 - 50).astype(np.float32) / 1000 + 0.0004
    values[:5, :5] = np.nan
    return np.asarray(values, np.float32)


def write_velocity(path: Path, grid: Mapping[str, str] = WGS84, **attributes: str) -> npt.NDArray[np.float32]:
    """Write a velocity of `rate_map`; return the rates."""
    values = rate_map()
    told = {**BASE, **grid, "FILE_TYPE": "velocity", "UNIT": "m/year", **attributes}
    write_product(path, {"velocity": values, "velocityStd": np.abs(values) / 10}, told)
    return values


def series_values() -> npt.NDArray[np.float32]:
    """Return displacement that grows with the days since the first date, metres."""
    days = np.array([np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}") for date in DATES])
    years = (days - days[0]).astype(int) / 365.25
    return np.asarray(years[:, None, None] * rate_map(), np.float32)


def write_series(path: Path, grid: Mapping[str, str] = WGS84, **attributes: str) -> npt.NDArray[np.float32]:
    """Write a series that follows `rate_map`; return it."""
    values = series_values()
    told = {**BASE, **grid, "FILE_TYPE": "timeseries", "UNIT": "m", **attributes}
    tables = {"date": np.array(DATES, "S8"), "bperp": np.arange(len(DATES), dtype=np.float32)}
    write_product(path, {"timeseries": values}, told, tables=tables)
    return values


def write_map(path: Path, kind: str, values: npt.NDArray[Any], grid: Mapping[str, str] = WGS84) -> None:
    """Write one map such as ``mask`` or ``temporalCoherence``."""
    write_product(path, {kind: values}, {**BASE, **grid, "FILE_TYPE": kind, "UNIT": "1"})


def write_geometry(path: Path, grid: Mapping[str, str] = WGS84) -> dict[str, npt.NDArray[Any]]:
    """Write heights and angles; return them."""
    row, column = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    maps: dict[str, npt.NDArray[Any]] = {
        "height": (100 + row * 3 + column).astype(np.float32),
        "incidenceAngle": (34 + column / 20).astype(np.float32),
        "azimuthAngle": np.full((ROWS, COLUMNS), -258.0, np.float32),
        "slantRangeDistance": (875_000 + column * 10).astype(np.float32),
        "shadowMask": row < 2,
        "waterMask": column > 1,
    }
    write_product(path, maps, {**BASE, **grid, "FILE_TYPE": "geometry", "UNIT": "m"})
    return maps


def documents(path: Path) -> Iterator[tuple[str, ET.Element]]:
    """Yield the documents of a KMZ file; each must keep to the schema of KML 2.2."""
    schema = _schema()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "doc.kml"
        for name in archive.namelist():
            if name.endswith(".kml"):
                content = archive.read(name)
                schema.assertValid(etree.fromstring(content))
                yield name, ET.fromstring(content)  # noqa: S314 - what we just wrote


@cache
def _schema() -> etree.XMLSchema:
    with resources.as_file(resources.files("pykml") / "schemas") as folder:
        return etree.XMLSchema(etree.parse(str(folder / "ogckml22.xsd")))


def picture(path: Path, name: str) -> npt.NDArray[np.uint8]:
    """Return a picture of a KMZ file, (y, x, 4)."""
    with zipfile.ZipFile(path) as archive:
        return np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGBA"))


def text_at(element: ET.Element, place: str) -> str:
    """Return the text of the first element at a place such as ``Icon/href``."""
    found = element.find("/".join(KML + part for part in place.split("/")))
    assert found is not None, place
    return found.text or ""


def every(element: ET.Element, name: str) -> list[ET.Element]:
    """Return all elements of a name, at any depth."""
    return list(element.iter(KML + name))
