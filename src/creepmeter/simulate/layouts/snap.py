"""A stack as SNAP leaves it: BEAM-DIMAP products, or GeoTIFF with the same header inside."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from creepmeter.model.epoch import Epoch
from creepmeter.model.grid import Grid
from creepmeter.model.pair import Pair
from creepmeter.simulate.radar import RadarStack

Values = npt.NDArray[Any]
SPEED_OF_LIGHT = 299_792_458.0
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HEADER_TAG = 65000


def write_snap(stack: RadarStack, folder: Path, *, geotiff: bool = False, master: str = "Ref") -> dict[str, str]:
    """Write a stack in the layout of SNAP: a product per pair with phase and coherence, and one with heights.

    Parameters
    ----------
    stack : RadarStack
        What to write; SNAP's sign of phase is MintPy's.
    folder : Path
        Gets ``YYYYMMDD_YYYYMMDD_unw_tc.dim`` with ``.data``, or ``.tif``.
    geotiff : bool
        Write GeoTIFF instead, as SNAP's export does; geocoded stacks only.
    master : {"Ref", "Master"}
        How the header calls the first image: by a new or an old version.

    Returns
    -------
    dict
        Options that load what was written.
    """
    for k, pair in enumerate(stack.pairs):
        both = f"{_spoken(pair.ref)}_{_spoken(pair.sec)}"
        bands = {
            f"Unw_Phase_ifg_VV_{both}": ("phase", stack.phase[k]),
            f"coh_IW1_VV_{both}": ("coherence", stack.coherence[k]),
        }
        header = baselines_text(pair, float(stack.bperp[k]), master)
        name = "_".join(_day(date) for date in (pair.ref, pair.sec))
        _write(stack, folder / f"{name}_unw_tc", bands, header, pair, geotiff=geotiff)
    bands = {"elevation": ("meters", stack.height), "incidenceAngleFromEllipsoid": ("deg", stack.incidence_deg)}
    header = baselines_text(stack.pairs[0], float(stack.bperp[0]), master)
    _write(stack, folder / "dem_tc", bands, header, stack.pairs[0], geotiff=geotiff)
    end = "tif" if geotiff else "dim"
    found = {"processor": "snap", "unw_file": f"*_unw_tc.{end}", "dem_file": f"dem_tc.{end}"}
    return found | {"inc_angle_file": f"dem_tc.{end}"} | ({"cor_file": "*_unw_tc.tif"} if geotiff else {})


def _write(
    stack: RadarStack, path: Path, bands: dict[str, tuple[str, Values]], inner: str, pair: Pair, *, geotiff: bool
) -> None:
    text = header_text(stack, path.name, {name: unit for name, (unit, _) in bands.items()}, inner, pair)
    path.parent.mkdir(parents=True, exist_ok=True)
    maps = [values for _, values in bands.values()]
    if geotiff and stack.grid is not None:
        path.with_suffix(".tif").write_bytes(tiff_bytes(maps, stack.grid, text))
        return
    path.with_suffix(".dim").write_text(text, encoding="iso-8859-1")
    data = path.with_suffix(".data")
    data.mkdir(exist_ok=True)
    for name, values in zip(bands, maps, strict=True):
        values.astype(">f4").tofile(data / f"{name}.img")
        rows, columns = values.shape
        (data / f"{name}.hdr").write_text(
            f"ENVI\ndescription = {{Sentinel-1}}\nsamples = {columns}\nlines = {rows}\nbands = 1\nheader offset = 0\n"
            f"file type = ENVI Standard\ndata type = 4\ninterleave = bsq\nbyte order = 1\nband names = {{ {name} }}\n",
            encoding="utf-8",
        )


def header_text(stack: RadarStack, name: str, bands: dict[str, str], inner: str, pair: Pair) -> str:
    """Return the DIMAP header of a product.

    Parameters
    ----------
    stack : RadarStack
        Size, place and facts.
    name : str
        Of the product, without suffix.
    bands : dict of str to str
        Name of the band -> physical unit.
    inner : str
        Further metadata.
    pair : Pair
        First image of the pair is that of the header.
    """
    rows, columns = stack.height.shape
    files = "".join(
        f'<Data_File><DATA_FILE_PATH href="{name}.data/{band}.hdr" /><BAND_INDEX>{k}</BAND_INDEX></Data_File>'
        for k, band in enumerate(bands)
    )
    infos = "".join(
        f"<Spectral_Band_Info><BAND_INDEX>{k}</BAND_INDEX><BAND_DESCRIPTION /><BAND_NAME>{band}</BAND_NAME>"
        f"<BAND_RASTER_WIDTH>{columns}</BAND_RASTER_WIDTH><BAND_RASTER_HEIGHT>{rows}</BAND_RASTER_HEIGHT>"
        f"<DATA_TYPE>float32</DATA_TYPE><PHYSICAL_UNIT>{unit}</PHYSICAL_UNIT><SCALING_FACTOR>1.0</SCALING_FACTOR>"
        "<SCALING_OFFSET>0.0</SCALING_OFFSET><LOG10_SCALED>false</LOG10_SCALED>"
        "<NO_DATA_VALUE_USED>true</NO_DATA_VALUE_USED><NO_DATA_VALUE>0.0</NO_DATA_VALUE></Spectral_Band_Info>\n"
        for k, (band, unit) in enumerate(bands.items())
    )
    place = "" if stack.grid is None else _place_text(stack.grid)
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<Dimap_Document name="{name}.dim">\n'
        f"<Raster_Dimensions><NCOLS>{columns}</NCOLS><NROWS>{rows}</NROWS><NBANDS>{len(bands)}</NBANDS>"
        f"</Raster_Dimensions>\n<Data_Access>{files}</Data_Access>\n{place}"
        f"<Image_Interpretation>{infos}</Image_Interpretation>\n"
        f'<Dataset_Sources><MDElem name="metadata"><MDElem name="Abstracted_Metadata">{_facts_text(stack, pair.ref)}'
        f"{inner}</MDElem></MDElem></Dataset_Sources>\n</Dimap_Document>\n"
    )


def _place_text(grid: Grid) -> str:
    turn = grid.affine
    system = CRS.from_user_input(str(grid.crs)).to_wkt("WKT1_GDAL")
    return (
        f"<Coordinate_Reference_System><WKT>{escape(system)}</WKT></Coordinate_Reference_System>\n"
        f"<Geoposition><IMAGE_TO_MODEL_TRANSFORM>{turn.a!r},{turn.d!r},{turn.b!r},{turn.e!r},{turn.c!r},{turn.f!r}"
        "</IMAGE_TO_MODEL_TRANSFORM></Geoposition>\n"
    )


def _facts_text(stack: RadarStack, date: Epoch) -> str:
    facts = stack.attributes
    centre, day = float(facts["CENTER_LINE_UTC"]), _spoken(date).upper()
    day = f"{day[:2]}-{day[2:5]}-{day[5:]}"
    earth, height = 6_378_137.0, float(facts["HEIGHT"])  # a satellite above the equator
    values: dict[str, object] = {
        "PRODUCT": "S1A_IW_SLC",
        "MISSION": "SENTINEL-1A",
        "PASS": facts["ORBIT_DIRECTION"],
        "antenna_pointing": "right",
        "first_line_time": f"{day} {_clock(centre - 5)}",
        "last_line_time": f"{day} {_clock(centre + 5)}",
        "centre_heading": facts["HEADING"],
        "radar_frequency": SPEED_OF_LIGHT / float(facts["WAVELENGTH"]) / 1e6,
        "range_spacing": facts["RANGE_PIXEL_SIZE"],
        "azimuth_spacing": facts["AZIMUTH_PIXEL_SIZE"],
        "range_looks": f"{float(facts['RLOOKS'])}",
        "azimuth_looks": f"{float(facts['ALOOKS'])}",
        "slant_range_to_first_pixel": facts["STARTING_RANGE"],
        "incidence_near": 31.0,
        "incidence_far": 46.0,
        "avg_scene_height": 99999.0,
    }
    orbit = f'<MDElem name="orbit_vector1">{_attribute("x_pos", earth + height)}{_attribute("y_pos", 0.0)}{_attribute("z_pos", 0.0)}</MDElem>'  # noqa: E501 - one line of XML
    return "".join(_attribute(key, value) for key, value in values.items()) + (
        f'<MDElem name="Orbit_State_Vectors">{orbit}</MDElem>'
    )


def baselines_text(pair: Pair, bperp_m: float, master: str) -> str:
    """Return the baselines of two images against each of them."""
    first, second = ("Ref_", "Secondary_") if master == "Ref" else ("Master: ", "Slave: ")
    text = ""
    for one, other, value in ((pair.ref, pair.sec, bperp_m), (pair.sec, pair.ref, -bperp_m)):
        inner = ""
        for date, number in ((one, 0.0), (other, value)):
            attributes = _attribute("Perp Baseline", number) + _attribute("Temp Baseline", pair.days)
            inner += f'<MDElem name="{second}{_spoken(date)}">{attributes}</MDElem>'
        text += f'<MDElem name="{first}{_spoken(one)}">{inner}</MDElem>'
    return f'<MDElem name="Baselines">{text}</MDElem>'


def _attribute(name: str, value: object) -> str:
    kind = "ascii" if isinstance(value, str) else "float64"
    return f'<MDATTR name="{name}" type="{kind}" mode="rw">{value}</MDATTR>\n'


def tiff_bytes(maps: list[Values], grid: Grid, header: str) -> bytes:
    """Return a GeoTIFF with one float32 sample per map and pixel, and the header of SNAP in its private tag.

    Parameters
    ----------
    maps : list of array, (y, x)
        Bands.
    grid : Grid
        Place; a geographic one.
    header : str
        DIMAP header.
    """
    rows, columns = maps[0].shape
    affine = grid.affine
    pixels = np.stack(maps, axis=-1).astype("<f4").tobytes()
    text = header.encode("iso-8859-1") + b"\0"
    keys = (1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326)
    count = len(maps)
    entries: list[tuple[int, int, bytes]] = [
        (256, 4, struct.pack("<I", columns)),
        (257, 4, struct.pack("<I", rows)),
        (258, 3, struct.pack(f"<{count}H", *[32] * count)),
        (259, 3, struct.pack("<H", 1)),
        (262, 3, struct.pack("<H", 1)),
        (273, 4, b"????"),
        (277, 3, struct.pack("<H", count)),
        (278, 4, struct.pack("<I", rows)),
        (279, 4, struct.pack("<I", len(pixels))),
        (339, 3, struct.pack(f"<{count}H", *[3] * count)),
        (33550, 12, struct.pack("<3d", affine.a, -affine.e, 0.0)),
        (33922, 12, struct.pack("<6d", 0.0, 0.0, 0.0, affine.c, affine.f, 0.0)),
        (34735, 3, struct.pack(f"<{len(keys)}H", *keys)),
        (_HEADER_TAG, 2, text),
    ]
    sizes = {2: 1, 3: 2, 4: 4, 12: 8}
    start = 8 + 2 + 12 * len(entries) + 4
    place, directory, extra = start, b"", b""
    strip = start + sum(len(content) + len(content) % 2 for _, _, content in entries if len(content) > 4)  # noqa: PLR2004
    for tag, kind, content in entries:
        raw = struct.pack("<I", strip) if tag == 273 else content  # noqa: PLR2004 - where the pixels start
        directory += struct.pack("<HHI", tag, kind, len(raw) // sizes[kind])
        if len(raw) <= 4:  # noqa: PLR2004 - fits into the entry
            directory += raw.ljust(4, b"\0")
        else:
            directory += struct.pack("<I", place)
            padded = raw + b"\0" * (len(raw) % 2)
            extra += padded
            place += len(padded)
    head = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries))
    return head + directory + struct.pack("<I", 0) + extra + pixels


def _spoken(date: Epoch) -> str:
    year, month, day = str(date)[:10].split("-")
    return f"{day}{_MONTHS[int(month) - 1]}{year}"


def _day(date: Epoch) -> str:
    return str(date)[:10].replace("-", "")


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{seconds % 60:09.6f}"
