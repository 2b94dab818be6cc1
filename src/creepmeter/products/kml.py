"""KML documents and the KMZ files that hold them, after OGC 07-147r2 (KML 2.2)."""

from __future__ import annotations

import html
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET  # written here, never read

from creepmeter.products.whole import whole_file

NAMESPACE = "http://www.opengis.net/kml/2.2"
_DATE = (1980, 1, 1, 0, 0, 0)  # of all entries: the same file each time
_PACKED = (".kml",)
_DIGITS = 9
Element = ET.Element


@dataclass(frozen=True)
class LatLonBox:
    """A rectangle of longitude and latitude.

    Parameters
    ----------
    north, south, east, west : float
        Degrees, -180 to 180.
    """

    north: float
    south: float
    east: float
    west: float

    def put(self, parent: Element, name: str = "LatLonBox") -> Element:
        """Add it to an element."""
        box = ET.SubElement(parent, name)
        for side in ("north", "south", "east", "west"):
            add(box, side, number(getattr(self, side)))
        return box


def document(name: str, description: str = "") -> tuple[Element, Element]:
    """Return a new ``kml`` element and the ``Document`` in it."""
    root = Element("kml", xmlns=NAMESPACE)
    inner = add(root, "Document")
    add(inner, "name", name)
    if description:
        add(inner, "description", description)
    return root, inner


def add(parent: Element, name: str, text: str | None = None, /, **attributes: str) -> Element:
    """Add an element; its text is data, whatever stands in it."""
    child = ET.SubElement(parent, name, attributes)
    if text is not None:
        child.text = _clean(text)
    return child


def _clean(text: str) -> str:
    """Return a text without the control characters that XML cannot hold."""
    return "".join(letter for letter in text if letter >= " " or letter in "\n\t")


def number(value: float) -> str:
    """Return a number of degrees, metres and the like as text."""
    return f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")


def table(rows: Mapping[str, str]) -> str:
    """Return names and values as an HTML table for a description; markup in them is shown, not obeyed."""
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(text)}</td></tr>" for name, text in rows.items())
    return f"<table>{cells}</table>"


def colour(red: float, green: float, blue: float, alpha: float = 1.0) -> str:
    """Return a colour (0 to 1 each) as KML has it: alpha, blue, green, red."""
    return "".join(f"{round(255 * part):02x}" for part in (alpha, blue, green, red))


def region(parent: Element, box: LatLonBox, least: float, most: float) -> None:
    """Add the region in which something is shown: while it takes `least` to `most` pixels of the screen, -1 = any."""
    item = add(parent, "Region")
    box.put(item, "LatLonAltBox")
    lod = add(item, "Lod")
    add(lod, "minLodPixels", number(least))
    add(lod, "maxLodPixels", number(most))


def screen_picture(parent: Element, name: str, href: str) -> None:
    """Add a picture that stays in the lower left corner of the screen."""
    overlay = add(parent, "ScreenOverlay")
    add(overlay, "name", name)
    add(add(overlay, "Icon"), "href", href)
    for what, x, y in (("overlayXY", "0", "0"), ("screenXY", "0.01", "0.03")):
        add(overlay, what, x=x, y=y, xunits="fraction", yunits="fraction")


def ground_picture(parent: Element, name: str, href: str, box: LatLonBox, order: int = 0) -> Element:
    """Add a picture that lies on the ground."""
    overlay = add(parent, "GroundOverlay")
    add(overlay, "name", name)
    if order:
        add(overlay, "drawOrder", str(order))
    add(add(overlay, "Icon"), "href", href)
    box.put(overlay)
    return overlay


def icon_style(parent: Element, name: str, href: str, *, tint: str = "", scale: float = 1.0) -> Element:
    """Add a style of placemarks: an icon, and no label beside it."""
    style = add(parent, "Style", id=name)
    icon = add(style, "IconStyle")
    if tint:
        add(icon, "color", tint)
    add(icon, "scale", number(scale))
    add(add(icon, "Icon"), "href", href)
    add(icon, "hotSpot", x="0.5", y="0.5", xunits="fraction", yunits="fraction")
    add(add(style, "LabelStyle"), "scale", "0")
    return style


def place(parent: Element, longitude: float, latitude: float) -> None:
    """Add a point to a placemark."""
    add(add(parent, "Point"), "coordinates", f"{number(longitude)},{number(latitude)},0")


def data(parent: Element, values: Mapping[str, str]) -> None:
    """Add named values to a placemark."""
    extended = add(parent, "ExtendedData")
    for name, text in values.items():
        add(add(extended, "Data", name=name), "value", text)


def text_of(root: Element) -> bytes:
    """Return a document as bytes."""
    content: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + content


def write_kmz(path: Path, entries: Iterable[tuple[str, bytes]]) -> Path:
    """Write a KMZ file, whole or not at all; its first entry is ``doc.kml``.

    Parameters
    ----------
    path : Path
        File to make or replace.
    entries : iterable of (str, bytes)
        Names and contents, taken one after the other.
    """
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, content in entries:
            about = zipfile.ZipInfo(name, _DATE)
            about.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_PACKED) else zipfile.ZIP_STORED
            about.external_attr = 0o644 << 16
            archive.writestr(about, content)
    return path
