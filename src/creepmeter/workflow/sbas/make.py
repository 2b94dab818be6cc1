"""What each step of a small-baseline run depends on, what it leaves, and how it is called.

``depends`` and ``leaves`` look at what lies on disk, not at what earlier steps were told to do: a file that was deleted
or a network that was changed by hand is seen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from creepmeter.errors import StoreError
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_arrays, digest_text
from creepmeter.model.network import Network
from creepmeter.model.options import Options
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import delay_name, final_series
from creepmeter.workflow.sbas.folder import CORRECTED, SbasSetting, identity, is_ours, layer_identity
from creepmeter.workflow.sbas.maps import find

State = Mapping[str, str]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """What a step did.

    Parameters
    ----------
    files : tuple of str
        Files made, in the work folder.
    fresh : bool
        It found everything up to date.
    left_out : sequence of str
        Inputs that it did not use, and why.
    kept : tuple of str
        Files in the place of its own that are not its own, and stay.
    """

    files: tuple[str, ...] = ()
    fresh: bool = False
    left_out: Sequence[str] = ()
    kept: tuple[str, ...] = ()


def _plain(options: Options, *without: str) -> dict[str, object]:
    return options.model_dump(mode="json", exclude=set(without))


def _files(run: SbasSetting, *names: str) -> State:
    return {name: identity(run.work / name) for name in names}


def _made(run: SbasSetting, *names: str) -> Made:
    return Made(tuple(name for name in names if (run.work / name).exists()))


def _masks(run: SbasSetting, *names: str | None) -> list[object]:
    """Return names and contents of the masks that the options name; they lie in the work folder."""
    return [[name, _mask(run, name)] for name in names if name]


def _mask(run: SbasSetting, name: str) -> list[str]:
    """Return the content of a mask; for a water mask that a step makes, that of the geometry it is made from."""
    path = run.work / name
    if name == at.WATER and (not path.exists() or is_ours(path)):
        return [identity(run.geometry()), identity(run.work.inputs / name)]
    return [_named(run, name)]


def _named(run: SbasSetting, name: str) -> str:
    """Return the content of a file that an option names, in the work folder or with the inputs."""
    path = find(run.folder, name)
    return "" if path is None else identity(path)


# ------------------------------------------------------------------------------------------------------------ load_data


def names_files(run: SbasSetting) -> bool:
    """Tell whether the template names files of a processor."""
    named = ("unwFile", "rgOffFile", "azOffFile")
    return any(run.template.is_given(f"load.{name}") for name in named) or run.template.load.auto_path


def load_leaves(run: SbasSetting) -> State:
    """Return what was loaded."""
    if not run.work.is_loaded:
        return {"stack": ""}
    try:
        geometry = identity(run.geometry())
    except StoreError:  # a load was stopped between the two
        geometry = ""
    return {"stack": run.pixels(), "geometry": geometry}


def load(run: SbasSetting) -> Made:
    """Load interferograms, which is quick when nothing has changed; or take the stack that is there."""
    if not names_files(run):
        run.geometry()
        return Made(fresh=True)
    if run.template.load.update and run.work.is_loaded and not run.work.is_ours:
        logger.warning(
            "%s was loaded by another program and is taken as it is: to load it anew, move it away",
            run.work.stack_path().name,
        )
        return Made(fresh=True)
    from creepmeter.workflow.sbas.load import load_data

    loaded = load_data(run.template.load, load_base(run), run.folder, memory_gb=run.memory_gb, progress=run.progress)
    for text in loaded.notes:
        logger.warning("%s", text)
    return Made(fresh=not loaded.made, left_out=loaded.left_out)


def load_base(run: SbasSetting) -> Path:
    """Return the folder that patterns of files start from: the work folder, else that of the custom template."""
    pattern = run.template.load.unw_file or run.template.load.rg_off_file or run.template.load.az_off_file
    homes = [run.folder, *(path.parent for path in run.template.paths[1:])]
    from creepmeter.interferograms.catalogue import matching

    return next((home for home in homes if matching(pattern, home)), run.folder)


# ------------------------------------------------------------------------------------------------------- modify_network


def network_depends(run: SbasSetting) -> object:
    """Return options and the files they name, the pixels that coherence is taken from, and where."""
    options = run.template.network
    named = [*options.exclude_date, options.reference_file]
    files = [_named(run, name) for name in named if name and not name[:8].isdigit()]
    masks = _masks(run, options.mask_file) if options.needs_coherence else []
    return [_plain(options), files, masks, run.pixels()]


def network_leaves(run: SbasSetting) -> State:
    """Return which pairs are kept."""
    return {"keep": digest_arrays(run.stack().keep)}


def network(run: SbasSetting) -> Made:
    """Choose the pairs that are used."""
    from creepmeter.workflow.sbas.network import modify_network

    modify_network(run.stack(), run.folder, run.template.network)
    return Made()


# ------------------------------------------------------------------------------------------------------ reference_point


def _stack_state(run: SbasSetting) -> list[object]:
    stack = run.stack()
    return [run.pixels(), digest_arrays(stack.keep), stack.reference]


def reference_depends(run: SbasSetting) -> object:
    """Return options, pixels and pairs, and the geometry with its water mask."""
    pixels, keep, _ = _stack_state(run)
    options = run.template.reference
    foreign = [
        name for name in (options.mask_file, options.coherence_file) if name not in (at.COMPONENTS, at.COHERENCE)
    ]
    return [_plain(options), pixels, keep, identity(run.geometry()), _masks(run, at.WATER, *foreign)]


def reference_leaves(run: SbasSetting) -> State:
    """Return masks, mean coherence and the reference pixel."""
    return {
        **_files(run, at.WATER, at.COMPONENTS, at.COHERENCE),
        "reference": digest_text(run.stack().reference),
    }


def reference(run: SbasSetting) -> Made:
    """Make masks and mean coherence, choose the reference pixel."""
    from creepmeter.workflow.sbas.reference import reference_point

    reference_point(
        run.stack(),
        run.folder,
        run.geometry(),
        run.template.reference,
        memory_gb=run.memory_gb,
        progress=run.progress,
    )
    return _made(run, at.WATER, at.COMPONENTS, at.COHERENCE)


# ------------------------------------------------------------------------------------------------------- quick_overview


def overview_depends(run: SbasSetting) -> object:
    """Return pixels, pairs, reference and water."""
    return [*_stack_state(run), _masks(run, at.WATER)]


def overview_leaves(run: SbasSetting) -> State:
    """Return the maps of the overview."""
    return _files(run, at.STACKED, at.TRIPLETS)


def overview(run: SbasSetting) -> Made:
    """Make the velocity by stacking, and count ambiguous triplets."""
    from creepmeter.workflow.sbas.overview import quick_overview

    quick_overview(run.stack(), run.folder, memory_gb=run.memory_gb, progress=run.progress)
    return _made(run, at.STACKED, at.TRIPLETS)


# ------------------------------------------------------------------------------------------------- correct_unwrap_error


def unwrap_wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for a correction."""
    return run.template["unwrapError.method"] is not None


