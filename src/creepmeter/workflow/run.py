"""Run the steps of a configuration: what is up to date is kept, what is stale is made again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import StoreError
from creepmeter.io.lock import RunLock
from creepmeter.io.swap import remove, write_text
from creepmeter.kernels.threads import limit_threads
from creepmeter.pairs.options import PairOptions
from creepmeter.pairs.select import describe_network, select_pairs
from creepmeter.velocity.options import VelocityOptions
from creepmeter.workflow.ahead import compiling_ahead
from creepmeter.workflow.config import ImagesSection, RunConfig, config_text, read_config
from creepmeter.workflow.inputs import Images, check_images, find_file, find_images
from creepmeter.workflow.journal import Entry, Journal, noted
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.scenes import SCENE_STEPS, ScenesOfRun, near_anniversaries, scenes_of_run, show_all_seasons
from creepmeter.workflow.setting import Setting, require_chips
from creepmeter.workflow.steps import STEPS, Step, chosen_steps, keys

logger = logging.getLogger(__name__)
_CHECKED = ".images.json"


def run(
    config: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
    dostep: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    """Run a configuration, or the part of it that is asked for and not up to date.

    Parameters
    ----------
    config : path
        Run file (YAML).
    folder : path, optional
        Where results go; by default `output.folder` of the configuration, in the working folder.
    overrides : sequence of str
        ``section.option=value``.
    start, end, dostep : str, optional
        First and last step, or the only one: track, stable, invert, velocity, export, report; with scenes of a
        catalogue search and fetch come first.
    force : bool
        Do the chosen steps again even if they are up to date.
    progress : Progress, optional
        Shows how far the run has come.

    Returns
    -------
    RunResult
        What was done.

    Raises
    ------
    CreepmeterError
        The configuration or an input cannot be used; what was done before stays and is not done again.
    """
    path = Path(config)
    options = read_config(path, overrides)
    chosen = chosen_steps(start, end, dostep, SCENE_STEPS if options.scenes is not None else ())
    target = Path(folder if folder is not None else options.output.folder)
    shown = progress or NullProgress()
    with RunLock(target), limit_threads(options.compute.threads), noted() as notes, compiling_ahead() as ready:
        first, images = _scenes(options, path.parent, target, shown, chosen, force=force)
        if images is None:
            return RunResult(target, first.made, first.fresh, first.left_out, tuple(notes))
        setting = prepare(options, images, path.parent, target, shown, notes)
        left_out = (*first.left_out, *setting.images.left_out)
        setting = replace(setting, images=replace(setting.images, left_out=left_out), heights=first.heights)
        write_text(target / "creepmeter.yaml", config_text(options))
        made, fresh = _do(setting, [step for step in STEPS if step.name in chosen], ready, force=force)
    return RunResult(target, (*first.made, *made), (*first.fresh, *fresh), setting.images.left_out, tuple(notes))


def _scenes(
    config: RunConfig, base: Path, folder: Path, progress: Progress, chosen: Sequence[str], *, force: bool
) -> tuple[ScenesOfRun, ImagesSection | None]:
    """Return what was done to have images, and the images; None when no later step is chosen."""
    if config.images is not None:
        return ScenesOfRun(config.images, (), (), ()), config.images
    wanted = [name for name in SCENE_STEPS if name in chosen]
    found = scenes_of_run(config, base, folder, progress, wanted=wanted, force=force)
    return found, None if len(wanted) == len(chosen) else found.images


def prepare(
    config: RunConfig, section: ImagesSection, base: Path, folder: Path, progress: Progress, notes: list[str]
) -> Setting:
    """Find and check images, choose pairs."""
    named = (config.track.within, config.stable.moving, config.stable.stable, config.output.dem)
    found = find_images(section, base, [find_file(name, base, "run file") for name in named if name])
    require_chips(config, found.grid)
    images = check_images(found, folder / _CHECKED, progress)
    as_default = config.scenes is not None and config.pairs == PairOptions()
    network = (near_anniversaries if as_default else select_pairs)(images.scenes, config.pairs)
    logger.info("%d images; %s", len(images.scenes), describe_network(network))
    if config.invert.island_policy == "nan":
        network.require_connected()
    return Setting(_with_seasons(config, images), base, folder, images, network, progress, notes)


def _with_seasons(config: RunConfig, images: Images) -> RunConfig:
    """Let an annual term stand beside the rate where scenes of a catalogue show all seasons, unless terms are given."""
    times = np.array([scene.time for scene in images.scenes], dtype="datetime64[ns]")
    if config.scenes is None or config.velocity != VelocityOptions() or not show_all_seasons(times):
        return config
    logger.info("the dates show all seasons: an annual term is fitted beside the rate")
    terms = config.velocity.override({"terms": ("rate", "annual")}, step="velocity")
    return config.model_copy(update={"velocity": terms})


def _do(
    setting: Setting, steps: Sequence[Step], solver_ready: Callable[[], None], *, force: bool
) -> tuple[list[str], list[str]]:
    current = keys(setting)
    made: list[str] = []
    fresh: list[str] = []
    _require_earlier(setting, steps[0], current)
    for step in steps:
        before = Journal(setting.folder).entry(step.name)
        if not force and _is_fresh(setting, step, current[step.name]):
            setting.notes.extend(text for text in before.notes if text not in setting.notes)
            fresh.append(step.name)
            continue
        logger.info("step %s", step.name)
        if step.solves:
            solver_ready()
        known = len(setting.notes)
        files = step.make(setting, current[step.name])
        for name in set(before.files) - set(files):
            remove(setting.folder / name)
        entry = Entry(current[step.name], tuple(files), tuple(setting.notes[known:]))
        Journal(setting.folder).note(step.name, entry)
        made.append(step.name)
    return made, fresh


def _is_fresh(setting: Setting, step: Step, key: str) -> bool:
    entry = Journal(setting.folder).entry(step.name)
    if entry.key != key or not all((setting.folder / name).exists() for name in entry.files):
        return False
    return not step.product or _key_of(setting.folder / step.product) == key


def _key_of(store: Path) -> str | None:
    """Return what a store says it depends on; the journal may be of another one that lay in its place."""
    try:
        attributes = json.loads((store / "zarr.json").read_text(encoding="utf-8"))["attributes"]
    except (OSError, ValueError, KeyError):
        return None
    return str(attributes.get("key"))


def _require_earlier(setting: Setting, first: Step, current: Mapping[str, str]) -> None:
    for step in STEPS[: STEPS.index(first)]:
        if not _is_fresh(setting, step, current[step.name]):
            state = "is stale" if Journal(setting.folder).entry(step.name).key else "was not done yet"
            message = f"step {step.name} {state} in {setting.folder}, and {first.name} needs it: start from {step.name}"
            raise StoreError(message)
        setting.notes.extend(Journal(setting.folder).entry(step.name).notes)
