"""A folder of scenes: image, mask and provenance of each; a scene is there when its provenance is, which comes last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine

from creepmeter.errors import InputError, StoreError
from creepmeter.imagery.masks import WORDS
from creepmeter.io import swap
from creepmeter.io.lazy_raster import lazy_images
from creepmeter.io.provenance import digest_text, provenance
from creepmeter.io.raster import write_geotiff
from creepmeter.model.epoch import epochs_in_name
from creepmeter.model.grid import Grid, describe_grid
from creepmeter.model.schema import make_image_cube

PLAN = "scenes.json"
_LONGEST = 80
_MARK = 8


@dataclass(frozen=True)
class ScenePlan:
    """What all scenes of a folder have in common.

    Parameters
    ----------
    recipe : mapping
        Area, band and options that decide on their content.
    grid : Grid
        Of all of them.
    """

    recipe: Mapping[str, Any]
    grid: Grid

    @property
    def digest(self) -> str:
        """The same for the same recipe and grid."""
        return digest_text(self.recipe, _grid_as_json(self.grid))[:32]


def stem_of(moment: datetime, band: str, name: str) -> str:
    """Return the name of a scene's files, without ending: time, band, id; nothing in it can leave the folder.

    Examples
    --------
    >>> stem_of(datetime(2016, 11, 20, 10, 14, 31), "B08", "S2A_33TVM_20161120_0_L2A")
    '20161120T101431_B08_S2A_33TVM_20161120_0_L2A'
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST]
    if safe != name or safe.lower().endswith("_mask"):  # two names may become one, or that of the mask of another
        safe = f"{safe}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:_MARK]}"
    return f"{moment:%Y%m%dT%H%M%S}_{re.sub(r'[^A-Za-z0-9]+', '-', band)[:20]}_{safe}"


@dataclass(frozen=True)
class SceneFiles:
    """The files of one scene.

    Parameters
    ----------
    folder : Path
        Where.
    stem : str
        Name without ending.
    """

    folder: Path
    stem: str

    @property
    def image(self) -> Path:
        """Reflectance, float32, NaN = missing."""
        return self.folder / f"{self.stem}.tif"

    @property
    def mask(self) -> Path:
        """0 = used, else why not."""
        return self.folder / f"{self.stem}_mask.tif"

    @property
    def facts(self) -> Path:
        """Provenance."""
        return self.folder / f"{self.stem}.json"

    def is_whole(self, key: str) -> bool:
        """Tell whether the scene is there, made in the same way, and no file of it was cut since."""
        try:
            found = json.loads(self.facts.read_text(encoding="utf-8"))
            sizes = found["bytes"]
            return bool(
                found["key"] == key
                and self.image.stat().st_size == sizes["image"]
                and self.mask.stat().st_size == sizes["mask"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def write(
        self,
        image: npt.NDArray[np.float32],
        mask: npt.NDArray[np.uint8],
        grid: Grid,
        facts: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Write a scene; it counts from the moment that its provenance is there.

        An image that is there always has its own mask beside it, for a run looks at those two only.

        Raises
        ------
        StoreError
            The disk is full or not writable.
        """
        with swap.file_errors(self.facts, "replace"):
            self.facts.unlink(missing_ok=True)
            self.image.unlink(missing_ok=True)
        tags = {"SCENE": str(facts["scene"]), "DATETIME_UTC": str(facts["datetime"])}
        about = {"MEANING": ", ".join(f"{code} {word}" for code, word in enumerate(WORDS))}
        write_geotiff(self.mask, mask, grid, nodata=None, names=["mask"], tags=tags | about, cog=True)
        write_geotiff(self.image, image, grid, names=["reflectance"], tags=tags, cog=True)
        sizes = {"image": self.image.stat().st_size, "mask": self.mask.stat().st_size}
        made = provenance(options, {})
        made.pop("inputs")
        swap.write_text(self.facts, json.dumps({**facts, "bytes": sizes, **made}, indent=1) + "\n")


# ----------------------------------------------------------------------------------------------------------- the plan


def read_plan(folder: Path) -> ScenePlan | None:
    """Return what the scenes of a folder have in common, None where there is no such folder.

    Raises
    ------
    StoreError
        It is damaged.
    """
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        grid = found["grid"]
        return ScenePlan(found["recipe"], Grid(tuple(grid["shape"]), Affine(*grid["transform"]), grid["crs"]))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        message = f"{path} is damaged ({problem}): fetch into another folder"
        raise StoreError(message) from problem


def write_plan(folder: Path, plan: ScenePlan) -> None:
    """Write what the scenes of a folder have in common."""
    content = {"recipe": dict(plan.recipe), "grid": _grid_as_json(plan.grid)}
    swap.write_text(folder / PLAN, json.dumps(content, indent=1) + "\n")


def _grid_as_json(grid: Grid) -> dict[str, Any]:
    system = None if grid.crs is None else grid.crs.to_wkt()
    return {"shape": list(grid.shape), "transform": [float(value) for value in grid.affine[:6]], "crs": system}


def require_same_recipe(folder: Path, plan: ScenePlan, recipe: Mapping[str, Any]) -> None:
    """Raise `InputError` when a folder holds scenes that were made in another way."""
    wanted = json.loads(json.dumps(recipe))
    changed = sorted(key for key in {*plan.recipe, *wanted} if plan.recipe.get(key) != wanted.get(key))
    if changed:
        message = (
            f"{folder} holds scenes of another kind (other {', '.join(changed)}; {describe_grid(plan.grid)}): fetch "
            "into another folder, or delete this one"
        )
        raise InputError(message)


# ------------------------------------------------------------------------------------------------------------- reading


def scenes_in(folder: Path) -> list[SceneFiles]:
    """Return the scenes of a folder that are whole, in order of time."""
    plan = read_plan(folder)
    if plan is None:
        message = f"{folder} holds no scenes ({PLAN} is not there): make it with `creepmeter scenes fetch`"
        raise InputError(message)
    return whole_scenes(folder)


def whole_scenes(folder: Path) -> list[SceneFiles]:
    """Return the same of any folder, also of one that holds none."""
    found = [SceneFiles(folder, path.stem) for path in sorted(folder.glob("*T*.json"))]
    return [files for files in found if files.is_whole(_key_in(files))]


def _key_in(files: SceneFiles) -> str:
    try:
        return str(json.loads(files.facts.read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def open_scenes(folder: str | Path) -> xr.Dataset:
    """Open the scenes of a folder as an ImageCube; pixels are read when they are asked for.

    Parameters
    ----------
    folder : str or Path
        Made by `creepmeter scenes fetch`.

    Returns
    -------
    Dataset
        ``image`` (time, y, x) float32: reflectance, NaN = missing or masked.

    Raises
    ------
    InputError
        There is no scene in it.
    """
    place = Path(folder)
    plan, scenes = read_plan(place), scenes_in(place)
    if plan is None or not scenes:
        message = f"{folder} holds no scene that is whole: run `creepmeter scenes fetch` again"
        raise InputError(message)
    image = lazy_images([(files.image, files.mask) for files in scenes], (plan.grid.shape[0], plan.grid.shape[1]))
    cube = make_image_cube(image, [epochs_in_name(files.stem)[0] for files in scenes], plan.grid)
    cube["image"].attrs["long_name"] = "reflectance"
    return cube.assign_coords(scene=("time", [files.stem for files in scenes]))
