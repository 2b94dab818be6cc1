"""Run a small-baseline project by a MintPy template: what is up to date is kept, what is stale is made again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import Field

from creepmeter import __version__
from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import ConfigError, CreepmeterError
from creepmeter.io.lock import RunLock
from creepmeter.io.provenance import digest_text
from creepmeter.io.swap import remove, write_text
from creepmeter.model.options import Options
from creepmeter.workflow.journal import Entry, Journal, noted
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.sbas.folder import WATER, SbasSetting, WorkFolder, is_ours
from creepmeter.workflow.sbas.steps import STEPS, SbasStep, chosen_steps
from creepmeter.workflow.sbas.template import read_template
from creepmeter.workflow.sbas.template_file import CONFIG_NAME, update_config, write_config

logger = logging.getLogger(__name__)


class SbasRunOptions(Options):
    """What a call may add to the template."""

    memory_gb: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Memory to keep within, gigabytes; default: compute.maxMemory"
    )
    in_place: bool = Field(
        default=False, description="Change a stack that another program wrote, instead of keeping changes beside it"
    )
    plot: bool = Field(default=False, description="Draw the main products into pic/, whatever steps are done")
    force: bool = Field(default=False, description="Do the chosen steps again, even if they are up to date")


def run_sbas(
    template: str | Path | None = None,
    *,
    folder: str | Path = ".",
    start: str | None = None,
    end: str | None = None,
    dostep: str | None = None,
    options: SbasRunOptions | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Run a small-baseline project, or the part of it that is asked for and not up to date.

    Parameters
    ----------
    template : path, optional
        MintPy template; its values win over those of ``smallbaselineApp.cfg`` in the work folder and are written into
        it. Without one, that file alone counts.
    folder : path
        Work folder.
    start, end, dostep : str, optional
        First and last step, or the only one, by MintPy's names.
    options : SbasRunOptions, optional
        Memory, figures, what may be changed.
    progress : Progress, optional
        Shows how far the run has come.

    Returns
    -------
    RunResult
        What was done.

    Raises
    ------
    CreepmeterError
        The template or an input cannot be used; what was done before stays and is not done again.
    """
    chosen = options or SbasRunOptions()
    steps = chosen_steps(start, end, dostep)
    work = WorkFolder(Path(folder))
    custom = None if template is None else Path(template)
    _check(work, custom)  # wrong values are told before anything is written
    with RunLock(work.path), noted() as notes:
        setting = _setting(work, custom, chosen, progress or NullProgress(), notes)
        only_plot = chosen.plot and start is None and end is None and dostep is None
        done = _Done() if only_plot else _do(setting, steps, force=chosen.force)
        whole = not only_plot and steps[-1] is STEPS[-1] and len(steps) > 1
        plot = chosen.plot or (whole and setting.template.plot.plot)
        if plot or whole:
            from creepmeter.workflow.sbas.report import write_views

            write_views(setting, plot=plot, page=whole)
    return RunResult(work.path, tuple(done.made), tuple(done.fresh), tuple(setting.left_out), tuple(notes))


# -------------------------------------------------------------------------------------------------------------- setting


def _is_config(work: WorkFolder, custom: Path) -> bool:
    return custom.resolve() == (work / CONFIG_NAME).resolve()


def _check(work: WorkFolder, custom: Path | None) -> None:
    config = work / CONFIG_NAME
    if custom is not None:
        read_template(custom)
    elif not config.exists() and not work.is_loaded:
        message = (
            f"{work.path.resolve()} holds neither {CONFIG_NAME} nor a loaded stack: name a template, "
            "write one with `creepmeter sbas -g`, or call this in a work folder (--dir)"
        )
        raise ConfigError(message)


def _setting(
    work: WorkFolder, custom: Path | None, chosen: SbasRunOptions, progress: Progress, notes: list[str]
) -> SbasSetting:
    """Read the templates; values of a custom one go into the file of the work folder."""
    config = write_config(work.path)
    paths = [config]
    if custom is not None and not _is_config(work, custom):
        update_config(work.path, custom)
        _keep_copy(work, custom)
        paths.append(custom)
    template = read_template(paths, folder=work.path)
    for text in template.warnings:
        logger.warning("%s", text)
    memory = chosen.memory_gb or template.compute.memory_gb
    return SbasSetting(template, work, memory, chosen.in_place, progress, notes)


