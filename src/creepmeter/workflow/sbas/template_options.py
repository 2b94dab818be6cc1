"""From the keys of a template to the options of the steps.

A key fills the option of the same name: ``network.tempBaseMax`` is ``NetworkOptions.temp_base_max``. The tables below
name what is called otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from creepmeter.corrections.series_options import (
    HeightCorrelationOptions,
    RampOptions,
    ResidualOptions,
    TopographyOptions,
)
from creepmeter.corrections.weather_options import WeatherOptions
from creepmeter.errors import ConfigError
from creepmeter.geometry.options import GeocodeOptions
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.model.options import Options
from creepmeter.pairs.network_options import NetworkOptions
from creepmeter.stack.reference import ReferenceOptions
from creepmeter.stack.unwrap_options import UnwrapOptions
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.workflow.sbas.template_keys import KEYS, PREFIX

AnyOptions = TypeVar("AnyOptions", bound=Options)
Renames = Mapping[str, str | None]


class Template(Protocol):
    """What is needed of a template: see `creepmeter.workflow.sbas.template.SbasTemplate`."""

    @property
    def entries(self) -> Mapping[str, Any]:
        """What was written, by key; each has a `place`."""

    def text(self, name: str) -> str:
        """Return the text of a key, with what auto stands for."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - of the kind of the key
        """Return the value of a key."""


def field_name(key: str) -> str:
    """Return the customary option of a key: the last part of its name, in words.

    Examples
    --------
    >>> field_name("network.tempBaseMax")
    'temp_base_max'
    """
    last = key.rpartition(".")[2]
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])", "_", last).lower()


def fill(
    model: type[AnyOptions],
    template: Template,
    keys: Sequence[str],
    renames: Renames,
    **changes: Any,  # noqa: ANN401 - values of any option
) -> AnyOptions:
    """Return options filled from template values.

    Parameters
    ----------
    model : type of Options
        What to fill.
    template : Template
        Where the values come from.
    keys : sequence of str
        Keys to take, without prefix.
    renames : mapping
        Option of a key whose option has another name; None = the key fills none.
    **changes
        Options that are not simply the value of a key.

    Raises
    ------
    ConfigError
        The model refuses a value.
    """
    fields = {key: renames.get(key, field_name(key)) for key in keys}
    given = {name: template[key] for key, name in fields.items() if name is not None} | changes
    try:
        return model.model_validate(given)
    except ValidationError as problem:
        named = {name: key for key, name in fields.items() if name is not None}
        raise ConfigError("\n".join(_explain(error, named, template) for error in problem.errors())) from problem


def _explain(error: Any, keys: Mapping[str, str], template: Template) -> str:  # noqa: ANN401 - pydantic's
    name = str(error["loc"][0]) if error["loc"] else ""
    key = keys.get(name)
    if key is None:
        return f"{name or 'template'}: {error['msg']} (got {error['input']!r})"
    where = f"{template.entries[key].place}: " if key in template.entries else ""
    return f"{where}{PREFIX}{key} = {template.text(key)}: {error['msg']}"


