"""creepmeter plot-network."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import PRODUCT, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.cli.view import FIGURES


@click.command(cls=Verb, example="creepmeter plot-network run/stack.zarr -o network.png")
@click.argument("file", type=PRODUCT)
@file_out(FIGURES, "Figure to make (.png, .pdf, .svg); default: NAME-network.png in the working folder.")
@click.option("--dpi", type=click.IntRange(30, 1200), default=300, show_default=True, help="Dots per inch.")
def command(file: Path, target: Path | None, dpi: int) -> None:
    """Draw the network of pairs of a stack."""
    from creepmeter.io.store import open as open_product
    from creepmeter.model.schema import PAIR_STACK, check
    from creepmeter.products.canvas import save_figure
    from creepmeter.products.figures import network_figure

    stack = open_product(file)
    check(stack, PAIR_STACK)
    place = target or Path(f"{file.resolve().stem}-network.png")
    say(f"figure: {save_figure(network_figure(stack), place, dpi=dpi)}")