def _keep_copy(work: WorkFolder, custom: Path) -> None:
    """Keep the custom template with the inputs, as MintPy does."""
    text = custom.read_text(encoding="utf-8")
    copy = work.inputs / custom.name
    if copy.resolve() != custom.resolve() and (not copy.exists() or copy.read_text(encoding="utf-8") != text):
        write_text(copy, text)


# ---------------------------------------------------------------------------------------------------------------- steps


@dataclass
class _Done:
    """Steps done, and steps found up to date."""

    made: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)


def _do(setting: SbasSetting, steps: Sequence[SbasStep], *, force: bool) -> _Done:
    done = _Done()
    _tell_stale(setting, steps[0])
    for step in steps:
        if not step.wanted(setting):
            logger.info("%s: nothing to do", step.name)
        else:
            _do_one(setting, step, done, force=force)
    return done


def _do_one(setting: SbasSetting, step: SbasStep, done: _Done, *, force: bool) -> None:
    journal = Journal(setting.folder)
    before = journal.entry(step.name)
    key = _key(setting, step)
    if not force and not step.always and _is_fresh(setting, step, before, key):
        setting.notes.extend(text for text in before.notes if text not in setting.notes)
        setting.left_out.extend(before.left_out)
        done.fresh.append(step.name)
        return
    intact = [other for other in STEPS if other.name in step.changes and _is_intact(setting, other)]
    logger.info("step %s", step.name)
    known = len(setting.notes)
    foreign = _foreign(setting, step)
    made = step.make(setting)
    _tell_replaced(setting, foreign, passed_over=bool(made.left_out))
    setting.left_out.extend(made.left_out)
    for name in set(before.files) - set(made.files) - set(made.kept):
        remove(setting.folder / name)
    said = tuple(setting.notes[known:])
    journal.note(step.name, Entry(key, made.files, said, tuple(made.left_out), dict(step.leaves(setting))))
    for other in intact:  # it changed their products in their place
        journal.note(other.name, replace(journal.entry(other.name), state=dict(other.leaves(setting))))
    (done.fresh if made.fresh else done.made).append(step.name)


def _foreign(setting: SbasSetting, step: SbasStep) -> list[str]:
    """Return the products of another program that lie where this step writes."""
    found = [name for name, digest in step.leaves(setting).items() if digest and name.endswith(".h5") and name != WATER]
    return [name for name in found if not is_ours(setting.work / name)]


def _tell_replaced(setting: SbasSetting, names: Sequence[str], *, passed_over: bool) -> None:
    """Warn of products of another program that a step wrote anew, or did not use because it was left out."""
    for name in names:
        path = setting.work / name
        if not path.exists() or is_ours(path):
            logger.warning("%s was made by another program and is replaced", name)
        elif passed_over:
            logger.warning("%s was made by another program and is not used", name)


def _is_fresh(setting: SbasSetting, step: SbasStep, entry: Entry, key: str) -> bool:
    return entry.key == key and dict(step.leaves(setting)) == dict(entry.state)


def _is_intact(setting: SbasSetting, step: SbasStep) -> bool:
    """Tell whether what a step left lies there as it was."""
    entry = Journal(setting.folder).entry(step.name)
    return bool(entry.key) and dict(step.leaves(setting)) == dict(entry.state)


def _key(setting: SbasSetting, step: SbasStep) -> str:
    return digest_text(__version__, step.name, step.depends(setting))


def _tell_stale(setting: SbasSetting, first: SbasStep) -> None:
    """Warn of earlier steps that would be done again: a single step works with what lies in the folder."""
    journal = Journal(setting.folder)
    for step in STEPS[: STEPS.index(first)]:
        before = journal.entry(step.name)
        if step.always or not before.key:
            continue
        try:
            fresh = not step.wanted(setting) or before.key == _key(setting, step)
        except CreepmeterError:  # its sources are gone; what it made is there
            continue
        if not fresh:
            logger.warning(
                "%s is not up to date (its options or inputs have changed); %s works with what it left: "
                "start from %s to take the change in",
                step.name,
                first.name,
                step.name,
            )
