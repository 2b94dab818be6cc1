"""Where processors customarily put their files, seen from the work folder; used with ``auto_path``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from creepmeter.interferograms.catalogue import matching
from creepmeter.interferograms.load_options import LoadOptions

_TOPS = {
    "meta_file": "../reference/IW*.xml",
    "baseline_dir": "../baselines",
    "unw_file": "../merged/interferograms/*/filt*.unw",
    "cor_file": "../merged/interferograms/*/filt*.cor",
    "conn_comp_file": "../merged/interferograms/*/filt*.unw.conncomp",
    "dem_file": "../merged/geom_reference/hgt.rdr",
    "lookup_y_file": "../merged/geom_reference/lat.rdr",
    "lookup_x_file": "../merged/geom_reference/lon.rdr",
    "inc_angle_file": "../merged/geom_reference/los.rdr",
    "az_angle_file": "../merged/geom_reference/los.rdr",
    "shadow_mask_file": "../merged/geom_reference/shadowMask.rdr",
    "water_mask_file": "../merged/geom_reference/waterMask.rdr",
}
_STRIPMAP = {
    "meta_file": "../referenceShelve/data.rsc",
    "baseline_dir": "../baselines",
    "unw_file": "../Igrams/*/filt*.unw",
    "cor_file": "../Igrams/*/filt*.cor",
    "conn_comp_file": "../Igrams/*/filt*.unw.conncomp",
    **{
        name: path.replace("../merged/", "../")
        for name, path in _TOPS.items()
        if path.startswith("../merged/geom_reference")
    },
}
_ARIA = {
    "unw_file": "../stack/unwrapStack.vrt",
    "cor_file": "../stack/cohStack.vrt",
    "conn_comp_file": "../stack/connCompStack.vrt",
    "dem_file": "../DEM/*.dem",
    "inc_angle_file": "../incidenceAngle/*.vrt",
    "az_angle_file": "../azimuthAngle/*.vrt",
    "water_mask_file": "../mask/watermask.msk",
}
_HYP3 = {
    "unw_file": "../hyp3/*/*unw_phase*.tif",
    "cor_file": "../hyp3/*/*corr*.tif",
    "conn_comp_file": "../hyp3/*/*conncomp*.tif",
    "dem_file": "../hyp3/*/*dem*.tif",
    "inc_angle_file": "../hyp3/*/*lv_theta*.tif",
    "az_angle_file": "../hyp3/*/*lv_phi*.tif",
    "water_mask_file": "../hyp3/*/*water_mask*.tif",
}
CUSTOMARY: Mapping[str, tuple[Mapping[str, str], ...]] = MappingProxyType(
    {"isce": (_TOPS, _STRIPMAP), "aria": (_ARIA,), "hyp3": (_HYP3,)}
)


def with_customary_paths(options: LoadOptions, base: Path) -> LoadOptions:
    """Return options in which patterns that are not given are those the processor customarily uses.

    Parameters
    ----------
    options : LoadOptions
        Unchanged unless ``auto_path`` is set.
    base : Path
        Work folder that the patterns start from.
    """
    if not options.auto_path:
        return options
    known = CUSTOMARY.get(options.processor, ())
    chosen = next((paths for paths in known if matching(paths["unw_file"], base)), {})
    missing = {name: path for name, path in chosen.items() if getattr(options, name) is None and matching(path, base)}
    return options.override(missing, step="load")
