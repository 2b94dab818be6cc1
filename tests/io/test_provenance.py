from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

import creepmeter as cm
from creepmeter.errors import StoreError
from creepmeter.io import store
from creepmeter.io.provenance import (
    SAMPLE_BYTES,
    SAMPLES,
    digest_arrays,
    digest_file,
    digest_text,
    provenance,
    provenance_of,
)


def test_a_file_is_known_by_content_and_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").write_bytes(b"x" * 1000)
    assert digest_file(tmp_path / "a") == digest_file(tmp_path / "b")
    (tmp_path / "b").write_bytes(b"x" * 999 + b"y")
    assert digest_file(tmp_path / "a") != digest_file(tmp_path / "b")


def test_a_large_file_is_sampled_from_first_to_last_byte(tmp_path: Path) -> None:
    size = 3 * SAMPLES * SAMPLE_BYTES
    path = tmp_path / "large"
    path.write_bytes(bytes(size))
    before = digest_file(path)
    for place in (0, size - 1):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"\x01")
        after = digest_file(path)
        assert after != before
        before = after
    with path.open("ab") as file:
        file.write(b"\x00")
    assert digest_file(path) != before


def test_a_store_is_known_by_content_and_not_by_time(tmp_path: Path) -> None:
    data = xr.Dataset({"v": ("x", np.arange(5.0))})
    made = {"created": "yesterday", "options": {}}
    store.write(data, tmp_path / "a.zarr", made)
    store.write(data, tmp_path / "b.zarr", {**made, "created": "today"})
    store.write(data + 1, tmp_path / "c.zarr", made)
    store.write(data, tmp_path / "d.zarr", {**made, "options": {"chip_px": 16}})
    digests = [digest_file(tmp_path / f"{name}.zarr") for name in "abcd"]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*nothing"):
        digest_file(tmp_path / "nothing")


def test_arrays_and_datasets_are_known_by_type_shape_and_value() -> None:
    base = np.arange(4.0)
    others: list[npt.ArrayLike | xr.Dataset] = [
        base.astype("f4"),
        base.reshape(2, 2),
        base + 1,
        np.array(["a"]),
        xr.Dataset({"v": ("x", base)}),
    ]
    assert digest_arrays(base) == digest_arrays(base.copy())
    assert len({digest_arrays(item) for item in [base, *others]}) == 6
    assert digest_arrays(xr.Dataset(attrs={"a": 1})) != digest_arrays(xr.Dataset(attrs={"a": 2}))
    assert digest_text({"a": 1}) != digest_text({"a": 2})


def test_provenance_goes_into_the_product_and_out(tmp_path: Path) -> None:
    made = provenance({"chip_px": 32, "terms": ("rate",)}, {"/scenes/a/x.tif": "1", "/scenes/b/x.tif": "2"})
    assert made["creepmeter_version"] == cm.__version__
    assert set(made) == {"creepmeter_version", "options", "inputs", "created"}
    assert made["inputs"] == {"x.tif": "1", "b/x.tif": "2"}
    store.write(xr.Dataset({"v": ("x", [1])}), tmp_path / "a.zarr", made)
    kept = provenance_of(cm.open(tmp_path / "a.zarr"))
    assert kept == {**made, "options": {"chip_px": 32, "terms": ["rate"]}}
    assert provenance_of(xr.Dataset()) == {}
    with pytest.raises(StoreError, match="provenance is damaged"):
        provenance_of(xr.Dataset(attrs={"provenance": "{"}))
