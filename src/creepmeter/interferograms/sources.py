"""Which files a layer comes from, and whether a product was made of them as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from creepmeter.errors import CreepmeterError
from creepmeter.interferograms.load_options import KEY, LoadOptions
from creepmeter.io.layers import Layer
from creepmeter.io.mintpy.product import read_attributes
from creepmeter.io.provenance import digest_text


def files_of(layer: Layer) -> Iterator[Path]:
    """Yield the files that a layer is made of."""
    path = getattr(layer, "path", None)
    if path is not None:
        yield Path(path)
    for inner in (getattr(layer, "layer", None), *getattr(layer, "layers", ())):
        if inner is not None:
            yield from files_of(inner)


def digest_layers(layers: Mapping[str, Layer]) -> str:
    """Return a digest of layers: what they are made of, with name, size and time of every file."""
    found = []
    for name, layer in sorted(layers.items()):
        files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files_of(layer)]
        found.append([name, layer.name if not files else _settings(layer), files])
    return digest_text("layers", found)


def _settings(layer: Layer) -> str:
    """Return how a layer is made, without folders: a moved project is not loaded anew."""
    text = repr(layer)
    for path in sorted(set(files_of(layer)), key=lambda one: -len(str(one))):
        text = text.replace(repr(path), repr(path.name))
    return text


def key_in(target: Path) -> str | None:
    """Return the key that a loaded file carries; None when there is no file, or it was not loaded by creepmeter."""
    if not target.exists():
        return None
    try:
        return read_attributes(target).get(KEY)
    except CreepmeterError:
        return None


def settings_of(options: LoadOptions) -> dict[str, Any]:
    """Return options for provenance: those that are set, file patterns without their folders."""
    chosen = options.model_dump(mode="json", exclude_defaults=True, exclude={"update"})
    return {name: Path(value).name if name.endswith(("_file", "_dir")) else value for name, value in chosen.items()}


def loaded_from(layers: Mapping[str, Sequence[Layer]]) -> dict[str, str]:
    """Return, for provenance, a digest of names and sizes of the files behind each dataset.

    Parameters
    ----------
    layers : mapping of str to sequence of Layer
        By dataset.
    """
    found = {}
    for name, several in layers.items():
        files = sorted({(path.name, path.stat().st_size) for layer in several for path in files_of(layer)})
        if files:
            others = f" and {len(files) - 1} more" if len(files) > 1 else ""
            found[f"{name}: {files[0][0]}{others}"] = digest_text(files)
    return found
