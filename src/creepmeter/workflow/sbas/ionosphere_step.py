"""Step correct_ionosphere: what it depends on, what it leaves, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from creepmeter.errors import InputError
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.workflow.sbas.chain import input_of, output_of, require_series, series_state
from creepmeter.workflow.sbas.folder import SbasSetting, identity, pixels_identity
from creepmeter.workflow.sbas.make import Made, load_base
from creepmeter.workflow.sbas.template_keys import PREFIX
from creepmeter.workflow.sbas.template_options import ionosphere_load_options

STEP = "correct_ionosphere"
STACK, SERIES = "ionStack.h5", "ion.h5"
_PRODUCTS = (SERIES, "temporalCoherenceIon.h5", "numInvIon.h5")


def wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for the correction."""
    return bool(run.template["ionosphericDelay.method"])


def _exclude(run: SbasSetting) -> tuple[str, ...]:
    dates, pairs = (run.template[f"ionosphericDelay.{name}"] for name in ("excludeDate", "excludeDate12"))
    listed = [dates] if isinstance(dates, str) else list(dates or ())  # type: ignore[call-overload]
    return (*_dates_of(listed, run.folder), *(str(pair) for pair in pairs or ()))  # type: ignore[attr-defined]


def _dates_of(listed: list[str], folder: Path) -> list[str]:
    found = []
    for text in listed:
        if text[:8].isdigit():
            found.append(text[:8])
        elif (folder / text).is_file():
            found += [word[:8] for word in (folder / text).read_text(encoding="utf-8").split()]
    return found


def depends(run: SbasSetting) -> object:
    """Return series, ionospheric pairs or the files they are loaded from, what is excluded, and the reference pixel."""
    name = input_of(run, STEP)
    return [name, series_state(run.work / name), _sources(run), _exclude(run), run.stack().reference]


def _sources(run: SbasSetting) -> object:
    options = ionosphere_load_options(run.template)
    if options is None:
        return _pixels(run)
    from creepmeter.interferograms.catalogue import matching

    patterns = (options.unw_file, options.cor_file, options.conn_comp_file)
    files = [path for pattern in patterns for path in matching(pattern, load_base(run))]
    return [
        options.model_dump(mode="json"),
        [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
    ]


def _pixels(run: SbasSetting) -> str:
    """Return what tells one stack from another: neither flags nor attributes, which this step sets itself."""
    path = run.work.inputs / STACK
    return pixels_identity(StackFile.open(path)) if path.is_file() else ""


def leaves(run: SbasSetting) -> Mapping[str, str]:
    """Return the ionospheric pairs, their series, and the corrected one."""
    return {
        f"inputs/{STACK}": _pixels(run),
        **{name: identity(run.work / name) for name in (SERIES, output_of(run, STEP))},
    }


def make(run: SbasSetting) -> Made:
    """Take the ionosphere from the series; without ionospheric pairs the step is left out."""
    notes, path = _load(run), run.work.inputs / STACK
    if not path.is_file():
        named = f"name its products ({PREFIX}load.ionUnwFile), or put {STACK} of MintPy into {run.work.inputs}"
        return Made(left_out=[f"{STEP}: there is no {path.name} in {run.work.inputs}: {named}", *notes])
    stack, reference = StackFile.open(path, in_place=run.in_place), run.stack().reference
    if reference is None:
        message = f"{run.work.stack_path()} has no reference pixel: run reference_point first"
        raise InputError(message)
    from creepmeter.workflow.sbas.ionosphere import correct_ionosphere

    target = output_of(run, STEP)
    done = correct_ionosphere(
        require_series(run, input_of(run, STEP)),
        stack,
        run.work / target,
        reference,
        exclude=_exclude(run),
        memory_gb=run.memory_gb,
        progress=run.progress,
    )
    return Made((*_PRODUCTS, target), left_out=[*notes, *(f"{STEP}: {text}" for text in done.notes)])


def _load(run: SbasSetting) -> list[str]:
    """Load the ionospheric pairs that the template names; return what could not be loaded."""
    options = ionosphere_load_options(run.template)
    if options is None:
        return []
    from creepmeter.workflow.sbas.load import load_data

    try:
        loaded = load_data(
            options, load_base(run), run.folder, memory_gb=run.memory_gb, progress=run.progress, name=STACK
        )
    except InputError as problem:
        return [f"{STEP}: {problem}"]
    return [f"{STEP}: {text}" for text in loaded.left_out]
