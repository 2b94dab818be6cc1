"""GMT's grids written strip by strip: netCDF-4 after COARDS and CF, with the reference system beside the map."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt
from pyproj import CRS

from creepmeter.io import swap

_MAPPING = "crs"
_CHUNK = 128
_DEFLATE = 4
_AXES = {
    True: (("lon", "longitude", "degrees_east"), ("lat", "latitude", "degrees_north")),
    False: (("x", "projection_x_coordinate", "m"), ("y", "projection_y_coordinate", "m")),
}
Floats = npt.NDArray[np.float64]


class GridWriter:
    """A grid of GMT, pixel registered, rows from south to north; it takes its name when it is whole.

    Parameters
    ----------
    path : Path
        File to make or replace.
    x, y : array
        Centres of columns and rows, rising.
    crs : str
        Reference system as WKT.
    geographic : bool
        The axes are longitude and latitude.
    title, name, unit : str
        Of the file, and of the values.
    """

    def __init__(
        self, path: Path, x: Floats, y: Floats, *, crs: str, geographic: bool, title: str, name: str, unit: str
    ) -> None:
        self._path, self._partial = path, swap.partial_of(path)
        self._low, self._high = np.inf, -np.inf
        with swap.file_errors(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self._partial, "w", track_order=True)
            self._lay_out(x, y, crs, geographic)
            self._map.attrs.update({"long_name": _text(name), "units": _text(unit)})
            self._file.attrs.update({"Conventions": _text("CF-1.8"), "title": _text(title), "node_offset": np.int32(1)})

    def _lay_out(self, x: Floats, y: Floats, crs: str, geographic: bool) -> None:  # noqa: FBT001 - private
        for (name, standard, unit), centres in zip(_AXES[geographic], (x, y), strict=True):
            half = (centres[-1] - centres[0]) / (len(centres) - 1) / 2 if len(centres) > 1 else 0.5
            axis = self._file.create_dataset(name, data=centres)
            axis.make_scale(name)
            axis.attrs.update({"standard_name": _text(standard), "long_name": _text(name), "units": _text(unit)})
            axis.attrs.update({"axis": _text(name[0].upper() if not geographic else "XY"[name == "lat"])})
            axis.attrs["actual_range"] = np.array([centres[0] - half, centres[-1] + half])  # edges, of pixels
        mapping = self._file.create_dataset(_MAPPING, data=np.int32(0))
        for key, value in {**CRS.from_wkt(crs).to_cf(), "spatial_ref": crs}.items():
            mapping.attrs[key] = _text(value) if isinstance(value, str) else value
        shape = len(y), len(x)
        self._map: Any = self._file.create_dataset(
            "z", shape, np.float32, chunks=tuple(min(_CHUNK, size) for size in shape), compression="gzip",
            compression_opts=_DEFLATE, shuffle=True, fillvalue=np.float32(np.nan),
        )  # fmt: skip
        self._map.attrs["_FillValue"] = np.array([np.nan], np.float32)
        self._map.attrs["grid_mapping"] = _text(_MAPPING)
        for number, (name, _, _) in enumerate(reversed(_AXES[geographic])):
            self._map.dims[number].attach_scale(self._file[name])

    def put(self, rows: slice, values: npt.ArrayLike) -> None:
        """Write rows, counted from the south."""
        part = np.asarray(values, np.float32)
        with swap.file_errors(self._path, "write"):
            self._map[rows] = part
        known = part[np.isfinite(part)]
        if known.size:
            self._low, self._high = min(self._low, float(known.min())), max(self._high, float(known.max()))

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or drop it when something went wrong."""
        try:
            with swap.file_errors(self._path, "write"):
                if self._low <= self._high:
                    self._map.attrs["actual_range"] = np.array([self._low, self._high])
                self._file.close()
                if kind is None:
                    swap.replace(self._partial, self._path)
        finally:
            swap.remove(self._partial)


def _text(value: str) -> np.bytes_:
    """Return text as netCDF-C and GMT read it from attributes."""
    return np.bytes_(value.encode())