def keys_of(*groups: str, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the keys that start with one of some group names, such as ``network.``."""
    return tuple(name for name in KEYS if name.startswith(groups) and name not in without)


_LOAD: Renames = {
    "load.updateMode": "update",
    "subset.yx": "subset_yx",
    "subset.lalo": "subset_lalo",
    "multilook.method": "multilook_method",
    "multilook.ystep": "multilook_y",
    "multilook.xstep": "multilook_x",
}
_NOT_LOADED = tuple(f"load.{name}" for name in ("frequency", "ionUnwFile", "ionCorFile", "ionConnCompFile"))


def load_options(template: Template) -> LoadOptions:
    """Return the options of load_data."""
    keys = keys_of("load.", "subset.", "multilook.", without=_NOT_LOADED)
    return fill(LoadOptions, template, keys, _LOAD, looks_rule="mintpy")


_IONOSPHERE = {"unw_file": "ionUnwFile", "cor_file": "ionCorFile", "conn_comp_file": "ionConnCompFile"}
_OF_PHASE = ("int_file", "mag_file", "az_off_file", "rg_off_file", "az_off_std_file", "rg_off_std_file", "off_snr_file")


def ionosphere_load_options(template: Template) -> LoadOptions | None:
    """Return the options for loading ionospheric interferograms; None where the template names none."""
    named = {field: template[f"load.{key}"] for field, key in _IONOSPHERE.items()}
    if named["unw_file"] is None:
        return None
    others = dict.fromkeys((*_OF_PHASE, "bperp_file"))
    return load_options(template).override({**others, **named}, step="correct_ionosphere")


_NETWORK: Renames = {"network.excludeDate12": "exclude_pairs", "network.excludeIfgIndex": "exclude_index"}


def network_options(template: Template) -> NetworkOptions:
    """Return the options of modify_network."""
    dates = template["network.excludeDate"]
    listed = (dates,) if isinstance(dates, str) else dates
    return fill(NetworkOptions, template, keys_of("network."), _NETWORK, exclude_date=listed)


def reference_options(template: Template) -> ReferenceOptions:
    """Return the options of reference_point."""
    return fill(ReferenceOptions, template, keys_of("reference.", without=("reference.date",)), {})


_UNWRAP: Renames = {"unwrapError.bridgePtsRadius": "bridge_points_radius"}


def unwrap_options(template: Template) -> UnwrapOptions:
    """Return the options of correct_unwrap_error."""
    words = {name: template[f"unwrapError.{name}"] or "no" for name in ("method", "ramp")}
    return fill(UnwrapOptions, template, keys_of("unwrapError."), _UNWRAP, **words)


_SPENT = ("networkInversion.walltime",)


def invert_options(template: Template) -> NetworkInversionOptions:
    """Return the options of invert_network; the phase is that which the template has corrected."""
    keys = keys_of("networkInversion.", without=_SPENT)
    changes = {"obs_dataset": corrected_name(template)}
    return fill(NetworkInversionOptions, template, keys, {}, **changes)


def corrected_name(template: Template) -> str:
    """Return the dataset of the stack that holds the phase after the corrections that the template asks for."""
    method = template["unwrapError.method"]
    words = {"bridging": "bridging", "phase_closure": "phaseClosure"}
    return "_".join(["unwrapPhase", *(words[part] for part in str(method).split("+") if method)])


def velocity_options(template: Template) -> TimeFunctionOptions:
    """Return the options of velocity."""
    dates = template["timeFunc.excludeDate"]
    listed = (dates,) if isinstance(dates, str) else dates
    return fill(TimeFunctionOptions, template, keys_of("timeFunc."), {}, exclude_date=listed)


_HEIGHT = tuple(f"troposphericDelay.{name}" for name in ("polyOrder", "looks", "minCorrelation"))


def height_correlation_options(template: Template) -> HeightCorrelationOptions:
    """Return the options of correct_troposphere by height."""
    return fill(HeightCorrelationOptions, template, _HEIGHT, {})


def ramp_options(template: Template) -> RampOptions:
    """Return the options of deramp."""
    return fill(RampOptions, template, keys_of("deramp"), {"deramp": None}, ramp=template["deramp"] or "no")


def topography_options(template: Template) -> TopographyOptions:
    """Return the options of correct_topography."""
    dates = template["topographicResidual.excludeDate"]
    listed = (dates,) if isinstance(dates, str) else dates
    return fill(TopographyOptions, template, keys_of("topographicResidual."), {}, exclude_date=listed)


def residual_options(template: Template) -> ResidualOptions:
    """Return the options of residual_RMS."""
    ramp = template["residualRMS.deramp"] or "no"
    return fill(ResidualOptions, template, keys_of("residualRMS."), {}, deramp=ramp)


_WEATHER: Renames = {"troposphericDelay.weatherModel": "model"}


def weather_options(template: Template) -> WeatherOptions:
    """Return the options of correct_troposphere by weather models and maps of delay."""
    keys = ("troposphericDelay.weatherModel", "troposphericDelay.missing", "troposphericDelay.time")
    return fill(WeatherOptions, template, keys, _WEATHER)


def geocode_options(template: Template) -> GeocodeOptions:
    """Return the options of geocode."""
    return fill(GeocodeOptions, template, keys_of("geocode."), {})
