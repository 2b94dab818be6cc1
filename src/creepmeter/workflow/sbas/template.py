"""MintPy templates: ``key = value  # comment``, read with MintPy's meanings and defaults."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import Field

from creepmeter.errors import ConfigError
from creepmeter.io.text import read_page
from creepmeter.model.options import Options
from creepmeter.workflow.sbas.template_keys import FORMER, FORMER_PREFIXES, KEYS, PREFIX, Key

if TYPE_CHECKING:
    from creepmeter.corrections.series_options import (
        HeightCorrelationOptions,
        RampOptions,
        ResidualOptions,
        TopographyOptions,
    )
    from creepmeter.corrections.weather_options import WeatherOptions
    from creepmeter.geometry.options import GeocodeOptions
    from creepmeter.interferograms.load_options import LoadOptions
    from creepmeter.inversion.options import NetworkInversionOptions
    from creepmeter.pairs.network_options import NetworkOptions
    from creepmeter.stack.reference import ReferenceOptions
    from creepmeter.stack.unwrap_options import UnwrapOptions
    from creepmeter.velocity.options import TimeFunctionOptions

AUTO = ("auto", "def", "default")
ATTRIBUTES = (  # of the data, that archives ask for and processors do not tell
    "mission", "beam_mode", "beam_swath", "relative_orbit", "first_frame", "last_frame", "atmos_correct_method",
    "processing_dem", "unwrap_method",
)  # fmt: skip
_COMMENTS = ("#", "%", "!")
_CLOSE = 0.6  # likeness of a known key that is worth a hint


@dataclass(frozen=True, slots=True)
class Entry:
    """What a template says of one key.

    Parameters
    ----------
    text : str
        The value as written, without comment.
    path : Path
        The template.
    line : int
        From 1.
    """

    text: str
    path: Path
    line: int

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}, line {self.line}"


class ComputeOptions(Options):
    """What a run may use of the machine."""

    memory_gb: float = Field(4.0, gt=0, allow_inf_nan=False, description="Memory to keep within, gigabytes")


class SaveOptions(Options):
    """What is written for other programs after the run."""

    geocode: bool = Field(default=True, description="Bring products of radar geometry to latitude and longitude")
    kmz: bool = Field(default=True, description="Write the velocity for Google Earth")
    hdfeos5: bool = Field(default=False, description="Write the series as HDF-EOS5")


class PlotOptions(Options):
    """Figures of the main products in ``pic/``."""

    plot: bool = Field(default=True, description="Draw them")
    dpi: int = Field(150, ge=10, le=2000, description="Dots per inch")


@dataclass(frozen=True)
class SbasTemplate:
    """A checked template, or several of which the later ones win.

    Parameters
    ----------
    entries : mapping of str to Entry
        What was written, by name of the key without ``mintpy.``; former names are turned into today's.
    warnings : tuple of str
        Unknown keys, keys given twice, values without effect.
    paths : tuple of Path
        The files, in the order read.
    folder : Path
        Work folder: names of text files and masks start from it.
    attributes : mapping of str to str
        What they say of the data, for HDF-EOS5: mission, beam_mode and the like.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    folder: Path = Path()
    attributes: Mapping[str, str] = field(default_factory=dict)

    def is_given(self, name: str) -> bool:
        """Tell whether a key has a value of its own, other than auto."""
        return name in self.entries and self.entries[name].text.lower() not in AUTO

    def text(self, name: str) -> str:
        """Return the text of a key, with what auto stands for."""
        return self.entries[name].text if self.is_given(name) else KEYS[name].default

    def __getitem__(self, name: str) -> object:
        """Return the value of a key, such as ``network.tempBaseMax``.

        Raises
        ------
        ConfigError
            The text is no value of this key.
        """
        return _value(KEYS[name], self.text(name), self.entries.get(name))

    @cached_property
    def load(self) -> LoadOptions:
        """Options of load_data."""
        from creepmeter.workflow.sbas.template_options import load_options

        return load_options(self)

    @cached_property
    def network(self) -> NetworkOptions:
        """Options of modify_network."""
        from creepmeter.workflow.sbas.template_options import network_options

        return network_options(self)

    @cached_property
    def reference(self) -> ReferenceOptions:
        """Options of reference_point."""
        from creepmeter.workflow.sbas.template_options import reference_options

        return reference_options(self)

    @cached_property
    def unwrap(self) -> UnwrapOptions:
        """Options of correct_unwrap_error."""
        from creepmeter.workflow.sbas.template_options import unwrap_options

        return unwrap_options(self)

    @cached_property
    def invert(self) -> NetworkInversionOptions:
        """Options of invert_network."""
        from creepmeter.workflow.sbas.template_options import invert_options

        return invert_options(self)

    @cached_property
    def velocity(self) -> TimeFunctionOptions:
        """Options of velocity."""
        from creepmeter.workflow.sbas.template_options import velocity_options

        return velocity_options(self)

    @cached_property
    def height_correlation(self) -> HeightCorrelationOptions:
        """Options of correct_troposphere by height."""
        from creepmeter.workflow.sbas.template_options import height_correlation_options

        return height_correlation_options(self)

    @cached_property
    def ramp(self) -> RampOptions:
        """Options of deramp."""
        from creepmeter.workflow.sbas.template_options import ramp_options

        return ramp_options(self)

    @cached_property
    def topography(self) -> TopographyOptions:
        """Options of correct_topography."""
        from creepmeter.workflow.sbas.template_options import topography_options

        return topography_options(self)

    @cached_property
    def residual(self) -> ResidualOptions:
        """Options of residual_RMS."""
        from creepmeter.workflow.sbas.template_options import residual_options

        return residual_options(self)

    @cached_property
    def weather(self) -> WeatherOptions:
        """Options of correct_troposphere by weather models and maps of delay."""
        from creepmeter.workflow.sbas.template_options import weather_options

        return weather_options(self)

    @cached_property
    def geocoding(self) -> GeocodeOptions:
        """Options of geocode."""
        from creepmeter.workflow.sbas.template_options import geocode_options

        return geocode_options(self)

    @cached_property
    def compute(self) -> ComputeOptions:
        """What the run may use of the machine."""
        return ComputeOptions.model_validate({"memory_gb": self["compute.maxMemory"]})

    @cached_property
    def save(self) -> SaveOptions:
        """What is written for other programs."""
        keys = {"geocode": "geocode", "kmz": "save.kmz", "hdfeos5": "save.hdfEos5"}
        return SaveOptions.model_validate({name: self[key] for name, key in keys.items()})

    @cached_property
    def plot(self) -> PlotOptions:
        """Figures of the main products."""
        return PlotOptions.model_validate({"plot": self["plot"], "dpi": self["plot.dpi"]})

    @cached_property
    def values(self) -> Mapping[str, object]:
        """All values by key, those of auto included."""
        return MappingProxyType({name: self[name] for name in KEYS})


