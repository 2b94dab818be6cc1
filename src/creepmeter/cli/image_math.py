"""creepmeter image-math."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say

_LEAST = 3  # a file, an operator, an operand
_SIGN = {"+": "plus", "-": "minus", "*": "multiply", "/": "divide", "^": "pow"}


class MathVerb(Verb):
    """A command that takes ``-`` and negative numbers for what they are: operator and operand, not flags."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of a call; operator and operand come last of the words that are no flags."""
        place = next((k for k, text in enumerate(args[:-1]) if text in _SIGN), None)
        if place is not None and "--" not in args:
            operation = args[place : place + 2]
            args = [*args[:place], *args[place + 2 :], "--", *operation]
        return super().parse_args(ctx, args)


@click.command(
    cls=MathVerb, example="creepmeter image-math velocity.h5 '*' 100 -o velocity_cm.h5", holds=("target", "words")
)
@click.argument("words", metavar="FILE... {+,-,*,/,^} VALUE", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default such as FILE_plus0.5.h5."
)
@click.option(
    "--overwrite", "--overwrite-input", "overwrite", is_flag=True, help="Put the result in place of the file."
)
@memory_flag
def command(words: tuple[Path, ...], target: Path | None, overwrite: bool, memory_gb: float) -> None:
    """Calculate with all maps of a product, with a number or a file.

    VALUE is a number, or a product of the same grid. Zeros count as numbers, also where nothing was measured.
    """
    from creepmeter.workflow.sbas.combine import calculate_file

    files, operator, operand = _parts(words)
    if target is not None and len(files) > 1:
        message = "one result (-o) cannot hold several files: give them one by one, or --overwrite"
        raise click.UsageError(message)
    with shown_progress() as progress:
        for path in files:
            label = operand.stem if isinstance(operand, Path) else f"{operand}"
            place = path if overwrite else path.with_name(f"{path.stem}_{_SIGN[operator]}{label}{path.suffix}")
            place = writable(target or place)
            if isinstance(operand, Path):
                require_other(operand, place)
            if not overwrite or target is not None:
                require_other(path, place)
            calculate_file(path, operator, operand, place, memory_gb=memory_gb, progress=progress)
            say(f"{place}: {path.name} {operator} {operand}")


def _parts(words: tuple[Path, ...]) -> tuple[tuple[Path, ...], str, float | Path]:
    if len(words) < _LEAST or str(words[-2]) not in _SIGN:
        message = "give FILE, one of + - * / ^ (in quotes), and VALUE"
        raise click.UsageError(message)
    files, operator, last = words[:-2], str(words[-2]), words[-1]
    for path in files:
        FILE.convert(path, None, click.get_current_context())
    try:
        return files, operator, float(str(last))
    except ValueError:
        return files, operator, Path(FILE.convert(last, None, click.get_current_context()))
