"""MintPy templates: what is read, what is refused, what is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.errors import ConfigError
from creepmeter.io.text import PAGE_BYTES
from creepmeter.workflow.sbas.template import SbasTemplate, read_template
from creepmeter.workflow.sbas.template_file import (
    CONFIG_NAME,
    merged_text,
    settings_text,
    template_text,
    update_config,
    write_config,
)
from creepmeter.workflow.sbas.template_keys import FORMER, KEYS


def _template(folder: Path, text: str, name: str = "Project.txt") -> SbasTemplate:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_template(path)


def test_defaults_are_those_of_mintpy() -> None:
    template = SbasTemplate()
    expected = {
        "compute.maxMemory": 4.0,
        "load.processor": "isce",
        "load.updateMode": True,
        "multilook.method": "nearest",
        "network.tempBaseMax": None,
        "network.coherenceBased": False,
        "network.minCoherence": 0.7,
        "network.minAreaRatio": 0.75,
        "network.keepMinSpanTree": True,
        "network.maskFile": "waterMask.h5",
        "reference.yx": None,
        "reference.maskFile": "maskConnComp.h5",
        "reference.minCoherence": 0.85,
        "reference.date": "reference_date.txt",
        "unwrapError.method": None,
        "unwrapError.connCompMinArea": 2500.0,
        "unwrapError.numSample": 100,
        "unwrapError.bridgePtsRadius": 50,
        "networkInversion.weightFunc": "var",
        "networkInversion.minNormVelocity": True,
        "networkInversion.maskDataset": None,
        "networkInversion.maskThreshold": 0.4,
        "networkInversion.minRedundancy": 1.0,
        "networkInversion.minTempCoh": 0.7,
        "networkInversion.minNumPixel": 100,
        "troposphericDelay.method": "pyaps",
        "troposphericDelay.weatherDir": "$WEATHER_DIR",
        "topographicResidual": True,
        "topographicResidual.polyOrder": 2,
        "residualRMS.cutoff": 3.0,
        "timeFunc.polynomial": 1,
        "timeFunc.uncertaintyQuantification": "residue",
        "timeFunc.bootstrapCount": 400,
        "save.kmz": True,
        "save.hdfEos5": False,
        "plot.dpi": 150,
    }
    assert {name: template[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("mintpy.network.tempBaseMax = 60  # days", "network.tempBaseMax", 60.0),
        ("  mintpy.deramp=linear", "deramp", "linear"),
        ("mintpy.deramp = off", "deramp", None),
        ("mintpy.network.coherenceBased = on", "network.coherenceBased", True),
        ("mintpy.network.coherenceBased = TRUE", "network.coherenceBased", True),
        ("mintpy.network.keepMinSpanTree = false", "network.keepMinSpanTree", False),
        ("mintpy.network.keepMinSpanTree = def", "network.keepMinSpanTree", True),
        ("mintpy.network.keepMinSpanTree = default", "network.keepMinSpanTree", True),
        ("mintpy.unwrapError.connCompMinArea = 2.5e3", "unwrapError.connCompMinArea", 2500.0),
        ("mintpy.unwrapError.method = bridging+phase_closure", "unwrapError.method", "bridging+phase_closure"),
        ("mintpy.network.excludeIfgIndex = 1:3, 25", "network.excludeIfgIndex", (1, 2, 3, 25)),
        ("mintpy.network.excludeDate = 20080520, 20090817", "network.excludeDate", ("20080520", "20090817")),
        ("mintpy.network.excludeDate12 = 20090817_20080520", "network.excludeDate12", ("20080520_20090817",)),
        ("mintpy.network.aoiYX = [10:20,5:50]", "network.aoiYX", (10, 20, 5, 50)),
        ("mintpy.subset.lalo = -33.5:-32,-71:-70.5", "subset.lalo", (-33.5, -32.0, -71.0, -70.5)),
        ("mintpy.reference.yx = 257,151", "reference.yx", (257, 151)),
        ("mintpy.reference.lalo = 31.8, 130.8", "reference.lalo", (31.8, 130.8)),
        ("mintpy.reference.yx = auto", "reference.yx", None),
        ("mintpy.reference.date = 20090214", "reference.date", "20090214"),
        ("mintpy.reference.date = no", "reference.date", None),
        ("mintpy.timeFunc.periodic = 1, 0.5", "timeFunc.periodic", (1.0, 0.5)),
        ("mintpy.timeFunc.stepDate = 20110311, 20120928T1733", "timeFunc.stepDate", ("20110311", "20120928T1733")),
        ("mintpy.timeFunc.exp = 20110311,60,9;20170908,5", "timeFunc.exp", ("20110311:60", "20110311:9", "20170908:5")),
        ("mintpy.timeFunc.excludeDate = bad_dates.txt", "timeFunc.excludeDate", "bad_dates.txt"),
        ("mintpy.geocode.SNWE = -1.2,0.5,-92,-91", "geocode.SNWE", (-1.2, 0.5, -92.0, -91.0)),
        ("mintpy.compute.numWorker = 80%", "compute.numWorker", "80%"),
        ("mintpy.velocity.excludeDate = 20170102", "timeFunc.excludeDate", ("20170102",)),
        ("mintpy.topographicResidual.stepFuncDate = 20190401", "topographicResidual.stepDate", ("20190401",)),
        ("mintpy.networkInversion.numWorker = 40", "compute.numWorker", "40"),
        ("mintpy.networkInversion.parallel = yes", "compute.cluster", "local"),
        ("mintpy.networkInversion.residualNorm = L1", "networkInversion.residualNorm", "L1"),
        ("pysar.networkInversion.weightFunc = fim", "networkInversion.weightFunc", "fim"),
    ],
)  # fmt: skip
def test_values_as_mintpy_writes_them(tmp_path: Path, line: str, key: str, value: object) -> None:
    assert _template(tmp_path, line)[key] == value


def test_comments_and_other_lines_are_passed_over(tmp_path: Path) -> None:
    text = "# mintpy.deramp = linear\n% mintpy.deramp = linear\n\n----- load -----\nmintpy.deramp = quadratic#linear\n"
    template = _template(tmp_path, text)
    assert (template["deramp"], template.warnings) == ("quadratic", ())


def test_unknown_keys_are_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    text = "mintpy.deramp = no\nmintpy.network.coherenceBasde = yes\nmintpy.nonsense = 3\nnetwork.minCoherence = 0.5\n"
    template = _template(tmp_path, text)
    assert [warning.partition("Project.txt, ")[2] for warning in template.warnings] == [
        "line 2: unknown key 'mintpy.network.coherenceBasde', not used; did you mean mintpy.network.coherenceBased?",
        "line 3: unknown key 'mintpy.nonsense', not used",
        "line 4: unknown key 'network.minCoherence', not used; did you mean mintpy.network.minCoherence?",
    ]
    assert not template["network.coherenceBased"]


def test_the_last_of_two_values_counts(tmp_path: Path) -> None:
    template = _template(tmp_path, "mintpy.velocity.startDate = 20180101\nmintpy.timeFunc.startDate = 20190101\n")
    assert template["timeFunc.startDate"] == "20190101"
    assert "line 2: mintpy.timeFunc.startDate was given in line 1 already" in template.warnings[0]


def test_values_without_effect_are_named(tmp_path: Path) -> None:
    template = _template(tmp_path, "mintpy.compute.cluster = slurm\nmintpy.load.corFile =\n")
    assert "line 2: mintpy.load.corFile has no value, taken as auto" in template.warnings[0]
    assert "line 1: mintpy.compute.cluster has no effect" in template.warnings[1]


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("mintpy.network.minCoherence = 1.7", r"mintpy.network.minCoherence = 1.7: allowed are number from 0 to 1"),
        ("mintpy.network.minCoherence = high", "number from 0 to 1 or auto"),
        ("mintpy.network.coherenceBased = perhaps", "allowed are yes / no"),
        ("mintpy.networkInversion.weightFunc = best", "allowed are var / fim / coh / no"),
        ("mintpy.unwrapError.numSample = 2.5", "not a whole number"),
        ("mintpy.network.excludeDate = 20240230", "'20240230' is no date of the calendar"),
        ("mintpy.network.excludeDate12 = 20240101", "is no pair"),
        ("mintpy.network.startDate = 240101", "is no date"),
        ("mintpy.reference.yx = 10", "not two numbers"),
        ("mintpy.reference.yx = -1,5", "whole numbers from 0"),
        ("mintpy.subset.yx = 10:10,0:5", "a range is empty"),
        ("mintpy.timeFunc.exp = 20110311", "no characteristic time"),
        ("mintpy.geocode.SNWE = 1,2", "4 numbers are needed"),
        ("mintpy.compute.maxMemory = 0", "number above 0"),
        ("mintpy.compute.maxMemory = nan", "number above 0"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_file_line_key_and_what_is_allowed(tmp_path: Path, line: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        _template(tmp_path, f"# a project\n{line}\n")
    assert "Project.txt, line 2" in str(caught.value)


def test_every_wrong_value_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1") as caught:
        _template(tmp_path, "mintpy.deramp = cubic\nmintpy.plot.dpi = many\n")
    assert "line 2: mintpy.plot.dpi = many" in str(caught.value)


def test_files_that_are_no_template(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.txt: no such template; `creepmeter sbas -g` writes one"):
        read_template(tmp_path / "none.txt")
    (tmp_path / "large.txt").write_bytes(b"#" * (PAGE_BYTES + 1))
    with pytest.raises(ConfigError, match="at most 1000000 bytes"):
        read_template(tmp_path / "large.txt")
    (tmp_path / "binary.txt").write_bytes(b"mintpy.deramp = \xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_template(tmp_path / "binary.txt")


def test_later_templates_win(tmp_path: Path) -> None:
    first, second = tmp_path / "a.cfg", tmp_path / "b.txt"
    first.write_text("mintpy.deramp = linear\nmintpy.plot = no\n")
    second.write_text("mintpy.deramp = auto\n")
    template = read_template([first, second])
    assert (template["deramp"], template["plot"]) == (None, False)


def test_environment_is_not_read_into_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_DIR", "a-secret-place")
    template = _template(tmp_path, "mintpy.troposphericDelay.weatherDir = $WEATHER_DIR/more\n")
    assert template["troposphericDelay.weatherDir"] == "$WEATHER_DIR/more"
    assert "a-secret-place" not in settings_text(template)


def test_typed_options(tmp_path: Path) -> None:
    text = """\
