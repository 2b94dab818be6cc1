"""A work folder in MintPy's layout: where things lie in it, and what a run of it knows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import StoreError
from creepmeter.interferograms.load_options import KEY
from creepmeter.io.mintpy import edit, hdf
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.product import read_attributes, read_tables
from creepmeter.io.mintpy.sidecar import sidecar_of
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_arrays, digest_file, digest_text
from creepmeter.workflow.sbas.template import SbasTemplate

SERIES, VELOCITY = "timeseries.h5", "velocity.h5"
WATER, COMPONENTS, COHERENCE = "waterMask.h5", "maskConnComp.h5", "avgSpatialCoh.h5"
TEMPORAL_COHERENCE, PAIR_COUNT, RELIABLE = "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5"
STACKED, TRIPLETS = "avgPhaseVelocity.h5", "numTriNonzeroIntAmbiguity.h5"
INVERTED = (SERIES, TEMPORAL_COHERENCE, PAIR_COUNT, RELIABLE)
OFFSETS_INVERTED = tuple(
    f"{name}{axis}.h5" for axis in ("Rg", "Az") for name in ("timeseries", "residualInv", "numInvOff")
)
VELOCITIES = {SERIES: VELOCITY, "timeseriesRg.h5": "velocityRg.h5", "timeseriesAz.h5": "velocityAz.h5"}
HEIGHT_ERROR, RESIDUAL = "demErr.h5", "timeseriesResidual.h5"
REFERENCE_DATE, EXCLUDED = "reference_date.txt", "exclude_date.txt"
PAIR_TABLE, REPORT, PICTURES = "coherenceSpatialAvg.txt", "report.html", "pic"
GEOCODED = "geo"  # folder of products of radar images on a map
CORRECTED = "unwrapPhase_"  # how datasets of corrected phase begin
_STACKS = ("ifgramStack.h5", "offsetStack.h5")
_GEO, _RADAR = "geometryGeo.h5", "geometryRadar.h5"
_NOT_CONTENT = ("CREEPMETER_PROVENANCE", "FILE_PATH")
_MAP_RANKS = (2, 3)
_TABLES = ("date", "bperp")
_SAMPLED_LAYERS = 8
_SAMPLED_ROWS = 4
_STRIP_BYTES = 2**25
State = tuple[int, int, int, int]


def geocoded(name: str) -> str:
    """Return where the geocoded form of a product of the work folder lies.

    Examples
    --------
    >>> geocoded("velocity.h5")
    'geo/geo_velocity.h5'
    """
    return f"{GEOCODED}/geo_{name}"


def work_folder(file: Path) -> Path:
    """Return the work folder that a file belongs to: the one above ``inputs``, else the one it lies in."""
    parent = file.resolve().parent
    return parent.parent if parent.name == "inputs" else parent


@dataclass(frozen=True)
class WorkFolder:
    """Where the files of a run lie.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def inputs(self) -> Path:
        """Folder of stack and geometry."""
        return self.path / "inputs"

    @property
    def is_loaded(self) -> bool:
        """Whether there is a stack."""
        return any((self.inputs / name).is_file() for name in _STACKS)

    @property
    def is_ours(self) -> bool:
        """Whether this program loaded the stack."""
        return is_ours(self.stack_path())

    def stack_path(self) -> Path:
        """Return the stack.

        Raises
        ------
        StoreError
            There is none.
        """
        for name in _STACKS:
            if (self.inputs / name).is_file():
                return self.inputs / name
        message = (
            f"{self.inputs} holds no stack ({_STACKS[0]}): name the interferograms in the template "
            "(mintpy.load.unwFile ...) and start from load_data, or call this in the folder of a loaded project"
        )
        raise StoreError(message)

    def geometry_path(self) -> Path:
        """Return the geometry in the coordinates of the stack.

        Raises
        ------
        StoreError
            There is none.
        """
        geocoded = "Y_FIRST" in _attributes(self.stack_path())
        path = self.inputs / (_GEO if geocoded else _RADAR)
        if not path.is_file():
            message = (
                f"{path} is missing beside {self.stack_path().name}: start from load_data, with mintpy.load.demFile"
            )
            raise StoreError(message)
        return path

    def __truediv__(self, name: str) -> Path:
        """Return a product."""
        return self.path / name


@dataclass(frozen=True)
class SbasSetting:
    """A run of a work folder.

    Parameters
    ----------
    template : SbasTemplate
        All options.
    work : WorkFolder
        Where inputs and products lie.
    memory_gb : float
        Memory to keep within.
    in_place : bool
        Whether a stack that another program wrote may be changed itself.
    progress : Progress
        What shows how far the run has come.
    notes, left_out : list of str
        What a reader should know, and what was not done; steps add to them.
    """

    template: SbasTemplate
    work: WorkFolder
    memory_gb: float = 4.0
    in_place: bool = False
    progress: Progress = field(default_factory=NullProgress)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _known: dict[tuple[int, int], str] = field(default_factory=dict, repr=False)
    _opened: list[Any] = field(default_factory=list, repr=False)  # state of the files, and the stack as they have it

    def pixels(self) -> str:
        """Return the digest of the stack as it was loaded; see `pixels_identity`."""
        about = self.work.stack_path().stat()
        state = (about.st_mtime_ns, about.st_size)
        if state not in self._known:
            stack = self.stack()
            # Samples miss small changes: of a stack that was loaded here its sources count, of another its file.
            ours = "CREEPMETER_VERSION" in stack.attributes or self.in_place
            self._known[state] = digest_text(pixels_identity(stack), stack.attributes.get(KEY), None if ours else state)
        return self._known[state]

    @property
    def folder(self) -> Path:
        """The work folder as a path."""
        return self.work.path

    def stack(self) -> StackFile:
        """Return the stack as it is now."""
        path = self.work.stack_path()
        state = [_state(file) for file in (path, sidecar_of(path)) if file.exists()]
        if not self._opened or self._opened[0] != state:
            self._opened[:] = [state, StackFile.open(path, in_place=self.in_place)]
        found: StackFile = self._opened[1]
        return found

    def geometry(self) -> Path:
        """Return the geometry of the stack."""
        return self.work.geometry_path()