def unwrap_depends(run: SbasSetting) -> object:
    """Return options, pixels, pairs, reference and masks."""
    options = run.template.unwrap
    own = (options.water_mask_file, options.common_mask_file)
    masks = _masks(run, *dict.fromkeys((at.WATER, at.COMPONENTS, at.COHERENCE, *own)))
    return [_plain(options), *_stack_state(run), masks]


def _corrected(run: SbasSetting) -> dict[str, str]:
    stack = run.stack()
    return {name: layer_identity(stack, name) for name in stack.names if name.startswith(CORRECTED)}


def unwrap_leaves(run: SbasSetting) -> State:
    """Return the corrected phases that the stack holds."""
    return _corrected(run)


def unwrap(run: SbasSetting) -> Made:
    """Correct whole cycles."""
    from creepmeter.workflow.sbas.unwrap import correct_unwrap_error

    correct_unwrap_error(run.stack(), run.folder, run.template.unwrap, memory_gb=run.memory_gb, progress=run.progress)
    return Made()


# ------------------------------------------------------------------------------------------------------- invert_network


def invert_depends(run: SbasSetting) -> object:
    """Return options, pixels, pairs, reference, corrected phases, masks, geometry."""
    options = run.template.invert
    masks = _masks(run, *dict.fromkeys((at.WATER, at.COHERENCE, options.water_mask_file)))
    return [_plain(options), *_stack_state(run), _corrected(run), masks, identity(run.geometry())]


