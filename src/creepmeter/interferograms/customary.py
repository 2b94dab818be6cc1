"""Where processors customarily put their files, seen from the work folder; used with ``auto_path``."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from creepmeter.errors import InputError
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
    "meta_file": "../referenceShelve/data.*",
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


_MAIN = ("unw_file", "rg_off_file", "az_off_file")


def with_customary_paths(options: LoadOptions, base: Path, work: Path | None = None) -> LoadOptions:
    """Return options in which patterns that are not given are those the processor customarily uses.

    Parameters
    ----------
    options : LoadOptions
        Unchanged unless ``auto_path`` is set.
    base : Path
        Folder that relative patterns start from.
    work : Path, optional
        Work folder, from which customary paths are seen; default `base`.

    Raises
    ------
    InputError
        No interferogram lies where it customarily does, and none is named.
    """
    if not options.auto_path:
        return options
    home = base if work is None else work
    known = [_seen_from(home, base, paths) for paths in CUSTOMARY.get(options.processor, ())]
    chosen = next((paths for paths in known if matching(paths["unw_file"], base)), {})
    if not chosen and not any(getattr(options, name) for name in _MAIN):
        raise InputError(_nothing(options.processor, home))
    missing = {name: path for name, path in chosen.items() if getattr(options, name) is None and matching(path, base)}
    return options.override(missing, step="load")


def _seen_from(work: Path, base: Path, paths: Mapping[str, str]) -> Mapping[str, str]:
    """Return patterns that start from `work` as ones that start from `base`; `work` need not exist yet."""
    if work.resolve() == base.resolve():
        return paths
    above = Path(glob.escape(str(work.resolve().parent)))
    return {name: str(above / pattern.removeprefix("../")) for name, pattern in paths.items()}


def _nothing(processor: str, work: Path) -> str:
    known = CUSTOMARY.get(processor)
    if known is None:
        return (
            f"auto_path: no customary paths are known of processor {processor}, only of {', '.join(CUSTOMARY)}: "
            "name the files (unw_file, cor_file ...)"
        )
    tried = " and ".join(paths["unw_file"] for paths in known)
    return (
        f"auto_path: no file matches {tried}, seen from the work folder {work.resolve()}: "
        "give the work folder that lies beside the products, or name the files (unw_file, cor_file ...)"
    )