def is_ours(path: Path) -> bool:
    """Tell whether this program wrote an HDF5 file, or it is damaged and nobody's."""
    return is_damaged(path) or "CREEPMETER_VERSION" in _attributes(path)


def is_damaged(path: Path) -> bool:
    """Tell whether an HDF5 file is cut or no HDF5: a product is then made again. One that is held back is not."""
    try:
        _attributes(path)
    except StoreError as problem:
        cause = problem.__cause__
        return cause is not None and not isinstance(cause, (BlockingIOError, PermissionError))
    return False


def identity(path: Path) -> str:
    """Return what tells one content of a file from another, empty where there is none.

    Of an HDF5 file, attributes, tables, single maps and samples of series count; when it was made does not.
    """
    if not path.exists():
        return ""
    if path.suffix != ".h5":
        return digest_file(path)
    if is_damaged(path):
        return f"damaged, {path.stat().st_size} bytes"
    return _hdf_identity(path.resolve(), _state(path))


def _state(path: Path) -> State:
    """Return what changes when a file is written; see `edit.generation`."""
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns, edit.generation()


def attributes_of(path: Path) -> Mapping[str, str]:
    """Return the attributes of a file, read once as long as it does not change."""
    return _attributes(path)


@lru_cache(maxsize=256)
def _attributes_at(path: Path, _state: State) -> Mapping[str, str]:
    return MappingProxyType(read_attributes(path))


def _attributes(path: Path) -> Mapping[str, str]:
    return _attributes_at(path.resolve(), _state(path)) if path.is_file() else read_attributes(path)


@lru_cache(maxsize=256)
def _hdf_identity(path: Path, _state: State) -> str:
    digest = hashlib.sha256()
    with hdf.reading(path) as file:  # once for all that follows
        told = sorted((name, text) for name, text in _attributes(path).items() if name not in _NOT_CONTENT)
        tables = read_tables(path)
        digest.update(digest_text(told, {name: digest_arrays(tables[name]) for name in sorted(tables)}).encode())
        for item in hdf.datasets_of(file).values():
            if not _is_map(item):
                continue
            array = StoredArray.of(path, item)
            if array.shape[0] == 1:
                digest.update(_map_identity(array).encode())
            else:
                array.add_to(digest)
    return digest.hexdigest()


def _map_identity(array: StoredArray) -> str:
    """Return a digest of all pixels of a map: a mask that was drawn by hand may differ in a few."""
    digest = hashlib.sha256(f"{array.name}:{array.dtype.str}{array.shape}".encode())
    tall = max(_STRIP_BYTES // max(array.shape[2] * array.dtype.itemsize, 1), 1)
    for top in range(0, array.shape[1], tall):
        digest.update(np.ascontiguousarray(array.read(slice(top, top + tall))).tobytes())
    return digest.hexdigest()


def _is_map(item: Any) -> bool:  # noqa: ANN401 - a dataset of h5py, which stays in io
    return item.ndim in _MAP_RANKS and item.dtype.kind in "biufc" and item.name.lstrip("/") not in _TABLES


def pixels_identity(stack: StackFile) -> str:
    """Return a digest of a stack as it was loaded: pairs, baselines, sampled pixels; no flag or attribute of a step."""
    names = [name for name in stack.names if not name.startswith(CORRECTED)]
    dates = np.array([[pair.ref, pair.sec] for pair in stack.pairs])
    return digest_text(
        digest_arrays(dates, stack.bperp), list(stack.shape), {name: layer_identity(stack, name) for name in names}
    )


def layer_identity(stack: StackFile, name: str) -> str:
    """Return a digest of a dataset of a stack: of sampled rows, and of what a correction was made from."""
    count, rows, _ = stack.shape
    stored = stack.stored(name)
    with hdf.reading(stored.path) as file:
        made_from = str(file[stored.name].attrs.get("CREEPMETER_KEY", ""))
    layers = np.unique(np.linspace(0, count - 1, min(count, _SAMPLED_LAYERS)).round().astype(int))
    samples = []
    for k, layer in enumerate(layers):
        first = max((rows - _SAMPLED_ROWS) * (k + 1) // (len(layers) + 1), 0)
        samples.append(stack.read(name, slice(first, first + _SAMPLED_ROWS), pairs=np.array([layer])))
    return digest_text(digest_arrays(*samples), made_from)
