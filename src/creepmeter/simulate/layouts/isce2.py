"""A stack as ISCE2's topsStack leaves it: merged interferograms, geometry, baselines, metadata of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from creepmeter.simulate.radar import RadarStack

Values = npt.NDArray[Any]
RANGE_LOOKS, AZIMUTH_LOOKS = 10, 5
_TYPES = {"f4": "FLOAT", "f8": "DOUBLE", "u1": "BYTE", "c8": "CFLOAT"}
_LINE_S = 0.002055556299999998
_SPEED_M_S = 7597.0
_STATES = 9


def write_isce2(stack: RadarStack, folder: Path, *, looks: tuple[int, int] = (AZIMUTH_LOOKS, RANGE_LOOKS)) -> Path:
    """Write a stack in the layout of topsStack.

    Parameters
    ----------
    stack : RadarStack
        What to write; ISCE2's sign of phase is MintPy's.
    folder : Path
        Gets the folders ``merged``, ``baselines``, ``reference``.
    looks : (int, int)
        Azimuth and range looks that the headers tell.

    Returns
    -------
    Path
        The folder.
    """
    for k, pair in enumerate(stack.pairs):
        place = folder / "merged" / "interferograms" / str(pair)
        amplitude = np.where(stack.phase[k] != 0, np.float32(1), np.float32(0))
        write_image(place / "filt_fine.unw", [amplitude, stack.phase[k]], "BIL")
        write_image(place / "filt_fine.cor", [stack.coherence[k]], "BIL")
        write_image(place / "filt_fine.unw.conncomp", [stack.component[k].astype(np.uint8)], "BIP")
    _write_geometry(stack, folder / "merged" / "geom_reference", looks)
    _write_baselines(stack, folder / "baselines")
    text = swath_text(stack, looks)
    place = folder / "reference"
    place.mkdir(parents=True, exist_ok=True)
    (place / "IW2.xml").write_text(text, encoding="utf-8")
    return folder


def load_settings(folder: Path) -> dict[str, str]:
    """Return the options that load what `write_isce2` wrote."""
    merged, geometry = folder / "merged" / "interferograms" / "*", folder / "merged" / "geom_reference"
    found = {
        "unw_file": merged / "filt_fine.unw",
        "cor_file": merged / "filt_fine.cor",
        "conn_comp_file": merged / "filt_fine.unw.conncomp",
        "meta_file": folder / "reference" / "IW*.xml",
        "baseline_dir": folder / "baselines",
        "dem_file": geometry / "hgt.rdr",
        "lookup_y_file": geometry / "lat.rdr",
        "lookup_x_file": geometry / "lon.rdr",
        "inc_angle_file": geometry / "los.rdr",
        "az_angle_file": geometry / "los.rdr",
        "shadow_mask_file": geometry / "shadowMask.rdr",
        "water_mask_file": geometry / "waterMask.rdr",
    }
    return {"processor": "isce", **{name: str(path) for name, path in found.items()}}


def write_image(path: Path, bands: list[Values], scheme: str, *, order: Literal["<", ">"] = "<") -> None:
    """Write an image with its .xml and .vrt.

    Parameters
    ----------
    path : Path
        The binary file.
    bands : list of array, (y, x)
        All of one type.
    scheme : {"BIL", "BIP", "BSQ"}
        How bands are mixed.
    order : {"<", ">"}
        Byte order.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    cube = np.stack(bands).astype(bands[0].dtype.newbyteorder(order))
    axes = {"BIL": (1, 0, 2), "BIP": (1, 2, 0), "BSQ": (0, 1, 2)}[scheme]
    cube.transpose(axes).tofile(path)
    kind = bands[0].dtype.str[1:]
    rows, columns = bands[0].shape
    path.with_name(f"{path.name}.xml").write_text(
        image_text(path.name, (rows, columns), len(bands), kind, scheme, order), encoding="utf-8"
    )
    path.with_name(f"{path.name}.vrt").write_text(
        vrt_text(path.name, (rows, columns), len(bands), kind, scheme, order), encoding="utf-8"
    )


