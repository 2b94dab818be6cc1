"""The steps of a small-baseline run, by MintPy's names: what each depends on, what it leaves, who makes it.

A step without `make` does no work yet. It says what it would have been asked for, and the run goes on without it: a
correction is added by giving its entry of the table a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from creepmeter.errors import ConfigError
from creepmeter.workflow.sbas import geocode, make, placeholders
from creepmeter.workflow.sbas.folder import SbasSetting
from creepmeter.workflow.sbas.make import Made

State = Mapping[str, str]


def _nothing(_run: SbasSetting) -> State:
    return {}


def _never(_run: SbasSetting) -> str:
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
    make : callable or None
        Does the work; None = not there yet.
    asked : callable
        For a step that does no work: setting -> what would have it done, empty when nothing would.
    wanted : callable
        Setting -> whether there is anything to do.
    alias : str
        Former name.
    always : bool
        It is called each time, and finds out by itself what is up to date.
    changes : str
        Earlier step whose products it changes in their place.
    """

    name: str
    depends: Callable[[SbasSetting], object] = _nothing
    leaves: Callable[[SbasSetting], State] = _nothing
    make: Callable[[SbasSetting], Made] | None = None
    asked: Callable[[SbasSetting], str] = _never
    wanted: Callable[[SbasSetting], bool] = lambda _run: True
    alias: str = ""
    always: bool = False
    changes: str = ""


STEPS: tuple[SbasStep, ...] = (
    SbasStep("load_data", leaves=make.load_leaves, make=make.load, always=True),
    SbasStep("modify_network", make.network_depends, make.network_leaves, make.network),
    SbasStep("reference_point", make.reference_depends, make.reference_leaves, make.reference),
    SbasStep(
        "quick_overview", make.overview_depends, make.overview_leaves, make.overview, alias="stack_interferograms"
    ),
    SbasStep("correct_unwrap_error", make.unwrap_depends, make.unwrap_leaves, make.unwrap, wanted=make.unwrap_wanted),
    SbasStep("invert_network", make.invert_depends, make.invert_leaves, make.invert),
    SbasStep("correct_LOD", asked=placeholders.oscillator),
    SbasStep("correct_SET", asked=placeholders.tides),
    SbasStep("correct_ionosphere", asked=placeholders.ionosphere),
    SbasStep("correct_troposphere", asked=placeholders.troposphere),
    SbasStep("deramp", asked=placeholders.deramp),
    SbasStep("correct_topography", asked=placeholders.topography),
    SbasStep("residual_RMS", asked=placeholders.residuals),
    SbasStep(
        "reference_date",
        make.date_depends,
        make.date_leaves,
        make.date,
        wanted=make.date_wanted,
        changes="invert_network",
    ),
    SbasStep("velocity", make.velocity_depends, make.velocity_leaves, make.velocity),
    SbasStep("geocode", geocode.depends, geocode.leaves, geocode.make, wanted=geocode.wanted),
    SbasStep("google_earth", asked=placeholders.google_earth),
    SbasStep("hdfeos5", asked=placeholders.hdfeos5),
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
