"""creepmeter plot-network."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, PRODUCT, build, changed, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.listing import from_here
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.cli.view import FIGURES
from creepmeter.products.network_options import NetworkPlotOptions


@click.command(cls=Verb, example="creepmeter plot-network inputs/ifgramStack.h5 -t smallbaselineApp.cfg")
@click.argument("file", type=PRODUCT)
@file_out(FIGURES, "Figure to make (.png, .pdf, .svg); default: see above, in the working folder.")
@click.option("--dpi", type=click.IntRange(30, 1200), default=300, show_default=True, help="Dots per inch.")
@click.option("--show-kept", is_flag=True, help="Only pairs that are used.")
@click.option(
    "-d",
    "--dset",
    "dataset",
    type=click.Choice(["coherence", "offsetSNR", "tbase", "pbase"]),
    help="What the colours of an interferogram stack mean.  [default: coherence, else offsetSNR, else tbase]",
)
@click.option("-v", "--vlim", type=click.Tuple((float, float)), metavar="MIN MAX", help="Ends of the colours.")
@click.option("-c", "--colormap", "cmap", default="batlow", show_default=True, help="Name of cmcrameri or matplotlib.")
@click.option("-t", "--template", type=FILE, help="MintPy template that names mask and area of the mean coherence.")
@click.option("--mask", "mask_file", type=FILE, help="Mask of the mean coherence.  [default: waterMask.h5]")
@click.option("--names-2019", is_flag=True, help="Network.pdf, CoherenceMatrix.pdf ... as MintPy had them in 2019.")
@click.option("--save", is_flag=True, hidden=True, help="Figures are saved in any case.")
@click.option("--nodisplay", is_flag=True, hidden=True, help="Nothing is displayed in any case.")
def command(
    file: Path,
    target: Path | None,
    dpi: int,
    show_kept: bool,
    dataset: str | None,
    vlim: tuple[float, float] | None,
    cmap: str,
    template: Path | None,
    mask_file: Path | None,
    names_2019: bool,
    save: bool,
    nodisplay: bool,
) -> None:
    """Draw the network of pairs of a stack.

    FILE is a stack of this program (one figure, NAME-network.png), MintPy's ifgramStack.h5 or coherenceSpatialAvg.txt
    (four figures: network.pdf, pbaseHistory.pdf, coherenceHistory.pdf, coherenceMatrix.pdf; -o names the first, the
    others lie beside it). Figures are saved, nothing is displayed.
    """
    del save, nodisplay
    low, high = vlim or (None, None)
    options = build(
        NetworkPlotOptions,
        {"dataset": dataset, "show_kept": show_kept, "vmin": low, "vmax": high, "cmap": cmap, "dpi": dpi},
    )
    if file.suffix in (".h5", ".txt"):
        _draw_mintpy(file, target, options, (template, mask_file), names_2019=names_2019)
    else:
        _draw_store(file, target, dpi)


def _draw_store(file: Path, target: Path | None, dpi: int) -> None:
    from creepmeter.io.store import open as open_product
    from creepmeter.model.schema import PAIR_STACK, check
    from creepmeter.products.canvas import save_figure
    from creepmeter.products.figures import network_figure

    stack = open_product(file)
    check(stack, PAIR_STACK)
    place = target or Path(f"{file.resolve().stem}-network.png")
    say(f"figure: {save_figure(network_figure(stack), place, dpi=dpi)}")


def _draw_mintpy(
    file: Path,
    target: Path | None,
    options: NetworkPlotOptions,
    area: tuple[Path | None, Path | None],
    *,
    names_2019: bool,
) -> None:
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.pairs.network_options import NetworkOptions
    from creepmeter.workflow.sbas.folder import work_folder
    from creepmeter.workflow.sbas.network_figures import (
        NAMES,
        NAMES_2019,
        draw_network,
        view_of_stack,
        view_of_table,
    )
    from creepmeter.workflow.sbas.template import read_template

    template, mask_file = area
    if file.suffix == ".txt":
        view = view_of_table(file)
    else:
        where = NetworkOptions() if template is None else read_template(template).network
        if mask_file is not None:
            where = changed(where, mask_file=from_here(str(mask_file)))
        announce_compilation()
        with shown_progress() as progress:
            view = view_of_stack(StackFile.open(file), work_folder(file), options, where, progress=progress)
    names = dict(NAMES_2019 if names_2019 else NAMES)
    folder, ending = Path(), ".pdf"
    if target is not None:
        folder, ending, names["network"] = target.parent, target.suffix.lower(), target.stem
    for made in draw_network(view, folder, options, names=names, ending=ending):
        say(f"figure: {made}")