def image_text(name: str, shape: tuple[int, int], bands: int, kind: str, scheme: str, order: str) -> str:
    """Return ISCE's header of an image."""
    axes = "".join(
        f'    <component name="coordinate{number}">\n        <factorymodule>isceobj.Image</factorymodule>\n'
        f"{_properties({'delta': 1, 'endingvalue': size, 'size': size, 'startingvalue': 0}, 8)}    </component>\n"
        for number, size in ((1, shape[1]), (2, shape[0]))
    )
    facts = {
        "access_mode": "read",
        "byte_order": "l" if order == "<" else "b",
        "data_type": _TYPES[kind],
        "file_name": f"./{name}",
        "length": shape[0],
        "number_bands": bands,
        "scheme": scheme,
        "width": shape[1],
    }
    return f"<imageFile>\n{axes}{_properties(facts, 4)}</imageFile>\n"


def vrt_text(name: str, shape: tuple[int, int], bands: int, kind: str, scheme: str, order: str) -> str:
    """Return GDAL's description of a raw image."""
    size, (rows, columns) = int(kind[1:]), shape
    apart, pixel, line = {
        "BIL": (columns * size, size, columns * size * bands),
        "BIP": (size, size * bands, columns * size * bands),
        "BSQ": (rows * columns * size, size, columns * size),
    }[scheme]
    types = {"f4": "Float32", "f8": "Float64", "u1": "Byte", "c8": "CFloat32"}
    text = f'<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}">\n'
    for band in range(bands):
        text += (
            f'    <VRTRasterBand band="{band + 1}" dataType="{types[kind]}" subClass="VRTRawRasterBand">\n'
            f'        <SourceFilename relativeToVRT="1">{name}</SourceFilename>\n'
            f"        <ByteOrder>{'LSB' if order == '<' else 'MSB'}</ByteOrder>\n"
            f"        <ImageOffset>{band * apart}</ImageOffset>\n        <PixelOffset>{pixel}</PixelOffset>\n"
            f"        <LineOffset>{line}</LineOffset>\n    </VRTRasterBand>\n"
        )
    return f"{text}</VRTDataset>\n"


def _properties(facts: Mapping[str, object], indent: int) -> str:
    space = " " * indent
    return "".join(
        f'{space}<property name="{name}">\n{space}    <value>{value}</value>\n{space}</property>\n'
        for name, value in facts.items()
    )


def _write_geometry(stack: RadarStack, folder: Path, looks: tuple[int, int]) -> None:
    angles = [stack.incidence_deg.astype(np.float32), stack.azimuth_deg.astype(np.float32)]
    write_image(folder / "hgt.rdr", [stack.height.astype(np.float64)], "BIL")
    write_image(folder / "lat.rdr", [np.asarray(stack.latitude, np.float64)], "BIL")
    write_image(folder / "lon.rdr", [np.asarray(stack.longitude, np.float64)], "BIL")
    write_image(folder / "los.rdr", angles, "BIL")
    write_image(folder / "shadowMask.rdr", [np.zeros(stack.height.shape, np.uint8)], "BIL")
    write_image(folder / "waterMask.rdr", [stack.water.astype(np.uint8)], "BIL")
    full = (stack.height.shape[0] * looks[0], stack.height.shape[1] * looks[1])
    text = image_text("hgt.rdr.full", full, 1, "f8", "BIL", "<")
    (folder / "hgt.rdr.full.xml").write_text(text, encoding="utf-8")


