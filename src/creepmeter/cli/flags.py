"""Flags from option models: an option exists once, in its model."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from creepmeter.model.options import Options

F = TypeVar("F", bound=Callable[..., Any])
AnyOptions = TypeVar("AnyOptions", bound=Options)
MEMORY_GB = 4.0

FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
PRODUCT = click.Path(exists=True, path_type=Path)  # a store is a folder, other files hold products as well


def options_from(
    model: type[Options],
    *,
    rename: Mapping[str, str | Sequence[str]] | None = None,
    leave_out: Collection[str] = (),
    given_as: str = "options",
) -> Callable[[F], F]:
    """Add the fields of an option model as flags; the command gets the checked model as ``options``.

    Parameters
    ----------
    model : type of Options
        Type, default, bounds and description of each flag come from its field.
    rename : mapping of str to str or sequence of str
        Other flags for a field, taken beside that of its own name: ``{"chip_px": "--chip"}``. Messages name the first.
    leave_out : collection of str
        Fields that are no flag.
    given_as : str
        Another name than ``options``, where a command takes several models.
    """
    fields = {name: field for name, field in model.model_fields.items() if name not in leave_out}
    flags = {name: _flags_of(name, (rename or {}).get(name, ())) for name in fields}
    declared = {name: _declared(flags[name], field) for name, field in fields.items()}

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def called(*args: Any, **given: Any) -> Any:  # noqa: ANN401 - whatever the command takes
            values = {name: given.pop(name) for name in fields}
            return function(*args, **{given_as: build(model, values, flags)}, **given)

        wrapped: Callable[..., Any] = called
        for name in reversed(fields):
            wrapped = click.option(*declared[name], name, **_settings(fields[name]))(wrapped)
        return wrapped  # type: ignore[return-value]

    return decorate


def build(
    model: type[AnyOptions], values: Mapping[str, Any], flags: Mapping[str, Sequence[str]] | None = None
) -> AnyOptions:
    """Return a checked model; what is wrong becomes a usage error that names the flag.

    Raises
    ------
    click.UsageError
        A value is out of bounds, or values do not fit together.
    """
    known = flags or {}
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            message = f"{_shown(name, known)}: {value} is not a number to work with"
            raise click.UsageError(message)
    try:
        return model.model_validate(dict(values))
    except ValidationError as problem:
        reasons = [f"{_shown(str(error['loc'][0]), known)}: " if error["loc"] else "" for error in problem.errors()]
        texts = [_reason(error) for error in problem.errors()]
        message = "; ".join(reason + text for reason, text in zip(reasons, texts, strict=True))
        raise click.UsageError(message) from problem


def changed(options: AnyOptions, **values: Any) -> AnyOptions:  # noqa: ANN401 - the fields of the model
    """Return options with single fields replaced, checked again."""
    return build(type(options), {**options.model_dump(), **values})


def _shown(name: str, flags: Mapping[str, Sequence[str]]) -> str:
    return flags.get(name, _flags_of(name, ()))[0]


def _reason(error: Mapping[str, Any]) -> str:
    cause = error.get("ctx", {}).get("error")
    return f"{cause if cause is not None else error['msg']}" + (
        "" if cause is not None else f" (got {error['input']!r})"
    )


def _flags_of(name: str, others: str | Sequence[str]) -> tuple[str, ...]:
    first = (others,) if isinstance(others, str) else tuple(others)
    return tuple(dict.fromkeys((*first, f"--{name.replace('_', '-')}")))


def _settings(field: FieldInfo) -> dict[str, Any]:
    """Return what click must know of a field."""
    kind = _without_none(field.annotation)
    default = field.get_default(call_default_factory=True)
    text = " ".join((field.description or "").split())
    if kind is bool:
        return {"is_flag": True, "default": default, "show_default": True, "help": text}
    if get_origin(kind) is tuple:
        several = f"{text}; comma separated, or the flag several times"
        return {
            "multiple": True,
            "callback": _split,
            "help": several,
            "default": default,
            "show_default": bool(default),
        }
    if get_origin(kind) is Literal:
        choices = "|".join(map(str, get_args(kind)))
        # the model says what is wrong with another word: it knows why
        return {"metavar": f"[{choices}]", "default": default, "show_default": default is not None, "help": text}
    return {"type": _type(kind, field), "default": default, "show_default": default is not None, "help": text}


def _declared(flags: tuple[str, ...], field: FieldInfo) -> tuple[str, ...]:
    if _without_none(field.annotation) is not bool:
        return flags
    return tuple(f"{flag}/--no-{flag[2:]}" for flag in flags)


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [item for item in get_args(annotation) if item is not type(None)]
        return inner[0] if len(inner) == 1 else str
    return annotation


def _type(kind: Any, field: FieldInfo) -> Any:  # noqa: ANN401 - what click takes as a type
    bounds: dict[str, Any] = {}
    for item in field.metadata:
        for key, end, is_open in (("ge", "min", False), ("gt", "min", True), ("le", "max", False), ("lt", "max", True)):
            limit = getattr(item, key, None)
            if limit is not None:
                bounds |= {end: limit, f"{end}_open": is_open}
    if kind is int:
        return click.IntRange(**bounds) if bounds else click.INT
    if kind is float:
        return click.FloatRange(**bounds) if bounds else click.FLOAT
    return click.STRING


def _split(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    parts = [part.strip() for value in values for part in value.split(",")]
    return tuple(part for part in parts if part)


def store_out(function: F) -> F:
    """Add ``-o OUT.zarr``; the command gets it as ``target``."""
    return click.option(
        "-o",
        "--output",
        "target",
        required=True,
        type=click.Path(path_type=Path),
        callback=store_name,
        metavar="OUT.zarr",
        help="Product to make; one that is there is replaced when the new one is whole.",
    )(function)


def store_name(_ctx: click.Context, _parameter: click.Parameter, value: Path) -> Path:
    """Return the name of a product to make; refuse one that is none, or that is taken by something else."""
    if value.suffix != ".zarr":
        message = f"{value} is no name for a product: give one that ends in .zarr"
        raise click.BadParameter(message)
    if value.exists() and not (value / "zarr.json").exists() and (value.is_file() or any(value.iterdir())):
        message = f"{value} is there and is no product: it is not replaced, choose another name"
        raise click.BadParameter(message)
    return writable(value)


def file_out(endings: Sequence[str], text: str, *, also: Sequence[str] = ()) -> Callable[[F], F]:
    """Add ``-o OUT`` for a file with one of some endings; the command gets it as ``target``, or None.

    Parameters
    ----------
    endings : sequence of str
        Such as ``.png``.
    text : str
        Help.
    also : sequence of str
        More names of the flag.
    """

    def check(_ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() not in endings:
            message = f"{value} must end in {', '.join(endings)}"
            raise click.BadParameter(message)
        return None if value is None else writable(value)

    kind = click.Path(dir_okay=False, path_type=Path)
    names = ("-o", "--output", *also, "target")
    return click.option(*names, type=kind, callback=check, metavar=f"OUT{endings[0]}", help=text)


def writable(path: Path) -> Path:
    """Return a path that can be made: the first folder above it that exists is a folder.

    Raises
    ------
    click.BadParameter
        There is a file in the way.
    """
    above = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        message = f"{path} cannot be made: {above} is a file, not a folder"
        raise click.BadParameter(message)
    return path


def require_other(source: Path, target: Path) -> None:
    """Raise a usage error when a command would write over what it reads."""
    if source.resolve() == target.resolve():
        message = f"-o {target} is the input itself: give another name"
        raise click.UsageError(message)


memory_flag = click.option(
    "--memory-gb",
    type=click.FloatRange(min=0, min_open=True),
    default=MEMORY_GB,
    show_default=True,
    help="Memory to keep within, gigabytes.",
)


def access_flags(function: F) -> F:
    """Add what a catalogue may lead to; the command gets ``hosts`` and ``folders``."""
    host = click.option(
        "--allow-host",
        "hosts",
        multiple=True,
        metavar="HOST[:PORT]",
        help="Host of this machine or of a private network that may be asked, also over plain http.",
    )
    folder = click.option(
        "--allow-folder",
        "folders",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Folder of this machine that a catalogue may refer to.",
    )
    return host(folder(function))


def area_flags(function: F) -> F:
    """Add how an area of interest is read; the command gets ``buffer_m`` and ``crs``."""
    buffer = click.option(
        "--buffer-m",
        type=click.FloatRange(min=0),
        default=0.0,
        show_default=True,
        help="Ground to take in around the area, metres.",
    )
    system = click.option(
        "--crs", help="Reference system of a box or WKT, such as EPSG:32633.  [default: degrees, WGS 84]"
    )
    return buffer(system(function))
