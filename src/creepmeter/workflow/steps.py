"""The steps of a run: their order, what each depends on, what it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from creepmeter.errors import ConfigError
from creepmeter.io.provenance import digest_arrays, digest_text
from creepmeter.model.options import Options
from creepmeter.workflow import offsets, result, series
from creepmeter.workflow.inputs import digest_with_sidecars
from creepmeter.workflow.setting import Setting


@dataclass(frozen=True)
class Step:
    """One step.

    Parameters
    ----------
    name : str
        As in ``--dostep``.
    product : str
        Store in the run folder that it makes; empty = plain files.
    options : callable
        Setting -> what its result depends on besides the step before, as plain values.
    make : callable
        (Setting, key) -> names of the files made, in the run folder.
    solves : bool
        Whether it needs the kernels of the solver.
    """

    name: str
    product: str
    options: Callable[[Setting], object]
    make: Callable[[Setting, str], Sequence[str]]
    solves: bool = False


def _plain(options: Options, *without: str) -> dict[str, object]:
    return options.model_dump(mode="json", exclude=set(without))


def _track_options(run: Setting) -> object:
    images = _plain(run.images.options, "files", "exclude", "bad_images", "dates_pattern")
    grid = [list(run.images.grid.shape), list(run.images.grid.affine[:6]), str(run.images.grid.crs)]
    pairs = [[str(pair.ref), str(pair.sec)] for pair in run.network.pairs]
    where = None if run.within is None else digest_arrays(run.within)
    return [run.images.contents(), images, grid, pairs, _plain(run.config.track, "within"), where]


def _stable_options(run: Setting) -> object:
    ground = None if run.stable is None else digest_arrays(run.stable)
    return [_plain(run.config.stable, "moving", "stable"), ground]


def _export_options(run: Setting) -> object:
    files = [run.polygon_file(), run.relief_file()]
    return [_plain(run.config.output), *(None if file is None else digest_with_sidecars(file) for file in files)]


def _report_options(run: Setting) -> object:
    return [_export_options(run), run.images.left_out]


def _invert(run: Setting, key: str) -> Sequence[str]:
    series.invert_store(
        run.folder / offsets.STACK,
        run.folder / result.SERIES,
        run.config.invert,
        memory_gb=run.config.compute.memory_gb,
        progress=run.progress,
        key=key,
    )
    return [result.SERIES]


def _velocity(run: Setting, key: str) -> Sequence[str]:
    series.velocity_store(
        run.folder / result.SERIES,
        run.folder / result.MOTION,
        run.config.velocity,
        memory_gb=run.config.compute.memory_gb,
        progress=run.progress,
        key=key,
    )
    return [result.MOTION]


STEPS: tuple[Step, ...] = (
    Step("track", offsets.OFFSETS, _track_options, offsets.track),
    Step("stable", offsets.STACK, _stable_options, offsets.stable),
    Step("invert", result.SERIES, lambda run: _plain(run.config.invert), _invert, solves=True),
    Step("velocity", result.MOTION, lambda run: _plain(run.config.velocity), _velocity, solves=True),
    Step("export", "", _export_options, result.export),
    Step("report", "", _report_options, result.report),
)


def keys(run: Setting) -> dict[str, str]:
    """Return what each step's result depends on, as one digest per step; a change passes on to all later steps."""
    found: dict[str, str] = {}
    before = run.version
    for step in STEPS:
        before = digest_text(step.name, before, step.options(run))
        found[step.name] = before
    return found


def chosen_steps(start: str | None, end: str | None, dostep: str | None, before: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the steps from `start` to `end`, or only `dostep`; `before` = steps that come first.

    Raises
    ------
    ConfigError
        An unknown name, an end before the start, or `dostep` together with the others.
    """
    names = [*before, *(step.name for step in STEPS)]
    for name in (start, end, dostep):
        if name is not None and name not in names:
            message = f"no step {name!r}: the steps are {', '.join(names)}"
            raise ConfigError(message)
    if dostep is not None and (start is not None or end is not None):
        message = "--dostep does one step: give it without --start and --end"
        raise ConfigError(message)
    first = names.index(dostep or start or names[0])
    last = names.index(dostep or end or names[-1])
    if last < first:
        message = f"--end {end} comes before --start {start}: the order is {', '.join(names)}"
        raise ConfigError(message)
    return tuple(names[first : last + 1])