def _write_baselines(stack: RadarStack, folder: Path) -> None:
    """Write the baseline of every date against the first, as far as the pairs join them."""
    dates = sorted({date for pair in stack.pairs for date in (pair.ref, pair.sec)})
    rows = np.zeros((len(stack.pairs), len(dates)))
    for k, pair in enumerate(stack.pairs):
        rows[k, dates.index(pair.ref)], rows[k, dates.index(pair.sec)] = -1.0, 1.0
    solved = np.linalg.lstsq(rows[:, 1:], np.asarray(stack.bperp), rcond=None)[0]
    first = str(dates[0])[:10].replace("-", "")
    for date, value in zip(dates[1:], solved, strict=True):
        name = f"{first}_{str(date)[:10].replace('-', '')}"
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"swath: IW{k}\nBperp (average): {value:.9f}\nBpar (average): 0.0\n" for k in (1, 2))
        (place / f"{name}.txt").write_text(lines, encoding="utf-8")


def swath_text(stack: RadarStack, looks: tuple[int, int]) -> str:
    """Return the metadata of a swath of the reference image: one burst and the orbit around it."""
    facts = stack.attributes
    first = min(pair.ref for pair in stack.pairs)
    middle = datetime.fromisoformat(str(first)[:10]).replace(tzinfo=UTC).replace(tzinfo=None)
    middle += timedelta(seconds=float(facts["CENTER_LINE_UTC"]))
    half = timedelta(seconds=stack.height.shape[0] * looks[0] * _LINE_S / 2)
    burst = {
        "azimuthtimeinterval": _LINE_S,
        "burstnumber": 1,
        "burststartutc": middle - half,
        "burststoputc": middle + half,
        "passdirection": facts["ORBIT_DIRECTION"],
        "polarization": "vv",
        "pulserepetitionfrequency": 1717.128973878037,
        "radarwavelength": facts["WAVELENGTH"],
        "rangepixelsize": float(facts["RANGE_PIXEL_SIZE"]) / looks[1],
        "startingrange": facts["STARTING_RANGE"],
        "swathnumber": 2,
        "tracknumber": facts.get("trackNumber", "1"),
    }
    states = ""
    for k in range(_STATES):
        place, speed = _state(stack, (k - _STATES // 2) * 10.0)
        moment = {"time": middle + timedelta(seconds=(k - _STATES // 2) * 10.0)}
        vectors = {"position": f"[{', '.join(map(repr, place))}]", "velocity": f"[{', '.join(map(repr, speed))}]"}
        states += f'<component name="statevector{k + 1}">\n{_properties({**moment, **vectors}, 8)}</component>\n'
    return (
        '<productmanager_name>\n<component name="instance">\n<component name="bursts">\n<component name="burst1">\n'
        f"{_properties(burst, 8)}"
        f'<component name="orbit">\n<component name="statevectors">\n{states}</component>\n</component>\n'
        "</component>\n</component>\n</component>\n</productmanager_name>\n"
    )


def _state(stack: RadarStack, seconds: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return place and velocity of a satellite that flies over the middle of the scene in a circle about the Earth."""
    facts = stack.attributes
    heading, height = np.radians(float(facts["HEADING"])), float(facts["HEIGHT"])
    longitude, latitude = float(np.mean(stack.longitude)), float(np.mean(stack.latitude))
    change = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    middle = np.array(change.transform(longitude, latitude, height))
    east, north = np.radians(longitude), np.radians(latitude)
    to_east = np.array([-np.sin(east), np.cos(east), 0.0])
    to_north = np.array([-np.sin(north) * np.cos(east), -np.sin(north) * np.sin(east), np.cos(north)])
    along = np.sin(heading) * to_east + np.cos(heading) * to_north
    radius = float(np.linalg.norm(middle))
    up = middle / radius
    along -= (along @ up) * up
    along /= np.linalg.norm(along)
    turn = _SPEED_M_S * seconds / radius
    place = radius * (np.cos(turn) * up + np.sin(turn) * along)
    speed = _SPEED_M_S * (np.cos(turn) * along - np.sin(turn) * up)
    return tuple(map(float, place)), tuple(map(float, speed))
