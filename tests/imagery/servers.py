"""Servers that we did not write, started on loopback: a STAC API (rustac) and one for files with range requests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from creepmeter.simulate.catalogue import collection_of

_PATIENCE_S = 60.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """Serve a folder, with range requests, by a program of somebody else; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "RangeHTTPServer", "--bind", "127.0.0.1", str(port)]
    with _running(command, folder, f"http://127.0.0.1:{port}/") as url:
        yield url.rstrip("/")


@contextmanager
def api_served(items: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[str]:
    """Serve items as a STAC API by a program of somebody else; yield its address.

    Parameters
    ----------
    items : iterable of mapping
        STAC items as JSON, with absolute addresses.
    folder : Path
        For files that the server starts from.
    """
    everything = list(items)
    files = []
    for name in sorted({str(item["collection"]) for item in everything}):
        inside = [item for item in everything if item["collection"] == name]
        files.append(folder / f"{name}.collection.json")
        files[-1].write_text(json.dumps({**collection_of(name, inside), "links": []}), encoding="utf-8")
    files.append(folder / "items.json")
    files[-1].write_text(json.dumps({"type": "FeatureCollection", "features": everything}), encoding="utf-8")
    port = free_port()
    server = Path(sys.executable).with_name("rustac")
    command = [str(server), "serve", "--addr", f"127.0.0.1:{port}", "--use-duckdb", "false", *map(str, files)]
    with _running(command, folder, f"http://127.0.0.1:{port}/") as url:
        yield url.rstrip("/")


@contextmanager
def _running(command: Sequence[str], folder: Path, url: str) -> Iterator[str]:
    """Run a server, wait until it answers, and end it with the block."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _wait_for(process, url, folder / "server.log")
            yield url
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - on loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    message = f"{url} does not answer: {log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)