def read_template(paths: str | Path | Sequence[str | Path], *, folder: str | Path = ".") -> SbasTemplate:
    """Read a template, or several of which the later ones win.

    Parameters
    ----------
    paths : path or sequence of path
        Text files of lines ``key = value  # comment``.
    folder : path
        Work folder: names of text files and masks in the values start from it.

    Returns
    -------
    SbasTemplate
        Values and typed options.

    Raises
    ------
    ConfigError
        A file cannot be read, or values are wrong: file, line and key are named.
    """
    files = tuple(Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths))
    entries: dict[str, Entry] = {}
    warnings: list[str] = []
    for path in files:
        entries |= _read_entries(path, warnings)
    wrong = []
    for name, entry in entries.items():
        try:
            _value(KEYS[name], entry.text if entry.text.lower() not in AUTO else KEYS[name].default, entry)
        except ConfigError as problem:
            wrong.append(str(problem))
        if KEYS[name].unused and entry.text.lower() not in AUTO:
            warnings.append(f"{entry.place}: {PREFIX}{name} has no effect: {KEYS[name].unused}")
    if wrong:
        raise ConfigError("\n".join(wrong))
    told = {_attribute(name): text for path in files for _, name, text in _lines(path) if _attribute(name) and text}
    return SbasTemplate(MappingProxyType(entries), tuple(warnings), files, Path(folder), MappingProxyType(told))


def _attribute(name: str) -> str:
    """Return the attribute of the data that a key gives, empty for any other key."""
    plain = name.lower().removeprefix("hdfeos5.").removeprefix("unavco.")
    return plain if plain in ATTRIBUTES else ""


def _value(key: Key, text: str, entry: Entry | None) -> object:
    try:
        return key.kind.read(text)
    except ValueError as problem:
        where = f"{entry.place}: " if entry is not None else ""
        message = f"{where}{PREFIX}{key.name} = {text}: allowed are {key.kind.allowed} or auto ({problem})"
        raise ConfigError(message) from problem


def _read_entries(path: Path, warnings: list[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for line, name, text in _lines(path):
        entry = Entry(text, path, line)
        known = known_key(name)
        if _attribute(name):
            continue
        if known is None:
            warnings.append(f"{entry.place}: unknown key {name!r}, not used{_hint(name)}")
        elif not text:
            warnings.append(f"{entry.place}: {name} has no value, taken as auto")
        else:
            if known in found:
                warnings.append(f"{entry.place}: {name} was given in line {found[known].line} already; this one counts")
            found[known] = entry
    return found


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, key and value."""
    if not path.is_file():
        message = f"{path}: no such template; `creepmeter sbas -g` writes one with every key"
        raise ConfigError(message)
    for number, line in enumerate(read_page(path, "a template is a page of text").splitlines(), 1):
        content = line.strip()
        if not content or content.startswith(_COMMENTS) or "=" not in content:
            continue
        name, _, rest = content.partition("=")
        yield number, name.strip(), rest.split("#")[0].strip().strip("'\"")


def known_key(name: str) -> str | None:
    """Return the name of a key without prefix, for today's and former names; None for unknown ones."""
    for prefix in (PREFIX, *FORMER_PREFIXES):
        if name.startswith(prefix):
            bare = name.removeprefix(prefix)
            return bare if bare in KEYS else FORMER.get(bare)
    return None


def _hint(name: str) -> str:
    bare = name
    for prefix in (PREFIX, *FORMER_PREFIXES):
        bare = bare.removeprefix(prefix)
    close = difflib.get_close_matches(bare, [*KEYS, *FORMER], 1, _CLOSE)
    return f"; did you mean {PREFIX}{FORMER.get(close[0], close[0])}?" if close else ""