mintpy.compute.maxMemory = 2
mintpy.load.processor = hyp3
mintpy.load.unwFile = ../hyp3/*/*unw_phase_clip.tif
mintpy.load.updateMode = no
mintpy.subset.lalo = 38.1:38.4,-122.8:-122.5
mintpy.multilook.ystep = 3
mintpy.plot = no
mintpy.save.hdfEos5 = yes
"""
    template = _template(tmp_path, text)
    assert template.compute.memory_gb == 2
    assert (template.load.processor, template.load.unw_file) == ("hyp3", "../hyp3/*/*unw_phase_clip.tif")
    assert (template.load.update, template.load.multilook_y, template.load.multilook_x) == (False, 3, 1)
    assert template.load.subset_lalo == (38.1, 38.4, -122.8, -122.5)
    assert (template.plot.plot, template.plot.dpi) == (False, 150)
    assert (template.save.geocode, template.save.kmz, template.save.hdfeos5) == (True, True, True)


def test_a_processor_that_is_not_read_is_named(tmp_path: Path) -> None:
    template = _template(tmp_path, "mintpy.load.processor = nisar\n")
    with pytest.raises(ConfigError, match=r"Project.txt, line 1: mintpy.load.processor = nisar"):
        _ = template.load


# ---------------------------------------------------------------------------------------------------------- written


