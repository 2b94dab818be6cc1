"""The keys of a MintPy template: kind of value, what ``auto`` stands for, meaning, and former names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from creepmeter.workflow.sbas import template_values as values
from creepmeter.workflow.sbas.template_values import Kind, choice, number, numbers

PREFIX = "mintpy."
FORMER_PREFIXES = ("pysar.",)


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Parameters
    ----------
    name : str
        Without the prefix ``mintpy.``.
    kind : Kind
        How its value is read.
    default : str
        What ``auto`` stands for, as text.
    meaning : str
        What it does, one line.
    former : tuple of str
        Names it had in older templates.
    unused : str
        Why the value has no effect here; empty for a key that works.
    """

    name: str
    kind: Kind
    default: str
    meaning: str
    former: tuple[str, ...] = ()
    unused: str = ""


_PROCESSORS = (
    "isce",
    "aria",
    "hyp3",
    "gmtsar",
    "snap",
    "gamma",
    "roipac",
    "nisar",
    "cosicorr",
    "autorift",
    "itslive",
    "geotiff",
    "mintpy",
)
_CORES = "all cores of the machine are used"
_NISAR = "NISAR products are not read yet"

_COMPUTE = (
    Key("compute.maxMemory", number(0, above=True), "4", "memory to keep within, gigabytes"),
    Key(
        "compute.cluster",
        values.CLUSTER,
        "no",
        "kind of cluster that shares the work",
        ("networkInversion.parallel", "networkInversion.cluster"),
        _CORES,
    ),
    Key(
        "compute.numWorker",
        values.WORKERS,
        "4",
        "number of workers on that cluster",
        ("networkInversion.numWorker",),
        _CORES,
    ),
    Key("compute.config", values.text_kind("name / no"), "no", "name of the cluster's configuration", (), _CORES),
)
_LOAD = (
    Key(
        "load.processor",
        choice(*_PROCESSORS),
        "isce",
        "program that made the interferograms",
        ("load.insarProcessor", "insarProcessor"),
    ),
    Key("load.autoPath", values.FLAG, "no", "use the customary paths of that program for what is not given"),
    Key("load.updateMode", values.FLAG, "yes", "load only what is new or has changed"),
    Key(
        "load.compression",
        choice("gzip", "lzf", "none", "default"),
        "default",
        "compression of the HDF5 files; default: none for the stack, lzf for the geometry",
    ),
    Key("load.frequency", choice("A", "B"), "A", "frequency band, of NISAR only", (), _NISAR),
    Key("load.metaFile", values.PATTERN, "no", "file with the metadata of the whole stack"),
    Key("load.baselineDir", values.PATTERN, "no", "folder of the baseline files"),
    Key("load.unwFile", values.PATTERN, "no", "unwrapped interferograms"),
    Key("load.corFile", values.PATTERN, "no", "coherence"),
    Key("load.connCompFile", values.PATTERN, "no", "connected components of unwrapping; may be missing"),
    Key("load.intFile", values.PATTERN, "no", "wrapped interferograms; may be missing"),
    Key("load.magFile", values.PATTERN, "no", "magnitude; may be missing"),
    Key("load.ionUnwFile", values.PATTERN, "no", "unwrapped ionospheric phase"),
    Key("load.ionCorFile", values.PATTERN, "no", "its coherence"),
    Key("load.ionConnCompFile", values.PATTERN, "no", "its connected components"),
    Key("load.azOffFile", values.PATTERN, "no", "azimuth offsets"),
    Key("load.rgOffFile", values.PATTERN, "no", "range offsets"),
    Key("load.azOffStdFile", values.PATTERN, "no", "standard deviation of the azimuth offsets"),
    Key("load.rgOffStdFile", values.PATTERN, "no", "standard deviation of the range offsets"),
    Key("load.offSnrFile", values.PATTERN, "no", "signal-to-noise ratio of the offsets"),
    Key("load.demFile", values.PATTERN, "no", "heights"),
    Key("load.lookupYFile", values.PATTERN, "no", "latitude, or row in the other geometry, of every pixel"),
    Key("load.lookupXFile", values.PATTERN, "no", "longitude, or column in the other geometry, of every pixel"),
    Key("load.incAngleFile", values.PATTERN, "no", "incidence angle; may be missing"),
    Key("load.azAngleFile", values.PATTERN, "no", "azimuth angle; may be missing"),
    Key("load.shadowMaskFile", values.PATTERN, "no", "radar shadow; may be missing"),
    Key("load.waterMaskFile", values.PATTERN, "no", "land and water; may be missing"),
    Key("load.bperpFile", values.PATTERN, "no", "perpendicular baseline of every pixel; may be missing"),
)
_SUBSET = (
    Key("subset.yx", values.PIXEL_BOX, "no", "rows and columns to load", ("subset.box",)),
    Key("subset.lalo", values.DEGREE_BOX, "no", "latitudes and longitudes to load"),
    Key("multilook.method", choice("nearest", "mean", "median"), "nearest", "how pixels are joined while loading"),
    Key("multilook.ystep", number(1, whole=True), "1", "rows that are joined to one"),
    Key("multilook.xstep", number(1, whole=True), "1", "columns that are joined to one"),
)
_NETWORK = (
    Key("network.tempBaseMax", number(0, above=True, optional=True), "no", "longest pair, days"),
    Key("network.perpBaseMax", number(0, above=True, optional=True), "no", "largest perpendicular baseline, metres"),
    Key("network.connNumMax", number(1, whole=True, optional=True), "no", "most later dates that a date is joined to"),
    Key("network.startDate", values.DATE, "no", "first date used"),
    Key("network.endDate", values.DATE, "no", "last date used"),
    Key("network.excludeDate", values.DATES_OR_FILE, "no", "dates left out"),
    Key("network.excludeDate12", values.PAIRS, "no", "pairs left out"),
    Key("network.excludeIfgIndex", values.INDICES, "no", "pairs left out, by their place in the file"),
    Key("network.referenceFile", values.FILE, "no", "file whose pairs are the only ones used: text or stack"),
    Key("network.coherenceBased", values.FLAG, "no", "leave out pairs of low mean coherence"),
    Key("network.minCoherence", number(0, 1), "0.7", "lowest mean coherence of a pair"),
    Key("network.areaRatioBased", values.FLAG, "no", "leave out pairs of which too small a part is coherent"),
    Key("network.minAreaRatio", number(0, 1), "0.75", "smallest part that must be coherent"),
    Key("network.keepMinSpanTree", values.FLAG, "yes", "keep the best pairs that join all dates, whatever they are"),
    Key("network.maskFile", values.FILE, "waterMask.h5", "where the mean coherence is taken; not there: everywhere"),
    Key("network.aoiYX", values.PIXEL_BOX, "no", "rows and columns where the mean coherence is taken"),
    Key("network.aoiLALO", values.DEGREE_BOX, "no", "latitudes and longitudes where the mean coherence is taken"),
)
_REFERENCE = (
    Key("reference.yx", values.PIXEL, "no", "reference pixel, counted from 0; auto: chosen by coherence"),
    Key("reference.lalo", values.DEGREES, "no", "reference point; auto: chosen by coherence"),
    Key("reference.maskFile", values.FILE, "maskConnComp.h5", "where it may be; not there: everywhere"),
    Key("reference.coherenceFile", values.FILE, "avgSpatialCoh.h5", "coherence it is chosen by"),
    Key("reference.minCoherence", number(0, 1), "0.85", "lowest coherence where it is chosen"),
    Key(
        "reference.date",
        values.DATE_OR_FILE,
        "reference_date.txt",
        "reference date of the series; a text file that is not there: the first date stays",
    ),
)
_UNWRAP = (
    Key(
        "unwrapError.method",
        choice("bridging", "phase_closure", "bridging+phase_closure", optional=True),
        "no",
        "how whole cycles that unwrapping got wrong are found",
    ),
    Key("unwrapError.waterMaskFile", values.FILE, "waterMask.h5", "water, where no component lies"),
    Key("unwrapError.connCompMinArea", number(0, above=True), "2.5e3", "smallest region that is kept, pixels"),
    Key("unwrapError.numSample", number(2, whole=True), "100", "pixels of a region that closures are taken from"),
    Key("unwrapError.ramp", choice("linear", "quadratic", optional=True), "no", "ramp to take away while bridging"),
    Key("unwrapError.bridgePtsRadius", number(1, whole=True), "50", "half width around each end of a bridge, pixels"),
)
_INVERSION = (
    Key("networkInversion.weightFunc", choice("var", "fim", "coh", "no"), "var", "weight of a pair"),
    Key("networkInversion.waterMaskFile", values.FILE, "waterMask.h5", "water, which is not inverted"),
    Key("networkInversion.minNormVelocity", values.FLAG, "yes", "velocity has least norm; no: displacement"),
    Key(
        "networkInversion.maskDataset",
        choice("coherence", "connectComponent", "rangeOffsetStd", "azimuthOffsetStd", "offsetSNR", optional=True),
        "no",
        "layer that says which pairs of a pixel are left out",
    ),
    Key("networkInversion.maskThreshold", number(0), "0.4", "value of that layer below which they are left out"),
    Key("networkInversion.minRedundancy", number(0), "1", "fewest pairs that every date of a pixel needs"),
    Key("networkInversion.minTempCoh", number(0, 1), "0.7", "lowest temporal coherence of maskTempCoh.h5"),
    Key("networkInversion.minNumPixel", number(0, whole=True), "100", "fewest pixels that maskTempCoh.h5 must keep"),
    Key("networkInversion.shadowMask", values.FLAG, "yes", "leave radar shadow out of maskTempCoh.h5"),
    Key(
        "networkInversion.residualNorm",
        choice("L2", "L1"),
        "L2",
        "what is minimised: squares, or absolute values",
    ),
    Key(
        "networkInversion.walltime",
        values.text_kind("hours:minutes"),
        "00:40",
        "time limit of a cluster's job",
        (),
        _CORES,
    ),
)
_CORRECTIONS = (
    Key("solidEarthTides", values.FLAG, "no", "remove solid Earth tides"),
    Key("ionosphericDelay.method", choice("split_spectrum", optional=True), "no", "remove the ionosphere"),
    Key("ionosphericDelay.excludeDate", values.DATES, "no", "dates left out of its estimate"),
    Key("ionosphericDelay.excludeDate12", values.PAIRS, "no", "pairs left out of its estimate"),
    Key(
        "troposphericDelay.method",
        choice("pyaps", "height_correlation", "gacos", "opera", optional=True),
        "pyaps",
        "remove the troposphere",
    ),
    Key("troposphericDelay.weatherModel", choice("ERA5", "MERRA", "NARR", "ERA5T"), "ERA5", "weather model"),
    Key("troposphericDelay.weatherDir", values.FOLDER, "$WEATHER_DIR", "folder of its files"),
    Key("troposphericDelay.polyOrder", number(1, 3, whole=True), "1", "degree in height"),
    Key("troposphericDelay.looks", number(1, whole=True), "8", "looks taken before the fit in height"),
    Key("troposphericDelay.minCorrelation", number(0, 1), "0", "lowest correlation with height"),
    Key("troposphericDelay.gacosDir", values.FOLDER, "./GACOS", "folder of GACOS maps"),
    Key("troposphericDelay.operaDir", values.FOLDER, "./OPERA", "folder of OPERA maps"),
    Key(
        "troposphericDelay.missing",
        choice("uncorrected", "drop"),
        "uncorrected",
        "dates without a file of weather or delay: kept as they are, or left out of the corrected series",
    ),
    Key(
        "troposphericDelay.time",
        choice("nearest", "linear"),
        "nearest",
        "hour of the weather model: the nearest, or between the two around the acquisition",
    ),
    Key("deramp", choice("linear", "quadratic", optional=True), "no", "remove a ramp from every date"),
    Key("deramp.maskFile", values.FILE, "maskTempCoh.h5", "where the ramp is fitted"),
    Key("topographicResidual", values.FLAG, "yes", "remove the error of the heights"),
    Key("topographicResidual.polyOrder", number(1, whole=True), "2", "degree of the motion in time beside it"),
    Key("topographicResidual.phaseVelocity", values.FLAG, "no", "fit velocities, not displacement"),
    Key(
        "topographicResidual.stepDate",
        values.DATES,
        "no",
        "dates of steps in the motion",
        ("topographicResidual.stepFuncDate",),
    ),
    Key("topographicResidual.excludeDate", values.DATES_OR_FILE, "exclude_date.txt", "dates left out of the fit"),
    Key("topographicResidual.pixelwiseGeometry", values.FLAG, "yes", "geometry of each pixel, not of the centre"),
    Key("residualRMS.maskFile", values.FILE, "maskTempCoh.h5", "where residuals count"),
    Key("residualRMS.deramp", choice("linear", "quadratic", optional=True), "quadratic", "ramp to remove first"),
    Key("residualRMS.cutoff", number(0), "3", "noisy dates: above this times the robust spread"),
)
_VELOCITY = (
    Key("timeFunc.startDate", values.DATE, "no", "first date of the fit", ("velocity.startDate",)),
    Key("timeFunc.endDate", values.DATE, "no", "last date of the fit", ("velocity.endDate",)),
    Key(
        "timeFunc.excludeDate",
        values.DATES_OR_FILE,
        "exclude_date.txt",
        "dates left out of the fit; a text file that is not there: none",
        ("velocity.excludeDate",),
    ),
    Key(
        "timeFunc.polynomial",
        number(0, whole=True),
        "1",
        "degree of the polynomial; 1 = rate",
        ("velocity.polynomial",),
    ),
    Key(
        "timeFunc.periodic", numbers("periods in years / no"), "no", "periods of seasonal terms", ("velocity.periodic",)
    ),
    Key("timeFunc.stepDate", values.DATES, "no", "dates of steps", ("velocity.step", "velocity.stepDate")),
    Key("timeFunc.polyline", values.DATES, "no", "dates from which the rate is another", ("velocity.polyline",)),
    Key("timeFunc.exp", values.ONSETS, "no", "exponential decay: onset and time in days", ("velocity.exp",)),
    Key("timeFunc.log", values.ONSETS, "no", "logarithmic decay: onset and time in days", ("velocity.log",)),
    Key(
        "timeFunc.uncertaintyQuantification",
        choice("residue", "covariance", "bootstrap"),
        "residue",
        "where standard errors come from",
        ("timeFunc.uncertainty", "velocity.uncertaintyQuantification"),
    ),
    Key("timeFunc.timeSeriesCovFile", values.FILE, "no", "covariance of the series", ("velocity.timeSeriesCovFile",)),
    Key(
        "timeFunc.bootstrapCount",
        number(2, whole=True),
        "400",
        "number of resamplings",
        ("velocity.bootstrapCount", "velocity.bootstrapNum"),
    ),
)
_AFTER = (
    Key("geocode", values.FLAG, "yes", "bring products of radar geometry to latitude and longitude"),
    Key("geocode.SNWE", numbers("S,N,W,E / no", count=4), "no", "area, degrees"),
    Key("geocode.laloStep", numbers("step in latitude,step in longitude / no", count=2), "no", "grid, degrees"),
    Key("geocode.interpMethod", choice("nearest", "linear"), "nearest", "how values are taken"),
    Key("geocode.fillValue", values.text_kind("number / nan"), "nan", "value outside"),
    Key("save.kmz", values.FLAG, "yes", "write the velocity for Google Earth"),
    Key("save.hdfEos5", values.FLAG, "no", "write the series as HDF-EOS5", ("save.hdfEos",)),
    Key("save.hdfEos5.update", values.FLAG, "no", "leave the last date out of its name", ("save.hdfEos5.updateMode",)),
    Key("save.hdfEos5.subset", values.FLAG, "no", "write the area into its name"),
    Key("plot", values.FLAG, "yes", "draw the main products into pic/"),
    Key("plot.dpi", number(10, 2000, whole=True), "150", "dots per inch of those figures"),
    Key("plot.maxMemory", number(0, above=True), "4", "memory of plotting, gigabytes", (), "plotting needs little"),
)

GROUPS: Mapping[str, tuple[Key, ...]] = MappingProxyType(
    {
        "Computing": _COMPUTE,
        "load_data": _LOAD,
        "load_data: subset and multilook": _SUBSET,
        "modify_network": _NETWORK,
        "reference_point, reference_date": _REFERENCE,
        "correct_unwrap_error": _UNWRAP,
        "invert_network": _INVERSION,
        "corrections": _CORRECTIONS,
        "velocity": _VELOCITY,
        "geocode, google_earth, hdfeos5, plots": _AFTER,
    }
)
KEYS: Mapping[str, Key] = MappingProxyType({key.name: key for group in GROUPS.values() for key in group})
FORMER: Mapping[str, str] = MappingProxyType({name: key.name for key in KEYS.values() for name in key.former})
