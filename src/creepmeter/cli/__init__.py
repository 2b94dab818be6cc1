"""The command line: `main` is the entry point, each command is a module that is loaded when it is called."""

from __future__ import annotations

import click

from creepmeter import __version__
from creepmeter.cli.group import Entry, Program

COMMANDS = {
    "demo": Entry("creepmeter.cli.demo", "Make sample scenes and run everything on them.", "Whole runs"),
    "run": Entry("creepmeter.cli.run", "Run a configuration, from images to velocity and report.", "Whole runs"),
    "sbas": Entry(
        "creepmeter.cli.sbas",
        "Run a MintPy template, from interferograms to velocity and report.",
        "Whole runs",
    ),
    "scenes": Entry(
        "creepmeter.cli.scenes", "Find and read optical scenes of Sentinel-2 and Landsat, and heights.", "Steps"
    ),
    "track": Entry("creepmeter.cli.track", "Measure the offsets between two images.", "Steps"),
    "aria": Entry(
        "creepmeter.cli.aria",
        "Find and download Sentinel-1 interferograms of ARIA.",
        "Steps",
    ),
    "load": Entry(
        "creepmeter.cli.load", "Load interferograms, offset or displacement maps of other programs.", "Steps"
    ),
    "stable": Entry("creepmeter.cli.stable", "Correct pairs by ground that does not move.", "Steps"),
    "invert": Entry("creepmeter.cli.invert", "Turn displacement per pair into displacement per date.", "Steps"),
    "ifgram-inversion": Entry(
        "creepmeter.cli.ifgram_inversion",
        "Turn phase or offset per pair into displacement per date (MintPy).",
        "Radar",
    ),
    "velocity": Entry("creepmeter.cli.velocity", "Fit velocity and other terms to displacement per date.", "Steps"),
    "validate": Entry(
        "creepmeter.cli.validate", "Compare a velocity map with survey pegs and GNSS stations.", "Velocity"
    ),
    "gnss": Entry("creepmeter.cli.gnss", "Compare a radar velocity with the GNSS stations on it.", "Velocity"),
    "structure-function": Entry(
        "creepmeter.cli.structure_function",
        "Say how large errors are by the distance between two points.",
        "Velocity",
    ),
    "statistics": Entry("creepmeter.cli.statistics", "Say how fast the ground moves within polygons.", "Velocity"),
    "detect": Entry("creepmeter.cli.detect", "Find areas that move faster than their errors allow.", "Velocity"),
    "downslope": Entry(
        "creepmeter.cli.downslope",
        "Turn a horizontal velocity into motion down the slope.",
        "Velocity",
    ),
    "timeseries2velocity": Entry(
        "creepmeter.cli.timeseries2velocity",
        "Fit velocity and other functions of time to a series (MintPy).",
        "Radar",
    ),
    "tropo-pyaps3": Entry(
        "creepmeter.cli.tropo_pyaps3",
        "Remove the troposphere by a weather model, or write its delays.",
        "Radar",
    ),
    "tropo-gacos": Entry(
        "creepmeter.cli.tropo_gacos", "Remove the troposphere by maps of GACOS (www.gacos.net).", "Radar"
    ),
    "tropo-opera": Entry(
        "creepmeter.cli.tropo_opera",
        "Remove the troposphere by zenith delays of OPERA.",
        "Radar",
    ),
    "reference-date": Entry(
        "creepmeter.cli.reference_date",
        "Refer series in MintPy's layout to another date, in place.",
        "Radar",
    ),
    "local-oscilator-drift": Entry(
        "creepmeter.cli.local_oscilator_drift",
        "Take the drift of the oscillator off a series of Envisat (MintPy).",
        "Radar",
    ),
    "tropo-phase-elevation": Entry(
        "creepmeter.cli.tropo_phase_elevation",
        "Take off a series what correlates with height (MintPy).",
        "Radar",
    ),
    "remove-ramp": Entry(
        "creepmeter.cli.remove_ramp", "Take a ramp off every date of a series, or off a map (MintPy).", "Radar"
    ),
    "dem-error": Entry("creepmeter.cli.dem_error", "Correct a series for the error of the heights (MintPy).", "Radar"),
    "timeseries-rms": Entry(
        "creepmeter.cli.timeseries_rms", "Find noisy dates and the quietest one by their residuals (MintPy).", "Radar"
    ),
    "geocode": Entry(
        "creepmeter.cli.geocode",
        "Bring products from radar coordinates to a map, or back (MintPy).",
        "Radar",
    ),
    "asc-desc2horz-vert": Entry(
        "creepmeter.cli.asc_desc2horz_vert",
        "Turn two tracks into horizontal and vertical motion (MintPy).",
        "Radar",
    ),
    "decompose": Entry(
        "creepmeter.cli.decompose", "Turn velocities along several directions into east, north and up.", "Velocity"
    ),
    "lookup-geo2radar": Entry(
        "creepmeter.cli.lookup_geo2radar",
        "Turn a lookup table on a map into places of radar pixels (MintPy).",
        "Radar",
    ),
    "resample": Entry("creepmeter.cli.resample", "Bring geocoded products to another grid.", "Radar"),
    "image-stitch": Entry(
        "creepmeter.cli.image_stitch",
        "Join overlapping geocoded products to one (MintPy).",
        "Radar",
    ),
    "subset": Entry(
        "creepmeter.cli.subset",
        "Cut a part out of products (MintPy).",
        "Radar",
    ),
    "multilook": Entry("creepmeter.cli.multilook", "Join several pixels of products to one (MintPy).", "Radar"),
    "info": Entry("creepmeter.cli.info", "Say what a product holds.", "Products"),
    "view": Entry("creepmeter.cli.view", "Draw a product as a map, or its dates and pairs as panels.", "Products"),
    "tsview": Entry("creepmeter.cli.tsview", "Show the displacement of points over time beside a map.", "Products"),
    "plot-transection": Entry(
        "creepmeter.cli.plot_transection", "Draw profiles of one or several maps along a line.", "Products"
    ),
    "plot-network": Entry("creepmeter.cli.plot_network", "Draw the network of pairs of a stack.", "Products"),
    "modify-network": Entry("creepmeter.cli.modify_network", "Choose which pairs of a stack are used.", "Radar"),
    "reference-point": Entry(
        "creepmeter.cli.reference_point", "Set the pixel that all displacement is relative to.", "Radar"
    ),
    "unwrap-error-bridging": Entry(
        "creepmeter.cli.unwrap_error_bridging", "Correct unwrapping errors between regions by bridges.", "Radar"
    ),
    "unwrap-error-phase-closure": Entry(
        "creepmeter.cli.unwrap_error_phase_closure",
        "Correct unwrapping errors by triplets of pairs, or count them.",
        "Radar",
    ),
    "solid-earth-tides": Entry(
        "creepmeter.cli.solid_earth_tides",
        "Take the tide of the solid Earth from a series.",
        "Radar",
    ),
    "iono-split-spectrum": Entry(
        "creepmeter.cli.iono_split_spectrum",
        "Take the ionosphere of split-spectrum pairs from a series.",
        "Radar",
    ),
    "plate-motion": Entry(
        "creepmeter.cli.plate_motion",
        "Write how a rigid plate moves, or take it from a velocity.",
        "Radar",
    ),
    "generate-mask": Entry(
        "creepmeter.cli.generate_mask", "Make a mask from a map: True where its values are kept.", "Radar"
    ),
    "mask": Entry("creepmeter.cli.mask", "Replace the values of a product outside a mask.", "Radar"),
    "temporal-average": Entry(
        "creepmeter.cli.temporal_average", "Average the used pairs of a stack at each pixel.", "Radar"
    ),
    "spatial-average": Entry(
        "creepmeter.cli.spatial_average", "Average each pair or date over its pixels, and write a table.", "Radar"
    ),
    "spatial-filter": Entry("creepmeter.cli.spatial_filter", "Filter the maps of a product in space.", "Radar"),
    "temporal-filter": Entry(
        "creepmeter.cli.temporal_filter",
        "Smooth a series in time, pixel by pixel.",
        "Radar",
    ),
    "temporal-derivative": Entry(
        "creepmeter.cli.temporal_derivative", "Write how much a series changed since the date before.", "Radar"
    ),
    "add": Entry("creepmeter.cli.add", "Add products of one grid: series, velocities or masks.", "Radar"),
    "diff": Entry("creepmeter.cli.diff", "Subtract products of one grid from the first.", "Radar"),
    "image-math": Entry(
        "creepmeter.cli.image_math",
        "Calculate with all maps of a product, with a number or a file.",
        "Radar",
    ),
    "plot-coherence-matrix": Entry(
        "creepmeter.cli.plot_coherence_matrix", "Draw the coherence of one pixel in all pairs of a stack.", "Products"
    ),
    "save": Entry("creepmeter.cli.save", "Save a product for other programs.", "Products"),
    "save-kmz": Entry("creepmeter.cli.save_kmz", "Save a map for Google Earth.", "Export (MintPy)"),
    "save-kmz-timeseries": Entry(
        "creepmeter.cli.save_kmz_timeseries",
        "Save a series for Google Earth: points with a chart each.",
        "Export (MintPy)",
    ),
    "save-hdfeos5": Entry(
        "creepmeter.cli.save_hdfeos5", "Save a series with quality and geometry as HDF-EOS5.", "Export (MintPy)"
    ),
    "save-gmt": Entry("creepmeter.cli.save_gmt", "Save a map as grid of GMT (netCDF-4).", "Export (MintPy)"),
    "save-roipac": Entry(
        "creepmeter.cli.save_sources",
        "Save phase, coherence or heights in the format of ROI_PAC.",
        "Export (MintPy)",
        "roipac",
    ),
    "save-gbis": Entry(
        "creepmeter.cli.save_sources",
        "Save displacement with position and line of sight for GBIS.",
        "Export (MintPy)",
        "gbis",
    ),
    "save-kite": Entry(
        "creepmeter.cli.save_sources",
        "Save displacement and line of sight as scene of Kite (Pyrocko).",
        "Export (MintPy)",
        "kite",
    ),
    "save-qgis": Entry(
        "creepmeter.cli.save_points",
        "Save a series as points with a column for each date, as GeoPackage.",
        "Export (MintPy)",
        "qgis",
    ),
    "save-explorer": Entry(
        "creepmeter.cli.save_gmt",
        "Save a series and its velocity as grids for InSAR Explorer.",
        "Export (MintPy)",
        "explorer",
    ),
}


@click.group(
    cls=Program, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="creepmeter")
def main() -> None:
    """Measure slow ground motion from satellite images.

    Start with `creepmeter demo`. Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but with parts left out.
    """
