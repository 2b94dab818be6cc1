"""Files in MintPy's layout as Datasets of the data model: metres, NaN where nothing was measured, nothing read."""

from __future__ import annotations

from pathlib import Path

import h5py
import xarray as xr

from creepmeter.io.mintpy import hdf, sidecar
from creepmeter.io.mintpy.contents import read_contents
from creepmeter.io.mintpy.kinds import open_as


def open_mintpy(path: str | Path) -> xr.Dataset:
    """Open a file in MintPy's layout lazily, as what it is.

    Parameters
    ----------
    path : str or Path
        A stack of interferograms or offsets, a series, a velocity, a geometry, a mask, or any map.

    Returns
    -------
    xarray.Dataset
        A PairStack, a TimeSeries, a MotionModel, or a Dataset of the maps under their names. Displacement is in metres,
        positive toward the satellite. Zeros that stand for nothing are NaN. The attributes of the file are kept, as
        JSON text, in the attribute ``mintpy``.

    Raises
    ------
    StoreError
        The file is damaged, or its parts do not fit together.
    """
    return open_as(read_contents(Path(path)))


def is_mintpy(file: h5py.File) -> bool:
    """Tell whether an open HDF5 file is in MintPy's layout, or holds edits of such a file."""
    return "FILE_TYPE" in file.attrs or sidecar.overlay_of(hdf.text_attributes(file)) is not None
