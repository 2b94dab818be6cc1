"""The command line: `main` is the entry point, each command is a module that is loaded when it is called."""

from __future__ import annotations

import click

from creepmeter import __version__
from creepmeter.cli.group import Entry, Program

COMMANDS = {
    "demo": Entry("creepmeter.cli.demo", "Make sample scenes and run everything on them.", "Whole runs"),
    "run": Entry("creepmeter.cli.run", "Run a configuration, from images to velocity and report.", "Whole runs"),
    "sbas": Entry("creepmeter.cli.sbas", "Run a MintPy template, from interferograms to velocity.", "Whole runs"),
    "track": Entry("creepmeter.cli.track", "Measure the offsets between two images.", "Steps"),
    "load": Entry("creepmeter.cli.load", "Load offset or displacement maps of other programs.", "Steps"),
    "stable": Entry("creepmeter.cli.stable", "Correct pairs by ground that does not move.", "Steps"),
    "invert": Entry("creepmeter.cli.invert", "Turn displacement per pair into displacement per date.", "Steps"),
    "velocity": Entry("creepmeter.cli.velocity", "Fit velocity and other terms to displacement per date.", "Steps"),
    "info": Entry("creepmeter.cli.info", "Say what a product holds.", "Products"),
    "view": Entry("creepmeter.cli.view", "Draw a product as a map.", "Products"),
    "tsview": Entry("creepmeter.cli.tsview", "Show the displacement of points over time beside a map.", "Products"),
    "plot-transection": Entry("creepmeter.cli.plot_transection", "Draw profiles of maps along a line.", "Products"),
    "plot-network": Entry("creepmeter.cli.plot_network", "Draw the network of pairs of a stack.", "Products"),
    "save": Entry("creepmeter.cli.save", "Save a product for other programs.", "Products"),
}


@click.group(
    cls=Program, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="creepmeter")
def main() -> None:
    """Measure slow ground motion from satellite images.

    Start with `creepmeter demo`. Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but with parts left out.
    """