def invert_leaves(run: SbasSetting) -> State:
    """Return series, quality maps and mask."""
    found = _files(run, *at.INVERTED, *at.OFFSETS_INVERTED)
    return {name: digest for name, digest in found.items() if digest or name in at.INVERTED}


def invert(run: SbasSetting) -> Made:
    """Turn phase per pair into displacement per date; of offsets, range and azimuth by themselves."""
    from creepmeter.workflow.sbas.invert import invert_network

    stack, options, geometry = run.stack(), run.template.invert, run.geometry()
    offsets = [name for name in ("rangeOffset", "azimuthOffset") if name in stack.names]
    names: Sequence[str | None]
    names = [_phase_of(options.obs_dataset, stack)] if "unwrapPhase" in stack.names else offsets
    files: list[Path] = []
    for name in names:
        chosen = options.override({"obs_dataset": name}, step="invert_network")
        made = invert_network(stack, run.folder, geometry, chosen, memory_gb=run.memory_gb, progress=run.progress)
        files.extend(made.files)
        if made.bridged:
            logger.warning(
                "%d pixels of %s have a network in parts and are bridged: temporal coherence means little there",
                made.bridged,
                name or "the stack",
            )
    return Made(tuple(path.name for path in files))


def _phase_of(wanted: str | None, stack: StackFile) -> str | None:
    """Return the phase to invert: where a network has no triplets, phase closure leaves that of the step before."""
    names = stack.names
    if wanted is None or wanted in names:
        return wanted
    found = next(name for name in ("unwrapPhase_bridging", "unwrapPhase") if name in names and name in wanted)
    kept = [pair for pair, keep in zip(stack.pairs, stack.keep, strict=True) if keep]
    if not wanted.endswith("phaseClosure") or len(Network(tuple(dict.fromkeys(kept))).loops()):
        message = f"{stack.path} has no {wanted}, which the template asks for: run the step correct_unwrap_error first"
        raise StoreError(message)
    logger.warning("the network has no triplets for phase closure: %s is inverted", found)
    return found


# ------------------------------------------------------------------------------------------------------------- velocity


def _series_to_fit(run: SbasSetting) -> dict[str, str]:
    """Return the velocity file of each series, after the corrections."""
    found = {name: target for name, target in at.VELOCITIES.items() if (run.work / name).exists()}
    return {final_series(run) if name == at.SERIES else name: target for name, target in found.items()}


def _delays_to_fit(run: SbasSetting) -> dict[str, str]:
    """Return the velocity file of the delays of the troposphere, if a weather model told them."""
    name = delay_name(run)
    return {name: f"velocity{name}"} if name and (run.work.inputs / name).exists() else {}


def velocity_depends(run: SbasSetting) -> object:
    """Return options, the files that they name, all series, and the stack where their errors follow from it."""
    options = run.template.velocity
    named = [*options.exclude_date, options.time_series_cov_file]
    files = [identity(run.work / name) for name in named if name and not name[:8].isdigit()]
    series = {name: identity(run.work / name) for name in _series_to_fit(run)}
    series |= {name: identity(run.work.inputs / name) for name in _delays_to_fit(run)}
    stack = [_stack_state(run), _corrected(run)] if options.uncertainty_quantification == "covariance" else []
    return [_plain(options), files, series, *stack]


def velocity_leaves(run: SbasSetting) -> State:
    """Return the velocity, and that of the delays."""
    return _files(run, *(_series_to_fit(run).values() or [at.VELOCITY]), *_delays_to_fit(run).values())


def velocity(run: SbasSetting) -> Made:
    """Fit functions of time to the series."""
    from creepmeter.workflow.sbas.velocity import fit_velocity_file

    fitted = _series_to_fit(run)
    if not fitted:
        message = f"{run.work / at.SERIES} is missing: run invert_network first"
        raise StoreError(message)
    for name, target in fitted.items():
        options = run.template.velocity
        fit_velocity_file(run.work / name, run.work / target, options, memory_gb=run.memory_gb, progress=run.progress)
    delays = _delays_to_fit(run)
    for target in delays.values():
        from creepmeter.workflow.sbas.weather import fit_delays

        fit_delays(run, target)
    return _made(run, *fitted.values(), *delays.values())