def test_the_written_template_holds_every_key_and_is_all_auto(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    template = read_template(path)
    assert path.name == CONFIG_NAME
    assert set(template.entries) == set(KEYS)
    assert not [name for name in KEYS if template.is_given(name)]
    assert template.warnings == ()


def test_every_key_says_what_it_does() -> None:
    for line in template_text().splitlines():
        if line.startswith("mintpy."):
            assert line.count(";") >= 2, line
    assert not set(FORMER) & set(KEYS)


def test_a_custom_template_is_written_into_the_one_of_the_folder(tmp_path: Path) -> None:
    custom = tmp_path / "Project.txt"
    custom.write_text("mintpy.network.tempBaseMax = 60\nmintpy.velocity.startDate = 20190101\n")
    write_config(tmp_path)
    before = (tmp_path / CONFIG_NAME).read_text().splitlines()
    update_config(tmp_path, custom)
    after = (tmp_path / CONFIG_NAME).read_text().splitlines()
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 2
    template = read_template(tmp_path / CONFIG_NAME)
    assert (template["network.tempBaseMax"], template["timeFunc.startDate"]) == (60.0, "20190101")


def test_what_a_custom_template_no_longer_says_goes_back_to_auto(tmp_path: Path) -> None:
    custom = tmp_path / "Project.txt"
    custom.write_text("mintpy.network.tempBaseMax = 60\n")
    update_config(tmp_path, custom)
    fresh = template_text()
    custom.write_text("# nothing\n")
    update_config(tmp_path, custom)
    assert (tmp_path / CONFIG_NAME).read_text() == fresh


def test_what_the_user_wrote_into_the_file_stays(tmp_path: Path) -> None:
    config = tmp_path / CONFIG_NAME
    config.write_text("mintpy.deramp=linear # mine\n# a note\nmintpy.plot   = yes\n")
    custom = tmp_path / "Project.txt"
    custom.write_text("mintpy.plot = no\nmintpy.save.kmz = no\n")
    update_config(tmp_path, custom)
    lines = config.read_text().splitlines()
    assert lines[:3] == ["mintpy.deramp=linear # mine", "# a note", "mintpy.plot   = no  #<- Project.txt"]
    assert lines[3].startswith("mintpy.save.kmz")
    once = config.read_text()
    update_config(tmp_path, custom)
    assert config.read_text() == once


@given(
    st.dictionaries(
        st.sampled_from(["network.tempBaseMax", "unwrapError.bridgePtsRadius", "plot.dpi", "residualRMS.cutoff"]),
        st.integers(10, 999).map(str),
    )
)
def test_merging_says_what_was_given_and_is_done_once(values: dict[str, str]) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis and tmp_path do not go together

    with tempfile.TemporaryDirectory() as folder:
        custom = Path(folder) / "c.txt"
        custom.write_text("".join(f"mintpy.{name} = {value}\n" for name, value in values.items()))
        given_template = read_template(custom)
        merged = merged_text(template_text(), given_template, "c.txt")
        assert merged_text(merged, given_template, "c.txt") == merged
        custom.write_text(merged)
        again = read_template(custom)
    assert dict(again.values) == dict(given_template.values)


def test_settings_text_is_a_template_of_what_differs(tmp_path: Path) -> None:
    template = _template(tmp_path, "mintpy.deramp = linear\nmintpy.plot = auto\npysar.save.kmz = no\n")
    text = settings_text(template)
    assert len(text.splitlines()) == 2
    assert dict(_template(tmp_path, text).values) == dict(template.values)


@pytest.mark.golden
def test_templates_that_mintpy_ran(shared: Path) -> None:
    found = sorted((shared / "golden").glob("sbas_*/mintpy_*/SynthSenAT1.txt"))
    assert len(found) == 7
    for path in found:
        template = read_template(path)
        assert template.warnings == ()
        assert template["reference.yx"] in ((70, 93), (67, 78))
        assert not template.plot.plot
