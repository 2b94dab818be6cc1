"""Write the reference pages from the code: options from their models, commands from their flags, names from docstrings.

Usage: ``python tools/make_reference.py [--check]``. With ``--check`` nothing is written, and the exit status is 1 when
a page is not what the code says. Text above the marker line of a page is written by hand and kept.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
MARKER = "<!-- made by tools/make_reference.py from here on -->"


def python_page() -> str:
    """Return the public names with their arguments and docstrings."""
    package = import_module("creepmeter")
    parts = []
    for name in sorted(package.__all__):
        value = getattr(package, name)
        if callable(value):
            arguments = _arguments(value)
            parts.append(f"## {name}\n\n```text\n{name}({arguments})\n\n{inspect.getdoc(value) or ''}\n```\n")
    return "\n".join(parts)


def _arguments(function: Callable[..., Any]) -> str:
    shown: list[str] = []
    starred = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL  # *args stands for the star
        shown.append(str(parameter.replace(annotation=parameter.empty, default=parameter.empty)))
    return ", ".join(shown)


def options_page() -> str:
    """Return the fields of the run file, section by section: default, bounds and meaning."""
    model = import_module("creepmeter.workflow.config").RunConfig
    top = _option_table("Top of the file", "", model)
    return "\n".join([*([top] if "| `" in top else []), *_option_sections(model)])


def _option_sections(model: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - a pydantic model
    """Yield a table for each section, and for the sections in it."""
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is not None:
            yield _option_table(f"{path}{name}", f"{_first_paragraph(inner)}\n\n", inner)
            yield from _option_sections(inner, f"{path}{name}.")


def _option_table(heading: str, text: str, model: Any) -> str:  # noqa: ANN401 - a pydantic model
    fields = {name: field for name, field in model.model_fields.items() if _model_of(field.annotation) is None}
    rows = "\n".join(_option_row(name, field) for name, field in fields.items())
    return f"## {heading}\n\n{text}{_OPTION_HEAD}\n{rows}\n"


_OPTION_HEAD = "| option | default | allowed | meaning |\n|---|---|---|---|"


def _model_of(annotation: Any) -> Any:  # noqa: ANN401 - an annotation is any object
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next((item for item in candidates if hasattr(item, "model_fields")), None)


def _option_row(name: str, field: Any) -> str:  # noqa: ANN401 - pydantic's FieldInfo, which tools need not import
    default = "required" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
    bounds = ", ".join(_bound(item) for item in field.metadata if _bound(item))
    choices = ", ".join(f"`{item}`" for item in _choices(field.annotation))
    return f"| `{name}` | {default} | {bounds or choices} | {_cell(field.description or '')} |"


def _choices(annotation: Any) -> Iterator[str]:  # noqa: ANN401 - an annotation is any object
    for item in getattr(annotation, "__args__", ()):
        yield from [item] if isinstance(item, str) else _choices(item)


def _bound(item: object) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}
    return ", ".join(f"{sign} {getattr(item, key)}" for key, sign in signs.items() if hasattr(item, key))


def _plain(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _first_paragraph(item: object) -> str:
    return (inspect.getdoc(item) or "").split("\n\n")[0]


def commands_page() -> str:
    """Return every command with its arguments and flags."""
    return "\n".join(_command_part(path, command) for path, command in _commands(import_module("creepmeter.cli").main))


def _commands(group: Any, path: str = "creepmeter") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - click's Group
    import click  # noqa: PLC0415 - only this page needs it

    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if hasattr(command, "list_commands"):
                yield from _commands(command, f"{path} {name}")
            else:
                yield f"{path} {name}", command


def _command_part(path: str, command: Any) -> str:  # noqa: ANN401 - click's Command
    arguments: list[str] = []
    rows = []
    for item in command.params:
        if item.param_type_name == "argument":
            arguments.append((item.metavar or item.name or "").upper())
        elif not item.hidden:
            flags = ", ".join(f"`{flag}`" for flag in (*item.opts, *item.secondary_opts))
            default = "" if not isinstance(item.default, str | int | float) else f"`{_plain(item.default)}`"
            rows.append(f"| {flags} | {default} | {_cell(item.help or '')} |")
    usage = " ".join([path, *arguments])
    table = "\n".join(["| flag | default | meaning |", "|---|---|---|", *rows]) if rows else "No flags."
    return f"## {path}\n\n```text\n{usage}\n```\n\n{_cell((command.help or '').replace(chr(8), ''))}\n\n{table}\n"


PAGES: dict[str, Callable[[], str]] = {
    "python.md": python_page,
    "options.md": options_page,
    "commands.md": commands_page,
}


def is_current(name: str, *, folder: Path = FOLDER) -> bool:
    """Tell whether a page says what the code says."""
    path = folder / name
    return path.read_text(encoding="utf-8") == _with_head(path, PAGES[name]())


def _with_head(path: Path, text: str) -> str:
    head = path.read_text(encoding="utf-8").partition(MARKER)[0]
    return f"{head}{MARKER}\n\n{text.rstrip()}\n"


def main(arguments: Sequence[str]) -> int:
    """Write or check all pages, return the exit status."""
    stale = [name for name in PAGES if not is_current(name)]
    for name in stale:
        if "--check" in arguments:
            print(f"docs/reference/{name} is not what the code says: run `make reference`")
        else:
            path = FOLDER / name
            path.write_text(_with_head(path, PAGES[name]()), encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
