"""The steps of a small-baseline run, by MintPy's names: what each depends on, what it leaves, who makes it.

A step is added by giving it an entry of the table. What it needs but does not find, it names and leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from creepmeter.errors import ConfigError
from creepmeter.workflow.sbas import (
    correct,
    geocode,
    google_earth,
    hdfeos5,
    ionosphere_step,
    make,
    tide_step,
    troposphere,
)
from creepmeter.workflow.sbas.chain import SUFFIXES
from creepmeter.workflow.sbas.folder import SbasSetting
from creepmeter.workflow.sbas.make import Made

State = Mapping[str, str]


def _nothing(_run: SbasSetting) -> object:
    return ""


@dataclass(frozen=True)
class SbasStep:
    """One step.

    Parameters
    ----------
    name : str
        As in ``--dostep``.
    depends : callable
        Setting -> what its result depends on, as plain values: options and digests of what lies on disk.
    leaves : callable
        Setting -> what it left on disk, as digests by name; what is missing is empty.
    make : callable
        Does the work.
    wanted : callable
        Setting -> whether there is anything to do.
    alias : str
        Former name.
    always : bool
        It is called each time, and finds out by itself what is up to date.
    changes : tuple of str
        Earlier steps whose products it changes in their place.
    """

    name: str
    depends: Callable[[SbasSetting], object]
    leaves: Callable[[SbasSetting], State]
    make: Callable[[SbasSetting], Made]
    wanted: Callable[[SbasSetting], bool] = lambda _run: True
    alias: str = ""
    always: bool = False
    changes: tuple[str, ...] = ()


STEPS: tuple[SbasStep, ...] = (
    SbasStep("load_data", _nothing, make.load_leaves, make.load, always=True),
    SbasStep("modify_network", make.network_depends, make.network_leaves, make.network),
    SbasStep("reference_point", make.reference_depends, make.reference_leaves, make.reference),
    SbasStep(
        "quick_overview", make.overview_depends, make.overview_leaves, make.overview, alias="stack_interferograms"
    ),
    SbasStep("correct_unwrap_error", make.unwrap_depends, make.unwrap_leaves, make.unwrap, wanted=make.unwrap_wanted),
    SbasStep("invert_network", make.invert_depends, make.invert_leaves, make.invert),
    SbasStep(
        "correct_LOD",
        correct.oscillator_depends,
        correct.oscillator_leaves,
        correct.oscillator,
        wanted=correct.oscillator_wanted,
    ),
    SbasStep("correct_SET", tide_step.depends, tide_step.leaves, tide_step.make, wanted=tide_step.wanted),
    SbasStep(
        "correct_ionosphere",
        ionosphere_step.depends,
        ionosphere_step.leaves,
        ionosphere_step.make,
        wanted=ionosphere_step.wanted,
    ),
    SbasStep(
        "correct_troposphere", troposphere.depends, troposphere.leaves, troposphere.make, wanted=troposphere.wanted
    ),
    SbasStep("deramp", correct.ramp_depends, correct.ramp_leaves, correct.ramp, wanted=correct.ramp_wanted),
    SbasStep(
        "correct_topography",
        correct.topography_depends,
        correct.topography_leaves,
        correct.topography,
        wanted=correct.topography_wanted,
    ),
    SbasStep(
        "residual_RMS",
        correct.residual_depends,
        correct.residual_leaves,
        correct.residual,
        wanted=correct.residual_wanted,
    ),
    SbasStep(
        "reference_date",
        correct.date_depends,
        correct.date_leaves,
        correct.date,
        wanted=correct.date_wanted,
        changes=("invert_network", *SUFFIXES),
    ),
    SbasStep("velocity", make.velocity_depends, make.velocity_leaves, make.velocity),
    SbasStep("geocode", geocode.depends, geocode.leaves, geocode.make, wanted=geocode.wanted),
    SbasStep("google_earth", google_earth.depends, google_earth.leaves, google_earth.make, wanted=google_earth.wanted),
    SbasStep("hdfeos5", hdfeos5.depends, hdfeos5.leaves, hdfeos5.make, wanted=hdfeos5.wanted),
)
NAMES = tuple(step.name for step in STEPS)
_ALIASES = {step.alias: step.name for step in STEPS if step.alias}


def step_name(name: str) -> str:
    """Return today's name of a step.

    Raises
    ------
    ConfigError
        There is no such step.
    """
    found = _ALIASES.get(name, name)
    if found not in NAMES:
        message = f"no step {name!r}: the steps are {', '.join(NAMES)}"
        raise ConfigError(message)
    return found


def chosen_steps(start: str | None, end: str | None, dostep: str | None) -> tuple[SbasStep, ...]:
    """Return the steps from `start` to `end`, or only `dostep`.

    Raises
    ------
    ConfigError
        An unknown name, an end before the start, or `dostep` together with the others.
    """
    if dostep is not None and (start is not None or end is not None):
        message = "--dostep does one step: give it without --start and --end"
        raise ConfigError(message)
    first = NAMES.index(step_name(dostep or start or NAMES[0]))
    last = NAMES.index(step_name(dostep or end or NAMES[-1]))
    if last < first:
        message = f"--end {end} comes before --start {start}: the order is {', '.join(NAMES)}"
        raise ConfigError(message)
    return STEPS[first : last + 1]
