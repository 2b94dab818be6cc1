"""creepmeter save."""

from __future__ import annotations

import click

from creepmeter.cli.group import Entry, LazyGroup

TABLE = {
    "kmz": Entry("creepmeter.cli.save_kmz", "Save a map for Google Earth."),
    "hdfeos5": Entry("creepmeter.cli.save_hdfeos5", "Save a series with quality and geometry as HDF-EOS5."),
    "kmz-timeseries": Entry(
        "creepmeter.cli.save_kmz_timeseries", "Save a series for Google Earth: points with a chart each."
    ),
    "geotiff": Entry("creepmeter.cli.save_geotiff", "Save maps as GeoTIFF."),
    "cog": Entry("creepmeter.cli.save_geotiff", "Save maps as cloud-optimised GeoTIFF.", name="cog"),
    "netcdf": Entry("creepmeter.cli.save_netcdf", "Save a product as NetCDF."),
    "zarr": Entry("creepmeter.cli.save_zarr", "Save a product as Zarr store with CF and GeoZarr attributes."),
    "gmt": Entry("creepmeter.cli.save_gmt", "Save a map as grid of GMT (netCDF-4)."),
    "roipac": Entry(
        "creepmeter.cli.save_sources", "Save phase, coherence or heights in the format of ROI_PAC.", name="roipac"
    ),
    "gbis": Entry(
        "creepmeter.cli.save_sources",
        "Save displacement with position and line of sight for GBIS.",
        name="gbis",
    ),
    "kite": Entry(
        "creepmeter.cli.save_sources", "Save displacement and line of sight as scene of Kite (Pyrocko).", name="kite"
    ),
    "qgis": Entry(
        "creepmeter.cli.save_points", "Save a series as points with a column for each date, as GeoPackage.", name="qgis"
    ),
    "explorer": Entry(
        "creepmeter.cli.save_gmt",
        "Save a series and its velocity as grids for InSAR Explorer.",
        name="explorer",
    ),
    "csv": Entry(
        "creepmeter.cli.save_points", "Save pixels of products on one grid as CSV, a line each.", name="table"
    ),
    "itslive": Entry("creepmeter.cli.save_itslive", "Save pairs of image offsets in the layout of ITS_LIVE."),
}


@click.group(cls=LazyGroup, table=TABLE)
def command() -> None:
    """Save a product for other programs."""
